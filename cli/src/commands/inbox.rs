//! `footpost inbox`

use super::{contact::contacts, shown};
use crate::{
    args::Inbox,
    control::{Client, ContactView, Folder, MessageView, Request},
    failure::Failure,
    output::{Output, printable, when},
    profile::Profile,
};
use footpost_core::{Relation, State};

/// Seen messages told to the node at once: the request must fit its line.
const SEEN_AT_ONCE: usize = 1000;

pub(crate) fn inbox(profile: &Profile, args: &Inbox, out: Output) -> Result<(), Failure> {
    let mut client = Client::reach(profile)?;
    let mut requests = contacts(&mut client)?;
    requests.retain(|contact| contact.relation == Relation::Request);
    if args.requests {
        return strangers(&mut client, &requests, out);
    }
    let folder = if args.all { Folder::Received } else { Folder::New };
    let messages = client.messages(folder, None, None)?;
    if messages.is_empty() {
        out.say(if args.all { "No messages." } else { "No new messages." })?;
    }
    for message in &messages {
        out.fact(message, text)?;
    }
    // Only what was really printed counts as seen.
    if !args.keep {
        let new = messages.iter().filter(|message| message.state == State::Received);
        let ids: Vec<i64> = new.map(|message| message.id).collect();
        for messages in ids.chunks(SEEN_AT_ONCE) {
            client.ask(Request::MarkSeen { messages: messages.to_vec() })?;
        }
    }
    match requests.len() {
        0 => Ok(()),
        count => {
            let footpost = profile.invocation();
            out.say(&format!(
                "Strangers who ask to write to you: {count}; see `{footpost} inbox --requests`."
            ))
        }
    }
}

fn strangers(client: &mut Client, requests: &[ContactView], out: Output) -> Result<(), Failure> {
    if requests.is_empty() {
        return out.say("Nobody asks to write to you.");
    }
    for request in requests {
        for message in client.messages(Folder::Received, Some(&request.address), None)? {
            out.fact(&message, text)?;
        }
    }
    Ok(())
}

fn text(message: &MessageView) -> String {
    let new = if message.state == State::Received { " · new" } else { "" };
    let body = shown(message).replace('\n', "\n  ");
    let number = match &message.attachment {
        Some(_) => format!(" · {}", message.id),
        None => String::new(),
    };
    let (contact, at) = (printable(&message.contact), when(message.sent_ms));
    format!("{contact} · {at}{number}{new}\n  {body}")
}
