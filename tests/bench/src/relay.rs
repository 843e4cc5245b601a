//! Carrying for others against the bare sum of verification, hashing and insertion.

use crate::bare::{BareRelay, signed_envelopes};
use crate::figure::{Figure, Goal, Unit};
use crate::harness::{Comparison, elapsed, interleave};
use crate::world::{Line, START, Writer, connect, open, reconcile, rng, text_for};
use ed25519_dalek::SigningKey;
use footpost_core::{LinkId, Node, StorePath, Timestamp};

const ENVELOPE_BYTES: usize = 1024;
/// Inputs in one transaction.
pub(crate) const BATCH: usize = 100;
/// Envelopes in one measured portion: enough that SQLite's checkpoints fall into most.
const PORTION: usize = 10 * BATCH;
const LINK: LinkId = LinkId(0);
const MINUTE_MS: u64 = 60_000;

/// `relay_ratio`: `n` portions.
pub(crate) fn figures(n: usize) -> Vec<Figure> {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let count = (n + 1) * PORTION;

    let mut source = Writer::new(&StorePath::Memory, 20);
    source.write(&text_for(ENVELOPE_BYTES), count);
    let envelope_bytes = source.node.carried(1).expect("the store works")[0].size_bytes;
    let mut relay = open(&StorePath::File(directory.path().join("ours")), 21, START);
    let frames = frames(&mut source.node, &mut relay);
    assert_eq!(frames.len(), count, "an envelope of this length is one frame");

    let key = SigningKey::from_bytes(&[22; 32]);
    let bare = BareRelay::new(&directory.path().join("bare"), &key);
    let envelopes = signed_envelopes(&mut rng(23), &key, envelope_bytes, count);

    let mut portions = frames.chunks(PORTION);
    let mut bare_portions = envelopes.chunks(PORTION);
    let comparison = Comparison::of(&interleave(
        n,
        elapsed,
        || take_in(&mut relay, portions.next().unwrap_or_default()),
        || bare_portions.next().unwrap_or_default().chunks(BATCH).for_each(|b| bare.take(b)),
    ));
    assert_eq!(relay.stats().foreign_envelopes, count as u64, "all was carried");
    vec![Figure {
        name: "relay_ratio".to_owned(),
        note: format!("{}, {envelope_bytes} B each", comparison.note(PORTION as u32)),
        summary: comparison.ratio,
        unit: Unit::Ratio,
        goal: Goal::AtMost(1.5),
    }]
}

/// The frames that bring all that `source` has to `relay`. Of whom takes nothing in meanwhile, it
/// tries the next few each minute.
pub(crate) fn frames(source: &mut Node, relay: &mut Node) -> Vec<Vec<u8>> {
    connect([source, relay], LINK, 0);
    let [first, _] = reconcile([source, relay], LINK, Line::INSTANT).held_back;
    let mut frames = Vec::from_iter(first);
    for minute in 0.. {
        let now = Timestamp(START.0 + minute * MINUTE_MS);
        let rest = std::iter::from_fn(|| source.poll_transmit(now, LINK).expect("the store works"));
        let before = frames.len();
        frames.extend(rest);
        if minute > 0 && frames.len() == before {
            break;
        }
    }
    frames
}

/// What a driver does with inputs that wait.
pub(crate) fn take_in(relay: &mut Node, frames: &[Vec<u8>]) {
    for batch in frames.chunks(BATCH) {
        for frame in batch {
            relay.handle_frame(START, LINK, frame).expect("the store works");
        }
        relay.commit().expect("the store works");
        while relay.poll_transmit(START, LINK).expect("the store works").is_some() {}
        while relay.poll_event().is_some() {}
    }
}
