//! Bulletins: what somebody says to everybody, signed and in the clear.
//!
//! The header of suite 0 is that of a letter without a KEM output. Tag, hint and commitment are zero:
//! there is no recipient, and nobody, its publisher included, can make an acknowledgement. In place of
//! the ciphertext stands what is said:
//!
//! | bytes | field |
//! |---:|---|
//! | 32 | publisher, an identity |
//! | varint | number: a publisher's bulletins count up |
//! | varint | thread: the number of the first bulletin that this one replaces, else its own |
//! | bytes ≤ 32 | region: a geohash, or a name; none is everywhere |
//! | bytes ≤ 32 | topic, a tag |
//! | bytes ≤ 2,048 | text; of an SOS ≤ 512 |
//! | 64 | the publisher's signature over all before it, header included |
//!
//! The kind is the header's priority. The signature covers the postmark too, so that nobody can put
//! somebody's words into another envelope.

use super::format::{
    COMMITMENT, EnvelopeId, KEM_START, MAX_LIFETIME_S, MIN_LIFETIME_S, Priority, SIGNATURE_LEN,
    TAG, VERSION, stub,
};
use super::{Commitment, Envelope, Kind, Postmark};
use crate::codec::{DecodeError, Reader, Writer};
use crate::identity::{Identity, IdentityKey};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The suite's number on the wire.
pub(super) const SUITE: u8 = 0;
/// The longest region or topic, in bytes.
pub const MAX_LABEL_BYTES: usize = 32;
/// The longest text, in bytes.
pub const MAX_BULLETIN_TEXT_BYTES: usize = 2048;
/// The same of an SOS: they go before all else, and must not hold it up.
pub const MAX_SOS_TEXT_BYTES: usize = 512;
/// How long a bulletin lives at most, in seconds: 7 days. What is still true then is said again.
pub const MAX_BULLETIN_LIFETIME_S: u32 = MAX_LIFETIME_S / 30 * 7;
const DOMAIN: &[u8] = b"footpost/1 bulletin";
const MAX_NUMBER: u64 = (1 << 62) - 1;

/// What a bulletin is: how carriers rank it, and in which quota it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BulletinKind {
    /// Good to know.
    Information,
    /// A warning.
    Alert,
    /// Somebody needs help: goes before all else.
    Sos,
}

impl BulletinKind {
    pub(crate) fn of(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Information,
            Priority::Normal => Self::Alert,
            Priority::Urgent => Self::Sos,
        }
    }

    pub(crate) fn priority(self) -> Priority {
        match self {
            Self::Information => Priority::Low,
            Self::Alert => Priority::Normal,
            Self::Sos => Priority::Urgent,
        }
    }

    fn max_text_bytes(self) -> usize {
        match self {
            Self::Information | Self::Alert => MAX_BULLETIN_TEXT_BYTES,
            Self::Sos => MAX_SOS_TEXT_BYTES,
        }
    }
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulletinDraft {
    /// How urgent it is.
    pub kind: BulletinKind,
    /// Where it matters: a geohash or a name of at most [`MAX_LABEL_BYTES`]; empty: everywhere.
    pub region: String,
    /// What it is about: a tag of at most [`MAX_LABEL_BYTES`], or nothing.
    pub topic: String,
    /// What is said, in at most [`MAX_BULLETIN_TEXT_BYTES`], or [`MAX_SOS_TEXT_BYTES`].
    pub text: String,
    /// How long it lives, in seconds: at most [`MAX_BULLETIN_LIFETIME_S`].
    pub lifetime_s: u32,
    /// The thread of an earlier bulletin of one's own that this one replaces.
    pub replaces: Option<u64>,
}

/// What is wrong with a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DraftError {
    /// Region or topic.
    #[error("region and topic have at most {MAX_LABEL_BYTES} bytes and no control characters")]
    Label,
    /// There is none, or too much.
    #[error("the text must have 1 to {max_bytes} bytes")]
    Text {
        /// The bound for its kind.
        max_bytes: usize,
    },
    /// Too short or too long.
    #[error("a bulletin must live {MIN_LIFETIME_S} to {MAX_BULLETIN_LIFETIME_S} seconds")]
    Lifetime,
}

impl BulletinDraft {
    pub(crate) fn check(&self) -> Result<(), DraftError> {
        let max_bytes = self.kind.max_text_bytes();
        if [&self.region, &self.topic].iter().any(|label| !is_label(label)) {
            return Err(DraftError::Label);
        }
        if !(1..=max_bytes).contains(&self.text.len()) {
            return Err(DraftError::Text { max_bytes });
        }
        if !(MIN_LIFETIME_S..=MAX_BULLETIN_LIFETIME_S).contains(&self.lifetime_s) {
            return Err(DraftError::Lifetime);
        }
        Ok(())
    }

    pub(crate) fn said(&self, number: u64) -> Said<'_> {
        Said {
            number,
            thread: self.replaces.unwrap_or(number),
            region: &self.region,
            topic: &self.topic,
            text: &self.text,
        }
    }
}

/// What a bulletin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    pub(crate) number: u64,
    pub(crate) thread: u64,
    pub(crate) region: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) text: &'a str,
}

impl<'a> Said<'a> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_varint(self.number.min(MAX_NUMBER));
        out.put_varint(self.thread.min(MAX_NUMBER));
        for text in [self.region, self.topic, self.text] {
            out.put_bytes(text.as_bytes());
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'a>, kind: BulletinKind) -> Result<Self, DecodeError> {
        let said = Self {
            number: reader.varint("bulletin number")?,
            thread: reader.varint("bulletin thread")?,
            region: text(reader, MAX_LABEL_BYTES, "region")?,
            topic: text(reader, MAX_LABEL_BYTES, "topic")?,
            text: text(reader, kind.max_text_bytes(), "bulletin text")?,
        };
        let is_label = is_label(said.region) && is_label(said.topic);
        if !is_label || said.text.is_empty() || said.thread > said.number {
            return Err(DecodeError::Invalid { what: "bulletin" });
        }
        Ok(said)
    }
}

/// A bulletin as its envelope has it. Its signature: see [`Published::is_genuine`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published<'a> {
    pub(crate) publisher: Identity,
    pub(crate) kind: BulletinKind,
    pub(crate) said: Said<'a>,
    signed: &'a [u8],
    signature: [u8; SIGNATURE_LEN],
}

impl<'a> Published<'a> {
    /// `content` is what stands between header and postmark signature, which is left out.
    pub(super) fn decode(envelope: &Envelope<'a>) -> Result<Self, DecodeError> {
        let unsigned = envelope.unsigned();
        let kind = BulletinKind::of(envelope.priority());
        let mut reader = Reader::new(unsigned.get(KEM_START..).unwrap_or_default());
        let publisher = Identity::from_bytes(reader.array("publisher")?)?;
        let said = Said::decode(&mut reader, kind)?;
        let signature = reader.array("publisher's signature")?;
        reader.finish("bulletin")?;
        let signed = unsigned.get(..unsigned.len() - SIGNATURE_LEN).unwrap_or_default();
        Ok(Self { publisher, kind, said, signed, signature })
    }

    /// Whether its publisher has signed it: what every carrier checks before it stores or passes on.
    pub(crate) fn is_genuine(&self) -> bool {
        self.publisher.verify(DOMAIN, &[self.signed], &self.signature)
    }
}

impl<'a> Envelope<'a> {
    /// What it says to everybody, if it is a bulletin.
    pub(crate) fn bulletin(&self) -> Option<Published<'a>> {
        (self.kind() == Kind::Bulletin).then(|| Published::decode(self).ok()).flatten()
    }

    /// What a bulletin must hold to, beyond the layout of every envelope.
    pub(super) fn check_bulletin(&self) -> Result<(), DecodeError> {
        if self.as_bytes().get(TAG.start..COMMITMENT.end).is_none_or(|it| it.iter().any(|b| *b > 0))
        {
            return Err(DecodeError::Invalid { what: "bulletin header" });
        }
        if self.lifetime_s() > MAX_BULLETIN_LIFETIME_S {
            return Err(DecodeError::Invalid { what: "lifetime" });
        }
        Published::decode(self).map(drop)
    }
}

/// Signs a bulletin.
pub(crate) fn publish(
    key: &IdentityKey,
    kind: BulletinKind,
    said: &Said<'_>,
    (created, lifetime_s): (Timestamp, u32),
    postmark: &Postmark,
) -> (EnvelopeId, Vec<u8>) {
    let mut out = Vec::new();
    out.put_u8(VERSION);
    out.put_u8(SUITE);
    out.put_u8(kind.priority() as u8);
    out.put_u32(created.minutes());
    out.put_u32(lifetime_s);
    out.put(&[0; COMMITMENT.end - TAG.start]);
    out.put(&postmark.public_key());
    out.put(&postmark.nonce());
    out.put(key.identity().as_bytes());
    said.encode(&mut out);
    let signature = key.sign(DOMAIN, &[&out]);
    out.put(&signature);
    let id = EnvelopeId::derive(&Commitment([0; 32]), &stub(&out));
    out.put(&postmark.sign(&id));
    (id, out)
}

fn text<'a>(
    reader: &mut Reader<'a>,
    max: usize,
    what: &'static str,
) -> Result<&'a str, DecodeError> {
    str::from_utf8(reader.bytes(max, what)?).map_err(|_| DecodeError::Invalid { what })
}

fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL_BYTES && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    const NOW: Timestamp = Timestamp(1_780_315_200_000);

    fn draft(kind: BulletinKind, text: &str) -> BulletinDraft {
        BulletinDraft {
            kind,
            region: "u33d".into(),
            topic: "water".into(),
            text: text.into(),
            lifetime_s: 3600,
            replaces: None,
        }
    }

    fn published(draft: &BulletinDraft, number: u64) -> (IdentityKey, Vec<u8>) {
        let mut rng = ChaCha20Rng::seed_from_u64(2026);
        let key = IdentityKey::generate(&mut rng);
        let postmark = Postmark::generate(&mut rng);
        let at = (NOW, draft.lifetime_s);
        let (id, bytes) = publish(&key, draft.kind, &draft.said(number), at, &postmark);
        let envelope = Envelope::parse(&bytes).unwrap();
        assert!(envelope.id() == id && envelope.is_genuine(&id));
        (key, bytes)
    }

    #[test]
    fn it_says_who_says_what_and_nobody_can_alter_it() {
        let (key, bytes) = published(&draft(BulletinKind::Alert, "boil it"), 7);
        let bulletin = Envelope::parse(&bytes).unwrap().bulletin().unwrap();
        assert_eq!((bulletin.publisher, bulletin.kind), (key.identity(), BulletinKind::Alert));
        assert_eq!(bulletin.said, draft(BulletinKind::Alert, "boil it").said(7));
        assert!(bulletin.is_genuine());
        for at in 0..bytes.len() - SIGNATURE_LEN {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let Ok(altered) = Envelope::parse(&altered) else { continue };
            assert!(!altered.is_genuine(&altered.id()), "byte {at}");
            assert!(altered.bulletin().is_none_or(|bulletin| !bulletin.is_genuine()), "byte {at}");
        }
    }

    #[test]
    fn bounds_hold_on_both_sides() {
        let long = "x".repeat(MAX_SOS_TEXT_BYTES + 1);
        assert_eq!(
            draft(BulletinKind::Sos, &long).check(),
            Err(DraftError::Text { max_bytes: MAX_SOS_TEXT_BYTES })
        );
        assert_eq!(draft(BulletinKind::Alert, &long).check(), Ok(()));
        for wrong in ["a\nb".to_owned(), "x".repeat(MAX_LABEL_BYTES + 1)] {
            let wrong = BulletinDraft { region: wrong, ..draft(BulletinKind::Alert, "x") };
            assert_eq!(wrong.check(), Err(DraftError::Label));
        }
        let long_lived = MAX_BULLETIN_LIFETIME_S + 1;
        let wrong = BulletinDraft { lifetime_s: long_lived, ..draft(BulletinKind::Alert, "x") };
        assert_eq!(wrong.check(), Err(DraftError::Lifetime));

        let (_, bytes) = published(&draft(BulletinKind::Alert, &long), 7);
        let fails = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            Envelope::parse(&bytes).err()
        };
        // As an SOS it would be too long; nothing but zeros where others have tag and commitment.
        assert!(fails(2, 2).is_some() && fails(2, 0).is_none());
        assert_eq!(fails(11, 1), Some(DecodeError::Invalid { what: "bulletin header" }));
        assert_eq!(fails(58, 1), Some(DecodeError::Invalid { what: "bulletin header" }));
        assert_eq!(fails(8, 0x10), Some(DecodeError::Invalid { what: "lifetime" }));
        // Number 7, in a thread that would begin later.
        assert_eq!(fails(132, 8), Some(DecodeError::Invalid { what: "bulletin" }));
        for len in 0..bytes.len() {
            assert!(Envelope::parse(&bytes[..len]).is_err(), "{len}");
        }
        assert!(Envelope::parse(&[&bytes[..], &[0]].concat()).is_err());
    }

    /// What the wire fixes of a bulletin, bytes in hex.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Vector {
        publisher_key: String,
        kind: BulletinKind,
        number: u64,
        thread: u64,
        region: String,
        topic: String,
        text: String,
        envelope: String,
        id: String,
    }

    #[test]
    fn the_pinned_bulletins_are_what_they_were() {
        let alert = draft(BulletinKind::Alert, "Boil the water until Sunday.");
        let sos = BulletinDraft {
            region: String::new(),
            topic: String::new(),
            replaces: Some(3),
            ..draft(BulletinKind::Sos, "Ten people on the roof of the school.")
        };
        let vector = |(draft, number): (&BulletinDraft, u64)| {
            let (key, bytes) = published(draft, number);
            Vector {
                publisher_key: HEXLOWER.encode(&*key.to_bytes()),
                kind: draft.kind,
                number,
                thread: draft.said(number).thread,
                region: draft.region.clone(),
                topic: draft.topic.clone(),
                text: draft.text.clone(),
                id: HEXLOWER.encode(&Envelope::parse(&bytes).unwrap().id().0),
                envelope: HEXLOWER.encode(&bytes),
            }
        };
        let made: Vec<_> = [(&alert, 1), (&sos, 300)].map(vector).into();
        let pinned = include_str!("../../../tests/vectors/bulletins.json");
        let is_same = serde_json::from_str::<Vec<Vector>>(pinned).is_ok_and(|p| p == made);
        assert!(is_same, "the wire has changed:\n{}", serde_json::to_string_pretty(&made).unwrap());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_parsed_without_panic(tail in prop::collection::vec(any::<u8>(), 0..400)) {
            let (_, bytes) = published(&draft(BulletinKind::Information, "x"), 1);
            let _ = Envelope::parse(&[&bytes[..KEM_START + 32], &tail].concat());
        }
    }
}
