//! How a node says, to those who have met it today and to nobody else, that a connection would bring
//! nothing new.
//!
//! The tag is the first 4 octets of `HMAC-SHA-256(K, "footpost/1 ble tag" | epoch | contents)`: `K`
//! is the node's link key of the day, which travels only inside handshakes; `epoch` counts the
//! quarters of an hour since 1970 (8 octets, big-endian); `contents` is the digest of what the node
//! has ([`footpost_core::Node::contents`]). Who has met the node, and has the same, computes the same
//! tag and stays away. To all others it is noise: it changes with the epoch, as addresses do, and
//! with what the node has.

use super::command::Tag;
use super::controller::NodeId;
use footpost_core::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;

const DOMAIN: &[u8] = b"footpost/1 ble tag";
const EPOCH_MS: u64 = 15 * 60 * 1000;

/// What the node with this key shows when it has `contents`.
pub fn tag(key: &NodeId, now: Timestamp, contents: &[u8; 32]) -> Tag {
    // HMAC takes keys of any length, so there is no error that could be met.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return Tag::default() };
    let mac = mac.chain_update(DOMAIN).chain_update((now.0 / EPOCH_MS).to_be_bytes());
    let [a, b, c, d, ..] = <[u8; 32]>::from(mac.chain_update(contents).finalize().into_bytes());
    [a, b, c, d]
}

/// What nodes with these keys show when they have `contents`: in this quarter, and in the one before,
/// since what was seen then is still remembered, and clocks differ.
pub fn known<'a>(
    keys: impl IntoIterator<Item = &'a NodeId>,
    now: Timestamp,
    contents: &[u8; 32],
) -> BTreeMap<Tag, NodeId> {
    let before = Timestamp(now.0.saturating_sub(EPOCH_MS));
    let both = |key: &NodeId| [now, before].map(|at| (tag(key, at, contents), *key));
    keys.into_iter().flat_map(both).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_showed_a_tag_in_the_last_quarter_is_known_and_no_earlier() {
        let now = Timestamp(1_800_000_000_000);
        let known = known(&[[1; 32], [2; 32]], now, &[3; 32]);
        let shown = |key, quarters: u64| {
            let at = Timestamp(now.0 - quarters * EPOCH_MS);
            known.get(&tag(&[key; 32], at, &[3; 32])).copied()
        };
        for key in [1, 2] {
            let found = [0, 1, 2].map(|quarters| shown(key, quarters));
            assert_eq!(found, [Some([key; 32]), Some([key; 32]), None]);
        }
    }

    #[test]
    fn a_tag_changes_with_key_epoch_and_contents_and_with_nothing_else() {
        let now = Timestamp(1_800_000_000_000);
        let one = tag(&[1; 32], now, &[2; 32]);
        assert_eq!(one, tag(&[1; 32], Timestamp(now.0 + EPOCH_MS - 1), &[2; 32]));
        for other in [
            tag(&[3; 32], now, &[2; 32]),
            tag(&[1; 32], Timestamp(now.0 + EPOCH_MS), &[2; 32]),
            tag(&[1; 32], now, &[3; 32]),
        ] {
            assert_ne!(one, other);
        }
    }
}
