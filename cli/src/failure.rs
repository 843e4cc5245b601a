//! Why a command failed: one line for people, one exit code for scripts.

use footpost_core::{
    AttachmentError, BackupError, ContactError, FollowError, IdentityError, OpenError,
    PublishError, SendError, StoreError, VaultError, WordsError,
};
use footpost_sim::{InputError, SimError};
use footpost_transports::{StartError, Stopped};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;
use thiserror::Error;

/// Exit codes that mean something; the help text lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exit {
    /// What was asked for failed, or is not there.
    Failed = 1,
    /// Wrong usage or input; clap exits with it too.
    Usage = 2,
    /// The profile cannot be used.
    Profile = 3,
    /// The running node or the network could not be reached.
    Unreachable = 4,
}

/// Why a command failed; the message says what to do about it, too.
#[derive(Debug, Clone, Error, Serialize, Deserialize)]
#[error("{message}")]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Prints the line and turns into the exit code.
    pub(crate) fn report(self) -> ExitCode {
        // A closed standard error leaves the exit code to tell.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("footpost: {}\n", self.message).as_bytes(),
        );
        ExitCode::from(self.exit as u8)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Profile, error.to_string())
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Self::new(Exit::Profile, error.to_string())
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let exit = match &error {
            BackupError::Store(_) => Exit::Profile,
            BackupError::Io(_) => Exit::Failed,
            _ => Exit::Usage,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.into(),
            OpenError::Config(error) => Self::new(Exit::Usage, error.to_string()),
        }
    }
}

impl From<ContactError> for Failure {
    fn from(error: ContactError) -> Self {
        let exit = match &error {
            ContactError::Store(_) => Exit::Profile,
            ContactError::Card(_) | ContactError::Name => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let exit = match &error {
            IdentityError::Store(_) => Exit::Profile,
            IdentityError::WrongWords => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<WordsError> for Failure {
    fn from(error: WordsError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        use footpost_core::SealError::{Body, TooLong};
        let exit = match &error {
            SendError::Store(_) => Exit::Profile,
            SendError::Seal(Body(_) | TooLong { .. }) | SendError::AttachmentSize { .. } => {
                Exit::Usage
            }
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<AttachmentError> for Failure {
    fn from(error: AttachmentError) -> Self {
        let exit = match &error {
            AttachmentError::Store(_) => Exit::Profile,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

impl From<SimError> for Failure {
    fn from(error: SimError) -> Self {
        let exit = match &error {
            SimError::Config(_) | SimError::Send { .. } => Exit::Usage,
            SimError::Open(_)
            | SimError::Contact(_)
            | SimError::Follow(_)
            | SimError::Publish(_)
            | SimError::Store(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let exit = match &error {
            PublishError::Store(_) => Exit::Profile,
            PublishError::Draft(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<FollowError> for Failure {
    fn from(error: FollowError) -> Self {
        let exit = match &error {
            FollowError::Store(_) => Exit::Profile,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match error {
            // The same words as from a command that opens the store itself.
            StartError::Open { source, .. } => return source.into(),
            StartError::AddressInUse(_) | StartError::Listen { .. } => Exit::Unreachable,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        let exit = match &stopped {
            Stopped::Store(_) => Exit::Profile,
            Stopped::Shutdown => Exit::Unreachable,
            Stopped::Panicked => Exit::Failed,
        };
        Self::new(exit, stopped.to_string())
    }
}
