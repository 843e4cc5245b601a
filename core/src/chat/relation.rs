//! Whom one lets in: strangers knock, and wait.

use crate::store::SteadyMs;
use crate::time::DAY_MS;
use serde::{Deserialize, Serialize};

/// How a contact stands with the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The user has added or accepted them.
    Accepted = 0,
    /// A stranger who has written, and waits for an answer: see [`crate::Node::accept_request`].
    Request = 1,
    /// Their mail is foreign mail: see [`crate::Node::block_contact`].
    Blocked = 2,
}

impl Relation {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Accepted, Self::Request, Self::Blocked].into_iter().find(|r| *r as u8 == byte)
    }
}

/// Open requests at a time.
pub(crate) const MAX_REQUESTS: usize = 20;
/// Messages that a stranger may leave before they are accepted.
pub(crate) const MAX_REQUEST_MESSAGES: u32 = 10;
/// How long a request keeps its place whoever else knocks, in milliseconds: a crowd of invented
/// strangers pushes out nobody who came before them.
pub(crate) const REQUEST_PLACE_MS: SteadyMs = 14 * DAY_MS as i64;
/// How long a declined stranger's mail is foreign mail, in milliseconds.
pub(crate) const DECLINED_MS: SteadyMs = 30 * DAY_MS as i64;
