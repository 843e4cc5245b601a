//! What time alone brings about.

use super::acks::TOMBSTONE_SLACK_MS;
use super::{Epoch, Node};
use crate::chat::State;
use crate::clock::Moment;
use crate::event::{Event, Reason};
use crate::link::CloseReason;
use crate::store::{Durability, Proof, Standing, SteadyMs, StoreError};
use crate::time::{DAY_MS, Timestamp};

impl Node {
    /// The time that [`Node::poll_timeout`] named has come, or some other: whatever is due is done.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.whole(|node| {
            let now = node.begin(now, Durability::Process)?;
            let due = node.store.due()?;
            let is_due = |at: Option<SteadyMs>| at.is_some_and(|at| at <= now.steady);
            if is_due(due.expiry) {
                node.expire(now)?;
            }
            if is_due(due.ack) || is_due(due.attachment) {
                node.release_acks(now)?;
            }
            if is_due(due.tombstone) {
                node.tombstones -= node.store.forget_tombstones(now.steady)?;
            }
            node.time_out_openings(now);
            node.pass_over(now);
            node.fetch_again(now, None)?;
            node.go_on_handing_over(now)?;
            let dies = |at| at <= node.clock.running_ms();
            if is_due(due.secret) || due.secret_dies.is_some_and(dies) {
                node.destroy_secrets(now)?;
            }
            node.renew_wrapping(now)?;
            if now.wall.day() == node.epoch.day { Ok(()) } else { node.rotate(now) }
        })?;
        self.send_refreshes(now)?;
        self.reseal(now)
    }

    /// When this node wants [`Node::handle_timeout`] called next, and why.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn poll_timeout(&self) -> Result<Option<(Timestamp, Reason)>, StoreError> {
        let opening = self
            .links
            .values()
            .filter(|session| session.is_opening())
            .map(|session| session.deadline)
            .min();
        let due = self.store.due()?;
        let dies = due.secret_dies.map(|at| self.clock.steady() + at - self.clock.running_ms());
        let wish = self.wishes.front().map(|(until, ..)| *until);
        let fetch = self.fetches.front().map(|(until, ..)| *until);
        let resealing = due.reseals.then(|| self.clock.steady());
        let steady = [
            (due.expiry, Reason::Expiry),
            (due.ack, Reason::Acknowledgement),
            (due.tombstone, Reason::Tombstone),
            (opening, Reason::Handshake),
            (wish, Reason::Wish),
            (fetch, Reason::Wish),
            (self.next_of_handover(), Reason::Handover),
            (due.attachment, Reason::Attachment),
            (due.secret, Reason::Secret),
            (dies, Reason::Secret),
            (self.store.next_renewal()?, Reason::Secret),
            (due.refresh, Reason::Refresh),
            (resealing, Reason::Resealing),
        ];
        let midnight = Timestamp((u64::from(self.epoch.day) + 1) * DAY_MS);
        Ok(steady
            .into_iter()
            .filter_map(|(at, reason)| Some((self.clock.wall_at(at?), reason)))
            .chain([(midnight, Reason::Epoch)])
            .min_by_key(|(at, _)| *at))
    }

    fn expire(&mut self, now: Moment) -> Result<(), StoreError> {
        for envelope in self.store.expired_envelopes(now.steady)? {
            match (envelope.fragment, envelope.postmark) {
                // Of fragments there are too many for tombstones; their postmark stays charged.
                (Some(_), Some(postmark)) => self.store.charge_spent(postmark)?,
                (Some(_), None) => {}
                (None, postmark) => {
                    let forget = self.certain_end(now, &envelope)? + TOMBSTONE_SLACK_MS;
                    self.entomb(&envelope.id, None, envelope.message, postmark, forget)?;
                }
            }
            self.remove_envelope(&envelope)?;
            self.turnover.expired += u64::from(envelope.standing == Standing::Foreign);
            if let Some(message) = envelope.message
                && !self.store.is_under_way(message)?
            {
                self.store.require(Durability::Power)?;
                self.store.destroy_body_secret(message)?;
                self.progress(now, message, State::Expired)?;
            }
        }
        Ok(())
    }

    fn release_acks(&mut self, now: Moment) -> Result<(), StoreError> {
        self.release_bodies(now)?;
        for (envelope, proof) in self.store.due_acks(now.steady)? {
            match proof {
                Proof::Letter(proof) => self.bury(now, &envelope, &proof, None)?,
                Proof::Fragment(ack) => {
                    self.store.require(Durability::Power)?;
                    self.bury_fragment(&envelope, ack, None)?;
                }
                Proof::Ack(_) | Proof::Body(_) => return Err(StoreError::Corrupt),
            }
        }
        self.give_up_attachments(now)
    }

    /// A handshake that takes too long ends its link, and so does a neighbour that is not heard after
    /// it; a reconciliation that nobody continues frees its memory.
    fn time_out_openings(&mut self, now: Moment) {
        let mut late = Vec::new();
        for (link, session) in &mut self.links {
            if session.is_opening() && session.deadline <= now.steady {
                session.reconciler = None;
                if !session.is_greeted() {
                    late.push(*link);
                }
            }
        }
        for link in late {
            self.close(link, CloseReason::Timeout);
        }
    }

    /// A new day: nobody may recognise today what they met yesterday.
    fn rotate(&mut self, now: Moment) -> Result<(), StoreError> {
        self.epoch = Epoch::new(now.wall.day(), &mut *self.rng);
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.close(link, CloseReason::Epoch);
        }
        self.store.forget_handed(now.steady)?;
        self.events.push_back(Event::EpochRotated);
        self.turn_postmarks(now)?;
        self.renew_cards(now)
    }
}
