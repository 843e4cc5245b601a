//! What the commands do, one file each.

pub(crate) mod backup;
pub(crate) mod bulletin;
mod carried;
mod chat;
pub(crate) mod contact;
mod doctor;
mod id;
pub(crate) mod identity;
mod inbox;
mod init;
mod mint;
mod run;
mod save;
mod send;
mod sim;
mod status;
pub(crate) mod vault;

pub(crate) use carried::{carried, priority, sealing, short};
pub(crate) use chat::chat;
pub(crate) use doctor::doctor;
pub(crate) use id::id;
pub(crate) use inbox::inbox;
pub(crate) use init::init;
pub(crate) use run::run;
pub(crate) use save::save;
pub(crate) use send::send;
pub(crate) use sim::sim;
pub(crate) use status::{Report, status};

use crate::{
    control::{AttachmentView, MessageView},
    failure::{Exit, Failure},
    output::{bytes, printable},
};
use footpost_core::{MAX_ENVELOPE_BYTES, State};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// Text from a file or standard input; nothing longer than an envelope is read.
fn read_text(from: impl Read, what: &str) -> Result<String, Failure> {
    let fail = |why: &str| Failure::new(Exit::Usage, format!("cannot read {what}: {why}"));
    let mut text = Vec::new();
    let read = from.take(MAX_ENVELOPE_BYTES as u64 + 1).read_to_end(&mut text);
    read.map_err(|error| fail(&error.to_string()))?;
    if text.len() > MAX_ENVELOPE_BYTES {
        return Err(fail(&format!("it is longer than {MAX_ENVELOPE_BYTES} bytes: shorten it")));
    }
    String::from_utf8(text).map_err(|_| fail("it is not text (UTF-8)"))
}

/// The newline that ends the last line is the shell's, not the writer's.
fn without_last_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// The path as a running node understands it, which has a directory of its own.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("there can be no file {}: {error}", path.display()))
    })
}

/// A message as people read it: what this version cannot show, it says so.
fn shown(message: &MessageView) -> String {
    match (&message.text, &message.attachment) {
        (Some(text), _) => printable(text),
        (None, Some(file)) => {
            let name = printable(&file.name).replace(['\n', '\t'], "\u{fffd}");
            let size = bytes(file.size_bytes);
            format!("{name} ({size}{})", transfer(message.outgoing, file))
        }
        (None, None) => "(of a kind that this version cannot show)".to_owned(),
    }
}

/// How far an attachment has come; nothing where there is nothing to add.
fn transfer(is_outgoing: bool, file: &AttachmentView) -> String {
    match (file.whole, file.needed) {
        (true, _) if is_outgoing => String::new(),
        (true, _) => ", whole".to_owned(),
        (false, 0) => ", not taken".to_owned(),
        (false, needed) => format!(", {} of about {needed} pieces arrived", file.arrived),
    }
}

/// How far a sent message has come.
fn progress(state: State, carriers: u32, carrier_contacts: u32) -> String {
    match state {
        State::Queued => "queued".to_owned(),
        State::Carried => {
            let contacts = match carrier_contacts {
                1 => "1 of them a contact".to_owned(),
                some => format!("{some} of them contacts"),
            };
            format!("carried by {carriers} ({contacts})")
        }
        State::Handed => "handed over".to_owned(),
        State::Expired => "expired".to_owned(),
        State::Delivered => "delivered".to_owned(),
        State::Read => "read".to_owned(),
        State::Received => "new".to_owned(),
        State::Seen => "seen".to_owned(),
    }
}
