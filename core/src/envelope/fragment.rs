//! Fragments: a body too large for one envelope travels as many, and any carrier may bring any.
//!
//! The header of suite 3 is that of a letter without a KEM output. In place of the hint stand the
//! fragment's number and how many suffice; in place of one commitment stand two:
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 19 | 4 | number |
//! | 23 | 4 | how many fragments suffice |
//! | 27 | 16 | mark of the body: the first half of SHA-256(`s`) |
//! | 43 | 16 | the first half of SHA-256(`r`), where `r` is the first half of HMAC-SHA256(`s`, number) |
//!
//! The manifest, a part of an ordinary letter, carries the one secret from which `s` and the
//! content's key derive. `r` acknowledges one fragment; `s` ends them all.

use super::format::{
    AEAD_TAG_LEN, COMMITMENT, EnvelopeId, HINT, KEM_START, MAX_ENVELOPE_BYTES, POSTMARK_KEY,
    Priority, SIGNATURE_LEN, STUB_LEN, VERSION, array, stub,
};
use super::{Envelope, Kind, Postmark, WorkProof, postmark};
use crate::codec::{DecodeError, Reader, Writer};
use crate::time::Timestamp;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The suite's number on the wire.
pub(super) const SUITE: u8 = 3;
/// The most fragments of one body: their numbers on a link fit eight kilobytes.
pub(crate) const MAX_FRAGMENTS: u32 = 1 << 16;
/// What a fragment's envelope adds to its symbol, in bytes.
pub(crate) const OVERHEAD_BYTES: usize = KEM_START + AEAD_TAG_LEN + SIGNATURE_LEN;
/// The largest symbol, in bytes.
pub(crate) const MAX_SYMBOL_BYTES: usize = MAX_ENVELOPE_BYTES - OVERHEAD_BYTES;

/// What all fragments of a body show: the first half of SHA-256 of the secret that ends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BodyMark(pub(crate) [u8; 16]);

/// Fragments that belong together beyond doubt: of one mark, under one postmark. A stranger can copy
/// a mark, and would else put junk in the place of fragments.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BodyKey(pub(crate) [u8; 24]);

impl BodyKey {
    fn new(mark: BodyMark, postmark_key: &[u8; 32]) -> Self {
        let digest = Sha256::digest(postmark_key);
        let mut key = [0; 24];
        key[..16].copy_from_slice(&mark.0);
        key[16..].copy_from_slice(&digest[..8]);
        Self(key)
    }

    pub(crate) fn mark(&self) -> BodyMark {
        BodyMark(array(&self.0, 0..16))
    }
}

impl fmt::Debug for BodyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "body {}", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

/// What a fragment's header says of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) body: BodyKey,
    pub(crate) number: u32,
    /// How many of the body's fragments suffice, or nearly.
    pub(crate) needed: u32,
}

/// The secret of a body: it opens every fragment, acknowledges each, and ends them all.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct BodySecret(Box<[u8; 32]>);

impl fmt::Debug for BodySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodySecret(…)")
    }
}

/// What a letter says of the body that follows it in fragments.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub(crate) secret: BodySecret,
    pub(crate) symbol_bytes: u16,
}

impl Manifest {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(40));
        out.put(self.secret.as_bytes());
        out.put_varint(self.symbol_bytes.into());
        out
    }

    pub(super) fn decode(part: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let secret = BodySecret::new(&Zeroizing::new(part.array("body secret")?));
        let symbol_bytes = part.bounded(MAX_SYMBOL_BYTES, "symbol")? as u16;
        Ok(Self { secret, symbol_bytes })
    }
}

/// How a fragment travels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp<'a> {
    pub(crate) needed: u32,
    pub(crate) priority: Priority,
    pub(crate) created: Timestamp,
    pub(crate) lifetime_s: u32,
    pub(crate) tag: [u8; 8],
    pub(crate) postmark: &'a Postmark,
}

impl BodySecret {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self(Box::new(*bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn mark(&self) -> BodyMark {
        BodyMark::of_secret(&self.release())
    }

    /// `s`: whoever shows it has the body, or sent it.
    pub(crate) fn release(&self) -> Zeroizing<[u8; 32]> {
        self.derive(b"footpost/1 body release")
    }

    /// `r` of one fragment.
    pub(crate) fn ack(&self, number: u32) -> FragmentAck {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*self.release())
            .expect("HMAC takes keys of any length");
        mac.update(&number.to_be_bytes());
        FragmentAck(array(&mac.finalize().into_bytes(), 0..16))
    }

    /// Seals one symbol. A number is sealed once: its key belongs to one header.
    pub(crate) fn seal(
        &self,
        number: u32,
        symbol: &[u8],
        stamp: &Stamp<'_>,
    ) -> (EnvelopeId, Vec<u8>) {
        let mut out = Vec::with_capacity(symbol.len() + OVERHEAD_BYTES);
        out.put_u8(VERSION);
        out.put_u8(SUITE);
        out.put_u8(stamp.priority as u8);
        out.put_u32(stamp.created.minutes());
        out.put_u32(stamp.lifetime_s);
        out.put(&stamp.tag);
        out.put_u32(number);
        out.put_u32(stamp.needed);
        out.put(&self.mark().0);
        out.put(&self.ack(number).commitment());
        out.put(&stamp.postmark.public_key());
        out.put(&stamp.postmark.nonce());
        let ciphertext = self.encrypt(&out, symbol);
        out.put(&ciphertext);
        let commitment = super::Commitment(array(&out, COMMITMENT));
        let id = EnvelopeId::derive(&commitment, &stub(&out));
        out.put(&stamp.postmark.sign(&id));
        (id, out)
    }

    /// The symbol of a fragment of this body; `None` of what its sender did not make.
    pub(crate) fn open(&self, envelope: &Envelope<'_>) -> Option<Zeroizing<Vec<u8>>> {
        let fragment = envelope.fragment()?;
        let is_ours = fragment.body.mark() == self.mark();
        let second: [u8; 16] = array(&envelope.commitment().0, 16..32);
        if !is_ours || second != self.ack(fragment.number).commitment() {
            return None;
        }
        let payload = Payload { msg: envelope.ciphertext(), aad: envelope.header() };
        self.cipher(envelope.header()).decrypt(&Nonce::default(), payload).map(Zeroizing::new).ok()
    }

    /// A fragment again, from what [`husk`] has kept of it.
    pub(crate) fn restore(&self, husk: &[u8], symbol: &[u8]) -> Option<Vec<u8>> {
        let (header, signature) = husk.split_at_checked(KEM_START)?;
        Some([header, &self.encrypt(header, symbol), signature].concat())
    }

    fn encrypt(&self, header: &[u8], symbol: &[u8]) -> Vec<u8> {
        self.cipher(header)
            .encrypt(&Nonce::default(), Payload { msg: symbol, aad: header })
            .expect("a symbol is far below the cipher's limit")
    }

    /// A key for every header, so that no nonce is ever used twice under one.
    fn cipher(&self, header: &[u8]) -> Aes256Gcm {
        let content = self.derive(b"footpost/1 body content");
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*content)
            .expect("HMAC takes keys of any length");
        mac.update(header);
        let mut key = mac.finalize().into_bytes();
        let cipher = Aes256Gcm::new(&key);
        key.as_mut_slice().zeroize();
        cipher
    }

    fn derive(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &*self.0)
            .expand(label, &mut *key)
            .expect("32 bytes are within HKDF's limit");
        key
    }
}

/// `r` of one fragment: whoever shows it has opened the fragment, or sealed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FragmentAck(pub(crate) [u8; 16]);

impl FragmentAck {
    fn commitment(self) -> [u8; 16] {
        array(&Sha256::digest(self.0), 0..16)
    }

    pub(crate) fn fits(self, envelope: &Envelope<'_>) -> bool {
        let second: [u8; 16] = array(&envelope.commitment().0, 16..32);
        envelope.fragment().is_some() && second == self.commitment()
    }
}

/// The end of a body: `s`, and proof that a fragment of it existed and was paid for:
/// `s | second half of that fragment's commitment | stub | postmark signature`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Release(pub(crate) [u8; Release::LEN]);

impl Release {
    pub(crate) const LEN: usize = 32 + 16 + STUB_LEN + SIGNATURE_LEN;

    /// `None` if `s` does not end the fragment's body.
    pub(crate) fn new(envelope: &Envelope<'_>, s: &[u8; 32]) -> Option<Self> {
        let fragment = envelope.fragment()?;
        if BodyMark::of_secret(s) != fragment.body.mark() {
            return None;
        }
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(s);
        bytes[32..48].copy_from_slice(&envelope.commitment().0[16..]);
        bytes[48..48 + STUB_LEN].copy_from_slice(&envelope.stub());
        bytes[48 + STUB_LEN..].copy_from_slice(&envelope.signature());
        Some(Self(bytes))
    }

    /// `s`.
    pub(crate) fn secret(&self) -> [u8; 32] {
        array(&self.0, 0..32)
    }

    pub(crate) fn mark(&self) -> BodyMark {
        BodyMark::of_secret(&self.secret())
    }

    /// The fragment that this names.
    pub(crate) fn fragment_id(&self) -> EnvelopeId {
        let mut commitment = [0; 32];
        commitment[..16].copy_from_slice(&self.mark().0);
        commitment[16..].copy_from_slice(&self.0[32..48]);
        let stub: [u8; STUB_LEN] = array(&self.0, 48..48 + STUB_LEN);
        EnvelopeId::derive(&super::Commitment(commitment), &stub)
    }

    pub(crate) fn signature(&self) -> [u8; 64] {
        array(&self.0, 48 + STUB_LEN..Self::LEN)
    }

    /// Whether the postmark signed the fragment that this names: `id` is [`Self::fragment_id`].
    pub(crate) fn is_genuine(&self, id: &EnvelopeId) -> bool {
        postmark::verify(&array(&self.0, 56..88), id, &self.signature())
    }

    pub(crate) fn work_proof(&self) -> WorkProof {
        WorkProof::new(&array(&self.0, 56..88), self.created().day(), array(&self.0, 88..96))
    }

    pub(crate) fn created(&self) -> Timestamp {
        Timestamp(u64::from(u32::from_be_bytes(array(&self.0, 48..52))) * 60_000)
    }

    /// In seconds of age; from a peer, so unbounded.
    pub(crate) fn lifetime_s(&self) -> u32 {
        u32::from_be_bytes(array(&self.0, 52..56))
    }
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Release(…)")
    }
}

/// A fragment without its ciphertext: what its maker keeps, who can make that again.
pub(crate) fn husk(envelope: &[u8]) -> Vec<u8> {
    let signature = envelope.len().saturating_sub(SIGNATURE_LEN);
    [&envelope[..KEM_START], &envelope[signature..]].concat()
}

impl Fragment {
    /// What a fragment's header says, of an envelope or of a [`husk`].
    pub(crate) fn of_header(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..KEM_START)?;
        Some(Self {
            body: BodyKey::new(
                BodyMark(array(header, COMMITMENT.start..COMMITMENT.start + 16)),
                &array(header, POSTMARK_KEY),
            ),
            number: u32::from_be_bytes(array(header, HINT.start..HINT.start + 4)),
            needed: u32::from_be_bytes(array(header, HINT.start + 4..HINT.end)),
        })
    }
}

impl BodyMark {
    pub(crate) fn of_secret(s: &[u8; 32]) -> Self {
        Self(array(&Sha256::digest(s), 0..16))
    }

    /// The first and the last key that a body of this mark may have, whatever its postmark.
    pub(crate) fn bodies(&self) -> [BodyKey; 2] {
        [0, 0xff].map(|fill| {
            let mut key = [fill; 24];
            key[..16].copy_from_slice(&self.0);
            BodyKey(key)
        })
    }

    /// What stands for the body's end among the ids of the tombstones.
    pub(crate) fn release_id(&self) -> EnvelopeId {
        let digest =
            Sha256::new().chain_update(b"footpost/1 body end").chain_update(self.0).finalize();
        EnvelopeId(digest.into())
    }
}

impl Envelope<'_> {
    /// What the header says of the body, if this is a fragment.
    pub(crate) fn fragment(&self) -> Option<Fragment> {
        let is_fragment = self.kind() == Kind::Fragment;
        is_fragment.then(|| Fragment::of_header(self.as_bytes())).flatten()
    }
}

/// The numbers of a fragment's header, where they can be.
pub(super) fn check_numbers(header: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(header.get(HINT).unwrap_or_default());
    let (number, needed) = (reader.u32("fragment number")?, reader.u32("fragments needed")?);
    if number < MAX_FRAGMENTS && (1..=MAX_FRAGMENTS).contains(&needed) {
        Ok(())
    } else {
        Err(DecodeError::Invalid { what: "fragment number" })
    }
}

/// Signs an altered envelope anew, as whoever owns the postmark can.
#[cfg(test)]
pub(crate) fn resign(bytes: &mut [u8], postmark: &Postmark) {
    let id = Envelope::parse(bytes).expect("its layout is as it was").id();
    let signature = bytes.len() - SIGNATURE_LEN;
    bytes[signature..].copy_from_slice(&postmark.sign(&id));
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use serde::{Deserialize, Serialize};

    fn sealed(number: u32) -> (BodySecret, Vec<u8>) {
        let secret = BodySecret::new(&[7; 32]);
        let postmark = Postmark::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let stamp = Stamp {
            needed: 12,
            priority: Priority::Low,
            created: Timestamp(1_780_315_200_000),
            lifetime_s: 3600,
            tag: [3; 8],
            postmark: &postmark,
        };
        let (id, bytes) = secret.seal(number, b"a symbol", &stamp);
        let envelope = Envelope::parse(&bytes).unwrap();
        assert!(envelope.id() == id && envelope.is_genuine(&id));
        (secret, bytes)
    }

    #[test]
    fn a_fragment_opens_with_its_body_s_secret_alone() {
        let (secret, bytes) = sealed(5);
        let envelope = Envelope::parse(&bytes).unwrap();
        let fragment = envelope.fragment().unwrap();
        assert_eq!((fragment.number, fragment.needed), (5, 12));
        assert_eq!(fragment.body.mark(), secret.mark());
        assert_eq!(secret.open(&envelope).unwrap().as_slice(), b"a symbol");
        assert!(BodySecret::new(&[8; 32]).open(&envelope).is_none());
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let Ok(altered) = Envelope::parse(&altered) else { continue };
            assert!(!altered.is_genuine(&altered.id()), "byte {at}");
        }
    }

    #[test]
    fn one_is_acknowledged_by_its_r_and_all_are_ended_by_s() {
        let (secret, bytes) = sealed(5);
        let envelope = Envelope::parse(&bytes).unwrap();
        assert!(secret.ack(5).fits(&envelope) && !secret.ack(6).fits(&envelope));
        let release = Release::new(&envelope, &secret.release()).unwrap();
        assert!(release.is_genuine(&release.fragment_id()) && release.mark() == secret.mark());
        assert_eq!(release.work_proof().0, envelope.work_proof().0);
        assert_eq!((release.created(), release.lifetime_s()), (envelope.created(), 3600));
        assert!(Release::new(&envelope, &[1; 32]).is_none());
        for at in 0..Release::LEN {
            let mut forged = release.clone();
            forged.0[at] ^= 1;
            assert!(!forged.is_genuine(&forged.fragment_id()), "byte {at}");
        }
    }

    /// Pinned fragments; byte strings in hexadecimal.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Vector {
        secret: String,
        mark: String,
        release: String,
        number: u32,
        ack: String,
        needed: u32,
        created_ms: u64,
        lifetime_s: u32,
        tag: String,
        postmark_seed: String,
        work_nonce: String,
        symbol: String,
        id: String,
        fragment: String,
        release_proof: String,
    }

    fn hex(bytes: &[u8]) -> String {
        HEXLOWER.encode(bytes)
    }

    fn pinned(number: u32, symbol: &[u8]) -> Vector {
        let secret = BodySecret::new(&[number as u8 | 0x40; 32]);
        let postmark = Postmark::from_seed(&[9; 32], [1, 2, 3, 4, 5, 6, 7, 8]);
        let stamp = Stamp {
            needed: 25,
            priority: Priority::Normal,
            created: Timestamp(1_780_315_200_000),
            lifetime_s: 604_800,
            tag: [3; 8],
            postmark: &postmark,
        };
        let (id, bytes) = secret.seal(number, symbol, &stamp);
        let envelope = Envelope::parse(&bytes).unwrap();
        let release = Release::new(&envelope, &secret.release()).unwrap();
        assert!(envelope.is_genuine(&id) && release.is_genuine(&release.fragment_id()));
        assert_eq!(secret.open(&envelope).unwrap().as_slice(), symbol);
        Vector {
            secret: hex(secret.as_bytes()),
            mark: hex(&secret.mark().0),
            release: hex(&*secret.release()),
            number,
            ack: hex(&secret.ack(number).0),
            needed: stamp.needed,
            created_ms: stamp.created.0,
            lifetime_s: stamp.lifetime_s,
            tag: hex(&stamp.tag),
            postmark_seed: hex(&*postmark.seed()),
            work_nonce: hex(&postmark.nonce()),
            symbol: hex(symbol),
            id: hex(&id.0),
            fragment: hex(&bytes),
            release_proof: hex(&release.0),
        }
    }

    #[test]
    fn the_pinned_fragments_are_what_they_were() {
        let made = vec![pinned(0, b"a symbol"), pinned(MAX_FRAGMENTS - 1, &[0xa5; 100])];
        let pinned = include_str!("../../../tests/vectors/fragments.json");
        let is_same = serde_json::from_str::<Vec<Vector>>(pinned).is_ok_and(|p| p == made);
        assert!(is_same, "the wire has changed:\n{}", serde_json::to_string_pretty(&made).unwrap());
    }

    #[test]
    fn numbers_have_bounds() {
        let (_, mut bytes) = sealed(MAX_FRAGMENTS - 1);
        assert!(Envelope::parse(&bytes).is_ok());
        bytes[HINT.start + 1] = 1;
        assert!(Envelope::parse(&bytes).is_err());
        let (_, mut bytes) = sealed(0);
        bytes[HINT.start + 4..HINT.end].fill(0);
        assert!(Envelope::parse(&bytes).is_err());
    }
}
