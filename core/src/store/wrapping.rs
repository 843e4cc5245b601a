//! The secrets of targets and attachments, wrapped: flash may keep what SQLite has overwritten, but not the key.
//!
//! At any time one key wraps all secrets alive. Some time after one of them was destroyed, the others
//! are wrapped anew and the key goes: then nothing is left that opens what old pages hold. It goes
//! only after the commit that no longer needs it, and its successor is kept before the first use, so
//! that no crash loses a secret.

use super::{Durability, SteadyMs, Store, StoreError};
use crate::time::DAY_MS;
use crate::vault::{VaultError, WrappingKey, WrappingKeys, boxed};
use rand_core::CryptoRng;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How long the wrapping of a destroyed secret may outlive it, at most, while the node runs.
pub(crate) const RENEW_AFTER_MS: i64 = DAY_MS as i64;

/// Where the secrets are, with the row's contact (0: an own card's; -1: an attachment's) and counter.
const SECRETS: [(&str, &str); 3] = [
    (
        "SELECT 0, sequence, kem_secret FROM own_cards",
        "UPDATE own_cards SET kem_secret = ?3 WHERE ?1 = 0 AND sequence = ?2",
    ),
    (
        "SELECT contact, counter, kem_secret FROM reply_targets",
        "UPDATE reply_targets SET kem_secret = ?3 WHERE contact = ?1 AND counter = ?2",
    ),
    (
        "SELECT -1, message, secret FROM attachments WHERE secret IS NOT NULL",
        "UPDATE attachments SET secret = ?3 WHERE ?1 = -1 AND message = ?2",
    ),
];

/// A vault's keys, and the one in use: none while the secrets still lie open.
pub(super) struct Wrapping {
    keys: Arc<dyn WrappingKeys>,
    key: Option<WrappingKey>,
    /// Whether the vault has keys that the next commit makes useless.
    is_renewed: bool,
}

impl Wrapping {
    fn destroy_others(&mut self) -> Result<(), VaultError> {
        self.is_renewed = false;
        self.keys.replace(&self.key.iter().collect::<Vec<_>>())
    }
}

impl Store {
    /// Finds the key in use; all others are what a crash has left.
    pub(super) fn find_wrapping_key(
        &mut self,
        keys: Option<&Arc<dyn WrappingKeys>>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT number FROM wrapping";
        let number: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        let Some(keys) = keys else {
            let is_open = number == 0;
            return if is_open { Ok(()) } else { Err(VaultError::WrappingKeys.into()) };
        };
        let mut kept = keys.load()?;
        let has_others = kept.iter().any(|key| key.number() != number.unsigned_abs());
        kept.retain(|key| key.number() == number.unsigned_abs());
        let key = kept.pop();
        if number != 0 && key.is_none() {
            return Err(VaultError::WrappingKeys.into());
        }
        let mut wrapping = Wrapping { keys: Arc::clone(keys), key, is_renewed: false };
        if has_others {
            wrapping.destroy_others()?;
        }
        self.wrapping = Some(wrapping);
        Ok(())
    }

    /// Deletes all targets, so that no key is needed. For a store from [`Store::open_wrapped`].
    pub(crate) fn forget_targets(&mut self) -> Result<(), StoreError> {
        self.require(Durability::Power)?;
        self.connection.execute_batch(
            "DELETE FROM own_cards;
             DELETE FROM reply_targets;
             UPDATE attachments SET secret = NULL;
             UPDATE wrapping SET number = 0, is_stale = 0;",
        )?;
        self.scrub();
        Ok(())
    }

    /// A secret as it goes into the row of this contact (0: an own card) and counter.
    pub(super) fn wrap(
        &self,
        secret: &[u8; 32],
        (contact, counter): (i64, i64),
        rng: &mut dyn CryptoRng,
    ) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self.wrapping_key() {
            Some(key) => key.wrap(secret, &place(contact, counter), rng),
            None => secret.to_vec(),
        })
    }

    /// The secret that such a row holds.
    pub(super) fn unwrap(
        &self,
        wrapped: &[u8],
        (contact, counter): (i64, i64),
    ) -> Result<Box<Zeroizing<[u8; 32]>>, StoreError> {
        let secret = match self.wrapping_key() {
            Some(key) => key.unwrap(wrapped, &place(contact, counter)),
            None => boxed(wrapped),
        };
        secret.ok_or(StoreError::Corrupt)
    }

    fn wrapping_key(&self) -> Option<&WrappingKey> {
        self.wrapping.as_ref()?.key.as_ref()
    }

    /// When the secrets want to be wrapped anew; never in a store without a vault.
    pub(crate) fn next_renewal(&self) -> Result<Option<SteadyMs>, StoreError> {
        let Some(wrapping) = &self.wrapping else { return Ok(None) };
        if wrapping.key.is_none() {
            return Ok(Some(SteadyMs::MIN));
        }
        let sql = "SELECT CASE WHEN is_stale THEN renewed_steady + ?1 END FROM wrapping";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([RENEW_AFTER_MS], |row| row.get(0))?)
    }

    /// Wraps all secrets under a fresh key. The old one goes with the commit.
    pub(crate) fn renew_wrapping(
        &mut self,
        now: SteadyMs,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), StoreError> {
        let Some(wrapping) = &self.wrapping else { return Ok(()) };
        let number = wrapping.key.as_ref().map_or(0, WrappingKey::number) + 1;
        let new = WrappingKey::generate(number, rng);
        wrapping.keys.replace(&wrapping.key.iter().chain([&new]).collect::<Vec<_>>())?;
        self.require(Durability::Power)?;
        for (select, update) in SECRETS {
            let mut statement = self.connection.prepare_cached(select)?;
            let mut rows = statement.query([])?;
            let mut wrapped = Vec::new();
            while let Some(row) = rows.next()? {
                let (contact, counter) = (row.get(0)?, row.get(1)?);
                let old: Zeroizing<Vec<u8>> = Zeroizing::new(row.get(2)?);
                let secret = self.unwrap(&old, (contact, counter))?;
                wrapped.push((contact, counter, new.wrap(&secret, &place(contact, counter), rng)));
            }
            let mut statement = self.connection.prepare_cached(update)?;
            for row in wrapped {
                statement.execute(row)?;
            }
        }
        self.connection
            .prepare_cached("UPDATE wrapping SET number = ?1, renewed_steady = ?2, is_stale = 0")?
            .execute((number as i64, now))?;
        self.scrub();
        if let Some(wrapping) = &mut self.wrapping {
            wrapping.key = Some(new);
            wrapping.is_renewed = true;
        }
        Ok(())
    }

    /// After a commit: the key that it has replaced is destroyed.
    pub(super) fn retire_wrapping_keys(&mut self) -> Result<(), StoreError> {
        match &mut self.wrapping {
            Some(wrapping) if wrapping.is_renewed => Ok(wrapping.destroy_others()?),
            _ => Ok(()),
        }
    }
}

fn place(contact: i64, counter: i64) -> Vec<u8> {
    [&b"footpost/1 target"[..], &contact.to_be_bytes(), &counter.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
