//! What happens next.

use footpost_core::LinkId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Time in a scenario: nanoseconds since its zero, so that no rate that matters is rounded.
pub(crate) type Nanos = u64;

pub(crate) const SECOND: Nanos = 1_000_000_000;
pub(crate) const MILLISECOND: Nanos = 1_000_000;

/// What can happen. Of what happens at the same instant the first named goes first: a frame that
/// ends with its contact has arrived, and who meets somebody just after writing has it along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    /// The frame under way on a link is over.
    FrameEnds(LinkId),
    /// A contact of the scenario ends.
    ContactEnds(usize),
    /// A person's phone goes off.
    SwitchedOff(usize),
    /// It goes on again.
    SwitchedOn(usize),
    /// A message of the scenario is written.
    MessageWritten(usize),
    /// Something in the scenario is published.
    Published(usize),
    /// A contact of the scenario begins.
    ContactBegins(usize),
    /// A contact whose link the engine has ended may get another.
    Redial(usize),
    /// A person's node wants to be woken.
    Wake(usize),
    /// Something that was expected of Bluetooth comes to pass.
    RadioHappens(u64),
    /// A person's Bluetooth controller wants to be told the time.
    RadioWakes(usize),
}

/// All that is known to come.
#[derive(Default)]
pub(crate) struct Schedule(BinaryHeap<Reverse<(Nanos, Happening)>>);

impl Schedule {
    pub(crate) fn add(&mut self, at: Nanos, what: Happening) {
        self.0.push(Reverse((at, what)));
    }

    /// The next, if it is not after this time.
    pub(crate) fn next(&mut self, until: Nanos) -> Option<(Nanos, Happening)> {
        self.0.peek().filter(|Reverse((at, _))| *at <= until)?;
        self.0.pop().map(|Reverse(next)| next)
    }

    pub(crate) fn join(&mut self, part: Self) {
        self.0.extend(part.0);
    }
}
