//! Mail: what is sent, what comes in, what is carried for others.

use super::ratchet::{self, Lock};
use super::{Fault, Node};
use crate::chat::{ContactId, Message, MessageId, SendError, State};
use crate::clock::Moment;
use crate::codec::DecodeError;
use crate::envelope::{
    AckProof, Body, Envelope, EnvelopeId, Letter, Opened, Priority, Sealed, seal,
};
use crate::event::Event;
use crate::identity::{Card, Protection, Suite};
use crate::link::{LinkId, Session, Violation};
use crate::routing::{self, TransferOrder};
use crate::store::{
    Durability, EnvelopeRow, NewEnvelope, NewMessage, Standing, SteadyMs, StoreError,
};
use crate::time::{DAY_MS, Timestamp};

/// How far clocks may be apart before what depends on the calendar fails.
pub(super) const CLOCK_SLACK_MS: u64 = 3 * DAY_MS;

/// A message that was opened here.
struct Incoming {
    opened: Opened,
    writer: ContactId,
    protection: Protection,
}

impl Node {
    /// Accepts `body` for the contact `to`: sealed, stored and durable when this returns.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is stored then.
    pub fn send(
        &mut self,
        now: Timestamp,
        to: ContactId,
        body: &Body,
        priority: Priority,
    ) -> Result<MessageId, SendError> {
        let contact = self.store.contact(to)?.ok_or(SendError::UnknownContact)?;
        let aim = ratchet::aim(&contact, now)?;
        let at = self.clock.advance(now);
        let (reply, new_reply) = self.pending_reply(&contact, at, aim.protection);
        let card = self.card_for(&contact);
        let uuid = self.random_array();
        let letter = Letter {
            sender: &self.key,
            recipient: &contact.identity,
            target: &aim.target,
            uuid,
            body,
            card: card.as_ref(),
            reply: Some(&reply),
            previous: aim.previous,
            priority,
            lifetime_s: self.config.lifetime_s.min(aim.max_lifetime_s),
            tag_mode: self.config.tag_mode,
        };
        let sealed = seal(&letter, &self.epoch.postmark, now, &mut *self.rng)?;
        let new = NewMessage {
            contact: to,
            outgoing: true,
            uuid: &uuid,
            kind: body.kind(),
            content: &body.content(),
            sent: now,
            stored: now,
            state: State::Queued,
            protection: aim.protection,
            card_sequence: card.as_ref().map(Card::sequence),
        };
        Ok(self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            // A random uuid repeats by nobody's doing in any universe's lifetime.
            let message = node.store.insert_message(&new)?.ok_or(StoreError::Corrupt)?;
            node.give_reply(to, &reply, new_reply)?;
            if aim.is_reply {
                node.store.count_sealed(to)?;
            }
            node.dispatch(now, &sealed, message, to)?;
            node.events.push_back(Event::Progress { message, state: State::Queued });
            node.store.commit().map(|()| message)
        })?)
    }

    /// Notes that the user has seen a received message, and tells its writer if read receipts are
    /// on.
    ///
    /// # Errors
    /// As [`Node::send`], of the receipt.
    pub fn mark_seen(&mut self, now: Timestamp, message: MessageId) -> Result<(), SendError> {
        let unseen = self.store.message(message)?.filter(|row| row.state == State::Received);
        let Some(unseen) = unseen else { return Ok(()) };
        self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            node.store.advance_message(message, State::Seen, now.wall)?;
            node.store.commit()
        })?;
        if self.config.read_receipts {
            self.send(now, unseen.contact, &Body::Read(vec![unseen.uuid]), Priority::Low)?;
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        now: Moment,
        sealed: &Sealed,
        message: MessageId,
        to: ContactId,
    ) -> Result<(), StoreError> {
        // What was just sealed parses.
        let envelope = Envelope::parse(&sealed.bytes).map_err(|_| StoreError::Corrupt)?;
        let born = now.steady - sealed.age_ms as i64;
        self.keep(&envelope, sealed.id, Standing::Own, born, Some((message, to)))?;
        self.offer(&sealed.id, None)
    }

    /// An envelope has come in whole, of which the neighbour says that it is `age_s` old.
    pub(super) fn accept(
        &mut self,
        now: Moment,
        link: LinkId,
        age_s: u32,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let envelope = match Envelope::parse(bytes) {
            // Nobody's fault: it is left to newer carriers.
            Err(DecodeError::Unknown { .. }) => return Ok(()),
            parsed => parsed?,
        };
        let id = envelope.id();
        self.wanted.remove(&id.head());
        if let Some(session) = self.links.get_mut(&link) {
            session.wished.remove(&id.head());
        }
        if self.store.envelope(&id)?.is_some() {
            self.say_taken(link, &id);
            return Ok(());
        }
        if let Some(tombstone) = self.store.tombstone(&id)? {
            if let (Some(proof), Some(session)) = (tombstone.proof, self.links.get_mut(&link)) {
                session.push_held_ack(proof.ack().0);
            }
            return Ok(());
        }
        if !envelope.is_genuine(&id) {
            return Err(Violation::Forged("envelope").into());
        }
        if !is_acceptable(now, &envelope, age_s) {
            return Ok(());
        }
        let born = now.steady - believed_age_ms(now, &envelope, age_s);
        match self.open_own(now, &envelope)? {
            Some(incoming) => self.receive(now, link, &envelope, id, born, &incoming)?,
            None => self.carry(link, &envelope, id, born)?,
        }
        Ok(())
    }

    /// Opens what is for this node. Mail that nobody could answer is not: it looks like foreign
    /// mail from outside, and is carried on like it.
    fn open_own(
        &mut self,
        now: Moment,
        envelope: &Envelope<'_>,
    ) -> Result<Option<Incoming>, StoreError> {
        let Some((opened, lock)) = self.unlock(envelope) else { return Ok(None) };
        self.store.require(Durability::Power)?;
        let Some(writer) = self.writer(&opened.sender, opened.card.as_ref(), lock)? else {
            return Ok(None);
        };
        self.turn(now, writer, lock, &opened)?;
        let protection = match lock {
            Lock::Card { .. } if envelope.suite() == Suite::XWing => Protection::XWing,
            Lock::Card { .. } => Protection::CardSeed,
            Lock::Reply { protection, .. } => protection,
        };
        Ok(Some(Incoming { opened, writer, protection }))
    }

    fn receive(
        &mut self,
        now: Moment,
        link: LinkId,
        envelope: &Envelope<'_>,
        id: EnvelopeId,
        born: SteadyMs,
        incoming: &Incoming,
    ) -> Result<(), StoreError> {
        self.store_message(now, incoming)?;
        let Incoming { opened, writer, .. } = incoming;
        let row = self.keep(envelope, id, Standing::Received, born, None)?;
        // Mail with little time left is acknowledged while that still helps.
        let left_ms = born + i64::from(envelope.lifetime_s()) * 1000 - now.steady;
        let delay_ms = self.random_below(self.config.ack_delay_max_ms) as i64;
        let release = now.steady + delay_ms.min(left_ms / 2);
        self.store.insert_pending_ack(row, &AckProof::new(envelope, &opened.ack), release)?;
        // On the writer's own link there is nobody to hide from, and no need for another carrier.
        if let Some(session) = self.links.get_mut(&link).filter(|s| s.contact == Some(*writer)) {
            session.push_held_ack(opened.ack.0);
            return Ok(());
        }
        // From outside it is foreign mail: who would not have carried that says nothing.
        if self.has_room(envelope.as_bytes().len() as u64) {
            self.say_taken(link, &id);
            self.offer(&id, Some(link))?;
        }
        Ok(())
    }

    fn store_message(&mut self, now: Moment, incoming: &Incoming) -> Result<(), StoreError> {
        let &Incoming { ref opened, writer, protection } = incoming;
        if let Body::Read(uuids) = &opened.body {
            for uuid in uuids {
                if let Some(read) = self.store.message_by_uuid(writer, true, uuid)? {
                    self.progress(now, read.id, State::Read)?;
                }
            }
            return Ok(());
        }
        if !opened.body.is_for_people() {
            return Ok(());
        }
        let new = NewMessage {
            contact: writer,
            outgoing: false,
            uuid: &opened.uuid,
            kind: opened.body.kind(),
            content: &opened.body.content(),
            sent: opened.sent,
            stored: now.wall,
            state: State::Received,
            protection,
            card_sequence: None,
        };
        if let Some(message) = self.store.insert_message(&new)? {
            self.events.push_back(Event::Received { message, contact: writer });
        }
        Ok(())
    }

    /// Takes a stranger's envelope along, if there is room or room can be made.
    fn carry(
        &mut self,
        link: LinkId,
        envelope: &Envelope<'_>,
        id: EnvelopeId,
        born: SteadyMs,
    ) -> Result<(), StoreError> {
        let expires = born + i64::from(envelope.lifetime_s()) * 1000;
        if !self.make_room(envelope.as_bytes().len() as u64, envelope.priority(), expires)? {
            return Ok(());
        }
        self.keep(envelope, id, Standing::Foreign, born, None)?;
        self.say_taken(link, &id);
        self.offer(&id, Some(link))
    }

    fn make_room(
        &mut self,
        size_bytes: u64,
        priority: Priority,
        expires: SteadyMs,
    ) -> Result<bool, StoreError> {
        if size_bytes > self.config.max_carried_bytes || self.config.max_carried_envelopes == 0 {
            return Ok(false);
        }
        while !self.has_room(size_bytes) {
            let Some(least) = self.store.least_useful_envelope()? else { return Ok(false) };
            if !routing::may_replace((priority as u8, expires), &least) {
                return Ok(false);
            }
            tracing::debug!(id = ?least.id, "evicted");
            self.remove_envelope(&least)?;
        }
        Ok(true)
    }

    fn has_room(&self, size_bytes: u64) -> bool {
        self.foreign_bytes + size_bytes <= self.config.max_carried_bytes
            && self.foreign_envelopes < self.config.max_carried_envelopes
    }

    fn keep(
        &mut self,
        envelope: &Envelope<'_>,
        id: EnvelopeId,
        standing: Standing,
        born: SteadyMs,
        message: Option<(MessageId, ContactId)>,
    ) -> Result<EnvelopeRow, StoreError> {
        let new = NewEnvelope {
            id,
            commitment: envelope.commitment(),
            standing,
            priority: envelope.priority(),
            born,
            expires: born + i64::from(envelope.lifetime_s()) * 1000,
            message,
            bytes: envelope.as_bytes(),
        };
        if standing == Standing::Foreign {
            self.foreign_envelopes += 1;
            self.foreign_bytes += new.bytes.len() as u64;
        }
        self.store.insert_envelope(&new)
    }

    /// Tells every counted neighbour but the one it came from. To its recipient it goes at once.
    fn offer(&mut self, id: &EnvelopeId, from: Option<LinkId>) -> Result<(), StoreError> {
        let is_other = |link: &LinkId, session: &Session| Some(*link) != from && session.is_live();
        let mut others =
            self.links.iter_mut().filter(|(link, session)| is_other(link, session)).peekable();
        // Most mail comes in while no other neighbour is there: the store need not be asked.
        if others.peek().is_none() {
            return Ok(());
        }
        let Some(envelope) = self.store.envelope(id)? else { return Ok(()) };
        for (_, session) in others {
            if routing::is_direct(&envelope, session.contact) {
                session.push_transfer(TransferOrder::new(&envelope, session.contact));
            } else {
                session.push_offer(id.head());
            }
        }
        Ok(())
    }

    fn say_taken(&mut self, link: LinkId, id: &EnvelopeId) {
        if let Some(session) = self.links.get_mut(&link) {
            session.push_taken(id.head());
        }
    }

    /// The neighbour on `link` has stored own mail.
    pub(super) fn taken(
        &mut self,
        now: Moment,
        link: LinkId,
        heads: &[u64],
    ) -> Result<(), StoreError> {
        for head in heads {
            let Some(session) = self.links.get_mut(&link) else { break };
            let (Some(message), Some(neighbour)) =
                (session.in_flight.remove(head), session.noise.neighbour())
            else {
                continue;
            };
            let contact = session.contact;
            let Some(row) = self.store.message(message)? else { continue };
            let is_recipient = contact == Some(row.contact);
            let state = if is_recipient { State::Handed } else { State::Carried };
            let is_new = self.store.insert_handover(message, &neighbour, contact)?;
            let moved = self.store.advance_message(message, state, now.wall)?;
            if is_new || moved {
                let state = row.state.max(state);
                self.events.push_back(Event::Progress { message, state });
            }
        }
        Ok(())
    }

    /// Moves a message on, and tells if it moved.
    pub(super) fn progress(
        &mut self,
        now: Moment,
        message: MessageId,
        state: State,
    ) -> Result<(), StoreError> {
        if self.store.advance_message(message, state, now.wall)? {
            self.events.push_back(Event::Progress { message, state });
        }
        Ok(())
    }

    /// One message.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.store.message(id)?.map(Message::try_from).transpose()
    }
}

/// An age is a claim. A great one must not kill young mail: where both clocks are plausible, no more
/// is believed than the calendar allows.
fn believed_age_ms(now: Moment, envelope: &Envelope<'_>, age_s: u32) -> i64 {
    let claimed_ms = i64::from(age_s) * 1000;
    let created = envelope.created();
    if now.wall.is_plausible() && created.is_plausible() {
        claimed_ms.min((now.wall.since(created) + DAY_MS) as i64)
    } else {
        claimed_ms
    }
}

/// Whether an honest carrier would still have it. Ages are claims, but a plausible clock bounds
/// them: what is past by the calendar is a replay, however young it is said to be.
fn is_acceptable(now: Moment, envelope: &Envelope<'_>, age_s: u32) -> bool {
    let created = envelope.created();
    let ends_ms = created.0 + u64::from(envelope.lifetime_s()) * 1000;
    let fits_calendar = !now.wall.is_plausible()
        || !created.is_plausible()
        || (created.since(now.wall) <= DAY_MS && now.wall.0 <= ends_ms + CLOCK_SLACK_MS);
    age_s < envelope.lifetime_s() && fits_calendar
}
