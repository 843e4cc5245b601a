//! Envelopes that this node carries.

use super::tombstones::{Proof, proof};
use super::{PostmarkRow, SteadyMs, Store, StoreError, fixed};
use crate::chat::{ContactId, MessageId};
use crate::envelope::{AckProof, BodyKey, Commitment, EnvelopeId, Fragment, FragmentAck, Priority};
use crate::routing::Tag;
use rusqlite::{OptionalExtension, Row, params};
use std::cell::RefCell;

/// Whose envelope it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Somebody else's, for somebody else.
    Foreign = 0,
    /// Sealed here.
    Own = 1,
    /// Opened here; carried on like foreign mail until its acknowledgement goes out.
    Received = 2,
    /// A bulletin, whoever published it: for everybody, and in places of its own.
    Bulletin = 3,
}

/// Its place in the table, as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EnvelopeRow(pub(crate) i64);

pub(crate) struct NewEnvelope<'a> {
    pub(crate) id: EnvelopeId,
    pub(crate) commitment: Commitment,
    pub(crate) standing: Standing,
    pub(crate) priority: Priority,
    pub(crate) born: SteadyMs,
    pub(crate) expires: SteadyMs,
    /// Own envelopes: what it carries, and for whom.
    pub(crate) message: Option<(MessageId, ContactId)>,
    /// What it is charged to; none of own ones.
    pub(crate) postmark: Option<PostmarkRow>,
    pub(crate) fragment: Option<Fragment>,
    pub(crate) tag: Tag,
    pub(crate) generation: u8,
    pub(crate) taken: SteadyMs,
    pub(crate) bytes: &'a [u8],
    /// What is kept in place of the bytes, if these can be made again.
    pub(crate) husk: Option<Vec<u8>>,
}

/// All but the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried {
    pub(crate) row: EnvelopeRow,
    pub(crate) id: EnvelopeId,
    pub(crate) standing: Standing,
    pub(crate) priority: Priority,
    pub(crate) born: SteadyMs,
    pub(crate) expires: SteadyMs,
    pub(crate) message: Option<MessageId>,
    pub(crate) recipient: Option<ContactId>,
    pub(crate) size_bytes: usize,
    pub(crate) postmark: Option<PostmarkRow>,
    /// Of a fragment: its body, and its number there.
    pub(crate) fragment: Option<(BodyKey, u32)>,
    /// Of the recipient's mailbox, where it is shown.
    pub(crate) tag: Tag,
    /// How often this copy was halved.
    pub(crate) generation: u8,
    /// When this node got it.
    pub(crate) taken: SteadyMs,
}

/// A query for what [`carried`] reads, and for one column more where two strings are given.
macro_rules! select_envelopes {
    ($rest:literal) => {
        select_envelopes!("", $rest)
    };
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT row, id, standing, priority, born_steady, expires_steady, message, recipient, \
             size_bytes, postmark, body, number, tag, generation, taken_steady",
            $more,
            " FROM envelopes ",
            $rest
        )
    };
}
pub(super) use select_envelopes;

/// Where the column more is.
pub(super) const EXTRA: usize = 15;

impl Store {
    pub(crate) fn insert_envelope(&self, new: &NewEnvelope<'_>) -> Result<EnvelopeRow, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO envelopes (id, commitment_head, standing, priority, born_steady,
                     expires_steady, message, recipient, size_bytes, postmark, body, number,
                     tag, generation, taken_steady)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                &new.id.0,
                commitment_head(&new.commitment),
                new.standing as u8,
                new.priority as u8,
                new.born,
                new.expires,
                new.message.map(|(message, _)| message.0),
                new.message.map(|(_, recipient)| recipient.0),
                new.bytes.len() as i64,
                new.postmark.map(|postmark| postmark.0),
                new.fragment.map(|fragment| fragment.body.0),
                new.fragment.map(|fragment| fragment.number),
                new.tag.0,
                new.generation,
                new.taken,
            ])?;
        let row = EnvelopeRow(self.connection.last_insert_rowid());
        if let Some(pooled) = self.pooled.as_ref().filter(|_| new.standing != Standing::Own) {
            pooled.borrow_mut().insert(row, new.id, new.bytes);
            return Ok(row);
        }
        let sql = "INSERT INTO contents VALUES (?1, ?2)";
        let kept = new.husk.as_deref().unwrap_or(new.bytes);
        self.connection.prepare_cached(sql)?.execute((row.0, kept))?;
        Ok(row)
    }

    pub(crate) fn envelope(&self, id: &EnvelopeId) -> Result<Option<Carried>, StoreError> {
        let mut statement = self.connection.prepare_cached(select_envelopes!("WHERE id = ?1"))?;
        Ok(statement.query_row([&id.0], carried).optional()?)
    }

    /// The carried envelope whose id begins with these 8 bytes.
    pub(crate) fn envelope_by_head(&self, head: u64) -> Result<Option<Carried>, StoreError> {
        let (low, high) = id_range(head);
        let sql = select_envelopes!("WHERE id BETWEEN ?1 AND ?2 LIMIT 1");
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((low, high), carried).optional()?)
    }

    /// Envelopes that a preimage of `commitment` would acknowledge: hardly ever more than one.
    pub(crate) fn envelopes_by_commitment(
        &self,
        commitment: &Commitment,
    ) -> Result<Vec<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE commitment_head = ?1");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([commitment_head(commitment)], carried)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn envelope_bytes(&self, row: EnvelopeRow) -> Result<Option<Vec<u8>>, StoreError> {
        let pooled = self.pooled.as_ref().map(RefCell::borrow);
        if let Some(bytes) = pooled.as_ref().and_then(|pooled| pooled.get(row)) {
            return Ok(Some(bytes.to_vec()));
        }
        let sql = "SELECT bytes FROM contents WHERE envelope = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([row.0], |row| row.get(0)).optional()?)
    }

    /// Of letters: fragments are reconciled by body.
    pub(crate) fn letter_ids(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let sql = "SELECT id FROM envelopes WHERE body IS NULL";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| fixed(row, 0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn newest_envelope_id(&self) -> Result<Option<EnvelopeId>, StoreError> {
        let sql = "SELECT id FROM envelopes ORDER BY row DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([], |row| fixed(row, 0).map(EnvelopeId)).optional()?)
    }

    pub(crate) fn carried(&self, limit: u32) -> Result<Vec<Carried>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(select_envelopes!("ORDER BY row LIMIT ?1"))?;
        let rows = statement.query_map([limit], carried)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What own mail takes that has not arrived: envelopes, and the bodies behind fragments.
    pub(crate) fn own_bytes(&self) -> Result<u64, StoreError> {
        let sql = "SELECT
             (SELECT coalesce(sum(length(bytes)), 0) FROM contents
              WHERE envelope IN (SELECT row FROM envelopes WHERE standing = 1))
             + (SELECT coalesce(sum(length(bytes)), 0) FROM attachment_blocks
                WHERE message IN (SELECT id FROM messages WHERE outgoing))";
        let bytes: i64 = self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(bytes.unsigned_abs())
    }

    /// How many envelopes of others are carried, and their bytes.
    pub(crate) fn foreign_use(&self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM envelopes WHERE standing = 0";
        let (count, bytes): (i64, i64) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((count.unsigned_abs(), bytes.unsigned_abs()))
    }

    /// All envelopes of others.
    pub(crate) fn foreign(&self) -> Result<Vec<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE standing = 0 ORDER BY row");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], carried)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is on board for others, as bytes by generation, in ascending order.
    pub(crate) fn foreign_by_generation(&self) -> Result<Vec<(u8, u64)>, StoreError> {
        let sql = "SELECT generation, sum(size_bytes) FROM envelopes WHERE standing = 0
             GROUP BY generation ORDER BY generation";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn envelope_at(&self, row: EnvelopeRow) -> Result<Option<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE row = ?1");
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([row.0], carried).optional()?)
    }

    /// What is there, if it is others'.
    pub(crate) fn foreign_at(&self, row: EnvelopeRow) -> Result<Option<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE row = ?1 AND standing = 0");
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([row.0], carried).optional()?)
    }

    /// A copy was handed over: two halves are left.
    pub(crate) fn set_generation(
        &self,
        row: EnvelopeRow,
        generation: u8,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE envelopes SET generation = ?2 WHERE row = ?1";
        self.connection.prepare_cached(sql)?.execute((row.0, generation))?;
        Ok(())
    }

    pub(crate) fn expired_envelopes(&self, now: SteadyMs) -> Result<Vec<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE expires_steady <= ?1 ORDER BY row LIMIT 1000");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([now], carried)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn delete_envelope(&self, row: EnvelopeRow) -> Result<(), StoreError> {
        self.connection.prepare_cached("DELETE FROM envelopes WHERE row = ?1")?.execute([row.0])?;
        if let Some(pooled) = &self.pooled {
            pooled.borrow_mut().remove(row);
        }
        Ok(())
    }

    pub(crate) fn insert_pending_ack(
        &self,
        row: EnvelopeRow,
        proof: &AckProof,
        release: SteadyMs,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO pending_acks VALUES (?1, ?2, ?3)")?
            .execute((row.0, &proof.0[..], release))?;
        Ok(())
    }

    pub(crate) fn insert_pending_fragment_ack(
        &self,
        row: EnvelopeRow,
        ack: FragmentAck,
        release: SteadyMs,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO pending_acks VALUES (?1, ?2, ?3)")?
            .execute((row.0, ack.0, release))?;
        Ok(())
    }

    /// Acknowledgements whose moment has come, and what they acknowledge.
    pub(crate) fn due_acks(&self, now: SteadyMs) -> Result<Vec<(Carried, Proof)>, StoreError> {
        let sql = select_envelopes!(
            ", pending_acks.proof",
            "JOIN pending_acks ON envelope = row WHERE release_steady <= ?1 ORDER BY row"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([now], |row| Ok((carried(row)?, proof(row, EXTRA)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn commitment_head(commitment: &Commitment) -> i64 {
    i64::from_be_bytes(*commitment.0.first_chunk().expect("a commitment has 32 bytes"))
}

/// The first and the last id that begin with `head`.
pub(super) fn id_range(head: u64) -> ([u8; 32], [u8; 32]) {
    let (mut low, mut high) = ([0; 32], [0xff; 32]);
    low[..8].copy_from_slice(&head.to_be_bytes());
    high[..8].copy_from_slice(&head.to_be_bytes());
    (low, high)
}

pub(super) fn carried(row: &Row<'_>) -> rusqlite::Result<Carried> {
    let out_of_range =
        |index, value: u8| rusqlite::Error::IntegralValueOutOfRange(index, value.into());
    let (standing, priority) = (row.get::<_, u8>(2)?, row.get::<_, u8>(3)?);
    Ok(Carried {
        row: EnvelopeRow(row.get(0)?),
        id: EnvelopeId(fixed(row, 1)?),
        standing: match standing {
            0 => Standing::Foreign,
            1 => Standing::Own,
            2 => Standing::Received,
            3 => Standing::Bulletin,
            other => return Err(out_of_range(2, other)),
        },
        priority: Priority::from_byte(priority).map_err(|_| out_of_range(3, priority))?,
        born: row.get(4)?,
        expires: row.get(5)?,
        message: row.get::<_, Option<i64>>(6)?.map(MessageId),
        recipient: row.get::<_, Option<i64>>(7)?.map(ContactId),
        size_bytes: row.get::<_, i64>(8)?.unsigned_abs() as usize,
        postmark: row.get::<_, Option<i64>>(9)?.map(PostmarkRow),
        fragment: match row.get::<_, Option<[u8; 24]>>(10)? {
            Some(body) => Some((BodyKey(body), row.get(11)?)),
            None => None,
        },
        tag: Tag(row.get(12)?),
        generation: row.get(13)?,
        taken: row.get(14)?,
    })
}
