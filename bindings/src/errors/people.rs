//! Errors about contacts, and about oneself.

use super::{NodeError, OpenError};
use footpost_core as core;
use std::io;

/// A contact was not added or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum ContactError {
    /// The text is no card, or not all of it.
    #[error("{details}")]
    Card {
        /// What is wrong with it.
        details: String,
    },
    /// The card is too old.
    #[error("this card has expired: ask for a new one")]
    Expired,
    /// It is one's own card.
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
    /// The card names another recovery key than the contact's: it may be a thief's.
    #[error("this card names another recovery key than your contact's: ask them in person")]
    RecoveryKey,
    /// There is no such contact.
    #[error("there is no such contact")]
    Unknown,
    /// The contact is no open request.
    #[error("this contact is no open request")]
    NoRequest,
    /// The node does not answer.
    #[error("{reason}")]
    Node {
        /// Why.
        reason: NodeError,
    },
}

impl From<core::ContactError> for ContactError {
    fn from(error: core::ContactError) -> Self {
        use core::ContactError as Contact;
        match error {
            Contact::Card(error) => Self::Card { details: error.to_string() },
            Contact::Expired => Self::Expired,
            Contact::Own => Self::Own,
            Contact::Name => Self::Name,
            Contact::NameTaken => Self::NameTaken,
            Contact::OldKey => Self::OldKey,
            Contact::RecoveryKey => Self::RecoveryKey,
            Contact::Unknown => Self::Unknown,
            Contact::NoRequest => Self::NoRequest,
            Contact::Store(error) => NodeError::from(error).into(),
        }
    }
}

/// One's own keys were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum IdentityError {
    /// There are recovery words already.
    #[error("this identity has recovery words: they can only be replaced, with the old ones")]
    WordsExist,
    /// There are none.
    #[error("this identity has no recovery words: create some first")]
    NoWords,
    /// These are another identity's.
    #[error("these are not the recovery words of this identity")]
    WrongWords,
    /// This is no set of recovery words.
    #[error("{details}")]
    Misread {
        /// Which word to look at.
        details: String,
    },
    /// Contacts could not follow so many changes.
    #[error("contacts cannot follow so many changes: rotate with the recovery words")]
    TooOften,
    /// It was revoked, and none took its place.
    #[error("this identity is revoked: name a successor with the recovery words, or begin anew")]
    Ended,
    /// The node does not answer.
    #[error("{reason}")]
    Node {
        /// Why.
        reason: NodeError,
    },
}

impl From<core::IdentityError> for IdentityError {
    fn from(error: core::IdentityError) -> Self {
        use core::IdentityError as Identity;
        match error {
            Identity::WordsExist => Self::WordsExist,
            Identity::NoWords => Self::NoWords,
            Identity::WrongWords => Self::WrongWords,
            Identity::TooOften => Self::TooOften,
            Identity::Ended => Self::Ended,
            Identity::Store(error) => NodeError::from(error).into(),
        }
    }
}

impl From<core::WordsError> for IdentityError {
    fn from(error: core::WordsError) -> Self {
        Self::Misread { details: error.to_string() }
    }
}

/// A backup was not made, or not restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum BackupError {
    /// The file is something else.
    #[error("this is no Footpost backup")]
    Foreign,
    /// Another version of Footpost made it.
    #[error("the backup is of version {version}, which this Footpost does not know: update it")]
    Version {
        /// Which one.
        version: u8,
    },
    /// This is no set of recovery words.
    #[error("{details}")]
    Misread {
        /// Which word to look at.
        details: String,
    },
    /// Its beginning does not open: other words, or damage; the two look the same.
    #[error("these words do not open this backup: are they its owner's, and is the file whole?")]
    WrongWords,
    /// The identity has other words.
    #[error("these are not this identity's recovery words: give the newest that were shown")]
    OtherWords,
    /// Some of it is altered or missing.
    #[error("the backup is damaged or cut short: take another copy")]
    Damaged,
    /// There is a node in the directory already.
    #[error("there is a node in this directory: restore into a new one")]
    InUse,
    /// The file cannot be read or written.
    #[error("the backup cannot be read or written: {details}")]
    File {
        /// What the system says.
        details: String,
    },
    /// The restored node cannot be opened.
    #[error("{reason}")]
    Open {
        /// Why.
        reason: OpenError,
    },
    /// The node does not answer.
    #[error("{reason}")]
    Node {
        /// Why.
        reason: NodeError,
    },
}

impl From<core::BackupError> for BackupError {
    fn from(error: core::BackupError) -> Self {
        use core::BackupError as Backup;
        match error {
            Backup::Foreign => Self::Foreign,
            Backup::Version(version) => Self::Version { version },
            Backup::Words => Self::WrongWords,
            Backup::OtherWords => Self::OtherWords,
            Backup::Damaged => Self::Damaged,
            Backup::InUse => Self::InUse,
            Backup::Io(error) => error.into(),
            Backup::Store(error) => NodeError::from(error).into(),
        }
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        Self::File { details: error.to_string() }
    }
}

impl From<core::WordsError> for BackupError {
    fn from(error: core::WordsError) -> Self {
        Self::Misread { details: error.to_string() }
    }
}
