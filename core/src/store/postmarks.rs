//! Postmarks: the own ones, and the verdicts on those of others.

use super::{Store, StoreError, fixed};
use crate::chat::MessageId;
use crate::envelope::{Postmark, Priority, WorkProof};
use crate::identity::Protection;
use rusqlite::{OptionalExtension, Row};
use zeroize::Zeroizing;

/// A checked postmark's place in the table, as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PostmarkRow(pub(crate) i64);

/// What a check has found, once and for all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub(crate) row: PostmarkRow,
    pub(crate) is_paid: bool,
}

/// A postmark of this node.
pub(crate) struct OwnPostmark {
    pub(crate) row: i64,
    pub(crate) day: u32,
    pub(crate) postmark: Postmark,
    pub(crate) is_minted: bool,
    /// Where the search goes on.
    pub(crate) next_nonce: u64,
    /// What it has signed.
    pub(crate) envelopes: u64,
    pub(crate) bytes: u64,
}

impl Store {
    /// In the order of their making.
    pub(crate) fn own_postmarks(&self) -> Result<Vec<OwnPostmark>, StoreError> {
        let sql = "SELECT row, day, seed, next_nonce, nonce, envelopes, bytes
             FROM own_postmarks ORDER BY row";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], own_postmark)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Says where it is.
    pub(crate) fn insert_own_postmark(&self, new: &OwnPostmark) -> Result<i64, StoreError> {
        let sql =
            "INSERT INTO own_postmarks (day, seed, next_nonce, nonce) VALUES (?1, ?2, ?3, ?4)";
        self.connection.prepare_cached(sql)?.execute((
            new.day,
            &*new.postmark.seed(),
            new.next_nonce.to_be_bytes(),
            new.is_minted.then(|| new.postmark.nonce()),
        ))?;
        Ok(self.connection.last_insert_rowid())
    }

    pub(crate) fn update_own_postmark(&self, own: &OwnPostmark) -> Result<(), StoreError> {
        let sql = "UPDATE own_postmarks
             SET next_nonce = ?2, nonce = ?3, envelopes = ?4, bytes = ?5 WHERE row = ?1";
        self.connection.prepare_cached(sql)?.execute((
            own.row,
            own.next_nonce.to_be_bytes(),
            own.is_minted.then(|| own.postmark.nonce()),
            own.envelopes as i64,
            own.bytes as i64,
        ))?;
        Ok(())
    }

    pub(crate) fn delete_own_postmark(&self, own: &OwnPostmark) -> Result<(), StoreError> {
        let sql = "DELETE FROM own_postmarks WHERE row = ?1";
        self.connection.prepare_cached(sql)?.execute([own.row])?;
        Ok(())
    }

    /// All but those of `day` and the day after. Whoever finds them later could tell by them which
    /// mail was written here.
    pub(crate) fn delete_own_postmarks_but_of(&mut self, day: u32) -> Result<(), StoreError> {
        let sql = "DELETE FROM own_postmarks WHERE day NOT IN (?1, ?1 + 1)";
        if self.connection.execute(sql, [day])? > 0 {
            self.scrub();
        }
        Ok(())
    }

    pub(crate) fn insert_unsealed(
        &self,
        message: MessageId,
        priority: Priority,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO unsealed VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute((message.0, priority as u8))?;
        Ok(())
    }

    /// What waits for a postmark, the oldest first.
    pub(crate) fn unsealed(&self) -> Result<Vec<(MessageId, Priority)>, StoreError> {
        let sql = "SELECT message, priority FROM unsealed ORDER BY message";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let out_of_range =
                |_| rusqlite::Error::IntegralValueOutOfRange(1, row.get(1).unwrap_or_default());
            let priority = Priority::from_byte(row.get(1)?).map_err(out_of_range)?;
            Ok((MessageId(row.get(0)?), priority))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn delete_unsealed(&self, message: MessageId) -> Result<(), StoreError> {
        let sql = "DELETE FROM unsealed WHERE message = ?1";
        self.connection.prepare_cached(sql)?.execute([message.0])?;
        Ok(())
    }

    /// What is known of a message only once it is sealed.
    pub(crate) fn set_sealed(
        &self,
        message: MessageId,
        protection: Protection,
        card_sequence: Option<u64>,
        statement: Option<u64>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE messages SET protection = ?2, card_sequence = ?3, statement = ?4
             WHERE id = ?1";
        let [card_sequence, statement] =
            [card_sequence, statement].map(|number| number.map(|number| number as i64));
        self.connection.prepare_cached(sql)?.execute((
            message.0,
            protection as u8,
            card_sequence,
            statement,
        ))?;
        Ok(())
    }

    pub(crate) fn verdict(&self, proof: &WorkProof) -> Result<Option<Verdict>, StoreError> {
        let sql = "SELECT row, is_paid FROM postmarks WHERE proof = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let verdict = statement.query_row([&proof.0], |row| {
            Ok(Verdict { row: PostmarkRow(row.get(0)?), is_paid: row.get(1)? })
        });
        Ok(verdict.optional()?)
    }

    pub(crate) fn insert_verdict(
        &self,
        proof: &WorkProof,
        is_paid: bool,
    ) -> Result<Verdict, StoreError> {
        let sql = "INSERT INTO postmarks (proof, is_paid) VALUES (?1, ?2)";
        self.connection.prepare_cached(sql)?.execute((&proof.0, is_paid))?;
        Ok(Verdict { row: PostmarkRow(self.connection.last_insert_rowid()), is_paid })
    }

    pub(crate) fn verdict_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM postmarks";
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Forgets the oldest `count` verdicts to which nothing is charged; says how many went.
    pub(crate) fn forget_verdicts(&self, count: u64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM postmarks WHERE row IN (
                 SELECT row FROM postmarks AS mark
                 WHERE NOT EXISTS (SELECT 1 FROM envelopes WHERE postmark = mark.row)
                   AND NOT EXISTS (SELECT 1 FROM tombstones WHERE postmark = mark.row)
                 ORDER BY row LIMIT ?1)";
        Ok(self.connection.prepare_cached(sql)?.execute([count as i64])? as u64)
    }

    /// Something that it paid for has expired, and leaves no tombstone.
    pub(crate) fn charge_spent(&self, postmark: PostmarkRow) -> Result<(), StoreError> {
        let sql = "UPDATE postmarks SET spent = spent + 1 WHERE row = ?1";
        self.connection.prepare_cached(sql)?.execute([postmark.0])?;
        Ok(())
    }

    /// What is charged to a postmark: envelopes held and tombstones, and the bytes held.
    pub(crate) fn charged(&self, postmark: PostmarkRow) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT count(*) + (SELECT count(*) FROM tombstones WHERE postmark = ?1)
                 + (SELECT spent FROM postmarks WHERE row = ?1),
                 coalesce(sum(size_bytes), 0) FROM envelopes WHERE postmark = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (items, bytes): (i64, i64) =
            statement.query_row([postmark.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((items.unsigned_abs(), bytes.unsigned_abs()))
    }
}

fn own_postmark(row: &Row<'_>) -> rusqlite::Result<OwnPostmark> {
    let seed = Zeroizing::new(fixed(row, 2)?);
    let nonce: Option<[u8; 8]> = row.get(4)?;
    Ok(OwnPostmark {
        row: row.get(0)?,
        day: row.get(1)?,
        postmark: Postmark::from_seed(&seed, nonce.unwrap_or_default()),
        is_minted: nonce.is_some(),
        next_nonce: u64::from_be_bytes(fixed(row, 3)?),
        envelopes: row.get::<_, i64>(5)?.unsigned_abs(),
        bytes: row.get::<_, i64>(6)?.unsigned_abs(),
    })
}
