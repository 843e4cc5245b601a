//! The handle on a running node.

use crate::{
    ble,
    carry::Links,
    driver::{Driver, Stopped},
    lan::Lan,
    link::Link,
    power::{Conditions, Power, PowerMode},
    quic::{Dialler, QuicEndpoint, QuicLink, Wanted},
    wifi_direct::{self, Surroundings, WifiDirect},
};
use footpost_core::{Event, Node, OpenError, StorePath, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};
use thiserror::Error;
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    task::JoinSet,
};
use tracing::warn;

/// Links that are up and wait to be carried.
const WAITING_LINKS: usize = 16;

/// How to run a node.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the node's store is.
    pub store: StorePath,
    /// The engine's own settings.
    pub node: footpost_core::Config,
    /// Where to listen for QUIC, over UDP. None leaves address and port to the system: all
    /// interfaces, in both versions of IP where there are two.
    pub listen: Option<SocketAddr>,
    /// Neighbours to keep connected.
    pub peers: Vec<SocketAddr>,
    /// Whether to find neighbours on the local network, and be found.
    pub lan: bool,
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Somebody else has the port.
    #[error("another program listens on {0}: stop it, or choose another port (0: any free one)")]
    AddressInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr} ({source}): choose an address of this machine")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be opened; the error inside names the cure.
    #[error("{}: {source}", display(.store))]
    Open {
        /// The store asked for.
        store: StorePath,
        /// What the store says.
        source: OpenError,
    },
    /// The system gives no randomness, without which there are no keys.
    #[error("the system gives no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
    /// The engine's thread cannot be started.
    #[error("cannot start the engine's thread ({0}): is the limit of processes reached?")]
    Thread(io::Error),
    /// A defect: the engine panicked while it opened.
    #[error("the engine panicked while it opened")]
    Panicked,
}

/// A running node.
///
/// Dropping it stops the node too, but says goodbye to nobody and waits for nothing:
/// [`Footpost::shutdown`] is better.
#[derive(Debug)]
pub struct Footpost {
    driver: Driver,
    links: Links,
    endpoint: QuicEndpoint,
    dialler: Dialler,
    power: watch::Sender<Power>,
    /// Seeds what need not be secret.
    jitter: [u8; 32],
    tasks: JoinSet<()>,
}

impl Footpost {
    /// Starts a node. To be called within a tokio runtime, which then carries its links.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let endpoint = listen(config.listen)?;
        let driver = Driver::start(config.store, config.node, rng()?).await?;
        let links = Links::new(driver.inputs());

        let (up, waiting) = mpsc::channel(WAITING_LINKS);
        let dialler = Dialler::new(endpoint.clone(), up.clone(), rng()?);
        for addr in config.peers {
            dialler.want(Wanted::Address(addr), vec![addr]);
        }
        let lan = if config.lan { discover(&endpoint, &dialler, rng()?) } else { None };

        let mut tasks = JoinSet::new();
        let (accepting, events) = (endpoint.clone(), driver.subscribe());
        tasks.spawn(async move { accepting.accept(up).await });
        tasks.spawn(tend(waiting, links.clone(), events, endpoint.clone(), lan));
        let (power, mut jitter) = (watch::Sender::default(), [0; 32]);
        getrandom::fill(&mut jitter)?;
        Ok(Self { driver, links, endpoint, dialler, power, jitter, tasks })
    }

    /// Runs `f` on the engine's thread, between two inputs, and returns what it returned once all
    /// that it did is durable. A slow `f` holds up the whole node.
    ///
    /// Dropping the future before its end leaves open whether `f` runs.
    pub async fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Node, Timestamp) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        self.driver.call(f).await
    }

    /// What happens from now on. A subscriber that is slow misses events, and is told.
    pub fn subscribe(&self) -> Events {
        Events(self.driver.subscribe())
    }

    /// Keeps the neighbour at `addr` connected, from now on.
    pub fn dial(&self, addr: SocketAddr) {
        self.dialler.want(Wanted::Address(addr), vec![addr]);
    }

    /// Carries a link that some other transport made, until either side ends it.
    pub fn attach<L: Link>(&self, link: L) {
        self.links.attach(link);
    }

    /// Takes Bluetooth LE into use, whose radio a shell owns. To be called within a tokio runtime.
    pub fn bluetooth(&self, config: ble::Config) -> ble::Ble {
        let (inputs, events) = (self.driver.inputs(), self.driver.subscribe());
        let power = self.power.subscribe();
        ble::Ble::start(config, self.jitter, self.links.clone(), inputs, events, power)
    }

    /// Wi-Fi Direct, for whoever owns the radio: groups are formed with neighbours near by whenever
    /// enough waits for them, for as long as this is kept. One at a time. To be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn wifi_direct(&self) -> Result<WifiDirect, getrandom::Error> {
        let around = Surroundings {
            inputs: self.driver.inputs(),
            notes: self.driver.notes(),
            power: self.power.subscribe(),
            endpoint: self.endpoint.clone(),
            dialler: self.dialler.clone(),
        };
        Ok(wifi_direct::start(around, rng()?))
    }

    /// How much this node gives, from now on.
    pub async fn set_power_mode(&self, mode: PowerMode) -> Result<(), Stopped> {
        self.set_power(|power| power.mode = mode).await
    }

    /// What the shell knows of device and network, whenever it changes.
    pub async fn set_conditions(&self, conditions: Conditions) -> Result<(), Stopped> {
        self.set_power(|power| power.conditions = conditions).await
    }

    async fn set_power(&self, set: impl FnOnce(&mut Power)) -> Result<(), Stopped> {
        let (before, power) = {
            let mut changed = (Power::default(), Power::default());
            self.power.send_modify(|power| {
                let before = *power;
                set(power);
                changed = (before, *power);
            });
            changed
        };
        self.dialler.call_internet(power.calls_the_internet());
        let leaves = power.mode() == PowerMode::Leaving && before.mode() != PowerMode::Leaving;
        let set = move |node: &mut Node, now| {
            node.set_minting_ahead(power.mints_ahead());
            if leaves { node.hand_over(now) } else { Ok(()) }
        };
        // What fails in the store stops the engine, which says so itself.
        self.call(set).await.map(drop)
    }

    /// Calls whoever is wanted and not connected at once, and not only when it is their turn.
    pub fn hurry(&self) {
        self.dialler.hurry();
    }

    /// Where this node listens for QUIC.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Stops the node in order: what was told before is durable, what is queued for neighbours
    /// leaves as far as they take it within a moment, and the store is closed.
    ///
    /// An error says that the node had stopped before, and why.
    pub async fn shutdown(mut self) -> Result<(), Stopped> {
        let stopped = self.driver.shutdown().await;
        self.links.ended().await;
        self.endpoint.close().await;
        while self.tasks.join_next().await.is_some() {}
        stopped
    }
}

/// A subscription to what happens in a node.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

/// A subscriber was too slow: read the state anew, by [`Footpost::call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} events were missed")]
pub struct Missed(pub u64);

impl Events {
    /// Waits for the next event; none once the node has stopped. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Event, Missed>> {
        match self.0.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(missed)) => Some(Err(Missed(missed))),
            Err(RecvError::Closed) => None,
        }
    }
}

fn display(store: &StorePath) -> String {
    match store {
        StorePath::Encrypted { path, .. } | StorePath::File(path) => path.display().to_string(),
        StorePath::Memory | StorePath::Pooled(_) => "store in memory".into(),
    }
}

pub(crate) fn rng() -> Result<ChaCha20Rng, getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(ChaCha20Rng::from_seed(seed))
}

fn listen(addr: Option<SocketAddr>) -> Result<QuicEndpoint, StartError> {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let bound = match addr {
        Some(addr) => QuicEndpoint::bind(addr),
        None => QuicEndpoint::bind((Ipv6Addr::UNSPECIFIED, 0).into())
            .or_else(|_| QuicEndpoint::bind(any)),
    };
    let addr = addr.unwrap_or(any);
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse(addr),
        _ => StartError::Listen { addr, source },
    })
}

/// A node without multicast, as a phone has it in flight mode, is a node all the same.
fn discover(endpoint: &QuicEndpoint, dialler: &Dialler, rng: ChaCha20Rng) -> Option<Lan> {
    let addr = endpoint.local_addr().ok()?;
    Lan::start(addr, dialler.clone(), rng)
        .inspect_err(|error| warn!(%error, "no discovery on the local network"))
        .ok()
}

/// Hands links that are up to their tasks, and rotates what neighbours could know this node by.
async fn tend(
    mut waiting: mpsc::Receiver<QuicLink>,
    links: Links,
    mut events: broadcast::Receiver<Event>,
    endpoint: QuicEndpoint,
    mut lan: Option<Lan>,
) {
    loop {
        tokio::select! {
            Some(link) = waiting.recv() => links.attach(link),
            event = events.recv() => match event {
                // Among the missed there may have been one.
                Ok(Event::EpochRotated) | Err(RecvError::Lagged(_)) => {
                    let rotated = endpoint.rotate();
                    let renamed = lan.as_mut().map_or(Ok(()), Lan::rotate);
                    if let Err(error) = rotated {
                        warn!(%error, "the certificate was not renewed");
                    }
                    if let Err(error) = renamed {
                        warn!(%error, "the name on the local network was not renewed");
                    }
                }
                Ok(_) => {}
                Err(RecvError::Closed) => break,
            },
        }
    }
    if let Some(lan) = lan {
        lan.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_subscriber_is_told_how_much_it_missed_and_goes_on() {
        let (sender, receiver) = broadcast::channel(4);
        let mut events = Events(receiver);
        for _ in 0..10 {
            sender.send(Event::EpochRotated).unwrap();
        }
        drop(sender);
        assert_eq!(events.next().await, Some(Err(Missed(6))));
        for _ in 0..4 {
            assert_eq!(events.next().await, Some(Ok(Event::EpochRotated)));
        }
        assert_eq!(events.next().await, None);
    }
}
