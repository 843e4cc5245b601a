//! How much two sets differ, estimated from a few bytes.
//!
//! A count sketch (Charikar, Chen and Farach-Colton, 2002) as the fast form of the tug-of-war
//! estimator (Alon, Matias and Szegedy, 1996): every item adds +1 or -1 to one counter. What
//! both sets hold cancels in the difference of two sketches, and the squares of what is left
//! sum up to the size of the symmetric difference, with a relative standard error of
//! `sqrt(2 / COUNTERS)`.

use crate::codec::{DecodeError, Reader, Writer};

/// Few bits and many counters: an item touches one counter only, so that the difference in a
/// counter stays small, and the error falls with the number of counters.
const COUNTERS: usize = 120;
const COUNTER_BITS: u32 = 4;
const MODULUS: u8 = 1 << COUNTER_BITS;

/// What the initiator tells of its set: 60 bytes and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch {
    pub(super) len: usize,
    counters: [u8; COUNTERS],
}

impl Sketch {
    pub(super) fn new(shorts: impl ExactSizeIterator<Item = u64>) -> Self {
        let len = shorts.len();
        let mut counters = [0u8; COUNTERS];
        for short in shorts {
            // The upper bits choose the counter, the lowest the sign.
            let counter = (u128::from(short) * COUNTERS as u128) >> 64;
            let counter = &mut counters[counter as usize];
            *counter = counter.wrapping_add(if short & 1 == 0 { 1 } else { u8::MAX });
        }
        Self { len, counters: counters.map(|counter| counter % MODULUS) }
    }

    /// About how many items are in one of the two sets only.
    pub(super) fn difference(&self, other: &Self) -> usize {
        let gaps = || {
            std::iter::zip(self.counters, other.counters).map(|(a, b)| {
                let gap = a.wrapping_sub(b) % MODULUS;
                usize::from(gap.min(MODULUS - gap))
            })
        };
        let squares: usize = gaps().map(|gap| gap * gap).sum();
        if squares > COUNTERS / 4 {
            return unwrapped(squares);
        }
        // While few items meet in a counter, magnitudes err less than squares, which take two of
        // a sign for four; both take two of opposite signs for none.
        let sum: usize = gaps().sum();
        sum + sum * sum / (2 * COUNTERS)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + COUNTERS / 2);
        out.put_varint(self.len as u64);
        out.extend(self.counters.chunks_exact(2).map(|pair| pair[0] << COUNTER_BITS | pair[1]));
        out
    }

    /// A sketch of at most `max_len` items.
    pub(super) fn decode(bytes: &[u8], max_len: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let len = reader.bounded(max_len, "sketched set")?;
        let packed: [u8; COUNTERS / 2] = reader.array("sketch")?;
        reader.finish("sketch")?;
        let mut counters = [0; COUNTERS];
        for (pair, byte) in std::iter::zip(counters.chunks_exact_mut(2), packed) {
            pair.copy_from_slice(&[byte >> COUNTER_BITS, byte % MODULUS]);
        }
        Ok(Self { len, counters })
    }
}

/// What the squares would sum up to in counters that never wrap. Beyond some 1,500 differences
/// wrapping hides a growing part, and blurs the rest: the correction, fitted to the wrapped
/// normal distribution, errs upwards there. It ends at five times what full wrapping shows.
fn unwrapped(squares: usize) -> usize {
    /// The mean square of a uniform residue, in quarters to stay whole.
    const WRAPPED: u64 = COUNTERS as u64 * 86 / 4;
    let squares = (squares as u64).min(WRAPPED);
    let full = 5 * WRAPPED.pow(4);
    (squares * full / (full - 4 * squares.pow(4))) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    #[test]
    fn the_estimate_is_right_on_average() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (difference, percent) in [(1, 0), (10, 5), (100, 5), (1000, 5)] {
            let runs = 200;
            let mut sum = 0;
            for _ in 0..runs {
                let shorts: Vec<u64> = (0..500 + difference).map(|_| rng.next_u64()).collect();
                // 500 items in common; the ends are on one side only.
                let ours = Sketch::new(shorts[..500 + difference / 3].iter().copied());
                let theirs = Sketch::new(shorts[difference / 3..].iter().copied());
                sum += ours.difference(&theirs);
            }
            let expected = runs * difference;
            let error = sum.abs_diff(expected);
            assert!(error * 100 <= expected * percent, "{sum} rather than {expected}");
        }
    }

    #[test]
    fn a_sketch_is_62_bytes_and_round_trips() {
        let sketch =
            Sketch::new((0..10_000u32).map(|n| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let bytes = sketch.encode();
        assert_eq!(bytes.len(), 62);
        assert_eq!(Sketch::decode(&bytes, 10_000), Ok(sketch));
        assert!(Sketch::decode(&bytes, 9_999).is_err());
        assert!(Sketch::decode(&bytes[..61], 10_000).is_err());
    }
}
