//! Whom this node meets: its own evidence, and nobody's word.

use super::reputation::{Reputation, Verdict, mean};
use crate::chat::ContactId;
use crate::store::SteadyMs;
use crate::time::DAY_MS;
use std::collections::BTreeMap;

/// Neighbours remembered: beyond, those not met for longest are forgotten.
const MAX_NEIGHBOURS: usize = 4096;
/// None is remembered for longer.
const MAX_AGE_MS: i64 = 30 * DAY_MS as i64;
/// So many meetings make half of what any number can.
const MEETINGS_HALF: f64 = 8.0;
/// Who comes back sooner was never away: a link that breaks is no meeting, and nobody is met more often
/// for dialling more often.
const MEETING_GAP_MS: SteadyMs = 10 * 60 * 1000;
/// Who brings so many times the news of others is a bringer, once there is any evidence.
const BRINGER_SHARE: f64 = 1.5;
const BRINGER_EVIDENCE: u32 = 4;

/// By what a neighbour is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NeighbourId {
    /// A contact, for ever.
    Contact(ContactId),
    /// The key of a link: a stranger's for a day.
    Key([u8; 32]),
}

/// What is known of one neighbour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Acquaintance {
    pub(crate) met: SteadyMs,
    pub(crate) meetings: u32,
    /// Mail that was first heard of from them.
    pub(crate) brought: u32,
    pub(crate) reputation: Reputation,
    /// Whether it is trusted for this meeting, whatever is known of it.
    pub(crate) is_on_trial: bool,
}

impl Acquaintance {
    fn new(met: SteadyMs) -> Self {
        let reputation = Reputation::default();
        Self { met, meetings: 0, brought: 0, reputation, is_on_trial: false }
    }
}

/// A neighbour in reach that could take mail over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) id: NeighbourId,
    /// As it says.
    pub(crate) free_bytes: u64,
    /// What there is to take.
    pub(crate) needed_bytes: u64,
}

/// All of them, and sums that are asked for often.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    known: BTreeMap<NeighbourId, Acquaintance>,
    brought: u32,
    /// Meetings by time of the last one, summed up: at each time, so many meetings were with
    /// neighbours last met before it.
    met_before: Vec<(SteadyMs, f64)>,
    once: f64,
    /// The share of what neighbours are handed that they keep or deliver.
    kept: f64,
}

impl Neighbours {
    pub(crate) fn load(known: BTreeMap<NeighbourId, Acquaintance>) -> Self {
        let brought = known.values().map(|known| known.brought).sum();
        let mut neighbours = Self { known, brought, ..Self::default() };
        neighbours.sum_up();
        neighbours
    }

    pub(crate) fn get(&self, id: &NeighbourId) -> Option<&Acquaintance> {
        self.known.get(id)
    }

    /// A meeting begins. Says who is forgotten for it.
    pub(crate) fn meet(&mut self, id: NeighbourId, now: SteadyMs) -> Vec<NeighbourId> {
        let known = self.known.entry(id).or_insert(Acquaintance::new(now));
        let is_new = known.meetings == 0 || now - known.met >= MEETING_GAP_MS;
        known.met = now;
        known.meetings += u32::from(is_new);
        known.is_on_trial = false;
        let mut forgotten: Vec<NeighbourId> = self
            .known
            .iter()
            .filter(|(_, known)| known.met < now - MAX_AGE_MS)
            .map(|(id, _)| *id)
            .collect();
        if self.known.len() - forgotten.len() > MAX_NEIGHBOURS {
            forgotten
                .extend(self.known.iter().min_by_key(|(_, known)| known.met).map(|(id, _)| *id));
        }
        for id in &forgotten {
            if let Some(gone) = self.known.remove(id) {
                self.brought -= gone.brought;
            }
        }
        self.sum_up();
        forgotten
    }

    /// It turns out whose key this is: what is known of it is known of them.
    pub(crate) fn identify(&mut self, key: NeighbourId, contact: NeighbourId) {
        let Some(seen) = self.known.remove(&key) else { return };
        let known = self.known.entry(contact).or_insert(Acquaintance::new(seen.met));
        known.met = known.met.max(seen.met);
        known.meetings += seen.meetings;
        known.brought += seen.brought;
        known.reputation.merge(&seen.reputation);
        known.is_on_trial = false;
        self.sum_up();
    }

    /// The share of what neighbours are handed that they keep or deliver, from 0 to 1.
    pub(crate) fn kept(&self) -> f64 {
        self.kept
    }

    /// What the neighbour has shown of what it was handed.
    pub(crate) fn judge(
        &mut self,
        id: &NeighbourId,
        now: SteadyMs,
        verdicts: impl Iterator<Item = Verdict>,
    ) {
        if let Some(known) = self.known.get_mut(id) {
            verdicts.for_each(|verdict| known.reputation.judge(now, verdict));
            self.kept = mean(self.known.values().map(|known| &known.reputation));
        }
    }

    /// Whether it keeps nearly as much of what it is handed as others do. A newcomer does.
    pub(crate) fn is_reliable(&self, id: &NeighbourId, now: SteadyMs) -> bool {
        self.known.get(id).is_none_or(|known| known.reputation.suffices(now, self.kept))
    }

    /// How good a carrier it is likely to be: reliable, often met, with room. The first two are this
    /// node's own evidence; the room is the neighbour's word, and counts only for who has kept what it
    /// was handed.
    pub(crate) fn rank(&self, candidate: &Candidate, now: SteadyMs) -> f64 {
        let Some(known) = self.known.get(&candidate.id) else { return 0.0 };
        let meetings = f64::from(known.meetings);
        let proximity = 1.0 + meetings / (meetings + MEETINGS_HALF);
        let is_proven = known.reputation.is_proven(now);
        let claimed = candidate.free_bytes as f64 / candidate.needed_bytes.max(1) as f64;
        let capacity = 1.0 + if is_proven { claimed.min(1.0) } else { 0.0 };
        known.reputation.relative(now, self.kept) * proximity * capacity
    }

    pub(crate) fn set_trial(&mut self, id: &NeighbourId, is_on_trial: bool) {
        if let Some(known) = self.known.get_mut(id) {
            known.is_on_trial = is_on_trial;
        }
    }

    pub(crate) fn is_on_trial(&self, id: &NeighbourId) -> bool {
        self.known.get(id).is_some_and(|known| known.is_on_trial)
    }

    /// The neighbour is the first to have told of something.
    pub(crate) fn count_brought(&mut self, id: &NeighbourId) {
        if let Some(known) = self.known.get_mut(id) {
            known.brought += 1;
            self.brought += 1;
        }
    }

    /// Whether the neighbour brings more news than most.
    pub(crate) fn is_bringer(&self, id: &NeighbourId) -> bool {
        let Some(known) = self.known.get(id).filter(|_| self.brought > BRINGER_EVIDENCE) else {
            return false;
        };
        let mean = f64::from(self.brought) / self.known.len() as f64;
        f64::from(known.brought) >= BRINGER_SHARE * mean
    }

    /// The share of this node's meetings that are with neighbours not met since `taken`: what has
    /// been shown to everybody it meets is worth little here. Who was met once stands for all
    /// who were not met yet.
    pub(crate) fn novelty(&self, taken: SteadyMs) -> f64 {
        let all = self.met_before.last().map_or(0.0, |(_, sum)| *sum);
        let at = self.met_before.partition_point(|(met, _)| *met < taken);
        let before = at.checked_sub(1).and_then(|at| self.met_before.get(at));
        (before.map_or(0.0, |(_, sum)| *sum) + 1.0 + self.once) / (all + 1.0 + self.once)
    }

    fn sum_up(&mut self) {
        let mut met: Vec<(SteadyMs, f64)> =
            self.known.values().map(|known| (known.met, f64::from(known.meetings))).collect();
        met.sort_by_key(|(met, _)| *met);
        self.kept = mean(self.known.values().map(|known| &known.reputation));
        self.once = met.iter().filter(|(_, meetings)| *meetings < 1.5).count() as f64;
        let mut sum = 0.0;
        for (_, meetings) in &mut met {
            sum += *meetings;
            *meetings = sum;
        }
        self.met_before = met;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(of: u8) -> NeighbourId {
        NeighbourId::Key([of; 32])
    }

    #[test]
    fn what_all_have_seen_is_no_news() {
        let mut neighbours = Neighbours::default();
        for turn in 0..50_i64 {
            neighbours.meet(id((turn % 5).unsigned_abs() as u8), turn * MEETING_GAP_MS);
        }
        assert!(neighbours.novelty(100 * MEETING_GAP_MS) > 0.99, "nobody was met since");
        assert!(neighbours.novelty(0) < 0.05, "all were");
        assert!((neighbours.novelty(48 * MEETING_GAP_MS) - 0.6).abs() < 0.1, "three of five");
    }

    #[test]
    fn who_dials_again_and_again_is_met_once() {
        let mut neighbours = Neighbours::default();
        for now in 0..1000 {
            neighbours.meet(id(1), now);
        }
        assert_eq!(neighbours.get(&id(1)).map(|known| known.meetings), Some(1));
    }

    #[test]
    fn bringers_stand_out() {
        let mut neighbours = Neighbours::default();
        for of in 0..4 {
            neighbours.meet(id(of), 0);
        }
        for _ in 0..5 {
            neighbours.count_brought(&id(1));
        }
        assert!(neighbours.is_bringer(&id(1)) && !neighbours.is_bringer(&id(0)));
        assert!(!neighbours.is_bringer(&id(9)), "unknown");
    }

    #[test]
    fn carriers_are_ranked_by_evidence_and_claims_need_some() {
        let mut neighbours = Neighbours::default();
        for of in 0..3 {
            neighbours.meet(id(of), 0);
        }
        let rank = |neighbours: &Neighbours, of, free_bytes| {
            neighbours.rank(&Candidate { id: id(of), free_bytes, needed_bytes: 1000 }, 0)
        };
        let equal = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(equal(rank(&neighbours, 0, u64::MAX), rank(&neighbours, 1, 0)), "only claimed");
        neighbours.judge(&id(1), 0, [Verdict::Kept { again: false }].into_iter());
        assert!(rank(&neighbours, 1, 0) >= rank(&neighbours, 0, u64::MAX));
        assert!(rank(&neighbours, 1, 1000) > rank(&neighbours, 1, 500));
        assert!(equal(rank(&neighbours, 1, 1000), rank(&neighbours, 1, u64::MAX)));
        neighbours.judge(&id(2), 0, [Verdict::Lost { again: false }].into_iter());
        assert!(rank(&neighbours, 2, u64::MAX) < rank(&neighbours, 0, 0));
        neighbours.meet(id(0), MEETING_GAP_MS);
        assert!(rank(&neighbours, 0, 0) > rank(&neighbours, 2, 0));
        assert!(equal(rank(&neighbours, 9, u64::MAX), 0.0), "unknown");
    }

    #[test]
    fn memory_has_bounds() {
        let mut neighbours = Neighbours::default();
        for now in 0..(MAX_NEIGHBOURS as i64 + 10) {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&now.to_be_bytes());
            neighbours.meet(NeighbourId::Key(key), now);
        }
        assert_eq!(neighbours.known.len(), MAX_NEIGHBOURS);
        let forgotten = neighbours.meet(id(1), 2 * MAX_AGE_MS);
        assert_eq!(forgotten.len(), MAX_NEIGHBOURS);
    }
}
