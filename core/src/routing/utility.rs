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
const BASE_BYTES: f64 = 256.0 * 1024.0;

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
    /// The same in the lowest class.
    pub(crate) fn demoted(self) -> Self {
        Self { priority: Priority::Low as u8, ..self }
    }

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
    /// The worth of a copy to whoever carries it: how much this very copy is likely to matter.
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 60 * 60 * 1000;

    fn copy(generation: u8, age_ms: i64, size_bytes: u64) -> Copy {
        let (priority, born) = (Priority::Normal, -age_ms);
        Copy { priority, generation, born, expires: born + 8 * HOUR_MS, taken: 0, size_bytes }
    }

    fn outlook(router: Router, neighbours: &Neighbours) -> Outlook<'_> {
        Outlook { router, now: 0, acks: AckAges::default(), neighbours }
    }

    #[test]
    fn a_copy_is_halved_as_far_as_its_age_allows() {
        let neighbours = Neighbours::default();
        let carry = outlook(Router::Carry, &neighbours);
        let large = 1 << 20;
        assert!(carry.may_spread(&copy(0, 0, large), false));
        assert!(!carry.may_spread(&copy(1, 0, large), false));
        assert!(carry.may_spread(&copy(1, 1, large), false), "older");
        assert!(
            carry.may_spread(&copy(3, 4 * HOUR_MS + 1, large), false),
            "two quarters of its life"
        );
        assert!(!carry.may_spread(&copy(4, 4 * HOUR_MS, large), false));
        assert!(carry.may_spread(&copy(2, 0, large), true), "to a bringer");
        assert!(carry.may_spread(&copy(5, 0, 2048), false), "small");
        let spray = outlook(Router::Spray(8), &neighbours);
        assert!(
            spray.may_spread(&copy(2, 0, 1), false) && !spray.may_spread(&copy(3, 0, 1), false)
        );
        assert!(!outlook(Router::Direct, &neighbours).may_spread(&copy(0, 0, 1), true));
        assert!(outlook(Router::Epidemic, &neighbours).may_spread(&copy(200, 0, 1), false));
    }

    #[test]
    fn early_acknowledgements_make_copies_spread_sooner() {
        let neighbours = Neighbours::default();
        let mut carry = outlook(Router::Carry, &neighbours);
        let held = copy(2, HOUR_MS, 1 << 20);
        assert!(!carry.may_spread(&held, false));
        for _ in 0..50 {
            carry.acks.add(HOUR_MS / 4);
        }
        assert!(carry.may_spread(&held, false));
    }

    #[test]
    fn only_what_is_worth_far_more_makes_others_leave() {
        let neighbours = Neighbours::default();
        let carry = outlook(Router::Carry, &neighbours);
        let worth = |generation, age_ms| carry.worth(&copy(generation, age_ms, 1 << 20));
        assert!(carry.replaces(worth(0, 0), worth(2, 0)), "four times");
        assert!(!carry.replaces(worth(0, 0), worth(1, 0)), "twice");
        assert!(!carry.replaces(worth(2, 0), worth(0, 0)));
        let urgent = Copy { priority: Priority::Urgent, ..copy(9, 0, 1 << 20) };
        assert!(carry.replaces(carry.worth(&urgent), worth(0, 0)));
        assert!(!carry.replaces(worth(0, 0), carry.worth(&urgent)));
        let ending = worth(0, 8 * HOUR_MS - 1000);
        assert!(carry.replaces(worth(3, 4 * HOUR_MS), ending), "it ends in a second");
    }
}
