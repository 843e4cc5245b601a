//! Holds a node to its word.

use crate::promise::text_of;
use crate::world::carried_ids;
use crate::{Ledger, Line, Outside, Promise, Who, World};
use footpost_core::{Message, OpenError, State, StoreError};
use std::collections::BTreeMap;
use std::path::Path;

/// What has happened to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Its process ended.
    Process,
    /// The power was cut.
    Power,
}

/// Longer than an acknowledgement hides, with the hour of running time that a node may forget when
/// it ends.
const ACK_MS: u64 = 65 * 60 * 1000;

/// Opens what is left in `store` and checks that every promise in `ledger` is kept; then lets the
/// neighbours in `outside` come by with all their mail again, and checks that it flows, and that
/// nothing is shown twice. Both directories are used up.
///
/// # Errors
/// The first promise that is found broken.
pub fn verify(
    store: &Path,
    outside: &Path,
    ledger: &Ledger,
    loss: Loss,
    seed: u64,
) -> Result<(), String> {
    let mut shown = Vec::new();
    let mut tell = |line: Line| {
        if let Promise::Received(text) = line.promise {
            shown.push(text);
        }
    };
    let mut world = World::open(store, outside, seed, ledger.at, &mut tell)
        .map_err(|error: OpenError| format!("the store does not open: {error}"))?;
    keeps(&world, ledger, loss).map_err(|error| format!("cannot be read: {error}"))??;
    flows(&mut world, ledger, loss).map_err(|error| format!("cannot go on: {error}"))??;
    drop(world);
    if let Some(text) = shown.iter().find(|text| ledger.received.contains(*text)) {
        return Err(format!("shown again: {text:.60}"));
    }
    if let Some(text) = ledger.shown_twice.first() {
        return Err(format!("shown twice: {text:.60}"));
    }
    is_sound(&store.join("footpost.db"))
}

type Verdict = Result<Result<(), String>, StoreError>;

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Ok(Err(format!($($message)+)));
        }
    };
}

fn keeps(world: &World<'_>, ledger: &Ledger, loss: Loss) -> Verdict {
    let node = &world.subject;
    if let Some(promised) = &ledger.card {
        ensure!(node.identity() == promised.identity(), "another identity");
        ensure!(node.card().sequence() >= promised.sequence(), "lost card {promised:?}");
        let is_same = node.card().sequence() != promised.sequence() || node.card() == promised;
        ensure!(is_same, "another card in place of {promised:?}");
    }
    let contacts = node.contacts()?;
    for address in &ledger.contacts {
        ensure!(contacts.iter().any(|c| c.address == *address), "lost contact {address}");
    }
    let messages: BTreeMap<_, Message> =
        node.messages(None, None, u32::MAX)?.into_iter().map(|m| (m.id, m)).collect();
    for (id, text) in &ledger.sent {
        let kept = messages.get(id).is_some_and(|m| m.outgoing && text_of(m) == *text);
        ensure!(kept, "lost what send accepted: {id:?} {text:.60}");
    }
    for (id, promised) in &ledger.progress {
        // Read receipts of the node's own have a number and no place among the messages; where
        // others have stored mail, a power loss may make the node forget that they did.
        let Some(message) = messages.get(id) else { continue };
        let binds = loss == Loss::Process || *promised >= State::Expired;
        ensure!(!binds || message.state >= *promised, "{id:?} fell back from {promised:?}");
    }
    for id in &ledger.seen {
        let state = messages.get(id).map(|message| message.state);
        ensure!(state == Some(State::Seen), "{id:?} was seen and is {state:?}");
    }
    for text in ledger.received.union(&ledger.acknowledged) {
        let copies = messages.values().filter(|m| !m.outgoing && text_of(m) == *text).count();
        ensure!(copies == 1, "{copies} copies of what was received: {text:.60}");
    }
    for text in &ledger.arrived {
        let is_kept = messages.values().any(|m| m.outgoing && text_of(m) == *text);
        ensure!(is_kept, "let out, and not kept: {text:.60}");
    }
    if loss == Loss::Process {
        let carried = carried_ids(node)?;
        let lost = ledger.taken.iter().find(|id| !carried.contains(id));
        ensure!(lost.is_none(), "lost what it said it carries: {lost:?}");
    }
    Ok(Ok(()))
}

fn flows(world: &mut World<'_>, ledger: &Ledger, loss: Loss) -> Verdict {
    // The carrier first: after a simulated power loss the friend is ahead of the node, and may
    // hold acknowledgements for letters that the node has yet to see.
    for who in [Who::Carrier, Who::Friend, Who::Friend] {
        world.meet(who)?;
        world.part(who)?;
        world.wait(ACK_MS)?;
    }
    world.let_strangers_in()?;
    let messages = world.subject.messages(None, None, u32::MAX)?;
    let inbox: Vec<_> = messages.iter().filter(|m| !m.outgoing).map(text_of).collect();
    let count = |text: &String, all: &[String]| all.iter().filter(|known| *known == text).count();
    let mut expected = Outside::letters();
    if loss == Loss::Process {
        expected.extend(world.outside.written());
    }
    for text in &expected {
        let copies = count(text, &inbox);
        ensure!(copies == 1, "offered again, {copies} copies: {text:.60}");
    }
    let arrived = world.outside.arrived();
    for message in messages.iter().filter(|m| ledger.sent.contains_key(&m.id)) {
        let text = text_of(message);
        let copies = count(&text, &arrived);
        ensure!(copies <= 1, "the friend has {copies} copies of {text:.60}");
        let must_arrive =
            world.is_friend(message.contact) && !matches!(message.state, State::Expired);
        ensure!(!must_arrive || copies == 1, "never arrived: {text:.60}");
        // A friend who is days ahead has forgotten acknowledgements that are new to the node.
        let must_know = must_arrive && loss == Loss::Process;
        let is_known = message.state >= State::Delivered;
        ensure!(!must_know || is_known, "{:?} when it is delivered: {text:.60}", message.state);
    }
    Ok(Ok(()))
}

/// SQLite's own check of the whole file.
fn is_sound(path: &Path) -> Result<(), String> {
    let check = || {
        let connection = rusqlite::Connection::open(path)?;
        connection.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0))
    };
    match check().map_err(|error| error.to_string())?.as_str() {
        "ok" => Ok(()),
        damage => Err(format!("damaged: {damage}")),
    }
}
