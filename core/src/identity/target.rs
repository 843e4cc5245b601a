//! Sealing targets: the KEM keys and seeds that envelopes are sealed to.

use crate::codec::{DecodeError, Reader, Writer};
use crate::scour::scour_stack;
use crate::time::Timestamp;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, Kem, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// How an envelope is sealed. A target fixes its suite: nothing is negotiated, so nothing can be
/// downgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180).
    X25519 = 1,
    /// X-Wing: ML-KEM-768 and X25519 in one (draft-connolly-cfrg-xwing-kem), then as above.
    XWing = 2,
}

impl Suite {
    pub(crate) fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        match byte {
            1 => Ok(Self::X25519),
            2 => Ok(Self::XWing),
            _ => Err(DecodeError::Unknown { what: "suite" }),
        }
    }

    /// Length of a KEM public key, in bytes.
    pub const fn public_key_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::XWing => 1216,
        }
    }

    /// Length of an encapsulation, in bytes.
    pub const fn encapsulation_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::XWing => 1120,
        }
    }
}

/// Where others seal to: known to everybody who holds the card or message that carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingTarget {
    pub(crate) suite: Suite,
    pub(crate) public_key: Vec<u8>,
    pub(crate) seed: [u8; 32],
    pub(crate) counter: u64,
    pub(crate) end: Timestamp,
}

impl SealingTarget {
    /// How mail to this target is sealed.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// When the target's secret is destroyed: every envelope sealed to it expires before.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.suite as u8);
        out.put(&self.public_key);
        out.put(&self.seed);
        out.put_varint(self.counter);
        out.put_u32(self.end.minutes());
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let suite = Suite::from_byte(reader.u8("suite")?)?;
        Ok(Self {
            suite,
            public_key: reader.take(suite.public_key_len(), "target key")?.to_vec(),
            seed: reader.array("target seed")?,
            counter: reader.varint("target counter")?,
            end: Timestamp(u64::from(reader.u32("target end")?) * 60_000),
        })
    }

    /// Whether the KEM key is one that can be sealed to: for every target from outside.
    pub(crate) fn is_valid(&self) -> bool {
        match self.suite {
            // RFC 9180, section 7.1.4: points of small order are refused on receipt, not at first
            // use.
            Suite::X25519 => <[u8; 32]>::try_from(&*self.public_key).is_ok_and(|key| {
                x25519_dalek::StaticSecret::from([1; 32])
                    .diffie_hellman(&x25519_dalek::PublicKey::from(key))
                    .was_contributory()
            }),
            Suite::XWing => <XWing as Kem>::PublicKey::from_bytes(&self.public_key).is_ok(),
        }
    }

    pub(crate) fn key_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.public_key).into()
    }

    /// The HPKE pre-shared key (RFC 9180, section 5.1): it never crosses the mesh.
    pub(crate) fn psk(&self) -> Zeroizing<[u8; 32]> {
        self.derive(b"footpost/1 psk")
    }

    /// The key under which a recipient recognises its mail.
    pub(crate) fn hint_key(&self) -> HintKey {
        let key = self.derive(b"footpost/1 hint");
        HintKey(*key.first_chunk().expect("the key has 32 bytes"))
    }

    /// The mailbox tag of the day: for mail on its way to home relays.
    pub(crate) fn mailbox_tag(&self, day: u32) -> [u8; 8] {
        mac8(&self.derive(b"footpost/1 mailbox tag"), &[&day.to_be_bytes()])
    }

    /// The mark by which holders of this target's card recognise its owner on a link.
    /// Four bytes: they are a hint which contact it may be, and the proof follows.
    pub(crate) fn link_mark(&self, handshake_hash: &[u8; 32], role: u8) -> [u8; 4] {
        let [a, b, c, d, ..] =
            mac8(&self.derive(b"footpost/1 link mark"), &[handshake_hash, &[role]]);
        [a, b, c, d]
    }

    fn derive(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.seed)
            .expand(label, &mut *key)
            .expect("32 bytes are within HKDF's limit");
        key
    }
}

impl fmt::Debug for SealingTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingTarget({:?} #{}, …)", self.suite, self.counter)
    }
}

impl Drop for SealingTarget {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

/// A sealing target for one contact alone, given inside a sealed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTarget {
    /// The target itself.
    pub target: SealingTarget,
    /// How long its owner keeps the secret once a newer target is in use, in seconds: mail sealed to
    /// it lives no longer.
    pub window_s: u32,
    /// Whether its seed was only ever sent post-quantum: then so is what is sealed to it, by its
    /// pre-shared key, even under X25519.
    pub is_post_quantum: bool,
}

impl ReplyTarget {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32(self.window_s);
        out.put_u8(self.is_post_quantum.into());
        self.target.encode(&mut out);
        out
    }

    pub(crate) fn decode(part: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let window_s = part.u32("reply window")?;
        let is_post_quantum = part.u8("reply flags")? & 1 == 1;
        let target = SealingTarget::decode(part)?;
        Ok(Self { target, window_s, is_post_quantum })
    }

    /// How well mail to it is protected.
    pub(crate) fn protection(&self) -> Protection {
        match (self.target.suite, self.is_post_quantum) {
            (Suite::XWing, _) => Protection::XWing,
            (Suite::X25519, true) => Protection::PostQuantumSeed,
            (Suite::X25519, false) => Protection::CardSeed,
        }
    }
}

/// What protects a message from who records it today and owns a quantum computer later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// X25519, and a seed that has travelled no better than by a card: as private as that card was.
    CardSeed = 0,
    /// X25519, and a seed that has travelled under X-Wing, or under such a seed.
    PostQuantumSeed = 1,
    /// X-Wing itself.
    XWing = 2,
}

impl Protection {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::CardSeed, Self::PostQuantumSeed, Self::XWing].into_iter().find(|p| *p as u8 == byte)
    }

    /// Whether it holds against a quantum computer without trust in how a card was passed on.
    pub fn is_post_quantum(self) -> bool {
        self != Self::CardSeed
    }
}

/// A target and the secret that opens what is sealed to it.
#[derive(Clone, ZeroizeOnDrop)]
pub struct TargetSecret {
    #[zeroize(skip)] // wipes its own seed
    pub(crate) target: SealingTarget,
    #[zeroize(skip)] // wipes itself
    kem_secret: KemSecret,
    pub(crate) hint_key: HintKey,
}

/// A KEM's private key, unfolded: for X-Wing that takes a third as long as opening an envelope. In
/// its box it stays where it is when targets are moved: what moves leaves copies.
#[derive(Clone)]
pub(crate) enum KemSecret {
    X25519(Box<<X25519HkdfSha256 as Kem>::PrivateKey>),
    XWing(Box<<XWing as Kem>::PrivateKey>),
}

impl KemSecret {
    #[inline(never)]
    fn from_bytes(suite: Suite, bytes: &[u8; 32]) -> Self {
        match suite {
            Suite::X25519 => Self::X25519(Box::new(private_key::<X25519HkdfSha256>(bytes))),
            Suite::XWing => Self::XWing(Box::new(private_key::<XWing>(bytes))),
        }
    }

    /// For the store.
    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        match self {
            Self::X25519(key) => secret_bytes::<X25519HkdfSha256>(key),
            Self::XWing(key) => secret_bytes::<XWing>(key),
        }
    }
}

impl TargetSecret {
    /// A fresh target that ends at `end` (kept to the minute).
    pub fn generate(suite: Suite, counter: u64, end: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let (kem_secret, public_key) = generate(suite, rng);
        scour_stack();
        let end = Timestamp(u64::from(end.minutes()) * 60_000);
        Self::with_secret(SealingTarget { suite, public_key, seed, counter, end }, kem_secret)
    }

    /// The target whose KEM secret the store has kept.
    pub(crate) fn new(target: SealingTarget, kem_secret: &[u8; 32]) -> Self {
        let kem_secret = KemSecret::from_bytes(target.suite, kem_secret);
        scour_stack();
        Self::with_secret(target, kem_secret)
    }

    fn with_secret(target: SealingTarget, kem_secret: KemSecret) -> Self {
        let hint_key = target.hint_key();
        Self { target, kem_secret, hint_key }
    }

    /// The public part, for cards and messages.
    pub fn target(&self) -> &SealingTarget {
        &self.target
    }

    pub(crate) fn kem_secret(&self) -> &KemSecret {
        &self.kem_secret
    }
}

impl fmt::Debug for TargetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TargetSecret({:?})", self.target)
    }
}

/// What marks envelopes for the holder of a target.
#[derive(Clone, ZeroizeOnDrop)]
pub(crate) struct HintKey([u8; 16]);

impl HintKey {
    /// SipHash-2-4 (Aumasson and Bernstein, 2012) of what [`crate::envelope::Hint`] gives:
    /// as long as the hint, and tried under every live target's key, for every envelope that
    /// comes by.
    pub(crate) fn hint(&self, digest: &[u8; 32]) -> [u8; 8] {
        SipHasher24::new_with_key(&self.0).hash(digest).to_be_bytes()
    }
}

/// HMAC-SHA256, cut to 8 bytes: enough to find, never trusted to prove.
pub(crate) fn mac8(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 8] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    let full = mac.finalize().into_bytes();
    *full.first_chunk().expect("SHA-256 is longer than 8 bytes")
}

/// In a frame of its own, which has ended when the stack is scoured.
#[inline(never)]
fn generate(suite: Suite, mut rng: &mut dyn CryptoRng) -> (KemSecret, Vec<u8>) {
    match suite {
        Suite::X25519 => {
            let (secret, public) = X25519HkdfSha256::gen_keypair_with_rng(&mut rng);
            (KemSecret::X25519(Box::new(secret)), public.to_bytes().to_vec())
        }
        Suite::XWing => {
            let (secret, public) = XWing::gen_keypair_with_rng(&mut rng);
            (KemSecret::XWing(Box::new(secret)), public.to_bytes().to_vec())
        }
    }
}

fn private_key<K: Kem>(bytes: &[u8; 32]) -> K::PrivateKey {
    K::PrivateKey::from_bytes(bytes).expect("both suites' secrets are any 32 bytes")
}

fn secret_bytes<K: Kem>(key: &K::PrivateKey) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    key.write_exact(&mut *bytes);
    bytes
}
