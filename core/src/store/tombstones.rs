//! Envelopes that are gone for good, and the proofs that say why.

use super::envelopes::id_range;
use super::{PostmarkRow, SteadyMs, Store, StoreError, fixed};
use crate::chat::MessageId;
use crate::envelope::{AckProof, EnvelopeId, FragmentAck, Release};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{OptionalExtension, Row};

/// What is left of an envelope.
pub(crate) struct Tombstone {
    /// Of an acknowledged one; none of an expired.
    pub(crate) proof: Option<Proof>,
    /// The own message that an expired one carried.
    pub(crate) message: Option<MessageId>,
    pub(crate) forget: SteadyMs,
}

/// Why an envelope is gone for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A letter was acknowledged: enough for those who hold it.
    Ack([u8; 32]),
    /// The same, for those who do not.
    Letter(AckProof),
    /// A fragment was.
    Fragment(FragmentAck),
    /// A body has arrived whole.
    Body(Release),
}

impl Proof {
    /// What ends a letter where it is held.
    pub(crate) fn letter_ack(&self) -> Option<[u8; 32]> {
        match self {
            Self::Ack(ack) => Some(*ack),
            Self::Letter(proof) => Some(proof.ack().0),
            Self::Fragment(_) | Self::Body(_) => None,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ack(ack) => ack,
            Self::Letter(proof) => &proof.0,
            Self::Fragment(ack) => &ack.0,
            Self::Body(release) => &release.0,
        }
    }
}

impl Store {
    /// Buries an envelope; a tombstone that has no proof yet, or none to tell, takes this one. `is_told`: it
    /// is to be told to everybody. Says how many tombstones there are more.
    pub(crate) fn insert_tombstone(
        &self,
        id: &EnvelopeId,
        proof: Option<&Proof>,
        message: Option<MessageId>,
        postmark: Option<PostmarkRow>,
        forget: SteadyMs,
        is_told: bool,
    ) -> Result<u64, StoreError> {
        let proof = proof.map(Proof::as_bytes);
        let message = message.map(|message| message.0);
        let sql = "INSERT INTO tombstones (id, proof, message, forget_steady, postmark, is_told)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let mut statement = self.connection.prepare_cached(sql)?;
        let postmark = postmark.map(|postmark| postmark.0);
        let inserted = statement.execute((&id.0, proof, message, forget, postmark, is_told))?;
        if inserted == 0 && proof.is_some() {
            let sql = "UPDATE tombstones SET proof = ?2, is_told = ?3
                 WHERE id = ?1 AND (proof IS NULL OR is_told < ?3)";
            self.connection.prepare_cached(sql)?.execute((&id.0, proof, is_told))?;
        }
        Ok(inserted as u64)
    }

    pub(crate) fn tombstone(&self, id: &EnvelopeId) -> Result<Option<Tombstone>, StoreError> {
        self.tombstone_between(id.0, id.0)
    }

    /// The same by the id's first 8 bytes.
    pub(crate) fn tombstone_by_head(&self, head: u64) -> Result<Option<Tombstone>, StoreError> {
        let (low, high) = id_range(head);
        self.tombstone_between(low, high)
    }

    fn tombstone_between(
        &self,
        low: [u8; 32],
        high: [u8; 32],
    ) -> Result<Option<Tombstone>, StoreError> {
        let sql = "SELECT proof, message, forget_steady FROM tombstones WHERE id BETWEEN ?1 AND ?2 LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let tombstone = statement.query_row((low, high), |row| {
            Ok(Tombstone {
                proof: optional_proof(row, 0)?,
                message: row.get::<_, Option<i64>>(1)?.map(MessageId),
                forget: row.get(2)?,
            })
        });
        Ok(tombstone.optional()?)
    }

    /// The ids of all letters that were acknowledged, or are forgotten by then, and of ended bodies; and
    /// whether everybody is told of each.
    pub(crate) fn tombstone_ids(
        &self,
        forgotten_by: SteadyMs,
    ) -> Result<Vec<([u8; 32], bool)>, StoreError> {
        let sql = "SELECT id, 1 FROM tombstones WHERE is_told = 1
             UNION ALL SELECT id, 0 FROM tombstones
             WHERE is_told = 0 AND body IS NULL AND proof IS NOT NULL
             UNION ALL SELECT id, 0 FROM tombstones
             WHERE body IS NULL AND proof IS NULL AND forget_steady <= ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([forgotten_by], |row| Ok((fixed(row, 0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn tombstone_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM tombstones";
        let count: i64 = self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Says how many are forgotten.
    pub(crate) fn forget_tombstones(&self, now: SteadyMs) -> Result<u64, StoreError> {
        let sql = "DELETE FROM tombstones WHERE forget_steady <= ?1";
        Ok(self.connection.prepare_cached(sql)?.execute([now])? as u64)
    }

    /// Makes room by forgetting what would be forgotten soonest; says how many went.
    pub(crate) fn forget_soonest_tombstones(&self, count: u64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM tombstones WHERE row IN
             (SELECT row FROM tombstones ORDER BY forget_steady LIMIT ?1)";
        Ok(self.connection.prepare_cached(sql)?.execute([count as i64])? as u64)
    }
}

pub(super) fn proof(row: &Row<'_>, index: usize) -> rusqlite::Result<Proof> {
    optional_proof(row, index)?.ok_or(rusqlite::Error::FromSqlConversionFailure(
        index,
        Type::Null,
        Box::new(FromSqlError::InvalidType),
    ))
}

/// Kinds of proof differ in length.
fn optional_proof(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Proof>> {
    let Some(bytes) = row.get_ref(index)?.as_blob_or_null()? else { return Ok(None) };
    if let Ok(bytes) = bytes.try_into() {
        return Ok(Some(Proof::Ack(bytes)));
    }
    if let Ok(bytes) = bytes.try_into() {
        return Ok(Some(Proof::Letter(AckProof(bytes))));
    }
    if let Ok(bytes) = bytes.try_into() {
        return Ok(Some(Proof::Fragment(FragmentAck(bytes))));
    }
    match bytes.try_into() {
        Ok(bytes) => Ok(Some(Proof::Body(Release(bytes)))),
        Err(_) => Err(FromSqlError::InvalidBlobSize {
            expected_size: Release::LEN,
            blob_size: bytes.len(),
        }
        .into()),
    }
}
