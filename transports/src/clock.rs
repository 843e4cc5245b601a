//! The only place where Footpost reads a clock.

use footpost_core::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Runs on while the machine sleeps, and nobody can set it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const STEADY: ClockId = ClockId::Boottime;
/// On Apple's systems the monotonic clock itself counts sleep.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const STEADY: ClockId = ClockId::Monotonic;

/// The wall clock, watched for steps.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    steps: StepDetector,
}

impl Clock {
    /// The time, and by how many milliseconds the wall clock was set forward (or back, where
    /// negative) since the last call. Sleep of the machine is no step.
    pub(crate) fn now(&mut self) -> (Timestamp, Option<i64>) {
        let wall_ms = millis(clock_gettime(ClockId::Realtime));
        let steady_ms = millis(clock_gettime(STEADY));
        (Timestamp::from_millis(wall_ms), self.steps.observe(wall_ms, steady_ms))
    }
}

/// A wall clock set to before 1970 counts as 1970: the engine then finds it implausible.
fn millis(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}

/// Tells a clock that was set from time that passed, by comparing it with one that cannot be set.
#[derive(Debug, Default)]
struct StepDetector {
    /// Wall time minus steady time, in milliseconds, since the last step.
    offset_ms: Option<i64>,
}

impl StepDetector {
    /// Less than this is the clock's own correction, not somebody's.
    const TOLERANCE_MS: u64 = 2000;

    fn observe(&mut self, wall_ms: u64, steady_ms: u64) -> Option<i64> {
        let offset_ms = wall_ms.wrapping_sub(steady_ms).cast_signed();
        let step_ms = offset_ms.saturating_sub(*self.offset_ms.get_or_insert(offset_ms));
        if step_ms.unsigned_abs() <= Self::TOLERANCE_MS {
            return None;
        }
        self.offset_ms = Some(offset_ms);
        Some(step_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn time_that_passes_is_no_step_however_long() {
        let mut steps = StepDetector::default();
        assert_eq!(steps.observe(NOW, 5_000), None);
        assert_eq!(steps.observe(NOW + 86_400_000, 86_405_000), None);
    }

    #[test]
    fn a_clock_set_either_way_is_reported_once() {
        let mut steps = StepDetector::default();
        assert_eq!(steps.observe(NOW, 5_000), None);
        assert_eq!(steps.observe(NOW + 3_600_010, 5_010), Some(3_600_000));
        assert_eq!(steps.observe(NOW + 3_600_020, 5_020), None);
        assert_eq!(steps.observe(0, 5_030), Some(-3_600_030 - NOW.cast_signed()));
        assert_eq!(steps.observe(10, 5_040), None);
    }

    #[test]
    fn corrections_up_to_two_seconds_are_not_reported_but_add_up() {
        let mut steps = StepDetector::default();
        assert_eq!(steps.observe(NOW, 0), None);
        assert_eq!(steps.observe(NOW + 2000, 0), None);
        assert_eq!(steps.observe(NOW + 2001, 0), Some(2001));
    }

    #[test]
    fn the_real_clocks_agree_with_each_other() {
        let mut clock = Clock::default();
        let (first, step) = clock.now();
        assert!(first.is_plausible());
        assert_eq!(step, None);
        let (second, step) = clock.now();
        assert!(second >= first);
        assert_eq!(step, None);
    }
}
