//! Set reconciliation: what does each side of a link lack?
//!
//! Two neighbours hold sets of item ids that mostly agree. The initiator sends a [`sketch`] of
//! its set inside the handshake; the responder estimates from it how much differs and answers
//! with as many [`riblt`] symbols as decode that difference at once; the initiator decodes,
//! pushes what the responder lacks and names what it wants itself. One round trip, a few bytes
//! for each difference. Where so much differs that the whole list is shorter, the list goes out
//! instead, which also bounds what a decoder that never finishes may cost.
//!
//! Everything runs on 64-bit short ids keyed from the handshake, so that nobody outside the
//! session can aim a collision. Two items whose short ids collide by chance hide each other for
//! one session; the next has another key.

mod frame;
mod numbers;
mod prefixes;
mod reconciler;
mod riblt;
mod sketch;
#[cfg(test)]
mod tests;

pub(crate) use frame::SyncFrame;
pub(crate) use numbers::Numbers;
pub(crate) use reconciler::{Items, Reconciler};

use siphasher::sip::SipHasher13;

/// The item that ends another, as an acknowledgement ends an envelope: the complement of its id, so
/// that each names the other. Who holds an item's end does not get the item.
pub(crate) fn end_of(item: [u8; 32]) -> [u8; 32] {
    item.map(|byte| !byte)
}

/// What makes the short ids of a session's items, and the checksums of its coded symbols:
/// SipHash-1-3 under the two halves of the synchronisation key.
fn session_hashers(sync_key: &[u8; 32]) -> (SipHasher13, SipHasher13) {
    let [a, b, c, d] = [0, 8, 16, 24].map(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&sync_key[at..at + 8]);
        u64::from_le_bytes(word)
    });
    (SipHasher13::new_with_keys(a, b), SipHasher13::new_with_keys(c, d))
}
