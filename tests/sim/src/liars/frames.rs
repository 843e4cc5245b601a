//! The wire, as far as a liar needs it: docs/wire.md, sections 3 and 6.

use crate::air::Purpose;
use std::ops::Range;

pub(super) const HELLO: u8 = 0x01;
const SYNC: u8 = 0x03;
const ENVELOPE: u8 = 0x04;
const ENVELOPE_PART: u8 = 0x05;
const ACKS: u8 = 0x07;
const HOLDING: u8 = 0x0b;
const FETCH: u8 = 0x0c;
const LACK: u8 = 0x0d;
const FRAGMENT_ACKS: u8 = 0x0e;
const RELEASE: u8 = 0x0f;
const TAGGED_HOLDING: u8 = 0x1c;

const BODY_BYTES: usize = 24;
/// Where an envelope says how long it lives.
pub(super) const LIFETIME: Range<usize> = 7..11;

/// What a frame is for.
pub(super) fn purpose_of(frame: &[u8]) -> Purpose {
    match frame.first() {
        Some(&(ENVELOPE | ENVELOPE_PART)) => Purpose::Envelope,
        Some(&(ACKS | FRAGMENT_ACKS | RELEASE)) => Purpose::Ack,
        Some(&(SYNC | HOLDING | TAGGED_HOLDING | FETCH | LACK)) => Purpose::Sync,
        _ => Purpose::Other,
    }
}

/// An envelope's beginning, or the whole of it.
pub(super) struct EnvelopeFrame<'a> {
    pub(super) age_s: u32,
    pub(super) generation: u8,
    pub(super) total_bytes: u32,
    pub(super) first: &'a [u8],
}

impl<'a> EnvelopeFrame<'a> {
    pub(super) fn whole(age_s: u32, generation: u8, envelope: &'a [u8]) -> Self {
        Self { age_s, generation, total_bytes: envelope.len() as u32, first: envelope }
    }

    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let (age_s, rest) = frame.strip_prefix(&[ENVELOPE])?.split_first_chunk()?;
        let (&generation, rest) = rest.split_first()?;
        let (total_bytes, rest) = rest.split_first_chunk()?;
        let (_, first) = varint(rest)?;
        let [age_s, total_bytes] = [age_s, total_bytes].map(|bytes| u32::from_be_bytes(*bytes));
        Some(Self { age_s, generation, total_bytes, first })
    }

    pub(super) fn is_whole(&self) -> bool {
        self.first.len() == self.total_bytes as usize
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![ENVELOPE];
        out.extend(self.age_s.to_be_bytes());
        out.push(self.generation);
        out.extend(self.total_bytes.to_be_bytes());
        put_varint(&mut out, self.first.len() as u64);
        out.extend(self.first);
        out
    }
}

/// What somebody says to have of a body.
pub(super) struct HoldingFrame<'a> {
    /// Kind, body, tag and priority.
    head: &'a [u8],
    needed: u64,
    fragment_bytes: u64,
    pub(super) age_s: u64,
    pub(super) left_s: u64,
    /// Generation, and all else about a shelf.
    pub(super) shelves: Vec<(u8, &'a [u8])>,
}

impl<'a> HoldingFrame<'a> {
    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let tag_bytes = match *frame.first()? {
            HOLDING => 0,
            TAGGED_HOLDING => 4,
            _ => return None,
        };
        let (head, rest) = frame.split_at_checked(1 + BODY_BYTES + tag_bytes + 1)?;
        let (needed, rest) = varint(rest)?;
        let (fragment_bytes, rest) = varint(rest)?;
        let (age_s, rest) = varint(rest)?;
        let (left_s, rest) = varint(rest)?;
        let (count, mut rest) = varint(rest)?;
        let mut shelves = Vec::new();
        for _ in 0..count {
            let (&generation, shelf) = rest.split_first()?;
            // Whether it is offered, the first number, a form.
            let (_, numbers) = varint(shelf.get(1..)?)?;
            let (len, numbers) = varint(numbers.get(1..)?)?;
            rest = numbers.get(len as usize..)?;
            shelves.push((generation, shelf.get(..shelf.len() - rest.len())?));
        }
        Some(Self { head, needed, fragment_bytes, age_s, left_s, shelves })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.head.to_vec();
        let shelves = self.shelves.len() as u64;
        for value in [self.needed, self.fragment_bytes, self.age_s, self.left_s, shelves] {
            put_varint(&mut out, value);
        }
        for (generation, rest) in &self.shelves {
            out.push(*generation);
            out.extend(*rest);
        }
        out
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.head.get(1..=BODY_BYTES).unwrap_or_default()
    }
}

/// Acknowledgements of held envelopes, and proofs of others.
pub(super) fn acks(held: &[[u8; 32]], proofs: &[[u8; 176]]) -> Vec<u8> {
    let mut out = vec![ACKS];
    put_varint(&mut out, held.len() as u64);
    out.extend(held.iter().flatten());
    put_varint(&mut out, proofs.len() as u64);
    out.extend(proofs.iter().flatten());
    out
}

/// The acknowledgements in a frame of held ones.
pub(super) fn held_acks(frame: &[u8]) -> Option<&[[u8; 32]]> {
    let (count, rest) = varint(frame.strip_prefix(&[ACKS])?)?;
    Some(rest.get(..count as usize * 32)?.as_chunks().0)
}

/// Acknowledgements of a body's fragments.
pub(super) fn fragment_acks(body: &[u8], acks: &[(u32, [u8; 16])]) -> Vec<u8> {
    let mut out = vec![FRAGMENT_ACKS];
    out.extend(body);
    put_varint(&mut out, acks.len() as u64);
    for (number, ack) in acks {
        put_varint(&mut out, (*number).into());
        out.extend(ack);
    }
    out
}

/// The end of a body.
pub(super) fn release(parts: [&[u8]; 4]) -> Vec<u8> {
    [&[RELEASE][..], &parts.concat()].concat()
}

/// A variable-length integer (RFC 9000, section 16), and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, _) = bytes.split_first()?;
    let (own, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    let value = own.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((value & (u64::MAX >> 2 >> (64 - 8 * own.len())), rest))
}

fn put_varint(out: &mut Vec<u8>, value: u64) {
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend((value as u16 | 0x4000).to_be_bytes()),
        _ => out.extend((value as u32 | 0x8000_0000).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_and_written_alike() {
        let envelope = [7; 300];
        let frame = EnvelopeFrame::whole(9, 3, &envelope).encode();
        let read = EnvelopeFrame::parse(&frame).unwrap();
        assert_eq!((read.age_s, read.generation, read.first), (9, 3, &envelope[..]));
        assert!(read.is_whole() && read.encode() == frame);
        // The vector of `core/src/link/frame/tests.rs`: two shelves.
        let mut holding = vec![HOLDING];
        holding.extend([5; BODY_BYTES]);
        holding.extend([1, 12, 0x60, 0, 0x44, 0xb0, 0x70, 0x80, 2]);
        holding.extend([0, 1, 0, 0, 1, 0b101, 4, 0, 3, 1, 2, 6, 0]);
        let read = HoldingFrame::parse(&holding).unwrap();
        assert_eq!((read.needed, read.fragment_bytes), (12, 0x2000));
        assert_eq!((read.age_s, read.left_s, read.body()), (1200, 12_416, &[5; BODY_BYTES][..]));
        assert_eq!(
            read.shelves.iter().map(|(generation, _)| *generation).collect::<Vec<_>>(),
            [0, 4]
        );
        assert_eq!(read.encode(), holding);
        let said = acks(&[[1; 32], [2; 32]], &[]);
        assert_eq!(held_acks(&said), Some(&[[1; 32], [2; 32]][..]));
    }

    #[test]
    fn integers_of_all_lengths_survive() {
        for value in [0, 63, 64, 16_383, 16_384, (1 << 30) - 1] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(varint(&bytes), Some((value, &[][..])));
        }
    }
}
