//! Whose key is whose, when keys change: one's own, and contacts'.

use super::Node;
use crate::chat::trust::check_words;
use crate::chat::{ContactId, IdentityError, KeyWarning, ratchet};
use crate::clock::Moment;
use crate::envelope::Opened;
use crate::event::Event;
use crate::identity::{
    Card, Claim, Ended, Identity, IdentityKey, MAX_ENDED, MAX_STATEMENTS, RecoveryWords, Statement,
    Verdict,
};
use crate::store::{ContactRow, Durability, SteadyMs, StoreError};
use crate::time::{DAY_MS, Timestamp};

/// How long mail by a key that was rotated away is still taken: what was on its way.
const GRACE_MS: SteadyMs = 7 * DAY_MS as i64;

impl Node {
    /// Makes the recovery words of this identity: to be shown once and written down. Only the public
    /// half of their key stays, on every card from now on.
    ///
    /// # Errors
    /// [`IdentityError::WordsExist`], [`IdentityError::Store`].
    pub fn create_words(&mut self, now: Timestamp) -> Result<RecoveryWords, IdentityError> {
        if self.recovery.is_some() {
            return Err(IdentityError::WordsExist);
        }
        let words = RecoveryWords::generate(&mut *self.rng);
        self.take_words(now, &words, None)?;
        Ok(words)
    }

    /// Replaces the recovery words by new ones, to be shown once; contacts are told.
    ///
    /// # Errors
    /// [`IdentityError::NoWords`], [`IdentityError::WrongWords`], [`IdentityError::TooOften`],
    /// [`IdentityError::Store`].
    pub fn replace_words(
        &mut self,
        now: Timestamp,
        old: &RecoveryWords,
    ) -> Result<RecoveryWords, IdentityError> {
        check_words(self.recovery.as_ref(), old)?;
        // There is always room for a settlement by the next key.
        self.check_room(2)?;
        let words = RecoveryWords::generate(&mut *self.rng);
        let (old, new) = (old.recovery_key(), words.recovery_key());
        let sequence = self.settled_by(&old.identity()).map_or(0, |last| last + 1);
        let claim = Claim::RecoveryChange { old: old.identity(), new: new.identity(), sequence };
        let statement = Statement::sign(claim, &[&old, &new]);
        self.take_words(now, &words, Some(statement))?;
        Ok(words)
    }

    /// Goes on under a new identity key. With the recovery words contacts keep their trust in who
    /// this is; without, they are warned, and verify anew.
    ///
    /// # Errors
    /// [`IdentityError::Ended`], [`IdentityError::NoWords`], [`IdentityError::WrongWords`],
    /// [`IdentityError::TooOften`] without the words, [`IdentityError::Store`].
    pub fn rotate_identity(
        &mut self,
        now: Timestamp,
        words: Option<&RecoveryWords>,
    ) -> Result<(), IdentityError> {
        if self.has_ended() {
            return Err(IdentityError::Ended);
        }
        let new = IdentityKey::generate(&mut *self.rng);
        let mut statements = Vec::new();
        match words {
            Some(words) => {
                check_words(self.recovery.as_ref(), words)?;
                statements.push(self.settle(now, words, Some(&new), false));
            }
            None => self.check_room(1)?,
        }
        // Whoever does not know the recovery key yet follows this one.
        let claim = Claim::Rotation { old: self.identity, new: new.identity(), time: now };
        statements.push(Statement::sign(claim, &[&self.key, &new]));
        self.become_known_as(now, Some(new), statements)
    }

    /// Revokes this identity with the recovery words and goes on as its successor: whatever a thief
    /// has done with the key, or does, counts for nothing where this arrives.
    ///
    /// # Errors
    /// [`IdentityError::NoWords`], [`IdentityError::WrongWords`], [`IdentityError::Store`].
    pub fn revoke_identity(
        &mut self,
        now: Timestamp,
        words: &RecoveryWords,
    ) -> Result<(), IdentityError> {
        check_words(self.recovery.as_ref(), words)?;
        let new = IdentityKey::generate(&mut *self.rng);
        let settlement = self.settle(now, words, Some(&new), true);
        self.become_known_as(now, Some(new), vec![settlement])
    }

    /// Revokes this identity with the recovery words and names no successor: contacts neither seal
    /// to it nor hear it any more. What is left to it is to tell them, and
    /// [`Node::revoke_identity`], which names a successor after all.
    ///
    /// # Errors
    /// As [`Node::revoke_identity`].
    pub fn end_identity(
        &mut self,
        now: Timestamp,
        words: &RecoveryWords,
    ) -> Result<(), IdentityError> {
        check_words(self.recovery.as_ref(), words)?;
        let settlement = self.settle(now, words, None, true);
        self.become_known_as(now, None, vec![settlement])
    }

    /// Whether this identity was revoked, and none took its place.
    pub fn has_ended(&self) -> bool {
        let last = self.settlements().last();
        last.is_some_and(|settlement| settlement.heir().is_none())
    }

    /// What the recovery key says of all keys up to today's. Rotations that it did not vouch for
    /// may be a thief's: a revocation takes them along.
    fn settle(
        &self,
        now: Timestamp,
        words: &RecoveryWords,
        successor: Option<&IdentityKey>,
        is_revoked: bool,
    ) -> Statement {
        let settled: Vec<Ended> = self.settlements().last().map_or_else(Vec::new, |last| {
            let Claim::Settlement { ended, .. } = &last.claim else { return Vec::new() };
            ended.clone()
        });
        let is_open = |key: &Identity| settled.iter().all(|ended| ended.key != *key);
        let rotated = self.statements.iter().rev().filter(|(_, s)| is_rotation(s));
        let rotated = rotated.flat_map(|(_, statement)| statement.subjects());
        let mut ended: Vec<_> = [self.identity]
            .into_iter()
            .chain(rotated)
            .filter(is_open)
            .map(|key| Ended { key, is_revoked })
            .chain(settled.iter().copied())
            .collect();
        ended.truncate(MAX_ENDED);
        let recovery = words.recovery_key();
        // A device that was restored from an old backup does not know what it said after that: the
        // clock does.
        let next = self.settled_by(&recovery.identity()).map_or(0, |last| last + 1);
        let claim = Claim::Settlement {
            ended,
            successor: successor.map(IdentityKey::identity),
            recovery: recovery.identity(),
            sequence: next.max(now.minutes().into()),
        };
        let signers: Vec<_> = [Some(&recovery), successor].into_iter().flatten().collect();
        Statement::sign(claim, &signers)
    }

    fn settlements(&self) -> impl Iterator<Item = &Statement> {
        let is_settlement = |s: &&Statement| matches!(s.claim, Claim::Settlement { .. });
        self.statements.iter().map(|(_, statement)| statement).filter(is_settlement)
    }

    /// The number of this recovery key's last settlement.
    fn settled_by(&self, key: &Identity) -> Option<u64> {
        let number = |statement: &Statement| match &statement.claim {
            Claim::Settlement { recovery, sequence, .. } if recovery == key => Some(*sequence),
            _ => None,
        };
        self.settlements().filter_map(number).last()
    }

    /// Whether so many statements more can be told at once; rotations that were settled need not be.
    fn check_room(&self, more: usize) -> Result<(), IdentityError> {
        let kept = self.statements.iter().filter(|(_, statement)| !self.is_settled(statement));
        let has_room = kept.count() + more <= MAX_STATEMENTS;
        if has_room { Ok(()) } else { Err(IdentityError::TooOften) }
    }

    /// Whether it is a rotation for which the recovery key has vouched since.
    fn is_settled(&self, statement: &Statement) -> bool {
        let ends = |key: &Identity| {
            self.settlements().last().is_some_and(|last| last.subjects().any(|ended| ended == *key))
        };
        is_rotation(statement) && statement.subjects().all(|key| ends(&key))
    }

    pub(super) fn take_words(
        &mut self,
        now: Timestamp,
        words: &RecoveryWords,
        statement: Option<Statement>,
    ) -> Result<(), IdentityError> {
        let key = words.recovery_key().identity();
        self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            node.store.set_own_recovery(&key)?;
            node.recovery = Some(key);
            if let Some(statement) = statement {
                node.state(statement)?;
            }
            node.issue_cards(now)?;
            node.store.refresh_all(now.steady)?;
            node.store.commit()
        })?;
        Ok(self.send_refreshes(now)?)
    }

    /// Takes the new key, if there is one; says why.
    fn become_known_as(
        &mut self,
        now: Timestamp,
        key: Option<IdentityKey>,
        statements: Vec<Statement>,
    ) -> Result<(), IdentityError> {
        self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            for statement in statements {
                node.state(statement)?;
            }
            if let Some(key) = key {
                node.store.set_own_key(&key)?;
                node.identity = key.identity();
                node.key = key;
            }
            // Who has the old key may have the secrets of these.
            node.store.age_replies(ratchet::REFRESH_AFTER_MS)?;
            for reply in node.replies.values_mut().flatten() {
                reply.issued -= ratchet::REFRESH_AFTER_MS;
            }
            node.withdraw_cards(now)?;
            node.store.scrub();
            node.store.commit()
        })?;
        Ok(self.send_refreshes(now)?)
    }

    /// Keeps an own statement, and drops what it makes unnecessary.
    fn state(&mut self, statement: Statement) -> Result<(), StoreError> {
        let number = self.newest_statement() + 1;
        if let Claim::Settlement { recovery, ended, .. } = &statement.claim {
            let is_revocation = ended.first().is_some_and(|newest| newest.is_revoked);
            self.drop_statements(|old| match &old.claim {
                Claim::Settlement { recovery: by, .. } => by == recovery,
                Claim::Rotation { .. } => is_revocation,
                Claim::RecoveryChange { .. } => false,
            })?;
            if is_revocation {
                // Who holds the stolen key could pose as a later device: the words outrank that.
                self.is_superseded = false;
                self.store.set_superseded(false)?;
            }
        }
        self.store.insert_own_statement(number, &statement)?;
        self.statements.push((number, statement));
        while self.statements.len() > MAX_STATEMENTS {
            let oldest = self.statements.iter().find(|(_, old)| self.is_settled(old));
            let Some((_, oldest)) = oldest.cloned() else { break };
            self.drop_statements(|old| *old == oldest)?;
        }
        Ok(())
    }

    fn drop_statements(&mut self, is_void: impl Fn(&Statement) -> bool) -> Result<(), StoreError> {
        let (void, kept) =
            std::mem::take(&mut self.statements).into_iter().partition(|(_, old)| is_void(old));
        self.statements = kept;
        let void: Vec<(u64, Statement)> = void;
        for (number, _) in void {
            self.store.delete_own_statement(number)?;
        }
        Ok(())
    }

    fn newest_statement(&self) -> u64 {
        self.statements.last().map_or(0, |(number, _)| *number)
    }

    /// All own statements and the newest one's number, until the contact is known to have them: no
    /// message may come before what explains its sender.
    pub(super) fn statements_for(&self, contact: &ContactRow) -> (Vec<Statement>, Option<u64>) {
        let newest = self.newest_statement();
        if contact.holds_statement >= newest {
            return (Vec::new(), None);
        }
        (self.statements.iter().map(|(_, statement)| statement.clone()).collect(), Some(newest))
    }

    /// Today's identity and those that mail may still be sealed for.
    pub(super) fn identities(&self) -> impl Iterator<Item = Identity> {
        let former = self.statements.iter().rev().flat_map(|(_, statement)| statement.subjects());
        [self.identity].into_iter().chain(former)
    }

    /// Takes what came along about keys, whoever brought it: statements prove themselves. All of a
    /// message are about one person.
    pub(super) fn heed(&mut self, now: Moment, opened: &Opened) -> Result<(), StoreError> {
        let named = opened.statements.iter().rev().flat_map(Statement::subjects);
        let mut contact = None;
        for key in named.chain([opened.sender]) {
            contact = self.store.key_owner(&key, now.steady)?.map(|(contact, _)| contact);
            if contact.is_some() {
                break;
            }
        }
        let Some(contact) = contact else { return Ok(()) };
        // The recovery key first: what it has settled warns of nothing.
        let is_late = |statement: &&Statement| is_rotation(statement);
        let (late, early): (Vec<_>, Vec<_>) = opened.statements.iter().partition(is_late);
        for statement in early.into_iter().chain(late) {
            self.heed_one(now, contact, statement)?;
        }
        Ok(())
    }

    fn heed_one(
        &mut self,
        now: Moment,
        contact: ContactId,
        statement: &Statement,
    ) -> Result<(), StoreError> {
        let mut lineage = self.store.lineage(contact)?;
        let before = lineage.current();
        match lineage.add(statement) {
            Verdict::Idle => return Ok(()),
            Verdict::Conflict => return self.warn(contact, KeyWarning::Conflict),
            Verdict::Taken => {}
        }
        for step in lineage.path() {
            let owner = self.store.key_owner(&step.key, now.steady)?;
            let is_own = self.identities().any(|own| own == step.key);
            if is_own || owner.is_some_and(|(owner, _)| owner != contact) {
                // Nobody becomes somebody else who is known.
                return Ok(());
            }
        }
        let verified = self.store.set_lineage(contact, &lineage, now.steady + GRACE_MS)?;
        let is_trusted = verified || lineage.is_vouched_since(&lineage.root);
        let after = lineage.current();
        if before != after {
            if !before.is_some_and(|key| lineage.has_rotated(&key)) {
                self.store.clear_contact_reply(contact)?;
            }
            self.unmeet(contact);
            self.events.push_back(Event::IdentityChanged { contact });
        }
        match after {
            None => self.warn(contact, KeyWarning::Revoked),
            Some(_) if is_trusted => self.store.set_warning(contact, None),
            Some(_) if before != after => self.warn(contact, KeyWarning::NewKey),
            Some(_) => Ok(()),
        }
    }

    /// Tells the user that something is wrong, once until they look.
    fn warn(&mut self, id: ContactId, warning: KeyWarning) -> Result<(), StoreError> {
        let Some(contact) = self.store.contact(id)? else { return Ok(()) };
        if contact.warning != Some(warning) {
            self.store.set_warning(id, Some(warning))?;
            self.events.push_back(Event::KeyWarning { contact: id, warning });
        }
        Ok(())
    }

    /// Whether the card speaks for the contact's key of today and their pinned recovery key, which
    /// no card can change; a first one is pinned, if the key is the first known or a verified one.
    pub(super) fn trust_card(
        &mut self,
        contact: &ContactRow,
        card: &Card,
    ) -> Result<bool, StoreError> {
        if card.identity() != contact.identity || contact.revoked {
            return Ok(false);
        }
        let known = &contact.card;
        if card.identity() == known.identity() && card.sequence() <= known.sequence() {
            // It comes late, and is not taken for that.
            return Ok(true);
        }
        let lineage = self.store.lineage(contact.id)?;
        match (lineage.recovery(), card.recovery()) {
            (Some(pinned), named) => {
                let fits = named == Some(pinned);
                if !fits {
                    self.warn(contact.id, KeyWarning::RecoveryKey)?;
                }
                Ok(fits)
            }
            (None, Some(named)) => {
                let is_known = card.identity() == lineage.root
                    || self.store.verified_key(contact.id)? == Some(*card.identity().as_bytes());
                if is_known {
                    self.store.set_contact_recovery(contact.id, &named)?;
                }
                Ok(true)
            }
            (None, None) => Ok(true),
        }
    }
}

fn is_rotation(statement: &Statement) -> bool {
    matches!(statement.claim, Claim::Rotation { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StorePath;
    use crate::chat::{ContactError, Relation};
    use crate::envelope::{Body, Envelope, Priority};
    use crate::link::LinkId;
    use crate::link::frame::Passage;
    use crate::node::tests::simulated;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    const NOW: Timestamp = Timestamp(1_780_315_200_000);

    fn node(seed: u64) -> Node {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(seed));
        Node::open(&StorePath::Memory, simulated(), rng, NOW).unwrap()
    }

    /// Everything that waits at `from` comes to `to`.
    fn deliver(from: &Node, to: &mut Node) {
        for carried in from.store.carried(100).unwrap() {
            let bytes = from.store.envelope_bytes(carried.row).unwrap().unwrap();
            let now = to.begin(NOW, Durability::Process).unwrap();
            assert!(to.accept(now, LinkId(0), Passage::default(), &bytes).is_ok());
            to.commit().unwrap();
        }
    }

    /// A thief with the key, who was never bound by an engine: words of their own.
    fn thief(victim: &Node) -> Node {
        let mut thief = node(66);
        thief.key = victim.key.clone();
        thief.identity = victim.identity;
        thief.create_words(NOW).unwrap();
        thief
    }

    fn told(node: &mut Node) -> Vec<KeyWarning> {
        let warning = |event| match event {
            Event::KeyWarning { warning, .. } => Some(warning),
            _ => None,
        };
        std::iter::from_fn(|| node.poll_event()).filter_map(warning).collect()
    }

    #[test]
    fn no_card_changes_the_pinned_recovery_key() {
        let (mut alice, mut bob) = (node(1), node(2));
        let words = alice.create_words(NOW).unwrap();
        let id = bob.add_contact(NOW, alice.card(), "Alice").unwrap();
        bob.verify_contact(NOW, id).unwrap();
        let mut thief = thief(&alice);
        // Further on than the owner's cards.
        for name in ["a", "b", "c"] {
            thief.set_name(NOW, Some(name)).unwrap();
        }
        let added = bob.add_contact(NOW, thief.card(), "Alice");
        assert!(matches!(added, Err(ContactError::RecoveryKey)));
        assert_eq!(told(&mut bob), [KeyWarning::RecoveryKey]);
        let to_bob = thief.add_contact(NOW, bob.card(), "Bob").unwrap();
        thief.send(NOW, to_bob, &Body::Text("hello".into()), Priority::Normal).unwrap();
        deliver(&thief, &mut bob);
        let contact = bob.store.contact(id).unwrap().unwrap();
        assert!(contact.card == *alice.card() && contact.verified);
        assert_eq!(contact.warning, Some(KeyWarning::RecoveryKey));
        // The thief's own revocation is not the pinned key's.
        let forged = RecoveryWords::generate(&mut ChaCha20Rng::seed_from_u64(5));
        thief.recovery = Some(forged.recovery_key().identity());
        thief.revoke_identity(NOW, &forged).unwrap();
        thief.send(NOW, to_bob, &Body::Text("revoked".into()), Priority::Normal).unwrap();
        deliver(&thief, &mut bob);
        let contact = bob.store.contact(id).unwrap().unwrap();
        assert_eq!((contact.identity, contact.verified), (alice.identity, true));
        // The owner's is; their cards start anew, however far the thief's had gone.
        let to_bob = alice.add_contact(NOW, bob.card(), "Bob").unwrap();
        alice.revoke_identity(NOW, &words).unwrap();
        alice.send(NOW, to_bob, &Body::Text("it is me".into()), Priority::Normal).unwrap();
        deliver(&alice, &mut bob);
        let contact = bob.store.contact(id).unwrap().unwrap();
        assert_eq!((contact.identity, contact.warning), (alice.identity, None));
        assert!(contact.verified && contact.card.identity() == alice.identity);
    }

    #[test]
    fn a_contact_who_claims_another_contacts_key_gets_nowhere() {
        let (mut bob, mut mallory, carol) = (node(1), node(2), node(3));
        let from_mallory = bob.add_contact(NOW, mallory.card(), "Mallory").unwrap();
        let from_carol = bob.add_contact(NOW, carol.card(), "Carol").unwrap();
        // Mallory and Carol are one person, or share the key: it is still Carol's name.
        let claim = Claim::Rotation { old: mallory.identity, new: carol.identity, time: NOW };
        let statement = Statement::sign(claim, &[&mallory.key, &carol.key]);
        mallory.begin(NOW, Durability::Process).unwrap();
        mallory.state(statement).unwrap();
        let to_bob = mallory.add_contact(NOW, bob.card(), "Bob").unwrap();
        mallory.send(NOW, to_bob, &Body::Text("hello".into()), Priority::Normal).unwrap();
        deliver(&mallory, &mut bob);
        for (id, node) in [(from_mallory, &mallory), (from_carol, &carol)] {
            let contact = bob.store.contact(id).unwrap().unwrap();
            assert_eq!((contact.identity, contact.relation), (node.identity, Relation::Accepted));
        }
    }

    #[test]
    fn mail_sealed_for_a_key_that_was_given_up_still_opens() {
        let (mut alice, mut bob) = (node(1), node(2));
        let to_alice = bob.add_contact(NOW, alice.card(), "Alice").unwrap();
        bob.send(NOW, to_alice, &Body::Text("on its way".into()), Priority::Normal).unwrap();
        let words = alice.create_words(NOW).unwrap();
        alice.rotate_identity(NOW, Some(&words)).unwrap();
        alice.revoke_identity(NOW, &words).unwrap();
        let row = bob.store.carried(1).unwrap()[0].row;
        let bytes = bob.store.envelope_bytes(row).unwrap().unwrap();
        assert!(alice.unlock(&Envelope::parse(&bytes).unwrap()).is_some());
    }
}
