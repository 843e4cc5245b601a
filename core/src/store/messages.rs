//! Messages, sent and received, and how far the sent ones have come.

use super::{Store, StoreError, fixed};
use crate::chat::{ContactId, MessageId, State, Transfer};
use crate::envelope::BETWEEN_ENGINES;
use crate::identity::Protection;
use crate::time::Timestamp;
use rusqlite::{OptionalExtension, Row};

pub(crate) struct NewMessage<'a> {
    pub(crate) contact: ContactId,
    pub(crate) outgoing: bool,
    pub(crate) uuid: &'a [u8; 16],
    pub(crate) kind: u64,
    pub(crate) content: &'a [u8],
    pub(crate) sent: Timestamp,
    pub(crate) stored: Timestamp,
    pub(crate) state: State,
    pub(crate) protection: Protection,
    /// The own card that goes along.
    pub(crate) card_sequence: Option<u64>,
    /// The newest own statement that goes along.
    pub(crate) statement: Option<u64>,
}

pub(crate) struct MessageRow {
    pub(crate) id: MessageId,
    pub(crate) contact: ContactId,
    pub(crate) outgoing: bool,
    pub(crate) uuid: [u8; 16],
    pub(crate) kind: u64,
    pub(crate) content: Vec<u8>,
    pub(crate) sent: Timestamp,
    pub(crate) stored: Timestamp,
    pub(crate) state: State,
    pub(crate) protection: Protection,
    pub(crate) card_sequence: Option<u64>,
    pub(crate) statement: Option<u64>,
    pub(crate) delivered: Option<Timestamp>,
    /// Neighbours that have stored it for this node, and how many of them are contacts.
    pub(crate) carriers: u32,
    pub(crate) carrier_contacts: u32,
    pub(crate) transfer: Option<Transfer>,
}

pub(super) const COLUMNS: &str = "SELECT id, contact, outgoing, uuid, kind, content, sent_ms, stored_ms, \
     state, delivered_ms, \
     (SELECT count(*) FROM handovers WHERE message = messages.id), \
     (SELECT count(contact) FROM handovers WHERE message = messages.id), \
     protection, card_sequence, statement, arrived, size_bytes, symbol_bytes, blocks_left \
     FROM messages LEFT JOIN attachments ON message = id";

impl Store {
    /// `None` where the message is there already.
    pub(crate) fn insert_message(
        &self,
        message: &NewMessage<'_>,
    ) -> Result<Option<MessageId>, StoreError> {
        let inserted = self
            .connection
            .prepare_cached(
                "INSERT INTO messages
                 (id, contact, outgoing, uuid, kind, content, sent_ms, stored_ms, state,
                  protection, card_sequence, statement)
                 VALUES (1 + (SELECT max(last_message, (SELECT coalesce(max(id), 0) FROM messages))
                  FROM own), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
            )?
            .execute((
                message.contact.0,
                message.outgoing,
                message.uuid,
                message.kind as i64,
                message.content,
                // The sender's clock is a claim: what SQLite cannot hold is cut.
                i64::try_from(message.sent.0).unwrap_or(i64::MAX),
                message.stored.0 as i64,
                message.state as u8,
                message.protection as u8,
                message.card_sequence.map(|sequence| sequence as i64),
                message.statement.map(|number| number as i64),
            ))?;
        Ok((inserted > 0).then(|| MessageId(self.connection.last_insert_rowid())))
    }

    pub(crate) fn message(&self, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row([id.0], message).optional()?)
    }

    pub(crate) fn message_by_uuid(
        &self,
        contact: ContactId,
        outgoing: bool,
        uuid: &[u8; 16],
    ) -> Result<Option<MessageRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE contact = ?1 AND outgoing = ?2 AND uuid = ?3");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row((contact.0, outgoing, uuid), message).optional()?)
    }

    /// The newest `limit` messages before `before`, the oldest first; nothing between engines, and
    /// of all conversations only those with accepted contacts.
    pub(crate) fn messages(
        &self,
        contact: Option<ContactId>,
        before: MessageId,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let [read, refresh] = BETWEEN_ENGINES;
        let sql = format!(
            "{COLUMNS} WHERE id < ?1 AND kind NOT IN ({read}, {refresh})
             AND (contact = ?2 OR
                 ?2 IS NULL AND contact IN (SELECT id FROM contacts WHERE relation = 0))
             ORDER BY id DESC LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map((before.0, contact.map(|id| id.0), limit), message)?;
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        rows.reverse();
        Ok(rows)
    }

    /// With whom something was said: the newest message, and how many are unseen. Of accepted contacts,
    /// the newest first.
    pub(crate) fn conversations(&self) -> Result<Vec<(ContactId, MessageId, u32)>, StoreError> {
        let [read, refresh] = BETWEEN_ENGINES;
        let sql = format!(
            "SELECT contact, max(id) AS last, sum(state = {})
             FROM messages WHERE kind NOT IN ({read}, {refresh})
                 AND contact IN (SELECT id FROM contacts WHERE relation = 0)
             GROUP BY contact ORDER BY last DESC",
            State::Received as u8
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map((), |row| {
            Ok((ContactId(row.get(0)?), MessageId(row.get(1)?), row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// With all that belongs to it.
    pub(crate) fn delete_message(&self, id: MessageId) -> Result<(), StoreError> {
        self.connection.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([id.0])?;
        Ok(())
    }

    /// Moves a message forward; states never go back. Says whether it moved.
    pub(crate) fn advance_message(
        &self,
        id: MessageId,
        state: State,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let moved = self
            .connection
            .prepare_cached(
                "UPDATE messages SET state = ?2,
                     delivered_ms = CASE WHEN ?2 = ?4 THEN ?3 ELSE delivered_ms END
                 WHERE id = ?1 AND state < ?2",
            )?
            .execute((id.0, state as u8, now.0 as i64, State::Delivered as u8))?;
        Ok(moved > 0)
    }

    /// Notes that a neighbour has stored an own message. Says whether that is new.
    pub(crate) fn insert_handover(
        &self,
        id: MessageId,
        neighbour: &[u8; 32],
        contact: Option<ContactId>,
    ) -> Result<bool, StoreError> {
        let inserted = self
            .connection
            .prepare_cached("INSERT INTO handovers VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute((id.0, neighbour, contact.map(|id| id.0)))?;
        Ok(inserted > 0)
    }
}

pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let time = |index| row.get::<_, i64>(index).map(|ms| Timestamp(ms.unsigned_abs()));
    let (state, protection) = (row.get::<_, u8>(8)?, row.get::<_, u8>(12)?);
    Ok(MessageRow {
        id: MessageId(row.get(0)?),
        contact: ContactId(row.get(1)?),
        outgoing: row.get(2)?,
        uuid: fixed(row, 3)?,
        kind: row.get::<_, i64>(4)?.unsigned_abs(),
        content: row.get(5)?,
        sent: time(6)?,
        stored: time(7)?,
        state: State::from_byte(state)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(8, state.into()))?,
        delivered: row.get::<_, Option<i64>>(9)?.map(|ms| Timestamp(ms.unsigned_abs())),
        carriers: row.get(10)?,
        carrier_contacts: row.get(11)?,
        protection: Protection::from_byte(protection)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(12, protection.into()))?,
        card_sequence: row.get::<_, Option<i64>>(13)?.map(i64::unsigned_abs),
        statement: row.get::<_, Option<i64>>(14)?.map(i64::unsigned_abs),
        transfer: match row.get::<_, Option<u32>>(15)? {
            Some(arrived) => Some(Transfer {
                arrived,
                needed: row.get::<_, u32>(16)?.div_ceil(row.get::<_, u32>(17)?.max(1)),
                is_whole: row.get::<_, u32>(18)? == 0,
            }),
            None => None,
        },
    })
}
