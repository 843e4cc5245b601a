//! What in the store wants something done when its time comes.

use super::{SteadyMs, Store, StoreError};
use crate::chat::ratchet;

/// The earliest of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) expiry: Option<SteadyMs>,
    pub(crate) ack: Option<SteadyMs>,
    pub(crate) tombstone: Option<SteadyMs>,
    pub(crate) attachment: Option<SteadyMs>,
    pub(crate) secret: Option<SteadyMs>,
    /// In running time.
    pub(crate) secret_dies: Option<i64>,
    pub(crate) refresh: Option<SteadyMs>,
    /// Whether mail waits to be sealed anew.
    pub(crate) reseals: bool,
}

/// In the order of [`Due`]. A deletion that was noticed is due once its grace is over.
const SQL: &str = "SELECT
    (SELECT min(expires_steady) FROM envelopes),
    (SELECT min(release_steady) FROM pending_acks),
    (SELECT min(forget_steady) FROM tombstones),
    (SELECT min(release_steady) FROM attachments WHERE release_steady IS NOT NULL),
    (SELECT min(ends_steady) FROM attachments WHERE ends_steady IS NOT NULL),
    (SELECT min(due_steady) FROM own_cards WHERE noticed_running IS NULL),
    (SELECT min(due_steady) FROM reply_targets WHERE noticed_running IS NULL),
    (SELECT min(noticed_running) FROM own_cards),
    (SELECT min(noticed_running) FROM reply_targets),
    (SELECT min(refresh_steady) FROM contacts),
    EXISTS (SELECT 1 FROM contacts WHERE needs_resealing)";

impl Store {
    /// Asked after every input, most of which change nothing: so it is looked up only after a change.
    pub(crate) fn due(&self) -> Result<Due, StoreError> {
        let changes = self.connection.total_changes();
        if let Some((_, due)) = self.due.get().filter(|(at, _)| *at == changes) {
            return Ok(due);
        }
        let due = self.connection.prepare_cached(SQL)?.query_row([], |row| {
            let earlier = |one: usize, other: usize| -> rusqlite::Result<Option<i64>> {
                let times: [Option<i64>; 2] = [row.get(one)?, row.get(other)?];
                Ok(times.into_iter().flatten().min())
            };
            Ok(Due {
                expiry: row.get(0)?,
                ack: row.get(1)?,
                tombstone: row.get(2)?,
                attachment: earlier(3, 4)?,
                secret: earlier(5, 6)?,
                secret_dies: earlier(7, 8)?.map(|noticed| noticed + ratchet::GRACE_MS),
                refresh: row.get(9)?,
                reseals: row.get(10)?,
            })
        })?;
        self.due.set(Some((changes, due)));
        Ok(due)
    }
}
