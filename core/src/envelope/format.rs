//! The bytes of an envelope: `header | ciphertext | postmark signature`.
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 1 | version (1) |
//! | 1 | 1 | suite |
//! | 2 | 1 | priority |
//! | 3 | 4 | creation time, minutes since the Unix epoch |
//! | 7 | 4 | lifetime, seconds |
//! | 11 | 8 | mailbox tag |
//! | 19 | 8 | hint |
//! | 27 | 32 | ack commitment, SHA-256 of the secret `r` |
//! | 59 | 32 | postmark key, Ed25519 |
//! | 91 | 8 | postmark work nonce |
//! | 99 | 32, 1120 or 0 | KEM output, by suite |
//! | … | | ciphertext with its 16-byte tag |
//! | −64 | 64 | postmark signature over the id |
//!
//! A fragment's header says other things in place of hint and commitment: see [`super::fragment`]. Of
//! bulletins see [`super::bulletin`].

use super::{WorkProof, bulletin, fragment, postmark};
use crate::codec::DecodeError;
use crate::identity::Suite;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, ops::Range};

/// The longest envelope, in bytes.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024;
/// The longest lifetime, in seconds: 30 days.
pub const MAX_LIFETIME_S: u32 = 30 * 24 * 60 * 60;
/// The shortest lifetime, in seconds.
pub const MIN_LIFETIME_S: u32 = 60;

pub(super) const VERSION: u8 = 1;
pub(super) const PRIORITY: usize = 2;
const CREATED: Range<usize> = 3..7;
const LIFETIME: Range<usize> = 7..11;
pub(super) const TAG: Range<usize> = 11..19;
pub(super) const HINT: Range<usize> = 19..27;
pub(super) const COMMITMENT: Range<usize> = 27..59;
pub(super) const POSTMARK_KEY: Range<usize> = 59..91;
const WORK_NONCE: Range<usize> = 91..99;
/// Where the suite's part of the header begins.
pub(super) const KEM_START: usize = 99;
pub(super) const AEAD_TAG_LEN: usize = 16;
pub(super) const SIGNATURE_LEN: usize = 64;

/// Content address of an envelope: any tampering makes a different one.
///
/// `SHA-256(domain | commitment | SHA-256(stub))`, where the stub is creation time, lifetime,
/// postmark key and nonce, and a hash of everything else: an acknowledgement can so prove that the
/// envelope existed without carrying it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeId(pub [u8; 32]);

impl EnvelopeId {
    pub(super) fn derive(commitment: &Commitment, stub: &[u8; STUB_LEN]) -> Self {
        let hash = Sha256::new()
            .chain_update(b"footpost/1 envelope id")
            .chain_update(commitment.0)
            .chain_update(Sha256::digest(stub))
            .finalize();
        Self(hash.into())
    }
}

impl EnvelopeId {
    /// The first 8 bytes: what names an envelope inside a link.
    pub fn head(&self) -> u64 {
        u64::from_be_bytes(array(&self.0, 0..8))
    }
}

impl fmt::Debug for EnvelopeId {
    /// Four bytes: enough to follow one envelope through one log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "envelope {}", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

/// `SHA-256(r)`: whoever shows `r` has opened the envelope, or sealed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment(pub [u8; 32]);

impl Commitment {
    pub(crate) fn to_secret(r: &[u8; 32]) -> Self {
        Self(Sha256::digest(r).into())
    }
}

/// How urgent the sender says the envelope is: a carrier's first key in transfer and eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// May wait, and goes first when space is short.
    Low = 0,
    /// Ordinary mail.
    #[default]
    Normal = 1,
    /// Before all else.
    Urgent = 2,
}

impl Priority {
    pub(crate) fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        match byte {
            0 => Ok(Self::Low),
            1 => Ok(Self::Normal),
            2 => Ok(Self::Urgent),
            _ => Err(DecodeError::Invalid { what: "priority" }),
        }
    }
}

/// What an envelope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message, sealed to its recipient in this way.
    Letter(Suite),
    /// A piece of a larger body, whose key came in a letter.
    Fragment,
    /// Signed words for everybody.
    Bulletin,
}

impl Kind {
    fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        Ok(match byte {
            bulletin::SUITE => Self::Bulletin,
            fragment::SUITE => Self::Fragment,
            byte => Self::Letter(Suite::from_byte(byte)?),
        })
    }

    fn encapsulation_len(self) -> usize {
        match self {
            Self::Letter(suite) => suite.encapsulation_len(),
            Self::Fragment | Self::Bulletin => 0,
        }
    }
}

pub(super) const STUB_LEN: usize = 80;

/// An envelope whose layout has been checked; its postmark not yet: see [`Envelope::is_genuine`].
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    bytes: &'a [u8],
    kind: Kind,
    priority: Priority,
}

impl<'a> Envelope<'a> {
    /// Checks version, suite, lengths, priority and lifetime.
    ///
    /// # Errors
    /// [`DecodeError`], naming the field; [`DecodeError::Unknown`] of what a later version may have
    /// made.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(DecodeError::TooLong { what: "envelope", max: MAX_ENVELOPE_BYTES });
        }
        let header = bytes.get(..KEM_START).ok_or(DecodeError::Truncated { what: "envelope" })?;
        if header[0] != VERSION {
            return Err(DecodeError::Unknown { what: "envelope version" });
        }
        let kind = Kind::from_byte(header[1])?;
        if kind == Kind::Fragment {
            fragment::check_numbers(header)?;
        }
        let priority = Priority::from_byte(header[PRIORITY])?;
        let shortest = KEM_START + kind.encapsulation_len() + AEAD_TAG_LEN + SIGNATURE_LEN;
        if bytes.len() <= shortest {
            return Err(DecodeError::Truncated { what: "envelope" });
        }
        let envelope = Self { bytes, kind, priority };
        if !(MIN_LIFETIME_S..=MAX_LIFETIME_S).contains(&envelope.lifetime_s()) {
            return Err(DecodeError::Invalid { what: "lifetime" });
        }
        if kind == Kind::Bulletin {
            envelope.check_bulletin()?;
        }
        Ok(envelope)
    }

    /// The whole envelope.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How it is sealed to its recipient; none of what is no letter.
    pub fn suite(&self) -> Option<Suite> {
        match self.kind {
            Kind::Letter(suite) => Some(suite),
            Kind::Fragment | Kind::Bulletin => None,
        }
    }

    /// How urgent the sender says it is.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// When it was made, to the minute and jittered.
    pub fn created(&self) -> Timestamp {
        Timestamp(u64::from(u32::from_be_bytes(self.array(CREATED))) * 60_000)
    }

    /// How long it lives, in seconds of age.
    pub fn lifetime_s(&self) -> u32 {
        u32::from_be_bytes(self.array(LIFETIME))
    }

    /// The tag by which a home relay files it: random in the mesh.
    pub fn mailbox_tag(&self) -> [u8; 8] {
        self.array(TAG)
    }

    /// What its `r` must hash to.
    pub fn commitment(&self) -> Commitment {
        Commitment(self.array(COMMITMENT))
    }

    /// The key that paid for it.
    pub fn postmark_key(&self) -> [u8; 32] {
        self.array(POSTMARK_KEY)
    }

    /// What the envelope's postmark shows of its work, for the day of creation.
    pub fn work_proof(&self) -> WorkProof {
        WorkProof::new(&self.postmark_key(), self.created().day(), self.array(WORK_NONCE))
    }

    /// By what its recipient recognises it.
    pub fn hint(&self) -> Hint {
        let digest = hint_digest(self.header());
        Hint { suite: self.suite(), mac: self.array(HINT), digest }
    }

    pub(super) fn header(&self) -> &'a [u8] {
        &self.bytes[..self.ciphertext_start()]
    }

    pub(super) fn encapsulation(&self) -> &'a [u8] {
        &self.bytes[KEM_START..self.ciphertext_start()]
    }

    pub(super) fn ciphertext(&self) -> &'a [u8] {
        &self.bytes[self.ciphertext_start()..self.unsigned_len()]
    }

    /// All but the postmark's signature.
    pub(super) fn unsigned(&self) -> &'a [u8] {
        &self.bytes[..self.unsigned_len()]
    }

    pub(crate) fn signature(&self) -> [u8; 64] {
        self.array(self.unsigned_len()..self.bytes.len())
    }

    /// The content address.
    pub fn id(&self) -> EnvelopeId {
        EnvelopeId::derive(&self.commitment(), &self.stub())
    }

    pub(super) fn stub(&self) -> [u8; STUB_LEN] {
        stub(self.unsigned())
    }

    /// Whether the postmark signs exactly this envelope: what every carrier checks before it stores
    /// or passes on. `id` is [`Envelope::id`], which the caller has at hand.
    pub fn is_genuine(&self, id: &EnvelopeId) -> bool {
        postmark::verify(&self.postmark_key(), id, &self.signature())
    }

    fn ciphertext_start(&self) -> usize {
        KEM_START + self.kind.encapsulation_len()
    }

    fn unsigned_len(&self) -> usize {
        self.bytes.len() - SIGNATURE_LEN
    }

    /// `range` is within the length that `parse` has checked.
    fn array<const N: usize>(&self, range: Range<usize>) -> [u8; N] {
        array(self.bytes, range)
    }
}

/// An envelope's hint, and what the hint covers: the header is hashed once, then the MAC tried under
/// the key of every target. See [`crate::TargetSecret::recognises`].
#[derive(Debug, Clone, Copy)]
pub struct Hint {
    /// None of what is no letter: no target's.
    pub(super) suite: Option<Suite>,
    pub(super) mac: [u8; 8],
    pub(super) digest: [u8; 32],
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

/// The hash of the header with the hint zeroed.
pub(super) fn hint_digest(header: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(&header[..HINT.start])
        .chain_update([0; HINT.end - HINT.start])
        .chain_update(&header[HINT.end..])
        .finalize()
        .into()
}

/// The stub of an envelope that is whole but for its signature: see [`EnvelopeId`].
pub(super) fn stub(unsigned: &[u8]) -> [u8; STUB_LEN] {
    let everything_else = Sha256::new()
        .chain_update(&unsigned[..CREATED.start])
        .chain_update(&unsigned[TAG.start..HINT.end])
        .chain_update(&unsigned[KEM_START..])
        .finalize();
    let mut stub = [0; STUB_LEN];
    stub[..8].copy_from_slice(&unsigned[CREATED.start..LIFETIME.end]);
    stub[8..48].copy_from_slice(&unsigned[POSTMARK_KEY.start..WORK_NONCE.end]);
    stub[48..].copy_from_slice(&everything_else);
    stub
}

pub(super) fn array<const N: usize>(bytes: &[u8], range: Range<usize>) -> [u8; N] {
    bytes[range].try_into().expect("the range has the field's length")
}
