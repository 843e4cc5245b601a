//! Two times: the wall's, for the calendar, and the node's own steady one, for ages and deadlines.
//!
//! In a disaster clocks are wrong and get set. Steady time runs with the wall clock but takes no
//! part in its jumps: it never goes back, and what the driver reports as a step does not move it.

use crate::store::SteadyMs;
use crate::time::Timestamp;

/// One moment in both times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) steady: SteadyMs,
}

/// The year 9999. No later wall time is believed, so that sums of times stay within range.
const END_OF_TIME: Timestamp = Timestamp(253_370_764_800_000);

#[derive(Debug)]
pub(crate) struct Clock {
    /// Steady time minus wall time.
    lead_ms: i64,
    latest: Moment,
    /// Steady time that has passed in running processes.
    running_ms: i64,
    is_fresh: bool,
    /// What the store knows: lead and latest wall time.
    saved: (i64, Timestamp),
}

/// The store learns of the passing time this often; of a step at once.
const SAVE_EVERY_MS: u64 = 60 * 60 * 1000;

impl Clock {
    /// Goes on where the store left off. Time that passed while the node was off counts; a clock
    /// that was set back meanwhile counts as no time.
    pub(crate) fn resume(lead_ms: i64, wall_seen: Timestamp, running_ms: i64) -> Self {
        let steady = wall_seen.0 as i64 + lead_ms;
        let latest = Moment { wall: wall_seen, steady };
        let saved = (lead_ms, wall_seen);
        Self { lead_ms, latest, running_ms, is_fresh: true, saved }
    }

    pub(crate) fn advance(&mut self, wall: Timestamp) -> Moment {
        let wall = wall.min(END_OF_TIME);
        if !self.latest.wall.is_plausible() && wall.is_plausible() {
            // A clock that was never set is set now: how much time has passed it does not tell.
            self.lead_ms = self.latest.steady - wall.0 as i64;
        }
        let steady = wall.0 as i64 + self.lead_ms;
        if steady < self.latest.steady {
            self.lead_ms += self.latest.steady - steady;
        }
        let now = Moment { wall, steady: wall.0 as i64 + self.lead_ms };
        // The first moment of a process tells of the time that it was off.
        if !std::mem::take(&mut self.is_fresh) {
            self.running_ms += now.steady - self.latest.steady;
        }
        self.latest = now;
        now
    }

    /// The wall clock was set by `step_ms` without time passing.
    pub(crate) fn step(&mut self, step_ms: i64) {
        let most = END_OF_TIME.0 as i64;
        self.lead_ms -= step_ms.clamp(-most, most);
    }

    /// The steady time of the latest moment.
    pub(crate) fn steady(&self) -> SteadyMs {
        self.latest.steady
    }

    /// The wall time at which steady time will be `steady`, if nobody sets the clock.
    pub(crate) fn wall_at(&self, steady: SteadyMs) -> Timestamp {
        Timestamp(steady.saturating_sub(self.lead_ms).max(0).unsigned_abs())
    }

    /// The steady time that has passed in running processes: what destroys keys goes by it.
    pub(crate) fn running_ms(&self) -> i64 {
        self.running_ms
    }

    /// What the store should be told now, if anything: wall time and lead.
    pub(crate) fn unsaved(&mut self) -> Option<(Timestamp, i64)> {
        let (lead_ms, seen) = self.saved;
        let wall = self.latest.wall;
        let is_due = lead_ms != self.lead_ms || wall.since(seen) >= SAVE_EVERY_MS;
        is_due.then(|| {
            self.saved = (self.lead_ms, wall);
            (wall, self.lead_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

    #[test]
    fn steady_time_follows_the_wall_but_not_its_jumps() {
        let start = Timestamp(50 * YEAR_MS);
        let mut clock = Clock::resume(0, start, 0);
        let before = clock.advance(Timestamp(start.0 + 1000)).steady;
        // Set back by a year: time stands still, then goes on.
        let back = Timestamp(start.0 - YEAR_MS);
        assert_eq!(clock.advance(back).steady, before);
        assert_eq!(clock.advance(Timestamp(back.0 + 500)).steady, before + 500);
        // Set forward, reported as a step.
        clock.step(YEAR_MS as i64);
        assert_eq!(clock.advance(Timestamp(back.0 + 700 + YEAR_MS)).steady, before + 700);
        assert_eq!(clock.wall_at(before + 800), Timestamp(back.0 + 800 + YEAR_MS));
    }

    #[test]
    fn a_restart_counts_the_time_off_but_no_time_for_a_clock_set_back() {
        let seen = Timestamp(50 * YEAR_MS);
        let at = |wall| Clock::resume(7, seen, 0).advance(Timestamp(wall)).steady;
        assert_eq!(at(seen.0 + 60_000), seen.0 as i64 + 60_007);
        assert_eq!(at(seen.0 - YEAR_MS), seen.0 as i64 + 7);
    }
}
