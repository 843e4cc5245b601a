//! A node cannot be opened.

use crate::KeystoreError;
use footpost_core as core;
use footpost_transports::StartError;
use std::io;

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
