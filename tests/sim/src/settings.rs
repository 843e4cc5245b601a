//! What a run may vary.

use footpost_core::{Router, TagMode};
use serde::{Deserialize, Serialize};

/// How a scenario is replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What a radio moves, in bytes a second.
    pub rate_bytes_per_s: u64,
    /// The space of each node for other people's mail, in bytes.
    pub buffer_bytes: u64,
    /// How long the envelope of one fragment is, in bytes; longer bodies are cut into them.
    pub fragment_bytes: u32,
    /// How long messages live, in seconds.
    pub lifetime_s: u32,
    /// How the nodes pass on what they carry.
    pub router: Router,
    /// Whether envelopes show mailbox tags.
    pub tags: TagMode,
    /// The share of people who take all mail and pass none on. No message is from or to them.
    pub nodes_drop: f64,
    /// The share of people who are taken out: the same ones, and so what the others are compared with.
    pub nodes_out: f64,
    /// The share of people who write without end, to each other. No other message is from or to them.
    pub nodes_flood: f64,
    /// The share of people who alter all that they pass on. No message is from or to them.
    pub nodes_forge: f64,
    /// The share of people who acknowledge what they have no acknowledgement of. No message is from or
    /// to them.
    pub nodes_invent_acks: f64,
    /// The share of people who pass on all mail with false ages. No message is from or to them.
    pub nodes_lie_age: f64,
    /// The share of time for which each person's phone is off, by spells of chance.
    pub nodes_off: f64,
    /// How far a person's clock is off at most, in seconds.
    pub clock_error_s: u64,
    /// How long a recipient holds back an acknowledgement at most, in seconds.
    pub ack_delay_s: u64,
    /// What all chance follows from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate_bytes_per_s: 250_000,
            buffer_bytes: 50_000_000,
            fragment_bytes: 8 * 1024,
            lifetime_s: 300 * 60,
            router: Router::Carry,
            tags: TagMode::Hidden,
            nodes_drop: 0.0,
            nodes_out: 0.0,
            nodes_flood: 0.0,
            nodes_forge: 0.0,
            nodes_invent_acks: 0.0,
            nodes_lie_age: 0.0,
            nodes_off: 0.0,
            clock_error_s: 0,
            ack_delay_s: 120,
            seed: 1,
        }
    }
}
