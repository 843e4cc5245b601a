//! Phones that lie: real nodes, whose frames are altered before they are encrypted.
//!
//! A liar keeps what its own engine lets it keep, and alters what it passes on: everything that an
//! owner of a phone can do without others' secrets, at its worst.

mod ages;
mod forger;
mod frames;
mod inventor;

use crate::air::{Parcel, Purpose};
use footpost_core::{Card, LinkId, Node, StoreError, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::collections::{BTreeMap, VecDeque};

/// A liar looks at so many of the envelopes on board when it meets somebody.
const LOOKED_AT: u32 = 64;
/// So many are kept to be misused later, long after they are over.
const LOOT: usize = 256;

/// What a liar lies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Passes on nothing as it was: alters it, puts others' parts together, or writes in others' names.
    Forger,
    /// Passes all on, and acknowledges what it has no acknowledgement of.
    AckInventor,
    /// Says that the old is new and the new nearly over.
    AgeLiar,
}

/// What is false about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    Forgery,
    Replay,
    Ack,
    Age,
}

/// Whose name a forger uses, and towards whom.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The message that it pretends to bring.
    pub(crate) number: usize,
    pub(crate) writer: Card,
    pub(crate) reader: Card,
}

/// The lying half of a phone.
pub(crate) struct Liar {
    nature: Nature,
    rng: ChaCha20Rng,
    lifetime_s: u32,
    names: Vec<Names>,
    /// Envelopes that came by, whole.
    loot: Vec<Vec<u8>>,
    /// Acknowledgements that came by.
    known: Vec<[u8; 32]>,
    /// Of the postmark that signs forgeries, and how many it has signed.
    secret: [u8; 32],
    signed: u64,
    /// Frames in their order, of which the first goes next.
    waiting: BTreeMap<LinkId, VecDeque<Parcel>>,
}

impl Liar {
    pub(crate) fn new(
        nature: Nature,
        names: Vec<Names>,
        lifetime_s: u32,
        mut rng: ChaCha20Rng,
    ) -> Self {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        Self {
            nature,
            names,
            lifetime_s,
            loot: Vec::new(),
            known: Vec::new(),
            secret,
            signed: 0,
            waiting: BTreeMap::new(),
            rng,
        }
    }

    /// Somebody is near: looks at what there is to be misused.
    pub(crate) fn take_stock(&mut self, node: &mut Node) -> Result<(), StoreError> {
        for carried in node.carried(LOOKED_AT)? {
            let Some(envelope) = node.envelope(&carried.id)? else { continue };
            if self.loot.contains(&envelope) {
                continue;
            }
            if self.loot.len() < LOOT {
                self.loot.push(envelope);
            } else {
                let place = self.below(LOOT);
                self.loot[place] = envelope;
            }
        }
        Ok(())
    }

    /// The next frame for `link`, as this liar has it.
    pub(crate) fn transmit(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        link: LinkId,
    ) -> Result<Option<Parcel>, StoreError> {
        if let Some(parcel) = self.waiting.get_mut(&link).and_then(VecDeque::pop_front) {
            return Ok(Some(parcel));
        }
        let mut labels = Vec::new();
        let frames = node.poll_altered(now, link, |frame| {
            let said = self.alter(frame, now);
            labels.extend(said.iter().map(|(frame, lie)| (frames::purpose_of(frame), *lie)));
            said.into_iter().map(|(frame, _)| frame).collect()
        })?;
        if labels.is_empty() {
            // The handshake's messages are not shown.
            labels.push((Purpose::Handshake, None));
        }
        let parcels = frames.into_iter().zip(labels);
        let parcels = parcels.map(|(frame, (purpose, lie))| Parcel { frame, purpose, lie });
        let waiting = self.waiting.entry(link).or_default();
        waiting.extend(parcels);
        Ok(waiting.pop_front())
    }

    /// The link is gone.
    pub(crate) fn part(&mut self, link: LinkId) {
        self.waiting.remove(&link);
    }

    /// What leaves in a frame's place, each with what is false about it.
    fn alter(&mut self, frame: Vec<u8>, now: Timestamp) -> Vec<(Vec<u8>, Option<Lie>)> {
        match self.nature {
            Nature::Forger => self.forge(frame, now),
            Nature::AckInventor => self.invent(frame),
            Nature::AgeLiar => ages::misdate(frame),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound.max(1) as u64) as usize
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Some envelope that came by.
    fn any_loot(&mut self) -> Option<Vec<u8>> {
        let place = self.below(self.loot.len());
        self.loot.get(place).cloned()
    }
}
