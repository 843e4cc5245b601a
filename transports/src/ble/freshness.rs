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

#[cfg(test)]
mod tests {
    use super::*;

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
