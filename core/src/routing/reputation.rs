//! Who keeps what it is given: a Beta estimate (Jøsang and Ismail's beta reputation system, 2002) of
//! the share of handed-over envelopes that a neighbour still has, or has delivered, when it is asked.
//!
//! It is weighed against the mean of all neighbours: under pressure honest carriers evict too, and
//! nobody is worse for doing what everybody must.

use crate::store::SteadyMs;
use crate::time::DAY_MS;

/// Evidence so old counts for half.
const HALF_LIFE_MS: f64 = 7.0 * DAY_MS as f64;
/// A neighbour begins with the mean, as if it had been asked so often.
const PRIOR: f64 = 2.0;
/// Whose share is below this part of the mean is handed nothing.
const LEAST: f64 = 0.5;
/// So much evidence is worth something: of one envelope, a week old.
const PROVEN: f64 = 0.5;
/// A lie is no accident.
const LIE: f64 = 4.0;
/// An acknowledgement of what nobody else can have brought on shows more than storage.
const FORWARDED: f64 = 2.0;

/// What a question about one envelope has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is there; `again`: as it was when last asked for.
    Kept { again: bool },
    /// Its acknowledgement has come back; `again`: it was seen there before.
    Delivered { again: bool },
    /// It is gone, and nobody has acknowledged it; `again`: though it was seen there before.
    Lost { again: bool },
    /// What was shown is not what was handed over.
    Lied,
    /// It was acknowledged, and no other carrier had it from here.
    Forwarded,
}

/// Evidence about one neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Reputation {
    pub(crate) good: f64,
    pub(crate) bad: f64,
    /// When it was last written down: it has decayed since.
    pub(crate) judged: SteadyMs,
}

impl Reputation {
    /// One envelope counts once: for as long as the neighbour was last known to have it.
    pub(crate) fn judge(&mut self, now: SteadyMs, verdict: Verdict) {
        *self = self.at(now);
        match verdict {
            Verdict::Kept { again } | Verdict::Delivered { again } => {
                self.good += f64::from(u8::from(!again));
            }
            Verdict::Lost { again } => {
                self.bad += 1.0;
                self.good = (self.good - f64::from(u8::from(again))).max(0.0);
            }
            Verdict::Lied => self.bad += LIE,
            Verdict::Forwarded => self.good += FORWARDED,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let now = self.judged.max(other.judged);
        let (own, other) = (self.at(now), other.at(now));
        *self = Self { good: own.good + other.good, bad: own.bad + other.bad, judged: now };
    }

    /// Whether the neighbour keeps nearly as much as others do.
    pub(crate) fn suffices(&self, now: SteadyMs, mean: f64) -> bool {
        self.relative(now, mean) >= LEAST
    }

    /// The share that it keeps, as a part of the mean.
    pub(crate) fn relative(&self, now: SteadyMs, mean: f64) -> f64 {
        let Self { good, bad, .. } = self.at(now);
        (good + PRIOR * mean) / (good + bad + PRIOR) / mean
    }

    /// Whether it has ever kept anything, as far as that counts still.
    pub(crate) fn is_proven(&self, now: SteadyMs) -> bool {
        self.at(now).good >= PROVEN
    }

    fn at(&self, now: SteadyMs) -> Self {
        let halvings = (now - self.judged).max(0) as f64 / HALF_LIFE_MS;
        let left = (-halvings).exp2();
        Self { good: self.good * left, bad: self.bad * left, judged: now.max(self.judged) }
    }
}

/// The share that neighbours keep. Each has one voice at most, however much there is to say of it: a
/// single one cannot make losing mail look usual.
pub(crate) fn mean<'a>(all: impl Iterator<Item = &'a Reputation>) -> f64 {
    // One neighbour that keeps everything is assumed.
    let (kept, voices) = all.fold((1.0, 1.0), |(kept, voices), it| {
        let asked = it.good + it.bad;
        (kept + it.good / (asked + PRIOR), voices + asked / (asked + PRIOR))
    });
    kept / voices
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK_MS: i64 = 7 * DAY_MS as i64;
    const KEPT: Verdict = Verdict::Kept { again: false };
    const LOST: Verdict = Verdict::Lost { again: false };

    fn judged(verdicts: &[Verdict]) -> Reputation {
        let mut reputation = Reputation::default();
        for verdict in verdicts {
            reputation.judge(0, *verdict);
        }
        reputation
    }

    #[test]
    fn three_losses_suffice_against_a_newcomer_and_time_mends_them() {
        assert!(judged(&[]).suffices(0, 1.0));
        assert!(judged(&[LOST; 2]).suffices(0, 1.0) && !judged(&[LOST; 3]).suffices(0, 1.0));
        assert!(judged(&[LOST; 3]).suffices(WEEK_MS, 1.0));
        assert!(!judged(&[Verdict::Lied]).suffices(0, 1.0));
    }

    #[test]
    fn nobody_is_worse_for_losing_what_all_lose() {
        let poor = judged(&[KEPT, KEPT, LOST, LOST, LOST, LOST, LOST, LOST]);
        assert!(!poor.suffices(0, 1.0) && poor.suffices(0, mean([poor; 50].iter())));
        // One neighbour alone does not make it usual.
        let liar = judged(&[LOST; 1000]);
        assert!(!liar.suffices(0, mean([liar, judged(&[KEPT; 9])].iter())));
    }

    #[test]
    fn one_envelope_counts_once_and_only_while_it_is_there() {
        let mut farmer = judged(&[KEPT]);
        for _ in 0..100 {
            farmer.judge(0, Verdict::Kept { again: true });
        }
        assert_eq!(farmer, judged(&[KEPT]));
        farmer.judge(0, Verdict::Lost { again: true });
        assert_eq!((farmer.good, farmer.bad), (0.0, 1.0));
    }

    #[test]
    fn what_was_seen_as_two_is_one() {
        let mut contact = judged(&[KEPT; 4]);
        contact.judge(WEEK_MS, LOST);
        contact.merge(&judged(&[LOST; 2]));
        assert_eq!((contact.good, contact.bad, contact.judged), (2.0, 2.0, WEEK_MS));
    }
}
