//! The postmark: a short-lived key that signs what a sender puts on the road, so that every
//! carrier can tell whole envelopes from altered ones without learning an identity.

use super::EnvelopeId;
use crate::identity::verify_strict;
use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

const DOMAIN: &[u8] = b"footpost/1 postmark";

/// A postmark's secret half, and the nonce that proves the work behind it: see [`crate::Minting`].
#[derive(Clone)]
pub struct Postmark {
    key: SigningKey,
    pub(crate) nonce: [u8; 8],
}

impl Postmark {
    /// A fresh postmark, without work.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed, [0; 8])
    }

    pub(crate) fn from_seed(seed: &[u8; 32], nonce: [u8; 8]) -> Self {
        Self { key: SigningKey::from_bytes(seed), nonce }
    }

    pub(crate) fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// What stands in the header of all that it signs.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The work proof's nonce.
    pub fn nonce(&self) -> [u8; 8] {
        self.nonce
    }

    pub(crate) fn sign(&self, id: &EnvelopeId) -> [u8; 64] {
        self.key.sign(&[DOMAIN, &id.0].concat()).to_bytes()
    }
}

impl fmt::Debug for Postmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postmark(secret)")
    }
}

pub(super) fn verify(key: &[u8; 32], id: &EnvelopeId, signature: &[u8; 64]) -> bool {
    verify_strict(key, &[DOMAIN, &id.0].concat(), signature)
}
