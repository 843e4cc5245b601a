//! What a node does when its process may run for a moment only.

use crate::{driver::Stopped, footpost::Footpost};
use footpost_core::Stats;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How often it is looked whether there is more to do.
const LOOK: Duration = Duration::from_millis(20);
/// A node with neighbours has nothing more to do when nothing moved for so long; more than the round
/// trips of slow radios.
const QUIET: Duration = Duration::from_millis(300);
/// A node without any waits so long for one: dialling takes its time.
const LONELY: Duration = Duration::from_secs(2);
/// Left for the way back to the caller.
const RESERVE: Duration = Duration::from_millis(10);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tick {
    /// Envelopes that came in, one's own mail among them.
    pub taken: u64,
    /// Bytes sent to neighbours.
    pub sent_bytes: u64,
    /// Bytes received from them.
    pub received_bytes: u64,
    /// Whether there was nothing more to do before the budget was spent.
    pub is_done: bool,
}

impl Footpost {
    /// Does what there is to do within `budget`, and returns as soon as there is nothing more: calls
    /// wanted neighbours at once, and lets mail come and go. What goes first is the engine's
    /// order: acknowledgements, then mail for whoever is there, then the rest by its use.
    ///
    /// For phones, whose system wakes a process for seconds and freezes it again. Nothing is lost
    /// when the budget is too small.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn tick(&self, budget: Duration) -> Result<Tick, Stopped> {
        let deadline = Instant::now() + budget.saturating_sub(RESERVE);
        self.hurry();
        let Ok(begin) = timeout_at(deadline, self.stats()).await else {
            return Ok(Tick::default());
        };
        let begin = begin?;
        let mut last = begin;
        let worked = timeout_at(deadline, self.work(&mut last)).await;
        let is_done = worked.map_or(Ok(false), |done| done.map(|()| true))?;
        Ok(Tick {
            taken: last.turnover.taken - begin.turnover.taken,
            sent_bytes: last.sent.total_bytes() - begin.sent.total_bytes(),
            received_bytes: last.received_bytes - begin.received_bytes,
            is_done,
        })
    }

    /// Returns when nothing moves any more; until then `last` is what was seen last.
    async fn work(&self, last: &mut Stats) -> Result<(), Stopped> {
        let mut moved = Instant::now();
        loop {
            sleep(LOOK).await;
            let stats = self.stats().await?;
            if (stats.received_bytes, stats.sent) != (last.received_bytes, last.sent) {
                moved = Instant::now();
            }
            *last = stats;
            let patience = if stats.links > 0 { QUIET } else { LONELY };
            if moved.elapsed() >= patience {
                return Ok(());
            }
        }
    }

    async fn stats(&self) -> Result<Stats, Stopped> {
        self.call(|node, _| node.stats()).await
    }
}
