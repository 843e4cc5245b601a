//! One connection, either side's: what is commanded of it, in order, and what comes in.

use super::server::open_channel;
use crate::ble::{
    INBOX, INFO, OUTBOX, SERVICE,
    command::{Attempt, Bearer, Command, Connection, Fact},
    host::Ble,
};
use bluer::{
    Adapter, Device, DeviceEvent, DeviceProperty, Error, ErrorKind, Uuid,
    gatt::{
        CharacteristicReader, CharacteristicWriter, WriteOp,
        remote::{Characteristic, CharacteristicWriteRequest},
    },
    l2cap::{self, stream::OwnedWriteHalf},
};
use futures_util::StreamExt;
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::debug;

/// Between looks at what tells nobody when it is done.
pub(super) const MOMENT: Duration = Duration::from_millis(50);
/// So long a connection of the neighbour's is left to it.
const COURTESY: Duration = Duration::from_secs(3);
/// As long as the controller waits for a channel.
const CHANNEL_LIMIT: Duration = Duration::from_millis(1500);
/// Of a channel's bytes in one fact.
const READ_BYTES: usize = 8192;
/// What the library keeps back of each value, of what the attribute protocol's header leaves.
const HEADER_BYTES: usize = 3;

/// What a connection is given.
#[derive(Debug)]
pub(super) enum Job {
    Do(Command),
    /// The neighbour has subscribed.
    Subscriber(CharacteristicWriter),
    /// The neighbour has opened a channel.
    Channel(l2cap::Stream),
}

/// A connection at work; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) is_subscriber: bool,
    yields: Arc<AtomicBool>,
    jobs: mpsc::UnboundedSender<Job>,
    task: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    /// `ended` is called when it is over by itself.
    pub(super) fn start(
        work: Work,
        number: u64,
        ended: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (jobs, given) = mpsc::unbounded_channel();
        let yields = Arc::clone(&work.yields);
        let task = tokio::spawn(async move {
            work.run(given).await;
            ended.await;
        });
        Self { number, is_subscriber: false, yields, jobs, task: task.abort_handle() }
    }

    /// Whether it waits for what the neighbour does with a connection of its own.
    pub(super) fn yields(&self) -> bool {
        self.yields.load(Ordering::Relaxed)
    }

    /// What comes too late is for nobody.
    pub(super) fn give(&self, job: Job) {
        let _ = self.jobs.send(job);
    }
}

/// What a connection has.
#[derive(Debug)]
pub(super) struct Work {
    ble: Arc<Ble>,
    adapter: Adapter,
    device: Device,
    connection: Connection,
    yields: Arc<AtomicBool>,
    remote: Option<Remote>,
    /// To notify a neighbour who has subscribed.
    subscriber: Option<CharacteristicWriter>,
    channel: Option<OwnedWriteHalf>,
    readers: JoinSet<()>,
}

/// The neighbour's service.
#[derive(Debug)]
struct Remote {
    info: Characteristic,
    inbox: Characteristic,
    outbox: Characteristic,
    writer: CharacteristicWriter,
}

impl Work {
    pub(super) fn new(
        ble: Arc<Ble>,
        adapter: Adapter,
        device: Device,
        connection: Connection,
    ) -> Self {
        let (remote, subscriber, channel) = (None, None, None);
        let (yields, readers) = (Arc::default(), JoinSet::new());
        Self { ble, adapter, device, connection, yields, remote, subscriber, channel, readers }
    }

    async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let (connection, ble) = (self.connection, Arc::clone(&self.ble));
        let gone = match self.device.events().await {
            Ok(events) => events.filter(|event| {
                let DeviceEvent::PropertyChanged(property) = event;
                std::future::ready(matches!(property, DeviceProperty::Connected(false)))
            }),
            Err(error) => return debug!(?connection, %error, "no word of the device"),
        };
        let mut gone = pin!(gone);
        let work = async {
            while let Some(job) = jobs.recv().await {
                if let Err(error) = self.act(job).await {
                    debug!(?connection, %error, "a connection fails");
                    ble.report(Fact::Failed { what: Attempt::Connection(connection) });
                    return;
                }
                // A reader ends with its connection.
                while self.readers.try_join_next().is_some() {}
            }
        };
        tokio::select! {
            () = work => {}
            _ = gone.next() => {}
        }
    }

    async fn act(&mut self, job: Job) -> bluer::Result<()> {
        let connection = self.connection;
        let fact = match job {
            Job::Do(command) => self.execute(command).await?,
            Job::Subscriber(writer) => {
                let mtu = mtu(&writer);
                self.subscriber = Some(writer);
                self.ble.report(Fact::Subscribed { connection });
                Fact::Mtu { connection, mtu }
            }
            Job::Channel(stream) => self.channel_open(stream),
        };
        self.ble.report(fact);
        Ok(())
    }

    async fn execute(&mut self, command: Command) -> bluer::Result<Fact> {
        let connection = self.connection;
        Ok(match command {
            Command::Connect { .. } => {
                self.connect().await?;
                Fact::Connected { connection, mtu: 23 }
            }
            Command::ExchangeMtu { .. } => {
                let remote = Remote::find(&self.device).await?;
                let mtu = mtu(&remote.writer);
                self.remote = Some(remote);
                Fact::Mtu { connection, mtu }
            }
            Command::ReadInfo { .. } => {
                Fact::Info { connection, value: self.remote()?.info.read().await? }
            }
            Command::OpenChannel { psm, .. } => {
                let open = open_channel(&self.adapter, &self.device, psm);
                match timeout(CHANNEL_LIMIT, open).await {
                    Ok(Ok(stream)) => self.channel_open(stream),
                    failed => {
                        debug!(?connection, ?failed, "no L2CAP channel");
                        Fact::Failed { what: Attempt::Channel(connection) }
                    }
                }
            }
            Command::Subscribe { .. } => {
                let reader = self.remote()?.outbox.notify_io().await?;
                self.readers.spawn(take_notified(Arc::clone(&self.ble), connection, reader));
                Fact::Subscribed { connection }
            }
            Command::Write { value, .. } => {
                self.remote()?.write(&value).await?;
                Fact::Writable { connection }
            }
            Command::Notify { value, .. } => {
                self.subscriber.as_ref().ok_or_else(gone)?.send(&value).await?;
                Fact::Writable { connection }
            }
            Command::Send { bytes, .. } => {
                self.channel.as_mut().ok_or_else(gone)?.write_all(&bytes).await?;
                Fact::Writable { connection }
            }
            // They are the shell's, and none of one connection's.
            Command::Scan { .. }
            | Command::StopScan
            | Command::Advertise { .. }
            | Command::Serve { .. }
            | Command::Disconnect { .. } => return Err(gone()),
        })
    }

    async fn connect(&self) -> bluer::Result<()> {
        if self.device.is_connected().await? {
            // The neighbour has made it, for a link of its own perhaps: one is enough.
            self.yields.store(true, Ordering::Relaxed);
            sleep(COURTESY).await;
            self.yields.store(false, Ordering::Relaxed);
            return Ok(());
        }
        match self.device.connect().await {
            Err(Error { kind: ErrorKind::AlreadyConnected, .. }) => Ok(()),
            done => done,
        }
    }

    fn remote(&self) -> bluer::Result<&Remote> {
        self.remote.as_ref().ok_or_else(gone)
    }

    fn channel_open(&mut self, stream: l2cap::Stream) -> Fact {
        let connection = self.connection;
        let (reader, writer) = stream.into_split();
        self.channel = Some(writer);
        self.readers.spawn(take_sent(Arc::clone(&self.ble), connection, reader));
        Fact::ChannelOpen { connection }
    }
}

impl Remote {
    /// BlueZ agrees on an MTU and discovers all services on its own. It says so once it connects, and
    /// nobody waits for that where the neighbour has connected: the controller bounds it.
    async fn find(device: &Device) -> bluer::Result<Self> {
        while !device.is_services_resolved().await? {
            sleep(MOMENT).await;
        }
        let mut found = [None, None, None];
        for service in device.services().await? {
            if service.uuid().await? != Uuid::from_u128(SERVICE) {
                continue;
            }
            for characteristic in service.characteristics().await? {
                let uuid = characteristic.uuid().await?.as_u128();
                let place = [INFO, INBOX, OUTBOX].into_iter().zip(&mut found);
                for (_, found) in place.filter(|(it, _)| *it == uuid) {
                    *found = Some(characteristic.clone());
                }
            }
        }
        let [Some(info), Some(inbox), Some(outbox)] = found else { return Err(gone()) };
        let writer = inbox.write_io().await?;
        Ok(Self { info, inbox, outbox, writer })
    }

    async fn write(&self, value: &[u8]) -> bluer::Result<()> {
        if value.len() <= self.writer.mtu() {
            return Ok(self.writer.send(value).await?);
        }
        // At the least MTU of all, what the library keeps back is too much.
        let request =
            CharacteristicWriteRequest { op_type: WriteOp::Command, ..Default::default() };
        self.inbox.write_ext(value, &request).await
    }
}

fn mtu(writer: &CharacteristicWriter) -> u16 {
    u16::try_from(writer.mtu() + HEADER_BYTES).unwrap_or(u16::MAX)
}

/// What was to be used is not there.
fn gone() -> Error {
    Error { kind: ErrorKind::NotFound, message: String::new() }
}

/// Until the neighbour or BlueZ ends it.
async fn take_notified(ble: Arc<Ble>, connection: Connection, reader: CharacteristicReader) {
    while let Ok(bytes) = reader.recv().await {
        if bytes.is_empty() {
            break;
        }
        ble.report(Fact::Received { connection, bearer: Bearer::Gatt, bytes });
    }
    ble.report(Fact::Failed { what: Attempt::Connection(connection) });
}

/// Until the neighbour closes the channel. One that was never used was left for GATT.
async fn take_sent(
    ble: Arc<Ble>,
    connection: Connection,
    mut reader: l2cap::stream::OwnedReadHalf,
) {
    let mut is_used = false;
    loop {
        ble.readable(connection).await;
        let mut bytes = Vec::with_capacity(READ_BYTES);
        match reader.read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        is_used = true;
        ble.report(Fact::Received { connection, bearer: Bearer::L2cap, bytes });
    }
    if is_used {
        ble.report(Fact::Failed { what: Attempt::Connection(connection) });
    }
}
