//! Rateless invertible Bloom lookup tables (Yang, Gilad and Alizadeh, "Practical Rateless Set
//! Reconciliation", SIGCOMM 2024).
//!
//! A set has an endless sequence of coded symbols, each the exclusive or of the items mapped to
//! it; symbol `i` holds an item with probability `1 / (1 + i / 2)`. The exclusive or of two
//! sets' sequences is the sequence of their symmetric difference, whose `d` items peel out of
//! about the first `1.4 d` symbols.
//!
//! A symbol carries no count. Whose an item is follows from looking it up in one's own set:
//! what peels out is in exactly one of the two sets.

use crate::codec::{DecodeError, Reader, Writer};
use siphasher::sip::SipHasher13;
use std::collections::BTreeSet;
use std::ops::{BitXor, BitXorAssign, Range};

/// A coded symbol: the exclusive or of some short ids, and of their checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Symbol {
    sum: u64,
    check: u32,
}

impl Symbol {
    /// Three bytes of checksum do: an item alone in symbol `i` must also be one that maps there,
    /// which is worth another `log2(1 + i / 2)` bits.
    pub(super) const BYTES: usize = 8 + 3;

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.put_u64(self.sum);
        out.put(&self.check.to_be_bytes()[1..]);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let sum = reader.u64("symbol")?;
        let [a, b, c] = reader.array("symbol")?;
        Ok(Self { sum, check: u32::from_be_bytes([0, a, b, c]) })
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl BitXorAssign for Symbol {
    fn bitxor_assign(&mut self, other: Self) {
        self.sum ^= other.sum;
        self.check ^= other.check;
    }
}

impl BitXor for Symbol {
    type Output = Self;

    fn bitxor(mut self, other: Self) -> Self {
        self ^= other;
        self
    }
}

/// Maps short ids to coded symbols, keyed for one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coder(SipHasher13);

impl Coder {
    pub(super) fn new(hasher: SipHasher13) -> Self {
        Self(hasher)
    }

    /// The symbols of a set in the given range of its sequence.
    pub(super) fn symbols(
        &self,
        shorts: impl Iterator<Item = u64>,
        range: Range<usize>,
    ) -> Vec<Symbol> {
        let mut symbols = vec![Symbol::default(); range.len()];
        for short in shorts {
            self.toggle(short, range.start, &mut symbols);
        }
        symbols
    }

    /// Adds an item to, or takes it from, symbols whose first has the index `first`.
    fn toggle(&self, short: u64, first: usize, symbols: &mut [Symbol]) {
        let (symbol, indices) = self.item(short);
        for index in indices {
            let Some(place) = index.checked_sub(first) else { continue };
            let Some(target) = symbols.get_mut(place) else { break };
            *target ^= symbol;
        }
    }

    fn item(&self, short: u64) -> (Symbol, Indices) {
        let hash = self.0.hash(&short.to_le_bytes());
        (Symbol { sum: short, check: (hash >> 40) as u32 }, Indices { next: 0, state: hash })
    }

    /// The indices of the item that a symbol consists of, if its checksum says it is only one.
    fn single(&self, symbol: Symbol) -> Option<Indices> {
        let (alone, indices) = self.item(symbol.sum);
        (alone == symbol && !symbol.is_empty()).then_some(indices)
    }
}

/// The ascending indices of the symbols that hold an item.
#[derive(Debug, Clone)]
struct Indices {
    next: usize,
    state: u64,
}

impl Indices {
    fn contains(&self, index: usize) -> bool {
        self.clone().find(|&at| at >= index) == Some(index)
    }

    /// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

impl Iterator for Indices {
    type Item = usize;

    /// Inverts the distribution of the gap between two indices (section 4.2 of the paper). Only
    /// operations that IEEE 754 rounds exactly are used: all machines agree on the result.
    #[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "53 bits, positive")]
    fn next(&mut self) -> Option<usize> {
        let index = self.next;
        let uniform = ((self.random() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let gap = (index as f64 + 1.5) * (1.0 / uniform.sqrt() - 1.0);
        self.next = index.saturating_add((gap.ceil() as usize).max(1));
        Some(index)
    }
}

/// Recovers the symmetric difference from the other side's symbols.
#[derive(Debug)]
pub(super) struct Decoder {
    coder: Coder,
    symbols: Vec<Symbol>,
    /// How many symbols one's own items have been taken from.
    settled: usize,
    /// An id peels once: a symbol made up so that it comes back again and again stops here.
    peeled: BTreeSet<u64>,
}

impl Decoder {
    /// Where so few symbols are left over that pairs of them can be tried: at most 32,640 pairs.
    const MAX_PAIRED: usize = 256;
    /// How often they are, in one attempt to decode.
    const MAX_PAIRINGS: usize = 32;

    pub(super) fn new(coder: Coder) -> Self {
        Self { coder, symbols: Vec::new(), settled: 0, peeled: BTreeSet::new() }
    }

    /// How many symbols have come.
    pub(super) fn len(&self) -> usize {
        self.symbols.len()
    }

    /// The difference as far as it is known, in ascending order.
    pub(super) fn difference(&self) -> impl Iterator<Item = u64> {
        self.peeled.iter().copied()
    }

    pub(super) fn extend(&mut self, symbols: &[Symbol]) {
        self.symbols.extend_from_slice(symbols);
    }

    /// Takes one's own items from the symbols that came since the last attempt, and peels.
    /// True where nothing is left over: then the difference is complete.
    pub(super) fn decode(&mut self, own: impl Iterator<Item = u64>) -> bool {
        let (_, fresh) = self.symbols.split_at_mut(self.settled);
        for short in own.chain(self.peeled.iter().copied()) {
            self.coder.toggle(short, self.settled, fresh);
        }
        self.settled = self.symbols.len();
        let mut suspects: Vec<usize> = (0..self.symbols.len()).collect();
        self.peel(&mut suspects);
        for _ in 0..Self::MAX_PAIRINGS {
            if !self.peel_a_pair(&mut suspects) {
                break;
            }
            self.peel(&mut suspects);
        }
        self.symbols.iter().all(|symbol| symbol.is_empty())
    }

    fn peel(&mut self, suspects: &mut Vec<usize>) {
        while let Some(at) = suspects.pop() {
            let Some(&symbol) = self.symbols.get(at) else { continue };
            if let Some(indices) = self.coder.single(symbol)
                && indices.contains(at)
            {
                self.remove(symbol, indices, suspects);
            }
        }
    }

    /// Peeling alone is stuck while every symbol holds two items or more. Small differences gain
    /// from one step of Gaussian elimination: two symbols may differ by a single item.
    fn peel_a_pair(&mut self, suspects: &mut Vec<usize>) -> bool {
        let left: Vec<(usize, Symbol)> =
            self.symbols.iter().copied().enumerate().filter(|(_, s)| !s.is_empty()).collect();
        if left.len() > Self::MAX_PAIRED {
            return false;
        }
        for (n, &(a, first)) in left.iter().enumerate() {
            for &(b, second) in left.iter().skip(n + 1) {
                let symbol = first ^ second;
                if let Some(indices) = self.coder.single(symbol)
                    && indices.contains(a) != indices.contains(b)
                    && self.remove(symbol, indices, suspects)
                {
                    return true;
                }
            }
        }
        false
    }

    /// Takes an item from all symbols that hold it; false where it was taken before. No honest
    /// difference has more items than symbols that it peels from.
    fn remove(&mut self, item: Symbol, indices: Indices, suspects: &mut Vec<usize>) -> bool {
        if self.peeled.len() >= self.symbols.len() || !self.peeled.insert(item.sum) {
            return false;
        }
        for index in indices {
            let Some(symbol) = self.symbols.get_mut(index) else { break };
            *symbol ^= item;
            suspects.push(index);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coder() -> Coder {
        Coder::new(SipHasher13::new_with_keys(1, 2))
    }

    fn shorts(range: Range<u64>) -> impl Iterator<Item = u64> {
        range.map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[test]
    fn the_wire_stays_what_it_is() {
        let indices: Vec<usize> = coder().item(3).1.take(8).collect();
        assert_eq!(indices, [0, 1, 2, 3, 4, 5, 9, 25]);
        let mut bytes = Vec::new();
        for symbol in coder().symbols(shorts(1..100), 1..3) {
            symbol.encode(&mut bytes);
        }
        assert_eq!(
            data_encoding::HEXLOWER.encode(&bytes),
            "52353440f2d80ed93043b239fee763a28abc8fdb1fd1"
        );
    }

    #[test]
    fn symbols_of_two_ranges_are_those_of_the_whole() {
        let whole = coder().symbols(shorts(0..500), 0..90);
        let parts = [0..40, 40..90].map(|range| coder().symbols(shorts(0..500), range));
        assert_eq!(parts.concat(), whole);
    }

    #[test]
    fn a_difference_decodes_across_attempts() {
        let theirs = coder().symbols(shorts(50..1000), 0..200);
        let mut decoder = Decoder::new(coder());
        decoder.extend(&theirs[..40]);
        assert!(!decoder.decode(shorts(0..950)));
        decoder.extend(&theirs[40..]);
        assert!(decoder.decode(shorts(0..950)));
        let expected: BTreeSet<u64> = shorts(0..50).chain(shorts(950..1000)).collect();
        assert!(decoder.difference().eq(expected));
    }

    #[test]
    fn one_item_in_every_symbol_peels_once() {
        let mut decoder = Decoder::new(coder());
        decoder.extend(&[coder().item(9).0; 1000]);
        assert!(!decoder.decode(std::iter::empty()));
        assert!(decoder.difference().eq([9]));
    }
}
