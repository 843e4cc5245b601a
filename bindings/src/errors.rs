//! What can go wrong: one enum an operation.
//!
//! Each error's `explanation` tells the user what to do; programs go by the variant.

use crate::{KeystoreError, node::DialError};
use footpost_core as core;
use footpost_transports::{StartError, Stopped};
use std::io;

/// The node does not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum NodeError {
    /// It was shut down.
    #[error("the node was shut down: open it again")]
    Closed,
    /// The disk is full. The node has stopped; nothing accepted was lost.
    #[error("the disk is full: free some space, then open the node again; nothing was lost")]
    DiskFull,
    /// The store or the vault failed. The node has stopped; what was accepted is safe.
    #[error("the node stopped, because its store failed: {details}")]
    StoreFailed {
        /// What failed.
        details: String,
    },
    /// A defect of Footpost's. The node has stopped; what was accepted is safe.
    #[error("the node stopped by a defect of its own: report it, and open the node again")]
    Defect,
    /// A keystore called Footpost from within a call of Footpost's: it would wait for itself.
    #[error("a keystore cannot call Footpost: it would wait for itself")]
    InCallback,
}

impl From<Stopped> for NodeError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Shutdown => Self::Closed,
            Stopped::Store(error) => Self::from(&*error),
            Stopped::Panicked => Self::Defect,
        }
    }
}

impl From<&core::StoreError> for NodeError {
    fn from(error: &core::StoreError) -> Self {
        match error {
            core::StoreError::Full => Self::DiskFull,
            error => Self::StoreFailed { details: error.to_string() },
        }
    }
}

impl From<core::StoreError> for NodeError {
    fn from(error: core::StoreError) -> Self {
        Self::from(&error)
    }
}

/// A node cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum OpenError {
    /// A setting makes no sense.
    #[error("{details}")]
    Config {
        /// Which, and what it may be.
        details: String,
    },
    /// The directory cannot be used.
    #[error("the directory cannot be used: {details}")]
    Directory {
        /// What the system says.
        details: String,
    },
    /// Another process, or another object in this one, has the store open.
    #[error("the store is in use: shut the other node down first")]
    InUse,
    /// No space is left.
    #[error("the disk is full: free some space; nothing accepted was lost")]
    DiskFull,
    /// The vault needs a passphrase.
    #[error("the vault is locked: give its passphrase")]
    Locked,
    /// The passphrase is another, or the vault was altered: the two look the same.
    #[error("this is not the vault's passphrase: try again")]
    WrongPassphrase,
    /// The vault's key is another store's.
    #[error("the vault's key does not fit this store: are both whole, and of one node?")]
    WrongKey,
    /// There is a store, and no key to it: the vault was deleted, or is of another kind.
    #[error("there is a store, but no key to it: give the vault that it was made with")]
    KeyMissing,
    /// The keystore failed.
    #[error("the keystore failed: {details}")]
    Keystore {
        /// What it says.
        details: String,
    },
    /// Store or vault is damaged.
    #[error("{details}")]
    Damaged {
        /// Which of them, and what helps.
        details: String,
    },
    /// A later version of Footpost made the store or the vault.
    #[error("{details}")]
    TooNew {
        /// Which versions.
        details: String,
    },
    /// Another program listens on the port.
    #[error("another program listens on {address}: choose another port")]
    AddressInUse {
        /// The address asked for.
        address: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {details}")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the system says.
        details: String,
    },
    /// The system gives no threads or no randomness, or the store fails.
    #[error("{details}")]
    System {
        /// What the system says.
        details: String,
    },
    /// A keystore called Footpost from within a call of Footpost's: it would wait for itself.
    #[error("a keystore cannot call Footpost: it would wait for itself")]
    InCallback,
}

impl From<StartError> for OpenError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::AddressInUse(address) => {
                Self::AddressInUse { address: address.to_string() }
            }
            StartError::Listen { addr, source } => {
                Self::Listen { address: addr.to_string(), details: source.to_string() }
            }
            StartError::Open { source: core::OpenError::Config(error), .. } => {
                Self::Config { details: error.to_string() }
            }
            StartError::Open { source: core::OpenError::Store(error), .. } => error.into(),
            error @ (StartError::Randomness(_) | StartError::Thread(_) | StartError::Panicked) => {
                Self::System { details: error.to_string() }
            }
        }
    }
}

impl From<core::StoreError> for OpenError {
    fn from(error: core::StoreError) -> Self {
        use core::StoreError as Store;
        let details = error.to_string();
        match error {
            Store::InUse => Self::InUse,
            Store::Full => Self::DiskFull,
            Store::ReadOnly | Store::CannotOpen => Self::Directory { details },
            Store::Corrupt => Self::Damaged { details },
            Store::WrongKey => Self::WrongKey,
            Store::Vault(error) => error.into(),
            Store::TooNew { .. } => Self::TooNew { details },
            Store::Abandoned | Store::Sqlite(_) => Self::System { details },
        }
    }
}

impl From<core::VaultError> for OpenError {
    fn from(error: core::VaultError) -> Self {
        use core::VaultError as Vault;
        let details = error.to_string();
        match error {
            Vault::Locked => Self::Locked,
            Vault::WrongPassphrase => Self::WrongPassphrase,
            Vault::Damaged | Vault::WrappingKeys => Self::Damaged { details },
            Vault::Unknown(_) => Self::TooNew { details },
            Vault::Io(error) if error.kind() == io::ErrorKind::NotFound => Self::KeyMissing,
            Vault::Io(error) => match error.get_ref().and_then(|it| it.downcast_ref()) {
                Some(KeystoreError::Failed { details }) => {
                    Self::Keystore { details: details.clone() }
                }
                None => Self::Directory { details },
            },
        }
    }
}

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

/// In each operation's enum stands, as one of its variants, that the node does not answer.
macro_rules! of_a_node {
    ($($error:ident),*) => {$(
        impl From<NodeError> for $error {
            fn from(reason: NodeError) -> Self {
                Self::Node { reason }
            }
        }
    )*};
}

of_a_node!(
    DialError,
    ContactError,
    SendError,
    AttachmentError,
    BulletinError,
    IdentityError,
    BackupError
);

/// What to tell the user: the languages' own messages show fields alone.
macro_rules! explained {
    ($($error:ident),*) => {$(
        #[uniffi::export]
        impl $error {
            /// What went wrong, and what the user can do: a sentence in English.
            pub fn explanation(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

explained!(
    NodeError,
    OpenError,
    DialError,
    ContactError,
    SendError,
    AttachmentError,
    BulletinError,
    IdentityError,
    BackupError
);
