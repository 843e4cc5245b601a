//! What can go wrong: one enum an operation.
//!
//! Each error's `explanation` tells the user what to do; programs go by the variant.

mod mail;
mod open;
mod people;

pub use mail::{AttachmentError, BulletinError, SendError};
pub use open::OpenError;
pub use people::{BackupError, ContactError, IdentityError};

use crate::{LinkError, WifiDirectError, node::DialError};
use footpost_core as core;
use footpost_transports::Stopped;

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
    /// The system gives no random numbers, without which there are no secrets.
    #[error("the system gives no random numbers: try again once it has started")]
    NoRandomness,
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
    BackupError,
    LinkError,
    WifiDirectError
);
