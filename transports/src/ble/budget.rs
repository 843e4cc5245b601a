//! How many connections the stack manages: less than hoped for, as failures teach.

use super::command::Device;
use std::time::Duration;

/// Every stack is said to manage so many.
const RELIABLE: usize = 3;
/// After this time one more is tried again.
const RECOVERY: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    links: usize,
    /// The connections there were when one more failed, and to whom.
    failure: Option<(usize, Device)>,
    recovers_at: Option<Duration>,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self { max, links: max, failure: None, recovers_at: None }
    }

    /// Connections at a time.
    pub(crate) fn links(&self) -> usize {
        self.links
    }

    /// Of these, how many others may make: so many that a crowd cannot keep this node from its own.
    pub(crate) fn incoming(&self) -> usize {
        self.links.saturating_sub(2).max(1)
    }

    /// A connection came about.
    pub(crate) fn connected(&mut self) {
        self.failure = None;
    }

    /// A connection to `device` did not come about beside `others`. One such may be the device's
    /// doing; a second in a row, with another, is the stack's.
    pub(crate) fn failed(&mut self, now: Duration, others: usize, device: Device) {
        let is_second =
            self.failure.is_some_and(|(before, with)| before == others && with != device);
        if is_second && (RELIABLE..self.links).contains(&others) {
            self.links = others;
            self.recovers_at = Some(now + RECOVERY);
        }
        self.failure = Some((others, device));
    }

    /// Time heals.
    pub(crate) fn recover(&mut self, now: Duration) {
        if self.recovers_at.is_some_and(|at| at <= now) {
            self.links += 1;
            self.recovers_at = (self.links < self.max).then_some(now + RECOVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(5);

    #[test]
    fn two_failures_beside_as_many_links_teach_and_time_forgets() {
        let mut budget = Budget::new(6);
        budget.failed(NOW, 4, Device(1));
        budget.failed(NOW, 4, Device(1));
        assert_eq!(budget.links(), 6, "the same device");
        budget.failed(NOW, 4, Device(2));
        assert_eq!((budget.links(), budget.incoming()), (4, 2));
        budget.recover(NOW + RECOVERY);
        budget.recover(NOW + RECOVERY);
        assert_eq!(budget.links(), 5);
        budget.recover(NOW + 2 * RECOVERY);
        budget.recover(NOW + 9 * RECOVERY);
        assert_eq!(budget.links(), 6, "and no more");
    }

    #[test]
    fn successes_and_few_links_teach_nothing() {
        let mut budget = Budget::new(6);
        budget.failed(NOW, 4, Device(1));
        budget.connected();
        budget.failed(NOW, 4, Device(2));
        for device in 0..9 {
            budget.failed(NOW, 2, Device(device));
        }
        assert_eq!(budget.links(), 6);
    }
}
