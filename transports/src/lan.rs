//! Neighbours on the local network, found by multicast DNS (RFC 6762, RFC 6763).
//!
//! What is announced: that some Footpost node is here, its addresses and its port. The names are
//! random, say nothing, and rotate with the epoch; there is no TXT data. Who else is on the network
//! learns that Footpost runs on an address. Whoever must not show that switches discovery off.

use crate::quic::{Dialler, Wanted, is_local};
use mdns_sd::{Receiver, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::{
    collections::BTreeMap,
    net::{SocketAddr, SocketAddrV6},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};
use tokio::task::spawn_blocking;
use tracing::debug;

const SERVICE: &str = "_footpost._udp.local.";
/// Neighbours remembered at once; any host of the network can announce as many as it likes.
const MAX_NEIGHBOURS: usize = 32;
/// Addresses tried for one neighbour: a few interfaces, in both versions of IP.
const MAX_ADDRESSES: usize = 4;
/// How long the goodbye may take to leave this host.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);

/// Discovery, from its start until it is dropped.
pub(crate) struct Lan {
    daemon: ServiceDaemon,
    listen: SocketAddr,
    rng: ChaCha20Rng,
    dialler: Dialler,
    neighbours: Arc<Mutex<Neighbours>>,
}

impl Lan {
    /// Announces that this node listens on `listen`, and hands the neighbours that it is to dial
    /// to `dialler`.
    pub(crate) fn start(
        listen: SocketAddr,
        dialler: Dialler,
        rng: ChaCha20Rng,
    ) -> Result<Self, mdns_sd::Error> {
        let daemon = ServiceDaemon::new()?;
        let events = daemon.browse(SERVICE)?;
        let neighbours = Arc::default();
        let mut lan = Self { daemon, listen, rng, dialler, neighbours };
        lan.rotate()?;
        let (neighbours, dialler) = (Arc::clone(&lan.neighbours), lan.dialler.clone());
        thread::Builder::new()
            .name("footpost-lan".into())
            .spawn(move || watch(&events, &neighbours, &dialler))
            .map_err(|error| mdns_sd::Error::Msg(error.to_string()))?;
        Ok(lan)
    }

    /// Takes new names and withdraws the old ones.
    pub(crate) fn rotate(&mut self) -> Result<(), mdns_sd::Error> {
        let instance = format!("{:016x}", self.rng.next_u64());
        let host = format!("{:016x}.local.", self.rng.next_u64());
        let ip = self.listen.ip();
        let ips = if ip.is_unspecified() { Vec::new() } else { vec![ip] };
        let mut service =
            ServiceInfo::new(SERVICE, &instance, &host, &ips[..], self.listen.port(), None)?;
        if ip.is_unspecified() {
            service = service.enable_addr_auto();
        }
        // 64 random bits do not collide, and whoever claims that they do wants us renamed.
        service.set_requires_probe(false);

        let mut neighbours = self.neighbours.lock().unwrap_or_else(PoisonError::into_inner);
        let previous = neighbours.rename(service.get_fullname().to_owned());
        if let Some(previous) = previous {
            self.daemon.unregister(&previous)?;
        }
        self.daemon.register(service)?;
        for name in neighbours.known.keys() {
            neighbours.dial_or_forget(name, &self.dialler);
        }
        Ok(())
    }

    /// Ends discovery once the network has heard the goodbye.
    pub(crate) async fn stop(self) {
        let goodbye = self.daemon.shutdown();
        let heard = move || goodbye.ok()?.recv_timeout(GOODBYE_TIMEOUT).ok();
        if matches!(spawn_blocking(heard).await, Err(_) | Ok(None)) {
            debug!("discovery ended without a goodbye");
        }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // Ends the thread that watches, too. An error says that all has ended before.
        let _ = self.daemon.shutdown();
    }
}

/// Ends when the daemon does.
fn watch(events: &Receiver<ServiceEvent>, neighbours: &Mutex<Neighbours>, dialler: &Dialler) {
    for event in events {
        let mut neighbours = neighbours.lock().unwrap_or_else(PoisonError::into_inner);
        let name = match event {
            ServiceEvent::ServiceResolved(service) => {
                let addresses = service.addresses.iter().map(|ip| address(ip, service.port));
                for renamed in neighbours.found(&service.fullname, addresses) {
                    neighbours.dial_or_forget(&renamed, dialler);
                }
                service.fullname
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                neighbours.lost(&name);
                name
            }
            _ => continue,
        };
        neighbours.dial_or_forget(&name, dialler);
    }
}

fn address(ip: &ScopedIp, port: u16) -> SocketAddr {
    match ip {
        ScopedIp::V6(v6) => SocketAddrV6::new(*v6.addr(), port, 0, v6.scope_id().index).into(),
        ip => SocketAddr::new(ip.to_ip_addr(), port),
    }
}

/// Who is around. Pure.
#[derive(Debug, Default)]
struct Neighbours {
    own: Option<String>,
    /// What the network may still echo of this node's name before the last rotation.
    previous: Option<String>,
    known: BTreeMap<String, Vec<SocketAddr>>,
}

impl Neighbours {
    /// Takes a new own name, and returns the old one.
    fn rename(&mut self, own: String) -> Option<String> {
        self.known.remove(&own);
        self.previous = self.own.replace(own);
        self.previous.clone()
    }

    /// Takes note of a neighbour, and returns the names that it had before: where a socket is, one
    /// node is, and a rotation is seen before the old name is withdrawn.
    fn found(&mut self, name: &str, addresses: impl Iterator<Item = SocketAddr>) -> Vec<String> {
        let own = [&self.own, &self.previous].into_iter().flatten().any(|own| own == name);
        // An address from elsewhere would let any host of the network aim our packets at it.
        let mut addresses: Vec<_> =
            addresses.filter(|addr| addr.port() != 0 && is_local(addr.ip())).collect();
        // Another host's loopback is our own: only who has no other address means it.
        if addresses.iter().any(|addr| !addr.ip().is_loopback()) {
            addresses.retain(|addr| !addr.ip().is_loopback());
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        if own || addresses.is_empty() {
            return Vec::new();
        }
        let same = |other: &str, at: &[SocketAddr]| other != name && at == addresses;
        let renamed: Vec<_> = self
            .known
            .extract_if(.., |other, at| same(other, at))
            .map(|(renamed, _)| renamed)
            .collect();
        if self.known.contains_key(name) || self.known.len() < MAX_NEIGHBOURS {
            self.known.insert(name.to_owned(), addresses);
        }
        renamed
    }

    fn lost(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// The addresses at which this node is to dial `name`: of two that find each other, the one
    /// with the smaller name dials.
    fn to_dial(&self, name: &str) -> Option<&Vec<SocketAddr>> {
        let smaller = self.own.as_deref().is_some_and(|own| own < name);
        self.known.get(name).filter(|_| smaller)
    }

    fn dial_or_forget(&self, name: &str, dialler: &Dialler) {
        let wanted = Wanted::Lan(name.to_owned());
        match self.to_dial(name) {
            Some(addresses) => dialler.want(wanted, addresses.clone()),
            None => dialler.forget(&wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quic::QuicEndpoint;
    use rand_chacha::rand_core::SeedableRng;
    use tokio::{sync::mpsc, time::timeout};

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|addr| addr.parse().unwrap()).collect()
    }

    fn neighbours(own: &str) -> Neighbours {
        let mut neighbours = Neighbours::default();
        neighbours.rename(own.into());
        neighbours
    }

    #[test]
    fn of_two_that_find_each_other_one_dials_before_and_after_a_rotation() {
        let (mut a, mut b) = (neighbours("a"), neighbours("b"));
        let at = addresses(&["10.0.0.1:7"]);
        a.found("b", at.iter().copied());
        b.found("a", at.iter().copied());
        assert_eq!((a.to_dial("b"), b.to_dial("a")), (Some(&at), None));
        assert_eq!(a.rename("c".into()).as_deref(), Some("a"));
        b.lost("a");
        b.found("c", at.iter().copied());
        assert_eq!((a.to_dial("b"), b.to_dial("c")), (None, Some(&at)));
    }

    #[test]
    fn a_node_does_not_find_itself_under_its_present_or_previous_name() {
        let mut neighbours = neighbours("a");
        neighbours.rename("b".into());
        for name in ["a", "b"] {
            neighbours.found(name, addresses(&["10.0.0.1:7"]).into_iter());
            assert!(neighbours.known.is_empty());
        }
    }

    #[test]
    fn a_neighbour_that_rotates_is_known_by_its_new_name_only() {
        let mut neighbours = neighbours("a");
        let (one, other) = (addresses(&["10.0.0.1:7"]), addresses(&["10.0.0.1:8"]));
        neighbours.found("b", one.iter().copied());
        neighbours.found("c", other.iter().copied());
        assert_eq!(neighbours.found("d", one.iter().copied()), ["b"]);
        assert_eq!((neighbours.to_dial("b"), neighbours.to_dial("d")), (None, Some(&one)));
        assert_eq!(neighbours.to_dial("c"), Some(&other));
    }

    #[test]
    fn only_a_few_local_addresses_are_taken() {
        let mut neighbours = neighbours("a");
        let elsewhere = addresses(&["8.8.8.8:53", "10.0.0.1:0", "[2606::1]:7", "224.0.0.251:7"]);
        neighbours.found("b", elsewhere.iter().copied());
        assert_eq!(neighbours.to_dial("b"), None);
        let many = (1..=99).map(|port| SocketAddr::from(([192, 168, 0, 1], port)));
        neighbours.found("b", many.chain(elsewhere));
        assert_eq!(neighbours.to_dial("b").unwrap().len(), MAX_ADDRESSES);
    }

    #[test]
    fn loopback_is_dialled_only_where_there_is_nothing_else() {
        let mut neighbours = neighbours("a");
        let loopback = addresses(&["127.0.0.1:7"]);
        neighbours.found("b", loopback.iter().copied());
        assert_eq!(neighbours.to_dial("b"), Some(&loopback));
        let both = addresses(&["10.0.0.1:7", "127.0.0.1:7"]);
        neighbours.found("b", both.iter().copied());
        assert_eq!(neighbours.to_dial("b").unwrap(), &both[..1]);
    }

    #[test]
    fn the_number_of_neighbours_is_bounded_and_places_are_freed() {
        let mut neighbours = neighbours("a");
        for n in 1..1000 {
            let at = SocketAddr::from(([10, 0, 0, 1], n));
            neighbours.found(&format!("b{n}"), [at].into_iter());
        }
        assert_eq!(neighbours.known.len(), MAX_NEIGHBOURS);
        neighbours.lost("b1");
        neighbours.found("new", addresses(&["10.0.0.1:7"]).into_iter());
        assert!(neighbours.to_dial("new").is_some());
    }

    #[tokio::test]
    async fn two_nodes_on_this_host_find_each_other() {
        let (links, mut up) = mpsc::channel(8);
        let nodes: Vec<_> = (1..=2)
            .map(|seed| {
                let rng = ChaCha20Rng::seed_from_u64(seed);
                let endpoint = QuicEndpoint::bind("127.0.0.1:0".parse().unwrap()).unwrap();
                let accepting = endpoint.clone();
                let (accepted, keep) = mpsc::channel(8);
                tokio::spawn(async move { accepting.accept(accepted).await });
                let dialler = Dialler::new(endpoint.clone(), links.clone(), rng.clone());
                (Lan::start(endpoint.local_addr().unwrap(), dialler, rng).unwrap(), keep)
            })
            .collect();
        let link = timeout(Duration::from_secs(20), up.recv()).await.unwrap().unwrap();
        drop((link, nodes));
    }
}
