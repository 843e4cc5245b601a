//! Footpost's protocol and engine.
//!
//! Footpost carries sealed messages from phone to phone. This crate is all of it that thinks: it
//! opens no socket, starts no thread, reads no clock and no random number generator. Whoever
//! runs it, a phone's background service, a desktop daemon or a simulator with a thousand nodes,
//! hands in time, randomness, frames and commands, and takes out frames, events and the time of
//! the next wake-up. From the same inputs it makes the same outputs, byte for byte.
//!
//! Begin at [`Node`]: its documentation states the contract. A message goes in by
//! [`Node::send`], is sealed into an [`Envelope`] for its recipient's [`Card`], waits in the
//! store, and leaves by [`Node::poll_transmit`] on every link whose neighbour lacks it. A
//! neighbour's frames come in by [`Node::handle_frame`]. Recipients find their mail by its hint,
//! open it, and let an acknowledgement go that makes every carrier delete its copy.
//!
//! The rooms of the house, from the outside in: `node` orchestrates; `chat` is what people see;
//! `routing` decides what goes to whom; `sync` finds out what a neighbour lacks; `link` is one
//! neighbour session; `envelope` and `identity` are the cryptography; `store` is SQLite, under
//! keys that the `vault` keeps; `codec` is the wire's alphabet.

mod chat;
mod clock;
mod codec;
mod config;
mod envelope;
mod event;
mod identity;
mod link;
mod node;
mod routing;
mod scour;
mod store;
mod sync;
mod time;
mod vault;

pub use chat::{
    Bulletin, BulletinFilter, BulletinId, Contact, ContactError, ContactId, Conversation,
    FollowError, Found, IdentityError, KeyWarning, Message, MessageId, PublishError, Relation,
    SendError, Stance, State, Transfer,
};
pub use codec::DecodeError;
pub use config::{Config, ConfigError, MIN_FRAGMENT_BYTES};
pub use envelope::{
    Ack, AckProof, Body, BodyError, BulletinDraft, BulletinKind, Commitment, DraftError, Envelope,
    EnvelopeId, Hint, Kind, Letter, MAX_ATTACHMENT_NAME_BYTES, MAX_BULLETIN_LIFETIME_S,
    MAX_BULLETIN_TEXT_BYTES, MAX_CONTENT_TYPE_BYTES, MAX_ENVELOPE_BYTES, MAX_LABEL_BYTES,
    MAX_LIFETIME_S, MAX_SOS_TEXT_BYTES, MIN_LIFETIME_S, Manifest, Minting, Opened, Postmark,
    Previous, Priority, SealError, Sealed, TagMode, Work, WorkProof, Workbench, open, seal,
};
pub use event::{Event, Reason};
pub use identity::{
    CARD_LIFE_DAYS, Card, CardError, Identity, IdentityKey, MAX_NAME_BYTES, MAX_RELAY_BYTES,
    MAX_RELAYS, Protection, RecoveryWords, ReplyTarget, SealingTarget, Statement, Suite,
    TargetSecret, WordsError, safety_number,
};
pub use link::{
    CloseReason, CostClass, Credentials, LinkId, LinkInfo, MAX_BATTERY, MIN_FRAME_BYTES, Role,
    Side, Traffic, Violation, WifiDirectNote,
};
pub use node::{
    AttachmentError, BackupError, CarriedEnvelope, Load, MAX_ENVELOPES_PER_POSTMARK, Neighbour,
    NeighbourKey, Node, Note, OpenError, Stats, Turnover,
};
pub use routing::{Router, UnknownRouter};
pub use store::{EnvelopePool, StoreError, StorePath};
pub use time::{DAY_MS, Timestamp};
pub use vault::{StoreKey, Vault, VaultError, WrappedKey, WrappingKey, WrappingKeys};
