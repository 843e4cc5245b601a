//! What is on board of which body: derived from the store, and kept in step with it.

use crate::clock::Moment;
use crate::envelope::{BodyKey, Fragment, MAX_LIFETIME_S, Priority};
use crate::link::bodies::Piece;
use crate::link::frame::BodyTraits;
use crate::routing::{Copy, Tag};
use crate::store::{SteadyMs, Store, StoreError};
use crate::sync::Numbers;
use std::collections::BTreeMap;

/// What is on board of one body.
pub(super) struct Holding {
    /// The fragments, and how often each was halved.
    pub(super) generations: BTreeMap<u32, u8>,
    pub(super) traits: Traits,
    /// What stands for it in reconciliations, once it was asked for.
    item: Option<[u8; 32]>,
}

/// What all fragments of a body have in common.
#[derive(Clone, Copy)]
pub(super) struct Traits {
    pub(super) priority: Priority,
    pub(super) needed: u32,
    pub(super) fragment_bytes: u32,
    pub(super) born: SteadyMs,
    pub(super) expires: SteadyMs,
    /// When this node got the first of it.
    pub(super) taken: SteadyMs,
    pub(super) tag: Tag,
}

impl Traits {
    pub(super) fn to_wire(self, now: Moment) -> BodyTraits {
        let seconds =
            |ms: i64| u32::try_from(ms.max(0) / 1000).unwrap_or(u32::MAX).min(MAX_LIFETIME_S);
        BodyTraits {
            priority: self.priority,
            needed: self.needed,
            fragment_bytes: self.fragment_bytes,
            age_s: seconds(now.steady - self.born),
            left_s: seconds(self.expires - now.steady),
            tag: None,
        }
    }
}

impl Holding {
    pub(super) fn copy(&self, generation: u8) -> Copy {
        let traits = &self.traits;
        Copy {
            priority: traits.priority,
            tag: traits.tag,
            generation,
            born: traits.born,
            expires: traits.expires,
            taken: traits.taken,
            size_bytes: u64::from(traits.needed) * u64::from(traits.fragment_bytes),
            is_fragment: true,
        }
    }
}

/// Bodies of which anything is on board: derived from the store, and kept in step with it.
#[derive(Default)]
pub(super) struct Holdings(BTreeMap<BodyKey, Holding>);

impl Holdings {
    pub(super) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut holdings = Self::default();
        for carried in store.fragments()? {
            let Some((body, number)) = carried.fragment else { continue };
            if let Some(holding) = holdings.0.get_mut(&body) {
                holding.generations.insert(number, carried.generation);
                holding.traits.taken = holding.traits.taken.min(carried.taken);
                continue;
            }
            let bytes = store.envelope_bytes(carried.row)?.ok_or(StoreError::Corrupt)?;
            let fragment = Fragment::of_header(&bytes).ok_or(StoreError::Corrupt)?;
            let traits = Traits {
                priority: carried.priority,
                needed: fragment.needed,
                fragment_bytes: carried.size_bytes as u32,
                born: carried.born,
                expires: carried.expires,
                taken: carried.taken,
                tag: carried.tag,
            };
            holdings.insert(fragment, traits, carried.generation);
        }
        Ok(holdings)
    }

    pub(super) fn insert(&mut self, fragment: Fragment, traits: Traits, generation: u8) {
        let holding = self.0.entry(fragment.body).or_insert_with(|| Holding {
            generations: BTreeMap::new(),
            traits,
            item: None,
        });
        holding.generations.insert(fragment.number, generation);
        holding.item = None;
    }

    /// A copy was handed over.
    pub(super) fn set_generation(&mut self, (body, number): Piece, generation: u8) {
        if let Some(holding) = self.0.get_mut(&body) {
            holding.generations.insert(number, generation);
        }
    }

    /// Whether nothing of the body is on board.
    pub(super) fn lacks(&self, body: BodyKey) -> bool {
        !self.0.contains_key(&body)
    }

    /// How many fragments of the body are on board.
    pub(super) fn count(&self, body: BodyKey) -> usize {
        self.0.get(&body).map_or(0, |holding| holding.generations.len())
    }

    /// The length of the whole body, as far as a carrier can tell.
    pub(super) fn body_bytes(&self, body: BodyKey) -> u64 {
        self.0.get(&body).map_or(0, |holding| holding.copy(0).size_bytes)
    }

    pub(super) fn remove(&mut self, (body, number): Piece) {
        let Some(holding) = self.0.get_mut(&body) else { return };
        holding.generations.remove(&number);
        holding.item = None;
        if holding.generations.is_empty() {
            self.0.remove(&body);
        }
    }

    pub(super) fn get(&self, body: BodyKey) -> Option<&Holding> {
        self.0.get(&body)
    }

    pub(super) fn contains(&self, (body, number): Piece) -> bool {
        self.0.get(&body).is_some_and(|holding| holding.generations.contains_key(&number))
    }

    /// What stands for each body in a reconciliation.
    pub(super) fn items(&mut self) -> BTreeMap<[u8; 32], BodyKey> {
        let item = |(body, holding): (&BodyKey, &mut Holding)| {
            let numbers = || holding.generations.keys().copied().collect::<Numbers>();
            (*holding.item.get_or_insert_with(|| numbers().digest(&body.0)), *body)
        };
        self.0.iter_mut().map(item).collect()
    }
}
