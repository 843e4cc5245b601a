//! What a backup is made of: records about oneself, people and messages.

use super::BackupError;
use super::stream::{MAX_RECORD_BYTES, Opener};
use crate::chat::{ContactId, KeyWarning, Stance, State};
use crate::codec::{Reader, Writer};
use crate::envelope::Body;
use crate::identity::{
    Card, Identity, IdentityKey, Lineage, MAX_NAME_BYTES, Protection, Statement,
};
use crate::node::Node;
use crate::node::devices::next_device;
use crate::store::{ContactRow, MessageRow, NewMessage, Own, Store};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub(super) const OWN: u8 = 1;
pub(super) const CONTACT: u8 = 2;
pub(super) const MESSAGE: u8 = 3;
pub(super) const STATEMENT: u8 = 4;
pub(super) const CONTACT_STATEMENT: u8 = 5;
pub(super) const CONTACT_KEY: u8 = 6;
pub(super) const PUBLISHER: u8 = 7;

impl Node {
    pub(super) fn own_record(&self) -> Zeroizing<Vec<u8>> {
        let mut record = Zeroizing::new(Vec::new());
        record.put(&*self.key.to_bytes());
        record.put_varint(self.device);
        record.put_bytes(self.name.as_deref().unwrap_or_default().as_bytes());
        put_key(&mut record, self.recovery.as_ref().map(Identity::as_bytes));
        record.put(self.card().as_bytes());
        record
    }
}

pub(super) fn statement_record(number: u64, statement: &Statement) -> Vec<u8> {
    let mut record = Vec::new();
    record.put_varint(number);
    record.put(statement.as_bytes());
    record
}

/// A contact, and where trust in them begins.
pub(super) fn contact_record(
    contact: &ContactRow,
    lineage: &Lineage,
    verified_key: Option<[u8; 32]>,
) -> Vec<u8> {
    let mut record = Vec::new();
    record.put_u64(contact.id.0.unsigned_abs());
    record.put_u8(contact.muted.into());
    record.put_bytes(contact.name.as_bytes());
    record.put(lineage.root.as_bytes());
    put_key(&mut record, lineage.pin.as_ref().map(Identity::as_bytes));
    put_key(&mut record, verified_key.as_ref());
    record.put_u8(contact.warning.map_or(0, |warning| warning as u8));
    record.put(contact.card.as_bytes());
    record
}

/// Something about a contact.
pub(super) fn person_record(contact: ContactId, bytes: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    record.put_u64(contact.0.unsigned_abs());
    record.put(bytes);
    record
}

/// Whom the user follows or mutes.
pub(super) fn publisher_record(publisher: &Identity, stance: Stance) -> Vec<u8> {
    let mut record = publisher.as_bytes().to_vec();
    record.put_u8(stance as u8);
    record
}

pub(super) fn message_record(message: &MessageRow) -> Vec<u8> {
    let mut record = Vec::new();
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
    record
}

/// A contact that has come in, with what they have said so far.
struct Person {
    id: ContactId,
    lineage: Lineage,
}

/// Fills an empty store; returns the card of the device before.
pub(super) fn take_in(
    store: &Store,
    opener: &mut Opener<'_>,
    now: Timestamp,
) -> Result<Card, BackupError> {
    let mut people = BTreeMap::new();
    let mut before = None;
    while let Some(chunk) = opener.next()? {
        let mut chunk = Reader::new(&chunk);
        while !chunk.is_empty() {
            let kind = chunk.u8("record")?;
            let mut record = Reader::new(chunk.bytes(MAX_RECORD_BYTES, "record")?);
            match (kind, &before) {
                (OWN, None) => before = Some(take_own(store, &mut record, now)?),
                (STATEMENT, Some(_)) => {
                    let number = record.varint("statement")?;
                    store.insert_own_statement(number, &statement(&mut record)?)?;
                }
                (CONTACT, Some(_)) => {
                    let number = record.u64("contact")?;
                    people.insert(number, take_contact(store, &mut record)?);
                }
                (CONTACT_STATEMENT, Some(_)) => {
                    let person = whose(&mut people, &mut record)?;
                    person.lineage.statements.push(statement(&mut record)?);
                }
                (CONTACT_KEY, Some(_)) => {
                    let person = whose(&mut people, &mut record)?;
                    store.insert_former_key(person.id, &key(&mut record)?)?;
                }
                (MESSAGE, Some(_)) => {
                    let contact = whose(&mut people, &mut record)?.id;
                    take_message(store, &mut record, contact)?;
                }
                (PUBLISHER, Some(_)) => {
                    let publisher = key(&mut record)?;
                    let stance = Stance::from_byte(record.u8("stance")?);
                    store.set_stance(&publisher, Some(stance.ok_or(BackupError::Damaged)?))?;
                }
                // What a later version has added cannot be kept here.
                (8.., Some(_)) => {}
                _ => return Err(BackupError::Damaged),
            }
        }
    }
    for person in people.values() {
        store.restore_lineage(person.id, &person.lineage)?;
    }
    before.ok_or(BackupError::Damaged)
}

fn whose<'a>(
    people: &'a mut BTreeMap<u64, Person>,
    record: &mut Reader<'_>,
) -> Result<&'a mut Person, BackupError> {
    people.get_mut(&record.u64("contact")?).ok_or(BackupError::Damaged)
}

fn take_own(store: &Store, record: &mut Reader<'_>, now: Timestamp) -> Result<Card, BackupError> {
    let key = IdentityKey::from_bytes(&Zeroizing::new(record.array("identity key")?));
    let device = record.varint("device")?;
    let name = text(record)?;
    let recovery = optional_key(record)?;
    let card = Card::from_bytes(record.rest()).map_err(|_| BackupError::Damaged)?;
    let name = (!name.is_empty()).then_some(name);
    store.insert_own(&Own { key, name, wall_seen: now, steady_lead_ms: 0 })?;
    store.set_device(next_device(device, now))?;
    if let Some(key) = recovery {
        store.set_own_recovery(&key)?;
    }
    Ok(card)
}

fn take_contact(store: &Store, record: &mut Reader<'_>) -> Result<Person, BackupError> {
    let muted = record.u8("muted")? != 0;
    let name = text(record)?;
    let root = key(record)?;
    let pin = optional_key(record)?;
    let verified_key = optional_key(record)?;
    let warning = KeyWarning::from_byte(record.u8("warning")?);
    let card = Card::from_bytes(record.rest()).map_err(|_| BackupError::Damaged)?;
    let id = store.insert_contact(&card, &name)?;
    store.set_muted(id, muted)?;
    store.set_trust(id, &root, pin.as_ref(), verified_key.as_ref())?;
    store.set_warning(id, warning)?;
    // They learn where to write from now on, and get what may not have reached them.
    store.set_refresh(id, Some(0))?;
    store.forget_device(id)?;
    Ok(Person { id, lineage: Lineage { root, pin, statements: Vec::new() } })
}

fn take_message(
    store: &Store,
    record: &mut Reader<'_>,
    contact: ContactId,
) -> Result<(), BackupError> {
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
        contact,
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

fn put_key(record: &mut Vec<u8>, key: Option<&[u8; 32]>) {
    record.put_u8(key.is_some().into());
    record.put(key.map_or(&[][..], |key| key));
}

fn optional_key(record: &mut Reader<'_>) -> Result<Option<Identity>, BackupError> {
    match record.u8("flag")? {
        0 => Ok(None),
        _ => key(record).map(Some),
    }
}

fn key(record: &mut Reader<'_>) -> Result<Identity, BackupError> {
    Ok(Identity::from_bytes(record.array("key")?)?)
}

fn statement(record: &mut Reader<'_>) -> Result<Statement, BackupError> {
    Statement::from_bytes(record.rest()).map_err(|_| BackupError::Damaged)
}

fn text(record: &mut Reader<'_>) -> Result<String, BackupError> {
    let bytes = record.bytes(MAX_NAME_BYTES, "name")?;
    str::from_utf8(bytes).map(ToOwned::to_owned).map_err(|_| BackupError::Damaged)
}
