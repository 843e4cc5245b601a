//! The air: who is linked to whom, and whose radio is busy.
//!
//! A radio is half duplex and does one thing at a time, across all its links. Of the ways that could
//! be used next, the one that was idle longest goes first: fair to links and directions alike.

use crate::liars::Lie;
use crate::roster::Roster;
use crate::schedule::{MILLISECOND, Nanos};
use footpost_core::LinkId;
use std::collections::{BTreeMap, BTreeSet};

/// The number of a link is that of its contact, and in so many lower bits the millisecond of its beginning:
/// no two are the same, whatever else happens in the world.
const LINK_TIME_BITS: u32 = 40;

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
    /// For each direction: when it had its last turn, and whether its node may have something to send.
    turns: [Nanos; 2],
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    seats: Roster<Seat>,
}

/// One person's radio.
#[derive(Default)]
struct Seat {
    links: BTreeSet<LinkId>,
    is_busy: bool,
}

impl Air {
    pub(crate) fn new(people: usize, rate_bytes_per_s: u64) -> Self {
        Self {
            rate_bytes_per_s,
            links: BTreeMap::new(),
            by_contact: BTreeMap::new(),
            seats: (0..people).map(|_| Seat::default()).collect(),
        }
    }

    /// The radios of these people, with all their links: nobody else is at any of them.
    pub(crate) fn part(&mut self, who: &[usize]) -> Self {
        let mut part = Self {
            rate_bytes_per_s: self.rate_bytes_per_s,
            links: BTreeMap::new(),
            by_contact: BTreeMap::new(),
            seats: self.seats.part(who),
        };
        for id in who.iter().flat_map(|person| &part.seats[*person].links) {
            if let Some(link) = self.links.remove(id) {
                self.by_contact.remove(&link.contact);
                part.by_contact.insert(link.contact, *id);
                part.links.insert(*id, link);
            }
        }
        part
    }

    pub(crate) fn join(&mut self, mut part: Self) {
        self.seats.join(part.seats);
        self.links.append(&mut part.links);
        self.by_contact.append(&mut part.by_contact);
    }

    /// Who is linked to whom.
    pub(crate) fn pairs(&self) -> impl ExactSizeIterator<Item = [usize; 2]> {
        self.links.values().map(|link| link.pair)
    }

    pub(crate) fn connect(&mut self, contact: usize, pair: [usize; 2], now: Nanos) -> LinkId {
        let id = LinkId(((contact as u64) << LINK_TIME_BITS) | (now / MILLISECOND));
        let link = Link { contact, pair, turns: [0; 2], may_send: [false; 2], flight: None };
        self.links.insert(id, link);
        self.by_contact.insert(contact, id);
        for person in pair {
            self.seats[person].links.insert(id);
        }
        id
    }

    /// Ends a link; says between whom, and whether a frame was lost.
    pub(crate) fn disconnect(&mut self, id: LinkId) -> Option<(Link, bool)> {
        let link = self.links.remove(&id)?;
        self.by_contact.remove(&link.contact);
        for person in link.pair {
            let seat = &mut self.seats[person];
            seat.links.remove(&id);
            seat.is_busy &= link.flight.is_none();
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
        self.seats[person].links.iter().copied().collect()
    }

    /// The contact that a link is up for.
    pub(crate) fn contact_of(&self, id: LinkId) -> Option<usize> {
        self.links.get(&id).map(|link| link.contact)
    }

    /// The person has something new, on any of their links.
    pub(crate) fn stir(&mut self, person: usize) {
        for id in &self.seats[person].links {
            if let Some(link) = self.links.get_mut(id) {
                link.may_send[usize::from(link.pair[1] == person)] = true;
            }
        }
    }

    /// The ways from or to these people that may have something to send, in the order of their
    /// turns.
    pub(crate) fn waiting(&self, people: &[usize]) -> Vec<Way> {
        let idle = people.iter().map(|person| &self.seats[*person]).filter(|seat| !seat.is_busy);
        let mut ways = Vec::new();
        for id in idle.flat_map(|seat| &seat.links) {
            let Some(link) = self.links.get(id) else { continue };
            if !link.pair.iter().any(|person| self.seats[*person].is_busy) {
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
        let is_idle = !link.pair.iter().any(|person| self.seats[*person].is_busy);
        is_idle.then_some(link.pair[way.end])
    }

    /// There is nothing to send on this way until its node stirs.
    pub(crate) fn rest(&mut self, way: Way) {
        if let Some(link) = self.links.get_mut(&way.link) {
            link.may_send[way.end] = false;
        }
    }

    /// Begins a transfer; how long it takes.
    pub(crate) fn launch(&mut self, way: Way, parcel: Parcel, now: Nanos) -> Nanos {
        let lasts =
            (parcel.frame.len() as u128 * 1_000_000_000).div_ceil(self.rate_bytes_per_s.into());
        if let Some(link) = self.links.get_mut(&way.link) {
            link.turns[way.end] = now + 1;
            let [from, to] = [way.end, 1 - way.end].map(|end| link.pair[end]);
            link.flight = Some(Flight { from, to, parcel });
            self.seats[from].is_busy = true;
            self.seats[to].is_busy = true;
        }
        Nanos::try_from(lasts).unwrap_or(Nanos::MAX)
    }

    /// Ends the transfer on a link, unless it was lost with it.
    pub(crate) fn land(&mut self, id: LinkId) -> Option<Flight> {
        let flight = self.links.get_mut(&id)?.flight.take()?;
        self.seats[flight.from].is_busy = false;
        self.seats[flight.to].is_busy = false;
        Some(flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a frame of so many bytes on the first waiting way of these people.
    fn send(air: &mut Air, people: &[usize], bytes: usize, now: Nanos) -> Option<(LinkId, Nanos)> {
        let way = *air.waiting(people).iter().find(|way| air.sender(**way).is_some())?;
        let parcel = Parcel { frame: vec![0; bytes], purpose: Purpose::Other, lie: None };
        Some((way.link, air.launch(way, parcel, now)))
    }

    #[test]
    fn a_radio_does_one_thing_at_a_time() {
        let mut air = Air::new(4, 1000);
        let first = air.connect(0, [0, 1], 0);
        air.connect(1, [1, 2], 0);
        let apart = air.connect(2, [2, 3], 0);
        (0..4).for_each(|person| air.stir(person));
        assert_eq!(send(&mut air, &[0, 1, 2, 3], 500, 0), Some((first, 500_000_000)));
        // 1 is receiving; 2 and 3 are free.
        assert_eq!(send(&mut air, &[0, 1, 2, 3], 1, 0), Some((apart, 1_000_000)));
        assert_eq!(send(&mut air, &[0, 1, 2, 3], 1, 0), None);
        let landed = air.land(first).unwrap();
        assert_eq!((landed.from, landed.to, landed.parcel.frame.len()), (0, 1, 500));
        // Whom a lost frame was for is free again.
        assert!(air.disconnect(apart).unwrap().1);
        assert!(air.land(apart).is_none());
        assert!(send(&mut air, &[2], 1, 1).is_some());
    }

    #[test]
    fn links_and_directions_take_turns() {
        let mut air = Air::new(4, 1000);
        let links = [1, 2, 3].map(|other| air.connect(other, [0, other], 0));
        (0..4).for_each(|person| air.stir(person));
        let mut uses = BTreeMap::new();
        for now in 0..60 {
            let (link, _) = send(&mut air, &[0, 1, 2, 3], 10, now).unwrap();
            let flight = air.land(link).unwrap();
            *uses.entry((flight.from, flight.to)).or_insert(0) += 1;
        }
        assert_eq!(uses.len(), 2 * links.len());
        assert!(uses.values().all(|count| *count == 10), "{uses:?}");
    }

    #[test]
    fn who_has_nothing_to_send_is_not_asked_again() {
        let mut air = Air::new(2, 1000);
        air.connect(0, [0, 1], 0);
        air.stir(0);
        let ways = air.waiting(&[0, 1]);
        assert_eq!(ways.iter().map(|way| air.sender(*way)).collect::<Vec<_>>(), [Some(0)]);
        air.rest(ways[0]);
        assert!(air.waiting(&[0, 1]).is_empty());
        air.stir(1);
        assert_eq!(air.sender(air.waiting(&[0])[0]), Some(1));
    }
}
