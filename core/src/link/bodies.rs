//! Bodies in fragments on one link: what the neighbour has, what was asked of it, what it asked for.

use super::frame::{BodyTraits, Frame, MAX_FRAGMENT_ACKS, Shelf};
use crate::envelope::{BodyKey, BodyMark, FragmentAck};
use crate::sync::Numbers;
use std::collections::{BTreeMap, VecDeque};

/// Announcements of one neighbour that wait for their fragments to be asked for.
const MAX_OFFERS: usize = 4096;
/// The memory for all that a neighbour has announced, in bits.
const MAX_SPAN: u32 = 1 << 23;
/// Acknowledgements that wait: what is left out is found when they meet again.
const MAX_ACKS: usize = 16_384;

/// Acknowledgements that a link may lose as it breaks: another to the same neighbour says them again.
const MAX_SAID: usize = 256;

/// A fragment by its body and number.
pub(crate) type Piece = (BodyKey, u32);

/// One link's part in passing on bodies.
#[derive(Default)]
pub(crate) struct Bodies {
    /// What stood for each body in the reconciliation.
    pub(crate) items: BTreeMap<[u8; 32], BodyKey>,
    /// What the neighbour has and this side lacked, in the order of its announcements.
    offers: VecDeque<Offer>,
    /// All that the neighbour has said to have, as far as there is room to remember.
    theirs: BTreeMap<BodyKey, (BodyTraits, Numbers)>,
    span: u32,
    /// Asked of the neighbour and not come yet, with its length in bytes, and whether it is pulled.
    fetching: BTreeMap<Piece, (u32, bool)>,
    fetching_bytes: usize,
    /// Of those, what is pulled.
    pulling_bytes: usize,
    /// What the neighbour has asked for: served once.
    served: BTreeMap<BodyKey, Numbers>,
    asked: u64,
    /// Come in since the last announcement.
    news: BTreeMap<BodyKey, Numbers>,
    acks: VecDeque<(Piece, FragmentAck)>,
    /// Those that went out last, and may not have arrived.
    said: VecDeque<(Piece, FragmentAck)>,
}

/// Some fragments that the neighbour has and this side lacked.
pub(crate) struct Offer {
    pub(crate) body: BodyKey,
    pub(crate) traits: BodyTraits,
    pub(crate) shelf: Shelf,
    /// Whether it is for this node, or seems to be.
    pub(crate) is_pull: bool,
}

/// Whether a walk over the announcements goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    On,
    Stop,
}

impl Bodies {
    /// The neighbour has these.
    pub(crate) fn note_theirs(&mut self, body: BodyKey, traits: BodyTraits, numbers: &Numbers) {
        let before = self.theirs.get(&body).map_or(0, |(_, theirs)| theirs.span());
        let (_, theirs) = self.theirs.entry(body).or_insert((traits, Numbers::default()));
        for number in numbers.iter() {
            theirs.insert(number);
        }
        self.span = self.span - before + theirs.span();
        if self.span > MAX_SPAN {
            self.span -= theirs.span();
            self.theirs.remove(&body);
        }
    }

    /// It turns out that bodies of this mark are for this node: what the neighbour has of them counts
    /// as offered anew.
    pub(crate) fn offer_again(&mut self, mark: BodyMark) {
        let [first, last] = mark.bodies();
        let offers: Vec<Offer> = self
            .theirs
            .range(first..=last)
            .map(|(body, (traits, numbers))| {
                let shelf = Shelf { generation: 0, is_offered: false, numbers: numbers.clone() };
                Offer { body: *body, traits: *traits, shelf, is_pull: true }
            })
            .collect();
        for offer in offers {
            self.push_offer(offer);
        }
    }

    /// Whether the neighbour has it, or is about to.
    pub(crate) fn has(&self, (body, number): Piece) -> bool {
        let theirs = self.theirs.get(&body).map(|(_, numbers)| numbers);
        [theirs, self.served.get(&body)].into_iter().flatten().any(|has| has.contains(number))
    }

    /// What is announced beyond the bounds is not kept. Pulls are asked for first.
    pub(crate) fn push_offer(&mut self, offer: Offer) {
        let span = offer.shelf.numbers.span();
        if self.offers.len() < MAX_OFFERS && self.span + span <= MAX_SPAN {
            self.span += span;
            if offer.is_pull {
                self.offers.push_front(offer);
            } else {
                self.offers.push_back(offer);
            }
        }
    }

    /// Shows the announcements in their order; of each stays what is left in its numbers.
    pub(crate) fn walk_offers(&mut self, mut visit: impl FnMut(&mut Offer) -> Walk) {
        let mut at = 0;
        while let Some(offer) = self.offers.get_mut(at) {
            let before = offer.shelf.numbers.span();
            let walk = visit(offer);
            if offer.shelf.numbers.is_empty() {
                self.span -= before;
                self.offers.remove(at);
            } else {
                at += 1;
            }
            if walk == Walk::Stop {
                break;
            }
        }
    }

    /// The neighbour has these no more.
    pub(crate) fn forget(&mut self, body: BodyKey, gone: &Numbers) {
        if let Some((_, theirs)) = self.theirs.get_mut(&body) {
            gone.iter().for_each(|number| theirs.remove(number));
        }
        self.walk_offers(|offer| {
            if offer.body == body {
                gone.iter().for_each(|number| offer.shelf.numbers.remove(number));
            }
            Walk::On
        });
    }

    /// How many bytes may be asked for, so that `window_bytes` are on their way. Pulls do not wait
    /// for what else was asked for before: the neighbour brings them first.
    pub(crate) fn room_to_fetch(&self, window_bytes: usize, is_pull: bool) -> usize {
        let coming_bytes = if is_pull { self.pulling_bytes } else { self.fetching_bytes };
        window_bytes.saturating_sub(coming_bytes)
    }

    pub(crate) fn note_fetching(&mut self, piece: Piece, bytes: u32, is_pull: bool) {
        if self.fetching.insert(piece, (bytes, is_pull)).is_none() {
            self.fetching_bytes += bytes as usize;
            self.pulling_bytes += if is_pull { bytes as usize } else { 0 };
        }
    }

    /// It has come, or will not.
    pub(crate) fn note_fetched(&mut self, piece: Piece) {
        if let Some((bytes, is_pull)) = self.fetching.remove(&piece) {
            self.fetching_bytes -= bytes as usize;
            self.pulling_bytes -= if is_pull { bytes as usize } else { 0 };
        }
    }

    /// Whether the neighbour is asked for what is wanted here, or seems to be.
    pub(crate) fn is_pulling(&self) -> bool {
        self.pulling_bytes > 0
    }

    /// Which of the neighbour's requests this is; none of what it has had already.
    pub(crate) fn note_served(&mut self, (body, number): Piece) -> Option<u64> {
        let is_new = self.served.entry(body).or_default().insert(number);
        is_new.then(|| {
            self.asked += 1;
            self.asked
        })
    }

    /// How often the neighbour has asked for something.
    pub(crate) fn turns(&self) -> u64 {
        self.asked
    }

    /// What the neighbour has announced and may be asked for, in bytes; of each body as much as
    /// suffices.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        let bytes = |offer: &Offer| {
            let is_open = offer.is_pull || offer.shelf.is_offered;
            let most = if is_open { offer.traits.needed as usize } else { 0 };
            let count = offer.shelf.numbers.iter().take(most).count() as u64;
            count * u64::from(offer.traits.fragment_bytes)
        };
        self.fetching_bytes as u64 + self.offers.iter().map(bytes).sum::<u64>()
    }

    /// What another link to the same neighbour goes on with.
    pub(crate) fn take_news(
        &mut self,
    ) -> (BTreeMap<BodyKey, Numbers>, VecDeque<(Piece, FragmentAck)>) {
        let acks = self.said.drain(..).chain(self.acks.drain(..)).collect();
        (std::mem::take(&mut self.news), acks)
    }

    pub(crate) fn push_news(&mut self, piece: Piece) {
        if !self.has(piece) {
            self.news.entry(piece.0).or_default().insert(piece.1);
        }
    }

    pub(crate) fn pop_news(&mut self) -> Option<(BodyKey, Numbers)> {
        self.news.pop_first()
    }

    pub(crate) fn push_ack(&mut self, piece: Piece, ack: FragmentAck) {
        if self.acks.len() < MAX_ACKS {
            self.acks.push_back((piece, ack));
        }
    }

    /// Waiting acknowledgements of one body.
    pub(crate) fn pop_acks(&mut self, room: usize) -> Option<Frame<'static>> {
        let &((body, _), _) = self.acks.front()?;
        let kind_body_count = 1 + 24 + 2;
        let room = room.saturating_sub(kind_body_count) / (4 + 16);
        let mut acks = Vec::new();
        while acks.len() < room.min(MAX_FRAGMENT_ACKS)
            && let Some((piece, ack)) = self.acks.pop_front_if(|((of, _), _)| *of == body)
        {
            acks.push((piece.1, ack));
            self.said.push_back((piece, ack));
        }
        self.said.drain(..self.said.len().saturating_sub(MAX_SAID));
        (!acks.is_empty()).then_some(Frame::FragmentAcks { body, acks })
    }
}
