//! How long to wait before the next attempt.

use rand_core::Rng;
use std::time::Duration;

/// The ceiling of the first delay.
pub(crate) const FIRST: Duration = Duration::from_secs(1);
/// The ceiling of every later delay.
const LONGEST: Duration = Duration::from_mins(5);

/// Exponential back-off with equal jitter: each delay is drawn from the upper half of a ceiling
/// that doubles, so that neighbours which lost each other at once do not return at once.
#[derive(Debug)]
pub(crate) struct Backoff<R> {
    rng: R,
    failures: u32,
}

impl<R: Rng> Backoff<R> {
    pub(crate) fn new(rng: R) -> Self {
        Self { rng, failures: 0 }
    }

    /// The delay before the next attempt. Each call counts as one more failure.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let delay = delay(self.failures, &mut self.rng);
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// Forgets the failures: an attempt succeeded for good.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The delay after so many failures before the last.
pub(crate) fn delay(failures: u32, rng: &mut impl Rng) -> Duration {
    let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
    let ceiling = FIRST.saturating_mul(factor).min(LONGEST);
    let fraction = f64::from(rng.next_u32()) / f64::from(u32::MAX);
    ceiling.mul_f64(0.5 + fraction / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    fn backoff() -> Backoff<ChaCha8Rng> {
        Backoff::new(ChaCha8Rng::seed_from_u64(7))
    }

    #[test]
    fn delays_double_up_to_the_longest_and_stay_in_the_upper_half() {
        let mut backoff = backoff();
        let mut ceiling = Duration::from_secs(1);
        for _ in 0..100 {
            let delay = backoff.next_delay();
            assert!(delay >= ceiling / 2 && delay <= ceiling, "{delay:?} of {ceiling:?}");
            ceiling = (ceiling * 2).min(Duration::from_mins(5));
        }
    }

    #[test]
    fn a_success_starts_over() {
        let mut backoff = backoff();
        for _ in 0..5 {
            backoff.next_delay();
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_secs(1));
    }

    #[test]
    fn jitter_differs_between_seeds_and_replays_from_one() {
        let mut other = Backoff::new(ChaCha8Rng::seed_from_u64(8));
        assert_ne!(backoff().next_delay(), other.next_delay());
        assert_eq!(backoff().next_delay(), backoff().next_delay());
    }
}
