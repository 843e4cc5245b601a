//! The same about bodies in fragments: marks, numbers and ends that are not true.

use super::*;
use crate::envelope::{BodyKey, BodySecret, FragmentAck, Release, Stamp, resign};
use crate::link::frame::{BodyTraits, Shelf};
use crate::sync::Numbers;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

const LIFETIME_S: u32 = 7 * 24 * 3600;

/// Somebody's body on the way.
pub(super) struct Foreign {
    secret: BodySecret,
    postmark: Postmark,
}

impl Foreign {
    pub(super) fn new(seed: u8) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed.into());
        Self { secret: BodySecret::new(&[seed; 32]), postmark: Postmark::generate(&mut rng) }
    }

    pub(super) fn fragment(&self, number: u32) -> Vec<u8> {
        let stamp = Stamp {
            needed: 12,
            priority: Priority::Normal,
            created: NOW,
            lifetime_s: LIFETIME_S,
            tag: [3; 8],
            postmark: &self.postmark,
        };
        self.secret.seal(number, &[number as u8; 1000], &stamp).1
    }

    fn body(&self) -> BodyKey {
        key(&self.fragment(0))
    }

    fn release(&self) -> Release {
        Release::new(&Envelope::parse(&self.fragment(0)).unwrap(), &self.secret.release()).unwrap()
    }
}

fn key(fragment: &[u8]) -> BodyKey {
    Envelope::parse(fragment).unwrap().fragment().unwrap().body
}

/// A fragment that shows the mark of another's body, under a postmark of its own; and its own `r`.
fn junk(of: &Foreign, number: u32) -> (Vec<u8>, FragmentAck) {
    let other = Foreign::new(99);
    let mut bytes = other.fragment(number);
    let ack = other.secret.ack(number);
    // The first half of the commitment: see the header of suite 3.
    bytes[27..43].copy_from_slice(&of.secret.mark().0);
    resign(&mut bytes, &other.postmark);
    (bytes, ack)
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Numbers {
    numbers.into_iter().collect()
}

fn traits(fragment_bytes: u32) -> BodyTraits {
    BodyTraits {
        priority: Priority::Normal,
        needed: 12,
        fragment_bytes,
        age_s: 0,
        left_s: 3600,
        tag: None,
    }
}

impl Scene {
    fn sent_bytes(&mut self) -> usize {
        self.sent().iter().map(Vec::len).sum()
    }
}

#[test]
fn nobody_ends_a_body_by_an_invented_release() {
    let mut scene = Scene::greeted();
    let foreign = Foreign::new(1);
    scene.push(0, &foreign.fragment(5));
    scene.say(&Frame::Acks { held: vec![[9; 32]], proofs: Vec::new() });
    assert_eq!((scene.verdict(), scene.carries()), (None, 1));
    let mut forged = foreign.release();
    forged.0[0] ^= 1;
    scene.say(&Frame::Release(forged));
    assert_eq!(scene.verdict(), Some(Violation::Forged("end of a body")));
    assert_eq!(scene.carries(), 1);
}

#[test]
fn the_true_secret_ends_a_body_and_bars_it_and_the_proof_passed_on_is_ones_own() {
    let mut scene = Scene::greeted();
    let foreign = Foreign::new(1);
    for number in [2, 7] {
        scene.push(0, &foreign.fragment(number));
    }
    let mut spoiled = foreign.release();
    spoiled.0[Release::LEN - 1] ^= 1;
    scene.say(&Frame::Release(spoiled));
    assert_eq!((scene.verdict(), scene.carries()), (None, 0));
    let Some(Proof::Body(kept)) = scene.node.store.release(foreign.secret.mark()).unwrap() else {
        panic!("the end is known");
    };
    assert!(kept.is_genuine(&kept.fragment_id()));
    scene.push(0, &foreign.fragment(3));
    assert_eq!((scene.verdict(), scene.carries()), (None, 0));
}

#[test]
fn the_end_of_what_never_came_by_is_charged_to_its_postmark() {
    let mut scene = Scene::greeted();
    let foreign = Foreign::new(1);
    scene.say(&Frame::Release(foreign.release()));
    assert_eq!((scene.verdict(), scene.node.stats().tombstones), (None, 1));
    // A postmark pays for so many items and no more.
    for number in 0..=crate::MAX_ENVELOPES_PER_POSTMARK as u32 {
        scene.push(
            0,
            &Foreign { secret: BodySecret::new(&[8; 32]), postmark: foreign.postmark.clone() }
                .fragment(number),
        );
    }
    assert_eq!(scene.carries(), crate::MAX_ENVELOPES_PER_POSTMARK - 1);
    let more = Foreign { secret: BodySecret::new(&[9; 32]), postmark: foreign.postmark.clone() };
    scene.say(&Frame::Release(more.release()));
    assert_eq!((scene.verdict(), scene.node.stats().tombstones), (None, 1));
}

#[test]
fn an_end_that_was_not_paid_for_is_refused() {
    let mut scene = Scene::with_config(NOW, Config::default());
    scene.say(&hello());
    scene.say(&Frame::Release(Foreign::new(1).release()));
    assert!(scene.verdict().is_some());
    assert_eq!(scene.node.stats().tombstones, 0);
}

#[test]
fn an_acknowledgement_that_does_not_fit_deletes_nothing() {
    let mut scene = Scene::greeted();
    let foreign = Foreign::new(1);
    scene.push(0, &foreign.fragment(5));
    let body = foreign.body();
    let acks = vec![
        (5, foreign.secret.ack(6)),
        (6, foreign.secret.ack(6)),
        (65_536, FragmentAck([0; 16])),
    ];
    scene.say(&Frame::FragmentAcks { body, acks });
    assert_eq!((scene.verdict(), scene.carries()), (None, 1));
    scene.say(&Frame::FragmentAcks { body, acks: vec![(5, foreign.secret.ack(5))] });
    assert_eq!((scene.carries(), scene.node.stats().tombstones), (0, 1));
    scene.push(0, &foreign.fragment(5));
    assert_eq!((scene.verdict(), scene.carries()), (None, 0));
}

#[test]
fn a_fragment_with_another_number_is_a_forgery() {
    let mut scene = Scene::greeted();
    let mut bytes = Foreign::new(1).fragment(5);
    bytes[22] ^= 1;
    scene.push(0, &bytes);
    assert_eq!(scene.verdict(), Some(Violation::Forged("envelope")));
    assert_eq!(scene.carries(), 0);
}

#[test]
fn announcements_without_end_are_bounded_and_asked_for_in_windows() {
    let mut scene = Scene::greeted();
    let mut bytes = 0;
    for round in 0..20_000_u32 {
        let mut body = BodyKey([0; 24]);
        body.0[..4].copy_from_slice(&round.to_be_bytes());
        // Tiny fragments, as many as can be named in a few bytes.
        let shelf = Shelf { generation: 0, is_offered: true, numbers: numbers(0..100) };
        scene.say(&Frame::Holding { body, traits: traits(1), shelves: vec![shelf] });
        bytes += scene.sent_bytes();
    }
    assert_eq!(scene.verdict(), None);
    assert!(scene.node.fetching.len() <= 2 * 256 && scene.node.fetches.len() <= 2 * 256);
    assert!(bytes < 20_000, "{bytes} bytes of wishes");
    // One that does not bring them is asked for others when their time is over; it cannot hoard them.
    scene.pass(61_000);
    assert!(scene.node.fetching.len() <= 2 * 256 && scene.node.fetches.len() <= 2 * 256);
}

#[test]
fn what_is_not_here_is_lacking_in_few_bytes() {
    let mut scene = Scene::greeted();
    let body = Foreign::new(1).body();
    scene.sent();
    for _ in 0..100 {
        scene.say(&Frame::Fetch { body, is_pull: false, numbers: numbers(0..65_536) });
    }
    assert!(scene.verdict().is_none() && scene.sent_bytes() < 100 * 60);
    // Who asks and does not listen gets no answers piled up.
    for _ in 0..20_000 {
        scene.say(&Frame::Fetch { body, is_pull: false, numbers: numbers([1]) });
    }
    assert!(scene.sent().len() <= 16_384);
}

#[test]
fn each_fragment_is_served_once_a_link() {
    let mut scene = Scene::greeted();
    let foreign = Foreign::new(1);
    for number in 0..3 {
        scene.push(0, &foreign.fragment(number));
    }
    scene.sent();
    let fetch = |numbers: Numbers| Frame::Fetch { body: foreign.body(), is_pull: false, numbers };
    scene.say(&fetch(numbers([0, 2])));
    let served = scene.sent_bytes();
    assert!((2 * 1000..3 * 1000).contains(&served), "{served}");
    for _ in 0..100 {
        scene.say(&fetch(numbers([0, 2])));
    }
    assert!(scene.sent_bytes() < 100 * 60);
    scene.say(&fetch(numbers([1, 2])));
    assert!((1000..2000).contains(&scene.sent_bytes()));
    assert_eq!(scene.verdict(), None);
}

/// Announces so many fragments of 8 KiB, numbered from zero.
fn announce(scene: &mut Scene, body: BodyKey, count: u32) {
    let shelf = Shelf { generation: 1, is_offered: true, numbers: numbers(0..count) };
    let traits = BodyTraits { needed: count, ..traits(8192) };
    scene.say(&Frame::Holding { body, traits, shelves: vec![shelf] });
}

/// What the node asks for: the body, whether it pulls, how many.
fn asked(scene: &mut Scene) -> Vec<(BodyKey, bool, usize)> {
    let heard = scene.heard();
    let fetch = |frame: &Vec<u8>| match Frame::decode(frame).unwrap() {
        Frame::Fetch { body, is_pull, numbers } => Some((body, is_pull, numbers.iter().count())),
        _ => None,
    };
    heard.iter().filter_map(fetch).collect()
}

#[test]
fn pulls_do_not_wait_for_the_window_of_what_is_passed_on() {
    let mut scene = Scene::greeted();
    let bodies = (0..=u8::MAX).map(|byte| BodyKey([byte; 24]));
    let (pulled, others): (Vec<_>, Vec<_>) = bodies.partition(|it| scene.node.is_decoy(*it));
    scene.heard();
    announce(&mut scene, others[0], 100);
    announce(&mut scene, others[1], 100);
    assert_eq!(asked(&mut scene), [(others[0], false, 32)], "a window, and no more");
    announce(&mut scene, pulled[0], 100);
    announce(&mut scene, pulled[1], 100);
    assert_eq!(asked(&mut scene), [(pulled[0], true, 32)], "a window of its own");
}

#[test]
fn small_frames_go_together() {
    let mut scene = Scene::greeted();
    scene.heard();
    let mut message = Vec::new();
    for byte in 0..10 {
        let (body, is_pull) = (BodyKey([byte; 24]), false);
        Frame::Fetch { body, is_pull, numbers: numbers([3]) }.encode(&mut message);
    }
    scene.say_raw(&message);
    assert_eq!(scene.verdict(), None);
    let [message] = &scene.sent()[..] else { panic!("one message") };
    let message = scene.mallory.read(message).unwrap();
    assert_eq!(frames(&message).len(), 10, "one lack each");
}

#[test]
fn what_a_reader_pulls_is_served_first() {
    let mut scene = Scene::greeted();
    let (passed_on, pulled) = (Foreign::new(1), Foreign::new(2));
    for number in 0..3 {
        scene.push(0, &passed_on.fragment(number));
        scene.push(0, &pulled.fragment(number));
    }
    for frame in scene.sent() {
        scene.mallory.read(&frame).unwrap();
    }
    for (body, is_pull) in [(passed_on.body(), false), (pulled.body(), true)] {
        scene.say(&Frame::Fetch { body, is_pull, numbers: numbers(0..3) });
    }
    let is_for_reader: Vec<bool> = scene
        .sent()
        .iter()
        .map(|frame| {
            let payload = scene.mallory.read(frame).unwrap();
            let Frame::Envelope { first, .. } = Frame::decode(&payload).unwrap() else {
                panic!("no envelope")
            };
            key(first) == pulled.body()
        })
        .collect();
    assert_eq!(is_for_reader, [true, true, true, false, false, false]);
}

#[test]
fn junk_under_a_copied_mark_neither_displaces_nor_ends_the_true_ones() {
    let mut scene = Scene::greeted();
    let foreign = Foreign::new(1);
    let (junk, junk_ack) = junk(&foreign, 5);
    scene.push(0, &junk);
    scene.push(0, &foreign.fragment(5));
    scene.push(0, &foreign.fragment(6));
    assert_eq!((scene.verdict(), scene.carries()), (None, 3));
    // Its own acknowledgement fits it alone, also under the true ones' name.
    scene.say(&Frame::FragmentAcks { body: foreign.body(), acks: vec![(5, junk_ack)] });
    assert_eq!(scene.carries(), 3);
    scene.say(&Frame::FragmentAcks { body: key(&junk), acks: vec![(5, junk_ack)] });
    assert_eq!(scene.carries(), 2);
    scene.say(&Frame::Acks { held: vec![*Foreign::new(99).secret.release()], proofs: Vec::new() });
    assert_eq!((scene.verdict(), scene.carries()), (None, 2));
    // The true end takes the junk along.
    scene.push(0, &super::fragments::junk(&foreign, 9).0);
    scene.say(&Frame::Acks { held: vec![*foreign.secret.release()], proofs: Vec::new() });
    assert_eq!(scene.carries(), 0);
}

/// Whoever can make a commitment begin as a letter's does must not keep that letter alive.
#[test]
fn a_fragment_that_begins_as_a_letter_does_not_shield_it() {
    let mut scene = Scene::greeted();
    let sealed = scene.foreign(NOW, 3600);
    let shield = {
        let mut bytes = Foreign::new(99).fragment(5);
        bytes[27..43].copy_from_slice(&sealed.ack.commitment().0[..16]);
        resign(&mut bytes, &Foreign::new(99).postmark);
        bytes
    };
    scene.push(0, &shield);
    scene.push(0, &sealed.bytes);
    assert_eq!(scene.carries(), 2);
    scene.say(&Frame::Acks { held: vec![sealed.ack.0], proofs: Vec::new() });
    assert!(scene.node.store.envelope(&sealed.id).unwrap().is_none());
}

/// Two nodes on one link, and what they have told; nobody lies here.
struct Pair {
    nodes: [Node; 2],
    now: Timestamp,
    recorded: Vec<Vec<u8>>,
}

impl Pair {
    fn new(directory: &Path) -> Self {
        let open = |index: u64| {
            let path = StorePath::File(directory.join(index.to_string()));
            Node::open(&path, simulated(), Box::new(ChaCha20Rng::seed_from_u64(index)), NOW)
                .unwrap()
        };
        Self { nodes: [open(1), open(2)], now: NOW, recorded: Vec::new() }
    }

    fn send(&mut self, size_bytes: u64) -> crate::MessageId {
        let cards = [0, 1].map(|index: usize| self.nodes[index].card().clone());
        let [sender, recipient] = &mut self.nodes;
        recipient.add_contact(NOW, &cards[0], "sender").unwrap();
        let to = sender.add_contact(NOW, &cards[1], "recipient").unwrap();
        let mut content = std::io::repeat(7).take(size_bytes);
        let what = ("a", "b/c");
        let sent =
            sender.send_attachment(NOW, to, what, size_bytes, &mut content, Priority::Normal);
        // What a carrier would have recorded.
        for carried in sender.store.carried(10_000).unwrap() {
            self.recorded.extend(sender.bytes_of(&carried).unwrap());
        }
        sent.unwrap()
    }

    /// Passes so many frames, then cuts the link.
    fn meet(&mut self, mut frames: u32) {
        let roles = [Role::Responder, Role::Initiator];
        for (node, role) in self.nodes.iter_mut().zip(roles) {
            let info = LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: 65_535 };
            node.handle_link_up(self.now, LINK, info).unwrap();
            node.commit().unwrap();
        }
        while let Some((frame, to)) = (0..2).find_map(|index| {
            Some((self.nodes[index].poll_transmit(self.now, LINK).unwrap()?, 1 - index))
        }) && frames > 0
        {
            frames -= 1;
            self.nodes[to].handle_frame(self.now, LINK, &frame).unwrap();
            self.nodes[to].commit().unwrap();
        }
        for node in &mut self.nodes {
            node.handle_link_down(self.now, LINK).unwrap();
            node.commit().unwrap();
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now.0 += ms;
        for node in &mut self.nodes {
            while node.poll_timeout().unwrap().is_some_and(|(at, _)| at <= self.now) {
                node.handle_timeout(self.now).unwrap();
                node.commit().unwrap();
            }
        }
    }

    fn secret(&self, index: usize) -> Option<BodySecret> {
        let mark = self
            .recorded
            .iter()
            .find_map(|bytes| Some(Envelope::parse(bytes).unwrap().fragment()?.body.mark()))?;
        self.nodes[index].store.attachment_by_mark(mark).unwrap()?.secret
    }
}

/// Whether any file there has these bytes.
fn is_in_files(directory: &Path, secret: &[u8; 32]) -> bool {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| std::fs::read(path).unwrap())
        .any(|file| file.windows(32).any(|window| window == secret))
}

#[test]
fn once_it_is_whole_nobody_can_open_recorded_fragments_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(directory.path());
    let message = pair.send(40_000);
    pair.meet(12);
    let secret = pair.secret(1).expect("the letter has come");
    let opens = |secret: &BodySecret, pair: &Pair| {
        let open = |bytes: &Vec<u8>| secret.open(&Envelope::parse(bytes).unwrap()).is_some();
        pair.recorded.iter().filter(|bytes| open(bytes)).count()
    };
    assert!(opens(&secret, &pair) > 5 && is_in_files(directory.path(), secret.as_bytes()));
    pair.meet(1000);
    pair.pass(5 * 60_000);
    pair.meet(1000);
    assert_eq!(pair.nodes[0].message(message).unwrap().unwrap().state, State::Delivered);
    assert!(pair.secret(0).is_none() && pair.secret(1).is_none());
    assert!(!is_in_files(directory.path(), secret.as_bytes()));
}

#[test]
fn what_is_never_completed_is_closed_for_ever_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(directory.path());
    let message = pair.send(400_000);
    pair.meet(12);
    let secret = pair.secret(1).expect("the letter has come");
    for _ in 0..9 {
        pair.pass(DAY_MS);
    }
    assert_eq!(pair.nodes[0].message(message).unwrap().unwrap().state, State::Expired);
    assert!(pair.secret(0).is_none() && pair.secret(1).is_none());
    assert!(!is_in_files(directory.path(), secret.as_bytes()));
    assert!(pair.nodes.iter().all(|node| node.store.fragments().unwrap().is_empty()));
}

#[test]
fn carriers_know_a_body_as_one_and_not_when_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut pair = Pair::new(directory.path());
    // Each would leave too little of a postmark for all of the next.
    for _ in 0..4 {
        pair.send(600_000);
    }
    let envelopes: Vec<_> =
        pair.recorded.iter().map(|bytes| Envelope::parse(bytes).unwrap()).collect();
    let mut bodies: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for envelope in &envelopes {
        if let Some(fragment) = envelope.fragment() {
            let stamp = (envelope.postmark_key(), envelope.created());
            bodies.entry(fragment.body.mark().0).or_default().insert(stamp);
        }
    }
    assert_eq!(bodies.len(), 4);
    assert!(bodies.values().all(|stamps| stamps.len() == 1), "{bodies:?}");
}
