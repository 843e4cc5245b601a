//! Contact traces replayed on the real engine.
//!
//! A [`Scenario`] says who meets whom and who writes to whom: read from files, several at once.
//! [`simulate`] gives each person a [`footpost_core::Node`], lets the meetings happen over radios of a
//! given rate, and counts what arrives: a [`Report`].
//!
//! The radio is the one of The ONE simulator's replays: half duplex, one transfer at a time per
//! node across all its contacts, and what is under way when a contact ends is lost. Unlike
//! there, every byte counts: handshakes, reconciliation, acknowledgements.
//!
//! Everything follows from one seed: the same scenario and [`Settings`] make the same figures.

mod air;
mod fleet;
mod input;
mod memory;
mod report;
mod scenario;
mod schedule;
mod settings;
mod units;
mod world;

pub use input::InputError;
pub use report::{ControlBytes, Cost, CryptoOperations, Figures, Report};
pub use scenario::{Contact, Message, Scenario};
pub use settings::Settings;
pub use units::{parse_bytes, parse_duration_s, parse_fraction, parse_rate, parse_router};
pub use world::{SimError, simulate};
