//! Wi-Fi Direct: every decision, and none of the radio.
//!
//! A group carries IP, and QUIC runs in it as on any network: it is for what is too much for
//! Bluetooth, between two who have met there. A shell owns the radio, executes what [`Command`]s say,
//! and reports [`Fact`]s. A table of contents:
//!
//! - `command`: what the two say to each other.
//! - `controller`: when to propose, form, join and leave a group, and who owns it. Pure: no clock, no
//!   randomness of its own.
//! - `choice`: when a group is worth it. Pure.
//! - `budget`: how often, and with whom. Pure.
//! - `runner`: between the controller, the engine and QUIC.
//! - `wpa`: the radio of Linux, by `wpa_supplicant` (feature `wifi-direct`).
//!
//! docs/wifi-direct.md says all this at length.

mod budget;
mod choice;
mod command;
mod controller;
mod runner;
#[cfg(test)]
mod tests;
#[cfg(all(feature = "wifi-direct", target_os = "linux"))]
mod wpa;

pub use command::{Command, Fact, Station};
pub use runner::WifiDirect;
#[cfg(all(feature = "wifi-direct", target_os = "linux"))]
pub use wpa::{WpaError, examine, run_on_wpa};

pub(crate) use runner::{Surroundings, start};
