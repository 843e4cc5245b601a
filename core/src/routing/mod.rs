//! What goes to whom, in which order, and what makes room: see docs/routing.md.
//!
//! Everything here is pure; the node keeps the evidence.

mod mailboxes;
mod maxprop;
mod neighbours;
mod prophet;
mod recency;
mod reputation;
mod shares;
mod utility;

pub(crate) use mailboxes::{Gossip, MAX_OWN_TAGS, MAX_TAGS, Mailboxes, Tag, Told};
pub(crate) use maxprop::{MAX_MEETINGS, MAX_OF, Vector};
pub(crate) use neighbours::{Acquaintance, Candidate, NeighbourId, Neighbours};
pub(crate) use reputation::{Reputation, Verdict};
pub(crate) use shares::{Bringer, Freight, Kind, Shares, Use};
pub(crate) use utility::{AckAges, Ages, Copy, Outlook, Peer, Worth, letter_size_bytes};

use crate::chat::ContactId;
use crate::envelope::Priority;
use crate::store::{Carried, EnvelopeRow, Standing, SteadyMs};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::str::FromStr;
use thiserror::Error;

/// How a node passes on what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Router {
    /// Footpost's own: copies by halves, as many as age and acknowledgements call for.
    #[default]
    Carry,
    /// To its recipient, and to nobody else.
    Direct,
    /// Everything to everybody (Vahdat and Becker, 2000), with acknowledgements as vaccine.
    Epidemic,
    /// Binary Spray and Wait (Spyropoulos and others, 2005): at most this many copies, rounded up to
    /// a power of two.
    Spray(u32),
    /// PRoPHET, version 2 (RFC 6693; Grasic and others, 2011): to who meets the recipient likelier.
    Prophet,
    /// MaxProp (Burgess and others, 2006): everything to everybody, the likeliest first.
    MaxProp,
}

impl Router {
    /// Whether it goes by who the recipient is: without mailbox tags it can do nothing.
    pub const fn needs_tags(self) -> bool {
        matches!(self, Self::Prophet | Self::MaxProp)
    }

    /// Whether it weighs bodies, and lets go of them, as wholes: its paper knows no fragments.
    pub(crate) const fn keeps_bodies_whole(self) -> bool {
        matches!(self, Self::Prophet | Self::MaxProp)
    }

    /// Whether everybody is told of every acknowledgement, a vaccine, as their papers have it.
    pub(crate) const fn vaccinates(self) -> bool {
        matches!(self, Self::Epidemic | Self::MaxProp)
    }

    /// Whether a hand-over halves what is left with the sender: else generations count hops.
    pub(crate) const fn halves(self) -> bool {
        !matches!(self, Self::MaxProp)
    }
}

/// No router has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the routers are carry, direct, epidemic, prophet, maxprop and, with a number of copies, spray:8"
)]
pub struct UnknownRouter;

impl FromStr for Router {
    type Err = UnknownRouter;

    fn from_str(name: &str) -> Result<Self, UnknownRouter> {
        match name {
            "carry" => Ok(Self::Carry),
            "direct" => Ok(Self::Direct),
            "epidemic" => Ok(Self::Epidemic),
            "prophet" => Ok(Self::Prophet),
            "maxprop" => Ok(Self::MaxProp),
            _ => {
                let copies = name.strip_prefix("spray:").and_then(|copies| copies.parse().ok());
                copies.filter(|copies| *copies > 0).map(Self::Spray).ok_or(UnknownRouter)
            }
        }
    }
}

/// Letters up to this length are equally short.
const SHORT_BYTES: u64 = 512;

/// The place of an envelope in one link's queue: the least goes first.
///
/// Whether an envelope is one's own is left out on purpose: a stranger must not learn it from the
/// order. Young mail goes before old, which others have had more time to spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TransferOrder {
    is_for_others: bool,
    priority: Reverse<u8>,
    /// Letters are small, and many: fragments wait for them.
    turn: Turn,
    row: EnvelopeRow,
    size_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Letter {
        /// As the router has it; of those that have nothing to say, zero.
        rank: Reverse<u32>,
        /// The generation, and one more each time that it is twice as long: what is short, of who writes
        /// little, goes first.
        halved: u32,
        born: Reverse<SteadyMs>,
    },
    /// What a reader pulls first, then as they were asked for.
    Fragment { is_for_others: bool, number: u64 },
}

impl TransferOrder {
    /// `neighbour` is the contact that the link is proven to lead to; `copy` is the letter as routing
    /// sees it, and `rank` what the router makes of it.
    pub(crate) fn new(
        letter: &Carried,
        neighbour: Option<ContactId>,
        copy: &Copy,
        rank: u32,
    ) -> Self {
        let doublings = (copy.size_bytes / SHORT_BYTES).checked_ilog2().map_or(0, |it| it + 1);
        let halved = u32::from(copy.generation) + doublings;
        Self {
            is_for_others: !is_direct(letter, neighbour) && !is_sos(letter),
            priority: Reverse(letter.priority as u8 + u8::from(is_sos(letter))),
            turn: Turn::Letter { rank: Reverse(rank), halved, born: Reverse(letter.born) },
            row: letter.row,
            size_bytes: letter.size_bytes as u64,
        }
    }

    /// Of a fragment, the `turn`th that the neighbour has asked for, as one of its own or not.
    pub(crate) fn of_fragment(fragment: &Carried, is_pull: bool, turn: u64) -> Self {
        Self {
            is_for_others: true,
            priority: Reverse(fragment.priority as u8),
            turn: Turn::Fragment { is_for_others: !is_pull, number: turn },
            row: fragment.row,
            size_bytes: fragment.size_bytes as u64,
        }
    }

    /// Whether nothing but their kind says which of the two goes first.
    pub(crate) fn is_rival_of(&self, other: &Self) -> bool {
        (self.is_for_others, self.priority) == (other.is_for_others, other.priority)
    }

    /// Whether it is a fragment, not a letter.
    pub(crate) fn is_fragment(&self) -> bool {
        matches!(self.turn, Turn::Fragment { .. })
    }

    /// Whether it is neither for this neighbour nor a call for help.
    pub(crate) fn is_for_others(&self) -> bool {
        self.is_for_others
    }

    /// Whether it can wait for what is on the way here to its reader.
    pub(crate) fn yields(&self) -> bool {
        matches!(self.turn, Turn::Fragment { is_for_others: true, .. })
    }

    pub(crate) fn row(&self) -> EnvelopeRow {
        self.row
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

#[cfg(test)]
impl TransferOrder {
    pub(crate) fn letter_for_others(row: i64) -> Self {
        let turn = Turn::Letter { rank: Reverse(0), halved: 0, born: Reverse(0) };
        let priority = Reverse(Priority::Normal as u8);
        Self { is_for_others: true, priority, turn, row: EnvelopeRow(row), size_bytes: 1 }
    }

    pub(crate) fn letter_for_reader(row: i64) -> Self {
        Self { is_for_others: false, ..Self::letter_for_others(row) }
    }

    pub(crate) fn fragment_for_others(row: i64, number: u64) -> Self {
        let turn = Turn::Fragment { is_for_others: true, number };
        Self { turn, ..Self::letter_for_others(row) }
    }
}

/// How many repair symbols a body gets to a hundred others, where they are dear: so many that with
/// the share that carriers keep what suffices is left; a quarter at least, at most as many again.
#[allow(clippy::cast_sign_loss, reason = "a quarter at least")]
pub(crate) fn repair_percent(kept: f64) -> u32 {
    (100.0 / kept - 100.0).clamp(25.0, 100.0) as u32
}

/// How many symbols a block of so many gets on top, against those that are lost with their carriers
/// or never get through: as many again, if one postmark pays for `paid` in all; of small bodies, where
/// one carrier takes all, two; of large ones, where each costs a share of a postmark, so many percent.
pub(crate) fn repair_symbols(symbols: u32, blocks: u32, paid: u32, percent: u32) -> u32 {
    let few = (symbols * percent / 100 + 2).min(symbols);
    match (symbols, blocks) {
        (..=8, _) => 2,
        (_, 1) => symbols.min(paid.saturating_sub(symbols)).max(few),
        _ => few,
    }
}

/// Whether the neighbour is whom the envelope is for, as far as this node can know: of its own mail.
pub(crate) fn is_direct(envelope: &Carried, neighbour: Option<ContactId>) -> bool {
    neighbour.is_some() && envelope.recipient == neighbour
}

/// They are few and short: nothing waits for them that could not.
fn is_sos(envelope: &Carried) -> bool {
    envelope.standing == Standing::Bulletin && envelope.priority == Priority::Urgent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_carriers_keep_the_more_is_sent() {
        let percents = [1.0, 0.9, 0.7, 0.5, 0.1, 0.0].map(repair_percent);
        assert_eq!(percents, [25, 25, 42, 100, 100, 100]);
        let blocks_of_64 = |percent| repair_symbols(64, 25, 300, percent);
        assert_eq!([25, 42, 100].map(blocks_of_64), [18, 28, 64]);
        // All that one postmark pays for costs nothing more.
        assert_eq!((repair_symbols(64, 1, 300, 25), repair_symbols(64, 1, 80, 25)), (64, 18));
        assert_eq!(repair_symbols(5, 1, 300, 100), 2);
    }

    #[test]
    fn routers_have_names() {
        assert_eq!("carry".parse(), Ok(Router::Carry));
        assert_eq!("spray:6".parse(), Ok(Router::Spray(6)));
        assert_eq!("maxprop".parse(), Ok(Router::MaxProp));
        for bad in ["", "Carry", "spray", "spray:", "spray:0", "spray:-1", "maxprop:8"] {
            assert_eq!(bad.parse::<Router>(), Err(UnknownRouter), "{bad}");
        }
    }
}
