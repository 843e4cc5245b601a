//! Envelopes that many stores in one process keep once: for simulations, where hundreds of nodes carry
//! copies of the same mail.

use super::EnvelopeRow;
use crate::envelope::EnvelopeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What the stores opened with clones of it share.
#[derive(Debug, Clone, Default)]
pub struct EnvelopePool(Arc<Mutex<BTreeMap<EnvelopeId, Weak<[u8]>>>>);

impl EnvelopePool {
    fn intern(&self, id: EnvelopeId, bytes: &[u8]) -> Arc<[u8]> {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pool.get(&id).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let bytes = Arc::from(bytes);
            pool.insert(id, Arc::downgrade(&bytes));
            bytes
        })
    }

    fn forget_unused(&self, id: &EnvelopeId) {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.get(id).is_some_and(|bytes| bytes.strong_count() == 0) {
            pool.remove(id);
        }
    }
}

/// One store's part of a pool.
#[derive(Default)]
pub(super) struct Pooled {
    pool: EnvelopePool,
    rows: BTreeMap<EnvelopeRow, (EnvelopeId, Arc<[u8]>)>,
}

impl Pooled {
    pub(super) fn new(pool: EnvelopePool) -> Self {
        Self { pool, rows: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, row: EnvelopeRow, id: EnvelopeId, bytes: &[u8]) {
        self.rows.insert(row, (id, self.pool.intern(id, bytes)));
    }

    pub(super) fn get(&self, row: EnvelopeRow) -> Option<&[u8]> {
        self.rows.get(&row).map(|(_, bytes)| &**bytes)
    }

    pub(super) fn remove(&mut self, row: EnvelopeRow) {
        if let Some((id, bytes)) = self.rows.remove(&row) {
            drop(bytes);
            self.pool.forget_unused(&id);
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
        assert!(pool.0.lock().unwrap().is_empty());
    }
}
