//! Taking in: what becomes of an envelope that a neighbour brings, and what is carried for others.

use super::acks::bars;
use super::holdings::Traits;
use super::links::push_end;
use super::postmarks::Assay;
use super::ratchet::Lock;
use super::{Fault, Node};
use crate::chat::{ContactId, MessageId, Relation, State};
use crate::clock::Moment;
use crate::codec::DecodeError;
use crate::envelope::{AckProof, Body, Envelope, EnvelopeId, Fragment, Opened, husk};
use crate::event::Event;
use crate::identity::{Protection, Suite};
use crate::link::bodies::Piece;
use crate::link::frame::Passage;
use crate::link::{LinkId, Violation};
use crate::routing::{Bringer, Copy, Freight, Kind, Tag};
use crate::store::{
    Durability, EnvelopeRow, NewEnvelope, NewMessage, PostmarkRow, Proof, Standing, SteadyMs,
    StoreError,
};
use crate::time::DAY_MS;

/// How far clocks may be apart before what depends on the calendar fails.
pub(super) const CLOCK_SLACK_MS: u64 = 3 * DAY_MS;

/// Where an envelope on board comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) generation: u8,
    /// What it is charged to; nothing of own ones.
    pub(super) postmark: Option<PostmarkRow>,
    /// Whether its ciphertext can be made again, and is not kept.
    pub(super) is_husk: bool,
    /// Of own ones: what it carries, and for whom.
    pub(super) message: Option<(MessageId, ContactId)>,
}

impl Origin {
    pub(super) fn own(message: Option<(MessageId, ContactId)>) -> Self {
        Self { generation: 0, postmark: None, is_husk: false, message }
    }
}

/// A message that was opened here.
struct Incoming {
    opened: Opened,
    writer: ContactId,
    protection: Protection,
}

impl Node {
    /// An envelope has come in whole, of which the neighbour says that it is `age_s` old.
    pub(super) fn accept(
        &mut self,
        now: Moment,
        link: LinkId,
        passage: Passage,
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
        if let Some(fragment) = envelope.fragment() {
            let piece = (fragment.body, fragment.number);
            self.stop_fetching(piece, link);
            let accepted = if self.knows_fragment(link, &id, piece)? {
                Ok(())
            } else {
                self.accept_new(now, link, passage, &envelope, id)
            };
            self.fetch_more(link)?;
            return accepted;
        }
        if let Some(asked) = self.wanted.remove(&id.head())
            && self.are_twins(asked, link)
            && let Some(session) = self.links.get_mut(&asked)
        {
            session.wished.remove(&id.head());
        }
        if let Some(session) = self.links.get_mut(&link) {
            session.wished.remove(&id.head());
            session.note_passed(id.head());
        }
        self.wish_more(link)?;
        if self.store.envelope(&id)?.is_some() {
            self.say_taken(link, &id);
            return Ok(());
        }
        if let Some(tombstone) = self.store.tombstone(&id)?.filter(|it| bars(it, now.steady)) {
            if let Some(session) = self.links.get_mut(&link) {
                push_end(session, &tombstone);
            }
            return Ok(());
        }
        self.accept_new(now, link, passage, &envelope, id)
    }

    /// A fragment that is here, or known to have arrived, is not taken again.
    fn knows_fragment(
        &mut self,
        link: LinkId,
        id: &EnvelopeId,
        piece: Piece,
    ) -> Result<bool, StoreError> {
        if self.holdings.contains(piece) {
            self.say_taken(link, id);
            return Ok(true);
        }
        let release = self.store.release(piece.0.mark())?;
        let ack = self.store.fragment_ack(piece.0, piece.1)?;
        let Some(session) = self.links.get_mut(&link) else { return Ok(true) };
        match (release, ack) {
            (Some(Proof::Body(release)), _) => session.push_held_ack(release.secret()),
            (_, Some(ack)) => session.bodies.push_ack(piece, ack),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What was never here.
    fn accept_new(
        &mut self,
        now: Moment,
        link: LinkId,
        passage: Passage,
        envelope: &Envelope<'_>,
        id: EnvelopeId,
    ) -> Result<(), Fault> {
        if !self.store.is_signed(id, envelope.signature(), || envelope.is_genuine(&id)) {
            return Err(Violation::Forged("envelope").into());
        }
        Self::check_publisher(envelope)?;
        if !is_acceptable(now, envelope, passage.age_s) {
            return Ok(());
        }
        let born = now.steady - believed_age_ms(now, envelope, passage.age_s);
        let proof = envelope.work_proof();
        let created = envelope.created();
        let (charge, is_late) = match self.assay(now, &proof, created, false)? {
            Assay::Paid(charge) => (charge, false),
            // A flood of strangers' mail must not keep out one's own.
            Assay::Later if self.is_own(envelope)? => {
                match self.assay(now, &proof, created, true) {
                    Ok(Assay::Paid(charge)) => (charge, true),
                    // Where foreign mail is not even looked at, nothing may show.
                    Ok(Assay::Later) | Err(Fault::Neighbour(_)) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            Assay::Later => return Ok(()),
        };
        let size_bytes = envelope.as_bytes().len() as u64;
        if !self.may_charge(charge, size_bytes)? {
            return Ok(());
        }
        if let Some(bulletin) = envelope.bulletin() {
            if !self.may_charge_bulletin(charge)? {
                return Ok(());
            }
            let from = (id, born, charge.row);
            return Ok(self.accept_bulletin(now, link, envelope, from, &bulletin)?);
        }
        if let Some(fragment) = envelope.fragment() {
            let generation = passage.generation;
            let from = (id, born, charge.row, generation);
            return Ok(self.accept_fragment(now, link, envelope, from, fragment, is_late)?);
        }
        match self.open_own(now, envelope)? {
            Some(incoming) => {
                let from = (id, born, charge.row);
                let is_public = self.receive(now, link, envelope, from, &incoming)?;
                // From outside it is foreign mail: who would not have carried that says nothing.
                if is_public && !is_late && self.has_room(size_bytes) {
                    self.say_taken(link, &id);
                    self.offer(&id)?;
                }
            }
            None if is_late => {}
            None => self.carry(link, envelope, (id, born, charge.row, passage.generation))?,
        }
        Ok(())
    }

    fn accept_fragment(
        &mut self,
        now: Moment,
        link: LinkId,
        envelope: &Envelope<'_>,
        (id, born, postmark, generation): (EnvelopeId, SteadyMs, PostmarkRow, u8),
        fragment: Fragment,
        is_late: bool,
    ) -> Result<(), StoreError> {
        if !self.brings_symbol(envelope)? {
            if is_late {
                return Ok(());
            }
            return self.carry(link, envelope, (id, born, postmark, generation));
        }
        let is_public = !is_late && self.has_room(envelope.as_bytes().len() as u64);
        let origin = Origin { generation, postmark: Some(postmark), is_husk: false, message: None };
        let row = self.keep(envelope, id, Standing::Received, born, origin)?;
        let expires = born + i64::from(envelope.lifetime_s()) * 1000;
        self.take_symbol(now, link, envelope, (row, expires))?;
        // From outside it is foreign mail: who would not have carried that says nothing.
        if is_public {
            self.say_taken(link, &id);
            self.offer_fragment((fragment.body, fragment.number), Some(link));
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
            Lock::Card { .. } if envelope.suite() == Some(Suite::XWing) => Protection::XWing,
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
        let expires = born + i64::from(envelope.lifetime_s()) * 1000;
        self.store_message(now, link, incoming, expires)?;
        let Incoming { opened, writer, .. } = incoming;
        let origin =
            Origin { generation: 0, postmark: Some(postmark), is_husk: false, message: None };
        let row = self.keep(envelope, id, Standing::Received, born, origin)?;
        let release = self.release_time(now, expires);
        self.store.insert_pending_ack(row, &AckProof::new(envelope, &opened.ack), release)?;
        // On the writer's own link there is nobody to hide from, and no need for another carrier.
        if let Some(session) = self.links.get_mut(&link).filter(|s| s.contact == Some(*writer)) {
            session.push_held_ack(opened.ack.0);
            return Ok(false);
        }
        Ok(true)
    }

    /// When an acknowledgement goes out. Of mail with little time left, while that still helps.
    pub(super) fn release_time(&mut self, now: Moment, expires: SteadyMs) -> SteadyMs {
        let delay_ms = self.random_below(self.config.ack_delay_max_ms) as i64;
        now.steady + delay_ms.min((expires - now.steady) / 2)
    }

    fn store_message(
        &mut self,
        now: Moment,
        link: LinkId,
        incoming: &Incoming,
        expires: SteadyMs,
    ) -> Result<(), StoreError> {
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
            let is_accepted = contact.as_ref().is_some_and(|c| c.relation == Relation::Accepted);
            let is_loud = is_accepted && contact.is_some_and(|contact| !contact.muted);
            self.events.push_back(if is_loud {
                Event::Received { message, contact: writer }
            } else {
                Event::ReceivedQuietly { message, contact: writer }
            });
            if let (Body::Attachment { size_bytes, .. }, Some(manifest)) =
                (&opened.body, &opened.manifest)
                && is_accepted
            {
                self.expect_attachment(now, link, message, manifest, (*size_bytes, expires))?;
            }
        }
        Ok(())
    }

    /// Takes a stranger's envelope along, if there is room or room can be made.
    fn carry(
        &mut self,
        link: LinkId,
        envelope: &Envelope<'_>,
        (id, born, postmark, generation): (EnvelopeId, SteadyMs, PostmarkRow, u8),
    ) -> Result<(), StoreError> {
        let fragment = envelope.fragment();
        let size_bytes = envelope.as_bytes().len() as u64;
        let mut copy = Copy {
            priority: envelope.priority(),
            tag: Tag::of(envelope.mailbox_tag()),
            generation,
            born,
            expires: born + i64::from(envelope.lifetime_s()) * 1000,
            taken: self.clock.steady(),
            size_bytes: fragment.map_or_else(
                || self.postmarks.letter_size_bytes(postmark, size_bytes),
                |it| u64::from(it.needed) * size_bytes,
            ),
            is_fragment: fragment.is_some(),
        };
        if let Some(fragment) = fragment {
            self.count_as_whole(&mut copy, fragment.body);
        }
        let worth = self.outlook().worth(&copy);
        let neighbour = self.links.get(&link).and_then(|session| session.neighbour);
        let bringer = self.bringer(neighbour);
        let kind = Kind::of(&copy);
        let freight = Freight { bringer, priority: copy.priority, size_bytes, kind };
        if !self.make_room(freight, worth)? {
            return Ok(());
        }
        let is_news = fragment.is_none_or(|fragment| self.holdings.lacks(fragment.body));
        if is_news && let Some(id) = neighbour {
            self.neighbours.count_brought(&id);
        }
        let origin = Origin { generation, postmark: Some(postmark), is_husk: false, message: None };
        if self.links.get(&link).is_some_and(|session| session.custody.takes_over) {
            self.store.require(Durability::Power)?;
        }
        let row = self.keep(envelope, id, Standing::Foreign, born, origin)?;
        if bringer != Bringer::NEWCOMERS {
            self.store.set_bringer(row, bringer)?;
        }
        self.say_taken(link, &id);
        match fragment {
            Some(fragment) => {
                self.offer_fragment((fragment.body, fragment.number), Some(link));
                Ok(())
            }
            None => self.offer(&id),
        }
    }

    pub(super) fn keep(
        &mut self,
        envelope: &Envelope<'_>,
        id: EnvelopeId,
        standing: Standing,
        born: SteadyMs,
        origin: Origin,
    ) -> Result<EnvelopeRow, StoreError> {
        let new = NewEnvelope {
            id,
            commitment: envelope.commitment(),
            standing,
            priority: envelope.priority(),
            born,
            expires: born + i64::from(envelope.lifetime_s()) * 1000,
            message: origin.message,
            postmark: origin.postmark,
            fragment: envelope.fragment(),
            tag: Tag::of(envelope.mailbox_tag()),
            generation: origin.generation,
            taken: self.clock.steady(),
            bytes: envelope.as_bytes(),
            husk: origin.is_husk.then(|| husk(envelope.as_bytes())),
        };
        self.turnover.taken += u64::from(standing != Standing::Own);
        if let (None, Some(row)) = (new.fragment, origin.postmark) {
            self.postmarks.note_letter(row, new.bytes.len() as u64);
        }
        if let Some(fragment) = new.fragment {
            let traits = Traits {
                priority: new.priority,
                needed: fragment.needed,
                fragment_bytes: new.bytes.len() as u32,
                born,
                expires: new.expires,
                taken: new.taken,
                tag: new.tag,
            };
            self.holdings.insert(fragment, traits, new.generation);
        }
        if standing == Standing::Foreign {
            self.foreign_envelopes += 1;
            self.foreign_bytes += new.bytes.len() as u64;
        }
        self.store.insert_envelope(&new)
    }

    fn say_taken(&mut self, link: LinkId, id: &EnvelopeId) {
        if let Some(session) = self.links.get_mut(&link) {
            session.push_taken(id.head());
        }
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
