//! The people one knows.

use super::{SteadyMs, Store, StoreError, fixed};
use crate::chat::{ContactId, KeyWarning, Relation};
use crate::codec::Reader;
use crate::envelope::Previous;
use crate::identity::{Card, Identity, ReplyTarget};
use rusqlite::{OptionalExtension, Row};

pub(crate) struct ContactRow {
    pub(crate) id: ContactId,
    pub(crate) identity: Identity,
    pub(crate) name: String,
    pub(crate) card: Card,
    pub(crate) relation: Relation,
    pub(crate) muted: bool,
    pub(crate) verified: bool,
    pub(crate) warning: Option<KeyWarning>,
    /// Their key was revoked, and none took its place.
    pub(crate) revoked: bool,
    /// The newest own statement that they have.
    pub(crate) holds_statement: u64,
    pub(crate) holds_sequence: i64,
    /// The newest target that the contact gave for answers.
    pub(crate) reply: Option<ReplyTarget>,
    /// Envelopes sealed to it.
    pub(crate) sealed: u32,
    /// What was sealed to the one before.
    pub(crate) previous: Option<Previous>,
    /// Messages from the contact since one came under X-Wing, and when that was.
    pub(crate) since_pq: u32,
    pub(crate) pq_at: Option<SteadyMs>,
}

/// A query for what [`contact`] reads.
macro_rules! select_contacts {
    ($rest:literal) => {
        concat!(
            "SELECT id, identity, name, card, verified, holds_sequence, reply_target, sealed, \
             previous_counter, previous_sealed, since_pq, pq_steady, relation, muted, warning, \
             revoked, holds_statement FROM contacts ",
            $rest
        )
    };
}

impl Store {
    pub(crate) fn insert_contact(&self, card: &Card, name: &str) -> Result<ContactId, StoreError> {
        self.connection.execute(
            "INSERT INTO contacts (id, identity, name, card, root, recovery) VALUES (1 + (SELECT max(last_contact,
                 (SELECT coalesce(max(id), 0) FROM contacts)) FROM own), ?1, ?2, ?3, ?1, ?4)",
            (
                card.identity().as_bytes(),
                name,
                card.as_bytes(),
                card.recovery().map(|key| *key.as_bytes()),
            ),
        )?;
        let id = ContactId(self.connection.last_insert_rowid());
        self.insert_contact_key(id, &card.identity())?;
        Ok(id)
    }

    pub(crate) fn contacts(&self) -> Result<Vec<ContactRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(select_contacts!("ORDER BY id"))?;
        let rows = statement.query_and_then([], contact)?;
        rows.collect()
    }

    pub(crate) fn contact(&self, id: ContactId) -> Result<Option<ContactRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(select_contacts!("WHERE id = ?1"))?;
        statement.query_and_then([id.0], contact)?.next().transpose()
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
        self.connection.execute(
            "UPDATE contacts SET verified = 1, verified_key = identity, warning = 0 WHERE id = ?1",
            [id.0],
        )?;
        Ok(())
    }

    /// The contact has given a newer target: what was sealed to the last one is known from now on.
    pub(crate) fn set_contact_reply(
        &self,
        id: ContactId,
        reply: &ReplyTarget,
        previous: Option<Previous>,
    ) -> Result<(), StoreError> {
        let (counter, sealed) = previous.map_or((None, 0), |p| (Some(p.counter as i64), p.sealed));
        self.connection
            .prepare_cached(
                "UPDATE contacts SET reply_target = ?2, sealed = 0, previous_counter = ?3,
                     previous_sealed = ?4 WHERE id = ?1",
            )?
            .execute((id.0, reply.encode(), counter, sealed))?;
        Ok(())
    }

    /// The same target again, which has lost its claim to post-quantum protection.
    pub(crate) fn set_contact_reply_classical(
        &self,
        id: ContactId,
        reply: &ReplyTarget,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET reply_target = ?2 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((id.0, reply.encode()))?;
        Ok(())
    }

    /// An earlier need for a refresh stands until it is met.
    pub(crate) fn set_refresh(
        &self,
        id: ContactId,
        due: Option<SteadyMs>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET refresh_steady =
             CASE WHEN ?2 IS NULL THEN NULL ELSE coalesce(refresh_steady, ?2) END WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((id.0, due))?;
        Ok(())
    }

    pub(crate) fn due_refreshes(&self, now: SteadyMs) -> Result<Vec<ContactId>, StoreError> {
        let sql = "SELECT id FROM contacts WHERE refresh_steady <= ?1 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([now], |row| row.get(0).map(ContactId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn count_sealed(&self, id: ContactId) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET sealed = sealed + 1 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute([id.0])?;
        Ok(())
    }

    /// A message has come from the contact: under X-Wing at `pq`, or not.
    pub(crate) fn count_protection(
        &self,
        id: ContactId,
        pq: Option<SteadyMs>,
    ) -> Result<(), StoreError> {
        let sql =
            "UPDATE contacts SET since_pq = CASE WHEN ?2 IS NULL THEN since_pq + 1 ELSE 0 END,
             pq_steady = coalesce(?2, pq_steady) WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((id.0, pq))?;
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
    let reply: Option<Vec<u8>> = row.get(6)?;
    let (previous, sealed): (Option<i64>, u32) = (row.get(8)?, row.get(9)?);
    Ok(ContactRow {
        id: ContactId(row.get(0)?),
        identity: Identity::from_store(identity),
        name: row.get(2)?,
        card: Card::from_store(&card).map_err(|_| StoreError::Corrupt)?,
        relation: Relation::from_byte(row.get(12)?).ok_or(StoreError::Corrupt)?,
        muted: row.get(13)?,
        verified: row.get(4)?,
        warning: KeyWarning::from_byte(row.get(14)?),
        revoked: row.get(15)?,
        holds_statement: row.get::<_, i64>(16)?.unsigned_abs(),
        holds_sequence: row.get(5)?,
        reply: match reply {
            Some(bytes) => {
                let reply = ReplyTarget::decode(&mut Reader::new(&bytes));
                Some(reply.map_err(|_| StoreError::Corrupt)?)
            }
            None => None,
        },
        sealed: row.get(7)?,
        previous: previous.map(|counter| Previous { counter: counter.unsigned_abs(), sealed }),
        since_pq: row.get(10)?,
        pq_at: row.get(11)?,
    })
}
