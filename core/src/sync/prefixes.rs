//! Sorted lists of short-id prefixes, Golomb-Rice coded.
//!
//! The prefixes of keyed hashes are uniform, so the gaps between them, once sorted, are
//! geometric, and a Rice code (Rice and Plaunt, 1971) comes within a few hundredths of a bit of
//! their entropy: `n` prefixes of `w` bits take about `w - log2(n) + 1.5` bits each.

use crate::codec::{DecodeError, Reader, Writer};

const WHAT: &str = "prefix list";

/// Strictly ascending prefixes, each the top `width` bits of a short id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefixes {
    width: u8,
    values: Vec<u64>,
}

impl Prefixes {
    /// The longest prefix there is: beyond it bits are spent on collisions that never happen.
    pub(super) const MAX_WIDTH: u8 = 48;

    /// The prefixes of `shorts`, which must be sorted. Equal prefixes fall together.
    pub(super) fn of(shorts: impl Iterator<Item = u64>, width: u8) -> Self {
        debug_assert!((1..=Self::MAX_WIDTH).contains(&width));
        let mut values: Vec<u64> = shorts.map(|short| short >> (64 - width)).collect();
        values.dedup();
        Self { width, values }
    }

    pub(super) fn width(&self) -> u8 {
        self.width
    }

    pub(super) fn values(&self) -> &[u64] {
        &self.values
    }

    /// The list in pieces that each encode into at most `max_bytes`.
    pub(super) fn split(self, max_bytes: usize) -> impl ExactSizeIterator<Item = Self> {
        let Self { width, values } = self;
        // An empty list is still one piece: it says that there is nothing.
        let pieces: Vec<_> = if values.is_empty() {
            vec![Self { width, values }]
        } else {
            let most = (max_bytes.saturating_sub(HEADER_BYTES) * 8 / most_bits(width)).max(1);
            values.chunks(most).map(|piece| Self { width, values: piece.to_vec() }).collect()
        };
        pieces.into_iter()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.width);
        out.put_varint(self.values.len() as u64);
        let low_bits = remainder_bits(self.width, self.values.len());
        let mut bits = BitWriter { out, used: 8 };
        let mut floor = 0;
        for &value in &self.values {
            let gap = value - floor;
            for _ in 0..gap >> low_bits {
                bits.put(true);
            }
            bits.put(false);
            for bit in (0..low_bits).rev() {
                bits.put(gap >> bit & 1 == 1);
            }
            floor = value + 1;
        }
    }

    /// Reads a list to the end of the input.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let invalid = DecodeError::Invalid { what: WHAT };
        let width = reader.u8(WHAT)?;
        if !(1..=Self::MAX_WIDTH).contains(&width) {
            return Err(invalid);
        }
        let count = reader.varint(WHAT)?;
        let bytes = reader.rest();
        // Every prefix takes at least one bit.
        let max = bytes.len() * 8;
        let count = usize::try_from(count).ok().filter(|&count| count <= max);
        let count = count.ok_or(DecodeError::TooLong { what: WHAT, max })?;
        let low_bits = remainder_bits(width, count);
        let mut bits = BitReader { bytes, at: 0 };
        let mut values = Vec::with_capacity(count);
        let mut floor = 0;
        for _ in 0..count {
            let mut gap = 0;
            while bits.take()? {
                gap += 1;
                // A gap beyond the width would wrap, and one list have two encodings.
                if gap >> (u32::from(width) - low_bits) != 0 {
                    return Err(invalid);
                }
            }
            for _ in 0..low_bits {
                gap = gap << 1 | u64::from(bits.take()?);
            }
            let value = floor + gap;
            if value >> width != 0 {
                return Err(invalid);
            }
            values.push(value);
            floor = value + 1;
        }
        bits.finish()?;
        Ok(Self { width, values })
    }
}

/// About how many bytes a list of `count` prefixes takes.
pub(super) fn encoded_bytes(width: u8, count: usize) -> usize {
    HEADER_BYTES + count.saturating_mul(remainder_bits(width, count) as usize + 2) / 8
}

/// Width and count.
const HEADER_BYTES: usize = 1 + 4;

/// The unary parts of a list add up to at most two bits a prefix, and their stop bits to one.
fn most_bits(width: u8) -> usize {
    usize::from(width) + 3
}

/// Both sides derive the Rice parameter from what the list states: the mean gap, rounded down
/// to a power of two.
fn remainder_bits(width: u8, count: usize) -> u32 {
    u32::from(width).saturating_sub(usize::BITS - count.leading_zeros())
}

struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Bits used of the last byte; eight where a new one must be begun.
    used: u8,
}

impl BitWriter<'_> {
    fn put(&mut self, bit: bool) {
        if self.used == 8 {
            self.out.push(0);
            self.used = 0;
        }
        if let Some(last) = self.out.last_mut() {
            *last |= u8::from(bit) << (7 - self.used);
        }
        self.used += 1;
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    fn take(&mut self) -> Result<bool, DecodeError> {
        let byte = self.bytes.get(self.at / 8).ok_or(DecodeError::Truncated { what: WHAT })?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// One list has one encoding: the last byte is padded with zeros, and nothing follows.
    fn finish(mut self) -> Result<(), DecodeError> {
        while !self.at.is_multiple_of(8) {
            if self.take()? {
                return Err(DecodeError::Invalid { what: WHAT });
            }
        }
        if self.at / 8 == self.bytes.len() {
            Ok(())
        } else {
            Err(DecodeError::Trailing { what: WHAT })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::btree_set, prelude::*};

    fn encoded(list: &Prefixes) -> Vec<u8> {
        let mut bytes = Vec::new();
        list.encode(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn lists_round_trip_whole_and_in_pieces(
            shorts in btree_set(any::<u64>(), 0..500),
            width in 1..=Prefixes::MAX_WIDTH,
            max_bytes in 64..600usize,
        ) {
            let list = Prefixes::of(shorts.iter().copied(), width);
            let mut joined = Vec::new();
            for piece in list.clone().split(max_bytes) {
                let bytes = encoded(&piece);
                prop_assert!(bytes.len() <= max_bytes);
                prop_assert_eq!(&Prefixes::decode(&mut Reader::new(&bytes)).unwrap(), &piece);
                joined.extend_from_slice(piece.values());
            }
            prop_assert_eq!(joined, list.values());
        }

        #[test]
        fn whatever_decodes_has_this_one_encoding(bytes: Vec<u8>, width in 0..50u8) {
            let bytes = [&[width][..], &bytes].concat();
            if let Ok(list) = Prefixes::decode(&mut Reader::new(&bytes)) {
                prop_assert!(list.values().is_sorted_by(|a, b| a < b));
                prop_assert_eq!(encoded(&list), bytes);
            }
        }
    }

    #[test]
    fn a_count_beyond_the_input_is_refused_before_allocation() {
        let mut bytes = vec![24];
        bytes.put_varint(1 << 40);
        bytes.put_u32(0);
        let result = Prefixes::decode(&mut Reader::new(&bytes));
        assert_eq!(result, Err(DecodeError::TooLong { what: WHAT, max: 32 }));
    }
}
