//! The Wi-Fi Direct group that this node is in, as QUIC sees it: a network that comes and goes.

use super::address;
use footpost_core::CostClass;
use quinn::{Connection, VarInt};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

/// Where a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// This node's address in it.
    pub(crate) own: IpAddr,
    /// The index of its interface.
    pub(crate) interface: u32,
}

impl Group {
    /// Link-local addresses name their interface; others of a group are alike but for the last octet.
    fn has(self, addr: SocketAddr) -> bool {
        let SocketAddr::V6(v6) = addr else { return self.is_around(addr.ip()) };
        match v6.ip().to_ipv4_mapped() {
            Some(v4) => self.is_around(v4.into()),
            None => v6.ip().is_unicast_link_local() && v6.scope_id() == self.interface,
        }
    }

    fn is_around(self, ip: IpAddr) -> bool {
        match (self.own, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => own.octets()[..3] == ip.octets()[..3],
            _ => false,
        }
    }
}

/// The group of an endpoint, if there is one, and the links in it. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    group: Option<Group>,
    links: Vec<Connection>,
}

impl Groups {
    pub(super) fn enter(&self, group: Group) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).group = Some(group);
    }

    /// The network is gone, and so are the links in it: nobody is to wait until they time out.
    pub(super) fn leave(&self) {
        let left = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for link in left.links {
            link.close(VarInt::from_u32(0), b"");
        }
    }

    /// What a byte on this connection costs.
    pub(super) fn cost(&self, connection: &Connection) -> CostClass {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let remote = connection.remote_address();
        if inner.group.is_none_or(|group| !group.has(remote)) {
            return address::cost(remote.ip());
        }
        inner.links.retain(|link| link.close_reason().is_none());
        inner.links.push(connection.clone());
        CostClass::Wifi
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_group_by_interface_or_network() {
        let v6 = Group { own: "fe80::1".parse().unwrap(), interface: 7 };
        let v4 = Group { own: "192.168.49.1".parse().unwrap(), interface: 7 };
        for (group, addr, expected) in [
            (v6, "[fe80::2%7]:1", true),
            (v6, "[fe80::2%3]:1", false),
            (v6, "[fd00::2]:1", false),
            (v6, "192.168.49.7:1", false),
            (v4, "192.168.49.7:1", true),
            (v4, "[::ffff:192.168.49.7]:1", true),
            (v4, "192.168.1.7:1", false),
            (v4, "[fe80::2%7]:1", true),
        ] {
            assert_eq!(group.has(addr.parse().unwrap()), expected, "{addr} in {group:?}");
        }
    }
}
