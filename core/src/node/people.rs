//! Cards and contacts.

use super::Node;
use super::ratchet::{Lock, card_due};
use crate::chat::{Contact, ContactError, ContactId};
use crate::clock::Moment;
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
    /// already, takes the newer card and the new name.
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
        if card.identity() == self.identity {
            return Err(ContactError::Own);
        }
        if card.has_expired(now) {
            return Err(ContactError::Expired);
        }
        let known = self.store.contact_by_identity(&card.identity())?;
        let namesake = self.store.contact_by_name(name)?;
        if namesake.is_some() && namesake != known.as_ref().map(|contact| contact.id) {
            return Err(ContactError::NameTaken);
        }
        Ok(self.whole(|node| {
            node.begin(now, Durability::Power)?;
            let id = match known {
                None => node.store.insert_contact(card, name)?,
                Some(contact) => {
                    node.store.set_contact_name(contact.id, name)?;
                    node.take_card(&contact, card)?;
                    contact.id
                }
            };
            node.store.commit().map(|()| id)
        })?)
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
    /// contact; without a card nobody could answer them, and who uses a target that was given to
    /// somebody else is nobody.
    pub(super) fn writer(
        &mut self,
        sender: &Identity,
        card: Option<&Card>,
        lock: Lock,
    ) -> Result<Option<ContactId>, StoreError> {
        let known = self.store.contact_by_identity(sender)?;
        if let Lock::Reply { contact, .. } = lock
            && known.as_ref().map(|known| known.id) != Some(contact)
        {
            return Ok(None);
        }
        let id = match (known, card) {
            (Some(contact), card) => {
                if let Some(card) = card {
                    self.take_card(&contact, card)?;
                }
                contact.id
            }
            (None, Some(card)) => {
                let id = self.store.insert_contact(card, &placeholder_name(sender))?;
                self.events.push_back(crate::Event::StrangerAdded { contact: id });
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
        if card.sequence() > contact.card.sequence() {
            self.store.set_contact_card(contact.id, card)?;
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
    fn issue_cards(&mut self, now: Moment) -> Result<(), StoreError> {
        // Whoever is shown a card may seal to it: its secret must outlive a loss of power.
        self.store.require(Durability::Power)?;
        for suite in [Suite::X25519, Suite::XWing] {
            let sequence = self.cards.first().map_or(0, |(card, _)| card.sequence() + 1);
            let expires = Timestamp(now.wall.0 + CARD_LIFE_DAYS * DAY_MS);
            let secret = TargetSecret::generate(suite, sequence, expires, &mut *self.rng);
            let draft = CardDraft {
                sequence,
                issued: now.wall,
                expires,
                name: self.name.clone(),
                target: secret.target().clone(),
                presence: None,
                recovery: None,
                relays: Vec::new(),
            };
            let card = Card::sign(draft, &self.key);
            self.store.insert_own_card(&card, &secret, card_due(now, expires))?;
            self.cards.insert(0, (card, secret));
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), ContactError> {
    let is_good = (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control);
    if is_good { Ok(()) } else { Err(ContactError::Name) }
}

/// Names are the user's own: a stranger's claim is not taken. Unique, as addresses are.
fn placeholder_name(identity: &Identity) -> String {
    format!("stranger-{}", &identity.address()[..16])
}
