//! Whose key is whose: contacts' statements, and one's own.

use super::{SteadyMs, Store, StoreError, fixed};
use crate::chat::{ContactId, KeyWarning};
use crate::identity::{End, Identity, IdentityKey, Lineage, Statement};
use rusqlite::OptionalExtension;

/// Mail by today's key is taken without end.
const ALWAYS: SteadyMs = SteadyMs::MAX;

impl Store {
    /// Whose key this is or was, and whether mail by it is taken at `now`.
    pub(crate) fn key_owner(
        &self,
        key: &Identity,
        now: SteadyMs,
    ) -> Result<Option<(ContactId, bool)>, StoreError> {
        let sql = "SELECT contact, until_steady > ?2 FROM contact_keys WHERE identity = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let owner = statement
            .query_row((key.as_bytes(), now), |row| Ok((ContactId(row.get(0)?), row.get(1)?)));
        Ok(owner.optional()?)
    }

    pub(super) fn insert_contact_key(
        &self,
        id: ContactId,
        key: &Identity,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO contact_keys VALUES (?1, ?2, ?3)";
        self.connection.execute(sql, (key.as_bytes(), id.0, ALWAYS))?;
        Ok(())
    }

    pub(crate) fn lineage(&self, id: ContactId) -> Result<Lineage, StoreError> {
        let (root, pin): ([u8; 32], Option<[u8; 32]>) = self.connection.query_row(
            "SELECT root, recovery FROM contacts WHERE id = ?1",
            [id.0],
            |row| Ok((fixed(row, 0)?, row.get(1)?)),
        )?;
        let sql = "SELECT bytes FROM contact_statements WHERE contact = ?1 ORDER BY row";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([id.0], |row| row.get::<_, Vec<u8>>(0))?;
        let statements =
            rows.map(|bytes| Statement::from_store(&bytes?).map_err(|_| StoreError::Corrupt));
        let statements = statements.collect::<Result<_, _>>()?;
        let (root, pin) = (Identity::from_store(root), pin.map(Identity::from_store));
        Ok(Lineage { root, pin, statements })
    }

    /// Keeps a lineage, and what follows from it: today's key, whether that is the verified one,
    /// and how long mail by the others is taken. Says whether it is verified.
    pub(crate) fn set_lineage(
        &self,
        id: ContactId,
        lineage: &Lineage,
        grace: SteadyMs,
    ) -> Result<bool, StoreError> {
        self.connection.execute("DELETE FROM contact_statements WHERE contact = ?1", [id.0])?;
        for statement in &lineage.statements {
            let sql = "INSERT INTO contact_statements (contact, bytes) VALUES (?1, ?2)";
            self.connection.execute(sql, (id.0, statement.as_bytes()))?;
        }
        let path = lineage.path();
        for step in &path {
            let sql = "INSERT OR IGNORE INTO contact_keys VALUES (?1, ?2, ?3)";
            self.connection.execute(sql, (step.key.as_bytes(), id.0, ALWAYS))?;
        }
        for key in self.contact_keys(id)? {
            let is_on_path = path.iter().any(|step| step.key == key && step.end == End::Current);
            let until = match (is_on_path, lineage.has_rotated(&key)) {
                (true, _) => ALWAYS,
                (false, true) => grace,
                (false, false) => SteadyMs::MIN,
            };
            let sql = "UPDATE contact_keys SET until_steady =
                 CASE WHEN ?2 = ?3 THEN ?3 ELSE min(until_steady, ?2) END WHERE identity = ?1";
            self.connection.execute(sql, (key.as_bytes(), until, ALWAYS))?;
        }
        let verified_key: Option<[u8; 32]> = self.connection.query_row(
            "SELECT verified_key FROM contacts WHERE id = ?1",
            [id.0],
            |row| row.get(0),
        )?;
        let verified_key = verified_key.map(Identity::from_store);
        let verified = verified_key.is_some_and(|key| lineage.is_vouched_since(&key));
        let before = self.contact(id)?.map(|contact| contact.identity);
        if let Some(before) = before.filter(|before| lineage.current() != Some(*before)) {
            self.move_stance(&before, lineage.current().as_ref())?;
        }
        if let Some(current) = lineage.current() {
            let sql = "UPDATE contacts SET identity = ?2 WHERE id = ?1";
            self.connection.execute(sql, (id.0, current.as_bytes()))?;
        }
        let sql = "UPDATE contacts SET verified = ?2, revoked = ?3 WHERE id = ?1";
        self.connection.execute(sql, (id.0, verified, lineage.current().is_none()))?;
        Ok(verified)
    }

    /// Where trust in a contact begins that a backup brings.
    pub(crate) fn set_trust(
        &self,
        id: ContactId,
        root: &Identity,
        recovery: Option<&Identity>,
        verified_key: Option<&Identity>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET root = ?2, recovery = ?3, verified_key = ?4 WHERE id = ?1";
        let bytes = |key: Option<&Identity>| key.map(|key| *key.as_bytes());
        self.connection
            .execute(sql, (id.0, root.as_bytes(), bytes(recovery), bytes(verified_key)))?;
        Ok(())
    }

    /// A key that once was the contact's: it is nobody else's, and nothing by it is taken.
    pub(crate) fn insert_former_key(
        &self,
        id: ContactId,
        key: &Identity,
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO contact_keys VALUES (?1, ?2, ?3)";
        self.connection.execute(sql, (key.as_bytes(), id.0, SteadyMs::MIN))?;
        Ok(())
    }

    /// As [`Store::set_lineage`], of a contact that a backup brings: what former keys signed is not
    /// on its way to this device.
    pub(crate) fn restore_lineage(
        &self,
        id: ContactId,
        lineage: &Lineage,
    ) -> Result<(), StoreError> {
        self.set_lineage(id, lineage, SteadyMs::MIN).map(drop)
    }

    /// All keys that ever were the contact's.
    pub(crate) fn contact_keys(&self, id: ContactId) -> Result<Vec<Identity>, StoreError> {
        let sql = "SELECT identity FROM contact_keys WHERE contact = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let keys = statement.query_map([id.0], |row| fixed(row, 0))?;
        Ok(keys.map(|key| key.map(Identity::from_store)).collect::<Result<_, _>>()?)
    }

    /// Pins the recovery key to the root, once.
    pub(crate) fn set_contact_recovery(
        &self,
        id: ContactId,
        recovery: &Identity,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET recovery = ?2 WHERE id = ?1 AND recovery IS NULL";
        self.connection.execute(sql, (id.0, recovery.as_bytes()))?;
        Ok(())
    }

    /// The key that the user has verified.
    pub(crate) fn verified_key(&self, id: ContactId) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "SELECT verified_key FROM contacts WHERE id = ?1";
        Ok(self.connection.query_row(sql, [id.0], |row| row.get(0))?)
    }

    pub(crate) fn set_warning(
        &self,
        id: ContactId,
        warning: Option<KeyWarning>,
    ) -> Result<(), StoreError> {
        let warning = warning.map_or(0, |warning| warning as u8);
        self.connection
            .execute("UPDATE contacts SET warning = ?2 WHERE id = ?1", (id.0, warning))?;
        Ok(())
    }

    /// What the contact gave for answers is known to a thief.
    pub(crate) fn clear_contact_reply(&self, id: ContactId) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET reply_target = NULL, sealed = 0, previous_counter = NULL,
             previous_sealed = 0 WHERE id = ?1";
        self.connection.execute(sql, [id.0])?;
        Ok(())
    }

    pub(crate) fn set_contact_holds_statement(
        &self,
        id: ContactId,
        number: u64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET holds_statement = max(holds_statement, ?2) WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((id.0, number as i64))?;
        Ok(())
    }

    /// By number, in the order in which they were made.
    pub(crate) fn own_statements(&self) -> Result<Vec<(u64, Statement)>, StoreError> {
        let sql = "SELECT number, bytes FROM own_statements ORDER BY number";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        rows.map(|row| {
            let (number, bytes): (i64, Vec<u8>) = row?;
            let statement = Statement::from_store(&bytes).map_err(|_| StoreError::Corrupt)?;
            Ok((number.unsigned_abs(), statement))
        })
        .collect()
    }

    pub(crate) fn insert_own_statement(
        &self,
        number: u64,
        statement: &Statement,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO own_statements VALUES (?1, ?2)";
        self.connection.execute(sql, (number as i64, statement.as_bytes()))?;
        Ok(())
    }

    pub(crate) fn delete_own_statement(&self, number: u64) -> Result<(), StoreError> {
        let sql = "DELETE FROM own_statements WHERE number = ?1";
        self.connection.execute(sql, [number as i64])?;
        Ok(())
    }

    pub(crate) fn set_own_key(&self, key: &IdentityKey) -> Result<(), StoreError> {
        self.connection.execute("UPDATE own SET identity_key = ?1", [&*key.to_bytes()])?;
        Ok(())
    }

    pub(crate) fn own_recovery(&self) -> Result<Option<Identity>, StoreError> {
        let sql = "SELECT recovery FROM own";
        let key: Option<Option<[u8; 32]>> =
            self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(key.flatten().map(Identity::from_store))
    }

    pub(crate) fn set_own_recovery(&self, key: &Identity) -> Result<(), StoreError> {
        self.connection.execute("UPDATE own SET recovery = ?1", [key.as_bytes()])?;
        Ok(())
    }

    /// Targets that were given before are given no more.
    pub(crate) fn age_replies(&self, by: SteadyMs) -> Result<(), StoreError> {
        let sql = "UPDATE reply_targets SET issued_steady = issued_steady - ?1";
        self.connection.execute(sql, [by])?;
        Ok(())
    }
}
