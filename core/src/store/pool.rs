//! What many stores in one process have once: for simulations, where thousands of nodes carry copies of
//! the same mail.

use super::{EnvelopeRow, Store};
use crate::envelope::EnvelopeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What the stores opened with clones of it share: each envelope is kept once, and each good signature
/// checked once.
#[derive(Debug, Clone, Default)]
pub struct EnvelopePool(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    envelopes: BTreeMap<EnvelopeId, Weak<Envelope>>,
    signed: BTreeSet<(EnvelopeId, [u8; 64])>,
}

#[derive(Debug)]
struct Envelope {
    id: EnvelopeId,
    bytes: Box<[u8]>,
}

impl EnvelopePool {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn intern(&self, id: EnvelopeId, bytes: &[u8]) -> Arc<Envelope> {
        let envelopes = &mut self.lock().envelopes;
        let known = envelopes.get(&id).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let envelope = Arc::new(Envelope { id, bytes: bytes.into() });
            envelopes.insert(id, Arc::downgrade(&envelope));
            envelope
        })
    }

    fn forget_unused(&self, id: &EnvelopeId) {
        let envelopes = &mut self.lock().envelopes;
        if envelopes.get(id).is_some_and(|envelope| envelope.strong_count() == 0) {
            envelopes.remove(id);
        }
    }

    fn is_signed(&self, signed: (EnvelopeId, [u8; 64]), check: impl FnOnce() -> bool) -> bool {
        if self.lock().signed.contains(&signed) {
            return true;
        }
        let is_good = check();
        if is_good {
            self.lock().signed.insert(signed);
        }
        is_good
    }
}

/// One store's part of a pool.
#[derive(Default)]
pub(super) struct Pooled {
    pool: EnvelopePool,
    rows: BTreeMap<EnvelopeRow, Arc<Envelope>>,
}

impl Pooled {
    pub(super) fn new(pool: EnvelopePool) -> Self {
        Self { pool, rows: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, row: EnvelopeRow, id: EnvelopeId, bytes: &[u8]) {
        self.rows.insert(row, self.pool.intern(id, bytes));
    }

    pub(super) fn get(&self, row: EnvelopeRow) -> Option<&[u8]> {
        self.rows.get(&row).map(|envelope| &*envelope.bytes)
    }

    pub(super) fn remove(&mut self, row: EnvelopeRow) {
        if let Some(envelope) = self.rows.remove(&row) {
            let id = envelope.id;
            drop(envelope);
            self.pool.forget_unused(&id);
        }
    }
}

impl Store {
    /// Whether an envelope's postmark has signed it with this signature, which `check` finds out.
    pub(crate) fn is_signed(
        &self,
        id: EnvelopeId,
        signature: [u8; 64],
        check: impl FnOnce() -> bool,
    ) -> bool {
        match &self.pooled {
            Some(pooled) => pooled.borrow().pool.is_signed((id, signature), check),
            None => check(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_kept_once_and_no_longer_than_anybody_has_one() {
        let pool = EnvelopePool::default();
        let id = EnvelopeId([7; 32]);
        let [mut one, mut other] = [0, 1].map(|_| Pooled::new(pool.clone()));
        one.insert(EnvelopeRow(1), id, b"sealed");
        other.insert(EnvelopeRow(9), id, b"sealed");
        assert!(std::ptr::eq(one.get(EnvelopeRow(1)).unwrap(), other.get(EnvelopeRow(9)).unwrap()));
        one.remove(EnvelopeRow(1));
        assert_eq!(
            (one.get(EnvelopeRow(1)), other.get(EnvelopeRow(9))),
            (None, Some(&b"sealed"[..]))
        );
        other.remove(EnvelopeRow(9));
        assert!(pool.lock().envelopes.is_empty());
    }

    #[test]
    fn good_signatures_are_checked_once_and_bad_ones_each_time() {
        let pool = EnvelopePool::default();
        let [one, other] = [1, 2].map(|byte| (EnvelopeId([7; 32]), [byte; 64]));
        assert!(!pool.is_signed(one, || false));
        assert!(pool.is_signed(one, || true));
        assert!(pool.clone().is_signed(one, || unreachable!("it is known")));
        assert!(!pool.is_signed(other, || false));
    }
}
