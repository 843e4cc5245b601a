//! What a copy is worth here and now, and how often it may still be halved.
//!
//! Copies are counted by halves, as in binary Spray and Wait (Spyropoulos and others, 2005): each
//! hand-over adds one to the generation of both copies, so that there are about `2^generation` of
//! them, as far as either can know. That count leaks with age: what is old against the time in which
//! acknowledgements come back here (`tau`) has found nobody, and may spread further.

use super::Router;
use super::mailboxes::{Mailboxes, Tag, Told};
use super::neighbours::Neighbours;
use crate::envelope::Priority;
use crate::store::SteadyMs;
use std::cmp::Ordering;

/// A copy pushes out another only if it is worth so much more: else full neighbours would trade the
/// same mail for ever.
const HYSTERESIS: f64 = 3.0;
/// Halvings that every envelope may have: two at once, and the third when it is 0.7 `tau` old.
const BASE: f64 = 1.3;
/// And so many more towards a neighbour who brings more news than most.
const BRINGER_BONUS: f64 = 2.0;
/// One more towards a neighbour who has met its recipient later, by this share of its lifetime and more;
/// and it goes before others of so many times its worth.
const NEARER_BONUS: f64 = 1.0;
const NEARER_SHARE: f64 = 0.02;
const NEARER_FACTOR: f64 = 2.0;
/// A body of this length gets [`BASE`] halvings; each time it is half as long, one more: what counts is
/// delivery per byte. Letters have room for more: who reads a body knows it by its letter.
const BODY_BYTES: f64 = 256.0 * 1024.0;
const LETTER_BYTES: f64 = 8.0 * BODY_BYTES;

/// The assumption that a node begins with counts like so many acknowledgements.
const PRIOR_ACKS: f64 = 3.0;
/// With so many, old ones begin to count for less.
const MAX_ACKS: f64 = 1000.0;

/// A copy, as far as routing is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copy {
    pub(crate) priority: Priority,
    /// Of the recipient's mailbox, or of nobody's.
    pub(crate) tag: Tag,
    pub(crate) generation: u8,
    pub(crate) born: SteadyMs,
    pub(crate) expires: SteadyMs,
    /// When this node got it: now, of what it is about to get.
    pub(crate) taken: SteadyMs,
    /// Of a fragment, of its whole body; of a letter, as [`letter_size_bytes`] has it.
    pub(crate) size_bytes: u64,
    /// Whether it is a fragment.
    pub(crate) is_fragment: bool,
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
    pub(crate) mailboxes: &'a Mailboxes,
}

/// Who a copy may go to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer<'a> {
    /// Whether it brings more news than most.
    pub(crate) is_bringer: bool,
    pub(crate) told: &'a Told,
}

impl Outlook<'_> {
    /// The worth of a copy to whoever carries it: how much this very copy is likely to matter.
    pub(crate) fn worth(&self, copy: &Copy) -> Worth {
        let utility = match self.router {
            _ if self.mailboxes.are_own(copy.tag) => f64::INFINITY,
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
            Router::Direct | Router::Epidemic | Router::Spray(_) | Router::Prophet => {
                copy.taken as f64
            }
            Router::MaxProp => self.mailboxes.rank(copy.tag, copy.generation),
        };
        Worth { priority: copy.priority as u8, utility }
    }

    /// Whether `new` is worth pushing `old` out for.
    pub(crate) fn replaces(&self, new: Worth, old: Worth) -> bool {
        let is_better = match self.router {
            Router::Carry => new.utility > HYSTERESIS * old.utility,
            // The others give up the oldest for whatever comes.
            Router::Direct | Router::Epidemic | Router::Spray(_) => true,
            // Of whole bodies one never leaves for more of itself.
            Router::Prophet | Router::MaxProp => new.utility > old.utility,
        };
        new.priority > old.priority || (new.priority == old.priority && is_better)
    }

    /// Whether a copy may be handed to this neighbour.
    pub(crate) fn may_spread(&self, copy: &Copy, peer: Peer<'_>) -> bool {
        match self.router {
            _ if peer.told.is_reader(copy.tag) => true,
            Router::Carry => {
                let bringer = if peer.is_bringer { BRINGER_BONUS } else { 0.0 };
                let nearer = if self.is_nearer(copy, peer) { NEARER_BONUS } else { 0.0 };
                let old = self.age_ms(copy) / self.tau_ms(copy);
                f64::from(copy.generation) < BASE + small(copy) + bringer + nearer + old
            }
            Router::Direct => false,
            Router::Epidemic | Router::MaxProp => true,
            Router::Spray(copies) => {
                u32::from(copy.generation) < u32::BITS - copies.saturating_sub(1).leading_zeros()
            }
            Router::Prophet => self.mailboxes.is_likelier(peer.told, copy.tag, self.now),
        }
    }

    /// How soon it is this copy's turn at this neighbour: what the neighbour is the reader of first.
    pub(crate) fn appeal(&self, copy: &Copy, peer: Peer<'_>) -> Worth {
        let Worth { priority, utility } = self.worth(copy);
        let utility = match self.router {
            _ if peer.told.is_reader(copy.tag) => f64::INFINITY,
            Router::Carry if self.is_nearer(copy, peer) => NEARER_FACTOR * utility,
            // The forwarding strategy `GRTRMax`.
            Router::Prophet => peer.told.value(copy.tag).unwrap_or_default().into(),
            _ => utility,
        };
        Worth { priority, utility }
    }

    /// The same of a letter, as far as the router cares: else the least copied go first.
    pub(crate) fn letter_rank(&self, copy: &Copy, peer: Peer<'_>) -> u32 {
        match self.router {
            _ if peer.told.is_reader(copy.tag) => u32::MAX,
            Router::Carry => self.is_nearer(copy, peer).into(),
            Router::Prophet => peer.told.value(copy.tag).unwrap_or_default().into(),
            // Ranks are positive: their bits have their order.
            Router::MaxProp => (self.mailboxes.rank(copy.tag, copy.generation) as f32).to_bits(),
            Router::Direct | Router::Epidemic | Router::Spray(_) => 0,
        }
    }

    fn is_nearer(&self, copy: &Copy, peer: Peer<'_>) -> bool {
        let by_ms = ((copy.expires - copy.born) as f64 * NEARER_SHARE) as i64;
        self.mailboxes.is_nearer(peer.told, copy.tag, by_ms, self.now)
    }

    fn age_ms(&self, copy: &Copy) -> f64 {
        (self.now - copy.born).max(0) as f64
    }

    /// The mean age of acknowledgements; before they have taught better, a quarter of the lifetime.
    fn tau_ms(&self, copy: &Copy) -> f64 {
        let quarter_ms = ((copy.expires - copy.born) as f64 / 4.0).max(1.0);
        let acks = if copy.is_fragment { self.acks.bodies } else { self.acks.letters };
        let sum_ms = acks.sum_ms + PRIOR_ACKS * quarter_ms;
        (sum_ms / (acks.count + PRIOR_ACKS)).clamp(1.0, quarter_ms)
    }
}

/// A letter counts as long as this part of all letters that have come under its postmark, if it is
/// shorter: who writes much spreads each less.
const POSTMARK_PART: u64 = 4;
/// More than this under one postmark, which is good for a day, is much.
pub(crate) const MANY_BYTES: u64 = 16 * 1024;

/// What a letter counts as, of all that came under its postmark: of many, in proportion to the third power
/// of what they are together. So who writes more spreads each less, and all of them less than some.
pub(crate) fn letter_size_bytes(size_bytes: u64, postmark_bytes: u64) -> u64 {
    let many = postmark_bytes.saturating_mul(postmark_bytes) / MANY_BYTES / MANY_BYTES;
    let postmark_bytes = postmark_bytes.saturating_mul(many.max(1));
    size_bytes.max(postmark_bytes / POSTMARK_PART)
}

/// How often a copy may be halved more than a large one, for the same bytes in all.
fn small(copy: &Copy) -> f64 {
    let bytes = if copy.is_fragment { BODY_BYTES } else { LETTER_BYTES };
    (bytes / copy.size_bytes.max(1) as f64).log2().max(0.0)
}

/// The ages at which acknowledgements came by here. Bodies take longer than letters, which would
/// make them spread too soon.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct AckAges {
    pub(crate) letters: Ages,
    pub(crate) bodies: Ages,
}

/// A mean in which recent ages count for more.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Ages {
    pub(crate) sum_ms: f64,
    pub(crate) count: f64,
}

impl Ages {
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
    use crate::routing::Gossip;

    const HOUR_MS: i64 = 60 * 60 * 1000;

    fn copy(generation: u8, age_ms: i64, size_bytes: u64) -> Copy {
        let (priority, born) = (Priority::Normal, -age_ms);
        Copy {
            priority,
            tag: Tag(1),
            generation,
            born,
            expires: born + 8 * HOUR_MS,
            taken: 0,
            size_bytes,
            is_fragment: size_bytes > 1 << 16,
        }
    }

    static SILENT: Told = Told::SILENT;

    fn outlook<'a>(
        router: Router,
        neighbours: &'a Neighbours,
        mailboxes: &'a Mailboxes,
    ) -> Outlook<'a> {
        Outlook { router, now: 0, acks: AckAges::default(), neighbours, mailboxes }
    }

    fn stranger(is_bringer: bool) -> Peer<'static> {
        Peer { is_bringer, told: &SILENT }
    }

    #[test]
    fn a_copy_is_halved_as_far_as_its_age_allows() {
        let neighbours = Neighbours::default();
        let none = Mailboxes::new(Router::Carry, false);
        let carry = outlook(Router::Carry, &neighbours, &none);
        let large = 1 << 20;
        assert!(carry.may_spread(&copy(0, 0, large), stranger(false)));
        assert!(carry.may_spread(&copy(1, 0, large), stranger(false)));
        assert!(!carry.may_spread(&copy(2, HOUR_MS, large), stranger(false)));
        assert!(carry.may_spread(&copy(2, 2 * HOUR_MS, large), stranger(false)), "older");
        assert!(
            carry.may_spread(&copy(3, 4 * HOUR_MS, large), stranger(false)),
            "two quarters of its life"
        );
        assert!(!carry.may_spread(&copy(4, 4 * HOUR_MS, large), stranger(false)));
        assert!(carry.may_spread(&copy(2, 0, large), stranger(true)), "to a bringer");
        assert!(carry.may_spread(&copy(5, 0, 2048), stranger(false)), "small");
        let spray = outlook(Router::Spray(8), &neighbours, &none);
        assert!(
            spray.may_spread(&copy(2, 0, 1), stranger(false))
                && !spray.may_spread(&copy(3, 0, 1), stranger(false))
        );
        assert!(
            !outlook(Router::Direct, &neighbours, &none).may_spread(&copy(0, 0, 1), stranger(true))
        );
        assert!(
            outlook(Router::Epidemic, &neighbours, &none)
                .may_spread(&copy(200, 0, 1), stranger(false))
        );
    }

    #[test]
    fn who_met_the_recipient_later_gets_one_more_and_the_recipient_all() {
        let neighbours = Neighbours::default();
        let mut mailboxes = Mailboxes::new(Router::Carry, true);
        let (mut seen, mut told) = (Told::default(), Told::default());
        let minutes = 60_000;
        assert!(mailboxes.hear(&mut seen, Gossip::Own(vec![Tag(1)]), -15 * minutes));
        // Five minutes ago: ten minutes later than here, a fiftieth of eight hours and a bit.
        assert!(mailboxes.hear(&mut told, Gossip::Met(vec![(Tag(1), 5 * 60 / 16)]), 0));
        let large = 1 << 20;
        let nearer = |mailboxes: &Mailboxes| {
            let carry = outlook(Router::Carry, &neighbours, mailboxes);
            let peer = Peer { is_bringer: false, told: &told };
            let (worth, appeal) =
                (carry.worth(&copy(0, 0, large)), carry.appeal(&copy(0, 0, large), peer));
            assert!(!carry.may_spread(&copy(3, 0, large), peer), "a claim buys no more");
            assert_eq!(appeal > worth, carry.may_spread(&copy(2, 0, large), peer));
            appeal > worth
        };
        assert!(nearer(&mailboxes));
        assert!(mailboxes.hear(&mut seen, Gossip::Own(Vec::new()), -14 * minutes));
        assert!(!nearer(&mailboxes), "nine minutes later");
        let carry = outlook(Router::Carry, &neighbours, &mailboxes);
        let reader = Peer { is_bringer: false, told: &seen };
        assert!(carry.may_spread(&copy(200, 0, large), reader));
        assert!(
            carry.replaces(carry.appeal(&copy(200, 0, large), reader), carry.worth(&copy(0, 0, 1)))
        );
    }

    #[test]
    fn prophet_goes_by_predictabilities_and_lets_the_oldest_go() {
        let neighbours = Neighbours::default();
        let mut mailboxes = Mailboxes::new(Router::Prophet, true);
        let (mut seen, mut told) = (Told::default(), Told::default());
        assert!(mailboxes.hear(&mut seen, Gossip::Own(vec![Tag(1)]), 0));
        assert!(mailboxes.hear(&mut told, Gossip::Predictabilities(vec![(Tag(1), 32_000)]), 0));
        let prophet = outlook(Router::Prophet, &neighbours, &mailboxes);
        let peer = |told| Peer { is_bringer: false, told };
        // 0.495 here, and 0.488 there.
        assert!(!prophet.may_spread(&copy(0, 0, 1), peer(&told)));
        let other = Copy { tag: Tag(2), ..copy(0, 0, 1) };
        assert!(!prophet.may_spread(&other, peer(&told)), "neither knows of it");
        assert!(prophet.appeal(&copy(0, 0, 1), peer(&told)) > prophet.appeal(&other, peer(&told)));
        let mut told = Told::default();
        assert!(mailboxes.hear(&mut told, Gossip::Predictabilities(vec![(Tag(1), 33_000)]), 0));
        let prophet = outlook(Router::Prophet, &neighbours, &mailboxes);
        assert!(prophet.may_spread(&copy(0, 0, 1), peer(&told)), "0.504 there");
        let old = Copy { taken: -1, ..copy(0, 0, 1) };
        assert!(prophet.replaces(prophet.worth(&copy(9, 9, 1)), prophet.worth(&old)));
        assert!(!prophet.replaces(prophet.worth(&old), prophet.worth(&old)));
    }

    #[test]
    fn early_acknowledgements_make_copies_spread_sooner() {
        let neighbours = Neighbours::default();
        let none = Mailboxes::new(Router::Carry, false);
        let mut carry = outlook(Router::Carry, &neighbours, &none);
        let held = copy(2, HOUR_MS, 1 << 20);
        assert!(!carry.may_spread(&held, stranger(false)));
        for _ in 0..50 {
            carry.acks.bodies.add(HOUR_MS / 4);
        }
        assert!(carry.may_spread(&held, stranger(false)));
        let letter = Copy { is_fragment: false, generation: 3, ..held };
        assert!(!carry.may_spread(&letter, stranger(false)), "of bodies only");
    }

    #[test]
    fn who_writes_much_spreads_no_more_in_all() {
        assert_eq!(letter_size_bytes(1500, 1500), 1500);
        assert_eq!(letter_size_bytes(1500, 12_000), 3000);
        assert_eq!(letter_size_bytes(1500, 4 * MANY_BYTES), 16 * MANY_BYTES);
        // Copies are in inverse proportion to what a letter counts as.
        let spread_bytes = |letters: u64| letters as f64 / letter_size_bytes(1, letters) as f64;
        assert!(spread_bytes(64 * MANY_BYTES) < spread_bytes(8 * MANY_BYTES));
        assert!(letter_size_bytes(1, u64::MAX) >= u64::MAX / POSTMARK_PART);
    }

    #[test]
    fn only_what_is_worth_far_more_makes_others_leave() {
        let neighbours = Neighbours::default();
        let none = Mailboxes::new(Router::Carry, false);
        let carry = outlook(Router::Carry, &neighbours, &none);
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
