//! What a node has promised to the outside.

use footpost_core::{Card, Message, MessageId, State, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One promise, from the moment on at which somebody outside could rely on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// Nothing: much time has passed, and whoever takes up the world's clock must know.
    Passed,
    /// The card could be seen, as a link: mail that is sealed to it can be opened.
    Card(String),
    /// `add_contact` has returned; the contact's address.
    Contact(String),
    /// `send` has returned.
    Sent {
        /// The message's number.
        message: MessageId,
        /// What it says.
        text: String,
    },
    /// The node has told how far a message of its own is.
    Progress {
        /// The message's number.
        message: MessageId,
        /// How far.
        state: State,
    },
    /// `mark_seen` has returned.
    Seen(MessageId),
    /// The node has told of a received message; what it says.
    Received(String),
    /// The writer has seen the acknowledgement of a message to the node; what it says.
    Acknowledged(String),
    /// The recipient has a message of the node's; what it says.
    Arrived(String),
    /// A neighbour was told that the node carries a stranger's envelope; its id.
    Taken([u8; 32]),
    /// The node has given up: its error, as it is shown and as it is named.
    Failed(String, String),
}

/// A promise and when, in the node's time, it was made: a line of the worker's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The time of the simulated world.
    pub at: Timestamp,
    /// What was promised.
    pub promise: Promise,
}

/// All that a node has promised so far.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The time of the last promise.
    pub at: Timestamp,
    /// How many promises were made.
    pub count: usize,
    /// The latest card shown.
    pub card: Option<Card>,
    /// Addresses of contacts.
    pub contacts: BTreeSet<String>,
    /// Messages that `send` has accepted.
    pub sent: BTreeMap<MessageId, String>,
    /// How far each had come.
    pub progress: BTreeMap<MessageId, State>,
    /// Received messages that the user has seen.
    pub seen: BTreeSet<MessageId>,
    /// Received messages that were shown.
    pub received: BTreeSet<String>,
    /// Received messages whose writers know that they came.
    pub acknowledged: BTreeSet<String>,
    /// Messages that their recipient has.
    pub arrived: BTreeSet<String>,
    /// Strangers' envelopes on board.
    pub taken: BTreeSet<[u8; 32]>,
    /// Messages that were shown a second time.
    pub shown_twice: BTreeSet<String>,
    /// How the node failed, if it did.
    pub failed: Option<(String, String)>,
}

impl Ledger {
    /// Adds what a line says.
    pub fn note(&mut self, line: Line) {
        self.at = line.at;
        self.count += 1;
        match line.promise {
            Promise::Passed => {}
            Promise::Card(link) => {
                self.card = Some(link.parse().expect("a card that is shown is good"));
            }
            Promise::Contact(address) => drop(self.contacts.insert(address)),
            Promise::Sent { message, text } => drop(self.sent.insert(message, text)),
            Promise::Progress { message, state } => {
                let known = self.progress.entry(message).or_insert(state);
                *known = state.max(*known);
            }
            Promise::Seen(message) => drop(self.seen.insert(message)),
            Promise::Received(text) => {
                if !self.received.insert(text.clone()) {
                    self.shown_twice.insert(text);
                }
            }
            Promise::Acknowledged(text) => drop(self.acknowledged.insert(text)),
            Promise::Arrived(text) => drop(self.arrived.insert(text)),
            Promise::Taken(id) => drop(self.taken.insert(id)),
            Promise::Failed(shown, named) => self.failed = Some((shown, named)),
        }
    }
}

/// What a text message says.
pub(crate) fn text_of(message: &Message) -> String {
    message.body.as_text().unwrap_or_default().to_owned()
}
