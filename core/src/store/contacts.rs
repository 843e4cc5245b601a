//! The people one knows.

use super::{Store, StoreError, fixed};
use crate::chat::ContactId;
use crate::identity::{Card, Identity};
use rusqlite::{OptionalExtension, Row};

pub(crate) struct ContactRow {
    pub(crate) id: ContactId,
    pub(crate) identity: Identity,
    pub(crate) name: String,
    pub(crate) card: Card,
    pub(crate) verified: bool,
    pub(crate) holds_sequence: i64,
}

const COLUMNS: &str = "SELECT id, identity, name, card, verified, holds_sequence FROM contacts";

impl Store {
    pub(crate) fn insert_contact(&self, card: &Card, name: &str) -> Result<ContactId, StoreError> {
        self.connection.execute(
            "INSERT INTO contacts (identity, name, card) VALUES (?1, ?2, ?3)",
            (card.identity().as_bytes(), name, card.as_bytes()),
        )?;
        Ok(ContactId(self.connection.last_insert_rowid()))
    }

    pub(crate) fn contacts(&self) -> Result<Vec<ContactRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS} ORDER BY id"))?;
        let rows = statement.query_and_then([], contact)?;
        rows.collect()
    }

    pub(crate) fn contact(&self, id: ContactId) -> Result<Option<ContactRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
        statement.query_and_then([id.0], contact)?.next().transpose()
    }

    pub(crate) fn contact_by_identity(
        &self,
        identity: &Identity,
    ) -> Result<Option<ContactRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE identity = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.query_and_then([identity.as_bytes()], contact)?.next().transpose()
    }

    pub(crate) fn contact_by_name(&self, name: &str) -> Result<Option<ContactId>, StoreError> {
        let sql = "SELECT id FROM contacts WHERE name = ?1";
        Ok(self.connection.query_row(sql, [name], |row| row.get(0).map(ContactId)).optional()?)
    }

    pub(crate) fn set_contact_card(&self, id: ContactId, card: &Card) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET card = ?2 WHERE id = ?1";
        self.connection.execute(sql, (id.0, card.as_bytes()))?;
        Ok(())
    }

    pub(crate) fn set_contact_name(&self, id: ContactId, name: &str) -> Result<(), StoreError> {
        self.connection.execute("UPDATE contacts SET name = ?2 WHERE id = ?1", (id.0, name))?;
        Ok(())
    }

    pub(crate) fn set_contact_verified(&self, id: ContactId) -> Result<(), StoreError> {
        self.connection.execute("UPDATE contacts SET verified = 1 WHERE id = ?1", [id.0])?;
        Ok(())
    }

    pub(crate) fn set_contact_holds(&self, id: ContactId, sequence: u64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE contacts SET holds_sequence = max(holds_sequence, ?2) WHERE id = ?1",
            )?
            .execute((id.0, sequence as i64))?;
        Ok(())
    }
}

fn contact(row: &Row<'_>) -> Result<ContactRow, StoreError> {
    let identity = fixed(row, 1)?;
    let card: Vec<u8> = row.get(3)?;
    Ok(ContactRow {
        id: ContactId(row.get(0)?),
        identity: Identity::from_bytes(identity).map_err(|_| StoreError::Corrupt)?,
        name: row.get(2)?,
        card: Card::from_store(&card).map_err(|_| StoreError::Corrupt)?,
        verified: row.get(4)?,
        holds_sequence: row.get(5)?,
    })
}
