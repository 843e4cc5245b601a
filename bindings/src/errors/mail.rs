//! Errors about messages, files and bulletins.

use super::NodeError;
use footpost_core as core;
use std::io;

/// A message was not accepted. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum SendError {
    /// There is no such contact.
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
    /// The text is empty.
    #[error("the message is empty: write something")]
    Empty,
    /// The content type is empty or too long.
    #[error("the content type must have 1 to {max_bytes} bytes")]
    ContentType {
        /// The longest that there may be.
        max_bytes: u64,
    },
    /// The file's name is empty or too long.
    #[error("the file's name must have 1 to {max_bytes} bytes")]
    Name {
        /// The longest that there may be.
        max_bytes: u64,
    },
    /// It does not fit one envelope: send it as a file.
    #[error("the message is {excess_bytes} bytes too long: shorten it, or send it as a file")]
    TooLong {
        /// By how much.
        excess_bytes: u64,
    },
    /// The file is empty, or has too many bytes.
    #[error("a file must have 1 to {max_bytes} bytes")]
    FileSize {
        /// The largest that can be sent.
        max_bytes: u64,
    },
    /// The file cannot be read to its end.
    #[error("the file cannot be read: {details}")]
    Unreadable {
        /// What the system says.
        details: String,
    },
    /// The identity lives on a later device.
    #[error("this node was restored on another device: go on there")]
    Superseded,
    /// One's own identity was revoked, and none took its place.
    #[error("this identity is revoked: name a successor with the recovery words, or begin anew")]
    Ended,
    /// The node does not answer.
    #[error("{reason}")]
    Node {
        /// Why.
        reason: NodeError,
    },
}

impl From<core::SendError> for SendError {
    fn from(error: core::SendError) -> Self {
        use core::{BodyError as Body, SealError as Seal, SendError as Send};
        match error {
            Send::UnknownContact => Self::UnknownContact,
            Send::NotAccepted => Self::NotAccepted,
            Send::Revoked => Self::Revoked,
            Send::CardExpired | Send::Seal(Seal::TargetEnded | Seal::TargetKey) => {
                Self::CardExpired
            }
            Send::AttachmentSize { max_bytes } => Self::FileSize { max_bytes },
            Send::Unreadable(error) => Self::Unreadable { details: error.to_string() },
            Send::Superseded => Self::Superseded,
            Send::Ended => Self::Ended,
            Send::Seal(Seal::TooLong { excess_bytes }) => {
                Self::TooLong { excess_bytes: excess_bytes as u64 }
            }
            // No foreign call makes a body of an unsupported kind.
            Send::Seal(Seal::Body(Body::Empty | Body::Unsupported)) => Self::Empty,
            Send::Seal(Seal::Body(Body::ContentType)) => {
                Self::ContentType { max_bytes: core::MAX_CONTENT_TYPE_BYTES as u64 }
            }
            Send::Seal(Seal::Body(Body::Name)) => {
                Self::Name { max_bytes: core::MAX_ATTACHMENT_NAME_BYTES as u64 }
            }
            Send::Store(error) => NodeError::from(error).into(),
        }
    }
}

/// An attachment cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum AttachmentError {
    /// The message has none, or there is no such message.
    #[error("the message has no attachment")]
    Missing,
    /// Some of it has not arrived.
    #[error("the file is not whole yet: {arrived} of about {needed} pieces are here")]
    Incomplete {
        /// Pieces that are here.
        arrived: u32,
        /// About how many it takes.
        needed: u32,
    },
    /// It was sent from here, and is not kept.
    #[error("the file was sent from here: it is where it came from")]
    Outgoing,
    /// It cannot be written where it is wanted; there may be such a file already.
    #[error("the file cannot be written: {details}")]
    Unwritable {
        /// What the system says.
        details: String,
    },
    /// The node does not answer.
    #[error("{reason}")]
    Node {
        /// Why.
        reason: NodeError,
    },
}

impl From<core::AttachmentError> for AttachmentError {
    fn from(error: core::AttachmentError) -> Self {
        use core::AttachmentError as Attachment;
        match error {
            Attachment::None => Self::Missing,
            Attachment::Incomplete { arrived, needed } => Self::Incomplete { arrived, needed },
            Attachment::Outgoing => Self::Outgoing,
            Attachment::Unwritable(error) => error.into(),
            Attachment::Store(error) => NodeError::from(error).into(),
        }
    }
}

impl From<io::Error> for AttachmentError {
    fn from(error: io::Error) -> Self {
        Self::Unwritable { details: error.to_string() }
    }
}

/// A bulletin was not published, or a publisher not followed or muted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum BulletinError {
    /// Region or topic is too long, or has control characters.
    #[error("region and topic have at most {max_bytes} bytes and no control characters")]
    Label {
        /// The longest that there may be.
        max_bytes: u64,
    },
    /// The text is empty or too long.
    #[error("the text must have 1 to {max_bytes} bytes")]
    Text {
        /// The longest of its kind.
        max_bytes: u64,
    },
    /// The lifetime is too short or too long.
    #[error("a bulletin must live {min_s} to {max_s} seconds")]
    Lifetime {
        /// The shortest.
        min_s: u32,
        /// The longest.
        max_s: u32,
    },
    /// There is no own bulletin of the thread that is to be replaced.
    #[error("there is no bulletin of yours to replace under this number")]
    UnknownThread,
    /// So many are out, or followed and muted, already.
    #[error("there are {max} already: replace, unfollow, or wait until one expires")]
    TooMany {
        /// How many there may be.
        max: u64,
    },
    /// The publisher is oneself.
    #[error("this is your own identity")]
    Own,
    /// Nobody known has this address.
    #[error("nobody known here has this address")]
    UnknownPublisher,
    /// The identity lives on a later device.
    #[error("this node was restored on another device: go on there")]
    Superseded,
    /// One's own identity was revoked, and none took its place.
    #[error("this identity is revoked: name a successor with the recovery words, or begin anew")]
    Ended,
    /// The node does not answer.
    #[error("{reason}")]
    Node {
        /// Why.
        reason: NodeError,
    },
}

impl From<core::PublishError> for BulletinError {
    fn from(error: core::PublishError) -> Self {
        use core::{DraftError as Draft, PublishError as Publish};
        match error {
            Publish::Draft(Draft::Label) => Self::Label { max_bytes: core::MAX_LABEL_BYTES as u64 },
            Publish::Draft(Draft::Text { max_bytes }) => Self::Text { max_bytes: max_bytes as u64 },
            Publish::Draft(Draft::Lifetime) => {
                Self::Lifetime { min_s: core::MIN_LIFETIME_S, max_s: core::MAX_BULLETIN_LIFETIME_S }
            }
            Publish::UnknownThread => Self::UnknownThread,
            Publish::TooMany { max } => Self::TooMany { max: max as u64 },
            Publish::Superseded => Self::Superseded,
            Publish::Ended => Self::Ended,
            Publish::Store(error) => NodeError::from(error).into(),
        }
    }
}

impl From<core::FollowError> for BulletinError {
    fn from(error: core::FollowError) -> Self {
        match error {
            core::FollowError::Own => Self::Own,
            core::FollowError::TooMany { max } => Self::TooMany { max: max as u64 },
            core::FollowError::Store(error) => NodeError::from(error).into(),
        }
    }
}
