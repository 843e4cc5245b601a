//! Everything in Footpost that awaits.
//!
//! The engine, [`footpost_core::Node`], knows no socket, thread or clock. This crate gives it all
//! three: [`Footpost`] is a running node. A table of contents:
//!
//! - `footpost`: the handle. [`Footpost::start`] takes a [`Config`], binds the socket, opens the
//!   store and starts what follows; [`Footpost::call`] runs a closure on the engine, and
//!   [`Footpost::subscribe`] yields its [`Events`].
//! - `driver`: the engine's own thread. It takes the inputs that wait, commits them in one
//!   transaction, and only then lets frames, events and results out. [`Stopped`] says why it ended.
//! - `link`: the [`Link`] trait, which a transport implements: a pipe of whole frames to one
//!   neighbour. [`Footpost::attach`] takes a link of any kind.
//! - `carry`: one task a link, between its two halves and the engine; `queue`: the bounded way out.
//! - `quic`: links over QUIC: one socket that dials and accepts, who may connect, and whom to keep
//!   connected (with `backoff` between attempts).
//! - `bytes`: links over a stream of bytes that a phone's shell owns; `frames`: frames in a stream.
//! - [`ble`]: Bluetooth LE, decided here and executed by a shell.
//! - `lan`: neighbours on the local network, by multicast DNS.
//! - `minter`: a thread of low priority that mints postmarks for the engine.
//! - `power`: how much a device gives; `tick`: what it does when it may run for a moment only.
//! - [`wifi_direct`]: groups with neighbours near by, in which QUIC runs.
//! - `clock`: the wall clock, and when somebody has set it.
//! - `vault`: [`FileVault`] and [`FileWrappingKeys`], which keep the store's keys where there is no
//!   keystore.

mod backoff;
pub mod ble;
mod bytes;
mod carry;
mod clock;
mod driver;
mod erasing;
mod footpost;
mod frames;
mod lan;
mod link;
mod minter;
mod power;
mod queue;
mod quic;
mod tick;
mod vault;
pub mod wifi_direct;

pub use bytes::{ByteLink, ByteStream, FrameReader, FrameWriter, LinkEnded, byte_link};
pub use driver::Stopped;
pub use footpost::{Config, Events, Footpost, Missed, StartError};
pub use link::{Link, LinkReceiver, LinkSender};
pub use power::{Conditions, PowerMode};
pub use tick::Tick;
pub use vault::{FileVault, FileWrappingKeys};
