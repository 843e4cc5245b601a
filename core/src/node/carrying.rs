//! Carrying for others: whom this node meets, what is handed on to them, and what makes room.

use super::Node;
use crate::clock::Moment;
use crate::envelope::BodyKey;
use crate::link::Session;
use crate::routing::{
    Bringer, Copy, Freight, Kind, NeighbourId, Outlook, Peer, Shares, TransferOrder, Use, Worth,
    is_direct,
};
use crate::store::{Carried, EnvelopeRow, Standing, SteadyMs, StoreError};
use std::collections::BTreeMap;

/// The order of leaving is weighed anew this often.
const WEIGH_EVERY_MS: i64 = 60_000;

/// Others' envelopes in the order in which they would make room, the first at the end; as weighed
/// some time ago.
#[derive(Default)]
pub(super) struct Leaving {
    order: Vec<Place>,
    shares: Shares,
    weighed: Option<SteadyMs>,
}

/// One envelope's place in that order.
#[derive(Clone, Copy)]
struct Place {
    worth: Worth,
    row: EnvelopeRow,
    bringer: Bringer,
    /// Whether it goes beyond the share of its bringer.
    is_surplus: bool,
}

impl Node {
    pub(super) fn outlook(&self) -> Outlook<'_> {
        Outlook {
            router: self.config.router,
            now: self.clock.steady(),
            acks: self.ack_ages,
            neighbours: &self.neighbours,
            mailboxes: &self.mailboxes,
        }
    }

    pub(super) fn peer<'a>(&self, session: &'a Session) -> Peer<'a> {
        let is_bringer = session.neighbour.is_some_and(|id| self.neighbours.is_bringer(&id));
        Peer { is_bringer, told: &session.told }
    }

    /// Whether a letter goes to this neighbour: to its recipient always; bulletins go to everybody.
    pub(super) fn may_hand(&self, letter: &Carried, session: &Session) -> bool {
        letter.standing == Standing::Bulletin
            || is_direct(letter, session.contact)
            || self.may_entrust(session.neighbour)
                && self.outlook().may_spread(&self.copy(letter), self.peer(session))
    }

    /// When it is a letter's turn on this link.
    pub(super) fn order(&self, letter: &Carried, session: &Session) -> TransferOrder {
        let copy = self.copy(letter);
        let rank = self.outlook().letter_rank(&copy, self.peer(session));
        TransferOrder::new(letter, session.contact, &copy, rank)
    }

    /// A meeting begins.
    pub(super) fn meet(&mut self, now: Moment, neighbour: NeighbourId) -> Result<(), StoreError> {
        for forgotten in self.neighbours.meet(neighbour, now.steady) {
            self.store.delete_neighbour(&forgotten)?;
        }
        self.draw_trial(&neighbour);
        Ok(())
    }

    /// A meeting is over: what it has taught is kept.
    pub(super) fn part(
        &mut self,
        neighbour: NeighbourId,
        moved_bytes: u64,
    ) -> Result<(), StoreError> {
        (self.source, self.content) = (None, None);
        self.mailboxes.part(moved_bytes);
        if let Some(known) = self.neighbours.get(&neighbour) {
            self.store.set_neighbour(&neighbour, known)?;
        }
        self.store.set_ack_ages(self.ack_ages)
    }

    /// Whose share it takes what this neighbour brings.
    pub(super) fn bringer(&self, neighbour: Option<NeighbourId>) -> Bringer {
        let now = self.clock.steady();
        let known = neighbour.and_then(|id| self.neighbours.get(&id));
        Bringer::new(neighbour, known.is_some_and(|known| known.reputation.is_proven(now)))
    }

    /// Whether there is room for it, or would be.
    pub(super) fn admits(&mut self, freight: Freight, worth: Worth) -> Result<bool, StoreError> {
        let Freight { bringer, size_bytes, .. } = freight;
        if size_bytes > self.config.max_carried_bytes || self.config.max_carried_envelopes == 0 {
            return Ok(false);
        }
        if self.is_handing_over() {
            return Ok(false);
        }
        if self.has_room(size_bytes) {
            return Ok(true);
        }
        let Some((_, least)) = self.next_to_leave()? else { return Ok(false) };
        let excess = self.leaving.shares.excess_of(freight);
        let worth = if excess.of_kind { worth.demoted() } else { worth };
        Ok(match (excess.of_bringer, least.is_surplus) {
            (false, true) => true,
            // Who has too much makes room for more of it among their own.
            (true, false) if least.bringer != bringer => false,
            _ => self.outlook().replaces(worth, least.worth),
        })
    }

    /// Makes room, at the cost of what is worth far less.
    pub(super) fn make_room(&mut self, freight: Freight, worth: Worth) -> Result<bool, StoreError> {
        loop {
            if !self.admits(freight, worth)? {
                return Ok(false);
            }
            if self.has_room(freight.size_bytes) {
                if self.leaving.weighed.is_some() {
                    self.leaving.shares.add(freight);
                }
                return Ok(true);
            }
            self.evict()?;
        }
    }

    /// The least useful goes. Says whether there was any.
    fn evict(&mut self) -> Result<bool, StoreError> {
        let Some((envelope, place)) = self.next_to_leave()? else { return Ok(false) };
        tracing::debug!(id = ?envelope.id, "evicted");
        self.leaving.order.pop();
        let mut gone = vec![(envelope, place.bringer)];
        if let Some((body, _)) = envelope.fragment
            && self.config.router.keeps_bodies_whole()
        {
            let order = self.leaving.order.iter();
            let bringers: BTreeMap<_, _> = order.map(|it| (it.row, it.bringer)).collect();
            let is_sibling = |it: &Carried| {
                let of_body = it.fragment.is_some_and(|(of, _)| of == body);
                of_body && it.standing == Standing::Foreign && it.row != envelope.row
            };
            let siblings = self.store.fragments_of(body.mark())?.into_iter().filter(is_sibling);
            let bringer = |row| bringers.get(&row).copied().unwrap_or(place.bringer);
            gone.extend(siblings.map(|it| (it, bringer(it.row))));
        }
        for (envelope, bringer) in gone {
            self.leaving.shares.remove(freight(&envelope, &self.copy(&envelope), bringer));
            self.remove_envelope(&envelope)?;
            self.turnover.evicted += 1;
        }
        Ok(true)
    }

    /// What no longer fits goes.
    pub(super) fn evict_excess(&mut self) -> Result<(), StoreError> {
        while self.foreign_bytes > self.config.max_carried_bytes && self.evict()? {}
        Ok(())
    }

    /// What would have to go so that the rest fits, the least useful first.
    pub(super) fn excess(&mut self) -> Result<Vec<Carried>, StoreError> {
        self.weigh()?;
        let mut excess = Vec::new();
        let mut left_bytes = self.foreign_bytes;
        for place in self.leaving.order.iter().rev() {
            if left_bytes <= self.config.max_carried_bytes {
                break;
            }
            if let Some(envelope) = self.store.foreign_at(place.row)? {
                left_bytes = left_bytes.saturating_sub(envelope.size_bytes as u64);
                excess.push(envelope);
            }
        }
        Ok(excess)
    }

    pub(super) fn has_room(&self, size_bytes: u64) -> bool {
        self.foreign_bytes + size_bytes <= self.config.max_carried_bytes
            && self.foreign_envelopes < self.config.max_carried_envelopes
    }

    fn next_to_leave(&mut self) -> Result<Option<(Carried, Place)>, StoreError> {
        let now = self.clock.steady();
        let is_fresh = self.leaving.weighed.is_some_and(|at| now < at + WEIGH_EVERY_MS);
        if !is_fresh {
            self.weigh()?;
        }
        loop {
            while let Some(&place) = self.leaving.order.last() {
                // What is gone, or was found to be for this node, leaves no room.
                match self.store.foreign_at(place.row)? {
                    Some(envelope) => return Ok(Some((envelope, place))),
                    None => drop(self.leaving.order.pop()),
                }
            }
            if self.foreign_envelopes == 0 {
                return Ok(None);
            }
            self.weigh()?;
            if self.leaving.order.is_empty() {
                return Ok(None);
            }
        }
    }

    fn weigh(&mut self) -> Result<(), StoreError> {
        let outlook = self.outlook();
        let weigh = |envelope: Carried| {
            let copy = self.copy(&envelope);
            (outlook.worth(&copy), envelope, copy)
        };
        let mut weighed: Vec<_> = self.store.foreign()?.into_iter().map(weigh).collect();
        // Of equal worth, all of one body before any of another: half a body is worth little.
        weighed.sort_by(|(a, left, _), (b, right, _)| {
            b.total_cmp(a).then_with(|| (right.fragment, right.row).cmp(&(left.fragment, left.row)))
        });
        let mut shares = Shares::new(Use {
            bytes: self.config.max_carried_bytes,
            envelopes: self.config.max_carried_envelopes,
        });
        let mut order = Vec::with_capacity(weighed.len());
        let bringers = self.store.bringers()?;
        for (worth, envelope, copy) in weighed {
            let bringer = bringers.get(&envelope.row).copied().unwrap_or(Bringer::NEWCOMERS);
            let excess = shares.add(freight(&envelope, &copy, bringer));
            let worth = if excess.of_kind { worth.demoted() } else { worth };
            let is_surplus = excess.of_bringer;
            order.push(Place { worth, row: envelope.row, bringer, is_surplus });
        }
        // Stable: bodies stay together.
        order.sort_by(|a, b| a.is_surplus.cmp(&b.is_surplus).then(b.worth.total_cmp(&a.worth)));
        self.leaving = Leaving { order, shares, weighed: Some(self.clock.steady()) };
        Ok(())
    }

    /// A copy on board, as routing sees it.
    fn copy(&self, envelope: &Carried) -> Copy {
        let size_bytes = envelope.size_bytes as u64;
        let size_bytes = match (envelope.fragment, envelope.postmark) {
            (Some((body, _)), _) => self.holdings.body_bytes(body),
            (None, Some(postmark)) => self.postmarks.letter_size_bytes(postmark, size_bytes),
            (None, None) => size_bytes,
        };
        let mut copy = Copy {
            priority: envelope.priority,
            tag: envelope.tag,
            generation: envelope.generation,
            born: envelope.born,
            expires: envelope.expires,
            taken: envelope.taken,
            size_bytes,
            is_fragment: envelope.fragment.is_some(),
        };
        if let Some((body, _)) = envelope.fragment {
            self.count_as_whole(&mut copy, body);
        }
        copy
    }

    /// Of one body all fragments count alike, where the router knows none.
    pub(super) fn count_as_whole(&self, copy: &mut Copy, body: BodyKey) {
        let is_whole = self.config.router.keeps_bodies_whole();
        if let Some(holding) = self.holdings.get(body).filter(|_| is_whole) {
            let least = holding.generations.values().min().copied();
            copy.generation = least.map_or(copy.generation, |least| least.min(copy.generation));
            copy.taken = holding.traits.taken;
            copy.tag = holding.traits.tag;
        }
    }
}

/// What takes the room of what is on board.
fn freight(envelope: &Carried, copy: &Copy, bringer: Bringer) -> Freight {
    Freight {
        bringer,
        priority: envelope.priority,
        size_bytes: envelope.size_bytes as u64,
        kind: Kind::of(copy),
    }
}
