//! A neighbour that speaks the protocol's language, and lies.

use super::*;
use crate::chat::State;
use crate::envelope::{
    AckProof, Body, BulletinDraft, BulletinKind, Envelope, Letter, Postmark, Priority, Sealed,
    Work, publish, seal,
};
use crate::identity::{Suite, TargetSecret};
use crate::link::frame::Passage;
use crate::link::frame::{Frame, Hello};
use crate::link::{CloseReason, CostClass, LinkInfo, Noise, Role};
use crate::store::Proof;
use crate::time::DAY_MS;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

mod custody;
mod ends;
mod fragments;
mod mailboxes;
mod shares;

/// Default settings, without work.
pub(super) fn simulated() -> Config {
    Config::default().work(Work::None).clone()
}

const NOW: Timestamp = Timestamp(1_780_315_200_000);
const LINK: LinkId = LinkId(1);

/// A node, and a neighbour whose every frame the test chooses.
struct Scene {
    node: Node,
    mallory: Noise,
    now: Timestamp,
    rng: ChaCha20Rng,
    /// Whom [`Scene::send`] wrote to.
    reader: Option<Node>,
}

/// The frames in a message, each encoded.
fn frames(mut message: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !message.is_empty() {
        let (_, following) = Frame::decode_first(message).unwrap();
        frames.push(message[..message.len() - following.len()].to_vec());
        message = following;
    }
    frames
}

impl Scene {
    /// After the handshake, which the node answered.
    fn new() -> Self {
        Self::open(NOW)
    }

    fn open(now: Timestamp) -> Self {
        Self::with_config(now, simulated())
    }

    fn with_config(now: Timestamp, config: Config) -> Self {
        let rng = ChaCha20Rng::seed_from_u64(1);
        let node_rng = Box::new(ChaCha20Rng::seed_from_u64(2));
        let node = Node::open(&StorePath::Memory, config, node_rng, now).unwrap();
        let mallory = Noise::new(Role::Initiator, &[7; 32], [0; 32]);
        let mut scene = Self { node, mallory, now, rng, reader: None };
        scene.connect();
        scene
    }

    fn connect(&mut self) {
        self.connect_as([7; 32]);
    }

    /// A new link, up to the handshake's end, by a neighbour with this key.
    fn connect_as(&mut self, secret: [u8; 32]) {
        let info =
            LinkInfo { role: Role::Responder, cost: CostClass::Lan, max_frame_bytes: 65_535 };
        self.node.handle_link_up(self.now, LINK, info).unwrap();
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.mallory = Noise::new(Role::Initiator, &secret, seed);
        let first = self.mallory.write(&[]).unwrap();
        self.deliver(&first);
        let second = self.sent().remove(0);
        self.mallory.read(&second).unwrap();
        // An empty set: 120 counters of four bits, all zero.
        let mut sketch = vec![0; 61];
        sketch[0] = 0;
        let third = self.mallory.write(&sketch).unwrap();
        self.deliver(&third);
    }

    fn greeted() -> Self {
        Self::at(NOW)
    }

    fn at(now: Timestamp) -> Self {
        let mut scene = Self::open(now);
        scene.say(&hello());
        assert_eq!(scene.verdict(), None);
        scene
    }

    fn deliver(&mut self, bytes: &[u8]) {
        self.node.handle_frame(self.now, LINK, bytes).unwrap();
        self.node.commit().unwrap();
    }

    fn say(&mut self, frame: &Frame<'_>) {
        let mut payload = Vec::new();
        frame.encode(&mut payload);
        self.say_raw(&payload);
    }

    fn say_raw(&mut self, payload: &[u8]) {
        let bytes = self.mallory.write(payload).unwrap();
        self.deliver(&bytes);
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.node.poll_transmit(self.now, LINK).unwrap()).collect()
    }

    /// All frames that the node has ready.
    fn heard(&mut self) -> Vec<Vec<u8>> {
        let sent = self.sent();
        sent.iter().flat_map(|message| frames(&self.mallory.read(message).unwrap())).collect()
    }

    fn pass(&mut self, ms: u64) {
        self.now.0 += ms;
        self.node.handle_timeout(self.now).unwrap();
        self.node.commit().unwrap();
    }

    fn carries(&self) -> u64 {
        self.node.stats().foreign_envelopes
    }

    /// The violation that closed the link, if one did.
    fn verdict(&mut self) -> Option<Violation> {
        std::iter::from_fn(|| self.node.poll_event()).find_map(|event| match event {
            Event::LinkClosed { reason: CloseReason::Violation(violation), .. } => Some(violation),
            _ => None,
        })
    }

    /// Mail between two whom the node does not know.
    fn foreign(&mut self, now: Timestamp, lifetime_s: u32) -> Sealed {
        let end = Timestamp(now.0 + 40 * DAY_MS);
        let target = TargetSecret::generate(Suite::X25519, 0, end, &mut self.rng);
        let letter = Letter {
            sender: &IdentityKey::generate(&mut self.rng),
            recipient: &IdentityKey::generate(&mut self.rng).identity(),
            target: target.target(),
            uuid: [1; 16],
            body: &Body::Text("not for you".into()),
            card: None,
            reply: None,
            statements: &[],
            previous: None,
            manifest: None,
            priority: Priority::Normal,
            lifetime_s,
            mailbox: None,
        };
        let postmark = Postmark::generate(&mut self.rng);
        seal(&letter, &postmark, now, &mut self.rng).unwrap()
    }

    /// Own mail, to somebody who is not there.
    fn send(&mut self, text: &str) -> crate::MessageId {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(3));
        let other = Node::open(&StorePath::Memory, simulated(), rng, NOW).unwrap();
        let contact = self.node.add_contact(NOW, other.card(), "other").unwrap();
        self.reader = Some(other);
        self.node.send(NOW, contact, &Body::Text(text.into()), Priority::Normal).unwrap()
    }

    fn push(&mut self, age_s: u32, bytes: &[u8]) {
        self.say(&Frame::Envelope {
            passage: Passage { age_s, generation: 1 },
            total_bytes: bytes.len() as u32,
            first: bytes,
        });
    }
}

fn hello() -> Frame<'static> {
    let marks = Vec::new();
    Frame::Hello(Hello { version: 1, accepts_foreign: true, free_kib: 1, battery: 0, marks })
}

#[test]
fn order_is_kept() {
    let mut scene = Scene::new();
    scene.say(&Frame::Want { heads: vec![1] });
    assert_eq!(scene.verdict(), Some(Violation::Unexpected("frame before hello")));

    let mut scene = Scene::greeted();
    scene.say(&hello());
    assert_eq!(scene.verdict(), Some(Violation::Unexpected("second hello")));

    let mut scene = Scene::greeted();
    scene.say(&Frame::EnvelopePart { bytes: &[1] });
    assert_eq!(scene.verdict(), Some(Violation::Unexpected("envelope part")));
}

/// Of two channels between two radios one may lead nowhere, from any message on.
#[test]
fn who_is_not_heard_after_the_handshake_is_given_up() {
    let has_timed_out = |scene: &mut Scene| {
        let closed =
            |event| matches!(event, Event::LinkClosed { reason: CloseReason::Timeout, .. });
        std::iter::from_fn(|| scene.node.poll_event()).any(closed)
    };
    let mut scene = Scene::new();
    scene.pass(19_000);
    assert!(!has_timed_out(&mut scene));
    scene.pass(1_000);
    assert!(has_timed_out(&mut scene));

    let mut scene = Scene::greeted();
    scene.pass(60_000);
    assert!(!has_timed_out(&mut scene));
}

#[test]
fn a_closed_link_is_deaf() {
    let mut scene = Scene::greeted();
    scene.say(&hello());
    scene.sent();
    let sealed = scene.foreign(NOW, 3600);
    scene.push(0, &sealed.bytes);
    assert_eq!(scene.node.stats().foreign_envelopes, 0);
    assert!(scene.sent().is_empty());
}

#[test]
fn no_forged_envelope_is_stored() {
    let mut scene = Scene::greeted();
    let mut sealed = scene.foreign(NOW, 3600);
    sealed.bytes[200] ^= 1;
    scene.push(0, &sealed.bytes);
    assert_eq!(scene.verdict(), Some(Violation::Forged("envelope")));
    assert_eq!(scene.node.stats().foreign_envelopes, 0);
}

#[test]
fn nobody_deletes_mail_by_an_invented_acknowledgement() {
    let mut scene = Scene::greeted();
    let sealed = scene.foreign(NOW, 3600);
    scene.push(0, &sealed.bytes);
    assert_eq!(scene.node.stats().foreign_envelopes, 1);
    scene.say(&Frame::Acks { held: vec![[9; 32]], proofs: Vec::new() });
    assert_eq!((scene.verdict(), scene.node.stats().foreign_envelopes), (None, 1));
    // The stub and signature of a real envelope, with an invented secret.
    let envelope = Envelope::parse(&sealed.bytes).unwrap();
    let mut proof = AckProof::new(&envelope, &sealed.ack);
    proof.0[80] ^= 1;
    scene.say(&Frame::Acks { held: Vec::new(), proofs: vec![proof.0] });
    assert_eq!(scene.verdict(), Some(Violation::Forged("acknowledgement")));
    assert_eq!(scene.node.stats().foreign_envelopes, 1);
}

#[test]
fn the_true_secret_deletes_and_bars_the_envelope() {
    let mut scene = Scene::greeted();
    let sealed = scene.foreign(NOW, 3600);
    scene.push(0, &sealed.bytes);
    scene.say(&Frame::Acks { held: vec![sealed.ack.0], proofs: Vec::new() });
    assert_eq!(scene.node.stats().foreign_envelopes, 0);
    scene.push(0, &sealed.bytes);
    assert_eq!((scene.verdict(), scene.node.stats().foreign_envelopes), (None, 0));
}

#[test]
fn replays_of_the_past_and_mail_from_the_future_are_left() {
    let mut scene = Scene::greeted();
    let past = scene.foreign(Timestamp(NOW.0 - 5 * DAY_MS), 3600);
    let future = scene.foreign(Timestamp(NOW.0 + 2 * DAY_MS), 3600);
    let aged = scene.foreign(NOW, 3600);
    scene.push(0, &past.bytes);
    scene.push(0, &future.bytes);
    scene.push(3600, &aged.bytes);
    assert_eq!((scene.verdict(), scene.node.stats().foreign_envelopes), (None, 0));
}

#[test]
fn only_what_was_offered_is_served_and_only_once() {
    let mut scene = Scene::greeted();
    scene.sent();
    scene.send(&"x".repeat(9000));
    let head = scene.node.carried(1).unwrap()[0].id.head();
    let len = |frames: Vec<Vec<u8>>| frames.iter().map(Vec::len).sum::<usize>();
    assert!(len(scene.sent()) < 100);
    scene.say(&Frame::Want { heads: vec![head ^ 1, head] });
    assert!(len(scene.sent()) > 9000);
    scene.say(&Frame::Want { heads: vec![head; 1000] });
    assert!(scene.sent().is_empty());
}

#[test]
fn more_than_may_be_asked_at_once_is_asked_for_as_it_comes() {
    let mut scene = Scene::greeted();
    let letters: Vec<_> = (0..4200).map(|_| scene.foreign(NOW, 3600)).collect();
    for some in letters.chunks(1000) {
        scene.say(&Frame::Offer { heads: some.iter().map(|letter| letter.id.head()).collect() });
    }
    scene.sent();
    assert_eq!(scene.node.wanted.len(), 4096);
    for letter in &letters[..2048] {
        scene.push(0, &letter.bytes);
    }
    assert_eq!(scene.node.wanted.len(), letters.len() - 2048);
    for letter in &letters[2048..] {
        scene.push(0, &letter.bytes);
    }
    assert_eq!(scene.node.stats().foreign_envelopes, 4200);
}

#[test]
fn a_neighbour_that_offers_without_end_is_bounded_and_does_not_bar_others() {
    let mut scene = Scene::greeted();
    let sealed = scene.foreign(NOW, 3600);
    for round in 0..100 {
        let heads = (0..1024).map(|n| round * 1024 + n).collect();
        scene.say(&Frame::Offer { heads });
    }
    assert!(scene.node.wanted.len() <= 4096);
    let asked: usize = scene.sent().iter().map(Vec::len).sum();
    assert!(asked < 4096 * 8 + 10_000, "{asked} bytes of wishes");
    // What it does not bring is asked again once its time is over.
    let later = Timestamp(NOW.0 + 61_000);
    assert_eq!(scene.node.poll_timeout().unwrap().map(|(at, _)| at <= later), Some(true));
    scene.node.handle_timeout(later).unwrap();
    scene.node.commit().unwrap();
    assert!(scene.node.wanted.is_empty());
    scene.say(&Frame::Offer { heads: vec![sealed.id.head()] });
    assert!(scene.sent().iter().map(Vec::len).sum::<usize>() > 0);
    scene.push(0, &sealed.bytes);
    assert_eq!(scene.node.stats().foreign_envelopes, 1);
}

#[test]
fn no_one_poisons_the_proofs_that_are_passed_on() {
    let mut scene = Scene::greeted();
    // Late enough for everybody to be told.
    let sealed = scene.foreign(Timestamp(NOW.0 - 3_000_000), 3600);
    scene.push(3000, &sealed.bytes);
    let mut proof = AckProof::new(&Envelope::parse(&sealed.bytes).unwrap(), &sealed.ack);
    proof.0[120] ^= 1; // the postmark's signature
    scene.say(&Frame::Acks { held: Vec::new(), proofs: vec![proof.0] });
    let tombstone = scene.node.store.tombstone(&sealed.id).unwrap().unwrap();
    let Some(Proof::Letter(proof)) = tombstone.proof else { panic!("a letter's proof") };
    assert_eq!(proof.verify(), Some(sealed.id));
}

#[test]
fn an_old_proof_is_forgotten_on_time_and_a_very_old_one_not_taken() {
    let mut scene = Scene::greeted();
    for (age_days, tombstones) in [(300, 0), (30, 0), (3, 1)] {
        let old = scene.foreign(Timestamp(NOW.0 - age_days * DAY_MS), 3600);
        let proof = AckProof::new(&Envelope::parse(&old.bytes).unwrap(), &old.ack);
        scene.say(&Frame::Acks { held: Vec::new(), proofs: vec![proof.0] });
        assert_eq!((scene.verdict(), scene.node.stats().tombstones), (None, tombstones));
    }
    let forget = scene.node.store.due().unwrap().tombstone.unwrap();
    assert!(forget < (NOW.0 + 4 * DAY_MS) as i64);
}

#[test]
fn a_great_age_is_believed_as_far_as_the_calendar_goes() {
    let mut scene = Scene::greeted();
    let week_s = 7 * 24 * 3600;
    let sealed = scene.foreign(NOW, week_s);
    scene.push(week_s - 1, &sealed.bytes);
    scene.node.handle_timeout(Timestamp(NOW.0 + 5 * DAY_MS)).unwrap();
    scene.node.commit().unwrap();
    assert_eq!(scene.node.stats().foreign_envelopes, 1);
}

/// A node whose clock was never set, told by a liar that young mail is nearly over.
#[test]
fn a_claimed_age_bars_no_mail_where_no_calendar_bears_it_out() {
    let (early, life_s) = (Timestamp(5 * DAY_MS), 7 * 24 * 3600);
    let mut scene = Scene::at(early);
    let sealed = scene.foreign(early, life_s);
    scene.push(life_s, &sealed.bytes);
    assert_eq!((scene.carries(), scene.node.stats().tombstones), (0, 0));
    scene.push(life_s - 1, &sealed.bytes);
    assert_eq!(scene.carries(), 1);
    scene.pass(2000);
    assert_eq!((scene.carries(), scene.node.stats().tombstones), (0, 1));
    // The lie is paid for by its postmark, but whoever tells another age is heard, and asked.
    scene.say(&Frame::Offer { heads: vec![sealed.id.head()] });
    assert!(!scene.sent().is_empty());
    assert!(!scene.node.items(LINK).unwrap().unwanted.contains(&sealed.id.0));
    scene.push(60, &sealed.bytes);
    assert_eq!((scene.verdict(), scene.carries()), (None, 1));
    // What is on board has its age, whatever is claimed now.
    scene.push(life_s - 1, &sealed.bytes);
    scene.pass(DAY_MS);
    assert_eq!(scene.carries(), 1);
    // A lifetime after the lie it is over beyond doubt, however young the next copy is said to be.
    scene.pass(7 * DAY_MS);
    assert_eq!(scene.carries(), 0);
    assert!(scene.node.items(LINK).unwrap().unwanted.contains(&sealed.id.0));
}

#[test]
fn what_a_later_version_made_is_left_without_blame() {
    let mut scene = Scene::greeted();
    let mut sealed = scene.foreign(NOW, 3600);
    sealed.bytes[1] = 9; // a suite to come
    scene.push(0, &sealed.bytes);
    assert_eq!((scene.verdict(), scene.node.stats().foreign_envelopes), (None, 0));
}

#[test]
fn a_late_acknowledgement_still_counts() {
    let mut scene = Scene::greeted();
    let message = scene.send("slow");
    let carried = scene.node.carried(1).unwrap()[0].id;
    let row = scene.node.store.envelope(&carried).unwrap().unwrap();
    let bytes = scene.node.store.envelope_bytes(row.row).unwrap().unwrap();
    let later = Timestamp(NOW.0 + 8 * DAY_MS);
    scene.node.handle_timeout(later).unwrap();
    scene.node.commit().unwrap();
    let state = |scene: &Scene| scene.node.message(message).unwrap().unwrap().state;
    assert_eq!(state(&scene), State::Expired);
    // The recipient's acknowledgement comes back with somebody who met them in time.
    let (_, secret) = scene.reader.as_ref().unwrap().cards.last().unwrap();
    let envelope = Envelope::parse(&bytes).unwrap();
    let reader = scene.reader.as_ref().unwrap().identity;
    let ack = crate::open(&envelope, secret, &reader).unwrap().ack;
    let proof = AckProof::new(&envelope, &ack);
    let now = scene.node.clock.advance(later);
    scene.node.store.require(Durability::Process).unwrap();
    assert!(scene.node.apply_proof(now, LINK, &proof).is_ok());
    scene.node.commit().unwrap();
    assert_eq!(state(&scene), State::Delivered);
}

#[test]
fn nobody_carries_what_was_never_sent_to_them() {
    let mut scene = Scene::greeted();
    let message = scene.send("offered, not fetched");
    let head = scene.node.carried(1).unwrap()[0].id.head();
    scene.sent();
    scene.say(&Frame::Taken { heads: vec![head] });
    assert_eq!(scene.verdict(), None);
    let state = |scene: &Scene| scene.node.message(message).unwrap().unwrap().state;
    assert_eq!(state(&scene), State::Queued);
    scene.say(&Frame::Want { heads: vec![head] });
    scene.sent();
    scene.say(&Frame::Taken { heads: vec![head] });
    assert_eq!(state(&scene), State::Carried);
}

#[test]
fn endless_requests_for_symbols_end() {
    let mut scene = Scene::greeted();
    let mut bytes = 0;
    for _ in 0..10_000 {
        // Kind «reconciliation», a body of one byte: «more».
        scene.say_raw(&[3, 1, 2]);
        bytes += scene.sent().iter().map(Vec::len).sum::<usize>();
        if scene.verdict().is_some() {
            assert!(bytes < 10_000, "{bytes} bytes of symbols for an empty set");
            return;
        }
    }
    panic!("the node goes on and on");
}

#[test]
fn a_link_to_oneself_is_closed() {
    let rng = Box::new(ChaCha20Rng::seed_from_u64(2));
    let mut node = Node::open(&StorePath::Memory, simulated(), rng, NOW).unwrap();
    let ends = [(LinkId(1), Role::Initiator), (LinkId(2), Role::Responder)];
    for (link, role) in ends {
        let info = LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: 65_535 };
        node.handle_link_up(NOW, link, info).unwrap();
    }
    node.commit().unwrap();
    for (from, to) in [(0, 1), (1, 0)] {
        while let Some(frame) = node.poll_transmit(NOW, ends[from].0).unwrap() {
            node.handle_frame(NOW, ends[to].0, &frame).unwrap();
            node.commit().unwrap();
        }
    }
    let closed = |event: &Event| matches!(event, Event::LinkClosed { .. });
    assert!(std::iter::from_fn(|| node.poll_event()).any(|event| closed(&event)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_inside_a_session_panics(
        kind in 0..24u8, rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut scene = Scene::greeted();
        scene.say_raw(&[&[kind][..], &rest].concat());
        scene.sent();
        prop_assert_eq!(scene.node.stats().foreign_envelopes, 0);
    }

    #[test]
    fn nothing_before_a_session_panics(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..4),
    ) {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(2));
        let mut node = Node::open(&StorePath::Memory, simulated(), rng, NOW).unwrap();
        for role in [Role::Responder, Role::Initiator] {
            let info = LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: 65_535 };
            node.handle_link_up(NOW, LINK, info).unwrap();
            for frame in &frames {
                node.handle_frame(NOW, LINK, frame).unwrap();
            }
            node.commit().unwrap();
        }
    }
}

/// A bulletin, and the key that says who published it.
fn bulletin(scene: &mut Scene, number: u64) -> (IdentityKey, Vec<u8>) {
    let key = IdentityKey::generate(&mut scene.rng);
    let postmark = Postmark::generate(&mut scene.rng);
    (key.clone(), published(&key, number, &postmark))
}

fn published(key: &IdentityKey, number: u64, postmark: &Postmark) -> Vec<u8> {
    let draft = BulletinDraft {
        kind: BulletinKind::Alert,
        region: String::new(),
        topic: String::new(),
        text: "the bridge is out".into(),
        lifetime_s: 3600,
        replaces: None,
    };
    publish(key, draft.kind, &draft.said(number), (NOW, draft.lifetime_s), postmark).1
}

#[test]
fn nobody_publishes_in_another_s_name() {
    let mut scene = Scene::greeted();
    let (_, mut bytes) = bulletin(&mut scene, 1);
    let publisher = IdentityKey::generate(&mut scene.rng).identity();
    bytes[99..131].copy_from_slice(publisher.as_bytes());
    // Paid for and whole, but for the publisher's signature.
    let postmark = Postmark::generate(&mut scene.rng);
    bytes[59..91].copy_from_slice(&postmark.public_key());
    let id = Envelope::parse(&bytes).unwrap().id();
    let at = bytes.len() - 64;
    bytes[at..].copy_from_slice(&postmark.sign(&id));
    assert!(Envelope::parse(&bytes).unwrap().is_genuine(&id));
    scene.push(0, &bytes);
    assert_eq!(scene.verdict(), Some(Violation::Forged("bulletin")));
    assert!(scene.node.carried(10).unwrap().is_empty());
}

#[test]
fn a_postmark_pays_for_one_bulletin() {
    let mut scene = Scene::greeted();
    let postmark = Postmark::generate(&mut scene.rng);
    for number in 1..5 {
        let key = IdentityKey::generate(&mut scene.rng);
        scene.push(0, &published(&key, number, &postmark));
    }
    assert_eq!(scene.verdict(), None);
    assert_eq!(scene.node.carried(100).unwrap().len(), 1);
    // All in places of their own.
    assert_eq!(scene.carries(), 0);
}

#[test]
fn a_bulletin_cannot_be_acknowledged() {
    let mut scene = Scene::greeted();
    let (_, bytes) = bulletin(&mut scene, 1);
    scene.push(0, &bytes);
    scene.say(&Frame::Acks { held: vec![[0; 32], [9; 32]], proofs: Vec::new() });
    let proof = AckProof::new(&Envelope::parse(&bytes).unwrap(), &crate::Ack([9; 32]));
    scene.say(&Frame::Acks { held: Vec::new(), proofs: vec![proof.0] });
    assert_eq!(scene.verdict(), Some(Violation::Forged("acknowledgement")));
    assert_eq!(scene.node.bulletins(&crate::BulletinFilter::default()).unwrap().len(), 1);
}

#[test]
fn one_number_has_one_bulletin() {
    let mut scene = Scene::greeted();
    let (key, bytes) = bulletin(&mut scene, 1);
    scene.push(0, &bytes);
    let postmark = Postmark::generate(&mut scene.rng);
    scene.push(0, &published(&key, 1, &postmark));
    assert_eq!((scene.verdict(), scene.node.carried(10).unwrap().len()), (None, 1));
}
