//! footpost-transports
mod backoff;
mod clock;
mod lan;
mod link;
mod quic;

pub use link::{Link, LinkReceiver, LinkSender};
