//! What goes to whom, in which order, and what makes room.
//!
//! The policy is epidemic with acknowledgements as vaccine: every neighbour is offered everything
//! that it lacks.

use crate::chat::ContactId;
use crate::envelope::Priority;
use crate::store::{Carried, EnvelopeRow, Standing, SteadyMs};
use std::cmp::Reverse;

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Letter {
        born: Reverse<SteadyMs>,
    },
    /// As they were asked for.
    Fragment {
        number: u64,
    },
}

impl TransferOrder {
    /// `neighbour` is the contact that the link is proven to lead to.
    pub(crate) fn new(envelope: &Carried, neighbour: Option<ContactId>) -> Self {
        Self {
            is_for_others: !is_direct(envelope, neighbour) && !is_sos(envelope),
            priority: Reverse(envelope.priority as u8 + u8::from(is_sos(envelope))),
            turn: Turn::Letter { born: Reverse(envelope.born) },
            row: envelope.row,
        }
    }

    /// Of a fragment, the `turn`th that the neighbour has asked for.
    pub(crate) fn of_fragment(fragment: &Carried, turn: u64) -> Self {
        Self {
            is_for_others: true,
            priority: Reverse(fragment.priority as u8),
            turn: Turn::Fragment { number: turn },
            row: fragment.row,
        }
    }

    pub(crate) fn row(&self) -> EnvelopeRow {
        self.row
    }
}

/// How many symbols a block of so many gets on top, against those that are lost with their carriers.
pub(crate) fn repair_symbols(symbols: u32) -> u32 {
    symbols / 8 + 2
}

/// Whether the neighbour is whom the envelope is for, as far as this node can know: of its own mail.
pub(crate) fn is_direct(envelope: &Carried, neighbour: Option<ContactId>) -> bool {
    neighbour.is_some() && envelope.recipient == neighbour
}

/// They are few and short: nothing waits for them that could not.
fn is_sos(envelope: &Carried) -> bool {
    envelope.standing == Standing::Bulletin && envelope.priority == Priority::Urgent
}

/// Whether `new` may push `old` out: only if it is more urgent, or as urgent and longer to live.
pub(crate) fn may_replace(new: (u8, SteadyMs), old: &Carried) -> bool {
    new > (old.priority as u8, old.expires)
}
