//! Sets of fragment numbers: what of a body somebody holds, wants or lacks.

use crate::codec::{DecodeError, Reader, Writer};
use crate::envelope::MAX_FRAGMENTS;
use sha2::{Digest, Sha256};

const WHAT: &str = "fragment numbers";
/// The two encodings: bits, or runs where those are shorter.
const BITS: u8 = 0;
const RUNS: u8 = 1;

/// A set of numbers below [`MAX_FRAGMENTS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    words: Vec<u64>,
    len: usize,
}

impl Numbers {
    /// Says whether it is new; what is out of range never is.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        if number >= MAX_FRAGMENTS || self.contains(number) {
            return false;
        }
        let (word, bit) = place(number);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
        self.len += 1;
        true
    }

    pub(crate) fn remove(&mut self, number: u32) {
        if self.contains(number) {
            let (word, bit) = place(number);
            if let Some(word) = self.words.get_mut(word) {
                *word &= !bit;
            }
            self.len -= 1;
        }
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the set takes in memory, in bits.
    pub(crate) fn span(&self) -> u32 {
        self.words.len() as u32 * 64
    }

    /// In ascending order, but beginning anywhere: with the `turn`th, counted around.
    pub(crate) fn from_turn(&self, turn: u32) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.iter().collect();
        let at = (turn as usize).checked_rem(numbers.len()).unwrap_or_default();
        numbers.rotate_left(at);
        numbers
    }

    /// In ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..)
            .zip(&self.words)
            .flat_map(|(at, word): (u32, _)| bits(*word).map(move |bit| at * 64 + bit))
    }

    /// What names this very set of a body's fragments in a reconciliation.
    pub(crate) fn digest(&self, body: &[u8]) -> [u8; 32] {
        let used = self.words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        let mut hash = Sha256::new().chain_update(b"footpost/1 holdings").chain_update(body);
        for word in self.words.iter().take(used) {
            hash.update(word.to_le_bytes());
        }
        hash.finalize().into()
    }

    /// The same in sets that encode to at most `max_bytes`, 16 or more, each.
    pub(crate) fn split(&self, max_bytes: usize) -> Vec<Self> {
        let a_piece = (max_bytes.saturating_sub(8) * 8).max(64) as u32;
        let mut pieces: Vec<(u32, Self)> = Vec::new();
        for number in self.iter() {
            match pieces.last_mut() {
                Some((first, piece)) if number - *first < a_piece => drop(piece.insert(number)),
                _ => pieces.push((number, [number].into_iter().collect())),
            }
        }
        pieces.into_iter().map(|(_, piece)| piece).collect()
    }

    /// The first number, then bits or runs from there on.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let first = self.iter().next().unwrap_or_default();
        out.put_varint(first.into());
        let (bits, runs) = (self.bits_from(first), self.runs_from(first));
        if runs.len() < bits.len() {
            out.put_u8(RUNS);
            out.put_bytes(&runs);
        } else {
            out.put_u8(BITS);
            out.put_bytes(&bits);
        }
    }

    /// What [`Numbers::encode`] will write.
    pub(crate) fn encoded_bytes(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = reader.bounded(MAX_FRAGMENTS as usize - 1, WHAT)? as u32;
        let form = reader.u8(WHAT)?;
        let bytes = reader.bytes(MAX_FRAGMENTS as usize / 8, WHAT)?;
        let mut set = Self::default();
        let mut add = |number: u32| {
            let is_good = set.insert(number);
            if is_good { Ok(()) } else { Err(DecodeError::Invalid { what: WHAT }) }
        };
        match form {
            BITS => {
                for (at, byte) in (0..).zip(bytes) {
                    for bit in bits((*byte).into()) {
                        add(first + at * 8 + bit)?;
                    }
                }
            }
            RUNS => {
                let mut runs = Reader::new(bytes);
                let mut next = first;
                while !runs.is_empty() {
                    let run = runs.bounded(MAX_FRAGMENTS as usize, WHAT)? as u32;
                    let gap = runs.bounded(MAX_FRAGMENTS as usize, WHAT)? as u32;
                    for number in next..next.saturating_add(run) {
                        add(number)?;
                    }
                    next = next.saturating_add(run).saturating_add(gap);
                }
            }
            _ => return Err(DecodeError::Invalid { what: WHAT }),
        }
        Ok(set)
    }

    fn bits_from(&self, first: u32) -> Vec<u8> {
        let mut out = Vec::new();
        for number in self.iter() {
            let at = number - first;
            out.resize(at as usize / 8 + 1, 0);
            if let Some(byte) = out.get_mut(at as usize / 8) {
                *byte |= 1 << (at % 8);
            }
        }
        out
    }

    /// Pairs of lengths: so many in the set, so many not.
    fn runs_from(&self, first: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let (mut start, mut end) = (first, first);
        for number in self.iter() {
            if number > end {
                out.put_varint((end - start).into());
                out.put_varint((number - end).into());
                start = number;
            }
            end = number + 1;
        }
        if end > start {
            out.put_varint((end - start).into());
            out.put_varint(0);
        }
        out
    }
}

impl FromIterator<u32> for Numbers {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::default();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

fn place(number: u32) -> (usize, u64) {
    (number as usize / 64, 1 << (number % 64))
}

fn bits(word: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |bit| word >> bit & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn decoded(set: &Numbers) -> (Numbers, usize) {
        let mut bytes = Vec::new();
        set.encode(&mut bytes);
        let mut reader = Reader::new(&bytes);
        let back = Numbers::decode(&mut reader).unwrap();
        assert!(reader.is_empty());
        (back, bytes.len())
    }

    proptest! {
        #[test]
        fn sets_survive_the_wire(numbers: BTreeSet<u16>, cut in 16..300_usize) {
            let set: Numbers = numbers.iter().map(|n| u32::from(*n)).collect();
            prop_assert_eq!(set.len, numbers.len());
            let (back, _) = decoded(&set);
            prop_assert_eq!(back.iter().collect::<Vec<_>>(), set.iter().collect::<Vec<_>>());
            let pieces = set.split(cut);
            prop_assert!(pieces.iter().all(|piece| decoded(piece).1 <= cut));
            prop_assert!(pieces.iter().flat_map(Numbers::iter).eq(set.iter()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Numbers::decode(&mut Reader::new(&bytes));
        }
    }

    #[test]
    fn whole_bodies_are_a_few_bytes() {
        let set: Numbers = (0..12_800).collect();
        assert_eq!(decoded(&set).1, 6);
        let half: Numbers = (0..96).filter(|n| n * n % 7 < 3).collect();
        assert_eq!(decoded(&half).1, 15);
    }

    #[test]
    fn a_set_is_named_by_what_is_in_it() {
        let mut set: Numbers = [1, 500].into_iter().collect();
        set.remove(500);
        assert_eq!(set, {
            let mut one: Numbers = [1].into_iter().collect();
            one.words.resize(8, 0);
            one
        });
        assert_eq!(set.digest(b"a"), [1].into_iter().collect::<Numbers>().digest(b"a"));
        assert_ne!(set.digest(b"a"), set.digest(b"b"));
    }
}
