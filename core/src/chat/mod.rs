//! People and what they say to each other: the application's view.

mod contact;
mod message;
pub(crate) mod ratchet;

pub use contact::{Contact, ContactError, ContactId};
pub use message::{Message, MessageId, SendError, State};
