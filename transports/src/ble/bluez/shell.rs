//! Executes the controller's commands on an adapter, and reports what comes of them.

use super::{
    line::{Job, Line, Work},
    radio::Radio,
    server::{self, InfoValue},
};
use crate::ble::{
    SERVICE,
    command::{Attempt, Bearer, Command, Connection, Device, Fact, Side, Tag},
    host::Ble,
};
use bluer::{
    Adapter, AdapterEvent, AdapterProperty, Address, DiscoveryFilter, DiscoveryTransport,
    SessionEvent, Uuid,
    adv::Advertisement,
    gatt::local::CharacteristicControlEvent,
    l2cap::{SocketAddr, Stream, StreamListener},
};
use futures_util::StreamExt;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    future::pending,
    io,
    pin::pin,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{interval, timeout},
};
use tracing::{debug, info};

/// How often it is looked whether bluetoothd is still there: one that was killed says nothing.
const LOOK: Duration = Duration::from_secs(5);
/// How long its connections may take to end as a node leaves an adapter.
const FAREWELL: Duration = Duration::from_secs(3);
/// What has happened and waits to be reported.
const WAITING: usize = 64;
/// The least interval of advertisements that Bluetooth knows.
const LEAST_INTERVAL: Duration = Duration::from_millis(20);

/// An advertisement of flags, service and tag.
const TAGGED_BYTES: u8 = 3 + 18 + 22;

/// What others do, and what connections come to.
#[derive(Debug)]
pub(super) enum Happening {
    InfoRead(Address),
    Written(Address, Vec<u8>),
    /// A connection, by its number, is over.
    Ended(Connection, u64),
}

pub(super) struct Shell {
    ble: Arc<Ble>,
    adapter: Adapter,
    info: InfoValue,
    lines: BTreeMap<Connection, Line>,
    next_number: u64,
    tell: mpsc::Sender<Happening>,
    /// At most one task each, which ends what it has begun when it is aborted.
    scan: JoinSet<()>,
    advertisement: JoinSet<()>,
    disconnects: JoinSet<()>,
}

impl Shell {
    /// Runs until the adapter or bluetoothd is gone; true once the node has stopped.
    pub(super) async fn run(ble: &Arc<Ble>, radio: Radio) -> bool {
        let (tell, happenings) = mpsc::channel(WAITING);
        let mut shell = Self {
            ble: Arc::clone(ble),
            adapter: radio.adapter.clone(),
            info: InfoValue::default(),
            lines: BTreeMap::new(),
            next_number: 0,
            tell,
            scan: JoinSet::new(),
            advertisement: JoinSet::new(),
            disconnects: JoinSet::new(),
        };
        match shell.work(&radio, happenings).await {
            Ok(has_stopped) => {
                shell.leave().await;
                has_stopped
            }
            Err(error) => {
                debug!(%error, "BlueZ fails");
                false
            }
        }
    }

    /// BlueZ keeps connections up that nobody uses any more. If it is there to be told.
    async fn leave(&mut self) {
        while let Some(connection) = self.lines.keys().next().copied() {
            self.end(connection);
        }
        let _ = timeout(FAREWELL, async { while self.disconnects.join_next().await.is_some() {} })
            .await;
    }

    /// Whether the node has stopped, and not the adapter or bluetoothd.
    async fn work(
        &mut self,
        radio: &Radio,
        mut happenings: mpsc::Receiver<Happening>,
    ) -> bluer::Result<bool> {
        let serving = server::serve(&self.adapter, Arc::clone(&self.info), self.tell.clone());
        let (_service, mut subscribers) = serving.await?;
        let listener = server::listen(&self.adapter).await;
        let mut lost = pin!(lost(radio).await?);
        let mut look = interval(LOOK);
        self.ble.report(Fact::AdapterOn);
        let listener = match listener {
            Ok((listener, psm)) => {
                self.ble.report(Fact::Listening { psm });
                Some(listener)
            }
            Err(error) => {
                info!(%error, "no L2CAP channels here: links go over GATT, which is slower");
                None
            }
        };
        loop {
            tokio::select! {
                // Who writes has subscribed before: that shall be known by then.
                biased;
                Some(CharacteristicControlEvent::Notify(subscriber)) = subscribers.next() => {
                    let from = subscriber.device_address();
                    if let Some(line) = self.line_from(from) {
                        line.is_subscriber = true;
                        line.give(Job::Subscriber(subscriber));
                    }
                }
                Some(happening) = happenings.recv() => self.happened(happening),
                accepted = accept(listener.as_ref()) => {
                    let (stream, from) = accepted?;
                    if let Some(line) = self.line_from(from.addr) {
                        line.give(Job::Channel(stream));
                    }
                }
                () = &mut lost => return Ok(false),
                _ = look.tick() => match timeout(LOOK, self.adapter.is_powered()).await {
                    Ok(is_powered) => drop(is_powered?),
                    // The bus is gone, and nobody says so for two minutes.
                    Err(_) => return Ok(false),
                },
                command = self.ble.next_command() => match command {
                    Some(command) => self.execute(command),
                    None => return Ok(true),
                },
            }
        }
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::InfoRead(from) => drop(self.line_from(from)),
            Happening::Written(from, bytes) => {
                let connection = Connection::from(device(from));
                if self.line_from(from).is_some_and(|line| line.is_subscriber) {
                    self.ble.report(Fact::Received { connection, bearer: Bearer::Gatt, bytes });
                } else {
                    // It hears what is meant for another, or writes on after the end.
                    debug!(?connection, "a write of one that is not subscribed");
                    self.end(connection);
                }
            }
            Happening::Ended(connection, number) => {
                if self.lines.get(&connection).is_some_and(|line| line.number == number) {
                    self.end(connection);
                }
            }
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Scan { .. } => {
                self.scan = task(scan(Arc::clone(&self.ble), self.adapter.clone()));
            }
            Command::StopScan => self.scan.abort_all(),
            Command::Advertise { tag, interval } => {
                let advertise =
                    advertise(Arc::clone(&self.ble), self.adapter.clone(), tag, interval);
                self.advertisement = task(advertise);
            }
            Command::Serve { info } => {
                *self.info.lock().unwrap_or_else(PoisonError::into_inner) = info;
            }
            Command::Disconnect { connection } => self.end(connection),
            Command::Connect { device } => self.begin(Connection::to(device), command),
            Command::OpenChannel { connection, .. } if self.would_cross(connection.device) => {
                debug!(?connection, "no L2CAP channel besides the neighbour's");
                self.ble.report(Fact::Failed { what: Attempt::Channel(connection) });
            }
            Command::ExchangeMtu { connection, .. }
            | Command::ReadInfo { connection }
            | Command::OpenChannel { connection, .. }
            | Command::Subscribe { connection }
            | Command::Write { connection, .. }
            | Command::Notify { connection, .. }
            | Command::Send { connection, .. } => match self.lines.get(&connection) {
                Some(line) => line.give(Job::Do(command)),
                None => self.ble.report(Fact::Disconnected { connection }),
            },
        }
    }

    /// Whether a channel to this device may meet one from there. Linux 6.1 looks for what a response
    /// answers among the requests of both sides, which both count: then what is sent on one channel
    /// comes out of the other.
    fn would_cross(&self, device: Device) -> bool {
        self.lines.contains_key(&Connection::from(device))
    }

    fn begin(&mut self, connection: Connection, command: Command) {
        match self.line(connection) {
            Ok(line) => line.give(Job::Do(command)),
            Err(error) => {
                debug!(?connection, %error, "no such device");
                self.ble.report(Fact::Failed { what: Attempt::Connection(connection) });
            }
        }
    }

    /// The connection that was made from there, which may just have come to light.
    fn line_from(&mut self, from: Address) -> Option<&mut Line> {
        let connection = Connection::from(device(from));
        if !self.lines.contains_key(&connection) {
            self.ble.report(Fact::Connected { connection, mtu: 23 });
            self.line(connection).ok()?;
            let own = Connection::to(connection.device);
            if self.lines.get(&own).is_some_and(Line::yields) {
                self.end(own);
            }
        }
        self.line(connection).ok()
    }

    fn line(&mut self, connection: Connection) -> bluer::Result<&mut Line> {
        match self.lines.entry(connection) {
            Entry::Occupied(line) => Ok(line.into_mut()),
            Entry::Vacant(place) => {
                let device = self.adapter.device(address(connection.device))?;
                self.next_number += 1;
                let (number, tell) = (self.next_number, self.tell.clone());
                let ended = async move {
                    // The shell is gone first, or it hears of it.
                    let _ = tell.send(Happening::Ended(connection, number)).await;
                };
                let (ble, adapter) = (Arc::clone(&self.ble), self.adapter.clone());
                let work = Work::new(ble, adapter, device, connection);
                Ok(place.insert(Line::start(work, number, ended)))
            }
        }
    }

    /// Ends one side's connection, and what carries it unless the other side's goes on.
    fn end(&mut self, connection: Connection) {
        let was = self.lines.remove(&connection);
        let other = match connection.side {
            Side::Central => Connection::from(connection.device),
            Side::Peripheral => Connection::to(connection.device),
        };
        let device = self.adapter.device(address(connection.device));
        if let (Some(_), false, Ok(device)) = (was, self.lines.contains_key(&other), device) {
            while self.disconnects.try_join_next().is_some() {}
            self.disconnects.spawn(disconnect(device));
        }
        self.ble.report(Fact::Disconnected { connection });
    }
}

async fn accept(listener: Option<&StreamListener>) -> io::Result<(Stream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => pending().await,
    }
}

fn device(address: Address) -> Device {
    Device(address.0.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn address(device: Device) -> Address {
    let [_, _, address @ ..] = device.0.to_be_bytes();
    Address(address)
}

fn task(work: impl Future<Output = ()> + Send + 'static) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    tasks
}

/// Resolves when the adapter is off or gone, or bluetoothd has started anew.
async fn lost(radio: &Radio) -> bluer::Result<impl Future<Output = ()> + use<>> {
    let mut adapters = radio.session.events().await?.boxed();
    let mut changes = radio.adapter.events().await?.boxed();
    let name = radio.adapter.name().to_owned();
    Ok(async move {
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(AdapterEvent::PropertyChanged(AdapterProperty::Powered(false))) | None => {
                        return;
                    }
                    Some(_) => {}
                },
                adapter = adapters.next() => match adapter {
                    // One that is there is added by a bluetoothd that knows nothing of this node.
                    Some(SessionEvent::AdapterAdded(it) | SessionEvent::AdapterRemoved(it)) => {
                        if it == name {
                            return;
                        }
                    }
                    None => return,
                },
            }
        }
    })
}

/// A link's end is not the end of what its user has paired for other things.
async fn disconnect(device: bluer::Device) {
    if !device.is_paired().await.unwrap_or(false) {
        let _ = device.disconnect().await;
    }
}

async fn scan(ble: Arc<Ble>, adapter: Adapter) {
    if let Err(error) = look_around(&ble, &adapter).await {
        debug!(%error, "no scan");
        ble.report(Fact::Failed { what: Attempt::Scan });
    }
}

/// Reports each device once a scan.
async fn look_around(ble: &Ble, adapter: &Adapter) -> bluer::Result<()> {
    let service = Uuid::from_u128(SERVICE);
    let filter = DiscoveryFilter {
        uuids: [service].into(),
        transport: DiscoveryTransport::Le,
        duplicate_data: true,
        ..DiscoveryFilter::default()
    };
    adapter.set_discovery_filter(filter).await?;
    let mut events = pin!(adapter.discover_devices_with_changes().await?);
    let mut seen = BTreeSet::new();
    while let Some(event) = events.next().await {
        let AdapterEvent::DeviceAdded(address) = event else { continue };
        if seen.contains(&address) {
            continue;
        }
        let it = adapter.device(address)?;
        // Those that BlueZ remembers have no strength until they are heard. Some are gone by now.
        let Ok(Some(rssi)) = it.rssi().await else { continue };
        if !it.uuids().await.ok().flatten().is_some_and(|uuids| uuids.contains(&service)) {
            continue;
        }
        let data = it.service_data().await.ok().flatten();
        let tag = data.and_then(|data| Tag::try_from(data.get(&service)?.as_slice()).ok());
        let rssi = rssi.clamp(i8::MIN.into(), i8::MAX.into()) as i8;
        seen.insert(address);
        ble.report(Fact::Seen { device: device(address), rssi, tag });
    }
    Ok(())
}

/// Advertises until it is aborted.
async fn advertise(ble: Arc<Ble>, adapter: Adapter, tag: Option<Tag>, interval: Duration) {
    let service = Uuid::from_u128(SERVICE);
    let advertisement = Advertisement {
        service_uuids: [service].into(),
        discoverable: Some(true),
        min_interval: Some(interval.max(LEAST_INTERVAL)),
        max_interval: Some(interval.max(LEAST_INTERVAL)),
        ..Advertisement::default()
    };
    // It has no room beside the service but in the longer advertisements of Bluetooth 5.
    let room = adapter.supported_advertising_capabilities().await.ok().flatten();
    let has_room = room.is_some_and(|room| room.max_advertisement_length >= TAGGED_BYTES);
    let service_data = tag.filter(|_| has_room).map(|tag| (service, tag.to_vec()));
    let advertisement =
        Advertisement { service_data: service_data.into_iter().collect(), ..advertisement };
    match adapter.advertise(advertisement).await {
        Ok(_handle) => return pending().await,
        Err(error) => debug!(%error, "no advertisement"),
    }
    ble.report(Fact::Failed { what: Attempt::Advertise });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_its_address() {
        let address_of_one = Address([0x00, 0xaa, 0x01, 0x02, 0x03, 0xff]);
        assert_eq!(device(address_of_one), Device(0x00aa_0102_03ff));
        assert_eq!(address(device(address_of_one)), address_of_one);
    }
}
