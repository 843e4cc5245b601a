//! What all statements about one person come to: which key is theirs today.
//!
//! Only the set of statements counts, not the order in which they came, wherever the recovery key
//! has spoken. Where it has not, of two rotations of one key the first that came stands.

use super::keys::Identity;
use super::statement::{Claim, Statement};

/// Rotations that are followed from the first known key on.
const MAX_ROTATIONS: usize = 16;
/// Revocations under one recovery key, with its change.
const MAX_SEQUENCE: u64 = 32;

/// A statement that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) statement: Statement,
    /// Whether the recovery key that was pinned when it came has signed it.
    pub(crate) vouched: bool,
}

/// One person's keys, from the first that was known.
#[derive(Debug, Clone)]
pub(crate) struct Lineage {
    pub(crate) root: Identity,
    /// The recovery key from the first card that had one.
    pub(crate) pin: Option<Identity>,
    pub(crate) entries: Vec<Entry>,
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    /// It says nothing new, or nothing that counts.
    Idle,
    /// A second rotation of one key: somebody else has that key.
    Conflict,
}

/// A key on the way to today's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) key: Identity,
    pub(crate) end: End,
}

/// How a key gave way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It has not: it is today's.
    Current,
    Rotated {
        vouched: bool,
    },
    Revoked,
}

impl Lineage {
    /// Takes a statement if it counts. Rotations that it makes void are dropped: they can never
    /// count again.
    pub(crate) fn add(&mut self, statement: &Statement) -> Verdict {
        if self.entries.iter().any(|entry| entry.statement == *statement) {
            return Verdict::Idle;
        }
        let pin = self.recovery();
        let verdict = match statement.claim {
            Claim::Rotation { old, new, recovery, .. } => {
                self.judge_rotation(old, new, recovery.is_some() && recovery == pin)
            }
            Claim::Revocation { recovery, sequence, successor, revoked } => {
                let counts = pin == Some(recovery)
                    && sequence < MAX_SEQUENCE
                    && successor != Some(revoked)
                    && self.spoken(&recovery).len() < MAX_SEQUENCE as usize;
                if counts { Verdict::Taken } else { Verdict::Idle }
            }
            // All that the old key has said must be here: nothing of it is heard later.
            Claim::RecoveryChange { old, new, sequence } => {
                let mut spoken = self.spoken(&old);
                spoken.sort_unstable();
                spoken.dedup();
                let counts = pin == Some(old)
                    && !self.recovery_keys().contains(&new)
                    && spoken.into_iter().eq(0..sequence);
                if counts { Verdict::Taken } else { Verdict::Idle }
            }
        };
        if verdict == Verdict::Taken {
            let vouched = match statement.claim {
                Claim::Rotation { recovery, .. } => recovery.is_some() && recovery == pin,
                Claim::Revocation { .. } | Claim::RecoveryChange { .. } => true,
            };
            self.entries.push(Entry { statement: statement.clone(), vouched });
            self.drop_void();
        }
        verdict
    }

    fn judge_rotation(&mut self, old: Identity, new: Identity, vouched: bool) -> Verdict {
        let path = self.path();
        let is_known = path.iter().any(|step| step.key == old);
        if !is_known || self.is_revoked(&old) || self.is_revoked(&new) {
            return Verdict::Idle;
        }
        let standing = self.rotation_of(&old).map(|entry| (entry.vouched, entry.statement.heir()));
        match standing {
            None if path.iter().any(|step| step.key == new) => Verdict::Idle,
            None if vouched || self.rotations() < MAX_ROTATIONS => Verdict::Taken,
            None => Verdict::Idle,
            Some((false, heir)) if vouched => {
                let is_back = heir != Some(new)
                    && path.iter().take_while(|s| s.key != old).any(|s| s.key == new);
                if is_back {
                    return Verdict::Idle;
                }
                self.entries.retain(|entry| {
                    !is_rotation(&entry.statement) || entry.statement.subject() != Some(old)
                });
                Verdict::Taken
            }
            Some((_, heir)) if heir == Some(new) => Verdict::Idle,
            Some(_) => Verdict::Conflict,
        }
    }

    /// The keys from the first known to today's; the last one ends as [`End::Revoked`] where nobody
    /// took its place.
    pub(crate) fn path(&self) -> Vec<Step> {
        let mut path: Vec<Step> = Vec::new();
        let mut next = Some(self.root);
        while let Some(key) = next {
            if path.iter().any(|step| step.key == key) {
                // A circle of revocations leaves nobody.
                break;
            }
            let (end, heir) = if let Some(revocation) = self.revocation_of(&key) {
                (End::Revoked, revocation.heir())
            } else if let Some(rotation) = self.rotation_of(&key) {
                (End::Rotated { vouched: rotation.vouched }, rotation.statement.heir())
            } else {
                (End::Current, None)
            };
            path.push(Step { key, end });
            next = heir;
        }
        path
    }

    /// Today's key; none where it was revoked without a successor.
    pub(crate) fn current(&self) -> Option<Identity> {
        self.path().last().filter(|step| step.end == End::Current).map(|step| step.key)
    }

    /// Whether the recovery key vouches for every step from `key` to today's.
    pub(crate) fn is_vouched_since(&self, key: &Identity) -> bool {
        let path = self.path();
        let mut rest = path.iter().skip_while(|step| step.key != *key).peekable();
        rest.peek().is_some()
            && self.current().is_some()
            && rest.all(|step| step.end != End::Rotated { vouched: false })
    }

    /// The recovery key of today.
    pub(crate) fn recovery(&self) -> Option<Identity> {
        self.recovery_keys().last().copied()
    }

    fn recovery_keys(&self) -> Vec<Identity> {
        let changes = self.entries.iter().filter_map(|entry| match entry.statement.claim {
            Claim::RecoveryChange { new, .. } => Some(new),
            _ => None,
        });
        self.pin.into_iter().chain(changes).collect()
    }

    /// The sequence numbers that a recovery key has used.
    fn spoken(&self, recovery: &Identity) -> Vec<u64> {
        let sequence = |entry: &Entry| match entry.statement.claim {
            Claim::Revocation { recovery: by, sequence, .. }
            | Claim::RecoveryChange { old: by, sequence, .. } => {
                (by == *recovery).then_some(sequence)
            }
            Claim::Rotation { .. } => None,
        };
        self.entries.iter().filter_map(sequence).collect()
    }

    fn is_revoked(&self, key: &Identity) -> bool {
        self.revocation_of(key).is_some()
    }

    /// Of several the last word counts, by its number and not by its coming.
    fn revocation_of(&self, key: &Identity) -> Option<&Statement> {
        let order = |statement: &Statement| match statement.claim {
            Claim::Revocation { recovery, sequence, .. } => {
                let keys = self.recovery_keys();
                let age = keys.iter().position(|key| *key == recovery);
                (age, sequence, statement.as_bytes().to_vec())
            }
            _ => (None, 0, Vec::new()),
        };
        self.entries
            .iter()
            .map(|entry| &entry.statement)
            .filter(|statement| !is_rotation(statement) && statement.subject() == Some(*key))
            .max_by_key(|statement| order(statement))
    }

    fn rotation_of(&self, key: &Identity) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| is_rotation(&entry.statement) && entry.statement.subject() == Some(*key))
    }

    fn rotations(&self) -> usize {
        self.entries.iter().filter(|entry| is_rotation(&entry.statement)).count()
    }

    fn drop_void(&mut self) {
        let path = self.path();
        self.entries.retain(|entry| {
            !is_rotation(&entry.statement)
                || path.iter().any(|step| {
                    Some(step.key) == entry.statement.subject()
                        && matches!(step.end, End::Rotated { .. })
                })
        });
    }
}

fn is_rotation(statement: &Statement) -> bool {
    matches!(statement.claim, Claim::Rotation { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityKey;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    const OWNER: u8 = 1;
    const RECOVERY: u8 = 100;

    fn key(n: u8) -> IdentityKey {
        IdentityKey::from_bytes(&[n; 32])
    }

    fn id(n: u8) -> Identity {
        key(n).identity()
    }

    fn rotation(old: u8, new: u8, recovery: Option<u8>) -> Statement {
        let time = Timestamp(0);
        let claim =
            Claim::Rotation { old: id(old), new: id(new), time, recovery: recovery.map(id) };
        let keys: Vec<_> =
            [Some(old), Some(new), recovery].into_iter().flatten().map(key).collect();
        Statement::sign(claim, &keys.iter().collect::<Vec<_>>())
    }

    fn revocation(revoked: u8, successor: Option<u8>, recovery: u8, sequence: u64) -> Statement {
        let claim = Claim::Revocation {
            revoked: id(revoked),
            successor: successor.map(id),
            recovery: id(recovery),
            sequence,
        };
        let keys: Vec<_> = [Some(recovery), successor].into_iter().flatten().map(key).collect();
        Statement::sign(claim, &keys.iter().collect::<Vec<_>>())
    }

    fn change(old: u8, new: u8, sequence: u64) -> Statement {
        let claim = Claim::RecoveryChange { old: id(old), new: id(new), sequence };
        Statement::sign(claim, &[&key(old), &key(new)])
    }

    fn lineage() -> Lineage {
        Lineage { root: id(OWNER), pin: Some(id(RECOVERY)), entries: Vec::new() }
    }

    fn after(statements: &[Statement]) -> Lineage {
        let mut lineage = lineage();
        for statement in statements {
            lineage.add(statement);
        }
        lineage
    }

    #[test]
    fn a_rotation_keeps_trust_only_if_the_recovery_key_vouches() {
        for (recovery, vouched) in [(None, false), (Some(RECOVERY), true), (Some(101), false)] {
            let lineage = after(&[rotation(OWNER, 2, recovery)]);
            assert_eq!(lineage.current(), Some(id(2)));
            assert_eq!(lineage.is_vouched_since(&id(OWNER)), vouched);
        }
    }

    #[test]
    fn a_recovery_key_pinned_later_vouches_for_nothing_before() {
        let mut lineage = Lineage { pin: None, ..lineage() };
        lineage.add(&rotation(OWNER, 2, Some(RECOVERY)));
        lineage.pin = Some(id(RECOVERY));
        assert!(!lineage.is_vouched_since(&id(OWNER)));
    }

    #[test]
    fn of_two_rotations_the_first_stands_unless_the_recovery_key_says_otherwise() {
        let mut lineage = after(&[rotation(OWNER, 2, None), rotation(2, 3, None)]);
        assert_eq!(lineage.add(&rotation(OWNER, 4, None)), Verdict::Conflict);
        assert_eq!(lineage.current(), Some(id(3)));
        assert_eq!(lineage.add(&rotation(OWNER, 5, Some(RECOVERY))), Verdict::Taken);
        assert_eq!(lineage.current(), Some(id(5)));
        assert_eq!(lineage.add(&rotation(OWNER, 6, Some(RECOVERY))), Verdict::Conflict);
        assert_eq!(lineage.add(&rotation(2, 7, None)), Verdict::Idle);
    }

    #[test]
    fn a_revoked_key_never_comes_back() {
        let mut lineage = after(&[revocation(OWNER, Some(2), RECOVERY, 0)]);
        for back in [rotation(2, OWNER, None), rotation(OWNER, 9, None)] {
            assert_eq!(lineage.add(&back), Verdict::Idle);
        }
        lineage.add(&rotation(OWNER, 9, Some(RECOVERY)));
        assert_eq!(lineage.current(), Some(id(2)));
        lineage.add(&revocation(2, Some(OWNER), RECOVERY, 1));
        assert_eq!(lineage.current(), None);
    }

    #[test]
    fn without_successor_nobody_is_left() {
        let lineage = after(&[rotation(OWNER, 2, None), revocation(OWNER, None, RECOVERY, 0)]);
        assert_eq!(lineage.current(), None);
        assert!(!lineage.is_vouched_since(&id(OWNER)));
    }

    #[test]
    fn only_the_pinned_recovery_key_is_heard_and_only_it_names_the_next() {
        for forged in [revocation(OWNER, Some(2), 101, 0), change(101, 102, 0)] {
            assert_eq!(lineage().add(&forged), Verdict::Idle);
        }
        let mut lineage = after(&[change(RECOVERY, 101, 0)]);
        assert_eq!(lineage.recovery(), Some(id(101)));
        assert_eq!(lineage.add(&revocation(OWNER, Some(2), RECOVERY, 0)), Verdict::Idle);
        assert_eq!(lineage.add(&change(101, RECOVERY, 0)), Verdict::Idle);
        assert_eq!(lineage.add(&revocation(OWNER, Some(2), 101, 0)), Verdict::Taken);
    }

    #[test]
    fn a_recovery_key_goes_only_when_all_that_it_said_is_here() {
        let mut lineage = lineage();
        assert_eq!(lineage.add(&change(RECOVERY, 101, 1)), Verdict::Idle);
        lineage.add(&revocation(OWNER, Some(2), RECOVERY, 0));
        assert_eq!(lineage.add(&change(RECOVERY, 101, 1)), Verdict::Taken);
        assert_eq!(lineage.current(), Some(id(2)));
    }

    #[test]
    fn a_thief_who_rotates_without_end_fills_no_memory_and_bars_no_owner() {
        let mut lineage = lineage();
        for n in 1..60 {
            lineage.add(&rotation(n, n + 1, None));
        }
        assert_eq!(lineage.entries.len(), MAX_ROTATIONS);
        lineage.add(&revocation(OWNER, Some(99), RECOVERY, 0));
        assert_eq!((lineage.current(), lineage.entries.len()), (Some(id(99)), 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The thief has the owner's key, rotates twice, and in another version too; the owner
        /// revokes, goes on, and revokes once more.
        #[test]
        fn the_recovery_key_wins_in_whatever_order_statements_come(
            order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
            repeats in proptest::collection::vec(0..6usize, 0..6),
        ) {
            let statements = [
                rotation(OWNER, 10, None),
                rotation(10, 11, None),
                rotation(OWNER, 12, Some(101)),
                revocation(OWNER, Some(2), RECOVERY, 0),
                revocation(2, Some(3), RECOVERY, 1),
                revocation(10, Some(3), RECOVERY, 2),
            ];
            let mut lineage = lineage();
            for index in order.into_iter().chain(repeats) {
                lineage.add(&statements[index]);
            }
            prop_assert_eq!(lineage.current(), Some(id(3)));
            prop_assert!(lineage.is_vouched_since(&id(OWNER)));
            for thief in [10, 11, 12] {
                prop_assert!(!lineage.path().iter().any(|step| step.key == id(thief)));
            }
        }
    }
}
