//! One side of one reconciliation.

use super::frame::SyncFrame;
use super::prefixes::{self, Prefixes};
use super::riblt::{Coder, Decoder, Symbol};
use super::sketch::Sketch;
use super::{end_of, session_hashers};
use crate::link::Violation;
use siphasher::sip::SipHasher13;
use std::ops::RangeInclusive;

/// The largest set that is reconciled: what a hostile list or sketch may claim.
const MAX_ITEMS: usize = 1 << 20;

/// Listed ids are cut to 48 bits: of 100,000 items on either side, one in 30,000 sessions misses
/// one, until the next.
const LIST_WIDTH: u8 = Prefixes::MAX_WIDTH;

/// Wanted ids are cut to this many bits more than it takes to count the set, so that one in a
/// few thousand brings along an item that is not wanted.
const WANTED_SPARE_BITS: u32 = 11;

/// What comes of a frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Frames for the neighbour, in this order.
    pub(crate) replies: Vec<SyncFrame>,
    /// Own items that the neighbour lacks.
    pub(crate) push: Vec<[u8; 32]>,
    /// What the neighbour holds and this side has done with.
    pub(crate) over: Vec<[u8; 32]>,
    /// The initiator knows the whole difference. A responder never learns that it is done: of
    /// one who wants nothing it hears nothing.
    pub(crate) is_finished: bool,
}

/// What a side brings to a reconciliation.
#[derive(Debug, Default)]
pub(crate) struct Items {
    /// Its set, of which at most [`MAX_ITEMS`] are counted.
    pub(crate) held: Vec<[u8; 32]>,
    /// What it has done with: not in its set, and not to be sent to it.
    pub(crate) unwanted: Vec<[u8; 32]>,
}

impl From<Vec<[u8; 32]>> for Items {
    fn from(held: Vec<[u8; 32]>) -> Self {
        Self { held, unwanted: Vec::new() }
    }
}

/// A snapshot of one's own set, and how far the neighbour's is known.
#[derive(Debug)]
pub(crate) struct Reconciler {
    set: ItemSet,
    /// The most bytes an encoded frame may have.
    frame_bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Initiator: symbols are coming, so many as `due` allows until this run ends.
    Decoding { decoder: Decoder, due: RangeInclusive<usize> },
    /// Initiator: the neighbour's list is coming, in so many more frames.
    Listing { theirs: Vec<u64>, to_come: usize },
    /// Initiator: all is known.
    Finished,
    /// Responder: symbols went out, and more can be asked for.
    Sending { sent: usize },
    /// Responder: all was said; items are wanted in ascending order, beyond `served`.
    Serving { served: Option<u64> },
}

impl Reconciler {
    /// The side that dialled, and the sketch it sends in its last handshake message.
    pub(crate) fn initiate(
        sync_key: &[u8; 32],
        items: Items,
        frame_bytes: usize,
    ) -> (Self, Vec<u8>) {
        let set = ItemSet::new(sync_key, items);
        let sketch = Sketch::new(set.shorts()).encode();
        let decoder = Decoder::new(set.coder);
        let state = State::Decoding { decoder, due: 1..=set.most_symbols() };
        (Self { set, frame_bytes, state }, sketch)
    }

    /// The side that was dialled, and its answer to the sketch.
    pub(crate) fn respond(
        sync_key: &[u8; 32],
        items: Items,
        frame_bytes: usize,
        sketch: &[u8],
    ) -> Result<(Self, Vec<SyncFrame>), Violation> {
        let theirs = Sketch::decode(sketch, MAX_ITEMS)?;
        let set = ItemSet::new(sync_key, items);
        let ours = Sketch::new(set.shorts());
        let count = first_run(ours.difference(&theirs), ours.len.abs_diff(theirs.len));
        let mut this = Self { set, frame_bytes, state: State::Sending { sent: 0 } };
        let frames = this.send_run(0, count);
        Ok((this, frames))
    }

    /// Handles the neighbour's next frame.
    pub(crate) fn receive(&mut self, frame: SyncFrame) -> Result<Step, Violation> {
        match (&mut self.state, frame) {
            (State::Decoding { .. }, SyncFrame::Symbols { symbols, to_come }) => {
                self.receive_symbols(&symbols, to_come)
            }
            (State::Decoding { .. }, SyncFrame::List { prefixes, to_come }) => {
                self.receive_list(Vec::new(), &prefixes, to_come)
            }
            (State::Listing { theirs, to_come: due }, SyncFrame::List { prefixes, to_come })
                if to_come + 1 == *due =>
            {
                let theirs = std::mem::take(theirs);
                self.receive_list(theirs, &prefixes, to_come)
            }
            (&mut State::Sending { sent }, SyncFrame::More) => {
                let replies = self.send_run(sent, next_run(sent));
                Ok(Step { replies, ..Step::default() })
            }
            (State::Sending { .. }, SyncFrame::Wants(prefixes)) => self.serve(None, &prefixes),
            (&mut State::Serving { served }, SyncFrame::Wants(prefixes)) => {
                self.serve(served, &prefixes)
            }
            _ => Err(Violation::Unexpected("reconciliation frame")),
        }
    }

    fn receive_symbols(&mut self, symbols: &[Symbol], to_come: usize) -> Result<Step, Violation> {
        let State::Decoding { decoder, due } = &mut self.state else {
            return Err(Violation::Unexpected("symbols"));
        };
        if symbols.is_empty() || !due.contains(&(symbols.len() + to_come)) {
            return Err(Violation::Flood("symbols"));
        }
        decoder.extend(symbols);
        if to_come > 0 {
            *due = to_come..=to_come;
            return Ok(Step::default());
        }
        if !decoder.decode(self.set.shorts()) {
            // Every attempt walks the whole set: the neighbour may not dole out symbols singly.
            let next = next_run(decoder.len());
            let most = self.set.most_symbols().saturating_sub(decoder.len());
            *due = if next <= most { next..=next } else { RangeInclusive::new(1, 0) };
            return Ok(Step { replies: vec![SyncFrame::More], ..Step::default() });
        }
        let (ours, theirs): (Vec<u64>, Vec<u64>) =
            decoder.difference().partition(|&short| self.set.holds(short, 64));
        let push = ours.iter().flat_map(|&short| self.set.with_prefix(short, 64)).collect();
        Ok(self.finish(push, &theirs, self.set.len()))
    }

    fn receive_list(
        &mut self,
        mut theirs: Vec<u64>,
        prefixes: &Prefixes,
        to_come: usize,
    ) -> Result<Step, Violation> {
        let values = prefixes.values();
        let in_order = theirs.last().is_none_or(|last| values.first().is_some_and(|v| v > last));
        if prefixes.width() != LIST_WIDTH || !in_order || (values.is_empty() && to_come > 0) {
            return Err(Violation::Unexpected("list"));
        }
        if theirs.len() + values.len() > MAX_ITEMS {
            return Err(Violation::Flood("list"));
        }
        theirs.extend_from_slice(values);
        if to_come > 0 {
            self.state = State::Listing { theirs, to_come };
            return Ok(Step::default());
        }
        let push = self
            .set
            .items
            .iter()
            .filter(|item| theirs.binary_search(&(item.short >> (64 - LIST_WIDTH))).is_err());
        let push = push.map(|item| item.id).collect();
        let listed = theirs.len();
        for value in &mut theirs {
            *value <<= 64 - LIST_WIDTH;
        }
        theirs.retain(|&prefix| !self.set.holds(prefix, LIST_WIDTH));
        Ok(self.finish(push, &theirs, listed))
    }

    /// `theirs` is what the neighbour holds and this side does not, sorted; `len` the size of the set
    /// from which wanted items are named.
    fn finish(&mut self, mut push: Vec<[u8; 32]>, theirs: &[u64], len: usize) -> Step {
        push.retain(|id| {
            let end = self.set.short(&end_of(*id));
            // Of an item and its end, the one that this side has done with is the item.
            !contains(theirs, end) || find(&self.set.unwanted, end).is_some()
        });
        let over = theirs.iter().filter_map(|short| find(&self.set.unwanted, *short)).collect();
        let is_wanted = |short: &u64| find(&self.set.unwanted, *short).is_none();
        let wanted: Vec<u64> = theirs.iter().copied().filter(is_wanted).collect();
        self.state = State::Finished;
        let width = usize::BITS - len.leading_zeros() + WANTED_SPARE_BITS;
        let replies = if wanted.is_empty() {
            Vec::new()
        } else {
            let wants = Prefixes::of(wanted.iter().copied(), width as u8);
            wants.split(self.frame_bytes.saturating_sub(1)).map(SyncFrame::Wants).collect()
        };
        Step { replies, push, over, is_finished: true }
    }

    /// The next symbols, or the list once that is the shorter way. It also ends what never
    /// decodes because two ids collide.
    fn send_run(&mut self, sent: usize, count: usize) -> Vec<SyncFrame> {
        let room = self.frame_bytes.saturating_sub(SyncFrame::HEADER_BYTES);
        let end = sent.saturating_add(count);
        if end.saturating_mul(Symbol::BYTES) > prefixes::encoded_bytes(LIST_WIDTH, self.set.len()) {
            self.state = State::Serving { served: None };
            let pieces = Prefixes::of(self.set.shorts(), LIST_WIDTH).split(room);
            let last = pieces.len() - 1;
            let frame = |(n, prefixes)| SyncFrame::List { prefixes, to_come: last - n };
            return pieces.enumerate().map(frame).collect();
        }
        self.state = State::Sending { sent: end };
        let symbols = self.set.coder.symbols(self.set.shorts(), sent..end);
        let mut to_come = symbols.len();
        let frame = |symbols: &[Symbol]| {
            to_come -= symbols.len();
            SyncFrame::Symbols { symbols: symbols.to_vec(), to_come }
        };
        symbols.chunks((room / Symbol::BYTES).max(1)).map(frame).collect()
    }

    /// The items named; the order of the names keeps any from being asked for twice.
    fn serve(&mut self, served: Option<u64>, wants: &Prefixes) -> Result<Step, Violation> {
        let width = wants.width();
        let shorts = || wants.values().iter().map(|&value| value << (64 - width));
        let Some(first) = shorts().next() else { return Err(Violation::Unexpected("wants")) };
        if served.is_some_and(|served| first <= served) {
            return Err(Violation::Unexpected("wants"));
        }
        let push = shorts().flat_map(|prefix| self.set.with_prefix(prefix, width)).collect();
        let last = shorts().next_back().map(|prefix| prefix | u64::MAX >> width);
        self.state = State::Serving { served: last };
        Ok(Step { push, ..Step::default() })
    }
}

/// How many symbols to begin with: enough that 98 of 100 differences decode at once, given an
/// estimate with the sketch's error, and that the sets' sizes differ by `gap`.
fn first_run(estimate: usize, gap: usize) -> usize {
    if estimate.max(gap) <= 1 {
        return 1;
    }
    let estimated = estimate * 7 / 4 + (12 * estimate).isqrt() + 1;
    let certain = gap * 7 / 5 + (10 * gap).isqrt() + 1;
    estimated.max(certain)
}

/// How many symbols follow on those that did not decode. Both sides know, so that neither can
/// make the other try again for nothing.
fn next_run(sent: usize) -> usize {
    (sent / 2).max(16)
}

/// One's own items, sorted by short id.
#[derive(Debug)]
struct ItemSet {
    hasher: SipHasher13,
    coder: Coder,
    items: Vec<Item>,
    /// What is never asked for, sorted.
    unwanted: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    short: u64,
    id: [u8; 32],
}

impl ItemSet {
    fn new(sync_key: &[u8; 32], items: Items) -> Self {
        let (hasher, checks) = session_hashers(sync_key);
        let item = |id: [u8; 32]| Item { short: hasher.hash(&id), id };
        let mut unwanted: Vec<Item> = items.unwanted.into_iter().map(item).collect();
        unwanted.sort_unstable();
        let mut items: Vec<Item> = items.held.into_iter().take(MAX_ITEMS).map(item).collect();
        items.sort_unstable();
        items.dedup();
        Self { hasher, coder: Coder::new(checks), items, unwanted }
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn shorts(&self) -> impl ExactSizeIterator<Item = u64> {
        self.items.iter().map(|item| item.short)
    }

    /// The most symbols an honest neighbour sends before it sends its list instead. With `n`
    /// items of its own it lists from `0.57 n` symbols on, and it sends at least 1.4 for every
    /// item by which its set is larger than this one.
    fn most_symbols(&self) -> usize {
        self.len() + 8
    }

    fn short(&self, id: &[u8; 32]) -> u64 {
        self.hasher.hash(id)
    }

    fn holds(&self, prefix: u64, width: u8) -> bool {
        self.with_prefix(prefix, width).next().is_some()
    }

    /// The items whose short id begins with the top `width` bits of `prefix`.
    fn with_prefix(&self, prefix: u64, width: u8) -> impl Iterator<Item = [u8; 32]> {
        let at = self.items.partition_point(|item| item.short < prefix);
        let (_, from) = self.items.split_at(at);
        let same = move |item: &&Item| (item.short ^ prefix) >> (64 - width) == 0;
        from.iter().take_while(same).map(|item| item.id)
    }
}

/// Whether a sorted list has this short id; either may be cut to [`LIST_WIDTH`] bits.
fn contains(sorted: &[u64], short: u64) -> bool {
    let cut = short >> (64 - LIST_WIDTH);
    let at = sorted.partition_point(|&other| other >> (64 - LIST_WIDTH) < cut);
    sorted.get(at).is_some_and(|&other| other >> (64 - LIST_WIDTH) == cut)
}

/// The item of this short id; that may be cut to [`LIST_WIDTH`] bits.
fn find(sorted: &[Item], short: u64) -> Option<[u8; 32]> {
    let cut = short >> (64 - LIST_WIDTH);
    let at = sorted.partition_point(|other| other.short >> (64 - LIST_WIDTH) < cut);
    sorted.get(at).filter(|other| other.short >> (64 - LIST_WIDTH) == cut).map(|other| other.id)
}
