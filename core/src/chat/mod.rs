//! People and what they say to each other: the application's view.

mod bulletin;
mod contact;
mod message;
pub(crate) mod ratchet;
pub(crate) mod relation;
pub(crate) mod trust;

pub use bulletin::{Bulletin, BulletinFilter, BulletinId, FollowError, PublishError, Stance};
pub use contact::{Contact, ContactError, ContactId};
pub use message::{Conversation, Found, Message, MessageId, SendError, State, Transfer};
pub use relation::Relation;
pub use trust::{IdentityError, KeyWarning};
