//! Attachments: what is known of bodies in fragments until they are whole, and then their blocks.

use super::{SteadyMs, Store, StoreError};
use crate::chat::MessageId;
use crate::envelope::{BodyMark, BodySecret, Layout, Manifest, Priority, Release};
use rand_core::CryptoRng;
use rusqlite::{OptionalExtension, Row, params};

/// The machinery behind a message's attachment.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) message: MessageId,
    /// None once it has served its time: recorded fragments then stay closed for ever.
    pub(crate) secret: Option<BodySecret>,
    pub(crate) symbol_bytes: u16,
    pub(crate) layout: Layout,
    pub(crate) priority: Priority,
    /// Fragments that have arrived: at the other side of an own one, else here.
    pub(crate) arrived: u32,
    /// Of a received one: blocks that are not put together yet.
    pub(crate) blocks_left: u32,
    /// Of an own one: fragments that are sealed.
    pub(crate) sealed: u32,
    /// Of an own one: repair symbols to a hundred others.
    pub(crate) repair_percent: u32,
}

/// A received body that is whole, and whose end may show now.
pub(crate) struct Whole {
    pub(crate) mark: BodyMark,
    pub(crate) release: Release,
}

const COLUMNS: &str =
    "SELECT message, secret, size_bytes, symbol_bytes, priority, arrived, blocks_left, sealed,
         repair_percent
     FROM attachments";

impl Store {
    /// Of one mark there is one attachment: says whether this is it.
    pub(crate) fn insert_attachment(
        &self,
        message: MessageId,
        manifest: &Manifest,
        layout: &Layout,
        (priority, ends): (Priority, Option<SteadyMs>),
        rng: &mut dyn CryptoRng,
    ) -> Result<bool, StoreError> {
        let wrapped = self.wrap(manifest.secret.as_bytes(), place(message), rng);
        let sql = "INSERT INTO attachments
                 (message, mark, secret, size_bytes, symbol_bytes, priority, blocks_left, ends_steady,
                  is_sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8 IS NOT NULL) ON CONFLICT DO NOTHING";
        let inserted = self.connection.prepare_cached(sql)?.execute(params![
            message.0,
            manifest.secret.mark().0,
            &*wrapped,
            layout.size_bytes() as i64,
            manifest.symbol_bytes,
            priority as u8,
            layout.blocks(),
            ends,
        ])?;
        Ok(inserted > 0)
    }

    pub(crate) fn attachment(&self, message: MessageId) -> Result<Option<Attachment>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(&format!("{COLUMNS} WHERE message = ?1"))?;
        let row = statement.query_row([message.0], |row| Ok(self.read_attachment(row)));
        row.optional()?.transpose()
    }

    pub(crate) fn attachment_by_mark(
        &self,
        mark: BodyMark,
    ) -> Result<Option<Attachment>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(&format!("{COLUMNS} WHERE mark = ?1"))?;
        let row = statement.query_row([mark.0], |row| Ok(self.read_attachment(row)));
        row.optional()?.transpose()
    }

    fn read_attachment(&self, row: &Row<'_>) -> Result<Attachment, StoreError> {
        let message = MessageId(row.get(0)?);
        let secret = match row.get_ref(1)?.as_blob_or_null().map_err(|_| StoreError::Corrupt)? {
            Some(wrapped) => {
                let secret = self.unwrap(wrapped, place(message))?;
                Some(BodySecret::new(&secret))
            }
            None => None,
        };
        let (size_bytes, symbol_bytes) = (row.get::<_, i64>(2)?.unsigned_abs(), row.get(3)?);
        Ok(Attachment {
            message,
            secret,
            symbol_bytes,
            layout: Layout::new(size_bytes, symbol_bytes).ok_or(StoreError::Corrupt)?,
            priority: Priority::from_byte(row.get(4)?).map_err(|_| StoreError::Corrupt)?,
            arrived: row.get(5)?,
            blocks_left: row.get(6)?,
            sealed: row.get(7)?,
            repair_percent: row.get(8)?,
        })
    }

    pub(crate) fn count_arrived(&self, message: MessageId) -> Result<(), StoreError> {
        let sql = "UPDATE attachments SET arrived = arrived + 1 WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute([message.0])?;
        Ok(())
    }

    /// The recipient has all of it.
    pub(crate) fn set_whole(&self, message: MessageId) -> Result<(), StoreError> {
        let sql = "UPDATE attachments SET blocks_left = 0 WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute([message.0])?;
        Ok(())
    }

    /// Received ones that were not completed in time.
    pub(crate) fn ended_attachments(&self, now: SteadyMs) -> Result<Vec<MessageId>, StoreError> {
        let sql = "SELECT message FROM attachments WHERE ends_steady <= ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([now], |row| row.get(0).map(MessageId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The body has arrived, or never will: no thief shall open its fragments.
    pub(crate) fn destroy_body_secret(&mut self, message: MessageId) -> Result<(), StoreError> {
        let sql = "UPDATE attachments SET secret = NULL, release = NULL, release_steady = NULL,
                 ends_steady = NULL
             WHERE message = ?1";
        if self.connection.prepare_cached(sql)?.execute([message.0])? == 0 {
            return Ok(());
        }
        let sql = "DELETE FROM attachment_symbols WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute([message.0])?;
        // What was sent from here is where it came from.
        let sql = "DELETE FROM attachment_blocks WHERE message = ?1
             AND message IN (SELECT id FROM messages WHERE outgoing)";
        self.connection.prepare_cached(sql)?.execute([message.0])?;
        self.scrub();
        Ok(())
    }

    pub(crate) fn insert_symbol(
        &self,
        message: MessageId,
        (block, symbol): (u32, u32),
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO attachment_symbols VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        self.connection.prepare_cached(sql)?.execute((message.0, block, symbol, bytes))?;
        Ok(())
    }

    pub(crate) fn symbol_count(&self, message: MessageId, block: u32) -> Result<u32, StoreError> {
        let sql = "SELECT count(*) FROM attachment_symbols WHERE message = ?1 AND block = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((message.0, block), |row| row.get(0))?)
    }

    pub(crate) fn symbols(
        &self,
        message: MessageId,
        block: u32,
    ) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
        let sql = "SELECT symbol, bytes FROM attachment_symbols WHERE message = ?1 AND block = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((message.0, block), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many repair symbols an own attachment gets, before any of its fragments is sealed.
    pub(crate) fn set_repair_percent(
        &self,
        message: MessageId,
        percent: u32,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE attachments SET repair_percent = ?2 WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute((message.0, percent))?;
        Ok(())
    }

    /// How many fragments of an own attachment are sealed.
    pub(crate) fn set_sealed_fragments(
        &self,
        message: MessageId,
        count: u32,
        is_all: bool,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE attachments SET sealed = ?2, is_sealed = ?3 WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute((message.0, count, is_all))?;
        Ok(())
    }

    /// Own messages of whose attachments some fragments wait for a postmark, the oldest first.
    pub(crate) fn unsealed_attachments(&self) -> Result<Vec<MessageId>, StoreError> {
        let sql = "SELECT message FROM attachments
             WHERE NOT is_sealed AND secret IS NOT NULL ORDER BY message";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| row.get(0).map(MessageId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A block of an own attachment.
    pub(crate) fn insert_own_block(
        &self,
        message: MessageId,
        block: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO attachment_blocks VALUES (?1, ?2, ?3)";
        self.connection.prepare_cached(sql)?.execute((message.0, block, bytes))?;
        Ok(())
    }

    /// A block is whole: its symbols go. Says how many blocks are left.
    pub(crate) fn insert_block(
        &self,
        message: MessageId,
        block: u32,
        bytes: &[u8],
    ) -> Result<u32, StoreError> {
        self.insert_own_block(message, block, bytes)?;
        let sql = "DELETE FROM attachment_symbols WHERE message = ?1 AND block = ?2";
        self.connection.prepare_cached(sql)?.execute((message.0, block))?;
        let sql = "UPDATE attachments SET blocks_left = blocks_left - 1 WHERE message = ?1
             RETURNING blocks_left";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([message.0], |row| row.get(0))?)
    }

    pub(crate) fn block(
        &self,
        message: MessageId,
        block: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT bytes FROM attachment_blocks WHERE message = ?1 AND block = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((message.0, block), |row| row.get(0)).optional()?)
    }

    pub(crate) fn has_block(&self, message: MessageId, block: u32) -> Result<bool, StoreError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM attachment_blocks WHERE message = ?1 AND block = ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((message.0, block), |row| row.get(0))?)
    }

    /// What ends a body that has arrived whole, and from when on it may show.
    pub(crate) fn set_release(
        &self,
        message: MessageId,
        release: &Release,
        at: SteadyMs,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE attachments SET release = ?2, release_steady = ?3 WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute((message.0, &release.0[..], at))?;
        Ok(())
    }

    pub(crate) fn due_releases(&self, now: SteadyMs) -> Result<Vec<Whole>, StoreError> {
        let sql = "SELECT mark, release FROM attachments WHERE release_steady <= ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([now], |row| {
            let release = row.get(1).map(Release)?;
            Ok(Whole { mark: row.get(0).map(BodyMark)?, release })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Where a secret is wrapped for: see [`Store::wrap`].
fn place(message: MessageId) -> (i64, i64) {
    (-1, message.0)
}
