//! The thief's view: a copy of a whole database, and everything that was ever on the wire.

use super::*;
use crate::chat::State;
use crate::link::LinkId;
use crate::link::frame::Passage;
use crate::store::{Durability, Proof, StorePath};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const START: Timestamp = Timestamp(1_780_315_200_000);
const HOUR_MS: u64 = 60 * 60 * 1000;
const NO_LINK: LinkId = LinkId(0);

/// An envelope as the wire has seen it.
#[derive(Clone)]
struct Recorded {
    to: usize,
    sent: Timestamp,
    bytes: Vec<u8>,
    delivered: bool,
}

/// Two who write to each other, and the record of all that passed between them.
struct Talk {
    directory: TempDir,
    nodes: [Node; 2],
    peers: [ContactId; 2],
    now: Timestamp,
    wire: Vec<Recorded>,
}

impl Talk {
    /// Both hold the other's card.
    fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut nodes =
            [0, 1].map(|n| open_at(&directory.path().join(n.to_string()), seed + n, START));
        let cards = [1, 0].map(|n: usize| nodes[n].card().clone());
        let peers = [0, 1].map(|n| nodes[n].add_contact(START, &cards[n], "peer").unwrap());
        Self { directory, nodes, peers, now: START, wire: Vec::new() }
    }

    /// Sends, and records what goes out.
    fn send(&mut self, from: usize) {
        let body = Body::Text(format!("message {}", self.wire.len()));
        self.nodes[from].send(self.now, self.peers[from], &body, Priority::Normal).unwrap();
        self.record(from);
    }

    fn record(&mut self, from: usize) {
        for carried in self.nodes[from].store.carried(10_000).unwrap() {
            let bytes = self.nodes[from].store.envelope_bytes(carried.row).unwrap().unwrap();
            let is_own = carried.message.is_some();
            if is_own && self.wire.iter().all(|recorded| recorded.bytes != bytes) {
                self.wire.push(Recorded { to: 1 - from, sent: self.now, bytes, delivered: false });
            }
        }
    }

    /// The envelope arrives, perhaps again; its acknowledgement comes back.
    fn deliver(&mut self, index: usize) {
        let Recorded { to, bytes, .. } = self.wire[index].clone();
        let node = &mut self.nodes[to];
        let now = node.begin(self.now, Durability::Process).unwrap();
        assert!(node.accept(now, NO_LINK, Passage::default(), &bytes).is_ok());
        let acks = node.store.due_acks(i64::MAX).unwrap();
        node.commit().unwrap();
        let writer = &mut self.nodes[1 - to];
        let now = writer.begin(self.now, Durability::Process).unwrap();
        for (_, proof) in acks {
            let Proof::Letter(proof) = proof else { panic!("only letters were sent") };
            self.wire[index].delivered = true;
            writer.apply_ack(now, NO_LINK, proof.ack().0).unwrap();
        }
        writer.commit().unwrap();
        self.pass(0);
    }

    fn exchange(&mut self, from: usize) {
        self.send(from);
        self.deliver(self.wire.len() - 1);
    }

    /// Time passes, hour by hour, as a driver's clock does.
    fn pass(&mut self, ms: u64) {
        let end = self.now.0 + ms;
        while self.now.0 < end || ms == 0 {
            self.now.0 = end.min(self.now.0 + HOUR_MS);
            for node in 0..2 {
                self.nodes[node].handle_timeout(self.now).unwrap();
                self.nodes[node].commit().unwrap();
                self.record(node);
            }
            if ms == 0 {
                break;
            }
        }
    }

    /// A copy of all that is on a node's disk.
    fn steal(&self, victim: usize) -> Thief {
        let stolen = tempfile::tempdir().unwrap();
        for suffix in ["", "-wal"] {
            let name = format!("{victim}{suffix}");
            let _ = std::fs::copy(self.directory.path().join(&name), stolen.path().join(&name));
        }
        let node = open_at(&stolen.path().join(victim.to_string()), 99, self.now);
        Thief { node, victim, _directory: stolen }
    }
}

struct Thief {
    node: Node,
    victim: usize,
    _directory: TempDir,
}

impl Thief {
    /// Which of the recorded envelopes the stolen secrets open.
    fn opens(&self, wire: &[Recorded]) -> Vec<usize> {
        let to_victim = |recorded: &&Recorded| recorded.to == self.victim;
        let opens = |recorded: &Recorded| {
            self.node.unlock(&Envelope::parse(&recorded.bytes).unwrap()).is_some()
        };
        let all = wire.iter().enumerate().filter(|(_, recorded)| to_victim(recorded));
        all.filter(|(_, recorded)| opens(recorded)).map(|(index, _)| index).collect()
    }
}

fn open_at(path: &Path, seed: u64, now: Timestamp) -> Node {
    let path = StorePath::File(PathBuf::from(path));
    let rng = Box::new(ChaCha20Rng::seed_from_u64(seed));
    Node::open(&path, crate::node::tests::simulated(), rng, now).unwrap()
}

#[test]
fn a_thief_opens_nothing_that_has_arrived_but_the_last_round() {
    let mut talk = Talk::new(1);
    for _ in 0..10 {
        talk.exchange(0);
        talk.exchange(1);
        talk.pass(3 * HOUR_MS);
    }
    // The first message to each went to the card, which others hold too: it lives its 30 days.
    let opened = talk.steal(0).opens(&talk.wire);
    let last_round = talk.wire.len() - 2;
    assert!(opened.iter().all(|&index| index <= 1 || index >= last_round), "{opened:?}");
    assert!(opened.len() <= 3);
}

#[test]
fn a_thief_is_locked_out_after_one_round_trip() {
    let mut talk = Talk::new(2);
    for _ in 0..5 {
        talk.exchange(0);
        talk.exchange(1);
    }
    let thief = talk.steal(0);
    let stolen_at = talk.wire.len();
    // The target that 0 has given away last is stolen; the next is not.
    talk.exchange(1);
    talk.exchange(0);
    let healed_at = talk.wire.len();
    for _ in 0..5 {
        talk.exchange(1);
        talk.exchange(0);
    }
    let opened = thief.opens(&talk.wire);
    assert!(opened.iter().all(|&index| index < healed_at), "{opened:?}, healed at {healed_at}");
    assert!(opened.iter().filter(|&&index| index >= stolen_at).count() <= 1);
}

#[test]
fn lost_mail_keeps_old_secrets_for_the_window_and_no_longer() {
    let mut talk = Talk::new(3);
    talk.exchange(0);
    talk.exchange(1);
    talk.exchange(0);
    // Sealed to a target that is then overtaken, and never delivered.
    talk.send(1);
    let lost = talk.wire.len() - 1;
    talk.exchange(0);
    talk.send(1);
    let last = talk.wire.len() - 1;
    talk.deliver(last);
    talk.exchange(0);
    talk.exchange(1);
    assert!(talk.steal(0).opens(&talk.wire).contains(&lost));
    let window_ms = u64::from(ratchet::WINDOW_S) * 1000 + ratchet::GRACE_MS as u64;
    talk.pass(window_ms + 3 * HOUR_MS);
    assert!(!talk.steal(0).opens(&talk.wire).contains(&lost));
}

#[test]
fn who_only_reads_refreshes_so_that_who_only_writes_is_safe_too() {
    let mut talk = Talk::new(4);
    for _ in 0..60 {
        talk.exchange(0);
        talk.pass(DAY_MS);
        // The refreshes of 1 travel, too.
        for index in 0..talk.wire.len() {
            if talk.wire[index].to == 0 && !talk.wire[index].delivered {
                talk.deliver(index);
            }
        }
    }
    let opened = talk.steal(1).opens(&talk.wire);
    let oldest = opened.iter().map(|&index| talk.now.since(talk.wire[index].sent) / DAY_MS).max();
    // Half a target's life until it is refreshed, and the window after that.
    assert!(oldest.is_some_and(|days| days <= 16), "the oldest is {oldest:?} days old");
    let texts = talk.nodes[0].messages(None, None, 1000).unwrap();
    assert!(texts.iter().all(|message| message.outgoing), "a refresh is not shown");
    assert!(texts.iter().all(|message| message.state == State::Delivered));
}

#[test]
fn post_quantum_protection_begins_with_the_first_answer_and_is_never_lost() {
    let mut talk = Talk::new(5);
    talk.exchange(0);
    for _ in 0..70 {
        talk.exchange(1);
        talk.exchange(0);
    }
    for node in 0..2 {
        let sent = talk.nodes[node].messages(None, None, 1000).unwrap();
        let mut sent = sent.into_iter().filter(|message| message.outgoing);
        if node == 0 {
            assert_eq!(sent.next().unwrap().protection, Protection::CardSeed);
        }
        let protections: Vec<_> = sent.map(|message| message.protection).collect();
        assert!(protections.iter().all(|protection| protection.is_post_quantum()));
        // X-Wing is there, and rare.
        let x_wing = protections.iter().filter(|p| **p == Protection::XWing).count();
        assert!((2..=6).contains(&x_wing), "{x_wing} of {}", protections.len());
    }
}

#[test]
fn new_cards_after_a_long_silence_start_the_ratchet_again() {
    let mut talk = Talk::new(8);
    for from in [0, 1, 0, 1, 0, 1] {
        talk.exchange(from);
    }
    // Nobody writes until all reply targets have ended; then the two meet.
    talk.pass(40 * DAY_MS);
    let before = talk.wire.len();
    let cards = [1, 0].map(|n: usize| talk.nodes[n].card().clone());
    for (node, card) in talk.nodes.iter_mut().zip(&cards) {
        node.add_contact(talk.now, card, "peer").unwrap();
    }
    for from in [0, 1, 0, 1, 0, 1] {
        talk.exchange(from);
    }
    // The first went to the card, whose secret lives on; the last is in the window.
    assert_eq!(talk.steal(1).opens(&talk.wire), [before, before + 4]);
}

#[test]
fn a_clock_that_jumps_destroys_no_keys() {
    let mut talk = Talk::new(6);
    talk.exchange(0);
    talk.exchange(1);
    talk.send(1);
    // The phone comes back from the dead, a year later by its clock; then the clock is set right.
    let path = talk.directory.path().join("0");
    let year_on = Timestamp(talk.now.0 + 365 * DAY_MS);
    let spare = open_at(&talk.directory.path().join("spare"), 50, talk.now);
    drop(std::mem::replace(&mut talk.nodes[0], spare));
    let mut node = open_at(&path, 51, year_on);
    node.handle_timeout(year_on).unwrap();
    node.commit().unwrap();
    node.handle_clock_step(talk.now, -(365 * DAY_MS as i64)).unwrap();
    node.commit().unwrap();
    talk.nodes[0] = node;
    let last = talk.wire.len() - 1;
    talk.deliver(last);
    let inbox = talk.nodes[0].messages(None, None, 10).unwrap();
    assert_eq!(inbox.iter().filter(|message| !message.outgoing).count(), 2);
}

#[test]
fn a_target_that_was_given_to_another_opens_nothing() {
    let mut talk = Talk::new(7);
    talk.exchange(0);
    talk.exchange(1);
    // Somebody who got hold of the target that 0 gave to 1 seals to it under a name of their own.
    let target = talk.nodes[0].replies.values().next().unwrap()[0].secret.target().clone();
    let mut rng = ChaCha20Rng::seed_from_u64(800);
    let letter = crate::Letter {
        sender: &crate::IdentityKey::generate(&mut rng),
        recipient: &talk.nodes[0].identity,
        target: &target,
        uuid: [1; 16],
        body: &Body::Text("trust me".into()),
        card: None,
        reply: None,
        statements: &[],
        previous: None,
        manifest: None,
        priority: Priority::Normal,
        lifetime_s: 3600,
        mailbox: None,
    };
    let postmark = crate::Postmark::generate(&mut rng);
    let bytes = crate::seal(&letter, &postmark, talk.now, &mut rng).unwrap().bytes;
    let before = talk.nodes[0].messages(None, None, 100).unwrap().len();
    talk.wire.push(Recorded { to: 0, sent: talk.now, bytes, delivered: false });
    talk.deliver(talk.wire.len() - 1);
    assert_eq!(talk.nodes[0].messages(None, None, 100).unwrap().len(), before);
    assert_eq!(talk.nodes[0].stats().foreign_envelopes, 1);
}

#[derive(Debug, Clone)]
enum Act {
    Send(usize),
    /// One of the undelivered, by its place among them.
    Deliver(prop::sample::Index),
    /// One that was delivered already.
    Again(prop::sample::Index),
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..2usize).prop_map(Act::Send),
        4 => any::<prop::sample::Index>().prop_map(Act::Deliver),
        1 => any::<prop::sample::Index>().prop_map(Act::Again),
        2 => (1..30u64).prop_map(Act::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is lost, doubled or reordered, and however both write at once: what arrives within
    /// its lifetime opens, once.
    #[test]
    fn every_schedule_keeps_the_conversation(
        seed in 0..1000u64, acts in proptest::collection::vec(acts(), 1..60),
    ) {
        let mut talk = Talk::new(seed * 10);
        for act in acts {
            let by_state = |delivered: bool, talk: &Talk| -> Vec<usize> {
                let fits = |recorded: &Recorded| recorded.delivered == delivered
                    && talk.now.since(recorded.sent) < 6 * DAY_MS + 20 * HOUR_MS;
                (0..talk.wire.len()).filter(|&index| fits(&talk.wire[index])).collect()
            };
            match act {
                Act::Send(from) => talk.send(from),
                Act::Deliver(which) => {
                    let waiting = by_state(false, &talk);
                    if !waiting.is_empty() {
                        let index = waiting[which.index(waiting.len())];
                        let before = received(&talk, index);
                        talk.deliver(index);
                        let is_shown = received(&talk, index) == before + 1;
                        let is_engine_mail = !is_shown && talk.wire[index].delivered;
                        prop_assert!(is_shown || is_engine_mail, "envelope {} is lost", index);
                    }
                }
                Act::Again(which) => {
                    let done = by_state(true, &talk);
                    if !done.is_empty() {
                        let index = done[which.index(done.len())];
                        let before = received(&talk, index);
                        talk.deliver(index);
                        prop_assert_eq!(received(&talk, index), before);
                    }
                }
                Act::Pass(hours) => talk.pass(hours * HOUR_MS),
            }
        }
    }
}

fn received(talk: &Talk, index: usize) -> usize {
    let messages = talk.nodes[talk.wire[index].to].messages(None, None, 10_000).unwrap();
    messages.iter().filter(|message| !message.outgoing).count()
}
