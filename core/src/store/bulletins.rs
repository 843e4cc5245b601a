//! Bulletins on board, what is known of their threads, and whom the user follows.

use super::envelopes::{Carried, EXTRA, EnvelopeRow, carried, select_envelopes};
use super::{PostmarkRow, SteadyMs, Store, StoreError, fixed};
use crate::chat::Stance;
use crate::envelope::{BulletinKind, Priority};
use crate::identity::Identity;
use rusqlite::{OptionalExtension, Row};

/// The newest bulletin of a thread.
pub(crate) struct Thread {
    pub(crate) number: u64,
    pub(crate) kind: BulletinKind,
    /// None once it is gone.
    pub(crate) envelope: Option<EnvelopeRow>,
}

/// An own bulletin that waits for a postmark.
pub(crate) struct Unpublished {
    pub(crate) number: u64,
    pub(crate) kind: BulletinKind,
    pub(crate) lifetime_s: u32,
    pub(crate) said: Vec<u8>,
}

impl Store {
    pub(crate) fn stance(&self, publisher: &Identity) -> Result<Option<Stance>, StoreError> {
        let sql = "SELECT stance FROM publishers WHERE identity = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let stance = statement.query_row([publisher.as_bytes()], |row| stance(row, 0));
        Ok(stance.optional()?)
    }

    pub(crate) fn publishers(&self) -> Result<Vec<(Identity, Stance)>, StoreError> {
        let sql = "SELECT identity, stance FROM publishers ORDER BY identity";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map([], |row| Ok((Identity::from_store(fixed(row, 0)?), stance(row, 1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn set_stance(
        &self,
        publisher: &Identity,
        stance: Option<Stance>,
    ) -> Result<(), StoreError> {
        let key = publisher.as_bytes();
        match stance {
            Some(stance) => {
                let sql = "INSERT OR REPLACE INTO publishers VALUES (?1, ?2)";
                self.connection.execute(sql, (key, stance as u8))?;
            }
            None => {
                self.connection.execute("DELETE FROM publishers WHERE identity = ?1", [key])?;
            }
        }
        Ok(())
    }

    /// What is made of a publisher who is a contact goes on under their new key; nobody follows a key
    /// that was revoked.
    pub(crate) fn move_stance(
        &self,
        old: &Identity,
        new: Option<&Identity>,
    ) -> Result<(), StoreError> {
        let Some(stance) = self.stance(old)? else { return Ok(()) };
        if new.is_some() || stance == Stance::Followed {
            self.set_stance(old, None)?;
        }
        new.map_or(Ok(()), |new| self.set_stance(new, Some(stance)))
    }

    /// Whether the publisher is a contact who was shut out, under whatever key of theirs.
    pub(crate) fn is_blocked(&self, publisher: &Identity) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM contacts WHERE relation = 2 AND (identity = ?1 OR id IN
             (SELECT contact FROM contact_keys WHERE identity = ?1))";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([publisher.as_bytes()], |_| Ok(())).optional()?.is_some())
    }

    pub(crate) fn thread(
        &self,
        publisher: &Identity,
        thread: u64,
    ) -> Result<Option<Thread>, StoreError> {
        let sql =
            "SELECT issue, kind, envelope FROM bulletins WHERE publisher = ?1 AND thread = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let known = statement.query_row((publisher.as_bytes(), thread as i64), |row| {
            Ok(Thread {
                number: row.get::<_, i64>(0)?.unsigned_abs(),
                kind: kind(row, 1)?,
                envelope: row.get::<_, Option<i64>>(2)?.map(EnvelopeRow),
            })
        });
        Ok(known.optional()?)
    }

    /// Takes the place of what is known of the thread.
    pub(crate) fn set_thread(
        &self,
        (publisher, thread, number): (&Identity, u64, u64),
        kind: BulletinKind,
        envelope: EnvelopeRow,
        forget: SteadyMs,
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO bulletins VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (thread, number) = (thread as i64, number as i64);
        let kind = kind.priority() as u8;
        let values = (publisher.as_bytes(), thread, number, kind, envelope.0, forget);
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Forgets threads that end by `now`, and the soonest to be forgotten beyond `max`.
    pub(crate) fn forget_threads(&self, now: SteadyMs, max: u64) -> Result<(), StoreError> {
        let sql =
            "DELETE FROM bulletins WHERE envelope IS NULL AND (forget_steady <= ?1 OR rowid IN
             (SELECT rowid FROM bulletins ORDER BY forget_steady DESC LIMIT -1 OFFSET ?2))";
        self.connection.prepare_cached(sql)?.execute((now, max as i64))?;
        Ok(())
    }

    /// All on board, the youngest first.
    pub(crate) fn bulletins(&self) -> Result<Vec<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE standing = 3 ORDER BY born_steady DESC, row DESC");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], carried)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A publisher's on board, with their numbers, the lowest first.
    pub(crate) fn bulletins_of(
        &self,
        publisher: &Identity,
    ) -> Result<Vec<(u64, Carried)>, StoreError> {
        let sql = select_envelopes!(
            ", issue",
            "JOIN bulletins ON envelope = row WHERE publisher = ?1 ORDER BY issue"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([publisher.as_bytes()], |row| {
            Ok((row.get::<_, i64>(EXTRA)?.unsigned_abs(), carried(row)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn bulletin_count(&self, kind: BulletinKind) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM bulletins WHERE envelope IS NOT NULL AND kind = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let count: i64 = statement.query_row([kind.priority() as u8], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// How many are on board that this postmark has paid for.
    pub(crate) fn bulletins_paid_by(&self, postmark: PostmarkRow) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM envelopes WHERE postmark = ?1 AND standing = 3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let count: i64 = statement.query_row([postmark.0], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// The bulletin of a kind that goes first, and whether its publisher is followed: the oldest, those
    /// of followed publishers last. Those of `own` stay.
    pub(crate) fn least_bulletin(
        &self,
        kind: BulletinKind,
        own: &Identity,
    ) -> Result<Option<(bool, Carried)>, StoreError> {
        let sql = select_envelopes!(
            ", EXISTS (SELECT 1 FROM publishers
                 WHERE identity = publisher AND stance = 1) AS is_followed",
            "JOIN bulletins ON envelope = row
             WHERE kind = ?1 AND publisher <> ?2 ORDER BY is_followed, born_steady, row LIMIT 1"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let least = statement.query_row((kind.priority() as u8, own.as_bytes()), |row| {
            Ok((row.get(EXTRA)?, carried(row)?))
        });
        Ok(least.optional()?)
    }

    /// The highest number of an own bulletin.
    pub(crate) fn last_bulletin(&self) -> Result<u64, StoreError> {
        let sql = "SELECT last_bulletin FROM own";
        Ok(self.connection.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Takes down an own bulletin that waits for a postmark.
    pub(crate) fn insert_unpublished(&self, new: &Unpublished) -> Result<(), StoreError> {
        let sql = "INSERT INTO unpublished VALUES (?1, ?2, ?3, ?4)";
        let kind = new.kind.priority() as u8;
        self.connection.execute(sql, (new.number as i64, kind, new.lifetime_s, &new.said))?;
        self.connection.execute("UPDATE own SET last_bulletin = ?1", [new.number as i64])?;
        Ok(())
    }

    /// Own bulletins that wait for a postmark, the oldest first.
    pub(crate) fn unpublished(&self) -> Result<Vec<Unpublished>, StoreError> {
        let sql = "SELECT issue, kind, lifetime_s, said FROM unpublished ORDER BY issue";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(Unpublished {
                number: row.get::<_, i64>(0)?.unsigned_abs(),
                kind: kind(row, 1)?,
                lifetime_s: row.get(2)?,
                said: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn delete_unpublished(&self, number: u64) -> Result<(), StoreError> {
        let sql = "DELETE FROM unpublished WHERE issue = ?1";
        self.connection.prepare_cached(sql)?.execute([number as i64])?;
        Ok(())
    }
}

fn kind(row: &Row<'_>, index: usize) -> rusqlite::Result<BulletinKind> {
    let byte: u8 = row.get(index)?;
    let out_of_range = |_| rusqlite::Error::IntegralValueOutOfRange(index, byte.into());
    Priority::from_byte(byte).map(BulletinKind::of).map_err(out_of_range)
}

fn stance(row: &Row<'_>, index: usize) -> rusqlite::Result<Stance> {
    let byte = row.get(index)?;
    let out_of_range = rusqlite::Error::IntegralValueOutOfRange(index, i64::from(byte));
    Stance::from_byte(byte).ok_or(out_of_range)
}
