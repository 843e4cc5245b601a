//! The long-term Ed25519 identity key and its visible forms.

use crate::codec::DecodeError;
use crate::scour::scour_stack;
use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// A node's long-term secret: it signs cards, messages and link proofs. In its box it is not moved.
#[derive(Clone)]
pub struct IdentityKey(Box<SigningKey>);

impl IdentityKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_bytes(&seed)
    }

    /// The key with this 32-byte seed (RFC 8032, section 5.1.5).
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        let key = Self(unfolded(seed));
        scour_stack();
        key
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn identity(&self) -> Identity {
        Identity(self.0.verifying_key().to_bytes())
    }

    /// The key that only this node and `other` have: X25519 between their identity keys, mapped to
    /// Montgomery form (RFC 7748, section 4.1), through HKDF.
    pub(crate) fn pair_key(&self, other: &Identity) -> Zeroizing<[u8; 32]> {
        let own = StaticSecret::from(self.0.to_scalar_bytes());
        let point = VerifyingKey::from_bytes(&other.0).map(|key| key.to_montgomery().to_bytes());
        let shared = own.diffie_hellman(&PublicKey::from(point.unwrap_or_default()));
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, shared.as_bytes())
            .expand(b"footpost/1 pair", &mut *key)
            .expect("32 bytes are within HKDF's limit");
        key
    }

    /// Signs `message` under `domain`, so that no signature can stand for another purpose.
    pub(crate) fn sign(&self, domain: &[u8], message: &[&[u8]]) -> [u8; 64] {
        self.0.sign(&joined(domain, message)).to_bytes()
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(secret)")
    }
}

/// In a frame of its own, which has ended when the stack is scoured.
#[inline(never)]
fn unfolded(seed: &[u8; 32]) -> Box<SigningKey> {
    Box::new(SigningKey::from_bytes(seed))
}

/// A public identity key: who somebody is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 32]);

impl Identity {
    /// Accepts the 32 bytes of an Ed25519 public key that strict verification can use: points off
    /// the curve and weak points are refused.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] for any other bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, DecodeError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(DecodeError::Invalid { what: "identity key" }),
        }
    }

    /// A key that was checked before it was stored.
    pub(crate) fn from_store(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The address that people see: SHA-256 of the key and a 3-byte checksum, in 56 lower-case
    /// base32 letters (RFC 4648).
    pub fn address(&self) -> String {
        let hash = Sha256::digest(self.0);
        let check = Sha256::new().chain_update(b"footpost/1 address").chain_update(hash).finalize();
        BASE32_NOPAD.encode(&[&hash[..], &check[..3]].concat()).to_lowercase()
    }

    pub(crate) fn verify(&self, domain: &[u8], message: &[&[u8]], signature: &[u8; 64]) -> bool {
        verify_strict(&self.0, &joined(domain, message), signature)
    }
}

impl fmt::Debug for Identity {
    /// Redacted: a log must not say who talks to whom.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// The one way Footpost verifies a signature: strictly and singly, because all nodes must agree
/// on what is valid (batch and cofactored verification accept more).
pub(crate) fn verify_strict(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

/// The number that two people compare to make sure of each other's keys: 12 groups of 5 digits,
/// the same on both sides.
pub fn safety_number(one: &Identity, other: &Identity) -> String {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    let keys = [low.0, high.0].concat();
    let mut bytes = [0; 60];
    Hkdf::<Sha256>::new(None, &keys)
        .expand(b"footpost/1 safety number", &mut bytes)
        .expect("60 bytes are within HKDF's limit");
    let groups: Vec<String> = bytes
        .chunks_exact(5)
        .map(|five| {
            let value = five.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
            format!("{:05}", value % 100_000)
        })
        .collect();
    groups.join(" ")
}

fn joined(domain: &[u8], message: &[&[u8]]) -> Vec<u8> {
    let mut bytes = domain.to_vec();
    for part in message {
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> IdentityKey {
        IdentityKey::from_bytes(&[n; 32])
    }

    #[test]
    fn a_safety_number_is_the_same_on_both_sides_and_for_no_other_pair() {
        let (a, b, c) = (key(1).identity(), key(2).identity(), key(3).identity());
        assert_eq!(safety_number(&a, &b), safety_number(&b, &a));
        assert_ne!(safety_number(&a, &b), safety_number(&a, &c));
        assert_eq!(safety_number(&a, &b).split(' ').count(), 12);
    }

    #[test]
    fn two_have_one_pair_key_and_a_third_has_not() {
        let (a, b, c) = (key(1), key(2), key(3));
        assert_eq!(*a.pair_key(&b.identity()), *b.pair_key(&a.identity()));
        assert_ne!(*a.pair_key(&b.identity()), *c.pair_key(&a.identity()));
    }

    #[test]
    fn weak_keys_are_no_identities() {
        // The neutral element and another point of small order.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(Identity::from_bytes(neutral).is_err());
        assert!(Identity::from_bytes([0; 32]).is_err());
    }

    #[test]
    fn a_signature_holds_for_its_domain_only() {
        let signature = key(1).sign(b"one", &[b"text"]);
        assert!(key(1).identity().verify(b"one", &[b"text"], &signature));
        assert!(!key(1).identity().verify(b"two", &[b"text"], &signature));
        assert!(!key(2).identity().verify(b"one", &[b"text"], &signature));
    }

    /// Who decides otherwise than others on one of these splits the mesh: some would carry what
    /// others refuse.
    #[test]
    fn strict_verification_decides_the_known_edge_cases() {
        #[derive(serde::Deserialize)]
        struct Case {
            comment: String,
            key: String,
            msg: String,
            sig: String,
            valid: bool,
        }
        #[derive(serde::Deserialize)]
        struct Vectors {
            wycheproof: Vec<Case>,
            taming: Vec<Case>,
        }
        let hex = |hex: &str| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let vectors: Vectors =
            serde_json::from_str(include_str!("../../../tests/vectors/ed25519.json")).unwrap();
        assert_eq!((vectors.wycheproof.len(), vectors.taming.len()), (151, 12));
        for case in vectors.wycheproof.iter().chain(&vectors.taming) {
            let key = hex(&case.key).try_into().unwrap();
            // Fields have 64 bytes: signatures of another length cannot come in.
            let is_valid = hex(&case.sig)
                .try_into()
                .is_ok_and(|signature| verify_strict(&key, &hex(&case.msg), &signature));
            assert_eq!(is_valid, case.valid, "{} {}", case.comment, case.sig);
            // What verifies is also an identity.
            assert!(!is_valid || Identity::from_bytes(key).is_ok());
        }
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert_eq!(
            format!("{:?} {:?}", key(1), key(1).identity()),
            "IdentityKey(secret) Identity(…)"
        );
    }
}
