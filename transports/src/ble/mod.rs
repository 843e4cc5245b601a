//! Bluetooth LE: every decision, and none of the radio.
//!
//! A shell owns the radio, executes what [`Command`]s say, and reports [`Fact`]s. What to do is
//! decided here, the same on Android, iOS, Linux and in a simulator. A table of contents:
//!
//! - `command`: what the two say to each other.
//! - `controller`: [`Controller`], which turns facts into commands: whom to connect, when, and for
//!   how long. Pure: no clock, no randomness of its own.
//! - `duty`: scanning and advertising, and what they cost.
//! - `budget`: how many connections the stack manages.
//! - `devices`: who is in sight, and worth a connection.
//! - `link`: one connection; `gatt`: a stream of bytes in writes and notifications.
//! - `freshness`: how a node says that it has nothing new, and to whom.
//! - `host`: [`Ble`], the controller at work for a node.
//! - `info`: what a peripheral says of itself.
//! - `bluez`: the shell for Linux.
//!
//! The service has three characteristics. A central reads [`INFO`], writes to [`INBOX`] without
//! response, and subscribes to [`OUTBOX`]. docs/radio.md says all this at length.

#[cfg(all(feature = "ble", target_os = "linux"))]
mod bluez;
mod budget;
mod command;
mod controller;
mod devices;
mod duty;
pub mod freshness;
mod gatt;
mod host;
mod info;
mod link;
#[cfg(test)]
mod tests;

#[cfg(all(feature = "ble", target_os = "linux"))]
pub use bluez::{BluezError, examine, run_on_bluez};
pub use command::{Attempt, Bearer, Command, Connection, Device, Fact, Side, Tag};
pub use controller::{Config, Controller, Event, LinkRef, NodeId, Stats};
pub use duty::{Duty, Platform, Usage};
pub use gatt::Broken;
pub use host::Ble;
pub use link::MAX_FRAME_BYTES;

/// The service, the same on all devices and for good: an iPhone in the background shows its service
/// only to those who ask for it by name. The UUIDs are random (RFC 9562, version 4), but for the
/// first field's last digit.
pub const SERVICE: u128 = 0x07c9_0720_29a2_45d0_beae_afbf_9957_1612;
/// Readable: see `info`.
pub const INFO: u128 = SERVICE + (1 << 96);
/// Writable without response: to the peripheral.
pub const INBOX: u128 = SERVICE + (2 << 96);
/// Notifies: from the peripheral.
pub const OUTBOX: u128 = SERVICE + (3 << 96);
