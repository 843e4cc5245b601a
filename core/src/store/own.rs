//! The node's own row: identity, name, clock.

use super::{Store, StoreError, fixed};
use crate::identity::IdentityKey;
use crate::time::Timestamp;
use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

/// What a node knows of itself.
pub(crate) struct Own {
    pub(crate) key: IdentityKey,
    pub(crate) name: Option<String>,
    pub(crate) wall_seen: Timestamp,
    pub(crate) steady_lead_ms: i64,
}

impl Store {
    pub(crate) fn own(&self) -> Result<Option<Own>, StoreError> {
        let sql = "SELECT identity_key, name, wall_seen_ms, steady_lead_ms FROM own";
        let own = self.connection.query_row(sql, [], |row| {
            Ok(Own {
                key: IdentityKey::from_bytes(&Zeroizing::new(fixed(row, 0)?)),
                name: row.get(1)?,
                wall_seen: Timestamp(row.get::<_, i64>(2)?.unsigned_abs()),
                steady_lead_ms: row.get(3)?,
            })
        });
        Ok(own.optional()?)
    }

    pub(crate) fn insert_own(&self, own: &Own) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO own (id, identity_key, name, wall_seen_ms, steady_lead_ms)
             VALUES (1, ?1, ?2, ?3, ?4)",
            (&*own.key.to_bytes(), &own.name, own.wall_seen.0 as i64, own.steady_lead_ms),
        )?;
        Ok(())
    }

    pub(crate) fn set_own_name(&self, name: Option<&str>) -> Result<(), StoreError> {
        self.connection.execute("UPDATE own SET name = ?1", [name])?;
        Ok(())
    }

    pub(crate) fn set_clock(&self, seen: Timestamp, steady_lead_ms: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE own SET wall_seen_ms = ?1, steady_lead_ms = ?2")?
            .execute((seen.0 as i64, steady_lead_ms))?;
        Ok(())
    }
}
