//! Time as the engine sees it: handed in, never read.

use serde::{Deserialize, Serialize};
use std::{fmt, ops::Add, time::Duration};

/// Milliseconds in a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Wall-clock time in milliseconds since the Unix epoch, handed in with every input.
///
/// It may be wrong, and it may jump: see [`crate::Node::handle_clock_step`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// A clock that reads less than this (2026-01-01) was never set; what depends on the calendar
    /// is then not judged by it.
    pub const PLAUSIBLE: Self = Self(1_767_225_600_000);

    /// The time `ms` milliseconds after the Unix epoch.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole minutes since the Unix epoch, as the envelope header has it.
    pub const fn minutes(self) -> u32 {
        (self.0 / 60_000) as u32
    }

    /// Whole days since the Unix epoch: the epoch of link keys, postmarks and tags.
    pub const fn day(self) -> u32 {
        (self.0 / DAY_MS) as u32
    }

    /// Milliseconds from `earlier` to `self`, zero where `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether the clock can have been set at all.
    pub fn is_plausible(self) -> bool {
        self >= Self::PLAUSIBLE
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1000, self.0 % 1000)
    }
}
