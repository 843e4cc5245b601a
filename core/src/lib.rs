//! footpost-core
mod codec;
mod link;
mod sync;
mod time;

pub use codec::DecodeError;
pub use link::{CostClass, LinkId, LinkInfo, MIN_FRAME_BYTES, Role, Violation};
pub use time::{DAY_MS, Timestamp};
mod identity;
pub use identity::*;
mod envelope;
pub use envelope::*;
