//! One identity on one device after another: the later one speaks, and what was on its way to the
//! one before is sealed anew.

use super::{Node, ratchet};
use crate::chat::{ContactId, MessageId};
use crate::clock::Moment;
use crate::envelope::{Body, Letter, Priority, seal};
use crate::event::Event;
use crate::identity::Card;
use crate::link::LinkId;
use crate::store::{Durability, MessageRow, StoreError};
use crate::time::Timestamp;

/// A device's number is the upper part of its cards' and targets' numbers: a later device's are
/// always higher.
const DEVICE_SHIFT: u32 = 32;
/// Numbers on the wire have 62 bits.
pub(super) const MAX_DEVICE: u64 = (1 << (62 - DEVICE_SHIFT)) - 1;
/// Messages to one contact that are sealed anew: more than anybody waits for.
const MAX_RESEALED: u32 = 1000;
/// Live envelopes of one message: a contact who claims one new device after another fills no store.
const MAX_COPIES: usize = 3;

impl Node {
    /// Whether a later device has taken over this identity: this one neither sends nor opens mail
    /// any more, and only carries that of others.
    pub fn is_superseded(&self) -> bool {
        self.is_superseded
    }

    /// Where the numbers of this device's cards and targets begin.
    pub(super) fn first_number(&self) -> u64 {
        self.device << DEVICE_SHIFT
    }

    /// A message under one's own identity has come in.
    pub(super) fn meet_self(&mut self, card: Option<&Card>) -> Result<(), StoreError> {
        if card.is_some_and(|card| device_of(card) > self.device) && !self.is_superseded {
            self.store.set_superseded()?;
            self.is_superseded = true;
            self.events.push_back(Event::Superseded);
        }
        Ok(())
    }

    /// Tells the device before, whose card was `before`, to stop.
    pub(super) fn supersede(&mut self, now: Timestamp, before: &Card) -> Result<(), StoreError> {
        let (uuid, card) = (self.random_array(), self.card().clone());
        let letter = Letter {
            sender: &self.key,
            recipient: &self.identity,
            target: before.target(),
            uuid,
            body: &Body::Refresh,
            card: Some(&card),
            reply: None,
            previous: None,
            priority: Priority::Urgent,
            lifetime_s: self.config.lifetime_s,
            tag_mode: self.config.tag_mode,
        };
        // A card so old that it cannot be sealed to: its device opens nothing any more either.
        let Ok(sealed) = seal(&letter, &self.epoch.postmark, now, &mut *self.rng) else {
            return Ok(());
        };
        self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            node.dispatch(now, &sealed, None)?;
            node.store.commit()
        })
    }

    /// Seals anew what contacts with a new device, or all contacts of a restored one, may lack.
    pub(super) fn reseal(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for contact in self.store.contacts_to_reseal()? {
            self.whole(|node| {
                let at = node.begin(now, Durability::Power)?;
                if !node.is_superseded {
                    for message in node.store.undelivered(contact, MAX_RESEALED)? {
                        node.reseal_one(at, contact, &message)?;
                    }
                }
                node.store.set_resealed(contact)?;
                node.store.commit()
            })?;
        }
        Ok(())
    }

    fn reseal_one(
        &mut self,
        now: Moment,
        to: ContactId,
        message: &MessageRow,
    ) -> Result<(), StoreError> {
        if self.store.envelopes_of(message.id)?.len() >= MAX_COPIES {
            return Ok(());
        }
        let Some(contact) = self.store.contact(to)? else { return Ok(()) };
        let Ok(aim) = ratchet::aim(&contact, now.wall) else { return Ok(()) };
        let Ok(body) = Body::parse(message.kind, &message.content) else { return Ok(()) };
        let (reply, new_reply) = self.pending_reply(&contact, now, aim.protection);
        let card = self.card_for(&contact);
        let letter = Letter {
            sender: &self.key,
            recipient: &contact.identity,
            target: &aim.target,
            uuid: message.uuid,
            body: &body,
            card: card.as_ref(),
            reply: Some(&reply),
            previous: aim.previous,
            priority: Priority::Normal,
            lifetime_s: self.config.lifetime_s.min(aim.max_lifetime_s),
            tag_mode: self.config.tag_mode,
        };
        let Ok(sealed) = seal(&letter, &self.epoch.postmark, now.wall, &mut *self.rng) else {
            return Ok(());
        };
        self.give_reply(to, &reply, new_reply)?;
        if aim.is_reply {
            self.store.count_sealed(to)?;
        }
        self.dispatch(now, &sealed, Some((message.id, to)))
    }

    /// One envelope of the message has arrived: acknowledges the others, so that they go too.
    pub(super) fn recall(
        &mut self,
        message: MessageId,
        from: Option<LinkId>,
    ) -> Result<(), StoreError> {
        for sibling in self.store.envelopes_of(message)? {
            let Some(proof) = self.store.own_ack(sibling.row)? else { continue };
            let forget = sibling.expires + super::acks::TOMBSTONE_SLACK_MS;
            self.entomb(&sibling.id, Some(&proof), None, forget)?;
            self.remove_envelope(&sibling)?;
            self.spread(&proof, from);
        }
        Ok(())
    }
}

/// Which of its owner's devices a card is from.
pub(super) fn device_of(card: &Card) -> u64 {
    card.sequence() >> DEVICE_SHIFT
}
