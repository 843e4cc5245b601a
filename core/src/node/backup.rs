//! Backup and restore: what outlives a lost device, sealed under the recovery words.
//!
//! `magic | version | 16 random bytes | chunk …`, each chunk `length (u32) | ciphertext`: AES-256-GCM
//! under a key of this file's own, the chunk's number and whether it is the last in the nonce (the
//! STREAM construction, Hoang and others, CRYPTO 2015), the first 16 + 17 bytes as AAD. Inside are
//! records, each `kind | length | bytes`. No secret that opens mail is among them.

use super::Node;
use super::devices::next_device;
use crate::chat::{ContactId, MessageId, Relation, State};
use crate::codec::{DecodeError, Reader, Writer};
use crate::config::Config;
use crate::envelope::{Body, MAX_ENVELOPE_BYTES};
use crate::identity::{
    Card, Identity, IdentityKey, MAX_NAME_BYTES, Protection, RecoveryWords, Statement,
};
use crate::store::{Durability, MessageRow, NewMessage, Own, Store, StoreError, StorePath};
use crate::time::Timestamp;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use thiserror::Error;
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"footpost/backup\n";
const VERSION: u8 = 1;
const HEADER_LEN: usize = MAGIC.len() + 1 + 16;
/// A chunk ends with the record that makes it so long.
const CHUNK_BYTES: usize = 64 * 1024;
const TAG_LEN: usize = 16;
const MAX_RECORD_BYTES: usize = MAX_ENVELOPE_BYTES + 4096;
const MAX_CHUNK_BYTES: usize = CHUNK_BYTES + MAX_RECORD_BYTES + 16 + TAG_LEN;
/// Messages read from the store at once.
const PAGE: u32 = 64;

const OWN: u8 = 1;
const CONTACT: u8 = 2;
const MESSAGE: u8 = 3;
const STATEMENT: u8 = 4;

const VERIFIED: u8 = 1;
const MUTED: u8 = 2;

/// Why a backup was not made or not restored. Nothing has changed then.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The file is something else.
    #[error("this is no Footpost backup")]
    Foreign,
    /// A later version of Footpost made it.
    #[error("the backup is of version {0}, which this Footpost does not know: update Footpost")]
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
    /// Writes identity, contacts and messages, sealed under the words; no secret that opens mail, and
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
        let mut record = Zeroizing::new(Vec::new());
        record.put(&*self.key.to_bytes());
        record.put_varint(self.device);
        record.put_bytes(self.name.as_deref().unwrap_or_default().as_bytes());
        record.put_u8(self.recovery.is_some().into());
        record.put(self.recovery.as_ref().map_or(&[][..], |key| key.as_bytes()));
        record.put(self.card().as_bytes());
        sealer.record(OWN, &record)?;
        for (number, statement) in &self.statements {
            record.clear();
            record.put_varint(*number);
            record.put(statement.as_bytes());
            sealer.record(STATEMENT, &record)?;
        }
        let mut people = self.store.contacts()?;
        people.retain(|contact| contact.relation == Relation::Accepted);
        for contact in &people {
            record.clear();
            record.put_u64(contact.id.0.unsigned_abs());
            let muted = if contact.muted { MUTED } else { 0 };
            record.put_u8(muted | if contact.verified { VERIFIED } else { 0 });
            record.put_bytes(contact.name.as_bytes());
            record.put(contact.card.as_bytes());
            sealer.record(CONTACT, &record)?;
        }
        let mut last = MessageId(i64::MIN);
        loop {
            let page = self.store.messages_after(last, PAGE)?;
            for message in &page {
                last = message.id;
                if people.iter().all(|contact| contact.id != message.contact) {
                    continue;
                }
                record.clear();
                encode(message, &mut record);
                sealer.record(MESSAGE, &record)?;
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

/// Fills an empty store; returns the card of the device before.
fn take_in(store: &Store, opener: &mut Opener<'_>, now: Timestamp) -> Result<Card, BackupError> {
    let mut contacts = BTreeMap::new();
    let mut before = None;
    while let Some(chunk) = opener.next()? {
        let mut chunk = Reader::new(&chunk);
        while !chunk.is_empty() {
            let kind = chunk.u8("record")?;
            let mut record = Reader::new(chunk.bytes(MAX_RECORD_BYTES, "record")?);
            match (kind, &before) {
                (OWN, None) => before = Some(take_own(store, &mut record, now)?),
                (CONTACT, Some(_)) => {
                    let id = record.u64("contact")?;
                    contacts.insert(id, take_contact(store, &mut record)?);
                }
                (MESSAGE, Some(_)) => take_message(store, &mut record, &contacts)?,
                (STATEMENT, Some(_)) => {
                    let number = record.varint("statement")?;
                    let statement = Statement::from_bytes(record.rest());
                    let statement = statement.map_err(|_| BackupError::Damaged)?;
                    store.insert_own_statement(number, &statement)?;
                }
                // What a later version has added cannot be kept here.
                (5.., Some(_)) => {}
                _ => return Err(BackupError::Damaged),
            }
        }
    }
    before.ok_or(BackupError::Damaged)
}

fn take_own(store: &Store, record: &mut Reader<'_>, now: Timestamp) -> Result<Card, BackupError> {
    let key = IdentityKey::from_bytes(&Zeroizing::new(record.array("identity key")?));
    let device = record.varint("device")?;
    let name = text(record)?;
    let recovery = match record.u8("recovery")? {
        0 => None,
        _ => Some(Identity::from_bytes(record.array("recovery key")?)?),
    };
    let card = Card::from_bytes(record.rest()).map_err(|_| BackupError::Damaged)?;
    let name = (!name.is_empty()).then_some(name);
    store.insert_own(&Own { key, name, wall_seen: now, steady_lead_ms: 0 })?;
    store.set_device(next_device(device, now))?;
    if let Some(key) = recovery {
        store.set_own_recovery(&key)?;
    }
    Ok(card)
}

fn take_contact(store: &Store, record: &mut Reader<'_>) -> Result<ContactId, BackupError> {
    let flags = record.u8("flags")?;
    let name = text(record)?;
    let card = Card::from_bytes(record.rest()).map_err(|_| BackupError::Damaged)?;
    let id = store.insert_contact(&card, &name)?;
    if flags & VERIFIED != 0 {
        store.set_contact_verified(id)?;
    }
    if flags & MUTED != 0 {
        store.set_muted(id, true)?;
    }
    // They learn where to write from now on, and get what may not have reached them.
    store.set_refresh(id, Some(0))?;
    store.forget_device(id)?;
    Ok(id)
}

fn take_message(
    store: &Store,
    record: &mut Reader<'_>,
    contacts: &BTreeMap<u64, ContactId>,
) -> Result<(), BackupError> {
    let contact = contacts.get(&record.u64("contact")?).ok_or(BackupError::Damaged)?;
    let outgoing = record.u8("direction")? != 0;
    let uuid: [u8; 16] = record.array("uuid")?;
    let kind = record.varint("kind")?;
    let (sent, stored) = (Timestamp(record.u64("sent")?), Timestamp(record.u64("stored")?));
    let state = State::from_byte(record.u8("state")?).ok_or(BackupError::Damaged)?;
    let delivered = Timestamp(record.u64("delivered")?);
    let protection = Protection::from_byte(record.u8("protection")?).ok_or(BackupError::Damaged)?;
    let content = record.rest();
    Body::parse(kind, content)?;
    let was_delivered = outgoing && matches!(state, State::Delivered | State::Read);
    let new = NewMessage {
        contact: *contact,
        outgoing,
        uuid: &uuid,
        kind,
        content,
        sent,
        stored,
        // Who carried it told the other device.
        state: if was_delivered || !outgoing { state } else { state.min(State::Queued) },
        protection,
        card_sequence: None,
        statement: None,
    };
    let id = store.insert_message(&new)?.ok_or(BackupError::Damaged)?;
    if was_delivered {
        store.set_delivered(id, delivered)?;
    }
    Ok(())
}

fn encode(message: &MessageRow, record: &mut Vec<u8>) {
    record.put_u64(message.contact.0.unsigned_abs());
    record.put_u8(message.outgoing.into());
    record.put(&message.uuid);
    record.put_varint(message.kind);
    record.put_u64(message.sent.0);
    record.put_u64(message.stored.0);
    record.put_u8(message.state as u8);
    record.put_u64(message.delivered.map_or(0, Timestamp::as_millis));
    record.put_u8(message.protection as u8);
    record.put(&message.content);
}

fn text(record: &mut Reader<'_>) -> Result<String, BackupError> {
    let bytes = record.bytes(MAX_NAME_BYTES, "name")?;
    str::from_utf8(bytes).map(ToOwned::to_owned).map_err(|_| BackupError::Damaged)
}

/// The cipher of one file, and its count of chunks.
struct Stream {
    cipher: Aes256Gcm,
    header: [u8; HEADER_LEN],
    chunks: u64,
}

impl Stream {
    fn new(words: &RecoveryWords, header: [u8; HEADER_LEN]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(&header), &*words.backup_key())
            .expand(b"footpost/1 backup", &mut *key)
            .expect("32 bytes are within HKDF's limit");
        Self { cipher: Aes256Gcm::new((&*key).into()), header, chunks: 0 }
    }

    /// The nonce of the next chunk.
    fn nonce(&mut self, is_last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.chunks.to_be_bytes());
        nonce[11] = is_last.into();
        self.chunks += 1;
        nonce
    }
}

struct Sealer<'a> {
    stream: Stream,
    chunk: Zeroizing<Vec<u8>>,
    out: &'a mut dyn Write,
}

impl<'a> Sealer<'a> {
    fn new(
        words: &RecoveryWords,
        random: [u8; 16],
        out: &'a mut dyn Write,
    ) -> Result<Self, BackupError> {
        let mut header = [VERSION; HEADER_LEN];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        header[MAGIC.len() + 1..].copy_from_slice(&random);
        out.write_all(&header)?;
        Ok(Self { stream: Stream::new(words, header), chunk: Zeroizing::default(), out })
    }

    fn record(&mut self, kind: u8, record: &[u8]) -> Result<(), BackupError> {
        self.chunk.put_u8(kind);
        self.chunk.put_bytes(record);
        if self.chunk.len() >= CHUNK_BYTES { self.write(false) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<(), BackupError> {
        self.write(true)?;
        Ok(self.out.flush()?)
    }

    fn write(&mut self, is_last: bool) -> Result<(), BackupError> {
        let nonce = self.stream.nonce(is_last);
        let mut chunk = std::mem::take(&mut self.chunk);
        self.stream
            .cipher
            .encrypt_in_place((&nonce).into(), &self.stream.header, &mut *chunk)
            .map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        self.out.write_all(&(chunk.len() as u32).to_be_bytes())?;
        Ok(self.out.write_all(&chunk)?)
    }
}

struct Opener<'a> {
    stream: Stream,
    backup: &'a mut dyn Read,
    has_ended: bool,
}

impl<'a> Opener<'a> {
    fn new(words: &RecoveryWords, backup: &'a mut dyn Read) -> Result<Self, BackupError> {
        let mut header = [0; HEADER_LEN];
        backup.read_exact(&mut header).map_err(|error| ended(error, BackupError::Foreign))?;
        if !header.starts_with(MAGIC) {
            return Err(BackupError::Foreign);
        }
        match header[MAGIC.len()] {
            VERSION => Ok(Self { stream: Stream::new(words, header), backup, has_ended: false }),
            other => Err(BackupError::Version(other)),
        }
    }

    /// The next chunk, opened; none after the one that was sealed as the last.
    fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, BackupError> {
        if self.has_ended {
            let is_whole = self.backup.read(&mut [0])? == 0;
            return if is_whole { Ok(None) } else { Err(BackupError::Damaged) };
        }
        let is_first = self.stream.chunks == 0;
        let mut len = [0; 4];
        self.backup.read_exact(&mut len).map_err(|error| ended(error, BackupError::Damaged))?;
        let len = u32::from_be_bytes(len) as usize;
        if !(TAG_LEN..=MAX_CHUNK_BYTES).contains(&len) {
            return Err(BackupError::Damaged);
        }
        let mut sealed = vec![0; len];
        self.backup.read_exact(&mut sealed).map_err(|error| ended(error, BackupError::Damaged))?;
        let chunks = self.stream.chunks;
        for is_last in [false, true] {
            self.stream.chunks = chunks;
            let nonce = self.stream.nonce(is_last);
            let mut chunk = Zeroizing::new(sealed.clone());
            let opened = self.stream.cipher.decrypt_in_place(
                (&nonce).into(),
                &self.stream.header,
                &mut *chunk,
            );
            if opened.is_ok() {
                self.has_ended = is_last;
                return Ok(Some(chunk));
            }
        }
        Err(if is_first { BackupError::Words } else { BackupError::Damaged })
    }
}

/// An early end is about the backup, not about the disk.
fn ended(error: io::Error, early: BackupError) -> BackupError {
    if error.kind() == io::ErrorKind::UnexpectedEof { early } else { error.into() }
}

#[cfg(test)]
mod tests;
