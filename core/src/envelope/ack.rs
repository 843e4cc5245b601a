//! Acknowledgements that every carrier can check and nobody can invent.

use super::format::{STUB_LEN, array};
use super::{Commitment, Envelope, EnvelopeId, WorkProof, postmark};
use crate::time::Timestamp;
use std::fmt;
use zeroize::Zeroize;

/// The secret `r` of an envelope, `export("ack")` of its HPKE context: known to sender and
/// recipient alone until the recipient lets it go.
#[derive(Clone, PartialEq, Eq)]
pub struct Ack(pub [u8; 32]);

impl Ack {
    /// What the envelope's header must say for this to acknowledge it.
    pub fn commitment(&self) -> Commitment {
        Commitment::to_secret(&self.0)
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ack(…)")
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// An acknowledgement for those who do not hold the envelope: `stub | r | postmark signature`.
/// It proves that the envelope existed and was paid for, and tells when it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct AckProof(pub [u8; AckProof::LEN]);

impl AckProof {
    /// Length in bytes.
    pub const LEN: usize = STUB_LEN + 32 + 64;

    /// The proof of `ack` for the envelope it fits.
    pub fn new(envelope: &Envelope<'_>, ack: &Ack) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes[..STUB_LEN].copy_from_slice(&envelope.stub());
        bytes[STUB_LEN..STUB_LEN + 32].copy_from_slice(&ack.0);
        bytes[STUB_LEN + 32..].copy_from_slice(&envelope.signature());
        Self(bytes)
    }

    /// Checks the proof and names the envelope that it acknowledges; `None` if it is forged.
    pub fn verify(&self) -> Option<EnvelopeId> {
        let id = self.claimed_id();
        postmark::verify(&array(&self.0, 8..40), &id, &self.signature()).then_some(id)
    }

    pub(crate) fn signature(&self) -> [u8; 64] {
        array(&self.0, STUB_LEN + 32..Self::LEN)
    }

    /// The id that follows from stub and `r`, whether or not the postmark signs it.
    pub fn claimed_id(&self) -> EnvelopeId {
        EnvelopeId::derive(&self.ack().commitment(), &array(&self.0, 0..STUB_LEN))
    }

    /// What the envelope's postmark shows of its work.
    pub fn work_proof(&self) -> WorkProof {
        let (key, nonce) = (array(&self.0, 8..40), array(&self.0, 40..48));
        WorkProof::new(&key, self.created().day(), nonce)
    }

    /// The secret `r`.
    pub fn ack(&self) -> Ack {
        Ack(array(&self.0, STUB_LEN..STUB_LEN + 32))
    }

    /// When the envelope was made.
    pub fn created(&self) -> Timestamp {
        Timestamp(u64::from(u32::from_be_bytes(array(&self.0, 0..4))) * 60_000)
    }

    /// How long the envelope lives, in seconds of age; from a peer, so unbounded.
    pub fn lifetime_s(&self) -> u32 {
        u32::from_be_bytes(array(&self.0, 4..8))
    }
}

impl fmt::Debug for AckProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AckProof(…)")
    }
}
