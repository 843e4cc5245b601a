//! Postmarks under load, attack and restart.

use super::*;
use crate::chat::BulletinFilter;
use crate::config::Config;
use crate::envelope::{AckProof, BulletinDraft, BulletinKind, Letter, Priority, Sealed, seal};
use crate::identity::{IdentityKey, Suite, TargetSecret};
use crate::link::LinkId;
use crate::link::frame::Passage;
use crate::store::StorePath;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;
use std::path::Path;

/// Noon, UTC.
const NOW: Timestamp = Timestamp(1_780_315_200_000);
const HOUR_MS: u64 = 60 * 60 * 1000;
const NO_LINK: LinkId = LinkId(0);
/// Real puzzles, solved in no time.
const EASY: Difficulty = Difficulty { gate_bits: 6, memory_kib: 8, work_bits: 3 };

fn open_at(path: &StorePath, seed: u64, now: Timestamp) -> Node {
    let rng = Box::new(ChaCha20Rng::seed_from_u64(seed));
    let mut node = Node::open(path, Config::default(), rng, now).unwrap();
    node.postmarks.bench = Workbench::with(EASY);
    node
}

fn open(seed: u64) -> Node {
    open_at(&StorePath::Memory, seed, NOW)
}

fn file(directory: &Path) -> StorePath {
    StorePath::File(directory.join("store"))
}

/// Whoever seals mail that has nothing to do with any node here.
struct Stranger(ChaCha20Rng);

impl Stranger {
    fn new() -> Self {
        Self(ChaCha20Rng::seed_from_u64(9))
    }

    fn unpaid(&mut self) -> Postmark {
        Postmark::generate(&mut self.0)
    }

    fn paid(&mut self, day: u32) -> Postmark {
        let mut minting = Minting::resume(EASY, self.unpaid(), day, 0);
        assert!(minting.advance(u32::MAX));
        minting.postmark
    }

    /// Past the gate, and not paid for all the same.
    fn half_paid(&mut self, day: u32) -> Postmark {
        let mut bench = Workbench::with(EASY);
        let mut postmark = self.unpaid();
        for nonce in 0_u64.. {
            postmark.nonce = nonce.to_be_bytes();
            let proof = WorkProof::new(&postmark.public_key(), day, postmark.nonce);
            if bench.passes_gate(&proof) && !bench.is_paid(&proof) {
                break;
            }
        }
        postmark
    }

    fn seal(&mut self, postmark: &Postmark, now: Timestamp, bytes: usize) -> Sealed {
        let end = Timestamp(now.0 + 40 * DAY_MS);
        let target = TargetSecret::generate(Suite::X25519, 0, end, &mut self.0);
        let letter = Letter {
            sender: &IdentityKey::generate(&mut self.0),
            recipient: &IdentityKey::generate(&mut self.0).identity(),
            target: target.target(),
            uuid: [1; 16],
            body: &Body::Text("x".repeat(bytes)),
            card: None,
            reply: None,
            statements: &[],
            previous: None,
            manifest: None,
            priority: Priority::Normal,
            lifetime_s: 2 * 24 * 60 * 60,
            mailbox: None,
        };
        seal(&letter, postmark, now, &mut self.0).unwrap()
    }
}

/// Brings an envelope: whether the node has it then, or why the link ends.
#[expect(clippy::unwrap_in_result, reason = "the result is the neighbour's, not the store's")]
fn bring(node: &mut Node, now: Timestamp, sealed: &Sealed) -> Result<bool, Violation> {
    let at = node.begin(now, Durability::Process).unwrap();
    let result = node.accept(at, NO_LINK, Passage::default(), &sealed.bytes);
    node.commit().unwrap();
    match result {
        Ok(()) => Ok(node.store.envelope(&sealed.id).unwrap().is_some()),
        Err(Fault::Neighbour(violation)) => Err(violation),
        Err(Fault::Store(error)) => panic!("{error}"),
    }
}

/// How many checks the budget has left.
fn budget(node: &Node, now: Timestamp) -> i64 {
    let steady = node.clock.steady() + (now.0 - NOW.0) as i64;
    node.postmarks.empty_at.map_or(CHECKS, |at| ((steady - at) / CHECK_MS).min(CHECKS))
}

fn exhaust(node: &mut Node) {
    node.postmarks.empty_at = Some(node.clock.steady());
}

/// Mints until nothing is left to mint; says how many.
fn mint_all(node: &mut Node, now: Timestamp) -> usize {
    let mut minted = 0;
    while let Some(mut minting) = node.next_minting(now).unwrap() {
        assert!(minting.advance(u32::MAX));
        node.handle_minting(now, &minting).unwrap();
        node.commit().unwrap();
        minted += 1;
    }
    minted
}

fn befriend(a: &mut Node, b: &Node) -> ContactId {
    let card = b.card().clone();
    a.add_contact(NOW, &card, "friend").unwrap()
}

fn write(node: &mut Node, now: Timestamp, to: ContactId) -> crate::MessageId {
    node.send(now, to, &Body::Text("hello".into()), Priority::Normal).unwrap()
}

#[test]
fn what_was_not_paid_for_ends_the_link_and_is_looked_at_once() {
    let (mut node, mut stranger) = (open(1), Stranger::new());
    let forged = Err(Violation::Forged("postmark"));
    let unpaid = stranger.unpaid();
    let sealed = stranger.seal(&unpaid, NOW, 1);
    assert_eq!(bring(&mut node, NOW, &sealed), forged);
    assert_eq!(budget(&node, NOW), CHECKS);
    let half = stranger.half_paid(NOW.day());
    for _ in 0..3 {
        let sealed = stranger.seal(&half, NOW, 1);
        assert_eq!(bring(&mut node, NOW, &sealed), forged);
        assert_eq!(budget(&node, NOW), CHECKS - 1);
    }
    let paid = stranger.paid(NOW.day());
    let sealed = stranger.seal(&paid, NOW, 1);
    assert_eq!(bring(&mut node, NOW, &sealed), Ok(true));
    assert_eq!(node.stats().foreign_envelopes, 1);
}

#[test]
fn a_postmark_is_good_for_the_day_of_creation_and_no_other() {
    let (mut node, mut stranger) = (open(1), Stranger::new());
    for (paid_for, written, taken) in [(0, 0, true), (-3, -3, true), (-1, -1, true)] {
        let at = |days: i64| Timestamp(NOW.0.wrapping_add_signed(days * DAY_MS as i64));
        let postmark = stranger.paid(at(paid_for).day());
        let sealed = stranger.seal(&postmark, at(written), 1);
        assert_eq!(bring(&mut node, NOW, &sealed), Ok(taken), "{paid_for} {written}");
        let sealed = stranger.seal(&postmark, at(written - 1), 1);
        assert_eq!(bring(&mut node, NOW, &sealed), Err(Violation::Forged("postmark")));
    }
    // From the far future, and from so long ago that it is a replay: not even looked at.
    let left = budget(&node, NOW);
    for days in [5, 400, 4_000_000, -20] {
        let then = Timestamp(NOW.0.saturating_add_signed(days * DAY_MS as i64));
        let minutes_wrap = Timestamp(u64::from(then.minutes()) * 60_000);
        let postmark = stranger.paid(minutes_wrap.day());
        let sealed = stranger.seal(&postmark, minutes_wrap, 1);
        assert_eq!(bring(&mut node, NOW, &sealed), Ok(false), "{days}");
    }
    assert_eq!(budget(&node, NOW), left);
}

#[test]
fn mail_written_just_after_midnight_is_of_the_new_day() {
    let (mut node, mut stranger) = (open(1), Stranger::new());
    let midnight = Timestamp(u64::from(NOW.day()) * DAY_MS);
    for ms in [0, 1, 60_000, 299_999] {
        let now = Timestamp(midnight.0 + ms);
        let postmark = stranger.paid(now.day());
        let sealed = stranger.seal(&postmark, now, 1);
        assert_eq!(bring(&mut node, NOW, &sealed), Ok(true));
    }
}

#[test]
fn beyond_the_budget_new_postmarks_wait_and_links_stay() {
    let (mut node, mut stranger) = (open(1), Stranger::new());
    let known = stranger.paid(NOW.day());
    let sealed = stranger.seal(&known, NOW, 1);
    assert_eq!(bring(&mut node, NOW, &sealed), Ok(true));
    exhaust(&mut node);
    let new = stranger.paid(NOW.day());
    let waits = stranger.seal(&new, NOW, 1);
    assert_eq!(bring(&mut node, NOW, &waits), Ok(false));
    // What is known costs nothing.
    let sealed = stranger.seal(&known, NOW, 1);
    assert_eq!(bring(&mut node, NOW, &sealed), Ok(true));
    let later = Timestamp(NOW.0 + CHECK_MS as u64);
    assert_eq!(bring(&mut node, later, &waits), Ok(true));
}

#[test]
fn a_flood_does_not_keep_out_ones_own_mail() {
    let (mut alice, mut bob) = (open(1), open(2));
    let to_bob = befriend(&mut alice, &bob);
    befriend(&mut bob, &alice);
    mint_all(&mut alice, NOW);
    let message = write(&mut alice, NOW, to_bob);
    exhaust(&mut bob);
    let carried = alice.store.carried(10).unwrap().remove(0);
    assert_eq!(carried.message, Some(message));
    let bytes = alice.store.envelope_bytes(carried.row).unwrap().unwrap();
    let at = bob.begin(NOW, Durability::Process).unwrap();
    assert!(bob.accept(at, NO_LINK, Passage::default(), &bytes).is_ok());
    bob.commit().unwrap();
    assert_eq!(bob.messages(None, None, 10).unwrap().len(), 1);
}

#[test]
fn a_refresh_waits_for_its_postmark_once() {
    let (mut alice, bob) = (open(1), open(2));
    let to_bob = befriend(&mut alice, &bob);
    alice.store.set_refresh(to_bob, Some(0)).unwrap();
    for _ in 0..3 {
        alice.handle_timeout(NOW).unwrap();
        alice.commit().unwrap();
    }
    assert_eq!(alice.store.unsealed().unwrap().len(), 1);
    assert_eq!(alice.store.due().unwrap().refresh, None);
}

#[test]
fn verdicts_outlast_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut stranger = Stranger::new();
    let (paid, half) = (stranger.paid(NOW.day()), stranger.half_paid(NOW.day()));
    for (restart, taken) in [(0, true), (1, true)] {
        let mut node = open_at(&file(directory.path()), restart, NOW);
        if restart > 0 {
            exhaust(&mut node);
        }
        let (good, bad) = (stranger.seal(&paid, NOW, 1), stranger.seal(&half, NOW, 1));
        assert_eq!(bring(&mut node, NOW, &good), Ok(taken));
        assert!(bring(&mut node, NOW, &bad).is_err());
        assert_eq!(node.postmarks.verdicts, 2);
    }
}

#[test]
fn verdicts_are_bounded_and_those_in_use_stay() {
    let (mut node, mut stranger) = (open(1), Stranger::new());
    let paid = stranger.paid(NOW.day());
    let sealed = stranger.seal(&paid, NOW, 1);
    assert_eq!(bring(&mut node, NOW, &sealed), Ok(true));
    node.begin(NOW, Durability::Process).unwrap();
    for n in 0..MAX_VERDICTS + 10 {
        let proof = WorkProof::new(&[0; 32], 0, n.to_be_bytes());
        node.remember_verdict(&proof, false).unwrap();
    }
    node.commit().unwrap();
    assert!(node.postmarks.verdicts <= MAX_VERDICTS);
    assert_eq!(node.postmarks.verdicts, node.store.verdict_count().unwrap());
    let proof = WorkProof::new(&paid.public_key(), NOW.day(), paid.nonce());
    assert!(node.store.verdict(&proof).unwrap().unwrap().is_paid);
}

#[test]
fn a_postmark_carries_so_much_and_no_more() {
    let (mut node, mut stranger) = (open(1), Stranger::new());
    let postmark = stranger.paid(NOW.day());
    for _ in 0..MAX_ITEMS {
        let sealed = stranger.seal(&postmark, NOW, 1);
        assert_eq!(bring(&mut node, NOW, &sealed), Ok(true));
    }
    let one_more = stranger.seal(&postmark, NOW, 1);
    assert_eq!(bring(&mut node, NOW, &one_more), Ok(false));
    let large = stranger.paid(NOW.day());
    let taken = (0..40).filter(|_| {
        let sealed = stranger.seal(&large, NOW, 60_000);
        bring(&mut node, NOW, &sealed).unwrap()
    });
    assert_eq!(taken.count() as u64, MAX_BYTES / 61_500);
}

#[test]
fn acknowledgements_are_paid_for_and_charged() {
    let (mut node, mut stranger) = (open(1), Stranger::new());
    let tell = |node: &mut Node, sealed: &Sealed| {
        let proof = AckProof::new(&Envelope::parse(&sealed.bytes).unwrap(), &sealed.ack);
        let at = node.begin(NOW, Durability::Process).unwrap();
        let result = node.apply_proof(at, NO_LINK, &proof);
        node.commit().unwrap();
        (result.is_ok(), node.stats().tombstones)
    };
    let unpaid = stranger.unpaid();
    assert_eq!(tell(&mut node, &stranger.seal(&unpaid, NOW, 1)), (false, 0));
    let half = stranger.half_paid(NOW.day());
    assert_eq!(tell(&mut node, &stranger.seal(&half, NOW, 1)), (false, 0));
    let paid = stranger.paid(NOW.day());
    for n in 1..=MAX_ITEMS {
        assert_eq!(tell(&mut node, &stranger.seal(&paid, NOW, 1)), (true, n));
    }
    assert_eq!(tell(&mut node, &stranger.seal(&paid, NOW, 1)), (true, MAX_ITEMS));
    // Nor may it bring envelopes now.
    let sealed = stranger.seal(&paid, NOW, 1);
    assert_eq!(bring(&mut node, NOW, &sealed), Ok(false));
}

#[test]
fn clocks_that_were_never_set_share_one_purse() {
    let (mut node, mut stranger) = (open(1), Stranger::new());
    let never_set = Timestamp(HOUR_MS);
    let mut taken = 0;
    for _ in 0..UNDATED_SHARES + 4 {
        let postmark = stranger.paid(0);
        for _ in 0..MAX_ITEMS {
            let sealed = stranger.seal(&postmark, never_set, 1);
            taken += u64::from(bring(&mut node, NOW, &sealed).unwrap());
        }
    }
    assert_eq!(taken, UNDATED_SHARES * MAX_ITEMS);
}

#[test]
fn a_message_waits_for_its_postmark_and_a_restart_loses_no_work() {
    let directory = tempfile::tempdir().unwrap();
    let bob = open(2);
    let mut alice = open_at(&file(directory.path()), 1, NOW);
    let to_bob = befriend(&mut alice, &bob);
    let message = write(&mut alice, NOW, to_bob);
    assert_eq!(alice.message(message).unwrap().unwrap().state, State::Queued);
    assert!(alice.store.carried(10).unwrap().is_empty());

    let begun = alice.next_minting(NOW).unwrap().unwrap();
    let (key, mut slices, mut last) = (begun.postmark.public_key(), 0, 0);
    loop {
        let mut minting = alice.next_minting(NOW).unwrap().unwrap();
        assert_eq!((minting.postmark.public_key(), minting.next), (key, last));
        let is_done = minting.advance(1);
        alice.handle_minting(NOW, &minting).unwrap();
        alice.commit().unwrap();
        (last, slices) = (minting.next, slices + 1);
        if is_done {
            break;
        }
        drop(alice);
        alice = open_at(&file(directory.path()), 10 + slices, NOW);
    }
    assert!(slices > 1);
    let carried = alice.store.carried(10).unwrap();
    assert_eq!(carried.iter().map(|one| one.message).collect::<Vec<_>>(), [Some(message)]);
    let bytes = alice.store.envelope_bytes(carried[0].row).unwrap().unwrap();
    assert_eq!(Envelope::parse(&bytes).unwrap().postmark_key(), key);
    assert_eq!(alice.message(message).unwrap().unwrap().state, State::Queued);
    let told: Vec<_> = std::iter::from_fn(|| alice.poll_event()).collect();
    assert!(told.contains(&Event::PostmarkMinted));
    drop(alice);
    let again = open_at(&file(directory.path()), 99, NOW);
    assert!(again.store.own_postmarks().unwrap().iter().any(|own| own.is_minted));
    // Here it is of no use: the standard asks for more than this test's puzzles.
    assert_eq!(again.stats().postmarks_ready, 0);
}

#[test]
fn a_body_waits_for_a_postmark_that_pays_for_all_of_it() {
    let (mut alice, bob) = (open(1), open(2));
    let to_bob = befriend(&mut alice, &bob);
    mint_all(&mut alice, NOW);
    // Each takes three quarters of one.
    let send = |alice: &mut Node| {
        let content = vec![7; 750_000];
        let what = ("a", "b/c");
        alice.send_attachment(NOW, to_bob, what, 750_000, &mut &*content, Priority::Normal).unwrap()
    };
    for _ in 0..A_DAY {
        send(&mut alice);
        assert!(alice.next_minting(NOW).unwrap().is_none());
    }
    let last = send(&mut alice);
    assert_eq!(alice.store.attachment(last).unwrap().unwrap().sealed, 0);
    assert_eq!(mint_all(&mut alice, NOW), 1);
    assert!(alice.store.attachment(last).unwrap().unwrap().sealed > 0);
    // Where nothing waits any more when its postmark is there, one is minted and no more.
    let gone = send(&mut alice);
    alice.store.set_sealed_fragments(gone, 0, true).unwrap();
    assert_eq!(mint_all(&mut alice, NOW), 1);
}

#[test]
fn three_a_day_ahead_of_midnight_and_more_once_they_are_used_up() {
    let (mut alice, bob) = (open(1), open(2));
    let to_bob = befriend(&mut alice, &bob);
    assert_eq!(mint_all(&mut alice, NOW), A_DAY);
    let evening = Timestamp(NOW.0 + 7 * HOUR_MS);
    assert_eq!(mint_all(&mut alice, evening), A_DAY);
    assert_eq!(alice.postmarks.ready(NOW.day()), [A_DAY, A_DAY]);
    // One conversation, one postmark, while that lasts.
    for n in 0..2 * MAX_ITEMS {
        write(&mut alice, evening, to_bob);
        assert_eq!(alice.postmarks.ready(NOW.day())[0] as u64, 3 - (n + 1) / MAX_ITEMS);
    }
    for _ in 0..MAX_ITEMS {
        write(&mut alice, evening, to_bob);
    }
    assert_eq!(mint_all(&mut alice, evening), 1);

    let tomorrow = Timestamp(NOW.0 + 13 * HOUR_MS);
    alice.handle_timeout(tomorrow).unwrap();
    alice.commit().unwrap();
    assert_eq!(alice.postmarks.ready(tomorrow.day()), [A_DAY, 0]);
    let days: Vec<_> = alice.store.own_postmarks().unwrap().iter().map(|own| own.day).collect();
    assert_eq!(days, [tomorrow.day(); A_DAY]);
}

#[test]
fn who_saves_keeps_one_ready_and_mints_none_ahead() {
    let mut node = open(21);
    node.set_minting_ahead(false);
    let late = Timestamp(NOW.0 + 11 * HOUR_MS);
    assert_eq!((mint_all(&mut node, NOW), mint_all(&mut node, late)), (1, 0));
    let alert = BulletinDraft {
        kind: BulletinKind::Alert,
        region: String::new(),
        topic: String::new(),
        text: "water".into(),
        lifetime_s: 3600,
        replaces: None,
    };
    // A bulletin takes the one that is ready, and letters need another.
    node.publish(late, &alert).unwrap();
    assert_eq!(mint_all(&mut node, late), 1);
    let tomorrow = Timestamp(NOW.0 + 13 * HOUR_MS);
    assert_eq!(mint_all(&mut node, tomorrow), 1);
    node.set_minting_ahead(true);
    assert!(mint_all(&mut node, tomorrow) >= 2);
}

#[test]
fn what_waits_at_midnight_goes_with_the_new_days_postmark() {
    let (mut alice, bob) = (open(1), open(2));
    let to_bob = befriend(&mut alice, &bob);
    let day = NOW.day() + 1;
    let mut minting = Minting::resume(EASY, Stranger::new().unpaid(), day, 0);
    minting.advance(u32::MAX);
    write(&mut alice, NOW, to_bob);
    alice.begin(NOW, Durability::Process).unwrap();
    alice.insert_own_postmark(day, false).unwrap();
    let own = alice.postmarks.own.last_mut().unwrap();
    own.postmark = minting.postmark.clone();
    alice.handle_minting(NOW, &minting).unwrap();
    alice.commit().unwrap();
    assert!(alice.store.carried(10).unwrap().is_empty());
    alice.handle_timeout(Timestamp(u64::from(day) * DAY_MS)).unwrap();
    alice.commit().unwrap();
    assert_eq!(alice.store.carried(10).unwrap().len(), 1);
}

#[test]
fn what_was_minted_for_a_day_that_a_set_clock_took_away_is_dropped() {
    let mut alice = open(1);
    let mut minting = alice.next_minting(NOW).unwrap().unwrap();
    let next_year = Timestamp(NOW.0 + 365 * DAY_MS);
    alice.handle_timeout(next_year).unwrap();
    minting.advance(u32::MAX);
    alice.handle_minting(next_year, &minting).unwrap();
    alice.commit().unwrap();
    assert_eq!(alice.stats().postmarks_ready, 0);
    assert_eq!(alice.next_minting(next_year).unwrap().unwrap().day, next_year.day());
}

#[test]
fn bulletins_wait_for_a_postmark_that_no_letter_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path());
    let mut node = open_at(&path, 1, NOW);
    let sos = BulletinDraft {
        kind: BulletinKind::Sos,
        region: String::new(),
        topic: String::new(),
        text: "help".into(),
        lifetime_s: 3600,
        replaces: None,
    };
    let other = open(2).card().clone();
    let to = node.add_contact(NOW, &other, "other").unwrap();
    let mint = |node: &mut Node| {
        let mut minting = node.next_minting(NOW).unwrap().unwrap();
        assert!(minting.advance(u32::MAX));
        node.handle_minting(NOW, &minting).unwrap();
        node.commit().unwrap();
    };
    mint(&mut node);
    node.send(NOW, to, &Body::Text("x".into()), Priority::Normal).unwrap();
    let id = node.publish(NOW, &sos).unwrap();
    let all = |node: &Node| node.bulletins(&BulletinFilter::default()).unwrap();
    assert_eq!((all(&node)[0].id, all(&node)[0].published), (id, None));
    drop(node);

    let mut node = open_at(&path, 3, NOW);
    assert_eq!(all(&node)[0].published, None);
    mint(&mut node);
    assert!(all(&node)[0].published.is_some());
    // Letters find others, and so does the next bulletin.
    node.publish(NOW, &sos).unwrap();
    assert_eq!(node.carried(10).unwrap().len(), 2);
    mint(&mut node);
    mint(&mut node);
    node.send(NOW, to, &Body::Text("y".into()), Priority::Normal).unwrap();
    let keys: BTreeSet<_> =
        node.carried(10).unwrap().iter().map(|envelope| envelope.postmark_key).collect();
    assert_eq!(keys.len(), 4);
    let later = Timestamp(NOW.0 + DAY_MS);
    node.handle_timeout(later).unwrap();
    node.commit().unwrap();
    assert_eq!(node.publish(later, &sos).map(|id| id.number > 1).ok(), Some(true));
    assert_eq!(all(&node).len(), 1, "the others have ended, and this one waits for the day's");
}
