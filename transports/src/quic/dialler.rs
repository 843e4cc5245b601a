//! Keeps wanted neighbours connected.

use super::{address::is_local, endpoint::QuicEndpoint, link::QuicLink};
use crate::backoff::{self, Backoff};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep},
};
use tracing::debug;

/// A link that lasted this long was a success: the delays start over.
const LASTING: Duration = Duration::from_mins(1);

/// Whom to keep connected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    /// Whoever listens on this address.
    Address(SocketAddr),
    /// The neighbour with this name on the local network.
    Lan(String),
    /// The owner of the Wi-Fi Direct group that this node has joined.
    GroupOwner,
}

/// The neighbours to keep connected, one task each. Clones are the same dialler; dropping the last
/// one ends the attempts, and leaves the links up.
#[derive(Debug, Clone)]
pub(crate) struct Dialler(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    runtime: Handle,
    endpoint: QuicEndpoint,
    links: mpsc::Sender<QuicLink>,
    rng: ChaCha20Rng,
    /// What all tasks go by.
    calls: watch::Sender<Calls>,
    tasks: BTreeMap<Wanted, watch::Sender<Vec<SocketAddr>>>,
}

/// What is called, and how often it was asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Calls {
    internet: bool,
    hurried: u64,
}

impl Dialler {
    /// A dialler that hands its links to `links`. To be called within a tokio runtime.
    pub(crate) fn new(
        endpoint: QuicEndpoint,
        links: mpsc::Sender<QuicLink>,
        rng: ChaCha20Rng,
    ) -> Self {
        let (runtime, tasks) = (Handle::current(), BTreeMap::new());
        let calls = watch::Sender::new(Calls { internet: true, hurried: 0 });
        Self(Arc::new(Mutex::new(Inner { runtime, endpoint, links, rng, calls, tasks })))
    }

    /// Keeps `wanted` connected by any one of `addresses`, from now on these.
    pub(crate) fn want(&self, wanted: Wanted, addresses: Vec<SocketAddr>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.tasks.retain(|_, task| !task.is_closed());
        if let Some(task) = inner.tasks.get(&wanted) {
            task.send_if_modified(|old| std::mem::replace(old, addresses.clone()) != addresses);
            return;
        }
        let (task, addresses) = watch::channel(addresses);
        let backoff = Backoff::new(ChaCha20Rng::seed_from_u64(inner.rng.next_u64()));
        let (endpoint, links) = (inner.endpoint.clone(), inner.links.clone());
        let calls = inner.calls.subscribe();
        inner.runtime.spawn(keep_connected(endpoint, addresses, calls, links, backoff));
        inner.tasks.insert(wanted, task);
    }

    /// Whether addresses beyond the local network are called, from the next attempt on.
    pub(crate) fn call_internet(&self, internet: bool) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .calls
            .send_if_modified(|calls| std::mem::replace(&mut calls.internet, internet) != internet);
    }

    /// Calls whoever is not connected at once, and not only when it is their turn.
    pub(crate) fn hurry(&self) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.calls.send_modify(|calls| calls.hurried += 1);
    }

    /// Wants a neighbour no longer. A link that is up stays, and is remembered: should the
    /// neighbour be wanted again meanwhile, no second one is made.
    pub(crate) fn forget(&self, wanted: &Wanted) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = inner.tasks.get(wanted) {
            task.send_replace(Vec::new());
        }
    }
}

/// Ends when the addresses are gone, or when nobody takes the links.
async fn keep_connected(
    endpoint: QuicEndpoint,
    mut addresses: watch::Receiver<Vec<SocketAddr>>,
    mut calls: watch::Receiver<Calls>,
    links: mpsc::Sender<QuicLink>,
    mut backoff: Backoff<ChaCha20Rng>,
) {
    loop {
        let mut candidates = addresses.borrow_and_update().clone();
        if candidates.is_empty() {
            return;
        }
        let internet = calls.borrow_and_update().internet;
        candidates.retain(|addr| internet || is_local(addr.ip()));
        if let Some(link) = dial_any(&endpoint, candidates).await {
            let (up, closed) = (Instant::now(), link.closed());
            if links.send(link).await.is_err() {
                return;
            }
            closed.await;
            if up.elapsed() >= LASTING {
                backoff.reset();
            }
        }
        tokio::select! {
            () = sleep(backoff.next_delay()) => {}
            // Gone with the dialler, as the addresses are.
            Ok(()) = calls.changed() => {}
            changed = addresses.changed() => {
                if changed.is_err() {
                    return;
                }
                // New addresses deserve a prompt attempt, but whoever announces them by the
                // hundred does not get as many.
                sleep(backoff::FIRST).await;
                backoff.reset();
            }
        }
    }
}

/// Tries all addresses at once, and takes whichever answers first. The neighbour sees nothing of
/// the others: a link begins with its first frame.
async fn dial_any(endpoint: &QuicEndpoint, addresses: Vec<SocketAddr>) -> Option<QuicLink> {
    let dial = |addr| {
        let endpoint = endpoint.clone();
        async move { endpoint.dial(addr).await }
    };
    let mut attempts: JoinSet<_> = addresses.into_iter().map(dial).collect();
    while let Some(attempt) = attempts.join_next().await {
        match attempt.map_err(io::Error::from).flatten() {
            Ok(link) => return Some(link),
            Err(error) => debug!(%error, "an address was not reached"),
        }
    }
    None
}
