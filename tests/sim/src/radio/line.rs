//! Connections: how they come about and end, and what goes over them.

use super::{Expected, LEAST_MTU, ROUND_TRIP, Radios};
use crate::air::{Parcel, Purpose};
use crate::liars::Lie;
use crate::schedule::{Nanos, SECOND, Schedule};
use footpost_core::LinkId;
use footpost_transports::ble::{Bearer, Connection, Device, Fact};
use std::collections::VecDeque;

/// Of a value's packet: L2CAP's length and channel, and operation code and handle.
const HEADER_BYTES: u64 = 4 + 3;

/// A connection, with the central first.
pub(super) struct Line {
    ends: [(usize, Connection); 2],
    /// Nothing comes through any more, and sooner or later both know.
    pub(super) is_cut: bool,
    /// What the simulator knows of the frames on the way to each end, in their order.
    on_the_way: [VecDeque<(Purpose, Option<Lie>)>; 2],
}

impl Radios {
    /// What the engines call the link on a connection of somebody's.
    pub(crate) fn link_on(&self, person: usize, connection: Connection) -> Option<LinkId> {
        self.handsets[person].lines.get(&connection).map(|line| LinkId(*line))
    }

    /// Those whom a link joins.
    pub(crate) fn pair_of(&self, link: LinkId) -> Option<[usize; 2]> {
        self.lines.get(&link.0).map(|line| line.ends.map(|(person, _)| person))
    }

    /// A frame sets out.
    pub(crate) fn push(&mut self, person: usize, link: LinkId, parcel: &Parcel) {
        let Some(line) = self.lines.get_mut(&link.0) else { return };
        line.on_the_way[usize::from(line.ends[0].0 == person)]
            .push_back((parcel.purpose, parcel.lie));
        let handset = &mut self.handsets[person];
        if let (Some(of), Ok(length)) = (handset.link(link), u16::try_from(parcel.frame.len())) {
            handset.controller.push(of, &[&length.to_be_bytes(), &*parcel.frame].concat());
        }
    }

    /// A frame has come: from whom, and what the simulator knows of it.
    pub(crate) fn arrive(
        &mut self,
        person: usize,
        link: LinkId,
        frame: Vec<u8>,
    ) -> Option<(usize, Parcel)> {
        let line = self.lines.get_mut(&link.0)?;
        let end = usize::from(line.ends[1].0 == person);
        let (purpose, lie) = line.on_the_way[end].pop_front()?;
        Some((line.ends[1 - end].0, Parcel { frame, purpose, lie }))
    }

    /// Frames that are lost with a line.
    pub(crate) fn lost(&self, what: &Expected) -> u64 {
        let Expected::Part { line } = what else { return 0 };
        let line = self.lines.get(line);
        line.map_or(0, |line| line.on_the_way.iter().map(|frames| frames.len() as u64).sum())
    }

    /// Tells both ends of a connection, each so much later, the asking one first.
    pub(super) fn answer(
        &mut self,
        schedule: &mut Schedule,
        now: Nanos,
        person: usize,
        connection: Connection,
        later: [Nanos; 2],
        fact: impl Fn(Connection) -> Fact,
    ) {
        let Some((line, far)) = self.far_end(person, connection) else { return };
        let ends = [(person, connection), far];
        for ((person, connection), later) in ends.into_iter().zip(later) {
            self.tell(schedule, now + later, person, Some(line), fact(connection));
        }
    }

    pub(super) fn send(
        &mut self,
        schedule: &mut Schedule,
        now: Nanos,
        person: usize,
        connection: Connection,
        value: Vec<u8>,
    ) {
        let Some((line, (other, back))) = self.far_end(person, connection) else { return };
        let bytes = HEADER_BYTES + value.len() as u64;
        let lasts = (bytes * SECOND).div_ceil(self.rate_bytes_per_s);
        let begins = now.max(self.handsets[person].busy_until).max(self.handsets[other].busy_until);
        let ends = begins.saturating_add(lasts);
        for busy in [person, other] {
            self.handsets[busy].busy_until = ends;
        }
        self.tell(schedule, ends, person, Some(line), Fact::Writable { connection });
        let received = Fact::Received { connection: back, bearer: Bearer::Gatt, bytes: value };
        self.tell(schedule, ends + ROUND_TRIP / 2, other, Some(line), received);
    }

    /// The two are connected, if nothing has come between.
    pub(super) fn join(&mut self, central: usize, device: Device, now: Nanos) -> Vec<usize> {
        let peripheral = self.owner(device);
        let ends = [
            (central, Connection::to(device)),
            (peripheral, Connection::from(self.device(central, now))),
        ];
        let is_wanted = self.handsets[central].connecting == Some(device);
        let is_there = self.handsets[central].in_range.contains(&peripheral)
            && self.handsets[peripheral].advertisement.is_some()
            && self.device(peripheral, now) == device;
        let is_free = ends.iter().all(|(it, end)| !self.handsets[*it].lines.contains_key(end));
        if !(is_wanted && is_there && is_free) {
            return Vec::new();
        }
        self.handsets[central].connecting = None;
        self.next_number += 1;
        let on_the_way = [VecDeque::new(), VecDeque::new()];
        self.lines.insert(self.next_number, Line { ends, is_cut: false, on_the_way });
        for (person, connection) in ends {
            self.handsets[person].lines.insert(connection, self.next_number);
            self.hand(now, person, Fact::Connected { connection, mtu: LEAST_MTU });
        }
        vec![central, peripheral]
    }

    /// Nothing comes through any more; at `at` both know.
    pub(super) fn cut(&mut self, line: u64, at: Nanos, schedule: &mut Schedule) {
        if let Some(it) = self.lines.get_mut(&line) {
            it.is_cut = true;
            self.expect(schedule, at, Expected::Part { line });
        }
    }

    pub(super) fn part(&mut self, line: u64, now: Nanos) -> Vec<usize> {
        let Some(Line { ends, .. }) = self.lines.remove(&line) else { return Vec::new() };
        let mut told = Vec::new();
        for (person, connection) in ends {
            if self.handsets[person].lines.get(&connection) == Some(&line) {
                self.handsets[person].lines.remove(&connection);
                self.hand(now, person, Fact::Disconnected { connection });
                told.push(person);
            }
        }
        told
    }

    /// The line of a connection, and its other end.
    fn far_end(&self, person: usize, connection: Connection) -> Option<(u64, (usize, Connection))> {
        let number = *self.handsets[person].lines.get(&connection)?;
        let line = self.lines.get(&number)?;
        Some((number, line.ends[usize::from(line.ends[0] == (person, connection))]))
    }
}

impl Line {
    pub(super) fn has(&self, person: usize) -> bool {
        self.ends.iter().any(|(it, _)| *it == person)
    }
}
