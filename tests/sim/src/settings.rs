//! What a run may vary.

use footpost_core::{Router, TagMode};
use footpost_transports::ble::Duty;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use thiserror::Error;

/// What people meet by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Radio {
    /// Radios that are always on: who is in range is linked, at once and for as long.
    #[default]
    Always,
    /// Bluetooth LE, as its controller has it.
    Ble(BleMode),
}

/// How eager Bluetooth LE is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BleMode {
    /// As if everybody looked at the screen.
    Performance,
    /// The usual.
    Balanced,
    /// As with a low battery.
    Saver,
    /// As with nobody looking.
    Background,
}

/// There is no such radio.
#[derive(Debug, Clone, Error)]
#[error("there is no radio “{0}”: always, ble, or ble:performance, ble:balanced, ble:saver")]
pub struct NoSuchRadio(String);

impl FromStr for Radio {
    type Err = NoSuchRadio;

    fn from_str(name: &str) -> Result<Self, NoSuchRadio> {
        Ok(match name {
            "always" => Self::Always,
            "ble" => Self::Ble(BleMode::Background),
            "ble:balanced" => Self::Ble(BleMode::Balanced),
            "ble:performance" => Self::Ble(BleMode::Performance),
            "ble:saver" => Self::Ble(BleMode::Saver),
            _ => return Err(NoSuchRadio(name.to_owned())),
        })
    }
}

impl BleMode {
    pub(crate) fn duty(self) -> Duty {
        match self {
            Self::Performance => Duty::Performance,
            Self::Balanced => Duty::Balanced,
            Self::Saver => Duty::Saver,
            Self::Background => Duty::Background,
        }
    }
}

/// How a scenario is replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What people meet by.
    pub radio: Radio,
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
            radio: Radio::default(),
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
