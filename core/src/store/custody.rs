//! What was handed to whom: enough of it to ask for some when they are met again.

use super::neighbours::encode;
use super::{EnvelopeRow, SteadyMs, Store, StoreError};
use crate::chat::{ContactId, MessageId};
use crate::routing::{Bringer, NeighbourId};
use crate::time::DAY_MS;
use rusqlite::OptionalExtension;
use std::collections::{BTreeMap, BTreeSet};

/// Envelopes remembered a neighbour, the latest.
pub(crate) const MAX_HANDED: usize = 64;
const ENCODED_BYTES: usize = 12;
const MINUTE_MS: SteadyMs = 60_000;
/// A stranger's key is good for a day; clocks differ by another.
const KEYS_KEPT_MS: SteadyMs = 2 * DAY_MS as SteadyMs;

/// An envelope that a neighbour has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handed {
    /// The first 8 bytes of its id.
    pub(crate) head: u64,
    /// When it was last seen there, to the minute; `None`: not asked for yet.
    pub(crate) proven: Option<SteadyMs>,
}

impl Handed {
    fn encode(self) -> [u8; ENCODED_BYTES] {
        // Zero is never; what is earlier than the first minute is as good as that.
        let minutes = self.proven.map_or(0, |ms| u32::try_from(ms / MINUTE_MS).unwrap_or(0).max(1));
        let mut bytes = [0; ENCODED_BYTES];
        bytes[..8].copy_from_slice(&self.head.to_be_bytes());
        bytes[8..].copy_from_slice(&minutes.to_be_bytes());
        bytes
    }

    fn decode(&[head @ .., a, b, c, d]: &[u8; ENCODED_BYTES]) -> Self {
        let minutes = u32::from_be_bytes([a, b, c, d]);
        let proven = (minutes > 0).then(|| SteadyMs::from(minutes) * MINUTE_MS);
        Self { head: u64::from_be_bytes(head), proven }
    }
}

impl Store {
    /// What the neighbour has taken, the oldest first.
    pub(crate) fn handed(&self, to: &NeighbourId) -> Result<Vec<Handed>, StoreError> {
        let sql = "SELECT handed FROM custody WHERE neighbour = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let bytes: Option<Vec<u8>> =
            statement.query_row([encode(to)], |row| row.get(0)).optional()?;
        let bytes = bytes.unwrap_or_default();
        let (records, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(StoreError::Corrupt);
        }
        Ok(records.iter().map(Handed::decode).collect())
    }

    /// Of more than [`MAX_HANDED`] the latest are kept.
    pub(crate) fn set_handed(&self, to: &NeighbourId, handed: &[Handed]) -> Result<(), StoreError> {
        if handed.is_empty() {
            let sql = "DELETE FROM custody WHERE neighbour = ?1";
            self.connection.prepare_cached(sql)?.execute([encode(to)])?;
            return Ok(());
        }
        let latest = &handed[handed.len().saturating_sub(MAX_HANDED)..];
        let bytes = latest.iter().copied().flat_map(Handed::encode).collect::<Vec<_>>();
        let sql = "INSERT INTO custody VALUES (?1, ?2) ON CONFLICT DO UPDATE SET handed = ?2";
        self.connection.prepare_cached(sql)?.execute((encode(to), bytes))?;
        Ok(())
    }

    /// To whom an own message was handed, if to nobody else.
    pub(crate) fn only_carrier(&self, own: MessageId) -> Result<Option<NeighbourId>, StoreError> {
        let sql = "SELECT neighbour, contact FROM handovers WHERE message = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([own.0], |row| {
            let contact = row.get::<_, Option<i64>>(1)?.map(ContactId);
            Ok(contact.map_or(NeighbourId::Key(row.get(0)?), NeighbourId::Contact))
        })?;
        let carriers = rows.collect::<Result<BTreeSet<_>, _>>()?;
        Ok(carriers.first().copied().filter(|_| carriers.len() == 1))
    }

    /// Who brought a foreign envelope: newcomers, unless said otherwise.
    pub(crate) fn set_bringer(&self, row: EnvelopeRow, by: Bringer) -> Result<(), StoreError> {
        let sql = "UPDATE envelopes SET bringer = ?2 WHERE row = ?1";
        self.connection.prepare_cached(sql)?.execute((row.0, by.0))?;
        Ok(())
    }

    /// Who brought what of others' mail, but for newcomers.
    pub(crate) fn bringers(&self) -> Result<BTreeMap<EnvelopeRow, Bringer>, StoreError> {
        let sql = "SELECT row, bringer FROM envelopes WHERE standing = 0 AND bringer <> 0";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows =
            statement.query_map([], |row| Ok((EnvelopeRow(row.get(0)?), Bringer(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Strangers whose keys have rotated are nobody any more.
    pub(crate) fn forget_handed(&self, now: SteadyMs) -> Result<(), StoreError> {
        let sql = "DELETE FROM custody WHERE substr(neighbour, 1, 1) = x'01' AND neighbour NOT IN
             (SELECT id FROM neighbours WHERE met_steady >= ?1)";
        self.connection.execute(sql, [now - KEYS_KEPT_MS])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, StorePath};

    #[test]
    fn records_are_bounded_and_the_latest_stay() {
        let mut store = Store::open(&StorePath::Memory).unwrap();
        store.require(Durability::Process).unwrap();
        let to = NeighbourId::Key([1; 32]);
        let proven = |head: u64| head.is_multiple_of(2).then_some(3 * MINUTE_MS);
        let all: Vec<Handed> = (0..100).map(|head| Handed { head, proven: proven(head) }).collect();
        store.set_handed(&to, &all).unwrap();
        assert_eq!(store.handed(&to).unwrap(), all[100 - MAX_HANDED..]);
        store.set_handed(&to, &[]).unwrap();
        assert!(store.handed(&to).unwrap().is_empty());
    }
}
