//! Cards and contacts.

use super::Node;
use super::devices::device_of;
use super::ratchet::{Lock, card_due};
use crate::chat::{Contact, ContactError, ContactId, Relation};
use crate::clock::Moment;
use crate::envelope::Opened;
use crate::identity::{
    CARD_LIFE_DAYS, Card, CardDraft, Identity, MAX_NAME_BYTES, Suite, TargetSecret, safety_number,
};
use crate::store::{ContactRow, Durability, StoreError};
use crate::time::{DAY_MS, Timestamp};

/// A card is replaced after this long, though it stays usable for longer.
const RENEW_AFTER_MS: u64 = 7 * DAY_MS;

impl Node {
    /// This node's public key.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The name on this node's cards.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The card to hand to people: small enough for a QR code.
    pub fn card(&self) -> &Card {
        self.newest_card(Suite::X25519)
    }

    /// Puts another name on this node's cards, from a new card on.
    ///
    /// # Errors
    /// [`ContactError::Name`], [`ContactError::Store`].
    pub fn set_name(&mut self, now: Timestamp, name: Option<&str>) -> Result<(), ContactError> {
        name.map_or(Ok(()), check_name)?;
        Ok(self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            node.store.set_own_name(name)?;
            node.name = name.map(ToOwned::to_owned);
            node.issue_cards(now)?;
            node.store.commit()
        })?)
    }

    /// Adds the card's owner as a contact under the user's own `name` for them; of somebody known
    /// already, takes the newer card and the new name; who waited or was blocked is accepted.
    ///
    /// # Errors
    /// See [`ContactError`].
    pub fn add_contact(
        &mut self,
        now: Timestamp,
        card: &Card,
        name: &str,
    ) -> Result<ContactId, ContactError> {
        check_name(name)?;
        if self.identities().any(|own| own == card.identity()) {
            return Err(ContactError::Own);
        }
        if card.has_expired(now) {
            return Err(ContactError::Expired);
        }
        let known = match self.store.key_owner(&card.identity(), self.clock.steady())? {
            Some((id, _)) => self.store.contact(id)?,
            None => None,
        };
        if known.as_ref().is_some_and(|known| known.identity != card.identity() || known.revoked) {
            return Err(ContactError::OldKey);
        }
        let namesake = self.store.contact_by_name(name)?;
        if namesake.is_some() && namesake != known.as_ref().map(|contact| contact.id) {
            return Err(ContactError::NameTaken);
        }
        let id = self.whole(|node| {
            node.begin(now, Durability::Power)?;
            node.store.delete_declined(&card.identity())?;
            let id = match known {
                None => node.store.insert_contact(card, name)?,
                Some(contact) => {
                    if !node.trust_card(&contact, card)? {
                        // The warning stays.
                        return node.store.commit().map(|()| None);
                    }
                    node.store.set_contact_name(contact.id, name)?;
                    node.store.set_relation(contact.id, Relation::Accepted)?;
                    node.take_card(&contact, card)?;
                    contact.id
                }
            };
            node.store.commit().map(|()| Some(id))
        })?;
        id.ok_or(ContactError::RecoveryKey)
    }

    /// Notes that the user has compared safety numbers with the contact.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], [`ContactError::Store`].
    pub fn verify_contact(&mut self, now: Timestamp, id: ContactId) -> Result<(), ContactError> {
        self.store.contact(id)?.ok_or(ContactError::Unknown)?;
        Ok(self.whole(|node| {
            node.begin(now, Durability::Power)?;
            node.store.set_contact_verified(id)?;
            node.store.commit()
        })?)
    }

    /// The number to compare with the contact: see [`safety_number`].
    ///
    /// # Errors
    /// [`ContactError::Unknown`], [`ContactError::Store`].
    pub fn safety_number(&self, id: ContactId) -> Result<String, ContactError> {
        let contact = self.store.contact(id)?.ok_or(ContactError::Unknown)?;
        Ok(safety_number(&self.identity, &contact.identity))
    }

    /// All contacts, in the order in which they came.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        Ok(self.store.contacts()?.into_iter().map(Contact::from).collect())
    }

    /// The writer of a message that `lock` has opened. A stranger whose card came along becomes a
    /// request; without a card nobody could answer them, and who uses a target that was given to
    /// somebody else is nobody.
    pub(super) fn writer(
        &mut self,
        now: Moment,
        opened: &mut Opened,
        lock: Lock,
    ) -> Result<Option<ContactId>, StoreError> {
        if self.identities().any(|own| own == opened.sender) {
            // Whoever has a copy of this device.
            return Ok(None);
        }
        let known = match self.store.key_owner(&opened.sender, now.steady)? {
            Some((_, false)) => return Ok(None),
            Some((id, true)) => self.store.contact(id)?,
            None => None,
        };
        if known.as_ref().is_some_and(|known| known.identity != opened.sender) {
            // By a key on its way out: what was said counts, but it changes nothing any more.
            (opened.card, opened.reply) = (None, None);
        }
        if let Lock::Reply { contact, .. } = lock
            && known.as_ref().map(|known| known.id) != Some(contact)
        {
            return Ok(None);
        }
        let id = match (known, &opened.card) {
            (Some(contact), _) if !self.may_write(&contact, opened)? => return Ok(None),
            (Some(contact), card) => {
                if let Some(card) = card
                    && self.trust_card(&contact, card)?
                {
                    self.take_card(&contact, card)?;
                }
                contact.id
            }
            (None, Some(card)) => {
                let Some(id) = self.request(now, opened, card)? else { return Ok(None) };
                id
            }
            (None, None) => return Ok(None),
        };
        match lock {
            Lock::Card { sequence, .. } => self.store.set_contact_holds(id, sequence)?,
            Lock::Reply { .. } => {}
        }
        Ok(Some(id))
    }

    fn take_card(&self, contact: &ContactRow, card: &Card) -> Result<(), StoreError> {
        // Another key counts anew: a thief may have gone far with the last one.
        let is_another = card.identity() != contact.card.identity();
        if is_another || card.sequence() > contact.card.sequence() {
            self.store.set_contact_card(contact.id, card)?;
            if device_of(card) > device_of(&contact.card) {
                self.store.forget_device(contact.id)?;
            }
        }
        Ok(())
    }

    /// The own card that goes along to `contact`: the short one until they are known to hold any,
    /// then, once an issue is newer than theirs, its post-quantum one.
    pub(super) fn card_for(&self, contact: &ContactRow) -> Option<Card> {
        let short = self.newest_card(Suite::X25519);
        match contact.holds_sequence {
            ..0 => Some(short.clone()),
            held if held < short.sequence() as i64 => Some(self.newest_card(Suite::XWing).clone()),
            _ => None,
        }
    }

    fn newest_card(&self, suite: Suite) -> &Card {
        self.cards
            .iter()
            .map(|(card, _)| card)
            .find(|card| card.target().suite() == suite)
            .expect("opening a node issues a card of each suite")
    }

    /// Issues new cards where the newest are a week old, or from a future that a set clock took
    /// back.
    pub(super) fn renew_cards(&mut self, now: Moment) -> Result<(), StoreError> {
        let is_current = self.cards.first().is_some_and(|(card, _)| {
            now.wall.since(card.issued()) < RENEW_AFTER_MS && card.issued().since(now.wall) < DAY_MS
        });
        if is_current { Ok(()) } else { self.issue_cards(now) }
    }

    /// One card for hands and QR codes, and one, the newer, that travels inside sealed messages and
    /// seals post-quantum.
    pub(super) fn issue_cards(&mut self, now: Moment) -> Result<(), StoreError> {
        // Whoever is shown a card may seal to it: its secret must outlive a loss of power.
        self.store.require(Durability::Power)?;
        for suite in [Suite::X25519, Suite::XWing] {
            let sequence =
                self.cards.first().map_or(self.first_number(), |(card, _)| card.sequence() + 1);
            let expires = Timestamp(now.wall.0 + CARD_LIFE_DAYS * DAY_MS);
            let secret = TargetSecret::generate(suite, sequence, expires, &mut *self.rng);
            let draft = CardDraft {
                sequence,
                issued: now.wall,
                expires,
                name: self.name.clone(),
                target: secret.target().clone(),
                presence: None,
                recovery: self.recovery.map(|key| *key.as_bytes()),
                relays: Vec::new(),
            };
            let card = Card::sign(draft, &self.key);
            let due = card_due(now, expires);
            self.store.insert_own_card(&card, &secret, due, &mut *self.rng)?;
            self.cards.insert(0, (card, secret));
        }
        Ok(())
    }
}

pub(super) fn check_name(name: &str) -> Result<(), ContactError> {
    let is_good = (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control);
    if is_good { Ok(()) } else { Err(ContactError::Name) }
}

/// Names are the user's own: a stranger's claim is not taken. Unique, as addresses are.
pub(super) fn placeholder_name(identity: &Identity) -> String {
    format!("stranger-{}", &identity.address()[..16])
}

/// For the case that somebody was given the shorter one as a name: no name is so long.
pub(super) fn long_placeholder_name(identity: &Identity) -> String {
    format!("stranger-{}", identity.address())
}
