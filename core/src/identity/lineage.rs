//! What all statements about one person come to: which key is theirs today.
//!
//! Only the set of statements counts, not the order in which they came, wherever the recovery key
//! has spoken. Where it has not, of two rotations of one key the first that came stands.
//!
//! What is no longer needed is dropped: a settlement names all former keys, so the last one stands
//! for all before, and a lineage stays small however often its owner goes on.

use super::keys::Identity;
use super::statement::{Claim, Statement};

/// Rotations that are followed without the recovery key's word.
const MAX_ROTATIONS: usize = 32;
/// Keys from the first known one to today's: honest owners' settlements skip almost all.
const MAX_STEPS: usize = 64;
/// Changes of the recovery key that are followed.
const MAX_CHANGES: usize = 32;

/// One person's keys, from the first that was known.
#[derive(Debug, Clone)]
pub(crate) struct Lineage {
    pub(crate) root: Identity,
    /// The recovery key from the first card that had one.
    pub(crate) pin: Option<Identity>,
    /// What was taken, as far as it still counts.
    pub(crate) statements: Vec<Statement>,
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
    /// It has not.
    Current,
    Rotated {
        /// Whether the recovery key has signed it.
        vouched: bool,
    },
    Revoked,
}

impl Lineage {
    /// Takes a statement if it counts, and drops what it makes void or unnecessary.
    pub(crate) fn add(&mut self, statement: &Statement) -> Verdict {
        let pin = self.recovery();
        let verdict = match statement.claim {
            Claim::Rotation { old, new, .. } => self.judge_rotation(&old, &new),
            Claim::Settlement { recovery, .. } if pin == Some(recovery) => Verdict::Taken,
            // The last word of the old key must be here: nothing by it is heard later.
            Claim::RecoveryChange { old, new, sequence } => {
                let keys = self.recovery_keys();
                let next = self.last_settlement(&old).map_or(0, |(last, _)| last + 1);
                let counts = pin == Some(old)
                    && next == sequence
                    && !keys.contains(&new)
                    && keys.len() <= MAX_CHANGES;
                if counts { Verdict::Taken } else { Verdict::Idle }
            }
            Claim::Settlement { .. } => Verdict::Idle,
        };
        if verdict != Verdict::Taken || self.statements.contains(statement) {
            return if verdict == Verdict::Taken { Verdict::Idle } else { verdict };
        }
        let before = self.statements.clone();
        self.statements.push(statement.clone());
        if self.path().len() > MAX_STEPS {
            self.statements = before;
            return Verdict::Idle;
        }
        self.prune();
        if self.statements == before { Verdict::Idle } else { Verdict::Taken }
    }

    fn judge_rotation(&self, old: &Identity, new: &Identity) -> Verdict {
        let path = self.path();
        let is_on_path = |key: &Identity| path.iter().any(|step| step.key == *key);
        let is_settled = |key: &Identity| self.settlement_of(key).is_some();
        if !is_on_path(old) || is_settled(old) || is_settled(new) {
            return Verdict::Idle;
        }
        match self.rotation_of(old).map(Statement::heir) {
            None if is_on_path(new) || self.rotations() >= MAX_ROTATIONS => Verdict::Idle,
            None => Verdict::Taken,
            Some(heir) if heir == Some(*new) => Verdict::Idle,
            Some(_) => Verdict::Conflict,
        }
    }

    /// The keys from the first known to today's; the last one is [`End::Current`] unless nobody took
    /// its place.
    pub(crate) fn path(&self) -> Vec<Step> {
        self.path_from(self.root)
    }

    fn path_from(&self, key: Identity) -> Vec<Step> {
        let mut path: Vec<Step> = Vec::new();
        let mut next = Some(key);
        while let Some(key) = next {
            if path.iter().any(|step| step.key == key) {
                // A circle of settlements leaves nobody.
                break;
            }
            let (end, heir) = self.end_of(&key);
            path.push(Step { key, end });
            next = heir;
        }
        path
    }

    /// How a key gave way, and to whom.
    fn end_of(&self, key: &Identity) -> (End, Option<Identity>) {
        if let Some((statement, is_revoked)) = self.settlement_of(key) {
            let end = if is_revoked { End::Revoked } else { End::Rotated { vouched: true } };
            (end, statement.heir())
        } else if let Some(rotation) = self.rotation_of(key) {
            (End::Rotated { vouched: false }, rotation.heir())
        } else {
            (End::Current, None)
        }
    }

    /// Today's key; none where it was revoked without a successor.
    pub(crate) fn current(&self) -> Option<Identity> {
        today(&self.path())
    }

    /// Whether what the key signed in its time may still be taken for a while: it was this person's,
    /// and gave way in peace.
    pub(crate) fn has_rotated(&self, key: &Identity) -> bool {
        matches!(self.end_of(key).0, End::Rotated { .. })
    }

    /// Whether the recovery key vouches for every step from `key` to today's.
    pub(crate) fn is_vouched_since(&self, key: &Identity) -> bool {
        let path = self.path_from(*key);
        let today = today(&path);
        today.is_some()
            && today == self.current()
            && path.iter().all(|step| step.end != End::Rotated { vouched: false })
    }

    /// The recovery key of today.
    pub(crate) fn recovery(&self) -> Option<Identity> {
        self.recovery_keys().last().copied()
    }

    fn recovery_keys(&self) -> Vec<Identity> {
        let changes = self.statements.iter().filter_map(|statement| match statement.claim {
            Claim::RecoveryChange { new, .. } => Some(new),
            _ => None,
        });
        self.pin.into_iter().chain(changes).collect()
    }

    /// A recovery key's last word about keys, and its number.
    fn last_settlement(&self, recovery: &Identity) -> Option<(u64, &Statement)> {
        let by_key = self.statements.iter().filter_map(|statement| match statement.claim {
            Claim::Settlement { recovery: by, sequence, .. } if by == *recovery => {
                Some((sequence, statement))
            }
            _ => None,
        });
        by_key.max_by_key(|(sequence, statement)| (*sequence, statement.as_bytes()))
    }

    /// What settles a key, and whether it revokes it. Of several the last word counts, by its number
    /// and not by its coming.
    fn settlement_of(&self, key: &Identity) -> Option<(&Statement, bool)> {
        let keys = self.recovery_keys();
        let settlement = |statement: &'_ Statement| match &statement.claim {
            Claim::Settlement { ended, recovery, sequence, .. } => {
                let ended = ended.iter().find(|ended| ended.key == *key)?;
                let age = keys.iter().position(|key| key == recovery);
                Some(((age, *sequence), ended.is_revoked))
            }
            _ => None,
        };
        self.statements
            .iter()
            .filter_map(|statement| {
                let (age, is_revoked) = settlement(statement)?;
                Some(((age, statement.as_bytes()), (statement, is_revoked)))
            })
            .max_by_key(|(age, _)| *age)
            .map(|(_, settlement)| settlement)
    }

    fn rotation_of(&self, key: &Identity) -> Option<&Statement> {
        let of_key = |claim: &Claim| matches!(claim, Claim::Rotation { old, .. } if old == key);
        self.statements.iter().find(|statement| of_key(&statement.claim))
    }

    fn rotations(&self) -> usize {
        let is_rotation =
            |statement: &&Statement| matches!(statement.claim, Claim::Rotation { .. });
        self.statements.iter().filter(is_rotation).count()
    }

    /// Keeps what the path rests on, and each recovery key's last word.
    fn prune(&mut self) {
        let path = self.path();
        let is_needed = |statement: &Statement| match &statement.claim {
            Claim::RecoveryChange { .. } => true,
            Claim::Rotation { old, .. } => path
                .iter()
                .any(|step| step.key == *old && step.end == End::Rotated { vouched: false }),
            Claim::Settlement { recovery, .. } => {
                let is_last = self.last_settlement(recovery).is_some_and(|(_, s)| s == statement);
                is_last
                    || path.iter().any(|step| {
                        self.settlement_of(&step.key).is_some_and(|(s, _)| s == statement)
                    })
            }
        };
        self.statements =
            self.statements.iter().filter(|statement| is_needed(statement)).cloned().collect();
    }
}

fn today(path: &[Step]) -> Option<Identity> {
    path.last().filter(|step| step.end == End::Current).map(|step| step.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Ended, IdentityKey, MAX_ENDED};
    use crate::time::Timestamp;
    use proptest::prelude::*;

    const OWNER: u8 = 1;
    const RECOVERY: u8 = 200;

    fn key(n: u8) -> IdentityKey {
        IdentityKey::from_bytes(&[n; 32])
    }

    fn id(n: u8) -> Identity {
        key(n).identity()
    }

    fn rotation(old: u8, new: u8) -> Statement {
        let claim = Claim::Rotation { old: id(old), new: id(new), time: Timestamp(0) };
        Statement::sign(claim, &[&key(old), &key(new)])
    }

    /// Negative: revoked.
    fn settlement(ended: &[i16], successor: Option<u8>, recovery: u8, sequence: u64) -> Statement {
        let one = |n: &i16| Ended { key: id(n.unsigned_abs() as u8), is_revoked: *n < 0 };
        let claim = Claim::Settlement {
            ended: ended.iter().map(one).collect(),
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
        Lineage { root: id(OWNER), pin: Some(id(RECOVERY)), statements: Vec::new() }
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
        for (by, current, vouched) in [(None, 2, false), (Some(RECOVERY), 2, true)] {
            let vouch = by.map(|by| settlement(&[1], Some(2), by, 0));
            let lineage = after(&vouch.into_iter().chain([rotation(OWNER, 2)]).collect::<Vec<_>>());
            assert_eq!(lineage.current(), Some(id(current)));
            assert_eq!(lineage.is_vouched_since(&id(OWNER)), vouched);
            assert!(lineage.has_rotated(&id(OWNER)) && !lineage.has_rotated(&id(2)));
        }
    }

    #[test]
    fn the_recovery_key_restores_trust_that_a_rotation_without_it_lost() {
        let mut lineage = after(&[rotation(OWNER, 2)]);
        assert!(lineage.is_vouched_since(&id(2)) && !lineage.is_vouched_since(&id(OWNER)));
        lineage.add(&settlement(&[2, 1], Some(3), RECOVERY, 0));
        assert_eq!(lineage.current(), Some(id(3)));
        // Also since the key that the way does not pass any more.
        assert!(lineage.is_vouched_since(&id(2)) && lineage.is_vouched_since(&id(OWNER)));
        assert!(!lineage.is_vouched_since(&id(9)));
    }

    #[test]
    fn who_knows_no_recovery_key_follows_rotations_without_trust() {
        let mut lineage = Lineage { pin: None, ..lineage() };
        assert_eq!(lineage.add(&settlement(&[1], Some(2), RECOVERY, 0)), Verdict::Idle);
        assert_eq!(lineage.add(&rotation(OWNER, 2)), Verdict::Taken);
        lineage.pin = Some(id(RECOVERY));
        assert!(!lineage.is_vouched_since(&id(OWNER)));
    }

    #[test]
    fn of_two_rotations_the_first_stands_unless_the_recovery_key_says_otherwise() {
        let mut lineage = after(&[rotation(OWNER, 2), rotation(2, 3)]);
        assert_eq!(lineage.add(&rotation(OWNER, 4)), Verdict::Conflict);
        assert_eq!(lineage.current(), Some(id(3)));
        assert_eq!(lineage.add(&settlement(&[1], Some(5), RECOVERY, 0)), Verdict::Taken);
        assert_eq!(lineage.current(), Some(id(5)));
        for late in [rotation(OWNER, 6), rotation(2, 7)] {
            assert_eq!(lineage.add(&late), Verdict::Idle);
        }
    }

    #[test]
    fn a_revoked_key_never_comes_back() {
        let mut lineage = after(&[settlement(&[-1], Some(2), RECOVERY, 0)]);
        for back in [rotation(2, OWNER), rotation(OWNER, 9)] {
            assert_eq!(lineage.add(&back), Verdict::Idle);
        }
        assert_eq!(lineage.current(), Some(id(2)));
        lineage.add(&settlement(&[-2], Some(OWNER), RECOVERY, 1));
        assert_eq!(lineage.current(), None);
    }

    #[test]
    fn without_successor_nobody_is_left_until_the_recovery_key_names_one() {
        let end = settlement(&[-2, -1], None, RECOVERY, 0);
        for order in [[rotation(OWNER, 2), end.clone()], [end.clone(), rotation(OWNER, 2)]] {
            let mut lineage = after(&order);
            assert_eq!((lineage.current(), lineage.is_vouched_since(&id(OWNER))), (None, false));
            for replay in [rotation(OWNER, 2), rotation(2, 3), end.clone()] {
                assert_eq!(lineage.add(&replay), Verdict::Idle);
            }
            lineage.add(&settlement(&[-2, -1], Some(3), RECOVERY, 1));
            assert_eq!(lineage.current(), Some(id(3)));
            assert_eq!(lineage.add(&end), Verdict::Idle);
            assert!(lineage.is_vouched_since(&id(OWNER)));
        }
    }

    #[test]
    fn only_the_pinned_recovery_key_is_heard_and_only_it_names_the_next() {
        for forged in [settlement(&[-1], Some(2), 201, 0), change(201, 202, 0)] {
            assert_eq!(lineage().add(&forged), Verdict::Idle);
        }
        let mut lineage = after(&[change(RECOVERY, 201, 0)]);
        assert_eq!(lineage.recovery(), Some(id(201)));
        assert_eq!(lineage.add(&settlement(&[-1], Some(2), RECOVERY, 0)), Verdict::Idle);
        assert_eq!(lineage.add(&change(201, RECOVERY, 0)), Verdict::Idle);
        assert_eq!(lineage.add(&settlement(&[-1], Some(2), 201, 0)), Verdict::Taken);
    }

    #[test]
    fn a_recovery_key_goes_only_when_its_last_word_is_here() {
        let mut lineage = lineage();
        assert_eq!(lineage.add(&change(RECOVERY, 201, 8)), Verdict::Idle);
        lineage.add(&settlement(&[-1], Some(2), RECOVERY, 3));
        assert_eq!(lineage.add(&change(RECOVERY, 201, 8)), Verdict::Idle);
        lineage.add(&settlement(&[-2, -1], Some(3), RECOVERY, 7));
        assert_eq!(lineage.add(&change(RECOVERY, 201, 8)), Verdict::Taken);
        assert_eq!(lineage.current(), Some(id(3)));
    }

    #[test]
    fn a_thief_who_rotates_without_end_fills_no_memory_and_bars_no_owner() {
        let mut lineage = lineage();
        for n in 1..60 {
            lineage.add(&rotation(n, n + 1));
        }
        assert_eq!(lineage.statements.len(), MAX_ROTATIONS);
        lineage.add(&settlement(&[-1], Some(99), RECOVERY, 0));
        assert_eq!((lineage.current(), lineage.statements.len()), (Some(id(99)), 1));
    }

    #[test]
    fn an_owner_goes_on_for_ever_and_who_missed_much_follows() {
        let settle = |n: u8| {
            let first = n.saturating_sub(MAX_ENDED as u8).max(1);
            let ended: Vec<i16> = (first..n).rev().map(i16::from).collect();
            settlement(&ended, Some(n), RECOVERY, n.into())
        };
        let mut always = lineage();
        let mut seldom = lineage();
        for n in 2..150 {
            assert_eq!(always.add(&settle(n)), Verdict::Taken);
            if n % 30 == 2 {
                assert_eq!(seldom.add(&settle(n)), Verdict::Taken);
                assert_eq!(seldom.current(), Some(id(n)));
            }
            assert_eq!(always.current(), Some(id(n)));
        }
        for lineage in [&always, &seldom] {
            assert!(lineage.statements.len() <= 7 && lineage.is_vouched_since(&id(OWNER)));
        }
        // A replay of any of them changes nothing.
        for n in 2..150 {
            assert_eq!(always.add(&settle(n)), Verdict::Idle, "{n}");
        }
    }

    #[test]
    fn who_holds_the_recovery_key_fills_no_memory_either() {
        let mut lineage = lineage();
        for n in 1..180 {
            lineage.add(&settlement(&[i16::from(n)], Some(n + 1), RECOVERY, n.into()));
        }
        assert!(lineage.path().len() <= MAX_STEPS && lineage.statements.len() <= MAX_STEPS);
        let mut lineage = self::lineage();
        for n in RECOVERY..254 {
            lineage.add(&change(n, n + 1, 0));
        }
        assert_eq!(lineage.statements.len(), MAX_CHANGES);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The thief has the owner's key, rotates twice, and in another version too; the owner
        /// revokes, goes on, and revokes once more.
        #[test]
        fn the_recovery_key_wins_in_whatever_order_statements_come(
            order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
            repeats in proptest::collection::vec(0..6usize, 0..6),
            successor in any::<bool>(),
        ) {
            let last = successor.then_some(4);
            let statements = [
                rotation(OWNER, 10),
                rotation(10, 11),
                rotation(OWNER, 12),
                settlement(&[-1], Some(2), RECOVERY, 0),
                settlement(&[2, -1], Some(3), RECOVERY, 1),
                settlement(&[-3, -10, 2, -1], last, RECOVERY, 2),
            ];
            let mut lineage = lineage();
            for index in order.into_iter().chain(repeats) {
                lineage.add(&statements[index]);
            }
            prop_assert_eq!(lineage.current(), last.map(id));
            prop_assert_eq!(lineage.is_vouched_since(&id(OWNER)), successor);
            prop_assert_eq!(&lineage.statements, &[statements[5].clone()]);
        }
    }
}
