//! What a neighbour has heard of on one link, so that it is not told again.

use super::session::MAX_WAITING;
use std::collections::{BTreeMap, VecDeque};

/// How a neighbour came to know of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It was offered and has not been asked for: the neighbour has it already, or does not want it.
    Offered,
    /// It was offered, and asked for.
    Wanted,
    /// It is at the neighbour.
    There,
    /// The same, and it has come or gone on this link.
    Passed,
}

/// The latest letters that the neighbour knows of, by the heads of their ids; older ones are forgotten
/// first.
#[derive(Default)]
pub(super) struct Heard {
    ways: BTreeMap<u64, Way>,
    order: VecDeque<u64>,
}

impl Heard {
    pub(super) fn knows(&self, head: u64) -> bool {
        self.ways.contains_key(&head)
    }

    /// Whether it has come or gone on this link, or is about to.
    pub(super) fn has_passed(&self, head: u64) -> bool {
        matches!(self.ways.get(&head), Some(Way::Passed | Way::Wanted))
    }

    /// Whether it has come or gone on this link for good.
    pub(super) fn has_arrived(&self, head: u64) -> bool {
        self.ways.get(&head) == Some(&Way::Passed)
    }

    /// What was offered and not asked for, the oldest first.
    pub(super) fn offered(&self) -> Vec<u64> {
        let is_open = |head: &&u64| self.ways.get(head) == Some(&Way::Offered);
        self.order.iter().filter(is_open).copied().collect()
    }

    pub(super) fn note_offered(&mut self, head: u64) {
        self.insert(head, Way::Offered);
    }

    pub(super) fn note_there(&mut self, head: u64) {
        if !self.knows(head) {
            self.insert(head, Way::There);
        }
    }

    pub(super) fn note_passed(&mut self, head: u64) {
        self.insert(head, Way::Passed);
    }

    /// Whether this was offered and not asked for yet; it is served once.
    pub(super) fn take_offer(&mut self, head: u64) -> bool {
        let way = self.ways.get_mut(&head).filter(|way| **way == Way::Offered);
        way.map(|way| *way = Way::Wanted).is_some()
    }

    fn insert(&mut self, head: u64, way: Way) {
        if self.ways.insert(head, way).is_some() {
            return;
        }
        self.order.push_back(head);
        if self.order.len() > MAX_WAITING
            && let Some(oldest) = self.order.pop_front()
        {
            self.ways.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_served_once_and_counts_as_passed() {
        let mut heard = Heard::default();
        heard.note_offered(1);
        assert!(heard.knows(1) && !heard.has_passed(1));
        assert!(heard.take_offer(1) && !heard.take_offer(1));
        assert!(heard.has_passed(1) && !heard.has_arrived(1) && !heard.take_offer(2));
        heard.note_offered(3);
        assert_eq!(heard.offered(), [3]);
        heard.note_passed(1);
        assert!(heard.has_arrived(1));
        heard.note_there(1);
        assert!(heard.has_passed(1), "that it is there says nothing new");
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut heard = Heard::default();
        (0..=MAX_WAITING as u64).for_each(|head| heard.note_there(head));
        assert!(!heard.knows(0) && heard.knows(1) && heard.knows(MAX_WAITING as u64));
    }
}
