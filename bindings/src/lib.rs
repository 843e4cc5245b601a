//! Footpost for Kotlin, Swift and Python.
//!
//! UniFFI makes of this crate the same classes, records and errors in each language, and carries
//! these comments there. It is thin: what happens is `footpost_transports::Footpost`'s doing and
//! `footpost_core::Node`'s. A table of contents:
//!
//! - `node`: [`Footpost`], a running node: opened with a [`Config`] and a [`Vault`], and shut down.
//! - `events`: what happens, to be pulled.
//! - `contacts`, `messages`, `files`, `bulletins`, `identity`: what people do.
//! - `power`, `stats`: what a phone's shell does, and shows.
//! - `ble`, `wifi_direct`: radios, decided here and executed by the shell; `links`: others that it owns.
//! - `errors`: one enum an operation; [`NodeError`] is in each of them.
//! - `call`: how a call from any thread, in any language, comes to the engine's own.

uniffi::setup_scaffolding!("footpost");

mod ble;
mod bulletins;
mod call;
mod config;
mod contacts;
mod errors;
mod events;
mod files;
mod identity;
mod links;
mod messages;
mod node;
mod power;
mod stats;
mod vault;
mod wifi_direct;

pub use ble::{
    Ble, BleCommand, BleConnection, BleDuty, BleFact, BlePlatform, BleService, BleSide, BleStats,
    ble_service,
};
pub use bulletins::{Bulletin, BulletinDraft, BulletinFilter, BulletinKind, Publisher, Stance};
pub use config::Config;
pub use contacts::{CardOwner, Contact, KeyWarning, Protection, Relation, read_card};
pub use errors::{
    AttachmentError, BackupError, BulletinError, ContactError, IdentityError, NodeError, OpenError,
    SendError,
};
pub use events::{Event, EventWait};
pub use identity::Pixels;
pub use links::{ByteLink, LinkCost, LinkError, LinkRole};
pub use messages::{Content, Conversation, DeliveryState, Found, Message, Priority, Transfer};
pub use node::{DialError, Footpost};
pub use power::{Conditions, PowerMode, Tick};
pub use stats::{Neighbour, Stats};
pub use vault::{Keystore, KeystoreError, Vault, change_passphrase};
pub use wifi_direct::{
    WifiDirect, WifiDirectCommand, WifiDirectError, WifiDirectFact, WifiStation,
};
