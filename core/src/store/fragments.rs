//! Fragments among the envelopes and the tombstones.

use super::envelopes::{Carried, carried, select_envelopes};
use super::tombstones::Proof;
use super::{PostmarkRow, SteadyMs, Store, StoreError};
use crate::envelope::{BodyKey, BodyMark, EnvelopeId, FragmentAck};
use rusqlite::{OptionalExtension, params};

impl Store {
    /// All fragments on board.
    pub(crate) fn fragments(&self) -> Result<Vec<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE body IS NOT NULL");
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], carried)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn fragment(
        &self,
        body: BodyKey,
        number: u32,
    ) -> Result<Option<Carried>, StoreError> {
        let sql = select_envelopes!("WHERE body = ?1 AND number = ?2");
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row((body.0, number), carried).optional()?)
    }

    /// Under whatever postmark.
    pub(crate) fn fragments_of(&self, mark: BodyMark) -> Result<Vec<Carried>, StoreError> {
        let (low, high) = bodies_of(mark);
        let sql = select_envelopes!("WHERE body BETWEEN ?1 AND ?2 ORDER BY body, number");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map((low, high), carried)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A foreign fragment turns out to be for this node.
    pub(crate) fn set_received(&self, envelope: &Carried) -> Result<(), StoreError> {
        let sql = "UPDATE envelopes SET standing = 2 WHERE row = ?1";
        self.connection.prepare_cached(sql)?.execute([envelope.row.0])?;
        Ok(())
    }

    /// Says how many tombstones there are more.
    pub(crate) fn insert_fragment_tombstone(
        &self,
        id: &EnvelopeId,
        (body, number): (BodyKey, u32),
        ack: FragmentAck,
        postmark: Option<PostmarkRow>,
        forget: SteadyMs,
    ) -> Result<u64, StoreError> {
        let sql = "INSERT INTO tombstones (id, proof, forget_steady, postmark, body, number)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let postmark = postmark.map(|postmark| postmark.0);
        let values = params![id.0, ack.0, forget, postmark, body.0, number];
        Ok(self.connection.prepare_cached(sql)?.execute(values)? as u64)
    }

    pub(crate) fn fragment_ack(
        &self,
        body: BodyKey,
        number: u32,
    ) -> Result<Option<FragmentAck>, StoreError> {
        let sql = "SELECT proof FROM tombstones WHERE body = ?1 AND number = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let ack = statement.query_row((body.0, number), |row| row.get(0).map(FragmentAck));
        Ok(ack.optional()?)
    }

    /// What is known to have arrived of a body.
    pub(crate) fn fragment_acks(
        &self,
        body: BodyKey,
    ) -> Result<Vec<(u32, FragmentAck)>, StoreError> {
        let sql = "SELECT number, proof FROM tombstones WHERE body = ?1 ORDER BY number";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows =
            statement.query_map([body.0], |row| Ok((row.get(0)?, row.get(1).map(FragmentAck)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A body's end stands for those of its fragments. Says how many tombstones went.
    pub(crate) fn forget_fragment_acks(&self, mark: BodyMark) -> Result<u64, StoreError> {
        let sql = "DELETE FROM tombstones WHERE body BETWEEN ?1 AND ?2";
        Ok(self.connection.prepare_cached(sql)?.execute(bodies_of(mark))? as u64)
    }

    /// How a body ended, if it has.
    pub(crate) fn release(&self, mark: BodyMark) -> Result<Option<Proof>, StoreError> {
        Ok(self.tombstone(&mark.release_id())?.and_then(|tombstone| tombstone.proof))
    }
}

fn bodies_of(mark: BodyMark) -> ([u8; 24], [u8; 24]) {
    let [first, last] = mark.bodies();
    (first.0, last.0)
}
