//! Frames: established Noise messages carry one or more of them, a kind byte first.

mod gossip;

use crate::codec::{DecodeError, Reader, Writer};
use crate::envelope::{
    AckProof, BodyKey, FragmentAck, MAX_ENVELOPE_BYTES, MAX_FRAGMENTS, MAX_LIFETIME_S, Priority,
    Release,
};
use crate::link::custody::{Answer, Challenge, decode_answers, encode_answers};
use crate::link::noise::MAX_PAYLOAD_BYTES;
use crate::link::wifi_direct::WifiDirectNote;
use crate::routing::{Gossip, Tag};
use crate::sync::Numbers;

/// The protocol version that this code speaks.
pub(crate) const VERSION: u8 = 1;

/// The most marks in one [`Hello`].
pub(crate) const MAX_MARKS: usize = 10;

/// The most heads in one frame. A head is the first 8 bytes of an envelope's id: what names it
/// inside a link.
pub(crate) const MAX_HEADS: usize = 1_024;

/// The most acknowledgements of held envelopes in one [`Frame::Acks`].
pub(crate) const MAX_HELD_ACKS: usize = 512;

/// The most proven acknowledgements in one [`Frame::Acks`]: with [`MAX_HELD_ACKS`] they just fit
/// the largest Noise message.
pub(crate) const MAX_PROVEN_ACKS: usize = 256;

/// The most shelves in one [`Frame::Holding`].
pub(crate) const MAX_SHELVES: usize = 16;

/// The most acknowledgements in one [`Frame::FragmentAcks`].
pub(crate) const MAX_FRAGMENT_ACKS: usize = 1_024;

/// The largest value of a variable-length integer (RFC 9000, section 16).
const VARINT_MAX: u64 = (1 << 62) - 1;

/// The highest battery class.
const BATTERY_MAX: u8 = 4;

/// Kinds from here on are extensions: whoever does not know them passes over them.
pub(crate) const FIRST_EXTENSION: u8 = 0x40;

pub(super) mod kind {
    pub(in crate::link) const HELLO: u8 = 0x01;
    pub(in crate::link) const PROOF: u8 = 0x02;
    pub(in crate::link) const SYNC: u8 = 0x03;
    pub(in crate::link) const ENVELOPE: u8 = 0x04;
    pub(in crate::link) const ENVELOPE_PART: u8 = 0x05;
    pub(in crate::link) const TAKEN: u8 = 0x06;
    pub(in crate::link) const ACKS: u8 = 0x07;
    pub(in crate::link) const OFFER: u8 = 0x08;
    pub(in crate::link) const WANT: u8 = 0x09;
    pub(in crate::link) const BYE: u8 = 0x0a;
    pub(in crate::link) const HOLDING: u8 = 0x0b;
    pub(in crate::link) const FETCH: u8 = 0x0c;
    pub(in crate::link) const LACK: u8 = 0x0d;
    pub(in crate::link) const FRAGMENT_ACKS: u8 = 0x0e;
    pub(in crate::link) const RELEASE: u8 = 0x0f;
    pub(in crate::link) const CHALLENGE: u8 = 0x10;
    pub(in crate::link) const CUSTODY: u8 = 0x11;
    pub(in crate::link) const HANDOVER: u8 = 0x12;
    pub(in crate::link) const OWN_TAGS: u8 = 0x18;
    pub(in crate::link) const MET: u8 = 0x19;
    pub(in crate::link) const PREDICTABILITIES: u8 = 0x1a;
    pub(in crate::link) const MEETINGS: u8 = 0x1b;
    pub(in crate::link) const TAGGED_HOLDING: u8 = 0x1c;
    pub(in crate::link) const WIFI_DIRECT: u8 = 0x40;
}

/// One frame. What is large borrows from the decrypted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// The first frame of each side.
    Hello(Hello),
    /// A MAC over the handshake hash, under a key that only the two contacts have: only after a mark
    /// was recognised.
    Proof { mac: [u8; 32] },
    /// A message of the reconciliation, which has its own encoding.
    Sync(&'a [u8]),
    /// The beginning of an envelope, or the whole of it.
    Envelope { passage: Passage, total_bytes: u32, first: &'a [u8] },
    /// More of the envelope that began last.
    EnvelopePart { bytes: &'a [u8] },
    /// The sender has stored these envelopes: they survive the end of its process.
    Taken { heads: Vec<u64> },
    /// Acknowledgements: of envelopes that the neighbour holds, `r` alone, found by its
    /// commitment; of others, the proof.
    Acks { held: Vec<[u8; 32]>, proofs: Vec<[u8; AckProof::LEN]> },
    /// Envelopes that have come in since this link was reconciled.
    Offer { heads: Vec<u64> },
    /// Those of an [`Frame::Offer`] that the sender lacks.
    Want { heads: Vec<u64> },
    /// Fragments of a body that the sender has on board; in the order in which it would pass bodies on.
    Holding { body: BodyKey, traits: BodyTraits, shelves: Vec<Shelf> },
    /// Those of a [`Frame::Holding`] that shall come now.
    Fetch { body: BodyKey, is_pull: bool, numbers: Numbers },
    /// Those of a [`Frame::Fetch`] that the sender has no more.
    Lack { body: BodyKey, numbers: Numbers },
    /// Acknowledgements of fragments that the neighbour holds.
    FragmentAcks { body: BodyKey, acks: Vec<(u32, FragmentAck)> },
    /// The end of a body, with proof.
    Release(Release),
    /// Asks for proof of what the neighbour was handed.
    Challenge(Challenge),
    /// The answers to a [`Frame::Challenge`], in its order.
    Custody(Vec<Answer>),
    /// What the sender offers from here on it will delete once the neighbour has taken it.
    Handover,
    /// What the sender knows by mailbox tags, where these are shown.
    Gossip(Gossip),
    /// The sender is about to close the link.
    Bye { reason: u8 },
    /// How to meet over Wi-Fi Direct. An extension.
    WifiDirect(WifiDirectNote),
    /// An extension that this version does not know.
    Unknown { kind: u8, body: &'a [u8] },
}

/// What a copy brings along from hand to hand: claims, all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Passage {
    pub(crate) age_s: u32,
    /// How often the copy was halved, this hand-over counted.
    pub(crate) generation: u8,
}

/// Fragments of a body at one neighbour that were halved alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shelf {
    pub(crate) generation: u8,
    /// Whether they are for all: else for the recipient alone.
    pub(crate) is_offered: bool,
    pub(crate) numbers: Numbers,
}

/// What a neighbour needs to know of a body before it fetches any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyTraits {
    pub(crate) priority: Priority,
    /// How many fragments suffice.
    pub(crate) needed: u32,
    /// The length of one envelope.
    pub(crate) fragment_bytes: u32,
    pub(crate) age_s: u32,
    /// Until it expires.
    pub(crate) left_s: u32,
    /// Where tags are shown.
    pub(crate) tag: Option<Tag>,
}

/// What a node tells every neighbour of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The newest protocol version that the sender speaks, from 1: both then speak the older.
    pub(crate) version: u8,
    /// Whether the sender carries envelopes for strangers.
    pub(crate) accepts_foreign: bool,
    /// Free space for envelopes, in KiB; the wire saturates at 2^62 − 1.
    pub(crate) free_kib: u64,
    /// From 1, nearly empty, to 4, full or on mains; 0 is unknown.
    pub(crate) battery: u8,
    /// By these contacts recognise each other, and nobody else learns anything.
    pub(crate) marks: Vec<[u8; 4]>,
}

impl<'a> Frame<'a> {
    /// Appends the frame to `out`. The caller keeps each list within its bound.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                out.put_u8(kind::HELLO);
                hello.encode(out);
            }
            Self::Proof { mac } => {
                out.put_u8(kind::PROOF);
                out.put(mac);
            }
            Self::Sync(body) => {
                out.put_u8(kind::SYNC);
                out.put_bytes(body);
            }
            Self::Envelope { passage, total_bytes, first } => {
                out.put_u8(kind::ENVELOPE);
                out.put_u32(passage.age_s);
                out.put_u8(passage.generation);
                out.put_u32(*total_bytes);
                out.put_bytes(first);
            }
            Self::EnvelopePart { bytes } => {
                out.put_u8(kind::ENVELOPE_PART);
                out.put_bytes(bytes);
            }
            Self::Taken { heads } => put_heads(out, kind::TAKEN, heads),
            Self::Acks { held, proofs } => {
                debug_assert!(held.len() <= MAX_HELD_ACKS && proofs.len() <= MAX_PROVEN_ACKS);
                out.put_u8(kind::ACKS);
                put_list(out, held);
                put_list(out, proofs);
            }
            Self::Offer { heads } => put_heads(out, kind::OFFER, heads),
            Self::Want { heads } => put_heads(out, kind::WANT, heads),
            Self::Holding { body, traits, shelves } => {
                debug_assert!(shelves.len() <= MAX_SHELVES);
                out.put_u8(if traits.tag.is_some() { kind::TAGGED_HOLDING } else { kind::HOLDING });
                out.put(&body.0);
                traits.encode(out);
                out.put_varint(shelves.len() as u64);
                for shelf in shelves {
                    out.put_u8(shelf.generation);
                    out.put_u8(shelf.is_offered.into());
                    shelf.numbers.encode(out);
                }
            }
            Self::Fetch { body, is_pull, numbers } => {
                out.put_u8(kind::FETCH);
                out.put(&body.0);
                out.put_u8((*is_pull).into());
                numbers.encode(out);
            }
            Self::Lack { body, numbers } => {
                out.put_u8(kind::LACK);
                out.put(&body.0);
                numbers.encode(out);
            }
            Self::FragmentAcks { body, acks } => {
                debug_assert!(acks.len() <= MAX_FRAGMENT_ACKS);
                out.put_u8(kind::FRAGMENT_ACKS);
                out.put(&body.0);
                out.put_varint(acks.len() as u64);
                for (number, ack) in acks {
                    out.put_varint((*number).into());
                    out.put(&ack.0);
                }
            }
            Self::Release(release) => {
                out.put_u8(kind::RELEASE);
                out.put(&release.0);
            }
            Self::Challenge(challenge) => {
                out.put_u8(kind::CHALLENGE);
                challenge.encode(out);
            }
            Self::Custody(answers) => {
                out.put_u8(kind::CUSTODY);
                encode_answers(answers, out);
            }
            Self::Handover => out.put_u8(kind::HANDOVER),
            Self::Gossip(gossip) => gossip.encode(out),
            Self::Bye { reason } => out.put(&[kind::BYE, *reason]),
            Self::WifiDirect(note) => {
                out.put_u8(kind::WIFI_DIRECT);
                note.encode(out);
            }
            Self::Unknown { kind, body } => {
                out.put_u8(*kind);
                out.put(body);
            }
        }
    }

    /// Reads the first frame of a message, in its only encoding; and what follows it. An extension
    /// comes last.
    pub(crate) fn decode_first(message: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let mut reader = Reader::new(message);
        let frame = match reader.u8("frame kind")? {
            kind::HELLO => Self::Hello(Hello::decode(&mut reader)?),
            kind::PROOF => Self::Proof { mac: reader.array("proof")? },
            kind::SYNC => Self::Sync(reader.bytes(MAX_PAYLOAD_BYTES, "sync body")?),
            kind::ENVELOPE => envelope(&mut reader)?,
            kind::ENVELOPE_PART => Self::EnvelopePart { bytes: chunk(&mut reader)? },
            kind::TAKEN => Self::Taken { heads: heads(&mut reader)? },
            kind::ACKS => Self::Acks {
                held: list(&mut reader, MAX_HELD_ACKS, "acks of held envelopes")?.to_vec(),
                proofs: list(&mut reader, MAX_PROVEN_ACKS, "ack proofs")?.to_vec(),
            },
            kind::OFFER => Self::Offer { heads: heads(&mut reader)? },
            kind::WANT => Self::Want { heads: heads(&mut reader)? },
            kind @ (kind::HOLDING | kind::TAGGED_HOLDING) => Self::Holding {
                body: BodyKey(reader.array("body")?),
                traits: BodyTraits::decode(&mut reader, kind == kind::TAGGED_HOLDING)?,
                shelves: shelves(&mut reader)?,
            },
            kind::FETCH => Self::Fetch {
                body: BodyKey(reader.array("body")?),
                is_pull: valid(reader.u8("pull")?, "pull", |v| v <= 1)? == 1,
                numbers: Numbers::decode(&mut reader)?,
            },
            kind::LACK => Self::Lack {
                body: BodyKey(reader.array("body")?),
                numbers: Numbers::decode(&mut reader)?,
            },
            kind::FRAGMENT_ACKS => fragment_acks(&mut reader)?,
            kind::RELEASE => Self::Release(Release(reader.array("release")?)),
            kind::CHALLENGE => Self::Challenge(Challenge::decode(&mut reader)?),
            kind::CUSTODY => Self::Custody(decode_answers(&mut reader)?),
            kind::HANDOVER => Self::Handover,
            kind @ kind::OWN_TAGS..=kind::MEETINGS => {
                Self::Gossip(Gossip::decode(kind, &mut reader)?)
            }
            kind::BYE => Self::Bye { reason: reader.u8("bye reason")? },
            kind::WIFI_DIRECT => Self::WifiDirect(WifiDirectNote::decode(&mut reader)?),
            kind @ FIRST_EXTENSION.. => Self::Unknown { kind, body: reader.rest() },
            _ => return Err(DecodeError::Invalid { what: "frame kind" }),
        };
        Ok((frame, reader.rest()))
    }

    /// Reads exactly one frame.
    #[cfg(test)]
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match Self::decode_first(bytes)? {
            (frame, []) => Ok(frame),
            _ => Err(DecodeError::Trailing { what: "frame" }),
        }
    }
}

impl BodyTraits {
    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(Tag(tag)) = self.tag {
            out.put_u32(tag);
        }
        out.put_u8(self.priority as u8);
        out.put_varint(self.needed.into());
        out.put_varint(self.fragment_bytes.into());
        out.put_varint(self.age_s.into());
        out.put_varint(self.left_s.into());
    }

    fn decode(reader: &mut Reader<'_>, is_tagged: bool) -> Result<Self, DecodeError> {
        let tag = if is_tagged { Some(Tag(reader.u32("tag")?)) } else { None };
        Ok(Self {
            tag,
            priority: Priority::from_byte(reader.u8("priority")?)?,
            needed: reader.bounded(MAX_FRAGMENTS as usize, "fragments needed")? as u32,
            fragment_bytes: reader.bounded(MAX_ENVELOPE_BYTES, "envelope")? as u32,
            age_s: reader.bounded(MAX_LIFETIME_S as usize, "age")? as u32,
            left_s: reader.bounded(MAX_LIFETIME_S as usize, "lifetime")? as u32,
        })
    }
}

impl Hello {
    fn encode(&self, out: &mut Vec<u8>) {
        debug_assert!(self.version > 0 && self.battery <= BATTERY_MAX);
        debug_assert!(self.marks.len() <= MAX_MARKS);
        out.put_u8(self.version);
        out.put_u8(self.accepts_foreign.into());
        out.put_varint(self.free_kib.min(VARINT_MAX));
        out.put_u8(self.battery);
        put_list(out, &self.marks);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: valid(reader.u8("version")?, "version", |v| v > 0)?,
            accepts_foreign: valid(reader.u8("foreign mail")?, "foreign mail", |v| v <= 1)? == 1,
            free_kib: reader.varint("free space")?,
            battery: valid(reader.u8("battery")?, "battery", |v| v <= BATTERY_MAX)?,
            marks: list(reader, MAX_MARKS, "marks")?.to_vec(),
        })
    }
}

/// How many heads one frame of `max_payload_bytes` is sure to hold.
pub(crate) fn heads_that_fit(max_payload_bytes: usize) -> usize {
    let kind_and_count = 1 + 2;
    (max_payload_bytes.saturating_sub(kind_and_count) / 8).min(MAX_HEADS)
}

/// How many of the waiting (held, proven) acknowledgements one [`Frame::Acks`] of
/// `max_payload_bytes` is sure to hold. The held come first: they are small, and each frees
/// space at the neighbour.
pub(crate) fn acks_that_fit(
    max_payload_bytes: usize,
    held: usize,
    proofs: usize,
) -> (usize, usize) {
    let kind_and_counts = 1 + 2 + 2;
    let room = max_payload_bytes.saturating_sub(kind_and_counts);
    let held = held.min(MAX_HELD_ACKS).min(room / 32);
    let proofs = proofs.min(MAX_PROVEN_ACKS).min((room - held * 32) / AckProof::LEN);
    (held, proofs)
}

fn envelope<'a>(reader: &mut Reader<'a>) -> Result<Frame<'a>, DecodeError> {
    let passage =
        Passage { age_s: reader.u32("envelope age")?, generation: reader.u8("generation")? };
    let total_bytes = reader.u32("envelope length")?;
    if total_bytes as usize > MAX_ENVELOPE_BYTES {
        return Err(DecodeError::TooLong { what: "envelope", max: MAX_ENVELOPE_BYTES });
    }
    let first = chunk(reader)?;
    if first.len() > total_bytes as usize {
        return Err(DecodeError::Invalid { what: "envelope length" });
    }
    Ok(Frame::Envelope { passage, total_bytes, first })
}

/// Some of an envelope, never nothing: each frame must bring it nearer to its end.
fn chunk<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let what = "envelope bytes";
    let bytes = reader.bytes(MAX_PAYLOAD_BYTES, what)?;
    if bytes.is_empty() { Err(DecodeError::Invalid { what }) } else { Ok(bytes) }
}

fn shelves(reader: &mut Reader<'_>) -> Result<Vec<Shelf>, DecodeError> {
    let count = reader.bounded(MAX_SHELVES, "shelves")?;
    let mut shelves = Vec::with_capacity(count);
    for _ in 0..count {
        shelves.push(Shelf {
            generation: reader.u8("generation")?,
            is_offered: valid(reader.u8("offer")?, "offer", |v| v <= 1)? == 1,
            numbers: Numbers::decode(reader)?,
        });
    }
    Ok(shelves)
}

fn fragment_acks<'a>(reader: &mut Reader<'_>) -> Result<Frame<'a>, DecodeError> {
    let what = "fragment acknowledgements";
    let body = BodyKey(reader.array("body")?);
    let count = reader.bounded(MAX_FRAGMENT_ACKS, what)?;
    let mut acks = Vec::with_capacity(count);
    for _ in 0..count {
        let number = reader.bounded(MAX_FRAGMENTS as usize, what)? as u32;
        acks.push((number, FragmentAck(reader.array(what)?)));
    }
    Ok(Frame::FragmentAcks { body, acks })
}

fn put_heads(out: &mut Vec<u8>, kind: u8, heads: &[u64]) {
    debug_assert!(heads.len() <= MAX_HEADS);
    out.put_u8(kind);
    out.put_varint(heads.len() as u64);
    for &id in heads {
        out.put_u64(id);
    }
}

fn heads(reader: &mut Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    let ids = list(reader, MAX_HEADS, "heads")?;
    Ok(ids.iter().copied().map(u64::from_be_bytes).collect())
}

fn put_list<const N: usize>(out: &mut Vec<u8>, items: &[[u8; N]]) {
    out.put_varint(items.len() as u64);
    out.put(items.as_flattened());
}

fn list<'a, const N: usize>(
    reader: &mut Reader<'a>,
    max: usize,
    what: &'static str,
) -> Result<&'a [[u8; N]], DecodeError> {
    let count = reader.bounded(max, what)?;
    let (items, _) = reader.take(count * N, what)?.as_chunks();
    Ok(items)
}

fn valid(byte: u8, what: &'static str, is_valid: fn(u8) -> bool) -> Result<u8, DecodeError> {
    if is_valid(byte) { Ok(byte) } else { Err(DecodeError::Invalid { what }) }
}

#[cfg(test)]
mod tests;
