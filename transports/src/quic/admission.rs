//! Who may connect: a limit on all open connections, and for each source address one on its open
//! connections and one on its rate.
//!
//! Pure: time is an argument, and memory is bounded whatever arrives.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Connections from outside open at once.
const MAX_OPEN: usize = 256;
/// Of these, from one source: a whole household behind one address translator.
const MAX_OPEN_PER_SOURCE: usize = 32;
/// Connections that one source may open in a burst.
const BURST: u32 = 32;
/// After a burst, one more connection in this time.
const INTERVAL: Duration = Duration::from_secs(1);
/// Sources remembered at once.
const MAX_SOURCES: usize = 4096;

/// What to do with a connection attempt.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Let it in, and count it for as long as the permit lives.
    Accept(Permit),
    /// Let it first prove that its source address is its own (RFC 9000, section 8.1.2).
    Validate,
    /// Tell it that there is no room.
    Refuse,
    /// Do not even answer.
    Ignore,
}

/// The gate, shared by all that hold permits.
#[derive(Debug, Clone, Default)]
pub(super) struct Admission(Arc<Mutex<Gate>>);

impl Admission {
    /// Judges an attempt from `ip`. `validated` says that the address has been proven.
    pub(super) fn judge(&self, now: Instant, ip: IpAddr, validated: bool) -> Verdict {
        let source = Source::from(ip);
        let mut gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gate.open >= MAX_OPEN {
            return Verdict::Refuse;
        }
        // Cheap while idle, and under load forged addresses fill neither places nor memory.
        if !validated && (gate.open >= MAX_OPEN / 2 || gate.sources.len() >= MAX_SOURCES / 2) {
            return Verdict::Validate;
        }
        if !gate.admit(now, source) {
            return Verdict::Ignore;
        }
        Verdict::Accept(Permit { admission: self.clone(), source })
    }
}

/// One connection's place. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Admission,
    source: Source,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.0.lock().unwrap_or_else(PoisonError::into_inner).release(self.source);
    }
}

/// An IPv4 address, or an IPv6 network of 64 bits: the smallest that one customer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

#[derive(Debug, Default)]
struct Gate {
    open: usize,
    sources: BTreeMap<Source, Record>,
}

#[derive(Debug)]
struct Record {
    open: usize,
    /// When a source that had kept to one connection an interval could have made all that it did
    /// make (the theoretical arrival time of the generic cell rate algorithm, ITU-T I.371).
    paid_until: Instant,
}

impl Gate {
    fn admit(&mut self, now: Instant, source: Source) -> bool {
        if !self.sources.contains_key(&source) && self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, record| record.open > 0 || record.paid_until > now);
            if self.sources.len() >= MAX_SOURCES {
                return false;
            }
        }
        let record = self.sources.entry(source).or_insert(Record { open: 0, paid_until: now });
        let paid_until = record.paid_until.max(now) + INTERVAL;
        if record.open >= MAX_OPEN_PER_SOURCE || paid_until > now + INTERVAL * BURST {
            return false;
        }
        record.paid_until = paid_until;
        record.open += 1;
        self.open += 1;
        true
    }

    fn release(&mut self, source: Source) {
        self.open = self.open.saturating_sub(1);
        if let Some(record) = self.sources.get_mut(&source) {
            record.open = record.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn ip(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    fn accepted(verdict: Verdict) -> Permit {
        match verdict {
            Verdict::Accept(permit) => permit,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_source_is_held_to_its_rate_and_others_are_not() {
        let (gate, now) = (Admission::default(), Instant::now());
        for _ in 0..BURST {
            accepted(gate.judge(now, ip(1), true));
        }
        assert!(matches!(gate.judge(now, ip(1), true), Verdict::Ignore));
        accepted(gate.judge(now, ip(2), true));
        accepted(gate.judge(now + INTERVAL, ip(1), true));
        assert!(matches!(gate.judge(now + INTERVAL, ip(1), true), Verdict::Ignore));
    }

    #[test]
    fn one_source_cannot_hold_all_places() {
        let (gate, start) = (Admission::default(), Instant::now());
        let mut permits: Vec<_> =
            (0..32).map(|i| accepted(gate.judge(start + INTERVAL * i, ip(1), true))).collect();
        let later = start + INTERVAL * 1000;
        assert!(matches!(gate.judge(later, ip(1), true), Verdict::Ignore));
        permits.pop();
        accepted(gate.judge(later, ip(1), true));
    }

    #[test]
    fn under_load_an_address_must_be_proven_and_a_full_house_refuses() {
        let (gate, now) = (Admission::default(), Instant::now());
        let mut permits = Vec::new();
        for n in 0..MAX_OPEN as u32 {
            if n < MAX_OPEN as u32 / 2 {
                permits.push(accepted(gate.judge(now, ip(n), false)));
            } else {
                assert!(matches!(gate.judge(now, ip(n), false), Verdict::Validate));
                permits.push(accepted(gate.judge(now, ip(n), true)));
            }
        }
        assert!(matches!(gate.judge(now, ip(u32::MAX), true), Verdict::Refuse));
        drop(permits);
        accepted(gate.judge(now, ip(u32::MAX), false));
    }

    #[test]
    fn memory_is_bounded_and_recovers() {
        let (gate, now) = (Admission::default(), Instant::now());
        for n in 0..2 * MAX_SOURCES as u32 {
            gate.judge(now, ip(n), true);
        }
        assert_eq!(gate.0.lock().unwrap().sources.len(), MAX_SOURCES);
        accepted(gate.judge(now + INTERVAL, ip(u32::MAX), true));
        assert_eq!(gate.0.lock().unwrap().sources.len(), 1);
    }

    #[test]
    fn an_ipv6_network_and_a_mapped_ipv4_address_are_one_source() {
        let source = |s: &str| Source::from(s.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
    }
}
