//! People.

use crate::{Footpost, errors::ContactError, errors::NodeError};
use footpost_core::{self as core, Card, CardError, ContactId};

/// Somebody whose card this node holds.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Contact {
    /// Its number here.
    pub id: i64,
    /// The user's own name for them.
    pub name: String,
    /// Their address, which is what their key is called.
    pub address: String,
    /// The name on their card: their own claim, never proof of who they are.
    pub claimed_name: Option<String>,
    /// How they stand with the user.
    pub relation: Relation,
    /// Whether the user wants no notice of their messages.
    pub muted: bool,
    /// Whether the user has compared safety numbers with them.
    pub verified: bool,
    /// What is wrong with their key, until they are verified anew.
    pub warning: Option<KeyWarning>,
    /// What will protect the next message to them.
    pub protection: Protection,
    /// When their card stops being usable, in milliseconds since 1970.
    pub card_expires_ms: u64,
}

impl From<core::Contact> for Contact {
    fn from(contact: core::Contact) -> Self {
        Self {
            id: contact.id.0,
            name: contact.name,
            address: contact.address,
            claimed_name: contact.claimed_name,
            relation: contact.relation.into(),
            muted: contact.muted,
            verified: contact.verified,
            warning: contact.warning.map(Into::into),
            protection: contact.protection.into(),
            card_expires_ms: contact.card_expires.as_millis(),
        }
    }
}

/// How a contact stands with the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Relation {
    /// The user has added or accepted them.
    Accepted,
    /// A stranger who has written, and waits for an answer: see `accept_request`.
    Request,
    /// Their mail is not opened: see `block_contact`.
    Blocked,
}

impl From<core::Relation> for Relation {
    fn from(relation: core::Relation) -> Self {
        match relation {
            core::Relation::Accepted => Self::Accepted,
            core::Relation::Request => Self::Request,
            core::Relation::Blocked => Self::Blocked,
        }
    }
}

/// Why a contact's key deserves a look: compare safety numbers with them, in person or by voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum KeyWarning {
    /// They go on under a new key, for which only the old one speaks: it may have been stolen.
    NewKey,
    /// Two new keys claim to follow the same old one: somebody else has that.
    Conflict,
    /// A card of theirs names another recovery key than the one known; it was not taken.
    RecoveryKey,
    /// Their key was revoked, and none took its place.
    Revoked,
}

impl From<core::KeyWarning> for KeyWarning {
    fn from(warning: core::KeyWarning) -> Self {
        match warning {
            core::KeyWarning::NewKey => Self::NewKey,
            core::KeyWarning::Conflict => Self::Conflict,
            core::KeyWarning::RecoveryKey => Self::RecoveryKey,
            core::KeyWarning::Revoked => Self::Revoked,
        }
    }
}

/// What protects a message on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Protection {
    /// X25519: against a quantum computer as private as the contact's card was.
    CardSeed,
    /// X25519 with a seed that has travelled under X-Wing: post-quantum.
    PostQuantumSeed,
    /// X-Wing: post-quantum.
    XWing,
}

impl From<core::Protection> for Protection {
    fn from(protection: core::Protection) -> Self {
        match protection {
            core::Protection::CardSeed => Self::CardSeed,
            core::Protection::PostQuantumSeed => Self::PostQuantumSeed,
            core::Protection::XWing => Self::XWing,
        }
    }
}

#[uniffi::export]
impl Footpost {
    /// Adds the owner of a card, as a `footpost:` link, under a name of the user's choice. Known
    /// ones get the newer card. Says which contact it is.
    pub async fn add_contact(&self, card: String, name: String) -> Result<i64, ContactError> {
        self.line
            .call(move |node, now| {
                let card: Card = card.parse().map_err(core::ContactError::Card)?;
                node.add_contact(now, &card, &name).map(|id| id.0)
            })
            .await
    }

    /// All contacts, requests and blocked ones among them.
    pub async fn contacts(&self) -> Result<Vec<Contact>, NodeError> {
        self.line.ask(|node| Ok(node.contacts()?.into_iter().map(Into::into).collect())).await
    }

    /// One contact.
    pub async fn contact(&self, contact: i64) -> Result<Contact, ContactError> {
        self.line
            .call(move |node, _| {
                let found = node.contacts()?.into_iter().find(|it| it.id.0 == contact);
                found.map(Into::into).ok_or(core::ContactError::Unknown)
            })
            .await
    }

    /// Gives a contact another name.
    pub async fn rename_contact(&self, contact: i64, name: String) -> Result<(), ContactError> {
        self.change(contact, move |node, now, id| node.rename_contact(now, id, &name)).await
    }

    /// Announces a contact's messages no more, or again.
    pub async fn mute_contact(&self, contact: i64, muted: bool) -> Result<(), ContactError> {
        self.change(contact, move |node, now, id| node.mute_contact(now, id, muted)).await
    }

    /// Takes a stranger as a contact: they can be written to.
    pub async fn accept_request(&self, contact: i64) -> Result<(), ContactError> {
        self.change(contact, core::Node::accept_request).await
    }

    /// Forgets a stranger and what they wrote, and hears nothing of them for a month.
    pub async fn decline_request(&self, contact: i64) -> Result<(), ContactError> {
        self.change(contact, core::Node::decline_request).await
    }

    /// Opens a contact's mail no more. They are not told. `add_contact` lifts it.
    pub async fn block_contact(&self, contact: i64) -> Result<(), ContactError> {
        self.change(contact, core::Node::block_contact).await
    }

    /// Forgets a contact and all messages with them.
    pub async fn remove_contact(&self, contact: i64) -> Result<(), ContactError> {
        self.change(contact, core::Node::remove_contact).await
    }

    /// Notes that the user has compared safety numbers with a contact, in person or by voice.
    pub async fn verify_contact(&self, contact: i64) -> Result<(), ContactError> {
        self.change(contact, core::Node::verify_contact).await
    }

    /// The safety number: the same on both sides, unless somebody stands in between.
    pub async fn safety_number(&self, contact: i64) -> Result<String, ContactError> {
        self.line.call(move |node, _| node.safety_number(ContactId(contact))).await
    }
}

impl Footpost {
    async fn change(
        &self,
        contact: i64,
        change: impl FnOnce(
            &mut core::Node,
            core::Timestamp,
            ContactId,
        ) -> Result<(), core::ContactError>
        + Send
        + 'static,
    ) -> Result<(), ContactError> {
        self.line.call(move |node, now| change(node, now, ContactId(contact))).await
    }
}

/// Whose card a `footpost:` link is, without taking it: for a page that asks before it adds.
#[uniffi::export]
pub fn read_card(card: String) -> Result<CardOwner, ContactError> {
    let card: Card = card.parse().map_err(|error: CardError| core::ContactError::Card(error))?;
    Ok(CardOwner {
        address: card.identity().address(),
        name: card.name().map(ToOwned::to_owned),
        expires_ms: card.expires().as_millis(),
    })
}

/// What a card says of its owner.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CardOwner {
    /// Their address.
    pub address: String,
    /// The name that they go by: their own claim.
    pub name: Option<String>,
    /// When the card stops being usable, in milliseconds since 1970.
    pub expires_ms: u64,
}
