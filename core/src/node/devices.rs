//! One identity on one device after another: the later one speaks, and what was on its way to the
//! one before is sealed anew.

use super::Node;
use crate::chat::{ContactId, MessageId, Relation};
use crate::clock::Moment;
use crate::envelope::{Body, Letter, Priority, seal};
use crate::event::Event;
use crate::identity::Card;
use crate::link::LinkId;
use crate::store::{Durability, Proof, Store, StoreError, StorePath};
use crate::time::Timestamp;

/// A device's number is the upper part of its cards' and targets' numbers: a later device's are
/// always higher.
const DEVICE_SHIFT: u32 = 32;
/// Numbers on the wire have 62 bits.
const MAX_DEVICE: u64 = (1 << (62 - DEVICE_SHIFT)) - 1;
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

    /// Gives up all targets of the node at `path`, for when the vault has lost the keys that their
    /// secrets are wrapped under. Contacts and messages stay; mail on its way to this node is lost
    /// until its writers, who are told where to write, seal it anew. The node is as a new device.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is given up then.
    pub fn reset_targets(path: &StorePath, now: Timestamp) -> Result<(), StoreError> {
        let mut store = Store::open_wrapped(path)?;
        store.forget_targets()?;
        store.set_device(next_device(store.device()?.0, now))?;
        for contact in store.contacts()? {
            if contact.relation == Relation::Accepted {
                store.set_refresh(contact.id, Some(0))?;
            }
        }
        store.commit()?;
        path.wrapping().map_or(Ok(()), |keys| Ok(keys.replace(&[])?))
    }

    /// Where the numbers of this device's cards and targets begin.
    pub(super) fn first_number(&self) -> u64 {
        self.device << DEVICE_SHIFT
    }

    /// A message under one's own identity has come in.
    pub(super) fn meet_self(&mut self, card: Option<&Card>) -> Result<(), StoreError> {
        if card.is_some_and(|card| device_of(card) > self.device) && !self.is_superseded {
            self.store.set_superseded(true)?;
            self.is_superseded = true;
            self.events.push_back(Event::Superseded);
        }
        Ok(())
    }

    /// Tells the device before this one to stop, once there is a postmark for it.
    pub(super) fn tell_device_before(&mut self, now: Moment) -> Result<(), StoreError> {
        let Some(before) = self.store.device_before()? else { return Ok(()) };
        let Some(postmark) = self.postmark_for(now.wall, ContactId(0))? else { return Ok(()) };
        let (uuid, card) = (self.random_array(), self.card().clone());
        let letter = Letter {
            sender: &self.key,
            recipient: &self.identity,
            target: before.target(),
            uuid,
            body: &Body::Refresh,
            card: Some(&card),
            reply: None,
            statements: &[],
            previous: None,
            manifest: None,
            priority: Priority::Urgent,
            lifetime_s: self.config.lifetime_s,
            mailbox: self.config.shows_tags().then(|| before.target()),
        };
        // A card so old that it cannot be sealed to: its device opens nothing any more either.
        if let Ok(sealed) = seal(&letter, &postmark, now.wall, &mut *self.rng) {
            self.dispatch(now, &sealed, None)?;
        }
        self.store.set_device_before(None)
    }

    /// Seals anew what contacts with a new device, or all contacts of a restored one, may lack.
    pub(super) fn reseal(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for contact in self.store.contacts_to_reseal()? {
            self.whole(|node| {
                let at = node.begin(now, Durability::Power)?;
                if !node.is_superseded {
                    for message in node.store.undelivered(contact, MAX_RESEALED)? {
                        if node.store.letters_of(message.id)?.len() < MAX_COPIES {
                            node.store.insert_unsealed(message.id, Priority::Normal)?;
                        }
                    }
                }
                node.store.set_resealed(contact)?;
                node.seal_waiting(at)?;
                node.store.commit()
            })?;
        }
        Ok(())
    }

    /// One envelope of the message has arrived: acknowledges the others, so that they go too.
    pub(super) fn recall(
        &mut self,
        message: MessageId,
        from: Option<LinkId>,
    ) -> Result<(), StoreError> {
        for sibling in self.store.letters_of(message)? {
            let Some(proof) = self.store.own_ack(sibling.row)? else { continue };
            let forget = sibling.expires + super::acks::TOMBSTONE_SLACK_MS;
            let buried = Proof::Letter(proof.clone());
            self.entomb(&sibling.id, Some(&buried), None, sibling.postmark, forget)?;
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

/// Of two devices that come after one the later wins, as far as clocks can tell.
pub(super) fn next_device(device: u64, now: Timestamp) -> u64 {
    (device + 1).max(now.minutes().into()).min(MAX_DEVICE)
}
