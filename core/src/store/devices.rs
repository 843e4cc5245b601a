//! One identity on one device after another: which this is, and what is sealed anew.

use super::envelopes::{Carried, carried, select_envelopes};
use super::{EnvelopeRow, MessageRow, Store, StoreError, fixed, messages};
use crate::chat::{ContactId, MessageId, State};
use crate::envelope::{AckProof, BETWEEN_ENGINES};
use crate::identity::Card;
use crate::time::Timestamp;

impl Store {
    /// Which of the identity's devices this is, and whether a later one is known.
    pub(crate) fn device(&self) -> Result<(u64, bool), StoreError> {
        let sql = "SELECT device, is_superseded FROM own";
        let (device, is_superseded): (i64, bool) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((device.unsigned_abs(), is_superseded))
    }

    pub(crate) fn set_device(&self, device: u64) -> Result<(), StoreError> {
        self.connection.execute("UPDATE own SET device = ?1", [device as i64])?;
        Ok(())
    }

    /// The card of the device before this one, if that was not told to stop yet.
    pub(crate) fn device_before(&self) -> Result<Option<Card>, StoreError> {
        let sql = "SELECT device_before FROM own";
        let card: Option<Vec<u8>> = self.connection.query_row(sql, [], |row| row.get(0))?;
        card.map(|card| Card::from_store(&card).map_err(|_| StoreError::Corrupt)).transpose()
    }

    pub(crate) fn set_device_before(&self, card: Option<&Card>) -> Result<(), StoreError> {
        let sql = "UPDATE own SET device_before = ?1";
        self.connection.execute(sql, [card.map(Card::as_bytes)])?;
        Ok(())
    }

    pub(crate) fn set_superseded(&self, is_superseded: bool) -> Result<(), StoreError> {
        self.connection.execute("UPDATE own SET is_superseded = ?1", [is_superseded])?;
        Ok(())
    }

    /// The contact has another device: what the last one gave opens nothing there, and it may know
    /// less.
    pub(crate) fn forget_device(&self, id: ContactId) -> Result<(), StoreError> {
        let sql = "UPDATE contacts SET reply_target = NULL, sealed = 0, previous_counter = NULL,
             previous_sealed = 0, holds_sequence = -1, holds_statement = 0,
             needs_resealing = 1 WHERE id = ?1";
        self.connection.execute(sql, [id.0])?;
        Ok(())
    }

    pub(crate) fn contacts_to_reseal(&self) -> Result<Vec<ContactId>, StoreError> {
        let sql = "SELECT id FROM contacts WHERE needs_resealing ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| row.get(0).map(ContactId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn set_resealed(&self, id: ContactId) -> Result<(), StoreError> {
        self.connection.execute("UPDATE contacts SET needs_resealing = 0 WHERE id = ?1", [id.0])?;
        Ok(())
    }

    /// What the contact is not known to have, the newest `limit`, the oldest first.
    pub(crate) fn undelivered(
        &self,
        contact: ContactId,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let sql = format!(
            "{} WHERE contact = ?1 AND outgoing AND state < ?2 ORDER BY id DESC LIMIT ?3",
            messages::COLUMNS
        );
        let mut statement = self.connection.prepare(&sql)?;
        let rows =
            statement.query_map((contact.0, State::Expired as u8, limit), messages::message)?;
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        rows.reverse();
        Ok(rows)
    }

    /// The oldest `limit` messages after `after`, for a backup; nothing between engines.
    pub(crate) fn messages_after(
        &self,
        after: MessageId,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let [read, refresh] = BETWEEN_ENGINES;
        let sql = format!(
            "{} WHERE id > ?1 AND kind NOT IN ({read}, {refresh}) ORDER BY id LIMIT ?2",
            messages::COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map((after.0, limit), messages::message)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When a message that a backup brings was delivered.
    pub(crate) fn set_delivered(&self, id: MessageId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE messages SET delivered_ms = ?2 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute((id.0, at.0 as i64))?;
        Ok(())
    }

    pub(crate) fn insert_own_ack(
        &self,
        row: EnvelopeRow,
        proof: &AckProof,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO own_acks VALUES (?1, ?2)")?
            .execute((row.0, &proof.0[..]))?;
        Ok(())
    }

    pub(crate) fn own_ack(&self, row: EnvelopeRow) -> Result<Option<AckProof>, StoreError> {
        let sql = "SELECT proof FROM own_acks WHERE envelope = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query_map([row.0], |row| fixed(row, 0).map(AckProof))?;
        Ok(rows.next().transpose()?)
    }

    /// The envelopes that carry a message.
    /// Fragments of its attachment not among them.
    pub(crate) fn letters_of(&self, message: MessageId) -> Result<Vec<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE message = ?1 AND body IS NULL ORDER BY row");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([message.0], carried)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether anything of an own message is still on board.
    pub(crate) fn is_under_way(&self, message: MessageId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM envelopes WHERE message = ?1)
             OR EXISTS (SELECT 1 FROM attachments
                 WHERE message = ?1 AND NOT is_sealed AND secret IS NOT NULL)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([message.0], |row| row.get(0))?)
    }
}
