//! What a node tells: committed facts, in order.

use crate::chat::{BulletinId, ContactId, KeyWarning, MessageId, State};
use crate::link::{CloseReason, LinkId};

/// A committed fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message has come in and is stored.
    Received {
        /// The message.
        message: MessageId,
        /// Who wrote it.
        contact: ContactId,
    },
    /// The same from a contact who is muted, or whose request is open: shown where somebody looks,
    /// announced nowhere.
    ReceivedQuietly {
        /// The message.
        message: MessageId,
        /// Who wrote it.
        contact: ContactId,
    },
    /// A sent message has come further, or one more neighbour carries it.
    Progress {
        /// The message.
        message: MessageId,
        /// How far it is now.
        state: State,
    },
    /// A received attachment is whole: see [`crate::Node::write_attachment`].
    AttachmentWhole {
        /// Its message.
        message: MessageId,
    },
    /// A bulletin of a followed publisher has come, or an SOS.
    Bulletin {
        /// Which one.
        bulletin: BulletinId,
    },
    /// Any other: shown where somebody looks, announced nowhere.
    BulletinQuietly {
        /// Which one.
        bulletin: BulletinId,
    },
    /// A stranger's first message has come, with their card: they wait under a placeholder name.
    Requested {
        /// The request.
        contact: ContactId,
    },
    /// A contact goes on under a new key.
    IdentityChanged {
        /// The contact.
        contact: ContactId,
    },
    /// Something is wrong with a contact's key: to be shown prominently.
    KeyWarning {
        /// The contact.
        contact: ContactId,
        /// What it is.
        warning: KeyWarning,
    },
    /// A neighbour's handshake is complete.
    NeighbourUp {
        /// Its link.
        link: LinkId,
    },
    /// A neighbour has proven to be a contact.
    NeighbourProven {
        /// Its link.
        link: LinkId,
        /// Who it is.
        contact: ContactId,
    },
    /// The engine has ended a link: the transport sends what is left for it, closes it, and reports
    /// it down.
    LinkClosed {
        /// The link.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// This identity was restored on a later device: see [`crate::Node::is_superseded`].
    Superseded,
    /// One more postmark is minted.
    PostmarkMinted,
    /// Link keys and postmark are new: transports rotate their visible names and addresses.
    EpochRotated,
}

/// Why a node wants to be woken: see [`crate::Node::poll_timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// An envelope expires.
    Expiry,
    /// An acknowledgement's delay is over.
    Acknowledgement,
    /// A tombstone can be forgotten.
    Tombstone,
    /// The day ends: link keys and postmark rotate.
    Epoch,
    /// A handshake or a reconciliation takes too long.
    Handshake,
    /// A neighbour has not brought what it offered.
    Wish,
    /// Mail is handed over, and the next neighbour's turn has come.
    Handover,
    /// An attachment is to be acknowledged, or given up.
    Attachment,
    /// A secret has served its time.
    Secret,
    /// A contact who writes and is not answered needs a fresh target.
    Refresh,
    /// A contact has a new device, for which mail is sealed anew.
    Resealing,
}
