//! What an application may set.

use crate::envelope::{MAX_ENVELOPE_BYTES, MAX_LIFETIME_S, MIN_LIFETIME_S, TagMode, Work};
use crate::routing::Router;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A node's settings. Every default is meant for a phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub(crate) lifetime_s: u32,
    pub(crate) max_carried_bytes: u64,
    pub(crate) max_carried_envelopes: u64,
    pub(crate) ack_delay_max_ms: u64,
    pub(crate) read_receipts: bool,
    pub(crate) tag_mode: TagMode,
    pub(crate) work: Work,
    pub(crate) router: Router,
    pub(crate) fragment_bytes: u32,
    pub(crate) max_attachment_bytes: u64,
}

/// A setting that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// See [`Config::lifetime_s`].
    #[error("the lifetime must be {MIN_LIFETIME_S} to {MAX_LIFETIME_S} seconds")]
    Lifetime,
    /// See [`Config::fragment_bytes`].
    #[error("a fragment must have {MIN_FRAGMENT_BYTES} to {MAX_ENVELOPE_BYTES} bytes")]
    Fragment,
    /// See [`Config::router`].
    #[error("this router goes by mailbox tags: they must be shown")]
    HiddenTags,
}

/// The smallest fragments, in bytes.
pub const MIN_FRAGMENT_BYTES: u32 = 1024;

impl Default for Config {
    fn default() -> Self {
        Self {
            lifetime_s: 7 * 24 * 60 * 60,
            max_carried_bytes: 64 * 1024 * 1024,
            max_carried_envelopes: 50_000,
            ack_delay_max_ms: 2 * 60 * 1000,
            read_receipts: false,
            tag_mode: TagMode::Hidden,
            work: Work::Standard,
            router: Router::Carry,
            fragment_bytes: 8 * 1024,
            max_attachment_bytes: 128 * 1024 * 1024,
        }
    }
}

impl Config {
    /// How long one's own messages live, in seconds; 7 days unless set. A contact's card may end
    /// them sooner.
    ///
    /// # Errors
    /// [`ConfigError::Lifetime`] outside [`MIN_LIFETIME_S`]`..=`[`MAX_LIFETIME_S`].
    pub fn lifetime_s(&mut self, seconds: u32) -> Result<&mut Self, ConfigError> {
        self.lifetime_s = seconds;
        self.check()?;
        Ok(self)
    }

    /// Settings can also come from a file, past the setters.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !(MIN_LIFETIME_S..=MAX_LIFETIME_S).contains(&self.lifetime_s) {
            return Err(ConfigError::Lifetime);
        }
        if !(MIN_FRAGMENT_BYTES..=MAX_ENVELOPE_BYTES as u32).contains(&self.fragment_bytes) {
            return Err(ConfigError::Fragment);
        }
        if self.router.needs_tags() && !self.shows_tags() {
            return Err(ConfigError::HiddenTags);
        }
        Ok(())
    }

    /// How mail is passed on: the others are there to be compared with. PRoPHET and MaxProp go by
    /// recipients: a node with [`TagMode::Hidden`] does not open with them.
    pub fn router(&mut self, router: Router) -> &mut Self {
        self.router = router;
        self
    }

    /// How long the envelope of one fragment is, in bytes; 8 KiB, right for radios, unless set. An
    /// attachment has at most 31,744 fragments, not counting redundant ones.
    ///
    /// # Errors
    /// [`ConfigError::Fragment`] outside [`MIN_FRAGMENT_BYTES`]`..=`[`MAX_ENVELOPE_BYTES`].
    pub fn fragment_bytes(&mut self, bytes: u32) -> Result<&mut Self, ConfigError> {
        self.fragment_bytes = bytes;
        self.check()?;
        Ok(self)
    }

    /// The longest attachment that is taken from a contact, in bytes; 128 MiB unless set.
    pub fn max_attachment_bytes(&mut self, bytes: u64) -> &mut Self {
        self.max_attachment_bytes = bytes;
        self
    }

    /// The space for other people's mail, in bytes; 64 MiB unless set. Zero carries for nobody
    /// but bulletins, which have places of their own.
    pub fn max_carried_bytes(&mut self, bytes: u64) -> &mut Self {
        self.max_carried_bytes = bytes;
        self
    }

    /// The number of other people's envelopes; 50,000 unless set. Four times as many tombstones are
    /// kept.
    pub fn max_carried_envelopes(&mut self, count: u64) -> &mut Self {
        self.max_carried_envelopes = count;
        self
    }

    /// Acknowledgements that strangers would see leave after a random delay of up to this many
    /// milliseconds; 2 minutes unless set. It hides who the recipient was, at the price of
    /// later deletion.
    pub fn ack_delay_max_ms(&mut self, ms: u64) -> &mut Self {
        self.ack_delay_max_ms = ms;
        self
    }

    /// Whether [`crate::Node::mark_seen`] tells the sender; off unless set.
    pub fn read_receipts(&mut self, on: bool) -> &mut Self {
        self.read_receipts = on;
        self
    }

    /// What one's own envelopes show of their recipients, and neighbours of themselves; hidden unless
    /// set.
    pub fn tag_mode(&mut self, mode: TagMode) -> &mut Self {
        self.tag_mode = mode;
        self
    }

    pub(crate) fn shows_tags(&self) -> bool {
        self.tag_mode == TagMode::Mailbox
    }

    /// What the network asks for a postmark: the protocol's standard, unless it is a simulation.
    pub fn work(&mut self, work: Work) -> &mut Self {
        self.work = work;
        self
    }
}
