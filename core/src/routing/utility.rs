//! What a copy is worth here and now, and how often it may still be halved.
//!
//! Copies are counted by halves, as in binary Spray and Wait (Spyropoulos and others, 2005): each
//! hand-over adds one to the generation of both copies, so that there are about `2^generation` of
//! them, as far as either can know. That count leaks with age: what is old against the time in which
//! acknowledgements come back here (`tau`) has found nobody, and may spread further.

use super::Router;
use super::neighbours::Neighbours;
use crate::envelope::Priority;
use crate::store::SteadyMs;
use std::cmp::Ordering;

/// A copy pushes out another only if it is worth so much more: else full neighbours would trade the
/// same mail for ever.
const HYSTERESIS: f64 = 3.0;
/// Halvings that every envelope may have at once.
const BASE: f64 = 1.0;
/// And so many more towards a neighbour who brings more news than most.
const BRINGER_BONUS: f64 = 2.0;
/// An envelope of this length gets [`BASE`] halvings; each time it is half as long, one more: what
/// counts is delivery per byte.
const BASE_BYTES: f64 = 64.0 * 1024.0;

/// The assumption that a node begins with counts like so many acknowledgements.
const PRIOR_ACKS: f64 = 3.0;
/// With so many, old ones begin to count for less.
const MAX_ACKS: f64 = 1000.0;

/// A copy, as far as routing is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copy {
    pub(crate) priority: Priority,
    pub(crate) generation: u8,
    pub(crate) born: SteadyMs,
    pub(crate) expires: SteadyMs,
    /// When this node got it: now, of what it is about to get.
    pub(crate) taken: SteadyMs,
    /// Of the envelope; of a fragment, of its whole body.
    pub(crate) size_bytes: u64,
}

/// What a copy is worth: the priority class first, then the utility in it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Worth {
    priority: u8,
    utility: f64,
}

impl Worth {
    /// Utilities are never NaN; this orders them all the same.
    pub(crate) fn total_cmp(&self, other: &Self) -> Ordering {
        self.priority.cmp(&other.priority).then(self.utility.total_cmp(&other.utility))
    }
}

/// What a node knows when it weighs copies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook<'a> {
    pub(crate) router: Router,
    pub(crate) now: SteadyMs,
    pub(crate) acks: AckAges,
    pub(crate) neighbours: &'a Neighbours,
}

impl Outlook<'_> {
    /// The worth of a copy to whoever carries it: the chance that this very copy makes the
    /// difference, for its size the same whoever asks.
    pub(crate) fn worth(&self, copy: &Copy) -> Worth {
        let utility = match self.router {
            Router::Carry => {
                let tau_ms = self.tau_ms(copy);
                let left_ms = (copy.expires - self.now).max(0) as f64;
                let leaked = self.age_ms(copy) / tau_ms + small(copy);
                let halved = (f64::from(copy.generation) - leaked).max(0.0);
                (-halved).exp2()
                    * self.neighbours.novelty(copy.taken)
                    * (1.0 - (-left_ms / tau_ms).exp())
            }
            // The oldest goes first, as The ONE has it.
            Router::Direct | Router::Epidemic | Router::Spray(_) => copy.taken as f64,
        };
        Worth { priority: copy.priority as u8, utility }
    }

    /// Whether `new` is worth pushing `old` out for.
    pub(crate) fn replaces(&self, new: Worth, old: Worth) -> bool {
        let is_better = match self.router {
            Router::Carry => new.utility > HYSTERESIS * old.utility,
            // The others give up the oldest for whatever comes.
            Router::Direct | Router::Epidemic | Router::Spray(_) => true,
        };
        new.priority > old.priority || (new.priority == old.priority && is_better)
    }

    /// Whether a copy may be handed to a stranger.
    pub(crate) fn may_spread(&self, copy: &Copy, is_bringer: bool) -> bool {
        if let Some(max) = self.router.max_generation() {
            return copy.generation < max;
        }
        let bonus = if is_bringer { BRINGER_BONUS } else { 0.0 };
        let limit = BASE + small(copy) + bonus + self.age_ms(copy) / self.tau_ms(copy);
        f64::from(copy.generation) < limit
    }

    fn age_ms(&self, copy: &Copy) -> f64 {
        (self.now - copy.born).max(0) as f64
    }

    /// The mean age of acknowledgements; before they have taught better, a quarter of the lifetime.
    fn tau_ms(&self, copy: &Copy) -> f64 {
        let quarter_ms = ((copy.expires - copy.born) as f64 / 4.0).max(1.0);
        let prior = AckAges { sum_ms: PRIOR_ACKS * quarter_ms, count: PRIOR_ACKS };
        let sum_ms = self.acks.sum_ms + prior.sum_ms;
        (sum_ms / (self.acks.count + prior.count)).clamp(1.0, quarter_ms)
    }
}

/// How often a copy may be halved more than a large one, for the same bytes in all.
fn small(copy: &Copy) -> f64 {
    (BASE_BYTES / copy.size_bytes.max(1) as f64).log2().max(0.0)
}

/// The ages at which acknowledgements came by here: recent ones count for more.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct AckAges {
    pub(crate) sum_ms: f64,
    pub(crate) count: f64,
}

impl AckAges {
    pub(crate) fn add(&mut self, age_ms: i64) {
        if self.count >= MAX_ACKS {
            self.sum_ms /= 2.0;
            self.count /= 2.0;
        }
        self.sum_ms += age_ms.max(0) as f64;
        self.count += 1.0;
    }
}
