//! Messages and how far they have come.

use super::ContactId;
use crate::envelope::{Body, SealError};
use crate::identity::Protection;
use crate::store::{MessageRow, StoreError};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A message in this node's store; later ones have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

/// How far a message has come, and never hoped: on its way by the word of those who carry it,
/// delivered by proof. A state is only ever left for a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Sent: stored here, durable, not yet with anybody else.
    Queued = 0,
    /// Sent: others have stored it.
    Carried = 1,
    /// Sent: the recipient's own device has stored it, on a link proven to be theirs.
    Handed = 2,
    /// Sent: its lifetime has passed without an acknowledgement.
    Expired = 3,
    /// Sent: the recipient has opened it; the acknowledgement is verified.
    Delivered = 4,
    /// Sent: the recipient says that it was read.
    Read = 5,
    /// Received, not yet seen.
    Received = 10,
    /// Received and seen.
    Seen = 11,
}

impl State {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        use State::{Carried, Delivered, Expired, Handed, Queued, Read, Received, Seen};
        [Queued, Carried, Handed, Expired, Delivered, Read, Received, Seen]
            .into_iter()
            .find(|state| *state as u8 == byte)
    }
}

/// A message as the application shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number here.
    pub id: MessageId,
    /// The other side.
    pub contact: ContactId,
    /// Whether this node sent it.
    pub outgoing: bool,
    /// Names it on both sides.
    pub uuid: [u8; 16],
    /// What it says.
    pub body: Body,
    /// When it was written, by the writer's clock.
    pub sent: Timestamp,
    /// When it was stored here.
    pub stored: Timestamp,
    /// How far it has come.
    pub state: State,
    /// What protected it on its way.
    pub protection: Protection,
    /// When its acknowledgement came.
    pub delivered: Option<Timestamp>,
    /// How many neighbours have stored it for this node.
    pub carriers: u32,
    /// How many of these are contacts.
    pub carrier_contacts: u32,
    /// Of a message with an attachment: how far that has come.
    pub transfer: Option<Transfer>,
}

/// What was said with one contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// With whom.
    pub contact: ContactId,
    /// The newest message.
    pub last: Message,
    /// Received messages that the user has not seen.
    pub unseen: u32,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The newest first.
    pub messages: Vec<Message>,
    /// Where to go on: all that is older was not looked through. None where nothing is.
    pub before: Option<MessageId>,
}

/// How far an attachment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Fragments that have arrived: at the recipient, of what was sent, by acknowledgement; here, of
    /// what is received.
    pub arrived: u32,
    /// How many suffice, but for one or two.
    pub needed: u32,
    /// Whether nothing is missing any more.
    pub is_whole: bool,
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            contact: row.contact,
            outgoing: row.outgoing,
            uuid: row.uuid,
            body: Body::parse(row.kind, &row.content).map_err(|_| StoreError::Corrupt)?,
            sent: row.sent,
            stored: row.stored,
            state: row.state,
            protection: row.protection,
            delivered: row.delivered,
            carriers: row.carriers,
            carrier_contacts: row.carrier_contacts,
            transfer: row.transfer,
        })
    }
}

/// Why a message was not accepted for sending. Nothing was stored.
#[derive(Debug, Error)]
pub enum SendError {
    /// No such contact.
    #[error("there is no such contact: add their card first")]
    UnknownContact,
    /// They wait to be accepted, or are blocked.
    #[error("the contact is not accepted: accept the request, or add their card, first")]
    NotAccepted,
    /// Their key was revoked, and none took its place.
    #[error("the contact's key was revoked: ask for a new card")]
    Revoked,
    /// Their card is too old to seal to.
    #[error("the contact's card has expired: ask for a new one")]
    CardExpired,
    /// It has more fragments than one body may have, or is empty.
    #[error("an attachment must have 1 to {max_bytes} bytes at this fragment size")]
    AttachmentSize {
        /// The largest that can be sent.
        max_bytes: u64,
    },
    /// What is to be sent cannot be read to its end.
    #[error("the attachment cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// The identity lives on a later device.
    #[error("this profile was restored on another device: go on there")]
    Superseded,
    /// One's own identity was revoked, and none took its place.
    #[error("this identity is revoked: name a successor with the recovery words, or begin anew")]
    Ended,
    /// It cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store cannot go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}
