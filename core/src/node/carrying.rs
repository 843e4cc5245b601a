//! Carrying for others: whom this node meets, what is handed on to them, and what makes room.

use super::Node;
use super::holdings::Holdings;
use crate::chat::ContactId;
use crate::clock::Moment;
use crate::routing::{Copy, NeighbourId, Outlook, Worth, is_direct};
use crate::store::{Carried, Durability, EnvelopeRow, Standing, SteadyMs, StoreError};
use crate::time::Timestamp;

/// The order of leaving is weighed anew this often.
const WEIGH_EVERY_MS: i64 = 60_000;

/// Others' envelopes in the order in which they would make room, the first at the end; as weighed
/// some time ago.
#[derive(Default)]
pub(super) struct Leaving {
    order: Vec<(Worth, EnvelopeRow)>,
    weighed: Option<SteadyMs>,
}

impl Node {
    pub(super) fn outlook(&self) -> Outlook<'_> {
        Outlook {
            router: self.config.router,
            now: self.clock.steady(),
            acks: self.ack_ages,
            neighbours: &self.neighbours,
        }
    }

    /// Whether a letter goes to this neighbour: to its recipient always; bulletins go to everybody.
    pub(super) fn may_hand(
        &self,
        letter: &Carried,
        contact: Option<ContactId>,
        neighbour: Option<NeighbourId>,
    ) -> bool {
        let is_bringer = neighbour.is_some_and(|id| self.neighbours.is_bringer(&id));
        letter.standing == Standing::Bulletin
            || is_direct(letter, contact)
            || self.may_entrust(neighbour)
                && self.outlook().may_spread(&copy(letter, &self.holdings), is_bringer)
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
    pub(super) fn part(&mut self, neighbour: NeighbourId) -> Result<(), StoreError> {
        self.source = None;
        if let Some(known) = self.neighbours.get(&neighbour) {
            self.store.set_neighbour(&neighbour, known)?;
        }
        self.store.set_ack_ages(self.ack_ages)
    }

    /// Whether there is room for a copy of this worth, or would be.
    pub(super) fn admits(&mut self, size_bytes: u64, worth: Worth) -> Result<bool, StoreError> {
        if size_bytes > self.config.max_carried_bytes || self.config.max_carried_envelopes == 0 {
            return Ok(false);
        }
        if self.has_room(size_bytes) {
            return Ok(true);
        }
        let least = self.next_to_leave()?;
        Ok(least.is_some_and(|(_, least)| self.outlook().replaces(worth, least)))
    }

    /// Makes room, at the cost of what is worth far less.
    pub(super) fn make_room(&mut self, size_bytes: u64, worth: Worth) -> Result<bool, StoreError> {
        loop {
            if !self.admits(size_bytes, worth)? {
                return Ok(false);
            }
            if self.has_room(size_bytes) {
                return Ok(true);
            }
            self.evict()?;
        }
    }

    /// The least useful goes. Says whether there was any.
    fn evict(&mut self) -> Result<bool, StoreError> {
        let Some((envelope, _)) = self.next_to_leave()? else { return Ok(false) };
        tracing::debug!(id = ?envelope.id, "evicted");
        self.leaving.order.pop();
        self.remove_envelope(&envelope)?;
        self.turnover.evicted += 1;
        Ok(true)
    }

    /// Changes the space for other people's mail, in bytes. What no longer fits goes, the least useful
    /// first.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn set_max_carried_bytes(&mut self, now: Timestamp, bytes: u64) -> Result<(), StoreError> {
        self.config.max_carried_bytes(bytes);
        self.whole(|node| {
            node.begin(now, Durability::Process)?;
            while node.foreign_bytes > bytes && node.evict()? {}
            Ok(())
        })
    }

    pub(super) fn has_room(&self, size_bytes: u64) -> bool {
        self.foreign_bytes + size_bytes <= self.config.max_carried_bytes
            && self.foreign_envelopes < self.config.max_carried_envelopes
    }

    fn next_to_leave(&mut self) -> Result<Option<(Carried, Worth)>, StoreError> {
        let now = self.clock.steady();
        let is_fresh = self.leaving.weighed.is_some_and(|at| now < at + WEIGH_EVERY_MS);
        if !is_fresh {
            self.weigh()?;
        }
        loop {
            while let Some(&(worth, row)) = self.leaving.order.last() {
                // What is gone, or was found to be for this node, leaves no room.
                match self.store.foreign_at(row)? {
                    Some(envelope) => return Ok(Some((envelope, worth))),
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
        let (outlook, holdings) = (self.outlook(), &self.holdings);
        let mut order: Vec<(Worth, Option<_>, EnvelopeRow)> = self
            .store
            .foreign()?
            .iter()
            .map(|envelope| {
                (outlook.worth(&copy(envelope, holdings)), envelope.fragment, envelope.row)
            })
            .collect();
        // Of equal worth, all of one body before any of another: half a body is worth little.
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(b.2.cmp(&a.2)));
        self.leaving.order = order.into_iter().map(|(worth, _, row)| (worth, row)).collect();
        self.leaving.weighed = Some(self.clock.steady());
        Ok(())
    }
}

/// A copy on board, as routing sees it.
pub(super) fn copy(envelope: &Carried, holdings: &Holdings) -> Copy {
    let size_bytes = match envelope.fragment {
        Some((body, _)) => holdings.body_bytes(body),
        None => envelope.size_bytes as u64,
    };
    Copy {
        priority: envelope.priority,
        generation: envelope.generation,
        born: envelope.born,
        expires: envelope.expires,
        taken: envelope.taken,
        size_bytes,
    }
}
