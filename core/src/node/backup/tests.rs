//! A device is lost, and another takes its place.

use super::stream::{CHUNK_BYTES, HEADER_LEN, MAGIC};
use super::*;
use crate::chat::{ContactId, SendError, State};
use crate::envelope::Body;
use crate::link::LinkId;
use crate::link::frame::Passage;
use crate::node::tests::simulated;
use crate::store::Proof;
use crate::time::DAY_MS;
use crate::{Event, Identity, Priority};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const START: Timestamp = Timestamp(1_780_315_200_000);
const LATER: Timestamp = Timestamp(START.0 + DAY_MS);
const NO_LINK: LinkId = LinkId(0);

fn rng(seed: u64) -> Box<ChaCha20Rng> {
    Box::new(ChaCha20Rng::seed_from_u64(seed))
}

fn words() -> RecoveryWords {
    RecoveryWords::generate(&mut *rng(100))
}

fn node(seed: u64) -> Node {
    Node::open(&StorePath::Memory, simulated(), rng(seed), START).unwrap()
}

fn restore(seed: u64, words: &RecoveryWords, mut backup: &[u8]) -> Result<Node, BackupError> {
    let path = StorePath::Memory;
    let mut node = Node::restore(&path, simulated(), rng(seed), LATER, words, &mut backup)?;
    node.handle_timeout(LATER)?;
    node.commit()?;
    Ok(node)
}

fn befriend(one: &mut Node, other: &mut Node) -> [ContactId; 2] {
    let cards = [other.card().clone(), one.card().clone()];
    [
        one.add_contact(START, &cards[0], "other").unwrap(),
        other.add_contact(START, &cards[1], "one").unwrap(),
    ]
}

fn say(from: &mut Node, now: Timestamp, to: ContactId, text: &str) -> MessageId {
    from.send(now, to, &Body::Text(text.into()), Priority::Normal).unwrap()
}

/// All that `from` has on board comes to `to`, which acknowledges what it has opened.
fn carry(now: Timestamp, from: &mut Node, to: &mut Node) {
    let on_board = from.store.carried(1000).unwrap();
    let moment = to.begin(now, Durability::Process).unwrap();
    for carried in on_board {
        let bytes = from.store.envelope_bytes(carried.row).unwrap().unwrap();
        assert!(to.accept(moment, NO_LINK, Passage::default(), &bytes).is_ok());
    }
    let acks = to.store.due_acks(i64::MAX).unwrap();
    to.commit().unwrap();
    let moment = from.begin(now, Durability::Process).unwrap();
    for (_, proof) in acks {
        let Proof::Letter(proof) = proof else { panic!("only letters were sent") };
        from.apply_ack(moment, NO_LINK, proof.ack().0).unwrap();
    }
    from.commit().unwrap();
    for node in [from, to] {
        node.handle_timeout(now).unwrap();
        node.commit().unwrap();
    }
}

fn texts(node: &Node) -> Vec<(bool, String, State)> {
    let messages = node.messages(None, None, 1000).unwrap();
    let text = |body: &Body| body.as_text().unwrap_or_default().to_owned();
    messages.iter().map(|m| (m.outgoing, text(&m.body), m.state)).collect()
}

fn backup_of(node: &mut Node) -> Vec<u8> {
    let mut backup = Vec::new();
    node.back_up(&words(), &mut backup).unwrap();
    backup
}

#[test]
fn a_restored_device_goes_on_where_the_lost_one_stopped() {
    let (mut alice, mut bob) = (node(1), node(2));
    let [to_bob, to_alice] = befriend(&mut alice, &mut bob);
    alice.set_name(START, Some("Alice")).unwrap();
    alice.verify_contact(START, to_bob).unwrap();
    say(&mut alice, START, to_bob, "first");
    carry(START, &mut alice, &mut bob);
    say(&mut bob, START, to_alice, "second");
    carry(START, &mut bob, &mut alice);
    say(&mut alice, START, to_bob, "not on its way yet");
    let backup = backup_of(&mut alice);
    // Bob answers to the device that is lost by then.
    let lost = say(&mut bob, LATER, to_alice, "to the lost device");
    assert_eq!(bob.message(lost).unwrap().unwrap().state, State::Queued);

    let mut again = restore(3, &words(), &backup).unwrap();
    assert_eq!(again.identity(), alice.identity());
    assert_eq!(again.name(), Some("Alice"));
    let contact = &again.contacts().unwrap()[0];
    assert!(contact.verified && contact.name == "other");
    let expected = [
        (true, "first".into(), State::Delivered),
        (false, "second".into(), State::Received),
        (true, "not on its way yet".into(), State::Queued),
    ];
    assert_eq!(texts(&again), expected);
    assert!(again.card().sequence() > alice.card().sequence());

    carry(LATER, &mut again, &mut bob);
    assert!(texts(&bob).contains(&(false, "not on its way yet".into(), State::Received)));
    carry(LATER, &mut bob, &mut again);
    assert!(texts(&again).contains(&(false, "to the lost device".into(), State::Received)));
    assert_eq!(bob.message(lost).unwrap().unwrap().state, State::Delivered);
    // The acknowledgement of the second envelope has recalled the first.
    assert!(bob.store.letters_of(lost).unwrap().is_empty());
    let to_bob = again.contacts().unwrap()[0].id;
    say(&mut again, LATER, to_bob, "here I am");
    carry(LATER, &mut again, &mut bob);
    assert_eq!(texts(&bob).last().unwrap().1, "here I am");
}

#[test]
fn the_device_before_is_told_to_stop() {
    let (mut alice, mut bob) = (node(1), node(2));
    let [to_bob, to_alice] = befriend(&mut alice, &mut bob);
    let backup = backup_of(&mut alice);
    let mut again = restore(3, &words(), &backup).unwrap();
    carry(LATER, &mut again, &mut alice);
    assert!(alice.is_superseded() && !again.is_superseded());
    assert!(std::iter::from_fn(|| alice.poll_event()).any(|event| event == Event::Superseded));
    let sent = alice.send(LATER, to_bob, &Body::Text("no".into()), Priority::Normal);
    assert!(matches!(sent, Err(SendError::Superseded)));
    // Mail to it is not opened, and so not acknowledged, where it would never be read.
    say(&mut bob, LATER, to_alice, "where are you");
    carry(LATER, &mut bob, &mut alice);
    assert_eq!((texts(&alice).len(), alice.stats().foreign_envelopes > 0), (0, true));
    // Nothing of its own makes the later device stop.
    carry(LATER, &mut alice, &mut again);
    assert!(!again.is_superseded());
}

#[test]
fn late_mail_of_the_device_before_wins_nobody_back() {
    let (mut alice, mut bob) = (node(1), node(2));
    let [to_bob, to_alice] = befriend(&mut alice, &mut bob);
    say(&mut alice, START, to_bob, "first");
    carry(START, &mut alice, &mut bob);
    say(&mut bob, START, to_alice, "second");
    carry(START, &mut bob, &mut alice);
    let backup = backup_of(&mut alice);
    let mut again = restore(3, &words(), &backup).unwrap();
    carry(LATER, &mut again, &mut bob);
    say(&mut alice, LATER, to_bob, "late");
    carry(LATER, &mut alice, &mut bob);
    assert!(texts(&bob).iter().any(|(_, text, _)| text == "late"));
    say(&mut bob, LATER, to_alice, "to the device of now");
    carry(LATER, &mut bob, &mut again);
    assert!(texts(&again).iter().any(|(_, text, _)| text == "to the device of now"));
    // The same backup, restored a while later: that one's numbers are higher again.
    let now = Timestamp(LATER.0 + 120_000);
    let mut rest = &backup[..];
    let path = StorePath::Memory;
    let third = Node::restore(&path, simulated(), rng(9), now, &words(), &mut rest).unwrap();
    assert!(third.card().sequence() > again.card().sequence());
}

#[test]
fn what_is_no_whole_backup_of_these_words_changes_nothing() {
    let (mut alice, mut bob) = (node(1), node(2));
    let [to_bob, _] = befriend(&mut alice, &mut bob);
    for n in 0..40 {
        say(&mut alice, START, to_bob, &format!("{n} ").repeat(2000));
    }
    let backup = backup_of(&mut alice);
    assert!(backup.len() > 2 * CHUNK_BYTES);
    let refused = |bytes: &[u8]| restore(5, &words(), bytes).err().unwrap();
    let other = RecoveryWords::generate(&mut *rng(101));
    assert!(matches!(restore(5, &other, &backup), Err(BackupError::Words)));
    assert!(matches!(refused(b""), BackupError::Foreign));
    assert!(matches!(refused(&[7; 1000]), BackupError::Foreign));
    let altered = |at: usize| {
        let mut bytes = backup.clone();
        bytes[at] ^= 1;
        refused(&bytes)
    };
    assert!(matches!(altered(MAGIC.len()), BackupError::Version(3)));
    assert!(matches!(altered(MAGIC.len() + 5), BackupError::Words));
    assert!(matches!(altered(HEADER_LEN + 4), BackupError::Words));
    assert!(matches!(altered(backup.len() - 1), BackupError::Damaged));
    for cut in [HEADER_LEN, HEADER_LEN + 3, HEADER_LEN + 9, backup.len() - 1] {
        assert!(matches!(refused(&backup[..cut]), BackupError::Damaged), "{cut}");
    }
    // Cut between two chunks.
    let first = u32::from_be_bytes(backup[HEADER_LEN..HEADER_LEN + 4].try_into().unwrap());
    let boundary = HEADER_LEN + 4 + first as usize;
    assert!(matches!(refused(&backup[..boundary]), BackupError::Damaged));
    assert!(matches!(refused(&[&backup[..], b"x"].concat()), BackupError::Damaged));
    // In a file: it stays without an identity, and an identity in it stays.
    let directory = tempfile::tempdir().unwrap();
    let path = StorePath::File(directory.path().join("store"));
    let try_at =
        |bytes: &mut &[u8]| Node::restore(&path, simulated(), rng(6), LATER, &words(), bytes);
    assert!(try_at(&mut &backup[..backup.len() - 1]).is_err());
    assert!(Store::open(&path).unwrap().own().unwrap().is_none());
    let identity: Identity = Node::open(&path, simulated(), rng(7), LATER).unwrap().identity();
    assert!(matches!(try_at(&mut &backup[..]), Err(BackupError::InUse)));
    let still = Node::open(&path, simulated(), rng(8), LATER).unwrap().identity();
    assert_eq!(still, identity);
}

#[test]
fn a_backup_shows_nothing_and_holds_no_secret_that_opens_mail() {
    let (mut alice, mut bob) = (node(1), node(2));
    let [to_bob, _] = befriend(&mut alice, &mut bob);
    say(&mut alice, START, to_bob, "a text to be found nowhere");
    carry(START, &mut alice, &mut bob);
    let backup = backup_of(&mut alice);
    let shows = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    assert!(!shows(&backup, b"a text to be found nowhere"));
    let mut inside = Vec::new();
    let mut rest = &backup[..];
    let mut opener = Opener::new(&words(), &mut rest).unwrap();
    while let Some(chunk) = opener.next().unwrap() {
        inside.extend_from_slice(&chunk);
    }
    assert!(shows(&inside, b"a text to be found nowhere"));
    assert!(shows(&inside, &*alice.key.to_bytes()));
    for (_, secret) in &alice.cards {
        assert!(!shows(&inside, &*secret.kem_secret().to_bytes()));
    }
    assert!(!alice.replies.is_empty());
    for reply in alice.replies.values().flatten() {
        assert!(!shows(&inside, &*reply.secret.kem_secret().to_bytes()));
    }
}

/// Alice, whom Bob has verified and who has recovery words.
fn with_words() -> (Node, Node, RecoveryWords) {
    let (mut alice, mut bob) = (node(1), node(2));
    let alices = alice.create_words(START).unwrap();
    let [to_bob, to_alice] = befriend(&mut alice, &mut bob);
    bob.verify_contact(START, to_alice).unwrap();
    say(&mut alice, START, to_bob, "first");
    carry(START, &mut alice, &mut bob);
    say(&mut bob, START, to_alice, "second");
    carry(START, &mut bob, &mut alice);
    (alice, bob, alices)
}

fn bobs_alice(bob: &Node) -> crate::Contact {
    let mut contacts = bob.contacts().unwrap();
    assert_eq!(contacts.len(), 1);
    contacts.remove(0)
}

fn is_trusted(bob: &Node, alice: &Node) -> bool {
    let known = bobs_alice(bob);
    known.verified && known.warning.is_none() && known.address == alice.identity().address()
}

#[test]
fn trust_in_a_contact_outlives_the_device() {
    let (mut alice, mut bob, alices) = with_words();
    // A rotation that Bob has heard of, and one that he has not.
    alice.rotate_identity(START, Some(&alices)).unwrap();
    carry(START, &mut alice, &mut bob);
    assert!(is_trusted(&bob, &alice));
    let backup = backup_of(&mut bob);
    let mut again = restore(3, &words(), &backup).unwrap();
    assert!(is_trusted(&again, &alice));
    let id = again.contacts().unwrap()[0].id;
    let pin = Some(alices.recovery_key().identity());
    assert_eq!(again.store.lineage(id).unwrap().recovery(), pin);
    alice.rotate_identity(LATER, Some(&alices)).unwrap();
    // Bob's new device tells where to write, and then hears all.
    carry(LATER, &mut again, &mut alice);
    carry(LATER, &mut alice, &mut again);
    let to_bob = alice.contacts().unwrap()[0].id;
    say(&mut alice, LATER, to_bob, "under the third key");
    carry(LATER, &mut alice, &mut again);
    assert!(is_trusted(&again, &alice));
    assert_eq!(texts(&again).last().unwrap().1, "under the third key");
}

#[test]
fn a_thief_gains_nothing_from_a_restore() {
    let (mut alice, mut bob, alices) = with_words();
    let mut thief = node(66);
    thief.key = alice.key.clone();
    thief.identity = alice.identity;
    thief.create_words(START).unwrap();
    alice.revoke_identity(START, &alices).unwrap();
    carry(START, &mut alice, &mut bob);
    assert!(is_trusted(&bob, &alice));
    let backup = backup_of(&mut bob);
    let mut again = restore(3, &words(), &backup).unwrap();
    let added = again.add_contact(LATER, thief.card(), "Alice");
    assert!(matches!(added, Err(crate::ContactError::OldKey)));
    // Nor does the revoked key write.
    let to_bob = thief.add_contact(LATER, again.card(), "Bob").unwrap();
    say(&mut thief, LATER, to_bob, "it is me");
    carry(LATER, &mut thief, &mut again);
    assert!(is_trusted(&again, &alice));
    assert!(texts(&again).iter().all(|(_, text, _)| text != "it is me"));
}

#[test]
fn a_card_with_another_recovery_key_warns_after_a_restore_too() {
    let (alice, mut bob, _) = with_words();
    let mut thief = node(66);
    thief.key = alice.key.clone();
    thief.identity = alice.identity;
    for name in ["a", "b", "c"] {
        thief.set_name(START, Some(name)).unwrap();
    }
    let backup = backup_of(&mut bob);
    let mut again = restore(3, &words(), &backup).unwrap();
    let added = again.add_contact(LATER, thief.card(), "Alice");
    assert!(matches!(added, Err(crate::ContactError::RecoveryKey)));
    let warning = bobs_alice(&again).warning;
    assert_eq!(warning, Some(crate::KeyWarning::RecoveryKey));
    // A warning that nobody has looked into is there after the next loss as well.
    let backup = backup_of(&mut again);
    let third = restore(4, &words(), &backup).unwrap();
    assert_eq!(bobs_alice(&third).warning, warning);
}

#[test]
fn a_contact_who_ended_stays_ended() {
    let (mut alice, mut bob, alices) = with_words();
    alice.end_identity(START, &alices).unwrap();
    carry(START, &mut alice, &mut bob);
    let backup = backup_of(&mut bob);
    let mut again = restore(3, &words(), &backup).unwrap();
    let known = bobs_alice(&again);
    assert_eq!((known.verified, known.warning), (false, Some(crate::KeyWarning::Revoked)));
    let sent = again.send(LATER, known.id, &Body::Text("?".into()), Priority::Normal);
    assert!(matches!(sent, Err(SendError::Revoked)));
    // And so does one's own identity.
    alice.recovery = Some(words().recovery_key().identity());
    let backup = backup_of(&mut alice);
    assert!(restore(4, &words(), &backup).unwrap().has_ended());
}

#[test]
fn an_owner_who_restored_an_old_backup_can_still_revoke() {
    let (mut alice, mut bob) = (node(1), node(2));
    alice.take_words(START, &words(), None).unwrap();
    let [to_bob, to_alice] = befriend(&mut alice, &mut bob);
    bob.verify_contact(START, to_alice).unwrap();
    say(&mut alice, START, to_bob, "first");
    carry(START, &mut alice, &mut bob);
    let backup = backup_of(&mut alice);
    alice.rotate_identity(START, Some(&words())).unwrap();
    carry(START, &mut alice, &mut bob);
    assert!(is_trusted(&bob, &alice));
    // The new key is lost with the device.
    let mut again = restore(3, &words(), &backup).unwrap();
    again.revoke_identity(LATER, &words()).unwrap();
    carry(LATER, &mut again, &mut bob);
    assert!(is_trusted(&bob, &again));
}

/// Bob's message, which Alice's devices one after another do not get.
fn resealed(times: u64) -> (Node, MessageId) {
    let (mut alice, mut bob) = (node(1), node(2));
    let [_, to_alice] = befriend(&mut alice, &mut bob);
    let lost = say(&mut bob, START, to_alice, "to whichever device");
    let backup = backup_of(&mut alice);
    for n in 0..times {
        let now = Timestamp(LATER.0 + n * 600_000);
        let mut rest = &backup[..];
        let path = StorePath::Memory;
        let mut next =
            Node::restore(&path, simulated(), rng(10 + n), now, &words(), &mut rest).unwrap();
        next.handle_timeout(now).unwrap();
        next.commit().unwrap();
        carry(now, &mut next, &mut bob);
    }
    (bob, lost)
}

#[test]
fn a_message_has_three_envelopes_at_most_however_many_devices_come() {
    for (devices, envelopes) in [(0, 1), (1, 2), (2, 3), (3, 3), (6, 3)] {
        let (bob, lost) = resealed(devices);
        assert_eq!(bob.store.letters_of(lost).unwrap().len(), envelopes, "{devices}");
    }
}

#[test]
fn a_message_expires_with_the_last_of_its_envelopes() {
    let (mut bob, lost) = resealed(2);
    let state = |bob: &Node| bob.message(lost).unwrap().unwrap().state;
    let mut ends: Vec<_> =
        bob.store.letters_of(lost).unwrap().iter().map(|envelope| envelope.expires).collect();
    ends.sort_unstable();
    let last = *ends.last().unwrap();
    for (count, end) in ends.iter().rev().enumerate().rev() {
        let at = bob.clock.wall_at(*end);
        bob.handle_timeout(at).unwrap();
        bob.commit().unwrap();
        let left = bob.store.letters_of(lost).unwrap().len();
        assert_eq!((left, state(&bob) == State::Expired), (count, *end == last));
    }
}

#[test]
fn who_claims_to_be_a_later_device_stops_nobody_who_has_the_words() {
    let mut alice = node(1);
    alice.take_words(START, &words(), None).unwrap();
    let mut bob = node(2);
    let [to_bob, to_alice] = befriend(&mut alice, &mut bob);
    bob.verify_contact(START, to_alice).unwrap();
    say(&mut alice, START, to_bob, "first");
    carry(START, &mut alice, &mut bob);
    // A thief with the key and the cards says: I am the later device.
    let backup = backup_of(&mut alice);
    let mut thief = restore(66, &words(), &backup).unwrap();
    carry(LATER, &mut thief, &mut alice);
    assert!(alice.is_superseded());
    let sent = alice.send(LATER, to_bob, &Body::Text("me".into()), Priority::Normal);
    assert!(matches!(sent, Err(SendError::Superseded)));
    alice.revoke_identity(LATER, &words()).unwrap();
    assert!(!alice.is_superseded() && !alice.store.device().unwrap().1);
    carry(LATER, &mut alice, &mut bob);
    assert!(is_trusted(&bob, &alice));
    // Nor is she stopped again: the thief speaks under the revoked key.
    say(&mut thief, LATER, ContactId(1), "still me");
    carry(LATER, &mut thief, &mut alice);
    assert!(!alice.is_superseded());
}
