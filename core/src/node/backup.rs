//! Backup and restore: what outlives a lost device, sealed under the recovery words.
//!
//! `magic | version | 16 random bytes | chunk …`, each chunk `length (u32) | ciphertext`: AES-256-GCM
//! under a key of this file's own, the chunk's number and whether it is the last in the nonce (the
//! STREAM construction, Hoang and others, CRYPTO 2015), the first 16 + 17 bytes as AAD. Inside are
//! records, each `kind | length | bytes`. No secret that opens mail is among them. `stream` is the
//! file, `records` what is in it.

mod records;
mod stream;

use super::Node;
use crate::chat::{MessageId, Relation};
use crate::codec::DecodeError;
use crate::config::Config;
use crate::identity::RecoveryWords;
use crate::store::{Durability, Store, StoreError, StorePath};
use crate::time::Timestamp;
use rand_core::CryptoRng;
use records::{
    CONTACT, CONTACT_KEY, CONTACT_STATEMENT, MESSAGE, OWN, PUBLISHER, STATEMENT, contact_record,
    message_record, person_record, publisher_record, statement_record, take_in,
};
use std::io::{self, Read, Write};
use stream::{Opener, Sealer};
use thiserror::Error;

/// Messages read from the store at once.
const PAGE: u32 = 64;

/// Why a backup was not made or not restored. Nothing has changed then.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The file is something else.
    #[error("this is no Footpost backup")]
    Foreign,
    /// Another version of Footpost made it.
    #[error(
        "the backup is of version {0}, which this Footpost does not know: use the one that made it, or a later one"
    )]
    Version(u8),
    /// Its beginning does not open: other words, or damage; the two look the same.
    #[error("these words do not open this backup: are they its owner's, and is the file whole?")]
    Words,
    /// The identity has other words.
    #[error("these are not this identity's recovery words: give the newest that were shown")]
    OtherWords,
    /// Some of it is altered or missing.
    #[error("the backup is damaged or cut short: take another copy")]
    Damaged,
    /// There is a profile in the store already.
    #[error("this profile is in use: restore into a new one")]
    InUse,
    /// The file cannot be read or written.
    #[error("the backup cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// The store cannot go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DecodeError> for BackupError {
    fn from(_: DecodeError) -> Self {
        Self::Damaged
    }
}

impl Node {
    /// Writes identity, contacts, messages, and who is followed or muted, sealed under the words; no secret that opens mail, and
    /// no mail carried for others.
    ///
    /// # Errors
    /// See [`BackupError`]; what was written then is worthless.
    pub fn back_up(
        &mut self,
        words: &RecoveryWords,
        out: &mut dyn Write,
    ) -> Result<(), BackupError> {
        if self.recovery.is_some_and(|key| key != words.recovery_key().identity()) {
            return Err(BackupError::OtherWords);
        }
        let mut sealer = Sealer::new(words, self.random_array(), out)?;
        sealer.record(OWN, &self.own_record())?;
        for (number, statement) in &self.statements {
            sealer.record(STATEMENT, &statement_record(*number, statement))?;
        }
        for (publisher, stance) in self.store.publishers()? {
            sealer.record(PUBLISHER, &publisher_record(&publisher, stance))?;
        }
        let mut people = self.store.contacts()?;
        people.retain(|contact| contact.relation == Relation::Accepted);
        for contact in &people {
            let lineage = self.store.lineage(contact.id)?;
            let verified_key = self.store.verified_key(contact.id)?;
            sealer.record(CONTACT, &contact_record(contact, &lineage, verified_key))?;
            for statement in &lineage.statements {
                sealer
                    .record(CONTACT_STATEMENT, &person_record(contact.id, statement.as_bytes()))?;
            }
            for key in self.store.contact_keys(contact.id)? {
                sealer.record(CONTACT_KEY, &person_record(contact.id, key.as_bytes()))?;
            }
        }
        let mut last = MessageId(i64::MIN);
        loop {
            let page = self.store.messages_after(last, PAGE)?;
            for message in &page {
                last = message.id;
                if people.iter().all(|contact| contact.id != message.contact) {
                    continue;
                }
                sealer.record(MESSAGE, &message_record(message))?;
            }
            if page.len() < PAGE as usize {
                return sealer.finish();
            }
        }
    }

    /// Opens a node in the new store at `path` from a backup. It has the identity, contacts and
    /// messages; new targets; and tells every contact where to write from now on. The device that
    /// the backup is from is told to stop, if it still runs.
    ///
    /// # Errors
    /// See [`BackupError`]; the store stays empty.
    pub fn restore(
        path: &StorePath,
        config: Config,
        rng: Box<dyn CryptoRng + Send>,
        now: Timestamp,
        words: &RecoveryWords,
        backup: &mut dyn Read,
    ) -> Result<Self, BackupError> {
        config.check().map_err(io::Error::other)?;
        let mut store = Store::open(path)?;
        if store.own()?.is_some() {
            return Err(BackupError::InUse);
        }
        store.require(Durability::Power)?;
        let taken =
            Opener::new(words, backup).and_then(|mut opener| take_in(&store, &mut opener, now));
        let before = taken.inspect_err(|_| store.abandon())?;
        store.commit()?;
        let mut node = Self::from_store(store, config, rng, now)?;
        node.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            node.store.set_device_before(Some(&before))?;
            node.tell_device_before(now)?;
            node.store.commit()
        })?;
        Ok(node)
    }
}

#[cfg(test)]
mod tests;
