//! footpost-transports
mod backoff;
mod clock;
mod link;
mod quic;

pub use link::{Link, LinkReceiver, LinkSender};
