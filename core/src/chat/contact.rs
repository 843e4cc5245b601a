//! Contacts.

use super::{KeyWarning, Relation};
use crate::identity::{CardError, Protection, Suite};
use crate::store::{ContactRow, StoreError};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A contact of this node, numbered by its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactId(pub i64);

/// Somebody whose card this node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Its number here.
    pub id: ContactId,
    /// The user's own name for them.
    pub name: String,
    /// Their address: see [`crate::Identity::address`].
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
    /// When their card stops being usable.
    pub card_expires: Timestamp,
}

impl From<ContactRow> for Contact {
    fn from(row: ContactRow) -> Self {
        let protection = match (&row.reply, row.card.target().suite()) {
            (Some(reply), _) => reply.protection(),
            (None, Suite::XWing) => Protection::XWing,
            (None, Suite::X25519) => Protection::CardSeed,
        };
        Self {
            id: row.id,
            name: row.name,
            address: row.identity.address(),
            claimed_name: row.card.name().map(ToOwned::to_owned),
            relation: row.relation,
            muted: row.muted,
            verified: row.verified,
            warning: row.warning,
            protection,
            card_expires: row.card.expires(),
        }
    }
}

/// Why a contact cannot be added or changed.
#[derive(Debug, Error)]
pub enum ContactError {
    /// The card is unusable.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The card is too old.
    #[error("this card has expired: ask for a new one")]
    Expired,
    /// One's own card.
    #[error("this is your own card: give it to others, and add theirs")]
    Own,
    /// The name is empty, too long or has control characters.
    #[error("a name has 1 to 48 bytes and no control characters")]
    Name,
    /// Somebody else has the name already.
    #[error("there is another contact of this name: choose another name")]
    NameTaken,
    /// The card is of a key that its owner has replaced or revoked.
    #[error("this card is of a key that its owner has given up: ask for their new card")]
    OldKey,
    /// The card names another recovery key than the contact's.
    #[error(
        "this card names another recovery key than your contact's: it may be a thief's; ask \
             them in person"
    )]
    RecoveryKey,
    /// No such contact.
    #[error("there is no such contact")]
    Unknown,
    /// The contact is no open request.
    #[error("this contact is no open request")]
    NoRequest,
    /// The store cannot go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}
