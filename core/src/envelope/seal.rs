//! Sealing: a letter becomes an envelope.

use super::format::{
    AEAD_TAG_LEN, COMMITMENT, EnvelopeId, HINT, KEM_START, MAX_ENVELOPE_BYTES, MAX_LIFETIME_S,
    MIN_LIFETIME_S, Priority, SIGNATURE_LEN, VERSION, hint_digest, stub,
};
use super::{
    AUTH_DOMAIN, Ack, Body, BodyError, EXPORT_ACK, EXPORT_AUTH, Manifest, PSK_ID, Postmark,
    auth_message, info,
};
use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::{Card, Identity, IdentityKey, ReplyTarget, SealingTarget, Statement, Suite};
use crate::time::{DAY_MS, Timestamp};
use hpke::aead::{AeadCtxS, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, HpkeError, Kem, OpModeS, PskBundle, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Parts of the plaintext after the fixed fields, each `kind | length | bytes`.
pub(super) const PART_BODY: u64 = 1;
pub(super) const PART_CARD: u64 = 2;
pub(super) const PART_REPLY: u64 = 3;
pub(super) const PART_PREVIOUS: u64 = 4;
pub(super) const PART_STATEMENTS: u64 = 5;
pub(super) const PART_MANIFEST: u64 = 6;
/// The smallest padded plaintext, in bytes: some 150 letters beside a reply target.
const SMALLEST_BUCKET: usize = 384;
/// The creation time is blurred by up to this much, and the age starts there; of short-lived mail
/// by at most an eighth of its life.
const CREATION_JITTER_MS: u64 = 5 * 60_000;

/// Whether envelopes carry a tag by which home relays can file them and carriers see which are for the
/// same recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagMode {
    /// Random tags: carriers learn nothing. For the mesh.
    #[default]
    Hidden,
    /// The tag of the recipient's mailbox, the same for a day; neighbours are told which are one's
    /// own. For mail towards home relays, and for routers that go by recipients.
    Mailbox,
}

/// What one person writes to another, and how it shall travel.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// The writer.
    pub sender: &'a IdentityKey,
    /// The reader.
    pub recipient: &'a Identity,
    /// The reader's newest target.
    pub target: &'a SealingTarget,
    /// Names the message across re-sendings.
    pub uuid: [u8; 16],
    /// What is said.
    pub body: &'a Body,
    /// The writer's own card, for a reader who may not have it.
    pub card: Option<&'a Card>,
    /// Where the reader may seal the answer to.
    pub reply: Option<&'a ReplyTarget>,
    /// What the writer has said of their keys, for a reader who may not know.
    pub statements: &'a [Statement],
    /// How much was sealed to the reader's reply target before `target`.
    pub previous: Option<Previous>,
    /// What opens the body that follows in fragments.
    pub manifest: Option<&'a Manifest>,
    /// How urgent it is.
    pub priority: Priority,
    /// How long it shall live, in seconds: cut to the target's end.
    pub lifetime_s: u32,
    /// Whose tag it shows: the target of the recipient's card, or none, and a random one.
    pub mailbox: Option<&'a SealingTarget>,
}

/// How many envelopes a writer has sealed to one reply target before it turned to the next: once
/// the reader has opened as many, the target's secret has served its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Previous {
    /// The target's counter.
    pub counter: u64,
    /// How many were sealed to it.
    pub sealed: u32,
}

impl Previous {
    fn encode(self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.counter);
        out.put_varint(self.sealed.into());
        out
    }

    pub(super) fn decode(part: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let counter = part.varint("previous target")?;
        let sealed = part.bounded(u32::MAX as usize, "previous count")?;
        Ok(Self { counter, sealed: sealed as u32 })
    }
}

/// A sealed envelope, ready to travel.
#[derive(Clone)]
pub struct Sealed {
    /// The envelope.
    pub bytes: Vec<u8>,
    /// Its content address.
    pub id: EnvelopeId,
    /// What will acknowledge it.
    pub ack: Ack,
    /// The age it starts with, in milliseconds: the jitter of its creation time.
    pub age_ms: u64,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({:?}, {} bytes)", self.id, self.bytes.len())
    }
}

/// Why a letter cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// The body cannot be sent.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The envelope would be larger than [`MAX_ENVELOPE_BYTES`].
    #[error("the message is {excess_bytes} bytes too long for one envelope: shorten it")]
    TooLong {
        /// By how much.
        excess_bytes: usize,
    },
    /// The target ends within the shortest lifetime.
    #[error("the contact's card has expired: ask for a new one")]
    TargetEnded,
    /// The target's key is unusable; a verified card never has such a key.
    #[error("the contact's card has an unusable key: ask for a new one")]
    TargetKey,
}

/// Seals `letter` at the time `now`.
///
/// The steps of PROTOCOL section 2: encapsulate with the target's pre-shared key, export the
/// acknowledgement secret and commit to it, mark the header for the recipient, sign inside, pad,
/// encrypt with the header as associated data, and let the postmark sign the id.
///
/// # Errors
/// See [`SealError`].
pub fn seal(
    letter: &Letter<'_>,
    postmark: &Postmark,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Sealed, SealError> {
    letter.body.validate()?;
    match letter.target.suite {
        Suite::X25519 => seal_with::<X25519HkdfSha256>(letter, postmark, now, rng),
        Suite::XWing => seal_with::<XWing>(letter, postmark, now, rng),
    }
}

fn seal_with<K: Kem>(
    letter: &Letter<'_>,
    postmark: &Postmark,
    now: Timestamp,
    mut rng: &mut dyn CryptoRng,
) -> Result<Sealed, SealError> {
    let target = letter.target;
    let (encapsulation, mut context) =
        encapsulate::<K>(letter, &mut rng).map_err(|_| SealError::TargetKey)?;
    let ack = Ack(export(&context, EXPORT_ACK));
    let auth = export(&context, EXPORT_AUTH);

    let lifetime_s = lifetime_s(letter, now)?;
    let (created, age_ms) = blur(now, lifetime_s, rng);
    let header_len = KEM_START + target.suite.encapsulation_len();
    let mut plaintext = plaintext(letter, now, &auth);
    let padded_len = padded_len(plaintext.len());
    let envelope_len = header_len + padded_len + AEAD_TAG_LEN + SIGNATURE_LEN;
    if envelope_len > MAX_ENVELOPE_BYTES {
        return Err(SealError::TooLong { excess_bytes: envelope_len - MAX_ENVELOPE_BYTES });
    }
    plaintext.resize(padded_len, 0);

    let mut out = Vec::with_capacity(envelope_len);
    out.put_u8(VERSION);
    out.put_u8(target.suite as u8);
    out.put_u8(letter.priority as u8);
    out.put_u32(created.minutes());
    out.put_u32(lifetime_s);
    out.put(&mailbox_tag(letter, created, rng));
    out.put(&[0; HINT.end - HINT.start]);
    out.put(&ack.commitment().0);
    out.put(&postmark.public_key());
    out.put(&postmark.nonce());
    out.put(&encapsulation);
    debug_assert_eq!(out[COMMITMENT], ack.commitment().0);
    let hint = target.hint_key().hint(&hint_digest(&out));
    out[HINT].copy_from_slice(&hint);

    let ciphertext = context.seal(&plaintext, &out).map_err(|_| SealError::TargetKey)?;
    out.put(&ciphertext);
    let id = EnvelopeId::derive(&ack.commitment(), &stub(&out));
    out.put(&postmark.sign(&id));
    Ok(Sealed { bytes: out, id, ack, age_ms })
}

/// The creation time that carriers see, and the age in milliseconds that goes with it.
pub(crate) fn blur(now: Timestamp, lifetime_s: u32, rng: &mut dyn CryptoRng) -> (Timestamp, u64) {
    // The postmark is paid for the day of creation: the blur stays within it.
    let blur_ms = CREATION_JITTER_MS.min(u64::from(lifetime_s) * 1000 / 8);
    let age_ms = rng.next_u64() % blur_ms.min(now.as_millis() % DAY_MS + 1);
    (Timestamp(now.as_millis().saturating_sub(age_ms)), age_ms)
}

type Context<K> = AeadCtxS<AesGcm256, HkdfSha256, K>;

fn encapsulate<K: Kem>(
    letter: &Letter<'_>,
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Context<K>), HpkeError> {
    let psk = letter.target.psk();
    let mode = OpModeS::Psk(PskBundle::new(&*psk, PSK_ID)?);
    let key = K::PublicKey::from_bytes(&letter.target.public_key)?;
    let info = info(letter.target, letter.recipient);
    let (encapsulation, context) =
        hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, K>(&mode, &key, &info, rng)?;
    Ok((encapsulation.to_bytes().to_vec(), context))
}

fn export<K: Kem>(context: &Context<K>, label: &[u8]) -> [u8; 32] {
    let mut secret = [0; 32];
    context.export(label, &mut secret).expect("32 bytes are within HKDF's limit");
    secret
}

/// `sender | uuid | exact time | signature | parts`, before padding.
fn plaintext(letter: &Letter<'_>, now: Timestamp, auth: &[u8; 32]) -> Vec<u8> {
    let sender = letter.sender.identity();
    let message = auth_message(letter.target, &sender, letter.recipient, auth);
    let mut out = Vec::with_capacity(SMALLEST_BUCKET);
    out.put(sender.as_bytes());
    out.put(&letter.uuid);
    out.put_u64(now.as_millis());
    out.put(&letter.sender.sign(AUTH_DOMAIN, &[&message]));
    let content = letter.body.content();
    out.put_varint(PART_BODY);
    out.put_varint(content.len() as u64 + 1);
    // Body kinds stay below 64 in version 1, so that the kind is one byte.
    out.put_varint(letter.body.kind());
    out.put(&content);
    if let Some(card) = letter.card {
        out.put_varint(PART_CARD);
        out.put_bytes(card.as_bytes());
    }
    let mut put_part = |kind, part: &[u8]| {
        out.put_varint(kind);
        out.put_bytes(part);
    };
    if let Some(reply) = letter.reply {
        put_part(PART_REPLY, &reply.encode());
    }
    if !letter.statements.is_empty() {
        let mut part = Vec::new();
        for statement in letter.statements {
            part.put_bytes(statement.as_bytes());
        }
        put_part(PART_STATEMENTS, &part);
    }
    if let Some(manifest) = letter.manifest {
        put_part(PART_MANIFEST, &manifest.encode());
    }
    if let Some(previous) = letter.previous {
        put_part(PART_PREVIOUS, &previous.encode());
    }
    out
}

/// Padmé (Nikitin et al., PETS 2019): lengths keep O(log log n) bits, at 12 % cost at most, above a
/// floor that makes all short texts equal.
pub(super) fn padded_len(len: usize) -> usize {
    if len <= SMALLEST_BUCKET {
        return SMALLEST_BUCKET;
    }
    let exponent = len.ilog2();
    let kept_bits = exponent.ilog2() + 1;
    len.next_multiple_of(1 << (exponent - kept_bits))
}

/// The asked lifetime, within limits and within the target's life.
fn lifetime_s(letter: &Letter<'_>, now: Timestamp) -> Result<u32, SealError> {
    // A target from a node whose clock was never set does not tell when it ends.
    let left_ms = match letter.target.end {
        end if end.is_plausible() => end.since(now),
        _ => u64::MAX,
    };
    let left_s = u32::try_from(left_ms / 1000).unwrap_or(u32::MAX);
    if left_s < MIN_LIFETIME_S {
        return Err(SealError::TargetEnded);
    }
    Ok(letter.lifetime_s.clamp(MIN_LIFETIME_S, MAX_LIFETIME_S).min(left_s))
}

fn mailbox_tag(letter: &Letter<'_>, created: Timestamp, rng: &mut dyn CryptoRng) -> [u8; 8] {
    match letter.mailbox {
        None => rng.next_u64().to_be_bytes(),
        Some(target) => target.mailbox_tag(created.day()),
    }
}

#[cfg(test)]
mod tests {
    use super::{SMALLEST_BUCKET, padded_len};

    #[test]
    fn padding_never_shrinks_and_costs_at_most_an_eighth() {
        for len in 1..70_000 {
            let padded = padded_len(len);
            assert!(
                padded >= len && (len <= SMALLEST_BUCKET || padded - len <= len / 8),
                "{len} → {padded}"
            );
        }
    }
}
