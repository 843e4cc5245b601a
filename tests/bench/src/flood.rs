//! Bogus postmarks, each on a link of its own, since a bad one ends its link: what they cost the carrier
//! that refuses them, and the least that they cost their sender.

use crate::bare::SIGNATURE_LEN;
use crate::figure::{Figure, Goal, Unit};
use crate::harness::{Summary, cpu_time};
use crate::world::{START, Writer, connect, exchange, link_info, open, rng, text};
use ed25519_dalek::{Signer, SigningKey};
use footpost_core::{
    CloseReason, Config, DAY_MS, Envelope, Event, LinkId, Node, Role, StorePath, Timestamp,
    Violation, Work, WorkProof, Workbench,
};
use rand_core::Rng;
use rusqlite::Connection;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use x25519_dalek::{PublicKey, StaticSecret};

const POSTMARK_KEY: usize = 59;
const NONCE: usize = 91;
const KEM: usize = 99;

/// How far a bogus proof gets.
#[derive(Clone, Copy)]
enum Bogus {
    /// Any nonce: it fails the gate.
    Gate,
    /// One that was searched for: it passes the gate, and fails the work.
    Work,
}

/// `flood_ratio.*`: `n` attempts each, at a carrier with `held` envelopes. `grind_s` is what the
/// search for one gate takes.
pub(crate) fn figures(n: usize, held: usize, grind_s: f64) -> Vec<Figure> {
    let link_s = handshake(n);
    [(Bogus::Gate, "gate", 0.0), (Bogus::Work, "work", grind_s)]
        .into_iter()
        .map(|(bogus, name, grind_s)| {
            let refusing = Summary::quartiles(refusals(bogus, n, held));
            let sending_s = link_s + grind_s;
            let ratio = |carrier_s: f64| sending_s / carrier_s;
            let Summary { median, low, high, n } = refusing;
            let summary =
                Summary { median: ratio(median), low: ratio(high), high: ratio(low), n };
            Figure {
                name: format!("flood_ratio.{name}"),
                summary,
                unit: Unit::Ratio,
                goal: Goal::AtLeast(1.0),
                note: format!(
                    "sending {:.0} µs, refusing {:.0} µs at {held} envelopes on board, link and all",
                    sending_s * 1e6,
                    median * 1e6
                ),
            }
        })
        .collect()
}

/// The least that a link costs who opens it: one X25519 agreement, where the neighbour's key of the
/// day is known, and one key serves as static and as ephemeral for ever.
fn handshake(n: usize) -> f64 {
    let own = StaticSecret::from([1; 32]);
    let theirs = PublicKey::from(&StaticSecret::from([2; 32]));
    let agree = |_| {
        let start = cpu_time();
        black_box(own.diffie_hellman(black_box(&theirs)));
        cpu_time().saturating_sub(start).as_secs_f64()
    };
    Summary::quartiles((0..n.max(50)).map(agree)).median
}

/// Seconds of the carrier's CPU, an attempt: from the connection to its end.
fn refusals(bogus: Bogus, n: usize, held: usize) -> Vec<f64> {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let path = directory.path().join("carrier");
    fill(&path, held);
    let attacker = |number: usize| {
        attacker(&directory.path().join(format!("attacker {number}")), &path, number, bogus)
    };
    let attackers: Vec<_> = (0..=n).map(attacker).collect();
    let rng = Box::new(rng(42));
    let mut carrier =
        Node::open(&StorePath::File(path), Config::default(), rng, START).expect("the node opens");
    let mut attempts = attackers.into_iter().enumerate().map(|(number, mut attacker)| {
        refuse(&mut carrier, &mut attacker, LinkId(1 + number as u64)).as_secs_f64()
    });
    attempts.next();
    attempts.collect()
}

/// The store of a node that took in so many envelopes while no work was asked.
fn fill(path: &Path, held: usize) {
    let path = StorePath::File(path.to_owned());
    let mut source = Writer::new(&StorePath::Memory, 40);
    source.write(&text(1), held);
    let mut node = open(&path, 41, START);
    connect([&mut source.node, &mut node], LinkId(0), 0);
    exchange([&mut source.node, &mut node], LinkId(0));
    assert_eq!(node.stats().foreign_envelopes, held as u64, "all was carried");
}

/// A node with one envelope under a bogus postmark, which wants nothing of what `carrier` holds.
fn attacker(path: &Path, carrier: &Path, number: usize, bogus: Bogus) -> Node {
    let store = StorePath::File(path.to_owned());
    let mut writer = Writer::new(&store, 1000 + number as u64);
    writer.write(&text(1), 1);
    drop(writer);
    let connection = Connection::open(path).expect("the store is free");
    let envelope: Vec<u8> = connection
        .query_row("SELECT bytes FROM contents", [], |row| row.get(0))
        .expect("there is one envelope");
    let forged = forge(envelope, number, bogus);
    connection.execute("UPDATE contents SET bytes = ?1", [forged]).expect("the store works");
    // Proofs of acknowledgement would be refused before it.
    let forget = Timestamp(START.0 + DAY_MS).as_millis();
    connection
        .execute_batch(&format!(
            "DELETE FROM tombstones;
             ATTACH '{}' AS carrier;
             INSERT INTO tombstones (id, forget_steady)
                 SELECT id, {forget} FROM carrier.envelopes;",
            carrier.display()
        ))
        .expect("the store works");
    drop(connection);
    open(&store, 2000 + number as u64, START)
}

fn forge(mut envelope: Vec<u8>, number: usize, bogus: Bogus) -> Vec<u8> {
    let (mut rng, mut bench) = (rng(3000 + number as u64), Workbench::new(Work::Standard));
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let key = SigningKey::from_bytes(&seed);
    let public = key.verifying_key().to_bytes();
    let mut is_as_bogus = |nonce: &u64| {
        let proof = WorkProof::new(&public, START.day(), nonce.to_be_bytes());
        match bogus {
            Bogus::Gate => !bench.passes_gate(&proof),
            Bogus::Work => bench.passes_gate(&proof) && !bench.is_paid(&proof),
        }
    };
    let nonce = (0..u64::MAX).find(&mut is_as_bogus).expect("there are enough nonces");
    envelope[POSTMARK_KEY..NONCE].copy_from_slice(&public);
    envelope[NONCE..KEM].copy_from_slice(&nonce.to_be_bytes());
    let id = Envelope::parse(&envelope).expect("the layout is whole").id();
    let signature = key.sign(&[b"footpost/1 postmark", &id.0[..]].concat());
    let unsigned = envelope.len() - SIGNATURE_LEN;
    envelope[unsigned..].copy_from_slice(&signature.to_bytes());
    envelope
}

/// One attempt, and what the carrier spends on it.
fn refuse(carrier: &mut Node, attacker: &mut Node, link: LinkId) -> Duration {
    attacker.handle_link_up(START, link, link_info(Role::Initiator)).expect("the store works");
    attacker.commit().expect("the store works");
    let mut spent = Duration::ZERO;
    let mut timed = |work: &mut dyn FnMut()| {
        let start = cpu_time();
        work();
        spent += cpu_time().saturating_sub(start);
    };
    timed(&mut || {
        carrier.handle_link_up(START, link, link_info(Role::Responder)).expect("the store works");
        carrier.commit().expect("the store works");
    });
    let mut is_refused = false;
    while !is_refused {
        let poll = || attacker.poll_transmit(START, link).expect("the store works");
        let frames: Vec<_> = std::iter::from_fn(poll).collect();
        assert!(!frames.is_empty(), "the attacker comes to its point");
        let mut answers = Vec::new();
        timed(&mut || {
            for frame in &frames {
                carrier.handle_frame(START, link, frame).expect("the store works");
            }
            carrier.commit().expect("the store works");
            let poll = || carrier.poll_transmit(START, link).expect("the store works");
            answers = std::iter::from_fn(poll).collect();
            while let Some(event) = carrier.poll_event() {
                is_refused |= is_refusal(&event);
            }
            if is_refused {
                carrier.handle_link_down(START, link).expect("the store works");
                carrier.commit().expect("the store works");
            }
        });
        for answer in &answers {
            attacker.handle_frame(START, link, answer).expect("the store works");
        }
        attacker.commit().expect("the store works");
    }
    spent
}

fn is_refusal(event: &Event) -> bool {
    let forged = CloseReason::Violation(Violation::Forged("postmark"));
    matches!(event, Event::LinkClosed { reason, .. } if *reason == forged)
}
