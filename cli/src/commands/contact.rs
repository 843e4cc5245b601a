//! `footpost contact`

use super::read_text;
use crate::{
    args::{ContactAccept, ContactAdd, ContactNamed, ContactRename, ContactVerify},
    control::{Change, Client, ContactView, Reply, Request, misunderstood},
    failure::{Exit, Failure},
    output::{Output, is_terminal, printable, table, when},
    profile::Profile,
};
use footpost_core::{KeyWarning, Relation};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, BufRead, IsTerminal, Write},
};

pub(crate) fn add(profile: &Profile, args: &ContactAdd, out: Output) -> Result<(), Failure> {
    let mut client = Client::reach(profile)?;
    let request = Request::AddContact { card: card_text(&args.card)?, name: args.name.clone() };
    let Reply::Contact(contact) = client.ask(request)? else { return Err(misunderstood()) };
    out.fact(&contact, |contact| {
        let name = printable(&contact.name);
        let next = if contact.verified {
            String::new()
        } else {
            let footpost = profile.invocation();
            format!("\n\nNext: compare safety numbers, `{footpost} contact verify {name}`.")
        };
        format!("Added {name}, {}{next}", contact.address)
    })
}

fn card_text(from: &str) -> Result<String, Failure> {
    let is_link = from.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("footpost:"));
    if is_link {
        return Ok(from.to_owned());
    }
    if from == "-" {
        return read_text(io::stdin().lock(), "the card");
    }
    let file = File::open(from).map_err(|error| {
        let from: String = printable(from).chars().take(60).collect();
        let message = match error.kind() {
            io::ErrorKind::NotFound => format!(
                "“{from}” is neither a card nor a file with one: a card begins with “footpost:”"
            ),
            _ => format!("cannot read the card from {from}: {error}"),
        };
        Failure::new(Exit::Usage, message)
    })?;
    read_text(file, "the card")
}

pub(crate) fn list(profile: &Profile, out: Output) -> Result<(), Failure> {
    let contacts = contacts(&mut Client::reach(profile)?)?;
    if contacts.is_empty() {
        let footpost = profile.invocation();
        return out.say(&format!("No contacts yet: `{footpost} contact add` adds one."));
    }
    if out.json {
        return contacts.iter().try_for_each(|contact| out.fact(contact, |_| String::new()));
    }
    let row = |contact: &ContactView| {
        [
            printable(&contact.name),
            contact.address.clone(),
            standing(contact),
            format!("card ends {}", when(contact.card_expires_ms)),
        ]
    };
    out.say(&table(&contacts.iter().map(row).collect::<Vec<_>>()))
}

/// What the user should know first.
fn standing(contact: &ContactView) -> String {
    let verified = if contact.verified { "verified" } else { "not verified" };
    let standing = match (contact.relation, contact.warning) {
        (Relation::Blocked, _) => "blocked".to_owned(),
        (Relation::Request, _) => match &contact.claimed_name {
            Some(name) => format!("asks to write to you, as “{}”", printable(name)),
            None => "asks to write to you".to_owned(),
        },
        (Relation::Accepted, Some(warning)) => format!("WARNING: {}", key_warning(warning)),
        (Relation::Accepted, None) => verified.to_owned(),
    };
    if contact.muted { format!("{standing}, muted") } else { standing }
}

pub(super) fn key_warning(warning: KeyWarning) -> &'static str {
    match warning {
        KeyWarning::NewKey => "new key, for which only the old one speaks: verify anew",
        KeyWarning::Conflict => "two keys claim to follow theirs: ask them, and verify anew",
        KeyWarning::RecoveryKey => "a card with another recovery key was refused: ask them",
        KeyWarning::Revoked => "their key was revoked: ask for a new card",
    }
}

pub(crate) fn accept(profile: &Profile, args: ContactAccept, out: Output) -> Result<(), Failure> {
    let mut client = Client::reach(profile)?;
    let contact = args.contact;
    client.ask(Request::Change { contact: contact.clone(), change: Change::Accept })?;
    if let Some(name) = args.name {
        client.ask(Request::Change { contact, change: Change::Rename(name) })?;
    }
    out.say("Done.")
}

pub(crate) fn rename(profile: &Profile, args: ContactRename, out: Output) -> Result<(), Failure> {
    let who = ContactNamed { contact: args.contact };
    change(profile, who, Change::Rename(args.name), out)
}

/// Whatever else is done about one contact.
pub(crate) fn change(
    profile: &Profile,
    who: ContactNamed,
    change: Change,
    out: Output,
) -> Result<(), Failure> {
    Client::reach(profile)?.ask(Request::Change { contact: who.contact, change })?;
    out.say("Done.")
}

pub(super) fn contacts(client: &mut Client) -> Result<Vec<ContactView>, Failure> {
    match client.ask(Request::Contacts)? {
        Reply::Contacts { contacts } => Ok(contacts),
        _ => Err(misunderstood()),
    }
}

#[derive(Serialize)]
struct Compared<'a> {
    contact: &'a str,
    safety_number: String,
    verified: bool,
}

pub(crate) fn verify(profile: &Profile, args: &ContactVerify, out: Output) -> Result<(), Failure> {
    let is_asking = !args.yes && !args.show;
    if is_asking && (out.json || !io::stdin().is_terminal() || !is_terminal()) {
        let message = "nobody is there to compare: --show prints the number, --yes says it agrees";
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut client = Client::reach(profile)?;
    let request = Request::SafetyNumber { contact: args.contact.clone() };
    let Reply::SafetyNumber { number } = client.ask(request)? else { return Err(misunderstood()) };
    let shown = printable(&args.contact);
    if is_asking {
        out.say(&format!("Your safety number with {shown}:\n\n{}\n", grid(&number)))?;
        drop(client);
        if !ask(&format!("Does {shown} see the same number? [y/N] "))? {
            let message = "not verified: if the numbers differ, somebody may be in between; swap \
                           cards anew, in person";
            return Err(Failure::new(Exit::Failed, message));
        }
        client = Client::reach(profile)?;
    }
    if !args.show {
        client.ask(Request::Verify { contact: args.contact.clone() })?;
    }
    let verified = !args.show
        || contacts(&mut client)?
            .iter()
            .any(|c| (c.name == args.contact || c.address == args.contact) && c.verified);
    out.fact(&Compared { contact: &args.contact, safety_number: number, verified }, |compared| {
        if args.show { grid(&compared.safety_number) } else { format!("Verified {shown}.") }
    })
}

/// Three lines of four groups: easier to read out.
fn grid(number: &str) -> String {
    let groups: Vec<&str> = number.split_whitespace().collect();
    let line = |groups: &[&str]| format!("    {}", groups.join(" "));
    groups.chunks(4).map(line).collect::<Vec<_>>().join("\n")
}

fn ask(question: &str) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(question.as_bytes())?;
    stdout.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
