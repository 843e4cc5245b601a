//! How things are measured: interleaved, warmed up, by medians.
//!
//! Other work on the machine comes and goes. It meets both sides of a pair alike where the sides
//! alternate in small portions, and a median passes over the pairs that it met on one side only.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The middle of several measurements, and how far they spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    /// The lower and the upper quartile, or the extremes where a figure says so.
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) n: usize,
}

impl Summary {
    /// Median and quartiles of `values`, of which there is at least one.
    pub(crate) fn quartiles(values: impl IntoIterator<Item = f64>) -> Self {
        Self::at(values, |last| (last / 4, last - last / 4))
    }

    /// Median and extremes.
    pub(crate) fn extremes(values: impl IntoIterator<Item = f64>) -> Self {
        Self::at(values, |last| (0, last))
    }

    fn at(values: impl IntoIterator<Item = f64>, ends: impl Fn(usize) -> (usize, usize)) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        let (low, high) = ends(last);
        Self { median: values[last / 2], low: values[low], high: values[high], n: values.len() }
    }
}

/// Ours beside the bare primitives.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    /// Ours divided by bare, pair by pair.
    pub(crate) ratio: Summary,
    pub(crate) ours: Duration,
    pub(crate) bare: Duration,
}

impl Comparison {
    /// `pairs` holds ours first.
    pub(crate) fn of(pairs: &[(Duration, Duration)]) -> Self {
        let median = |side: fn(&(Duration, Duration)) -> Duration| {
            let seconds = Summary::quartiles(pairs.iter().map(|pair| side(pair).as_secs_f64()));
            Duration::from_secs_f64(seconds.median)
        };
        let ratios = pairs.iter().map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64());
        Self { ratio: Summary::quartiles(ratios), ours: median(|p| p.0), bare: median(|p| p.1) }
    }

    /// The absolute times, of which a portion has `portion`.
    pub(crate) fn note(&self, portion: u32) -> String {
        let [ours, bare] = [self.ours, self.bare].map(|time| (time / portion).as_secs_f64() * 1e6);
        format!("{ours:.0} µs against {bare:.0} µs")
    }
}

/// Runs both sides in turn, `n` times after a warm-up; who begins alternates too. `clock` tells how
/// much has passed: [`cpu_time`] for what only computes, [`elapsed`] for what also waits.
pub(crate) fn interleave(
    n: usize,
    clock: fn() -> Duration,
    mut ours: impl FnMut(),
    mut bare: impl FnMut(),
) -> Vec<(Duration, Duration)> {
    ours();
    bare();
    let timed = |work: &mut dyn FnMut()| {
        let start = clock();
        work();
        clock().saturating_sub(start)
    };
    let pair = |turn: usize| {
        if turn.is_multiple_of(2) {
            let ours = timed(&mut ours);
            (ours, timed(&mut bare))
        } else {
            let bare = timed(&mut bare);
            (timed(&mut ours), bare)
        }
    };
    (0..n).map(pair).collect()
}

/// The CPU time of this thread so far.
pub(crate) fn cpu_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// The time since some moment in the past.
pub(crate) fn elapsed() -> Duration {
    read(ClockId::Monotonic)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(now.tv_nsec.unsigned_abs())
}
