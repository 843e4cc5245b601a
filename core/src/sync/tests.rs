//! Two reconcilers against each other, and one against a hostile neighbour.

use super::prefixes::Prefixes;
use super::reconciler::Step;
use super::riblt::Symbol;
use super::{Reconciler, SyncFrame};
use crate::codec::{Reader, Writer};
use crate::link::Violation;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::{BTreeSet, VecDeque};

type Id = [u8; 32];

/// What the link adds to every frame: its length and the authentication tag.
const FRAME_OVERHEAD: usize = 2 + 16;

fn ids(count: usize, rng: &mut ChaCha8Rng) -> Vec<Id> {
    let mut ids = vec![[0; 32]; count];
    for id in &mut ids {
        rng.fill_bytes(id);
    }
    ids
}

/// Two sets by what they have in common and what either has alone.
struct Pair {
    common: Vec<Id>,
    initiators: Vec<Id>,
    responders: Vec<Id>,
}

#[derive(Debug)]
struct Outcome {
    bytes: usize,
    round_trips: usize,
    from_initiator: BTreeSet<Id>,
    from_responder: BTreeSet<Id>,
}

impl Pair {
    fn new(common: usize, initiators: usize, responders: usize, rng: &mut ChaCha8Rng) -> Self {
        Self {
            common: ids(common, rng),
            initiators: ids(initiators, rng),
            responders: ids(responders, rng),
        }
    }

    fn reconcile(&self, sync_key: &Id, frame_bytes: usize) -> Outcome {
        let ours = [&self.common[..], &self.initiators].concat();
        let theirs = [&self.common[..], &self.responders].concat();
        let (mut initiator, sketch) = Reconciler::initiate(sync_key, ours.into(), frame_bytes);
        let (mut responder, frames) =
            Reconciler::respond(sync_key, theirs.into(), frame_bytes, &sketch).unwrap();
        let mut outcome = Outcome {
            bytes: sketch.len(),
            round_trips: 1,
            from_initiator: BTreeSet::new(),
            from_responder: BTreeSet::new(),
        };
        let mut incoming = VecDeque::from(frames);
        loop {
            let frame = outcome.carry(&incoming.pop_front().unwrap(), frame_bytes);
            let step = initiator.receive(frame).unwrap();
            outcome.from_initiator.extend(step.push);
            for frame in step.replies {
                outcome.round_trips += usize::from(frame == SyncFrame::More);
                let step = responder.receive(outcome.carry(&frame, frame_bytes)).unwrap();
                let before = outcome.from_responder.len();
                let pushed = step.push.len();
                outcome.from_responder.extend(step.push);
                assert_eq!(outcome.from_responder.len(), before + pushed, "an item went twice");
                incoming.extend(step.replies);
            }
            if step.is_finished {
                assert!(incoming.is_empty());
                return outcome;
            }
        }
    }
}

impl Outcome {
    fn carry(&mut self, frame: &SyncFrame, frame_bytes: usize) -> SyncFrame {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert!(bytes.len() <= frame_bytes);
        self.bytes += bytes.len() + FRAME_OVERHEAD;
        SyncFrame::decode(&bytes).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn both_sides_learn_what_the_other_lacks(
        common in prop_oneof![Just(0), 1..30usize, 30..2000usize],
        initiators in prop_oneof![Just(0), 1..20usize, 20..800usize],
        responders in prop_oneof![Just(0), 1..20usize, 20..800usize],
        frame_bytes in 238..5000usize,
        seed: u64,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let pair = Pair::new(common, initiators, responders, &mut rng);
        let outcome = pair.reconcile(&ids(1, &mut rng)[0], frame_bytes);
        prop_assert_eq!(outcome.from_initiator, pair.initiators.into_iter().collect());
        // A wanted prefix may bring along an item that both have.
        let (wanted, extra): (BTreeSet<Id>, BTreeSet<Id>) =
            outcome.from_responder.into_iter().partition(|id| pair.responders.contains(id));
        prop_assert_eq!(wanted, pair.responders.iter().copied().collect());
        prop_assert!(extra.len() <= 3);
    }
}

/// The sets are no larger than it takes for symbols to be shorter than the list, so that the
/// test is quick. Of 10,000 items each wanted prefix has up to five bits more.
#[test]
fn differences_cost_few_bytes_and_one_round_trip() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut total, mut at_once) = (0, 0);
    for (difference, common, runs, goal) in [
        (0, 300, 20, 100),
        (1, 300, 40, 200),
        (10, 300, 100, 450),
        (100, 900, 40, 3_200),
        (1000, 6_000, 12, 28_000),
    ] {
        for split in [difference / 2, difference, 0] {
            let mut costs = Vec::new();
            for _ in 0..runs {
                let pair = Pair::new(common, split, difference - split, &mut rng);
                let outcome = pair.reconcile(&ids(1, &mut rng)[0], 4096 - FRAME_OVERHEAD);
                costs.push(outcome.bytes);
                total += 1;
                at_once += usize::from(outcome.round_trips == 1);
            }
            costs.sort_unstable();
            let p95 = costs[runs * 95 / 100 - 1];
            assert!(p95 <= goal, "{difference} differences, {split} the initiator's: {p95} bytes");
        }
    }
    assert!(at_once * 100 >= total * 98, "{at_once} of {total} in one round trip");
}

fn symbols(count: usize, rng: &mut ChaCha8Rng) -> Vec<Symbol> {
    let mut bytes = vec![0; count * Symbol::BYTES];
    rng.fill_bytes(&mut bytes);
    let mut reader = Reader::new(&bytes);
    (0..count).map(|_| Symbol::decode(&mut reader).unwrap()).collect()
}

fn initiator(items: usize) -> (Reconciler, ChaCha8Rng) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    (Reconciler::initiate(&[7; 32], ids(items, &mut rng).into(), 4000).0, rng)
}

fn responder(items: usize) -> Reconciler {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let sketch = Reconciler::initiate(&[7; 32], ids(items, &mut rng).into(), 4000).1;
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    Reconciler::respond(&[7; 32], ids(items, &mut rng).into(), 4000, &sketch).unwrap().0
}

#[test]
fn lying_symbols_are_bounded_by_ones_own_set() {
    let (mut initiator, mut rng) = initiator(1000);
    let mut count = 100;
    let mut sent = 0;
    loop {
        let frame = SyncFrame::Symbols { symbols: symbols(count, &mut rng), to_come: 0 };
        let result = initiator.receive(frame);
        if sent + count > 1008 {
            assert_eq!(result, Err(Violation::Flood("symbols")));
            break;
        }
        assert_eq!(result.unwrap().replies, [SyncFrame::More]);
        sent += count;
        count = (sent / 2).max(16);
    }
    assert!(sent >= 500);
}

#[test]
fn symbols_come_in_the_runs_both_sides_expect() {
    let flood = Err(Violation::Flood("symbols"));
    let frame =
        |count, to_come, rng: &mut _| SyncFrame::Symbols { symbols: symbols(count, rng), to_come };
    for (count, to_come) in [(0, 0), (0, 5), (1, 1008), (1, (1 << 30) - 1)] {
        let (mut initiator, mut rng) = initiator(1000);
        assert_eq!(initiator.receive(frame(count, to_come, &mut rng)), flood);
    }
    // A run that grows while it is under way, or that is doled out after `More`.
    let (mut peer, mut rng) = initiator(1000);
    assert_eq!(peer.receive(frame(10, 10, &mut rng)), Ok(Step::default()));
    assert_eq!(peer.receive(frame(10, 1, &mut rng)), flood);
    let (mut peer, mut rng) = initiator(1000);
    assert_eq!(peer.receive(frame(10, 0, &mut rng)).unwrap().replies, [SyncFrame::More]);
    assert_eq!(peer.receive(frame(1, 0, &mut rng)), flood);
}

#[test]
fn endless_requests_end_with_the_list() {
    let mut responder = responder(2000);
    let mut bytes = 0;
    let mut requests = 0;
    while let Ok(step) = responder.receive(SyncFrame::More) {
        requests += 1;
        for frame in step.replies {
            let mut out = Vec::new();
            frame.encode(&mut out);
            bytes += out.len();
        }
    }
    assert!(requests < 20);
    assert!(bytes < 2000 * 12);
}

#[test]
fn wants_are_served_once_and_in_order() {
    let mut responder = responder(100);
    let all = || SyncFrame::Wants(Prefixes::of([0, 1 << 63].into_iter(), 1));
    assert_eq!(responder.receive(all()).unwrap().push.len(), 100);
    assert_eq!(responder.receive(all()), Err(Violation::Unexpected("wants")));
    let more = responder.receive(SyncFrame::More);
    assert_eq!(more, Err(Violation::Unexpected("reconciliation frame")));
}

#[test]
fn lists_are_in_order_and_to_the_point() {
    let list = |shorts: &[u64], width, to_come| SyncFrame::List {
        prefixes: Prefixes::of(shorts.iter().copied(), width),
        to_come,
    };
    let unexpected = Err(Violation::Unexpected("list"));
    assert_eq!(initiator(10).0.receive(list(&[], 48, 1)), unexpected);
    assert_eq!(initiator(10).0.receive(list(&[1 << 60], 20, 0)), unexpected);
    let mut peer = initiator(10).0;
    assert_eq!(peer.receive(list(&[1 << 60], 48, 2)), Ok(Step::default()));
    assert!(peer.receive(list(&[1 << 61], 48, 2)).is_err());
    assert_eq!(peer.receive(list(&[1 << 59], 48, 1)), unexpected);
}

#[test]
fn a_sketch_may_claim_only_so_much() {
    let respond = |len: u64| {
        let mut sketch = Vec::new();
        sketch.put_varint(len);
        sketch.extend([0; 60]);
        Reconciler::respond(
            &[7; 32],
            ids(10, &mut ChaCha8Rng::seed_from_u64(1)).into(),
            4000,
            &sketch,
        )
    };
    assert!(respond(1 << 40).is_err());
    // The list bounds the answer, whatever the sketch says.
    assert!(matches!(respond(1 << 20).unwrap().1[..], [SyncFrame::List { to_come: 0, .. }]));
}

#[test]
fn an_item_that_cannot_peel_costs_a_list_and_no_result() {
    // Two ids of one side with the same short id would leave such a remainder: here the
    // neighbour corrupts one symbol of every run instead.
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let pair = Pair::new(600, 3, 3, &mut rng);
    let ours = [&pair.common[..], &pair.initiators].concat();
    let theirs = [&pair.common[..], &pair.responders].concat();
    let (mut initiator, sketch) = Reconciler::initiate(&[7; 32], ours.into(), 4000);
    let (mut responder, frames) =
        Reconciler::respond(&[7; 32], theirs.into(), 4000, &sketch).unwrap();
    let mut incoming = VecDeque::from(frames);
    let step = loop {
        let mut frame = incoming.pop_front().unwrap();
        if let SyncFrame::Symbols { symbols: run, .. } = &mut frame {
            run[0] = symbols(1, &mut rng)[0];
        }
        let step = initiator.receive(frame).unwrap();
        if step.is_finished {
            break step;
        }
        for reply in step.replies {
            incoming.extend(responder.receive(reply).unwrap().replies);
        }
    };
    assert_eq!(
        step.push.into_iter().collect::<BTreeSet<Id>>(),
        pair.initiators.into_iter().collect()
    );
    let served = step.replies.into_iter().flat_map(|wants| responder.receive(wants).unwrap().push);
    assert_eq!(served.collect::<BTreeSet<Id>>(), pair.responders.into_iter().collect());
}
