//! Who a node is: its long-term key, the targets that others seal to, and the card that
//! carries both.

mod card;
mod keys;
mod lineage;
mod statement;
mod target;
mod words;

pub use card::{CARD_LIFE_DAYS, Card, CardError, MAX_NAME_BYTES, MAX_RELAY_BYTES, MAX_RELAYS};
pub use keys::{Identity, IdentityKey, safety_number};
pub use statement::Statement;
pub use target::{Protection, ReplyTarget, SealingTarget, Suite, TargetSecret};
pub use words::{RecoveryWords, WordsError};

pub(crate) use card::CardDraft;
pub(crate) use keys::verify_strict;
pub(crate) use lineage::{End, Lineage, Verdict};
pub(crate) use statement::{Claim, Ended, MAX_ENDED, MAX_STATEMENT_BYTES, MAX_STATEMENTS};
pub(crate) use target::KemSecret;
