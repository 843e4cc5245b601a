//! Requests, blocks, and forgetting people.

use super::{SteadyMs, Store, StoreError};
use crate::chat::{ContactId, Relation};
use crate::identity::Identity;
use rusqlite::OptionalExtension;

impl Store {
    pub(crate) fn set_relation(&self, id: ContactId, relation: Relation) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET relation = ?2 WHERE id = ?1";
        self.connection.execute(sql, (id.0, relation as u8))?;
        Ok(())
    }

    pub(crate) fn set_muted(&self, id: ContactId, muted: bool) -> Result<(), StoreError> {
        self.connection.execute("UPDATE contacts SET muted = ?2 WHERE id = ?1", (id.0, muted))?;
        Ok(())
    }

    /// The contact is a request since `now`.
    pub(crate) fn set_requested(&self, id: ContactId, now: SteadyMs) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET relation = 1, requested_steady = ?2 WHERE id = ?1";
        self.connection.execute(sql, (id.0, now))?;
        Ok(())
    }

    /// Open requests and when they came, the oldest first.
    pub(crate) fn requests(&self) -> Result<Vec<(ContactId, SteadyMs)>, StoreError> {
        let sql = "SELECT id, requested_steady FROM contacts WHERE relation = 1
             ORDER BY requested_steady, id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((ContactId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many messages have come from the contact.
    pub(crate) fn received_count(&self, id: ContactId) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM messages WHERE contact = ?1 AND outgoing = 0";
        Ok(self.connection.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?)
    }

    pub(crate) fn insert_declined(
        &self,
        identity: &Identity,
        now: SteadyMs,
        until: SteadyMs,
    ) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM declined WHERE until_steady <= ?1", [now])?;
        let sql = "INSERT OR REPLACE INTO declined VALUES (?1, ?2)";
        self.connection.execute(sql, (identity.as_bytes(), until))?;
        Ok(())
    }

    pub(crate) fn delete_declined(&self, identity: &Identity) -> Result<(), StoreError> {
        let sql = "DELETE FROM declined WHERE identity = ?1";
        self.connection.execute(sql, [identity.as_bytes()])?;
        Ok(())
    }

    pub(crate) fn is_declined(
        &self,
        identity: &Identity,
        now: SteadyMs,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM declined WHERE identity = ?1 AND until_steady > ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((identity.as_bytes(), now), |_| Ok(())).optional()?.is_some())
    }

    /// Forgets a contact and all that was said; own mail to them is withdrawn.
    pub(crate) fn delete_contact(&self, id: ContactId) -> Result<(), StoreError> {
        let theirs = "IN (SELECT id FROM messages WHERE contact = ?1)";
        for sql in [
            "UPDATE own SET last_contact = max(last_contact, ?1),
                 last_message = max(last_message, (SELECT coalesce(max(id), 0) FROM messages))",
            "UPDATE handovers SET contact = NULL WHERE contact = ?1",
            &format!("UPDATE tombstones SET message = NULL WHERE message {theirs}"),
            &format!("DELETE FROM handovers WHERE message {theirs}"),
            "DELETE FROM envelopes WHERE recipient = ?1",
            "DELETE FROM messages WHERE contact = ?1",
            "DELETE FROM contacts WHERE id = ?1",
        ] {
            self.connection.execute(sql, [id.0])?;
        }
        Ok(())
    }

    /// The contact's targets, given and got, are good for nothing any more.
    pub(crate) fn delete_replies(&self, id: ContactId) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM reply_targets WHERE contact = ?1", [id.0])?;
        let sql = "UPDATE contacts SET reply_target = NULL, sealed = 0, previous_counter = NULL,
             previous_sealed = 0, refresh_steady = NULL WHERE id = ?1";
        self.connection.execute(sql, [id.0])?;
        Ok(())
    }

    /// Every accepted contact is to be written to now.
    pub(crate) fn refresh_all(&self, now: SteadyMs) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET refresh_steady = ?1 WHERE relation = 0";
        self.connection.execute(sql, [now])?;
        Ok(())
    }

    /// The first own card that is shown on links.
    pub(crate) fn marks_from(&self) -> Result<u64, StoreError> {
        let sql = "SELECT marks_from FROM own";
        let from: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(from.unwrap_or_default().unsigned_abs())
    }

    pub(crate) fn set_marks_from(&self, sequence: u64) -> Result<(), StoreError> {
        self.connection.execute("UPDATE own SET marks_from = ?1", [sequence as i64])?;
        Ok(())
    }
}
