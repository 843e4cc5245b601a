//! Mail: what is sent, what comes in, what is carried for others.

use super::postmarks::Assay;
use super::ratchet::{self, Aim, Lock};
use super::{Fault, Node};
use crate::chat::{ContactId, Message, MessageId, Relation, SendError, State};
use crate::clock::Moment;
use crate::codec::DecodeError;
use crate::envelope::{
    AckProof, Body, Envelope, EnvelopeId, Letter, Opened, Postmark, Priority, Sealed, seal,
};
use crate::event::Event;
use crate::identity::{Card, Protection, ReplyTarget, Suite};
use crate::link::{LinkId, Session, Violation};
use crate::routing::{self, TransferOrder};
use crate::store::{
    Durability, EnvelopeRow, NewEnvelope, NewMessage, OwnReply, PostmarkRow, Standing, SteadyMs,
    StoreError,
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

/// A sealed message, and what it gives away.
pub(super) struct Composed {
    sealed: Sealed,
    aim: Aim,
    reply: ReplyTarget,
    new_reply: Option<OwnReply>,
    card: Option<Card>,
    /// The newest of the own statements that go along.
    pub(super) statement: Option<u64>,
}

impl Composed {
    pub(super) fn protection(&self) -> Protection {
        self.aim.protection
    }

    /// The own card that goes along.
    pub(super) fn card_sequence(&self) -> Option<u64> {
        self.card.as_ref().map(Card::sequence)
    }
}

impl Node {
    /// Accepts `body` for the contact `to`: stored and durable when this returns. It is sealed at
    /// once, or when the next postmark is minted: its lifetime begins then.
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
        if self.is_superseded {
            return Err(SendError::Superseded);
        }
        let uuid = self.random_array();
        let ready = self.postmark_for(now, to)?;
        // Without one this only finds out whether the message can be sealed at all.
        let postmark = ready.clone().unwrap_or_else(|| Postmark::generate(&mut *self.rng));
        let composed = self.compose(now, to, uuid, body, priority, &postmark)?;
        let new = NewMessage {
            contact: to,
            outgoing: true,
            uuid: &uuid,
            kind: body.kind(),
            content: &body.content(),
            sent: now,
            stored: now,
            state: State::Queued,
            protection: composed.protection(),
            card_sequence: composed.card_sequence(),
            statement: composed.statement,
        };
        Ok(self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            // A random uuid repeats by nobody's doing in any universe's lifetime.
            let message = node.store.insert_message(&new)?.ok_or(StoreError::Corrupt)?;
            match ready {
                Some(_) => node.launch(now, composed, message, to)?,
                None => node.store.insert_unsealed(message, priority)?,
            }
            node.events.push_back(Event::Progress { message, state: State::Queued });
            node.store.commit().map(|()| message)
        })?)
    }

    /// Seals a message; nothing is stored.
    pub(super) fn compose(
        &mut self,
        now: Timestamp,
        to: ContactId,
        uuid: [u8; 16],
        body: &Body,
        priority: Priority,
        postmark: &Postmark,
    ) -> Result<Composed, SendError> {
        let contact = self.store.contact(to)?.ok_or(SendError::UnknownContact)?;
        if contact.relation != Relation::Accepted {
            return Err(SendError::NotAccepted);
        }
        if contact.revoked {
            return Err(SendError::Revoked);
        }
        let aim = ratchet::aim(&contact, now)?;
        let at = self.clock.advance(now);
        let (reply, new_reply) = self.pending_reply(&contact, at, aim.protection);
        let card = self.card_for(&contact);
        let (statements, statement) = self.statements_for(&contact);
        let letter = Letter {
            sender: &self.key,
            recipient: &contact.identity,
            target: &aim.target,
            uuid,
            body,
            card: card.as_ref(),
            reply: Some(&reply),
            statements: &statements,
            previous: aim.previous,
            priority,
            lifetime_s: self.config.lifetime_s.min(aim.max_lifetime_s),
            tag_mode: self.config.tag_mode,
        };
        let sealed = seal(&letter, postmark, now, &mut *self.rng)?;
        Ok(Composed { sealed, aim, reply, new_reply, card, statement })
    }

    /// Puts a sealed message on the road.
    pub(super) fn launch(
        &mut self,
        now: Moment,
        composed: Composed,
        message: MessageId,
        to: ContactId,
    ) -> Result<(), StoreError> {
        let Composed { sealed, aim, reply, new_reply, .. } = composed;
        self.give_reply(to, &reply, new_reply)?;
        if aim.is_reply {
            self.store.count_sealed(to)?;
        }
        self.dispatch(now, &sealed, Some((message, to)))
    }

    /// Puts an envelope on the road: of a message, or of engines' own mail.
    pub(super) fn dispatch(
        &mut self,
        now: Moment,
        sealed: &Sealed,
        message: Option<(MessageId, ContactId)>,
    ) -> Result<(), StoreError> {
        // What was just sealed parses.
        let envelope = Envelope::parse(&sealed.bytes).map_err(|_| StoreError::Corrupt)?;
        self.count_use(&envelope)?;
        let born = now.steady - sealed.age_ms as i64;
        let row = self.keep(&envelope, sealed.id, Standing::Own, born, message, None)?;
        self.store.insert_own_ack(row, &AckProof::new(&envelope, &sealed.ack))?;
        self.offer(&sealed.id, None)
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
        let writer = self.store.contact(unseen.contact)?;
        let is_accepted = writer.is_some_and(|writer| writer.relation == Relation::Accepted);
        if self.config.read_receipts && is_accepted {
            self.send(now, unseen.contact, &Body::Read(vec![unseen.uuid]), Priority::Low)?;
        }
        Ok(())
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
        // Before all that costs more: what was not paid for is refused by a hash of 40 bytes.
        let proof = envelope.work_proof();
        self.check_gate(&proof)?;
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
        let created = envelope.created();
        let (charge, is_late) = match self.assay(now, &proof, created, false)? {
            Assay::Paid(charge) => (charge, false),
            // A flood of strangers' mail must not keep out one's own.
            Assay::Later if self.is_own(&envelope) => {
                match self.assay(now, &proof, created, true) {
                    Ok(Assay::Paid(charge)) => (charge, true),
                    // Where foreign mail is not even looked at, nothing may show.
                    Ok(Assay::Later) | Err(Fault::Neighbour(_)) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            Assay::Later => return Ok(()),
        };
        if !self.may_charge(charge, bytes.len() as u64)? {
            return Ok(());
        }
        match self.open_own(now, &envelope)? {
            Some(incoming) => {
                let from = (id, born, charge.row);
                let is_public = self.receive(now, link, &envelope, from, &incoming)?;
                // From outside it is foreign mail: who would not have carried that says nothing.
                if is_public && !is_late && self.has_room(bytes.len() as u64) {
                    self.say_taken(link, &id);
                    self.offer(&id, Some(link))?;
                }
            }
            None if is_late => {}
            None => self.carry(link, &envelope, id, born, charge.row)?,
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
        if self.is_superseded {
            return Ok(None);
        }
        let Some((mut opened, lock)) = self.unlock(envelope) else { return Ok(None) };
        self.store.require(Durability::Power)?;
        if opened.sender == self.identity {
            self.meet_self(opened.card.as_ref())?;
            return Ok(None);
        }
        self.heed(now, &opened)?;
        let Some(writer) = self.writer(now, &mut opened, lock)? else {
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

    /// Stores what was opened. Says whether it is to be passed on as if it were foreign.
    fn receive(
        &mut self,
        now: Moment,
        link: LinkId,
        envelope: &Envelope<'_>,
        (id, born, postmark): (EnvelopeId, SteadyMs, PostmarkRow),
        incoming: &Incoming,
    ) -> Result<bool, StoreError> {
        self.store_message(now, incoming)?;
        let Incoming { opened, writer, .. } = incoming;
        let row = self.keep(envelope, id, Standing::Received, born, None, Some(postmark))?;
        // Mail with little time left is acknowledged while that still helps.
        let left_ms = born + i64::from(envelope.lifetime_s()) * 1000 - now.steady;
        let delay_ms = self.random_below(self.config.ack_delay_max_ms) as i64;
        let release = now.steady + delay_ms.min(left_ms / 2);
        self.store.insert_pending_ack(row, &AckProof::new(envelope, &opened.ack), release)?;
        // On the writer's own link there is nobody to hide from, and no need for another carrier.
        if let Some(session) = self.links.get_mut(&link).filter(|s| s.contact == Some(*writer)) {
            session.push_held_ack(opened.ack.0);
            return Ok(false);
        }
        Ok(true)
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
            statement: None,
        };
        if let Some(message) = self.store.insert_message(&new)? {
            let contact = self.store.contact(writer)?;
            let is_loud = contact.is_some_and(|c| c.relation == Relation::Accepted && !c.muted);
            self.events.push_back(if is_loud {
                Event::Received { message, contact: writer }
            } else {
                Event::ReceivedQuietly { message, contact: writer }
            });
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
        postmark: PostmarkRow,
    ) -> Result<(), StoreError> {
        let expires = born + i64::from(envelope.lifetime_s()) * 1000;
        if !self.make_room(envelope.as_bytes().len() as u64, envelope.priority(), expires)? {
            return Ok(());
        }
        self.keep(envelope, id, Standing::Foreign, born, None, Some(postmark))?;
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
            self.turnover.evicted += 1;
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
        postmark: Option<PostmarkRow>,
    ) -> Result<EnvelopeRow, StoreError> {
        let new = NewEnvelope {
            id,
            commitment: envelope.commitment(),
            standing,
            priority: envelope.priority(),
            born,
            expires: born + i64::from(envelope.lifetime_s()) * 1000,
            message,
            postmark,
            bytes: envelope.as_bytes(),
        };
        self.turnover.taken += u64::from(standing != Standing::Own);
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
