//! What an address tells about the way to a neighbour.

use footpost_core::CostClass;
use std::net::IpAddr;

/// Whether an address belongs to this host or to a network around it: loopback, private
/// (RFC 1918), link-local (RFC 3927, RFC 4291) or unique local (RFC 4193).
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local(),
    }
}

/// What a byte to this address costs. Whether the internet is metered no address tells.
pub(super) fn cost(ip: IpAddr) -> CostClass {
    if is_local(ip) { CostClass::Lan } else { CostClass::Internet }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_is_what_no_internet_router_forwards() {
        let local = ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.7.7", "::1"];
        let local6 = ["fe80::1", "fd00::1", "::ffff:192.168.1.1"];
        for ip in local.into_iter().chain(local6) {
            assert!(is_local(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "172.32.0.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.251",
            "2606::1",
            "ff02::fb",
            "::",
            "::ffff:8.8.8.8",
        ] {
            assert!(!is_local(ip.parse().unwrap()), "{ip}");
        }
    }
}
