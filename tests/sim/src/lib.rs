//! Contact traces replayed on the real engine.
//!
//! A [`Scenario`] says who meets whom and who writes to whom: read from files, several at once, or a
//! synthetic [`World`].
//! [`simulate`] gives each person a [`footpost_core::Node`], lets the meetings happen over radios of a
//! given rate, and counts what arrives: a [`Report`].
//!
//! The radio is the one of The ONE simulator's replays: half duplex, one transfer at a time per
//! node across all its contacts, and what is under way when a contact ends is lost. Unlike
//! there, every byte counts: handshakes, reconciliation, acknowledgements.
//!
//! Or each person has a phone with the real Bluetooth LE controller, which has to find the others first
//! ([`Radio::Ble`]); then the report says what that took from the battery.
//!
//! Everything follows from one seed: the same scenario and [`Settings`] make the same figures.

mod air;
mod chronicle;
mod fleet;
mod input;
mod liars;
mod memory;
mod page;
mod phones;
mod radio;
mod reach;
mod replay;
mod report;
mod roster;
mod scenario;
mod schedule;
mod settings;
mod units;
mod world;
mod worlds;

pub use chronicle::Chronicle;
pub use input::InputError;
pub use page::write_page;
pub use radio::Charge;
pub use replay::{replay, simulate};
pub use report::{
    Attempts, BulletinFigures, ControlBytes, Cost, CryptoOperations, EnergyFigures, Figures,
    LieFigures, Report,
};
pub use scenario::{Contact, Message, Scenario};
pub use settings::{BleMode, NoSuchRadio, Radio, Settings};
pub use units::{parse_bytes, parse_duration_s, parse_fraction, parse_rate};
pub use world::SimError;
pub use worlds::{Nature, NoSuchWorld, WORLD_DAYS, WORLD_PEOPLE, World};
