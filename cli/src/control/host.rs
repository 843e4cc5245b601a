//! A running node and the socket by which commands reach it.

use super::{
    client::Line,
    execute,
    message::{BluetoothView, MAX_LINE_BYTES, Reply, Request},
};
use crate::{
    failure::{Exit, Failure},
    profile::{Patience, Profile},
};
use footpost_core::{OpenError, StoreError};
use footpost_transports::{Config, Events, Footpost, StartError, ble::Ble};
use std::{
    fs::{self, Permissions},
    io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, warn};
use zeroize::Zeroizing;

/// Commands that are served at once.
const MAX_CONNECTIONS: usize = 64;
/// Lines with recovery words are shorter, so that their buffer never grows.
const SHORT_LINE_BYTES: usize = 8192;
/// How long they have to take their answers when the node stops.
const FAREWELL: Duration = Duration::from_secs(2);
/// After a failure to accept, as of too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A running node that commands can reach.
pub(crate) struct Host {
    footpost: Arc<Footpost>,
    listen: SocketAddr,
    bluetooth: Arc<OnceLock<Arc<Ble>>>,
    socket: PathBuf,
    server: JoinHandle<()>,
    stop: watch::Sender<()>,
}

impl Host {
    /// Starts the node of `profile`; to be called within a tokio runtime.
    pub(crate) async fn start(profile: &Profile, config: Config) -> Result<Self, Failure> {
        profile.check()?;
        if Line::dial(profile)?.is_some() {
            let message = "a node runs on this profile already: stop that one first";
            return Err(Failure::new(Exit::Profile, message));
        }
        let footpost = Arc::new(start(config).await?);
        let listen = footpost.local_addr().map_err(|error| {
            Failure::new(Exit::Unreachable, format!("the socket has no address: {error}"))
        })?;
        let listener = bind(profile)?;
        let owner = profile.owner().map_err(|error| cannot_bind(profile, &error))?;
        let (stop, stopped) = watch::channel(());
        let bluetooth = Arc::default();
        let service = Service {
            footpost: Arc::clone(&footpost),
            listen,
            bluetooth: Arc::clone(&bluetooth),
            owner,
            stopped,
        };
        let server = tokio::spawn(service.serve(listener));
        Ok(Self { footpost, listen, bluetooth, socket: profile.socket(), server, stop })
    }

    /// From now on the status tells what this radio does.
    #[cfg_attr(
        not(all(feature = "ble", target_os = "linux")),
        allow(dead_code, reason = "without radios")
    )]
    pub(crate) fn account_for(&self, ble: Ble) -> Arc<Ble> {
        Arc::clone(self.bluetooth.get_or_init(|| Arc::new(ble)))
    }

    pub(crate) fn footpost(&self) -> &Footpost {
        &self.footpost
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Finishes what was asked, says goodbye to the neighbours and closes the store.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        let Self { footpost, socket, server, stop, .. } = self;
        // Who comes now opens the store, as soon as it is free.
        let _ = fs::remove_file(socket);
        drop(stop);
        let _ = server.await;
        match Arc::into_inner(footpost) {
            Some(footpost) => Ok(footpost.shutdown().await?),
            None => Ok(()),
        }
    }
}

async fn start(config: Config) -> Result<Footpost, StartError> {
    let patience = Patience::new();
    loop {
        match Footpost::start(config.clone()).await {
            Err(StartError::Open { source: OpenError::Store(StoreError::InUse), .. })
                if patience.again() => {}
            result => return result,
        }
    }
}

/// Binds the socket. Whoever holds the store is alone: a socket that is there is a dead node's.
fn bind(profile: &Profile) -> Result<UnixListener, Failure> {
    let path = profile.socket();
    let bind = || {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    bind().map_err(|error| cannot_bind(profile, &error))
}

fn cannot_bind(profile: &Profile, error: &io::Error) -> Failure {
    let path = profile.socket();
    let message = match error.kind() {
        io::ErrorKind::InvalidInput => format!(
            "the path {} is too long for a socket ({} bytes): use a profile in a directory with \
             a shorter path",
            path.display(),
            path.as_os_str().len()
        ),
        _ => format!("cannot make the socket {}: {error}", path.display()),
    };
    Failure::new(Exit::Profile, message)
}

#[derive(Clone)]
struct Service {
    footpost: Arc<Footpost>,
    listen: SocketAddr,
    bluetooth: Arc<OnceLock<Arc<Ble>>>,
    /// The only user who is served.
    owner: u32,
    /// Closed when the host stops.
    stopped: watch::Receiver<()>,
}

impl Service {
    async fn serve(mut self, listener: UnixListener) {
        let mut connections = JoinSet::new();
        let service = self.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                        connections.spawn(service.clone().converse(stream));
                    }
                    Ok(_) => warn!("too many commands at once"),
                    Err(error) => {
                        warn!(%error, "a command could not be accepted");
                        sleep(PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                _ = self.stopped.changed() => break,
            }
        }
        // What was asked is answered; nobody waits for a command that does not listen.
        let drain = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(FAREWELL, drain).await;
    }

    async fn converse(mut self, stream: UnixStream) {
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == self.owner || peer.uid() == 0 => {}
            _ => return warn!("another user's command was turned away"),
        }
        let (mut reader, mut writer) = stream.into_split();
        loop {
            let read = tokio::select! {
                read = hear(&mut reader) => read,
                _ = self.stopped.changed() => return,
            };
            let request = match read {
                Ok(line) if line.is_empty() => return,
                Ok(line) => serde_json::from_slice(&line),
                Err(error) => return debug!(%error, "a command went away"),
            };
            let reply = match request {
                Ok(Request::Watch) => return self.watch(reader, writer).await,
                Ok(request) => self.answer(request).await,
                Err(error) => {
                    let message = format!("the running node does not understand this: {error}");
                    Reply::Failed(Failure::new(Exit::Unreachable, message))
                }
            };
            if let Err(error) = say(&mut writer, &reply).await {
                return debug!(%error, "a command did not wait for its answer");
            }
        }
    }

    async fn answer(&self, request: Request) -> Reply {
        let listen = Some(self.listen);
        let reply = self.footpost.call(move |node, now| execute(node, now, listen, request)).await;
        match reply {
            Ok(Reply::Status(mut status)) => {
                let ble = self.bluetooth.get();
                status.bluetooth = ble.map(|ble| BluetoothView::from(ble.stats()));
                Reply::Status(status)
            }
            Ok(reply) => reply,
            Err(stopped) => Reply::Failed(stopped.into()),
        }
    }

    /// Tells the other side that something has happened until it goes away.
    async fn watch(mut self, mut reader: OwnedReadHalf, mut writer: OwnedWriteHalf) {
        let mut events: Events = self.footpost.subscribe();
        while say(&mut writer, &Reply::Changed).await.is_ok() {
            tokio::select! {
                Some(_) = events.next() => {}
                _ = reader.read_u8() => return,
                _ = self.stopped.changed() => return,
                else => return,
            }
        }
    }
}

/// The next line, empty at the end. Each waits for the answer to the one before, so that a read takes
/// in no more than one; and no buffer keeps a copy of the recovery words that some bring.
async fn hear(reader: &mut OwnedReadHalf) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(SHORT_LINE_BYTES));
    let mut bounded = reader.take(MAX_LINE_BYTES);
    while bounded.read_buf(&mut *line).await? > 0 && line.last() != Some(&b'\n') {}
    Ok(line)
}

async fn say(writer: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = Zeroizing::new(Vec::with_capacity(SHORT_LINE_BYTES));
    serde_json::to_writer(&mut *line, reply)?;
    line.push(b'\n');
    writer.write_all(&line).await
}
