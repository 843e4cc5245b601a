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

/// The frames that bring all that `source` has to `relay`, by as many links as it takes: of one
/// neighbour it does not ask for all at once. Of whom takes nothing in meanwhile, the source tries the next
/// few each minute.
pub(crate) fn frames(source: &mut Node, relay: &mut Node) -> Vec<(LinkId, Vec<u8>)> {
    let mut frames = Vec::new();
    for link in (0..).map(LinkId) {
        let before = frames.len();
        connect([source, relay], link, 0);
        let [first, _] = reconcile([source, relay], link, Line::INSTANT).held_back;
        frames.extend(first.map(|frame| (link, frame)));
        for minute in 0.. {
            let now = Timestamp(START.0 + minute * MINUTE_MS);
            let next = || source.poll_transmit(now, link).expect("the store works");
            let before = frames.len();
            frames.extend(std::iter::from_fn(next).map(|frame| (link, frame)));
            if minute > 0 && frames.len() == before {
                break;
            }
        }
        // The relay keeps its end, for the frames to come in on.
        source.handle_link_down(START, link).expect("the store works");
        source.commit().expect("the store works");
        if frames.len() == before {
            break;
        }
    }
    frames
}

/// What a driver does with inputs that wait.
pub(crate) fn take_in(relay: &mut Node, frames: &[(LinkId, Vec<u8>)]) {
    for batch in frames.chunks(BATCH) {
        for (link, frame) in batch {
            relay.handle_frame(START, *link, frame).expect("the store works");
        }
        relay.commit().expect("the store works");
        if let Some((link, _)) = batch.last() {
            while relay.poll_transmit(START, *link).expect("the store works").is_some() {}
        }
        while relay.poll_event().is_some() {}
    }
}
