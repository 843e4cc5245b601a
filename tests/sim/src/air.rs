//! The air: who is linked to whom, and whose radio is busy.
//!
//! A radio is half duplex and does one thing at a time, across all its links. Of the ways that could
//! be used next, the one that was idle longest goes first: fair to links and directions alike.

use crate::liars::Lie;
use crate::schedule::Nanos;
use footpost_core::LinkId;
use std::collections::{BTreeMap, BTreeSet};

/// A link in one direction, from one of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) link: LinkId,
    /// 0 or 1.
    end: usize,
}

pub(crate) struct Link {
    /// The contact of the scenario that it serves.
    contact: usize,
    pub(crate) pair: [usize; 2],
    /// For each direction: its last turn, and whether its node may have something to send.
    turns: [u64; 2],
    may_send: [bool; 2],
    flight: Option<Flight>,
}

/// A frame on its way.
pub(crate) struct Flight {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) parcel: Parcel,
}

/// A frame, and what the simulator knows of it.
pub(crate) struct Parcel {
    pub(crate) frame: Vec<u8>,
    pub(crate) purpose: Purpose,
    /// What is false about it.
    pub(crate) lie: Option<Lie>,
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Handshake,
    Sync,
    Envelope,
    Ack,
    Other,
}

impl Purpose {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 5] =
        [Self::Handshake, Self::Sync, Self::Envelope, Self::Ack, Self::Other];
}

pub(crate) struct Air {
    rate_bytes_per_s: u64,
    links: BTreeMap<LinkId, Link>,
    by_contact: BTreeMap<usize, LinkId>,
    links_of: Vec<BTreeSet<LinkId>>,
    is_busy: Vec<bool>,
    next_link: u64,
    turn: u64,
}

impl Air {
    pub(crate) fn new(people: usize, rate_bytes_per_s: u64) -> Self {
        Self {
            rate_bytes_per_s,
            links: BTreeMap::new(),
            by_contact: BTreeMap::new(),
            links_of: vec![BTreeSet::new(); people],
            is_busy: vec![false; people],
            next_link: 0,
            turn: 0,
        }
    }

    pub(crate) fn connect(&mut self, contact: usize, pair: [usize; 2]) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        let link = Link { contact, pair, turns: [0; 2], may_send: [false; 2], flight: None };
        self.links.insert(id, link);
        self.by_contact.insert(contact, id);
        for person in pair {
            self.links_of[person].insert(id);
        }
        id
    }

    /// Ends a link; says between whom, and whether a frame was lost.
    pub(crate) fn disconnect(&mut self, id: LinkId) -> Option<(Link, bool)> {
        let link = self.links.remove(&id)?;
        self.by_contact.remove(&link.contact);
        for person in link.pair {
            self.links_of[person].remove(&id);
            self.is_busy[person] &= link.flight.is_none();
        }
        let is_lost = link.flight.is_some();
        Some((link, is_lost))
    }

    /// The link that is up for a contact.
    pub(crate) fn link_of(&self, contact: usize) -> Option<LinkId> {
        self.by_contact.get(&contact).copied()
    }

    /// The links that somebody has.
    pub(crate) fn links_of(&self, person: usize) -> Vec<LinkId> {
        self.links_of[person].iter().copied().collect()
    }

    /// The contact that a link is up for.
    pub(crate) fn contact_of(&self, id: LinkId) -> Option<usize> {
        self.links.get(&id).map(|link| link.contact)
    }

    /// The person has something new, on any of their links.
    pub(crate) fn stir(&mut self, person: usize) {
        for id in &self.links_of[person] {
            if let Some(link) = self.links.get_mut(id) {
                link.may_send[usize::from(link.pair[1] == person)] = true;
            }
        }
    }

    /// The ways from or to these people that may have something to send, in the order of their
    /// turns.
    pub(crate) fn waiting(&self, people: &[usize]) -> Vec<Way> {
        let ids = people.iter().filter(|person| !self.is_busy[**person]);
        let mut ways = Vec::new();
        for id in ids.flat_map(|person| &self.links_of[*person]) {
            let Some(link) = self.links.get(id) else { continue };
            if !link.pair.iter().any(|person| self.is_busy[*person]) {
                let ready = [0, 1].into_iter().filter(|end| link.may_send[*end]);
                ways.extend(ready.map(|end| (link.turns[end], Way { link: *id, end })));
            }
        }
        ways.sort_unstable();
        ways.dedup();
        ways.into_iter().map(|(_, way)| way).collect()
    }

    /// Who would send on this way, if both radios are idle.
    pub(crate) fn sender(&self, way: Way) -> Option<usize> {
        let link = self.links.get(&way.link)?;
        let is_idle = !link.pair.iter().any(|person| self.is_busy[*person]);
        is_idle.then_some(link.pair[way.end])
    }

    /// There is nothing to send on this way until its node stirs.
    pub(crate) fn rest(&mut self, way: Way) {
        if let Some(link) = self.links.get_mut(&way.link) {
            link.may_send[way.end] = false;
        }
    }

    /// Begins a transfer; how long it takes.
    pub(crate) fn launch(&mut self, way: Way, parcel: Parcel) -> Nanos {
        let lasts =
            (parcel.frame.len() as u128 * 1_000_000_000).div_ceil(self.rate_bytes_per_s.into());
        if let Some(link) = self.links.get_mut(&way.link) {
            self.turn += 1;
            link.turns[way.end] = self.turn;
            let [from, to] = [way.end, 1 - way.end].map(|end| link.pair[end]);
            link.flight = Some(Flight { from, to, parcel });
            self.is_busy[from] = true;
            self.is_busy[to] = true;
        }
        Nanos::try_from(lasts).unwrap_or(Nanos::MAX)
    }

    /// Ends the transfer on a link, unless it was lost with it.
    pub(crate) fn land(&mut self, id: LinkId) -> Option<Flight> {
        let flight = self.links.get_mut(&id)?.flight.take()?;
        self.is_busy[flight.from] = false;
        self.is_busy[flight.to] = false;
        Some(flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a frame of so many bytes on the first waiting way of these people.
    fn send(air: &mut Air, people: &[usize], bytes: usize) -> Option<(LinkId, Nanos)> {
        let way = *air.waiting(people).iter().find(|way| air.sender(**way).is_some())?;
        let parcel = Parcel { frame: vec![0; bytes], purpose: Purpose::Other, lie: None };
        Some((way.link, air.launch(way, parcel)))
    }

    #[test]
    fn a_radio_does_one_thing_at_a_time() {
        let mut air = Air::new(4, 1000);
        let first = air.connect(0, [0, 1]);
        air.connect(1, [1, 2]);
        let apart = air.connect(2, [2, 3]);
        (0..4).for_each(|person| air.stir(person));
        assert_eq!(send(&mut air, &[0, 1, 2, 3], 500), Some((first, 500_000_000)));
        // 1 is receiving; 2 and 3 are free.
        assert_eq!(send(&mut air, &[0, 1, 2, 3], 1), Some((apart, 1_000_000)));
        assert_eq!(send(&mut air, &[0, 1, 2, 3], 1), None);
        let landed = air.land(first).unwrap();
        assert_eq!((landed.from, landed.to, landed.parcel.frame.len()), (0, 1, 500));
        // Whom a lost frame was for is free again.
        assert!(air.disconnect(apart).unwrap().1);
        assert!(air.land(apart).is_none());
        assert!(send(&mut air, &[2], 1).is_some());
    }

    #[test]
    fn links_and_directions_take_turns() {
        let mut air = Air::new(4, 1000);
        let links = [1, 2, 3].map(|other| air.connect(other, [0, other]));
        (0..4).for_each(|person| air.stir(person));
        let mut uses = BTreeMap::new();
        for _ in 0..60 {
            let (link, _) = send(&mut air, &[0, 1, 2, 3], 10).unwrap();
            let flight = air.land(link).unwrap();
            *uses.entry((flight.from, flight.to)).or_insert(0) += 1;
        }
        assert_eq!(uses.len(), 2 * links.len());
        assert!(uses.values().all(|count| *count == 10), "{uses:?}");
    }

    #[test]
    fn who_has_nothing_to_send_is_not_asked_again() {
        let mut air = Air::new(2, 1000);
        air.connect(0, [0, 1]);
        air.stir(0);
        let ways = air.waiting(&[0, 1]);
        assert_eq!(ways.iter().map(|way| air.sender(*way)).collect::<Vec<_>>(), [Some(0)]);
        air.rest(ways[0]);
        assert!(air.waiting(&[0, 1]).is_empty());
        air.stir(1);
        assert_eq!(air.sender(air.waiting(&[0])[0]), Some(1));
    }
}
