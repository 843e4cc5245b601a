//! Keys change hands, are stolen and revoked: the owner's words win.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

use footpost_core::{
    Body, Config, Contact, ContactError, ContactId, DAY_MS, Event, IdentityError, KeyWarning, Node,
    Priority, RecoveryWords, SendError, State, StorePath, Timestamp,
};
use footpost_tests::{Net, simulated};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::path::Path;
use tempfile::TempDir;

const SECOND_MS: u64 = 1000;
const ALICE: usize = 0;
const BOB: usize = 1;

/// Alice, whose store lies in a file that a thief can copy, and Bob, who has verified her.
struct World {
    net: Net,
    directory: TempDir,
    words: RecoveryWords,
    to_alice: ContactId,
    to_bob: ContactId,
}

fn prompt() -> Config {
    let mut config = simulated();
    config.ack_delay_max_ms(0);
    config
}

impl World {
    fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut net = Net::with_config(seed, 0, &prompt());
        net.add(&StorePath::File(directory.path().join("alice")), prompt());
        net.add(&StorePath::Memory, prompt());
        let now = net.now();
        let words = net.node(ALICE).create_words(now).unwrap();
        let (to_bob, to_alice) = net.befriend(ALICE, BOB);
        net.node(BOB).verify_contact(now, to_alice).unwrap();
        let mut world = Self { net, directory, words, to_alice, to_bob };
        world.exchange("hello");
        world
    }

    /// The device is copied: what the thief does with the copy, the owner does not see.
    fn steal(&mut self) -> usize {
        let copy = self.directory.path().join(format!("thief {}", self.net.copies().len()));
        for suffix in ["", "-wal"] {
            let name = |path: &Path| format!("{}{suffix}", path.display());
            let from = name(&self.directory.path().join("alice"));
            std::fs::copy(from, name(&copy)).unwrap();
        }
        self.net.add(&StorePath::File(copy), prompt())
    }

    /// The two meet.
    fn meet(&mut self, a: usize, b: usize) {
        let link = self.net.connect(a, b);
        self.net.run_for(SECOND_MS);
        self.net.cut(link);
    }

    /// Both write, and both read.
    fn exchange(&mut self, text: &str) {
        for (from, to) in [(ALICE, self.to_bob), (BOB, self.to_alice)] {
            self.net.send(from, to, text);
        }
        self.meet(ALICE, BOB);
        for who in [ALICE, BOB] {
            assert_eq!(self.net.inbox(who).last().map(String::as_str), Some(text), "{who}");
        }
    }

    fn now(&self) -> Timestamp {
        self.net.now()
    }

    /// Alice, as Bob has her.
    fn alice(&mut self) -> Contact {
        let mut contacts = self.net.node(BOB).contacts().unwrap();
        assert_eq!(contacts.len(), 1);
        contacts.remove(0)
    }

    fn is_at_alices(&mut self) -> bool {
        let address = self.net.node(ALICE).identity().address();
        self.alice().address == address
    }

    fn warnings(&mut self) -> Vec<KeyWarning> {
        let warning = |event| match event {
            Event::KeyWarning { warning, .. } => Some(warning),
            _ => None,
        };
        self.net.events(BOB).into_iter().filter_map(warning).collect()
    }
}

#[test]
fn a_rotation_with_the_words_keeps_conversation_and_trust() {
    let mut world = World::new(1);
    let before = world.alice();
    let (now, words) = (world.now(), world.words.clone());
    world.net.node(ALICE).rotate_identity(now, Some(&words)).unwrap();
    assert!(!world.is_at_alices());
    // Sealed to the old key, and on its way.
    world.net.send(BOB, world.to_alice, "crossing");
    world.meet(ALICE, BOB);
    assert_eq!(world.net.inbox(ALICE), ["hello", "crossing"]);
    let after = world.alice();
    assert!(world.is_at_alices() && after.verified && after.warning.is_none());
    assert_eq!((after.id, &after.name), (before.id, &before.name));
    assert!(world.warnings().is_empty());
    world.exchange("under the new key");
    assert_eq!(world.net.messages(BOB, Some(before.id)).len(), 5);
    let number = world.net.node(BOB).safety_number(world.to_alice).unwrap();
    assert_eq!(world.net.node(ALICE).safety_number(world.to_bob).unwrap(), number);
    // And they prove themselves to each other on links again.
    world.net.events(BOB);
    world.meet(ALICE, BOB);
    let proven = |event: &Event| matches!(event, Event::NeighbourProven { .. });
    assert!(world.net.events(BOB).iter().any(proven));
}

#[test]
fn a_rotation_without_the_words_warns_until_verified_anew() {
    let mut world = World::new(2);
    let now = world.now();
    world.net.node(ALICE).rotate_identity(now, None).unwrap();
    world.meet(ALICE, BOB);
    let alice = world.alice();
    assert!(world.is_at_alices() && !alice.verified);
    assert_eq!(alice.warning, Some(KeyWarning::NewKey));
    assert_eq!(world.warnings(), [KeyWarning::NewKey]);
    world.exchange("it is still me");
    let now = world.now();
    world.net.node(BOB).verify_contact(now, world.to_alice).unwrap();
    let alice = world.alice();
    assert!(alice.verified && alice.warning.is_none());
}

#[test]
fn mail_by_the_old_key_is_taken_for_a_while() {
    let mut world = World::new(3);
    let carrier = world.net.add(&StorePath::Memory, prompt());
    world.net.send(ALICE, world.to_bob, "the long way");
    world.meet(ALICE, carrier);
    let (now, words) = (world.now(), world.words.clone());
    world.net.node(ALICE).rotate_identity(now, Some(&words)).unwrap();
    // The newer message is the first to come.
    world.net.send(ALICE, world.to_bob, "the short way");
    world.meet(ALICE, BOB);
    world.meet(carrier, BOB);
    let inbox = world.net.inbox(BOB);
    assert!(inbox.contains(&"the long way".into()) && inbox.contains(&"the short way".into()));
}

#[test]
fn a_thief_rotates_and_the_owners_words_win_whoever_comes_first() {
    for owner_first in [false, true] {
        let mut world = World::new(4);
        let thief = world.steal();
        let now = world.now();
        world.net.node(thief).rotate_identity(now, None).unwrap();
        world.net.node(thief).rotate_identity(now, None).unwrap();
        let words = world.words.clone();
        if !owner_first {
            world.meet(thief, BOB);
            let alice = world.alice();
            assert!(!world.is_at_alices() && !alice.verified);
            assert_eq!(alice.warning, Some(KeyWarning::NewKey));
        }
        world.net.node(ALICE).revoke_identity(now, &words).unwrap();
        world.meet(ALICE, BOB);
        world.meet(thief, BOB);
        let alice = world.alice();
        assert!(world.is_at_alices() && alice.verified && alice.warning.is_none());
        // The thief's mail is foreign mail, and brings no request either.
        let said = world.net.send(thief, world.to_bob, "it is me, Alice");
        world.meet(thief, BOB);
        assert_eq!(world.net.inbox(BOB), ["hello"]);
        assert!(world.net.node(thief).message(said).unwrap().unwrap().state < State::Handed);
        assert!(world.is_at_alices());
        world.exchange("rid of them");
    }
}

#[test]
fn what_a_thief_did_on_the_device_itself_goes_with_the_revocation() {
    let mut world = World::new(5);
    let now = world.now();
    // The thief has the device unlocked, rotates, and takes the new key along.
    world.net.node(ALICE).rotate_identity(now, None).unwrap();
    world.meet(ALICE, BOB);
    let thief = world.steal();
    assert!(!world.alice().verified);
    let words = world.words.clone();
    world.net.node(ALICE).revoke_identity(now, &words).unwrap();
    world.meet(ALICE, BOB);
    world.net.send(thief, world.to_bob, "no, me");
    world.meet(thief, BOB);
    let alice = world.alice();
    assert!(world.is_at_alices() && alice.verified && alice.warning.is_none());
    assert_eq!(world.net.inbox(BOB), ["hello"]);
    world.exchange("mine again");
}

#[test]
fn a_thief_cannot_revoke_nor_replace_the_recovery_key() {
    let mut world = World::new(6);
    let thief = world.steal();
    let now = world.now();
    let guess = RecoveryWords::generate(&mut ChaCha20Rng::seed_from_u64(9));
    let node: &mut Node = world.net.node(thief);
    assert!(matches!(node.create_words(now), Err(IdentityError::WordsExist)));
    assert!(matches!(node.replace_words(now, &guess), Err(IdentityError::WrongWords)));
    assert!(matches!(node.revoke_identity(now, &guess), Err(IdentityError::WrongWords)));
    assert!(matches!(node.rotate_identity(now, Some(&guess)), Err(IdentityError::WrongWords)));
    let words = world.words.clone();
    world.net.node(ALICE).revoke_identity(now, &words).unwrap();
    world.meet(ALICE, BOB);
    assert!(world.is_at_alices() && world.alice().verified);
    let old_card = world.net.node(thief).card().clone();
    let added = world.net.node(BOB).add_contact(now, &old_card, "Alice");
    assert!(matches!(added, Err(ContactError::OldKey)));
}

#[test]
fn replaced_words_are_the_only_ones_that_count() {
    let mut world = World::new(7);
    let (now, old) = (world.now(), world.words.clone());
    world.net.node(ALICE).revoke_identity(now, &old).unwrap();
    let new = world.net.node(ALICE).replace_words(now, &old).unwrap();
    world.meet(ALICE, BOB);
    assert!(world.warnings().is_empty() && world.alice().verified && world.is_at_alices());
    let node = world.net.node(ALICE);
    assert!(matches!(node.revoke_identity(now, &old), Err(IdentityError::WrongWords)));
    node.revoke_identity(now, &new).unwrap();
    world.meet(ALICE, BOB);
    assert!(world.warnings().is_empty() && world.alice().verified && world.is_at_alices());
    world.exchange("new words, new key");
}

#[test]
fn words_are_needed_before_they_are_used() {
    let mut net = Net::new(8, 1);
    let (now, node) = (net.now(), net.node(0));
    let guess = RecoveryWords::generate(&mut ChaCha20Rng::seed_from_u64(9));
    assert!(matches!(node.revoke_identity(now, &guess), Err(IdentityError::NoWords)));
    assert!(matches!(node.end_identity(now, &guess), Err(IdentityError::NoWords)));
    assert!(matches!(node.replace_words(now, &guess), Err(IdentityError::NoWords)));
    let words = node.create_words(now).unwrap();
    assert_eq!(node.card().recovery(), Some(words.recovery_key().identity()));
    assert!(matches!(node.end_identity(now, &guess), Err(IdentityError::WrongWords)));
    node.revoke_identity(now, &words).unwrap();
    let own = node.card().clone();
    assert!(matches!(node.add_contact(now, &own, "me"), Err(ContactError::Own)));
}

#[test]
fn with_the_words_an_identity_goes_on_for_ever() {
    let mut world = World::new(15);
    let words = world.words.clone();
    for n in 0..70 {
        let now = world.now();
        world.net.node(ALICE).rotate_identity(now, Some(&words)).unwrap();
        if n % 10 == 9 {
            world.meet(ALICE, BOB);
            assert!(world.is_at_alices() && world.alice().verified, "{n}");
        }
    }
    assert!(world.warnings().is_empty());
    world.exchange("under the seventieth key");
    let now = world.now();
    world.net.node(ALICE).revoke_identity(now, &words).unwrap();
    world.meet(ALICE, BOB);
    assert!(world.is_at_alices() && world.alice().verified && world.warnings().is_empty());
    world.exchange("and the one after");
}

#[test]
fn without_the_words_contacts_follow_so_far_and_with_them_further() {
    let mut world = World::new(16);
    let (words, mut rotations) = (world.words.clone(), 0);
    let last = loop {
        let now = world.now();
        match world.net.node(ALICE).rotate_identity(now, None) {
            Ok(()) => rotations += 1,
            Err(error) => break error,
        }
        // Bob misses several at a time.
        if rotations % 6 == 0 {
            world.meet(ALICE, BOB);
            assert!(world.is_at_alices() && !world.alice().verified, "{rotations}");
        }
    };
    assert!(matches!(last, IdentityError::TooOften) && rotations > 20);
    world.meet(ALICE, BOB);
    assert!(world.is_at_alices());
    let now = world.now();
    assert!(matches!(
        world.net.node(ALICE).replace_words(now, &words),
        Err(IdentityError::TooOften)
    ));
    // Recovery is possible even then, and gives back what was lost.
    for revoked in [false, true] {
        let node = world.net.node(ALICE);
        if revoked {
            node.revoke_identity(now, &words).unwrap();
        } else {
            node.rotate_identity(now, Some(&words)).unwrap();
        }
        world.meet(ALICE, BOB);
        assert!(world.is_at_alices() && world.alice().verified);
        assert_eq!(world.alice().warning, None);
    }
    world.net.node(ALICE).rotate_identity(now, None).unwrap();
    world.exchange("and on");
}

#[test]
fn twenty_rotations_over_months_and_a_revocation_after() {
    let mut world = World::new(17);
    let words = world.words.clone();
    // Carol, too, knows Alice from the beginning, but misses three of four.
    let carol = world.net.add(&StorePath::Memory, prompt());
    let (to_carol, alice_at_carols) = world.net.befriend(ALICE, carol);
    let now = world.now();
    world.net.node(carol).verify_contact(now, alice_at_carols).unwrap();
    let thief = world.steal();
    for n in 0..20 {
        world.net.run_for(6 * DAY_MS);
        let now = world.now();
        let with = (n % 3 == 0).then_some(&words);
        world.net.node(ALICE).rotate_identity(now, with).unwrap();
        world.exchange(&format!("rotated {n} times"));
        if n % 4 == 3 {
            world.net.send(ALICE, to_carol, "a new key again");
            world.net.send(carol, alice_at_carols, "how many are there?");
            world.meet(ALICE, carol);
        }
    }
    let now = world.now();
    world.net.node(ALICE).revoke_identity(now, &words).unwrap();
    for (who, contact) in [(BOB, world.to_alice), (carol, alice_at_carols)] {
        world.meet(ALICE, who);
        let address = world.net.node(ALICE).identity().address();
        let contacts = world.net.node(who).contacts().unwrap();
        let alice = contacts.iter().find(|known| known.id == contact).unwrap();
        assert!(alice.address == address && alice.verified && alice.warning.is_none());
    }
    // The first of all those keys is worth nothing.
    let inbox = world.net.inbox(BOB).len();
    let now = world.now();
    let _ = world.net.node(thief).rotate_identity(now, None);
    let text = Body::Text("as of old".into());
    let _ = world.net.node(thief).send(now, world.to_bob, &text, Priority::Normal);
    world.meet(thief, BOB);
    assert_eq!(world.net.inbox(BOB).len(), inbox);
    assert!(world.is_at_alices());
}

#[test]
fn replacing_the_words_always_leaves_room_to_revoke() {
    let mut world = World::new(18);
    let mut words = world.words.clone();
    let mut replaced = 0;
    loop {
        let now = world.now();
        world.net.node(ALICE).revoke_identity(now, &words).unwrap();
        match world.net.node(ALICE).replace_words(now, &words) {
            Ok(new) => words = new,
            Err(IdentityError::TooOften) => break,
            Err(error) => panic!("{error}"),
        }
        replaced += 1;
    }
    assert_eq!(replaced, 15);
    world.meet(ALICE, BOB);
    assert!(world.is_at_alices() && world.alice().verified && world.warnings().is_empty());
    for _ in 0..3 {
        let now = world.now();
        world.net.node(ALICE).revoke_identity(now, &words).unwrap();
        world.meet(ALICE, BOB);
        assert!(world.is_at_alices() && world.alice().verified);
    }
    world.exchange("still here");
}

#[test]
fn without_a_successor_the_conversation_ends_until_one_is_named() {
    let mut world = World::new(19);
    let thief = world.steal();
    let (now, words) = (world.now(), world.words.clone());
    world.net.send(ALICE, world.to_bob, "my phone is gone");
    let node = world.net.node(ALICE);
    node.end_identity(now, &words).unwrap();
    assert!(node.has_ended());
    let text = Body::Text("too late".into());
    let sent = node.send(now, world.to_bob, &text, Priority::Normal);
    assert!(matches!(sent, Err(SendError::Ended)));
    assert!(matches!(node.rotate_identity(now, None), Err(IdentityError::Ended)));
    assert!(matches!(node.rotate_identity(now, Some(&words)), Err(IdentityError::Ended)));

    // Twice, and with the thief's mail before and after.
    for _ in 0..2 {
        world.meet(ALICE, BOB);
        let alice = world.alice();
        assert!(!alice.verified && alice.warning == Some(KeyWarning::Revoked));
        let sent = world.net.node(BOB).send(now, world.to_alice, &text, Priority::Normal);
        assert!(matches!(sent, Err(SendError::Revoked)));
        world.net.node(thief).rotate_identity(now, None).unwrap();
        world.net.send(thief, world.to_bob, "no, it is me");
        world.meet(thief, BOB);
    }
    assert_eq!(world.warnings(), [KeyWarning::Revoked]);
    let card = world.net.node(ALICE).card().clone();
    let added = world.net.node(BOB).add_contact(now, &card, "Alice");
    assert!(matches!(added, Err(ContactError::OldKey)));
    assert!(!world.net.inbox(BOB).contains(&"no, it is me".to_owned()));

    let now = world.now();
    world.net.node(ALICE).revoke_identity(now, &words).unwrap();
    assert!(!world.net.node(ALICE).has_ended());
    world.meet(ALICE, BOB);
    let alice = world.alice();
    assert!(world.is_at_alices() && alice.verified && alice.warning.is_none());
    world.exchange("on a new phone");
}

#[test]
fn the_news_of_an_end_is_told_again_until_contacts_can_be_reached() {
    let mut world = World::new(20);
    let (now, words) = (world.now(), world.words.clone());
    world.net.node(ALICE).end_identity(now, &words).unwrap();
    // The first telling has expired by then.
    world.net.run_for(15 * DAY_MS);
    world.meet(ALICE, BOB);
    assert_eq!(world.alice().warning, Some(KeyWarning::Revoked));
}

#[test]
fn nobody_becomes_a_contact_who_is_there_already() {
    let mut world = World::new(9);
    // Bob has scanned Alice's new card before he hears of it.
    let (now, words) = (world.now(), world.words.clone());
    world.net.node(ALICE).rotate_identity(now, Some(&words)).unwrap();
    let card = world.net.node(ALICE).card().clone();
    let second = world.net.node(BOB).add_contact(now, &card, "Alice, new").unwrap();
    world.net.send(ALICE, world.to_bob, "hello again");
    world.meet(ALICE, BOB);
    let contacts = world.net.node(BOB).contacts().unwrap();
    assert_eq!(contacts.len(), 2);
    assert_ne!(contacts[0].address, contacts[1].address);
    world.net.send(BOB, second, "to the new one");
    world.meet(ALICE, BOB);
    assert_eq!(world.net.inbox(ALICE).last().unwrap(), "to the new one");
}

#[test]
fn a_blocked_contact_stays_blocked_under_a_new_key() {
    let mut world = World::new(10);
    let (now, words) = (world.now(), world.words.clone());
    world.net.node(BOB).block_contact(now, world.to_alice).unwrap();
    world.net.node(ALICE).rotate_identity(now, Some(&words)).unwrap();
    world.net.send(ALICE, world.to_bob, "somebody else");
    world.meet(ALICE, BOB);
    assert_eq!(world.net.node(BOB).contacts().unwrap().len(), 1);
    assert!(world.net.inbox(BOB).is_empty());
}

#[test]
fn words_made_later_are_pinned_and_then_count() {
    let directory = tempfile::tempdir().unwrap();
    let mut net = Net::with_config(11, 0, &prompt());
    net.add(&StorePath::File(directory.path().join("alice")), prompt());
    net.add(&StorePath::Memory, prompt());
    let (to_bob, to_alice) = net.befriend(ALICE, BOB);
    let now = net.now();
    net.node(BOB).verify_contact(now, to_alice).unwrap();
    let words = net.node(ALICE).create_words(now).unwrap();
    let mut world = World { net, directory, words, to_alice, to_bob };
    world.meet(ALICE, BOB);
    world.exchange("I have words now");
    let words = world.words.clone();
    world.net.node(ALICE).revoke_identity(now, &words).unwrap();
    world.meet(ALICE, BOB);
    assert!(world.is_at_alices() && world.alice().verified && world.warnings().is_empty());
}

#[test]
fn who_was_verified_anew_may_rotate_in_peace() {
    let mut world = World::new(12);
    let (now, words) = (world.now(), world.words.clone());
    world.net.node(ALICE).rotate_identity(now, None).unwrap();
    world.meet(ALICE, BOB);
    world.net.node(BOB).verify_contact(now, world.to_alice).unwrap();
    assert_eq!(world.warnings(), [KeyWarning::NewKey]);
    world.net.node(ALICE).rotate_identity(now, Some(&words)).unwrap();
    world.meet(ALICE, BOB);
    assert!(world.is_at_alices() && world.alice().verified && world.warnings().is_empty());
}

#[test]
fn statements_of_somebody_unknown_change_nothing() {
    let mut world = World::new(13);
    let carol = world.net.add(&StorePath::Memory, prompt());
    let (now, words) = (world.now(), world.words.clone());
    world.net.node(ALICE).rotate_identity(now, Some(&words)).unwrap();
    world.net.node(ALICE).revoke_identity(now, &words).unwrap();
    let to_carol = world.net.introduce(ALICE, carol);
    world.net.send(ALICE, to_carol, "you do not know me");
    world.meet(ALICE, carol);
    let stranger = world.net.node(carol).contacts().unwrap().remove(0);
    assert_eq!(stranger.address, world.net.node(ALICE).identity().address());
    assert!(stranger.warning.is_none());
    world.net.node(carol).accept_request(now, stranger.id).unwrap();
    world.net.send(carol, stranger.id, "now I do");
    world.meet(ALICE, carol);
    assert_eq!(world.net.inbox(ALICE).last().unwrap(), "now I do");
}

#[test]
fn a_thief_who_writes_to_the_owner_is_nobody() {
    let mut world = World::new(14);
    let thief = world.steal();
    let own_card = world.net.node(BOB).card().clone();
    let now = world.now();
    // The thief knows Alice's own card targets, and her contacts.
    world.net.node(thief).add_contact(now, &own_card, "Bob").unwrap();
    world.net.send(thief, world.to_bob, "as Alice");
    world.meet(thief, ALICE);
    assert_eq!(world.net.node(ALICE).contacts().unwrap().len(), 1);
    assert_eq!(world.net.inbox(ALICE), ["hello"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Carriers bring the owner's and the thief's mail in any order, some of it twice, some never:
    /// what counts in the end is the owner's last word that came.
    #[test]
    fn loss_order_and_repetition_do_not_help_the_thief(
        seed in 0..1000u64,
        order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(),
        dropped in proptest::collection::vec(any::<bool>(), 6),
    ) {
        let mut world = World::new(seed);
        let words = world.words.clone();
        let thief = world.steal();
        let mut carriers = Vec::new();
        let mut addresses = Vec::new();
        for step in 0..6 {
            let now = world.now();
            let who = if step % 2 == 0 { thief } else { ALICE };
            match step {
                0 | 2 | 4 => world.net.node(thief).rotate_identity(now, None).unwrap(),
                3 => world.net.node(ALICE).rotate_identity(now, Some(&words)).unwrap(),
                _ => world.net.node(ALICE).revoke_identity(now, &words).unwrap(),
            }
            let text = Body::Text(format!("step {step}"));
            let to_bob = world.to_bob;
            world.net.node(who).send(now, to_bob, &text, Priority::Normal).unwrap();
            addresses.push(world.net.node(who).identity().address());
            let carrier = world.net.add(&StorePath::Memory, prompt());
            world.meet(who, carrier);
            carriers.push(carrier);
            world.net.run_for(DAY_MS / 24);
        }
        let mut last_word = None;
        for step in order {
            if dropped[step] {
                continue;
            }
            world.meet(carriers[step], BOB);
            world.meet(carriers[step], BOB);
            if step % 2 == 1 {
                last_word = last_word.max(Some(step));
            }
            if let Some(step) = last_word {
                let alice = world.alice();
                prop_assert_eq!(&alice.address, &addresses[step]);
                prop_assert!(alice.verified);
            }
        }
    }
}
