//! What can be wrong with keys, one's own and others'.

use crate::identity::Identity;
use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a contact's key deserves a look: compare safety numbers with them, in person or by voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyWarning {
    /// They go on under a new key, for which only the old one speaks: it may have been stolen.
    NewKey = 1,
    /// Two new keys claim to follow the same old one: somebody else has that.
    Conflict = 2,
    /// A card of theirs names another recovery key than the one known; it was not taken.
    RecoveryKey = 3,
    /// Their key was revoked, and none took its place.
    Revoked = 4,
}

impl KeyWarning {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::NewKey, Self::Conflict, Self::RecoveryKey, Self::Revoked]
            .into_iter()
            .find(|warning| *warning as u8 == byte)
    }
}

/// Why one's own keys were not changed. Nothing was.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// There are recovery words.
    #[error("this identity has recovery words: they can only be replaced, with the old ones")]
    WordsExist,
    /// There are none.
    #[error("this identity has no recovery words: create some first")]
    NoWords,
    /// These are another identity's.
    #[error("these are not the recovery words of this identity")]
    WrongWords,
    /// Contacts follow only so many changes of keys without the recovery words, and of the words.
    #[error(
        "contacts cannot follow so many changes: rotate with the recovery words, whose number is \
         not limited"
    )]
    TooOften,
    /// It was revoked, and none took its place.
    #[error("this identity is revoked: name a successor with the recovery words, or begin anew")]
    Ended,
    /// The store cannot go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether the words are those of `recovery`.
pub(crate) fn check_words(
    recovery: Option<&Identity>,
    words: &crate::RecoveryWords,
) -> Result<(), IdentityError> {
    match recovery {
        None => Err(IdentityError::NoWords),
        Some(key) if *key == words.recovery_key().identity() => Ok(()),
        Some(_) => Err(IdentityError::WrongWords),
    }
}
