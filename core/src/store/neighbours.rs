//! Whom this node meets, and when acknowledgements come by.

use super::{Store, StoreError};
use crate::chat::ContactId;
use crate::routing::{AckAges, Acquaintance, Ages, NeighbourId, Reputation};
use rusqlite::Row;
use std::collections::BTreeMap;

impl Store {
    pub(crate) fn neighbours(&self) -> Result<BTreeMap<NeighbourId, Acquaintance>, StoreError> {
        let sql = "SELECT id, met_steady, meetings, brought, good, bad, judged_steady
             FROM neighbours";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let (met, meetings, brought) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let reputation =
                Reputation { good: row.get(4)?, bad: row.get(5)?, judged: row.get(6)? };
            let known = Acquaintance { met, meetings, brought, reputation, is_on_trial: false };
            Ok((row.get::<_, Vec<u8>>(0)?, known))
        })?;
        let mut neighbours = BTreeMap::new();
        for row in rows {
            let (id, known) = row?;
            neighbours.insert(decode(&id).ok_or(StoreError::Corrupt)?, known);
        }
        Ok(neighbours)
    }

    pub(crate) fn set_neighbour(
        &self,
        id: &NeighbourId,
        known: &Acquaintance,
    ) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO neighbours (id, met_steady, meetings, brought, good, bad, judged_steady)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET met_steady = ?2,
             meetings = ?3, brought = ?4, good = ?5, bad = ?6, judged_steady = ?7";
        let Reputation { good, bad, judged } = known.reputation;
        let row = (encode(id), known.met, known.meetings, known.brought, good, bad, judged);
        self.connection.prepare_cached(sql)?.execute(row)?;
        Ok(())
    }

    pub(crate) fn delete_neighbour(&self, id: &NeighbourId) -> Result<(), StoreError> {
        let sql = "DELETE FROM neighbours WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute([encode(id)])?;
        self.set_handed(id, &[])
    }

    pub(crate) fn ack_ages(&self) -> Result<AckAges, StoreError> {
        let sql = "SELECT sum_ms, count FROM ack_ages WHERE rowid = ?1";
        let ages = |row: i64| {
            let ages = |row: &Row<'_>| Ok(Ages { sum_ms: row.get(0)?, count: row.get(1)? });
            self.connection.query_row(sql, [row], ages)
        };
        Ok(AckAges { letters: ages(1)?, bodies: ages(2)? })
    }

    pub(crate) fn set_ack_ages(&self, ages: AckAges) -> Result<(), StoreError> {
        let sql = "UPDATE ack_ages SET sum_ms = ?1, count = ?2 WHERE rowid = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        for (row, ages) in [(1, ages.letters), (2, ages.bodies)] {
            statement.execute((ages.sum_ms, ages.count, row))?;
        }
        Ok(())
    }
}

pub(super) fn encode(id: &NeighbourId) -> Vec<u8> {
    match id {
        NeighbourId::Contact(contact) => [&[0][..], &contact.0.to_be_bytes()].concat(),
        NeighbourId::Key(key) => [&[1][..], key].concat(),
    }
}

fn decode(bytes: &[u8]) -> Option<NeighbourId> {
    match bytes.split_first()? {
        (0, id) => Some(NeighbourId::Contact(ContactId(i64::from_be_bytes(id.try_into().ok()?)))),
        (1, key) => Some(NeighbourId::Key(key.try_into().ok()?)),
        _ => None,
    }
}
