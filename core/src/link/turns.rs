//! Whose turn it is on a link: letters before fragments, within bounds that no flood moves.
//!
//! Fragments leave as they were asked for. Letters leave unasked, so that a neighbour without room for
//! them would cost the air of each: what it does not take uses up a credit, which what it takes fills
//! again, and time a little. On other links they go on meanwhile.

use crate::routing::TransferOrder;
use crate::store::SteadyMs;
use std::collections::BTreeSet;

/// Letters go before fragments, until they have had so much more of the link: some fifty ordinary
/// ones. From there on both have half of it.
const LEAD_BYTES: i64 = 64 * 1024;
/// Letters that may be on their way, or gone for nothing, before the neighbour has taken any.
const CREDIT_BYTES: i64 = 128 * 1024;
/// What it takes counts so much and half as much again, up to the most that is ever on its way.
const MAX_CREDIT_BYTES: i64 = 4 * 1024 * 1024;
/// After so long without credit it is tried again, with so many bytes.
const RETRY_MS: i64 = 60_000;
const RETRY_BYTES: i64 = 32 * 1024;

/// The envelopes that wait for their turn.
#[derive(Debug)]
pub(super) struct Turns {
    letters: BTreeSet<TransferOrder>,
    fragments: BTreeSet<TransferOrder>,
    /// The length of all in both.
    waiting_bytes: u64,
    /// What letters have had of the link beyond what fragments had.
    lead_bytes: i64,
    credit_bytes: i64,
    /// When the last letter went out.
    sent: SteadyMs,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            letters: BTreeSet::new(),
            fragments: BTreeSet::new(),
            waiting_bytes: 0,
            lead_bytes: 0,
            credit_bytes: CREDIT_BYTES,
            sent: SteadyMs::MIN,
        }
    }
}

impl Turns {
    pub(super) fn push(&mut self, order: TransferOrder) {
        let queue = if order.is_fragment() { &mut self.fragments } else { &mut self.letters };
        if queue.insert(order) {
            self.waiting_bytes += order.size_bytes();
        }
    }

    /// Takes out all, for another link to the same neighbour.
    pub(super) fn take(&mut self) -> BTreeSet<TransferOrder> {
        self.waiting_bytes = 0;
        let mut all = std::mem::take(&mut self.letters);
        all.append(&mut self.fragments);
        all
    }

    /// The length of all that waits.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Takes out whose turn it is. While something is pulled here, fragments for others are held.
    pub(super) fn pop(&mut self, now: SteadyMs, is_pulling: bool) -> Option<TransferOrder> {
        let next = self.next(now, is_pulling)?;
        let queue = if next.is_fragment() { &mut self.fragments } else { &mut self.letters };
        queue.remove(&next);
        self.waiting_bytes -= next.size_bytes();
        Some(next)
    }

    /// Whether nothing can go.
    pub(super) fn is_idle(&self, now: SteadyMs) -> bool {
        self.next(now, false).is_none()
    }

    fn next(&self, now: SteadyMs, is_pulling: bool) -> Option<TransferOrder> {
        let fragment = self.fragments.first().filter(|it| !(is_pulling && it.yields()));
        let has_credit = self.credit_bytes > 0 || now - self.sent >= RETRY_MS;
        let letter = self.letters.first().filter(|it| has_credit || !it.is_for_others());
        let (Some(letter), Some(fragment)) = (letter, fragment) else {
            return letter.or(fragment).copied();
        };
        let has_lead = self.lead_bytes >= LEAD_BYTES;
        let is_first = letter < fragment && !(has_lead && letter.is_rival_of(fragment));
        Some(if is_first { *letter } else { *fragment })
    }

    /// So much of what was popped goes out.
    pub(super) fn sent(&mut self, now: SteadyMs, size_bytes: usize, is_fragment: bool) {
        let size_bytes = size_bytes as i64;
        if is_fragment {
            self.lead_bytes = (self.lead_bytes - size_bytes).max(0);
            return;
        }
        self.lead_bytes = (self.lead_bytes + size_bytes).min(LEAD_BYTES);
        if self.credit_bytes <= 0 && now - self.sent >= RETRY_MS {
            self.credit_bytes = RETRY_BYTES;
        }
        self.credit_bytes -= size_bytes;
        self.sent = now;
    }

    /// The neighbour has taken a letter of this length.
    pub(super) fn taken(&mut self, size_bytes: usize) {
        let size_bytes = size_bytes as i64;
        self.credit_bytes = (self.credit_bytes + size_bytes + size_bytes / 2).min(MAX_CREDIT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTER_BYTES: usize = 8 * 1024;

    fn letters(count: i64) -> Turns {
        let mut turns = Turns::default();
        (0..count).for_each(|row| turns.push(TransferOrder::letter_for_others(row)));
        turns
    }

    /// Sends what may go at `now`, and says how many letters and fragments that were.
    fn send(turns: &mut Turns, now: i64, most: usize) -> [usize; 2] {
        let mut sent = [0, 0];
        while sent.iter().sum::<usize>() < most
            && let Some(next) = turns.pop(now, false)
        {
            turns.sent(now, LETTER_BYTES, next.is_fragment());
            sent[usize::from(next.is_fragment())] += 1;
        }
        sent
    }

    #[test]
    fn who_takes_no_letters_costs_the_air_of_few() {
        let mut turns = letters(100);
        assert_eq!(send(&mut turns, 0, 100), [16, 0]);
        assert!(turns.is_idle(RETRY_MS - 1));
        assert_eq!(send(&mut turns, RETRY_MS, 100), [4, 0]);
        assert_eq!(send(&mut turns, RETRY_MS + 1, 100), [0, 0]);
        // What is taken makes room for more, and what is for the neighbour itself waits for nothing.
        (0..4).for_each(|_| turns.taken(LETTER_BYTES));
        assert_eq!(send(&mut turns, RETRY_MS + 1, 100), [6, 0]);
        turns.push(TransferOrder::letter_for_reader(1000));
        assert_eq!(send(&mut turns, RETRY_MS + 1, 100), [1, 0]);
    }

    #[test]
    fn who_takes_all_gets_all() {
        let mut turns = letters(1000);
        for _ in 0..1000 {
            assert_eq!(send(&mut turns, 0, 1), [1, 0]);
            turns.taken(LETTER_BYTES);
        }
    }

    #[test]
    fn letters_go_first_until_they_lead_then_by_turns() {
        let mut turns = letters(100);
        for (row, number) in (1000..1100).zip(0..) {
            turns.push(TransferOrder::fragment_for_others(row, number));
        }
        assert_eq!(send(&mut turns, 0, 8), [8, 0]);
        assert_eq!(send(&mut turns, 0, 8), [4, 4]);
        // Held while something comes: then letters have all of it.
        assert!(turns.pop(0, true).is_some_and(|next| !next.is_fragment()));
    }
}
