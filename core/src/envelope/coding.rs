//! RaptorQ (RFC 6330): of a block's symbols, any that are as many as the block has suffice, or one or
//! two more.

use super::fragment::{MAX_FRAGMENTS, MAX_SYMBOL_BYTES, OVERHEAD_BYTES};
use raptorq::{
    EncodingPacket, ObjectTransmissionInformation, PayloadId, SourceBlockDecoder,
    SourceBlockEncoder,
};
use std::ops::Range;

/// The longest source block, in bytes: what en- and decoding hold in memory is a small multiple.
const MAX_BLOCK_BYTES: u64 = 4 * 1024 * 1024;

/// With as many repair symbols, and what rounding adds, all numbers are below [`MAX_FRAGMENTS`].
const MAX_SYMBOLS: u32 = MAX_FRAGMENTS / 2 - 1024;
/// Small blocks have room for some repair symbols more.
const MIN_STRIDE: u32 = 16;

/// How a body is cut: into blocks that differ by one symbol at most (RFC 6330, section 4.4.1.2), each
/// of symbols of one size. Numbers run through a block's symbols, repair symbols included, before
/// they come to the next block's: so what one postmark paid for is a run, named in few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    size_bytes: u64,
    symbol_bytes: u16,
    symbols: u32,
    blocks: u32,
    /// How many numbers each block has.
    stride: u32,
}

impl Layout {
    /// `None` where there is no body, or where it has too many fragments.
    pub(crate) fn new(size_bytes: u64, symbol_bytes: u16) -> Option<Self> {
        let is_possible = (1..=MAX_SYMBOL_BYTES).contains(&usize::from(symbol_bytes));
        if !is_possible || size_bytes == 0 {
            return None;
        }
        let symbols = size_bytes.div_ceil(symbol_bytes.into());
        let symbols = u32::try_from(symbols).ok().filter(|count| *count <= MAX_SYMBOLS)?;
        let a_block = (MAX_BLOCK_BYTES / u64::from(symbol_bytes)) as u32;
        let blocks = symbols.div_ceil(a_block);
        // Room for as many repair symbols.
        let stride = (2 * symbols.div_ceil(blocks)).max(MIN_STRIDE);
        Some(Self { size_bytes, symbol_bytes, symbols, blocks, stride })
    }

    /// The longest body at this symbol size, in bytes.
    pub(crate) fn max_bytes(symbol_bytes: u16) -> u64 {
        u64::from(MAX_SYMBOLS) * u64::from(symbol_bytes)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The length of a fragment's envelope.
    pub(crate) fn fragment_bytes(&self) -> u64 {
        u64::from(self.symbol_bytes) + OVERHEAD_BYTES as u64
    }

    /// How many fragments carry the body when none is lost.
    pub(crate) fn needed(&self) -> u32 {
        self.symbols
    }

    pub(crate) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Block and symbol of a fragment.
    pub(crate) fn place(&self, number: u32) -> (u32, u32) {
        (number / self.stride, number % self.stride)
    }

    /// The fragment in that place.
    pub(crate) fn number(&self, block: u32, symbol: u32) -> u32 {
        block * self.stride + symbol
    }

    /// How many symbols a block has before any repair.
    pub(crate) fn symbols(&self, block: u32) -> u32 {
        self.symbols / self.blocks + u32::from(block < self.symbols % self.blocks)
    }

    /// Where a block begins, and how long it is, in bytes.
    pub(crate) fn span(&self, block: u32) -> (u64, usize) {
        let larger = block.min(self.symbols % self.blocks);
        let before = u64::from(block * (self.symbols / self.blocks) + larger);
        let start = before * u64::from(self.symbol_bytes);
        let full = u64::from(self.symbols(block)) * u64::from(self.symbol_bytes);
        (start, full.min(self.size_bytes - start) as usize)
    }

    /// Where a symbol stands in its block's content; nowhere, of a repair symbol. The last may reach
    /// beyond the end.
    pub(crate) fn range(&self, block: u32, symbol: u32) -> Option<Range<usize>> {
        let start = symbol as usize * usize::from(self.symbol_bytes);
        let is_source = symbol < self.symbols(block);
        is_source.then(|| start..start + usize::from(self.symbol_bytes))
    }

    /// What makes repair symbols of a block.
    pub(crate) fn encoder(&self, block: u32, mut content: Vec<u8>) -> Encoder {
        content.resize(self.symbols(block) as usize * usize::from(self.symbol_bytes), 0);
        let information = self.information(content.len());
        Encoder {
            first_repair: self.symbols(block),
            encoder: SourceBlockEncoder::new(0, &information, &content),
        }
    }

    /// A block's content from its symbols, if they suffice.
    pub(crate) fn decode(
        &self,
        block: u32,
        symbols: impl IntoIterator<Item = (u32, Vec<u8>)>,
    ) -> Option<Vec<u8>> {
        let padded = self.symbols(block) as usize * usize::from(self.symbol_bytes);
        let mut decoder = SourceBlockDecoder::new(0, &self.information(padded), padded as u64);
        let packets = symbols
            .into_iter()
            .filter(|(_, symbol)| symbol.len() == usize::from(self.symbol_bytes))
            .map(|(symbol, bytes)| EncodingPacket::new(PayloadId::new(0, symbol), bytes));
        let mut content = decoder.decode(packets)?;
        content.truncate(self.span(block).1);
        Some(content)
    }

    fn information(&self, padded_bytes: usize) -> ObjectTransmissionInformation {
        ObjectTransmissionInformation::new(padded_bytes as u64, self.symbol_bytes, 1, 1, 1)
    }
}

/// A source block, ready to make as many repair symbols as anybody wants.
pub(crate) struct Encoder {
    first_repair: u32,
    encoder: SourceBlockEncoder,
}

impl Encoder {
    pub(crate) fn repair(&self, symbol: u32) -> Option<Vec<u8>> {
        let at = symbol.checked_sub(self.first_repair)?;
        self.encoder.repair_packets(at, 1).pop().map(|packet| packet.split().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(len: u64) -> Vec<u8> {
        (0..len).map(|at| (at * at / 7 + at) as u8).collect()
    }

    #[test]
    fn blocks_tile_the_body_and_numbers_tile_the_blocks() {
        for (size, symbol) in
            [(1, 8), (8, 8), (9, 8), (5_000_000, 1000), (20_000_000, 8008), (253_000_000, 8008)]
        {
            let layout = Layout::new(size, symbol).unwrap();
            let mut end = 0;
            let mut symbols = 0;
            for block in 0..layout.blocks() {
                let (start, len) = layout.span(block);
                assert_eq!(start, end);
                assert!(len as u64 <= MAX_BLOCK_BYTES && len > 0);
                end += len as u64;
                symbols += layout.symbols(block);
            }
            assert_eq!((end, symbols), (size, layout.needed()));
            for number in 0..layout.needed() {
                let (block, symbol) = layout.place(number);
                assert_eq!(layout.number(block, symbol), number);
            }
            let last = layout.blocks() - 1;
            assert!(layout.number(last, 2 * layout.symbols(last) - 1) < MAX_FRAGMENTS);
        }
        assert!(Layout::new(0, 8).is_none() && Layout::new(8, 0).is_none());
        assert!(Layout::new(u64::MAX, 8).is_none());
    }

    #[test]
    fn any_that_suffice_bring_a_block_back() {
        let layout = Layout::new(100_003, 1000).unwrap();
        let content = body(100_003);
        let encoder = layout.encoder(0, content.clone());
        let mut padded = content.clone();
        padded.resize(101_000, 0);
        let symbol = |at| match layout.range(0, at) {
            Some(range) => padded[range].to_vec(),
            None => encoder.repair(at).unwrap(),
        };
        let fragments: Vec<_> = (0..131).map(|at| (at, symbol(at))).collect();
        let symbols = |step: usize, count| fragments.iter().step_by(step).take(count).cloned();
        assert_eq!(layout.decode(0, symbols(1, 101)).as_deref(), Some(&*content));
        let without_every_fifth: Vec<_> = symbols(1, 131)
            .enumerate()
            .filter(|(at, _)| at % 5 != 0)
            .map(|(_, symbol)| symbol)
            .collect();
        assert_eq!(layout.decode(0, without_every_fifth).as_deref(), Some(&*content));
        assert_eq!(layout.decode(0, symbols(1, 100)), None);
    }
}
