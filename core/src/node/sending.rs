//! Sending: from a body to an envelope on the road, and how far it has come.

use super::Node;
use super::intake::Origin;
use super::ratchet::{self, Aim};
use crate::chat::{ContactId, Message, MessageId, Relation, SendError, State};
use crate::clock::Moment;
use crate::envelope::{
    AckProof, Body, Envelope, Letter, Manifest, Postmark, Priority, Sealed, seal,
};
use crate::event::Event;
use crate::identity::{Card, Protection, ReplyTarget};
use crate::link::LinkId;
use crate::store::{Durability, NewMessage, OwnReply, Standing, StoreError};
use crate::time::Timestamp;

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

    /// The message as it is stored; `kind` and content are its body's.
    pub(super) fn message<'a>(
        &self,
        to: ContactId,
        uuid: &'a [u8; 16],
        (kind, content): (u64, &'a [u8]),
        now: Timestamp,
    ) -> NewMessage<'a> {
        NewMessage {
            contact: to,
            outgoing: true,
            uuid,
            kind,
            content,
            sent: now,
            stored: now,
            state: State::Queued,
            protection: self.protection(),
            card_sequence: self.card_sequence(),
            statement: self.statement,
        }
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
        // Only the news of the end goes out.
        if self.has_ended() && !matches!(body, Body::Refresh) {
            return Err(SendError::Ended);
        }
        let uuid = self.random_array();
        let ready = self.postmark_for(now, to)?;
        // Without one this only finds out whether the message can be sealed at all.
        let postmark = ready.clone().unwrap_or_else(|| Postmark::generate(&mut *self.rng));
        let composed = self.compose(now, to, uuid, (body, None), priority, &postmark)?;
        let content = body.content();
        let new = composed.message(to, &uuid, (body.kind(), &content), now);
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
        (body, manifest): (&Body, Option<&Manifest>),
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
            manifest,
            priority,
            lifetime_s: self.config.lifetime_s.min(aim.max_lifetime_s),
            mailbox: self.config.shows_tags().then(|| contact.card.target()),
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
        let row = self.keep(&envelope, sealed.id, Standing::Own, born, Origin::own(message))?;
        self.store.insert_own_ack(row, &AckProof::new(&envelope, &sealed.ack))?;
        self.offer(&sealed.id)
    }

    /// Whether [`Node::mark_seen`] tells the writer, from now on.
    pub fn set_read_receipts(&mut self, on: bool) {
        self.config.read_receipts(on);
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

    /// The neighbour on `link` has stored what it was sent.
    pub(super) fn taken(
        &mut self,
        now: Moment,
        link: LinkId,
        heads: &[u64],
    ) -> Result<(), StoreError> {
        for head in heads {
            let Some(session) = self.links.get_mut(&link) else { break };
            let (Some(row), Some(neighbour)) =
                (session.in_flight.remove(head), session.noise.neighbour())
            else {
                continue;
            };
            let (contact, known) = (session.contact, session.neighbour);
            let handed = self.store.envelope_at(row)?.filter(|handed| handed.id.head() == *head);
            let Some(handed) = handed else { continue };
            if handed.fragment.is_none()
                && let Some(session) = self.links.get_mut(&link)
            {
                session.note_passed(*head);
                session.note_letter_taken(handed.size_bytes);
            }
            self.judge_silence(link, *head)?;
            if self.pass_custody(&handed)? {
                continue;
            }
            self.note_handed(link, &handed)?;
            // What an unreliable carrier takes counts for no copy.
            if self.is_reliable(known) {
                let halving = u8::from(self.config.router.halves());
                let generation = handed.generation.saturating_add(halving);
                self.store.set_generation(row, generation)?;
                if let Some(piece) = handed.fragment {
                    self.holdings.set_generation(piece, generation);
                }
            }
            let Some(message) = handed.message else { continue };
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
