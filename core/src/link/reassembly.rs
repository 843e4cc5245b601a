//! Envelopes larger than a frame: cut into frames on one side, put together on the other.

use super::Violation;
use super::frame::{Frame, Passage};
use crate::codec::DecodeError;
use crate::envelope::MAX_ENVELOPE_BYTES;

/// The frame that carries `envelope` on from `offset`, and the offset after it. `None` once the
/// whole has gone out.
///
/// Nothing is kept between calls: the caller remembers the offset, and the database the bytes.
pub(crate) fn frame_at(
    envelope: &[u8],
    passage: Passage,
    offset: usize,
    max_payload_bytes: usize,
) -> Option<(Frame<'_>, usize)> {
    let rest = envelope.get(offset..).filter(|rest| !rest.is_empty())?;
    let length_bytes = if max_payload_bytes < 1 << 14 { 2 } else { 4 };
    let passage_and_total = if offset == 0 { 4 + 1 + 4 } else { 0 };
    let room = max_payload_bytes.checked_sub(1 + passage_and_total + length_bytes)?;
    let (bytes, _) = rest.split_at(rest.len().min(room));
    if bytes.is_empty() {
        return None;
    }
    let frame = if offset == 0 {
        Frame::Envelope { passage, total_bytes: envelope.len() as u32, first: bytes }
    } else {
        Frame::EnvelopePart { bytes }
    };
    Some((frame, offset + bytes.len()))
}

/// The one envelope that is arriving on a link: its memory is bounded by
/// [`MAX_ENVELOPE_BYTES`], whatever the neighbour does.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    arriving: Option<Arriving>,
}

#[derive(Debug)]
struct Arriving {
    passage: Passage,
    total_bytes: usize,
    bytes: Vec<u8>,
}

impl Reassembly {
    /// Takes the fields of a [`Frame::Envelope`]; gives (passage, envelope) if that was
    /// all of it.
    pub(crate) fn begin(
        &mut self,
        passage: Passage,
        total_bytes: u32,
        first: &[u8],
    ) -> Result<Option<(Passage, Vec<u8>)>, Violation> {
        if self.arriving.is_some() {
            return Err(Violation::Unexpected("envelope within an envelope"));
        }
        let total_bytes = total_bytes as usize;
        if total_bytes > MAX_ENVELOPE_BYTES {
            return Err(too_long(MAX_ENVELOPE_BYTES));
        }
        self.grow(Arriving { passage, total_bytes, bytes: Vec::with_capacity(total_bytes) }, first)
    }

    /// Takes the bytes of a [`Frame::EnvelopePart`]; gives (passage, envelope) if that
    /// was the last.
    pub(crate) fn extend(&mut self, part: &[u8]) -> Result<Option<(Passage, Vec<u8>)>, Violation> {
        let arriving = self.arriving.take().ok_or(Violation::Unexpected("envelope part"))?;
        self.grow(arriving, part)
    }

    fn grow(
        &mut self,
        mut arriving: Arriving,
        more: &[u8],
    ) -> Result<Option<(Passage, Vec<u8>)>, Violation> {
        let len = arriving.bytes.len() + more.len();
        if len > arriving.total_bytes {
            return Err(too_long(arriving.total_bytes));
        }
        arriving.bytes.extend_from_slice(more);
        if len == arriving.total_bytes {
            return Ok(Some((arriving.passage, arriving.bytes)));
        }
        self.arriving = Some(arriving);
        Ok(None)
    }
}

fn too_long(max: usize) -> Violation {
    DecodeError::TooLong { what: "envelope", max }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn aged(age_s: u32) -> Passage {
        Passage { age_s, generation: age_s as u8 }
    }

    /// Cuts, encodes, decodes and reassembles; other frames may come between, so the parts are
    /// fed one at a time.
    fn carry(
        envelope: &[u8],
        passage: Passage,
        max_payload_bytes: usize,
    ) -> Option<(Passage, Vec<u8>)> {
        let mut reassembly = Reassembly::default();
        let mut offset = 0;
        while let Some((frame, next)) = frame_at(envelope, passage, offset, max_payload_bytes) {
            assert!(next > offset);
            offset = next;
            let mut payload = Vec::new();
            frame.encode(&mut payload);
            assert!(payload.len() <= max_payload_bytes);
            let whole = match Frame::decode(&payload).unwrap() {
                Frame::Envelope { passage, total_bytes, first } => {
                    reassembly.begin(passage, total_bytes, first)
                }
                Frame::EnvelopePart { bytes } => reassembly.extend(bytes),
                other => panic!("not part of an envelope: {other:?}"),
            };
            if let Some(whole) = whole.unwrap() {
                assert_eq!(offset, envelope.len());
                return Some(whole);
            }
        }
        None
    }

    proptest! {
        #[test]
        fn what_was_cut_comes_together_again(
            len in 1..=MAX_ENVELOPE_BYTES,
            fill: u8,
            age_s: u32,
            max_payload_bytes in 240..=65_519_usize,
        ) {
            let envelope: Vec<u8> = (0..len).map(|i| (i / 7) as u8 ^ fill).collect();
            prop_assert_eq!(carry(&envelope, aged(age_s), max_payload_bytes), Some((aged(age_s), envelope)));
        }
    }

    #[test]
    fn sizes_at_the_edges() {
        for max_payload_bytes in [13, 14, 74, 75, 76, 16_383, 16_384, 16_385, 65_519] {
            for len in [1, 62, 63, 64, 65, 16_376, 16_383, 16_384, 65_506, 65_507, 65_536] {
                let envelope = vec![5; len];
                assert_eq!(carry(&envelope, aged(9), max_payload_bytes), Some((aged(9), envelope)));
            }
        }
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(frame_at(b"", aged(0), 0, 240), None);
        assert_eq!(frame_at(b"abc", aged(0), 3, 240), None);
        assert_eq!(frame_at(b"abc", aged(0), 4, 240), None);
        assert_eq!(frame_at(b"abc", aged(0), 0, 12), None, "no room for a byte");
        assert_eq!(frame_at(b"abc", aged(0), 0, 0), None);
    }

    #[test]
    fn parts_keep_to_their_envelope() {
        let mut reassembly = Reassembly::default();
        let unexpected = Err(Violation::Unexpected("envelope part"));
        assert_eq!(reassembly.extend(b"x"), unexpected);
        assert_eq!(reassembly.begin(aged(1), 3, b"ab"), Ok(None));
        assert_eq!(
            reassembly.begin(aged(1), 3, b"ab"),
            Err(Violation::Unexpected("envelope within an envelope"))
        );
        assert_eq!(reassembly.extend(b"c"), Ok(Some((aged(1), b"abc".to_vec()))));
        assert_eq!(reassembly.extend(b"d"), unexpected);
        assert_eq!(reassembly.begin(aged(1), 3, b"ab"), Ok(None));
        assert_eq!(reassembly.extend(b"cd"), Err(too_long(3)));
        assert_eq!(reassembly.begin(aged(0), 2, b"abc"), Err(too_long(2)));
        assert_eq!(reassembly.begin(aged(0), 65_537, b"a"), Err(too_long(MAX_ENVELOPE_BYTES)));
    }
}
