//! How often groups are formed, and with whom: a neighbour that keeps asking, or never comes, must
//! not keep a radio busy. Pure.

use footpost_core::NeighbourKey;
use rand_core::Rng;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

const HOUR: Duration = Duration::from_hours(1);
/// Groups begun within an hour, in all.
const PER_HOUR: usize = 20;
/// With one and the same neighbour.
const PER_NEIGHBOUR: usize = 6;
/// With all who are no contacts: keys cost a stranger nothing.
const WITH_STRANGERS: usize = 6;
/// The first pause after a failure; each further one doubles it, up to an hour.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// Between two groups that went well.
const PAUSE: Duration = Duration::from_secs(10);
/// Neighbours remembered: more cannot have been met within their hour's budget.
const MAX_REMEMBERED: usize = 64;

/// What was begun, and how it went.
#[derive(Debug, Default)]
pub(super) struct Budget {
    begun: VecDeque<Begun>,
    paused: BTreeMap<NeighbourKey, Pause>,
}

#[derive(Debug)]
struct Begun {
    at: Duration,
    with: NeighbourKey,
    is_contact: bool,
}

#[derive(Debug)]
struct Pause {
    until: Duration,
    failures: u32,
}

impl Budget {
    /// Whether to propose a group to this neighbour.
    pub(super) fn proposes(&self, now: Duration, with: NeighbourKey, is_contact: bool) -> bool {
        self.paused.get(&with).is_none_or(|pause| pause.until <= now)
            && self.allows(now, with, is_contact)
    }

    /// Whether to take part in one: who proposes has waited as long as it should, or has not and uses
    /// up its share.
    pub(super) fn allows(&self, now: Duration, with: NeighbourKey, is_contact: bool) -> bool {
        let recent = || self.begun.iter().filter(move |it| it.at + HOUR > now);
        let strangers = recent().filter(|it| !it.is_contact).count();
        recent().count() < PER_HOUR
            && recent().filter(|it| it.with == with).count() < PER_NEIGHBOUR
            && (is_contact || strangers < WITH_STRANGERS)
    }

    /// A proposal was made or accepted.
    pub(super) fn begin(&mut self, now: Duration, with: NeighbourKey, is_contact: bool) {
        self.begun.push_back(Begun { at: now, with, is_contact });
        if self.begun.len() > PER_HOUR {
            self.begun.pop_front();
        }
    }

    /// It came to something.
    pub(super) fn succeeded(&mut self, now: Duration, with: NeighbourKey) {
        self.pause(with, Pause { until: now + PAUSE, failures: 0 });
    }

    /// It came to nothing.
    pub(super) fn failed(&mut self, now: Duration, with: NeighbourKey, rng: &mut impl Rng) {
        let failures = self.paused.get(&with).map_or(0, |pause| pause.failures);
        let most = (FIRST_PAUSE * (1 << failures.min(7))).min(HOUR);
        // Between half of it and the whole: two that failed together do not try together.
        let share = f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let until = now + most.mul_f64(0.5 + share / 2.0);
        self.pause(with, Pause { until, failures: failures + 1 });
    }

    fn pause(&mut self, with: NeighbourKey, pause: Pause) {
        self.paused.insert(with, pause);
        if self.paused.len() > MAX_REMEMBERED
            && let Some(first) =
                self.paused.iter().min_by_key(|(_, pause)| pause.until).map(|(key, _)| *key)
        {
            self.paused.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    const MINUTE: Duration = Duration::from_mins(1);

    fn key(n: u8) -> NeighbourKey {
        NeighbourKey([n; 32])
    }

    #[test]
    fn one_neighbour_gets_its_share_of_an_hour() {
        let mut budget = Budget::default();
        let mut begun = 0;
        for minute in 0..60 {
            let now = MINUTE * minute;
            if budget.allows(now, key(1), true) {
                budget.begin(now, key(1), true);
                begun += 1;
            }
        }
        assert_eq!(begun, PER_NEIGHBOUR);
        assert!(budget.allows(HOUR, key(1), true), "the first is over");
        assert!(budget.allows(MINUTE, key(2), true), "another one");
    }

    #[test]
    fn strangers_with_ever_new_keys_leave_room_for_contacts() {
        let mut budget = Budget::default();
        let mut begun = 0;
        for n in 0..200 {
            if budget.allows(MINUTE, key(n), false) {
                budget.begin(MINUTE, key(n), false);
                begun += 1;
            }
        }
        assert_eq!(begun, WITH_STRANGERS);
        assert!(budget.allows(MINUTE, key(0), true));
    }

    #[test]
    fn who_fails_again_and_again_waits_ever_longer_up_to_an_hour() {
        let (mut budget, mut rng) = (Budget::default(), ChaCha20Rng::seed_from_u64(1));
        let (mut now, mut last) = (Duration::ZERO, Duration::ZERO);
        for failure in 0..12 {
            budget.failed(now, key(1), &mut rng);
            let until = budget.paused[&key(1)].until.saturating_sub(now);
            let most = (FIRST_PAUSE * (1 << failure.min(7))).min(HOUR);
            assert!(until >= most / 2 && until <= most, "{until:?} after {failure}");
            assert!(until > last / 2);
            assert!(!budget.proposes(now, key(1), true));
            assert!(budget.proposes(now + until, key(1), true));
            (now, last) = (now + until, until);
        }
        budget.succeeded(now, key(1));
        assert!(budget.proposes(now + PAUSE, key(1), true));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut budget, mut rng) = (Budget::default(), ChaCha20Rng::seed_from_u64(1));
        for n in 0..=255 {
            budget.failed(MINUTE * u32::from(n), key(n), &mut rng);
            budget.begin(MINUTE * u32::from(n), key(n), false);
        }
        assert_eq!((budget.paused.len(), budget.begun.len()), (MAX_REMEMBERED, PER_HOUR));
        assert!(budget.paused.contains_key(&key(255)), "the latest are kept");
    }
}
