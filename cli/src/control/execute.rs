//! What a request does to a node. The only place: a running node and a command that opens the store
//! itself both come by here.

use super::files;
use super::message::{
    BulletinView, CardView, CarriedView, Change, Folder, MessagePage, MessageView, NeighbourView,
    PublisherChange, Reply, Request, Secret, StatusView,
};
use crate::failure::{Exit, Failure};
use footpost_core::{
    BackupError, Body, BulletinDraft, BulletinFilter, Card, Contact, ContactError, ContactId,
    FollowError, Identity, MessageId, Node, RecoveryWords, SendError, State, StoreError, Timestamp,
};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{BufWriter, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use zeroize::Zeroizing;

/// Messages read at once.
const BATCH: u32 = 64;
/// Batches that one request may look through: it must not hold up a running node.
const MAX_BATCHES: usize = 16;
/// A page ends once its texts have so many bytes; the last text, six-fold if all of it must be
/// escaped, still fits the line.
const PAGE_BYTES: usize = 64 * 1024;
const MAX_CARRIED: u32 = 1000;

/// Does what is asked; `listen` is the address of a running node.
pub(crate) fn execute(
    node: &mut Node,
    now: Timestamp,
    listen: Option<SocketAddr>,
    request: Request,
) -> Reply {
    perform(node, now, listen, request).unwrap_or_else(Reply::Failed)
}

fn perform(
    node: &mut Node,
    now: Timestamp,
    listen: Option<SocketAddr>,
    request: Request,
) -> Result<Reply, Failure> {
    Ok(match request {
        Request::Card => Reply::Card(card(node)),
        Request::SetName { name } => {
            node.set_name(now, Some(&name))?;
            Reply::Done
        }
        Request::AddContact { card, name } => add(node, now, &card, name)?,
        Request::Contacts => {
            let contacts = node.contacts()?.into_iter().map(Into::into).collect();
            Reply::Contacts { contacts }
        }
        Request::SafetyNumber { contact } => {
            let contact = find(node, &contact)?;
            Reply::SafetyNumber { number: node.safety_number(contact.id)? }
        }
        Request::Verify { contact } => {
            let contact = find(node, &contact)?;
            node.verify_contact(now, contact.id)?;
            Reply::Contact(Contact { verified: true, warning: None, ..contact }.into())
        }
        Request::Change { contact, change } => {
            let contact = find(node, &contact)?;
            apply(node, now, contact.id, change)?;
            Reply::Done
        }
        Request::Words { old } => {
            let words = match old {
                None => node.create_words(now)?,
                Some(old) => node.replace_words(now, &old.0.parse()?)?,
            };
            let words = words.words().map(|word| Secret(Zeroizing::new(word.to_owned())));
            Reply::Words { words: words.collect() }
        }
        Request::Rotate { words } => {
            let words = words.map(|words| words.0.parse::<RecoveryWords>()).transpose()?;
            node.rotate_identity(now, words.as_ref())?;
            Reply::Card(card(node))
        }
        Request::Revoke { words } => {
            node.revoke_identity(now, &words.0.parse()?)?;
            Reply::Card(card(node))
        }
        Request::End { words } => {
            node.end_identity(now, &words.0.parse()?)?;
            Reply::Card(card(node))
        }
        Request::BackUp { words, file } => {
            Reply::BackedUp { size_bytes: back_up(node, &words.0.parse()?, &file)? }
        }
        Request::Send { to, text, priority } => {
            let contact = find(node, &to)?;
            let id = node.send(now, contact.id, &Body::Text(text), priority)?;
            Reply::Sent { id: id.0, state: State::Queued }
        }
        Request::SendFile { to, file, priority } => {
            let contact = find(node, &to)?;
            files::send(node, now, contact.id, &file, priority)?
        }
        Request::Save { message, file } => files::save(node, MessageId(message), &file)?,
        Request::Messages { folder, contact, before, limit } => {
            let contact = contact.map(|contact| find(node, &contact)).transpose()?;
            let contact = contact.map(|contact| contact.id);
            Reply::Messages(page(node, folder, contact, before.map(MessageId), limit)?)
        }
        Request::MarkSeen { messages } => {
            for message in messages {
                mark_seen(node, now, MessageId(message))?;
            }
            Reply::Done
        }
        Request::Status => Reply::Status(Box::new(status(node, listen)?)),
        Request::Carried { limit } => {
            let envelopes = node.carried(limit.min(MAX_CARRIED))?;
            Reply::Carried { envelopes: envelopes.into_iter().map(CarriedView::from).collect() }
        }
        Request::Publish { kind, region, topic, text, lifetime_s, replaces } => {
            let draft = BulletinDraft { kind, region, topic, text, lifetime_s, replaces };
            let id = node.publish(now, &draft)?;
            Reply::Published { publisher: id.publisher.address(), number: id.number }
        }
        Request::Bulletins { filter, skip } => bulletins(node, &filter, skip)?,
        Request::Follow { publisher, change } => {
            let publisher = publisher_of(node, &publisher)?;
            apply_follow(node, now, publisher, change)?;
            Reply::Done
        }
        Request::Watch => Reply::Changed,
    })
}

fn apply(
    node: &mut Node,
    now: Timestamp,
    id: ContactId,
    change: Change,
) -> Result<(), ContactError> {
    match change {
        Change::Accept => node.accept_request(now, id),
        Change::Decline => node.decline_request(now, id),
        Change::Remove => node.remove_contact(now, id),
        Change::Block => node.block_contact(now, id),
        Change::Mute => node.mute_contact(now, id, true),
        Change::Unmute => node.mute_contact(now, id, false),
        Change::Rename(name) => node.rename_contact(now, id, &name),
    }
}

fn apply_follow(
    node: &mut Node,
    now: Timestamp,
    publisher: Identity,
    change: PublisherChange,
) -> Result<(), FollowError> {
    match change {
        PublisherChange::Follow => node.follow(now, publisher),
        PublisherChange::Mute => node.mute(now, publisher),
        PublisherChange::Unfollow => Ok(node.unfollow(now, publisher)?),
    }
}

fn bulletins(node: &Node, filter: &BulletinFilter, skip: usize) -> Result<Reply, StoreError> {
    let contacts = node.contacts()?.into_iter();
    let names = contacts.map(|contact| (contact.address, contact.name)).collect();
    let own = node.identity().address();
    let mut all = node.bulletins(filter)?.into_iter().skip(skip).peekable();
    let (mut bulletins, mut bytes) = (Vec::new(), 0);
    while bytes < PAGE_BYTES
        && let Some(bulletin) = all.next()
    {
        bytes += bulletin.text.len();
        bulletins.push(BulletinView::new(bulletin, &own, &names));
    }
    Ok(Reply::Bulletins { bulletins, is_cut: all.peek().is_some() })
}

/// The publisher of this name, address or card.
fn publisher_of(node: &Node, wanted: &str) -> Result<Identity, Failure> {
    if let Ok(card) = wanted.parse::<Card>() {
        return Ok(card.identity());
    }
    if let Some(identity) = node.identity_of(wanted)? {
        return Ok(identity);
    }
    let address = find(node, wanted)?.address;
    Ok(node.identity_of(&address)?.ok_or(ContactError::Unknown)?)
}

fn card(node: &Node) -> CardView {
    let card = node.card();
    CardView {
        link: card.to_string(),
        address: card.identity().address(),
        name: card.name().map(ToOwned::to_owned),
        expires_ms: card.expires().as_millis(),
    }
}

fn add(
    node: &mut Node,
    now: Timestamp,
    card: &str,
    name: Option<String>,
) -> Result<Reply, Failure> {
    let card: Card = card.parse().map_err(ContactError::Card)?;
    let name = name.or_else(|| card.name().map(ToOwned::to_owned)).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no name on the card: give one with --name")
    })?;
    let id = node.add_contact(now, &card, &name)?;
    let added = node.contacts()?.into_iter().find(|contact| contact.id == id);
    Ok(Reply::Contact(added.ok_or(ContactError::Unknown)?.into()))
}

/// The contact of this name or address. The name comes first: it is the user's own choice.
fn find(node: &Node, wanted: &str) -> Result<Contact, Failure> {
    let mut contacts = node.contacts()?;
    let found = contacts
        .iter()
        .position(|contact| contact.name == wanted)
        .or_else(|| contacts.iter().position(|contact| contact.address == wanted));
    if let Some(index) = found {
        return Ok(contacts.swap_remove(index));
    }
    let wanted: String = wanted.chars().take(100).collect();
    let similar = contacts
        .iter()
        .map(|contact| (distance(&wanted.to_lowercase(), &contact.name.to_lowercase()), contact))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, contact)| *distance <= contact.name.chars().count() / 3 + 1);
    let advice = match similar {
        Some((_, contact)) => format!("did you mean “{}”?", contact.name),
        None => "see `footpost contact list`".to_owned(),
    };
    let wanted = crate::output::printable(&wanted);
    Err(Failure::new(Exit::Failed, format!("there is no contact “{wanted}”: {advice}")))
}

/// Edits from one word to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(&other) {
            let edited = (diagonal + usize::from(a != *b)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, edited);
            left = edited;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn page(
    node: &Node,
    folder: Folder,
    contact: Option<ContactId>,
    mut before: Option<MessageId>,
    limit: u32,
) -> Result<MessagePage, StoreError> {
    let names: BTreeMap<_, _> =
        node.contacts()?.into_iter().map(|contact| (contact.id, contact.name)).collect();
    let (mut messages, mut bytes) = (Vec::new(), 0);
    for _ in 0..MAX_BATCHES {
        let batch = node.messages(contact, before, BATCH)?;
        let is_last = batch.len() < BATCH as usize;
        for message in batch.into_iter().rev() {
            before = Some(message.id);
            if folder.holds(&message) {
                let view = MessageView::new(&message, &names);
                bytes += view.text.as_ref().map_or(0, String::len);
                messages.push(view);
            }
            if bytes >= PAGE_BYTES || messages.len() >= limit as usize {
                return Ok(MessagePage { messages, before: before.map(|id| id.0) });
            }
        }
        if is_last {
            return Ok(MessagePage { messages, before: None });
        }
    }
    Ok(MessagePage { messages, before: before.map(|id| id.0) })
}

/// Writes a backup to a new file for its owner alone; says how many bytes it has.
fn back_up(node: &mut Node, words: &RecoveryWords, path: &Path) -> Result<u64, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot make {}: {error}", path.display()))
    })?;
    let mut write = || {
        let mut writer = BufWriter::new(&file);
        node.back_up(words, &mut writer)?;
        writer.flush()?;
        file.sync_all()?;
        Ok::<_, BackupError>(file.metadata()?.len())
    };
    let written = write().inspect_err(|_| {
        // Half a backup is none.
        let _ = fs::remove_file(path);
    });
    Ok(written?)
}

/// A writer whose card has expired gets no receipt; that the message was seen stands all the same.
fn mark_seen(node: &mut Node, now: Timestamp, message: MessageId) -> Result<(), Failure> {
    match node.mark_seen(now, message) {
        Err(SendError::Store(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

fn status(node: &Node, listen: Option<SocketAddr>) -> Result<StatusView, StoreError> {
    let contacts = node.contacts()?;
    let name = |id| contacts.iter().find(|contact| Some(contact.id) == id);
    let neighbours = node.neighbours().into_iter().map(|neighbour| NeighbourView {
        contact: name(neighbour.contact).map(|contact| contact.name.clone()),
        role: neighbour.role,
        cost: neighbour.cost,
        accepts_foreign: neighbour.accepts_foreign,
        free_kib: neighbour.free_kib,
    });
    let stats = node.stats();
    Ok(StatusView {
        name: node.name().map(ToOwned::to_owned),
        address: node.identity().address(),
        running: listen.is_some(),
        listen,
        neighbours: neighbours.collect(),
        links: stats.links,
        foreign_envelopes: stats.foreign_envelopes,
        foreign_bytes: stats.foreign_bytes,
        max_foreign_bytes: stats.max_foreign_bytes,
        tombstones: stats.tombstones,
        postmarks_ready: stats.postmarks_ready,
        postmarks_ahead: stats.postmarks_ahead,
        sent: stats.sent,
        sent_bytes: stats.sent.total_bytes(),
        received_bytes: stats.received_bytes,
        bluetooth: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (one, other, edits) in
            [("", "", 0), ("bob", "bob", 0), ("bbo", "bob", 2), ("al", "alice", 3), ("x", "", 1)]
        {
            assert_eq!(distance(one, other), edits, "{one} {other}");
            assert_eq!(distance(other, one), edits, "{other} {one}");
        }
    }
}
