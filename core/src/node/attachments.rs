//! Attachments at both ends: from a file to fragments, and back.

use super::Node;
use super::intake::Origin;
use super::postmarks::paid_by_one;
use crate::chat::{ContactId, MessageId, SendError, State, Transfer};
use crate::clock::Moment;
use crate::config::MIN_FRAGMENT_BYTES;
use crate::envelope::{
    Body, BodyMark, BodySecret, Envelope, Layout, Manifest, OVERHEAD_BYTES, Postmark, Priority,
    Release, Stamp, TagMode, blur,
};
use crate::event::Event;
use crate::link::LinkId;
use crate::routing;
use crate::store::{Attachment, Carried, Durability, EnvelopeRow, Standing, SteadyMs, StoreError};
use crate::time::{DAY_MS, Timestamp};
use std::io::{Read, Write};
use thiserror::Error;
use zeroize::Zeroizing;

/// How long after its manifest's end a body may still be completed by late fragments.
const LATE_FRAGMENTS_MS: i64 = DAY_MS as i64;

/// Into so many steps the delay of acknowledgements is divided for fragments.
const ACK_STEPS: u64 = 8;

/// Why an attachment cannot be had.
#[derive(Debug, Error)]
pub enum AttachmentError {
    /// The message has none, or there is no such message.
    #[error("the message has no attachment")]
    None,
    /// Some of it has not arrived.
    #[error("the attachment is not whole yet: {arrived} of about {needed} fragments are here")]
    Incomplete {
        /// Fragments that are here.
        arrived: u32,
        /// About how many it takes.
        needed: u32,
    },
    /// It was sent from here, and is not kept: the sender has the original.
    #[error("the attachment was sent from here: it is where it came from")]
    Outgoing,
    /// What it is written to fails.
    #[error("the attachment cannot be written: {0}")]
    Unwritable(#[source] std::io::Error),
    /// The store cannot go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Accepts `content`, `size_bytes` long, as an attachment for the contact `to`: stored and
    /// durable when this returns. At most a few source blocks of 4 MiB are in memory at once.
    ///
    /// It travels as fragments (RaptorQ, RFC 6330), of which any that suffice make it whole,
    /// whoever carries them; the message is delivered once the recipient has it whole.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is stored then.
    pub fn send_attachment(
        &mut self,
        now: Timestamp,
        to: ContactId,
        (name, content_type): (&str, &str),
        size_bytes: u64,
        content: &mut dyn Read,
        priority: Priority,
    ) -> Result<MessageId, SendError> {
        if self.is_superseded {
            return Err(SendError::Superseded);
        }
        if self.has_ended() {
            return Err(SendError::Ended);
        }
        let symbol_bytes = (self.config.fragment_bytes as usize - OVERHEAD_BYTES) as u16;
        let layout = Layout::new(size_bytes, symbol_bytes)
            .ok_or(SendError::AttachmentSize { max_bytes: Layout::max_bytes(symbol_bytes) })?;
        let body = Body::Attachment {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            size_bytes,
        };
        let secret = BodySecret::new(&Zeroizing::new(self.random_array()));
        let manifest = Manifest { secret, symbol_bytes };
        let uuid = self.random_array();
        let ready = self.postmark_for(now, to)?;
        // Without one this only finds out whether the message can be sealed at all.
        let postmark = ready.clone().unwrap_or_else(|| Postmark::generate(&mut *self.rng));
        let composed =
            self.compose(now, to, uuid, (&body, Some(&manifest)), priority, &postmark)?;
        let stored = body.content();
        let new = composed.message(to, &uuid, (body.kind(), &stored), now);
        self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            let message = node.store.insert_message(&new)?.ok_or(StoreError::Corrupt)?;
            let fate = (priority, None);
            node.store.insert_attachment(message, &manifest, &layout, fate, &mut *node.rng)?;
            let percent = routing::repair_percent(node.neighbours.kept());
            node.store.set_repair_percent(message, percent)?;
            if let Err(error) = node.stage(message, &layout, content) {
                // Half of it is nothing; and what cannot be read is no reason to stop the node.
                if let SendError::Unreadable(_) = error {
                    node.store.delete_message(message)?;
                    node.store.commit()?;
                    return Ok(Err(error));
                }
                return Err(error);
            }
            match ready {
                Some(_) => node.launch(now, composed, message, to)?,
                None => node.store.insert_unsealed(message, priority)?,
            }
            node.seal_fragments(now, message)?;
            node.events.push_back(Event::Progress { message, state: State::Queued });
            node.store.commit()?;
            Ok(Ok(message))
        })?
    }

    /// Takes the content in block by block, so that memory does not grow with it.
    fn stage(
        &mut self,
        message: MessageId,
        layout: &Layout,
        content: &mut dyn Read,
    ) -> Result<(), SendError> {
        for block in 0..layout.blocks() {
            let mut bytes = Zeroizing::new(vec![0; layout.span(block).1]);
            content.read_exact(&mut bytes).map_err(SendError::Unreadable)?;
            self.store.insert_own_block(message, block, &bytes)?;
        }
        Ok(())
    }

    /// Seals the fragments of an own attachment, as far as the postmarks last.
    pub(super) fn seal_fragments(
        &mut self,
        now: Moment,
        message: MessageId,
    ) -> Result<(), StoreError> {
        let Some(attachment) = self.store.attachment(message)? else { return Ok(()) };
        let (Some(secret), Some(row)) = (&attachment.secret, self.store.message(message)?) else {
            return Ok(());
        };
        let (layout, lifetime_s) = (attachment.layout, self.config.lifetime_s);
        let mut sealed = attachment.sealed;
        // One for all of them: the latest of many would tell when it was.
        let (created, age_ms) = blur(now.wall, lifetime_s, &mut *self.rng);
        let places = || places(&layout, attachment.repair_percent).skip(sealed as usize);
        let left = places().count() as u64;
        let is_one = left <= paid_by_one(layout.fragment_bytes());
        let one = if is_one {
            self.postmark_for_body(now.wall, left, left * layout.fragment_bytes())?
        } else {
            None
        };
        let mut is_all = true;
        for (block, symbol) in places() {
            let other = if is_one { None } else { self.postmark_for(now.wall, row.contact)? };
            let Some(postmark) = one.clone().or(other) else {
                is_all = false;
                break;
            };
            let stamp = Stamp {
                needed: layout.needed(),
                priority: attachment.priority,
                created,
                lifetime_s,
                tag: self.fragment_tag(row.contact, created)?,
                postmark: &postmark,
            };
            let number = layout.number(block, symbol);
            let content = self.symbol(message, &layout, number)?;
            let (id, bytes) = secret.seal(number, &content, &stamp);
            // What was just sealed parses.
            let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
            self.count_use(&envelope)?;
            let born = now.steady - age_ms as i64;
            let is_cheap = layout.blocks() == 1 || layout.range(block, symbol).is_some();
            let origin = Origin { is_husk: is_cheap, ..Origin::own(Some((message, row.contact))) };
            self.keep(&envelope, id, Standing::Own, born, origin)?;
            sealed += 1;
            if let Some(fragment) = envelope.fragment() {
                self.offer_fragment((fragment.body, number), None);
            }
        }
        (self.source, self.content) = (None, None);
        self.store.set_sealed_fragments(message, sealed, is_all)
    }

    /// A symbol of an own attachment. Those of one block after the other are cheap.
    fn symbol(
        &mut self,
        message: MessageId,
        layout: &Layout,
        number: u32,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (block, symbol) = layout.place(number);
        if let Some(range) = layout.range(block, symbol) {
            if !matches!(&self.content, Some((of, _)) if *of == (message, block)) {
                let content = self.store.block(message, block)?.ok_or(StoreError::Corrupt)?;
                self.content = Some(((message, block), Zeroizing::new(content)));
            }
            let content = self
                .content
                .as_ref()
                .and_then(|(_, content)| content.get(range.start..range.end.min(content.len())));
            let mut part = Zeroizing::new(content.ok_or(StoreError::Corrupt)?.to_vec());
            part.resize(range.len(), 0);
            return Ok(part);
        }
        if !matches!(&self.source, Some((of, _)) if *of == (message, block)) {
            let content = self.store.block(message, block)?.ok_or(StoreError::Corrupt)?;
            self.source = Some(((message, block), layout.encoder(block, content)));
        }
        let repair = self.source.as_ref().and_then(|(_, encoder)| encoder.repair(symbol));
        repair.map(Zeroizing::new).ok_or(StoreError::Corrupt)
    }

    /// The bytes of an envelope on board: fragments of own attachments are made again.
    pub(super) fn bytes_of(&mut self, envelope: &Carried) -> Result<Option<Vec<u8>>, StoreError> {
        let kept = self.store.envelope_bytes(envelope.row)?;
        let Some(husk) = kept else { return Ok(None) };
        if husk.len() == envelope.size_bytes {
            return Ok(Some(husk));
        }
        let (Some(message), Some((_, number))) = (envelope.message, envelope.fragment) else {
            return Err(StoreError::Corrupt);
        };
        let Some(attachment) = self.store.attachment(message)? else { return Ok(None) };
        let Some(secret) = &attachment.secret else { return Ok(None) };
        let symbol = self.symbol(message, &attachment.layout, number)?;
        Ok(secret.restore(&husk, &symbol))
    }

    fn fragment_tag(&mut self, to: ContactId, created: Timestamp) -> Result<[u8; 8], StoreError> {
        let contact = self.store.contact(to)?;
        Ok(match (self.config.tag_mode, contact) {
            (TagMode::Mailbox, Some(contact)) => contact.card.target().mailbox_tag(created.day()),
            _ => self.random_array(),
        })
    }

    /// A message with an attachment has come in: what is on board of it already is taken out, the
    /// rest will be.
    pub(super) fn expect_attachment(
        &mut self,
        now: Moment,
        link: LinkId,
        message: MessageId,
        manifest: &Manifest,
        (size_bytes, expires): (u64, SteadyMs),
    ) -> Result<(), StoreError> {
        // Blocks of very small symbols take very long to solve.
        let is_bearable = size_bytes <= self.config.max_attachment_bytes
            && usize::from(manifest.symbol_bytes) + OVERHEAD_BYTES >= MIN_FRAGMENT_BYTES as usize;
        let layout = Layout::new(size_bytes, manifest.symbol_bytes).filter(|_| is_bearable);
        let Some(layout) = layout else { return Ok(()) };
        let fate = (Priority::Normal, Some(expires + LATE_FRAGMENTS_MS));
        if !self.store.insert_attachment(message, manifest, &layout, fate, &mut *self.rng)? {
            return Ok(());
        }
        for carried in self.store.fragments_of(manifest.secret.mark())? {
            let bytes = self.store.envelope_bytes(carried.row)?.ok_or(StoreError::Corrupt)?;
            let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
            if carried.standing == Standing::Foreign
                && self.take_symbol(now, link, &envelope, (carried.row, carried.expires))?
            {
                self.store.set_received(&carried)?;
                self.foreign_envelopes = self.foreign_envelopes.saturating_sub(1);
                self.foreign_bytes = self.foreign_bytes.saturating_sub(carried.size_bytes as u64);
            }
        }
        self.fetch_body(manifest.secret.mark())
    }

    /// Takes what a fragment on board brings for an own attachment. Says whether it brought anything
    /// that this node may read.
    pub(super) fn take_symbol(
        &mut self,
        now: Moment,
        link: LinkId,
        envelope: &Envelope<'_>,
        (row, expires): (EnvelopeRow, SteadyMs),
    ) -> Result<bool, StoreError> {
        let Some(fragment) = envelope.fragment() else { return Ok(false) };
        let Some(attachment) = self.collected(fragment.body.mark())? else { return Ok(false) };
        let Some(secret) = &attachment.secret else { return Ok(false) };
        let Some(symbol) = secret.open(envelope) else { return Ok(false) };
        let ack = secret.ack(fragment.number);
        let release = self.release_time(now, expires);
        let release = self.in_step(release);
        self.store.insert_pending_fragment_ack(row, ack, release)?;
        let writer = self.store.message(attachment.message)?.map(|message| message.contact);
        // On the writer's own link there is nobody to hide from.
        if let Some(session) = self.links.get_mut(&link)
            && writer.is_some()
            && session.contact == writer
        {
            // Until its acknowledgement shows, others have it, and the loss of power may take it.
            self.store.require(Durability::Power)?;
            session.bodies.push_ack((fragment.body, fragment.number), ack);
        }
        let message = attachment.message;
        let (block, number) = attachment.layout.place(fragment.number);
        if block >= attachment.layout.blocks() || self.store.has_block(message, block)? {
            return Ok(true);
        }
        self.store.insert_symbol(message, (block, number), &symbol)?;
        self.store.count_arrived(message)?;
        let is_whole = self.put_together(&attachment, block)?;
        if is_whole && let Some(end) = Release::new(envelope, &secret.release()) {
            self.store.set_release(message, &end, release)?;
            self.events.push_back(Event::AttachmentWhole { message });
            if let Some(session) = self.links.get_mut(&link).filter(|s| s.contact == writer) {
                session.push_held_ack(*secret.release());
            }
        }
        Ok(true)
    }

    /// Acknowledgements of fragments leave in batches, each of one frame and one durable commit.
    fn in_step(&self, release: SteadyMs) -> SteadyMs {
        let step_ms = (self.config.ack_delay_max_ms / ACK_STEPS).max(1) as SteadyMs;
        release + (step_ms - release.rem_euclid(step_ms)) % step_ms
    }

    /// Decodes a block once its symbols suffice. Says whether that was the last.
    fn put_together(&mut self, attachment: &Attachment, block: u32) -> Result<bool, StoreError> {
        let (message, layout) = (attachment.message, &attachment.layout);
        if self.store.symbol_count(message, block)? < layout.symbols(block) {
            return Ok(false);
        }
        let symbols = self.store.symbols(message, block)?;
        let Some(content) = layout.decode(block, symbols) else { return Ok(false) };
        Ok(self.store.insert_block(message, block, &content)? == 0)
    }

    /// Whether fragments of this mark are for this node, and still wanted.
    pub(super) fn collects(&self, mark: BodyMark) -> Result<bool, StoreError> {
        Ok(self.collected(mark)?.is_some_and(|attachment| attachment.blocks_left > 0))
    }

    /// Whether this fragment is of an attachment here. Its mark alone does not say so: anybody can
    /// copy it, and would fill the store past all quotas.
    pub(super) fn brings_symbol(&self, envelope: &Envelope<'_>) -> Result<bool, StoreError> {
        let Some(fragment) = envelope.fragment() else { return Ok(false) };
        let attachment = self.collected(fragment.body.mark())?;
        let secret = attachment.and_then(|attachment| attachment.secret);
        Ok(secret.is_some_and(|secret| secret.open(envelope).is_some()))
    }

    /// The attachment that fragments of this mark belong to, if it is for this node.
    pub(super) fn collected(&self, mark: BodyMark) -> Result<Option<Attachment>, StoreError> {
        let attachment = self.store.attachment_by_mark(mark)?;
        let Some(attachment) = attachment.filter(|a| a.secret.is_some()) else { return Ok(None) };
        let is_own = self.store.message(attachment.message)?.is_none_or(|row| row.outgoing);
        Ok((!is_own).then_some(attachment))
    }

    /// Bodies that have arrived whole, and whose moment has come.
    pub(super) fn release_bodies(&mut self, now: Moment) -> Result<(), StoreError> {
        for whole in self.store.due_releases(now.steady)? {
            let postmark =
                self.store.fragments_of(whole.mark)?.first().and_then(|first| first.postmark);
            self.end_body(now, whole.mark, whole.release, postmark, None)?;
        }
        Ok(())
    }

    /// One more fragment of an own attachment has arrived; that is told once a percent.
    pub(super) fn progress_of_attachment(&mut self, message: MessageId) -> Result<(), StoreError> {
        let Some(row) = self.store.message(message)? else { return Ok(()) };
        let percent = |transfer: Transfer, arrived: u32| {
            u64::from(arrived) * 100 / u64::from(transfer.needed.max(1))
        };
        if row.transfer.is_some_and(|transfer| {
            percent(transfer, transfer.arrived)
                > percent(transfer, transfer.arrived.saturating_sub(1))
        }) {
            self.events.push_back(Event::Progress { message, state: row.state });
        }
        Ok(())
    }

    /// The manifest that goes along with a message, as long as its body is under way.
    pub(super) fn manifest_of(&self, message: MessageId) -> Result<Option<Manifest>, StoreError> {
        let attachment = self.store.attachment(message)?;
        Ok(attachment.and_then(|attachment| {
            let symbol_bytes = attachment.symbol_bytes;
            attachment.secret.map(|secret| Manifest { secret, symbol_bytes })
        }))
    }

    /// Writes a received attachment, once it is whole, to `out`; a source block of at most 4 MiB is
    /// in memory at once.
    ///
    /// # Errors
    /// See [`AttachmentError`].
    pub fn write_attachment(
        &self,
        message: MessageId,
        out: &mut dyn Write,
    ) -> Result<(), AttachmentError> {
        let row = self.store.message(message)?.ok_or(AttachmentError::None)?;
        let attachment = self.store.attachment(message)?.ok_or(AttachmentError::None)?;
        if row.outgoing {
            return Err(AttachmentError::Outgoing);
        }
        if attachment.blocks_left > 0 {
            let (arrived, needed) = (attachment.arrived, attachment.layout.needed());
            return Err(AttachmentError::Incomplete { arrived, needed });
        }
        for block in 0..attachment.layout.blocks() {
            let bytes = self.store.block(message, block)?.ok_or(StoreError::Corrupt)?;
            out.write_all(&bytes).map_err(AttachmentError::Unwritable)?;
        }
        Ok(())
    }

    /// Attachments that were never completed: their secrets open nothing any more.
    pub(super) fn give_up_attachments(&mut self, now: Moment) -> Result<(), StoreError> {
        for message in self.store.ended_attachments(now.steady)? {
            self.store.destroy_body_secret(message)?;
        }
        Ok(())
    }
}

/// All fragments that an attachment begins with, in the order of their numbers: so what one postmark
/// pays for is a run.
fn places(layout: &Layout, repair_percent: u32) -> impl Iterator<Item = (u32, u32)> {
    let (layout, blocks) = (*layout, layout.blocks());
    let paid = paid_by_one(layout.fragment_bytes()) as u32;
    (0..blocks).flat_map(move |block| {
        let symbols = layout.symbols(block);
        let all = symbols + routing::repair_symbols(symbols, blocks, paid, repair_percent);
        (0..all).map(move |symbol| (block, symbol))
    })
}
