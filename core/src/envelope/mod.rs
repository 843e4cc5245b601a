//! The sealed envelope: all that a carrier sees, and what only the recipient opens.

mod ack;
mod body;
mod coding;
mod format;
mod fragment;
mod open;
mod postmark;
mod seal;
mod work;

pub use ack::{Ack, AckProof};
pub(crate) use body::BETWEEN_ENGINES;
pub use body::{Body, BodyError, MAX_ATTACHMENT_NAME_BYTES, MAX_CONTENT_TYPE_BYTES};
pub(crate) use coding::{Encoder, Layout};
pub use format::{
    Commitment, Envelope, EnvelopeId, Hint, MAX_ENVELOPE_BYTES, MAX_LIFETIME_S, MIN_LIFETIME_S,
    Priority,
};
pub use fragment::Manifest;
pub(crate) use fragment::{
    BodyKey, BodyMark, BodySecret, Fragment, FragmentAck, MAX_FRAGMENTS, OVERHEAD_BYTES, Release,
    Stamp, husk,
};
pub use open::{Opened, open};
pub use postmark::Postmark;
pub(crate) use seal::blur;
pub use seal::{Letter, Previous, SealError, Sealed, TagMode, seal};
pub(crate) use work::Difficulty;
pub use work::{Minting, Work, WorkProof, Workbench};

use crate::identity::{SealingTarget, Suite};

/// HPKE `psk_id` (RFC 9180, section 5.1): fixed, it only says that there is a PSK.
const PSK_ID: &[u8] = b"footpost/1";
const EXPORT_ACK: &[u8] = b"ack";
const EXPORT_AUTH: &[u8] = b"auth";
/// Domain of the sender's signature inside.
const AUTH_DOMAIN: &[u8] = b"footpost/1 message";

/// HPKE `info`: binds an envelope to its suite, target and recipient.
fn info(target: &SealingTarget, recipient: &crate::Identity) -> Vec<u8> {
    let suite: Suite = target.suite;
    [b"footpost/1 envelope".as_slice(), &[suite as u8], &target.key_hash(), recipient.as_bytes()]
        .concat()
}

/// What the sender signs: who speaks and to whom, never what, so that a recipient cannot prove the
/// content to others.
fn auth_message(
    target: &SealingTarget,
    sender: &crate::Identity,
    recipient: &crate::Identity,
    export: &[u8; 32],
) -> Vec<u8> {
    [
        [target.suite as u8].as_slice(),
        sender.as_bytes(),
        recipient.as_bytes(),
        &target.key_hash(),
        export,
    ]
    .concat()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
