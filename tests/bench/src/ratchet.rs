//! What secrecy costs: finding one's mail, turning the ratchet, bytes.

use crate::figure::{Figure, Goal, Unit};
use crate::harness::{Comparison, Summary, cpu_time, elapsed, interleave};
use crate::relay::{BATCH, frames, take_in};
use crate::world::{START, Writer, connect, exchange, open as open_node, rng, text, text_for};
use footpost_core::{
    DAY_MS, Envelope, Identity, IdentityKey, Letter, LinkId, Node, Postmark, Priority, ReplyTarget,
    StorePath, Suite, TargetSecret, Timestamp, open, seal,
};
use rand_chacha::ChaCha20Rng;
use std::hint::black_box;

/// Live targets a contact.
const TARGETS: usize = 3;
/// Contacts of a node that finds nothing of its own among what it carries.
const CONTACTS: usize = 100;
const PORTION: u32 = 10;
const TEXT_BYTES: usize = 100;
const LINK: LinkId = LinkId(1);

/// `hint_scan.*`, `open_miss.*`, `ratchet_cost`, `overhead_bytes.*`.
pub(crate) fn figures(n: usize, portions: usize) -> Vec<Figure> {
    let mut figures: Vec<Figure> = [1, 100, 1000].map(|contacts| hint_scan(contacts, n)).into();
    figures.extend([Suite::X25519, Suite::XWing].map(|suite| open_miss(suite, portions)));
    figures.push(ratchet_cost(n));
    figures.extend(overhead());
    figures
}

fn target(suite: Suite, counter: u64, rng: &mut ChaCha20Rng) -> TargetSecret {
    TargetSecret::generate(suite, counter, Timestamp(START.0 + 30 * DAY_MS), rng)
}

/// One envelope that is nobody's, tried under every target of so many contacts.
fn hint_scan(contacts: usize, n: usize) -> Figure {
    let mut rng = rng(30);
    let secrets: Vec<_> =
        (0..contacts * TARGETS).map(|i| target(Suite::X25519, i as u64, &mut rng)).collect();
    let mut world = Pair::new();
    let bytes = world.seal(false);
    let envelope = Envelope::parse(&bytes).expect("the envelope is whole");
    let times = (0..n.min(51)).map(|_| {
        let start = cpu_time();
        let hint = black_box(&envelope).hint();
        assert!(!secrets.iter().any(|secret| secret.recognises(&hint)));
        cpu_time().saturating_sub(start).as_secs_f64() * 1e3
    });
    Figure {
        name: format!("hint_scan.{contacts}"),
        summary: Summary::quartiles(times),
        unit: Unit::Milliseconds,
        goal: Goal::AtMost(1.0),
        note: format!("{TARGETS} targets a contact"),
    }
}

/// Throughput of a node with contacts, beside one without, of mail that is neither's. Targets wait
/// for an answer, so all are X-Wing's: mail of that suite is tried under each.
fn open_miss(suite: Suite, n: usize) -> Figure {
    let portion = 10 * BATCH;
    let count = (n + 1) * portion;
    let (mut source, body) = match suite {
        Suite::X25519 => (Writer::new(&StorePath::Memory, 31), text_for(1024)),
        Suite::XWing => (Writer::xwing(&StorePath::Memory, 31), text(1)),
    };
    source.write(&body, count);
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let mut lonely = open_node(&StorePath::File(directory.path().join("lonely")), 32, START);
    let path = StorePath::File(directory.path().join("sociable"));
    let mut sociable = open_node(&path, 33, Timestamp(START.0 - 14 * DAY_MS));
    befriend(&mut sociable);
    let for_lonely = frames(&mut source.node, &mut lonely);
    let for_sociable = frames(&mut source.node, &mut sociable);
    let (mut ours, mut bare) = (for_sociable.chunks(portion), for_lonely.chunks(portion));
    let comparison = Comparison::of(&interleave(
        n,
        elapsed,
        || take_in(&mut lonely, bare.next().unwrap_or_default()),
        || take_in(&mut sociable, ours.next().unwrap_or_default()),
    ));
    for node in [&lonely, &sociable] {
        assert_eq!(node.stats().foreign_envelopes, count as u64, "all was carried");
    }
    let bytes = lonely.stats().foreign_bytes / count as u64;
    let (name, tried) = match suite {
        Suite::X25519 => ("x25519", "cards alone are tried"),
        Suite::XWing => ("xwing", "every target is tried"),
    };
    Figure {
        name: format!("open_miss.{name}"),
        note: format!(
            "without contacts {}, with {CONTACTS} of {TARGETS} X-Wing targets; {bytes} B each: {tried}",
            comparison.note(portion as u32)
        ),
        summary: comparison.ratio,
        unit: Unit::Ratio,
        goal: Goal::AtLeast(0.9),
    }
}

/// Contacts whom this node has written to in three weeks, without an answer: three live targets each.
fn befriend(node: &mut Node) {
    let first = Timestamp(START.0 - 14 * DAY_MS);
    for seed in 0..CONTACTS as u64 {
        let other = open_node(&StorePath::Memory, 1000 + seed, first);
        let name = format!("contact {seed}");
        node.add_contact(first, other.card(), &name).expect("the card is good");
    }
    let contacts = node.contacts().expect("the store works");
    for week in 0..TARGETS as u64 {
        let now = Timestamp(first.0 + week * 7 * DAY_MS);
        for contact in &contacts {
            node.send(now, contact.id, &text(1), Priority::Normal).expect("the text can be sent");
        }
    }
}

/// Sealing and opening with a fresh target in the message, beside the same without.
fn ratchet_cost(n: usize) -> Figure {
    let (mut turning, mut still) = (Pair::new(), Pair::new());
    let comparison = Comparison::of(&interleave(
        n,
        cpu_time,
        || (0..PORTION).for_each(|_| turning.talk(true)),
        || (0..PORTION).for_each(|_| still.talk(false)),
    ));
    Figure {
        name: "ratchet_cost".to_owned(),
        note: comparison.note(PORTION),
        summary: comparison.ratio,
        unit: Unit::Ratio,
        goal: Goal::None,
    }
}

/// A writer, a reader and a target between them.
struct Pair {
    rng: ChaCha20Rng,
    sender: IdentityKey,
    reader: Identity,
    secret: TargetSecret,
    postmark: Postmark,
}

impl Pair {
    fn new() -> Self {
        let mut rng = rng(34);
        Self {
            sender: IdentityKey::generate(&mut rng),
            reader: IdentityKey::generate(&mut rng).identity(),
            secret: target(Suite::X25519, 1, &mut rng),
            postmark: Postmark::generate(&mut rng),
            rng,
        }
    }

    fn seal(&mut self, turns: bool) -> Vec<u8> {
        let reply = turns.then(|| ReplyTarget {
            target: target(Suite::X25519, 2, &mut self.rng).target().clone(),
            window_s: 7 * 86_400,
            is_post_quantum: true,
        });
        let letter = Letter {
            sender: &self.sender,
            recipient: &self.reader,
            target: self.secret.target(),
            uuid: [7; 16],
            body: &text(TEXT_BYTES),
            card: None,
            reply: reply.as_ref(),
            statements: &[],
            previous: None,
            manifest: None,
            priority: Priority::Normal,
            lifetime_s: 7 * 86_400,
            mailbox: None,
        };
        let sealed = seal(&letter, &self.postmark, START, &mut self.rng);
        sealed.expect("the letter can be sealed").bytes
    }

    fn talk(&mut self, turns: bool) {
        let bytes = self.seal(turns);
        let envelope = Envelope::parse(&bytes).expect("the envelope is whole");
        assert!(envelope.is_genuine(&envelope.id()) && self.secret.recognises(&envelope.hint()));
        assert!(black_box(open(&envelope, &self.secret, &self.reader)).is_some());
    }
}

/// What a text of 100 characters costs beside its characters, as a conversation goes on.
fn overhead() -> Vec<Figure> {
    let [mut one, mut other] = [35, 36].map(|seed| open_node(&StorePath::Memory, seed, START));
    let to_other = one.add_contact(START, other.card(), "other").expect("the card is good");
    let to_one = other.add_contact(START, one.card(), "one").expect("the card is good");
    connect([&mut one, &mut other], LINK, 0);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        for side in 0..2 {
            let (node, to) = if side == 0 { (&mut one, to_other) } else { (&mut other, to_one) };
            node.send(START, to, &text(TEXT_BYTES), Priority::Normal).expect("it can be sent");
            let carried = node.carried(100).expect("the store works");
            let own = carried.iter().rfind(|envelope| envelope.is_own).map(|own| own.size_bytes);
            sizes.push(own.unwrap_or_default() - TEXT_BYTES);
            exchange([&mut one, &mut other], LINK);
        }
    }
    let named = [("first", 0), ("first_answer", 1), ("after", sizes.len() - 1)];
    let figure = |(name, at): (&str, usize)| Figure {
        name: format!("overhead_bytes.{name}"),
        summary: Summary::extremes([sizes[at] as f64]),
        unit: Unit::Bytes,
        goal: Goal::None,
        note: "LXMF 111, bitchat some 95, Briar 40 a message, beside larger sessions".to_owned(),
    };
    named.map(figure).into()
}
