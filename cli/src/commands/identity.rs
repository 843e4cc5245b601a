//! `footpost identity`

use super::read_text;
use crate::{
    args::{IdentityRevoke, IdentityRotate, IdentityWords},
    control::{Client, Reply, Request, Secret, misunderstood},
    failure::Failure,
    output::{Output, is_terminal},
    profile::Profile,
};
use serde::Serialize;
use std::io::{self, IsTerminal};
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Words {
    words: Vec<Secret>,
}

pub(crate) fn words(profile: &Profile, args: &IdentityWords, out: Output) -> Result<(), Failure> {
    profile.check()?;
    let old = args.replace.then(|| read_words(out)).transpose()?;
    let Reply::Words { words } = Client::reach(profile)?.ask(Request::Words { old })? else {
        return Err(misunderstood());
    };
    out.fact(&Words { words }, |shown| {
        let line = |(row, words): (usize, &[Secret])| {
            let numbered = words.iter().enumerate();
            let cells = numbered.map(|(at, word)| format!("{:>3} {:9}", row * 4 + at + 1, *word.0));
            cells.collect::<String>().trim_end().to_owned()
        };
        let lines: Vec<_> = shown.words.chunks(4).enumerate().map(line).collect();
        format!(
            "Write these words down, on paper, in this order. They are not shown again, and win \
             your identity back from whoever steals this device.\n\n{}",
            lines.join("\n")
        )
    })
}

pub(crate) fn rotate(profile: &Profile, args: &IdentityRotate, out: Output) -> Result<(), Failure> {
    profile.check()?;
    let words = args.words.then(|| read_words(out)).transpose()?;
    renew(profile, Request::Rotate { words }, out)
}

#[derive(Serialize)]
struct Revoked {
    revoked: String,
}

pub(crate) fn revoke(profile: &Profile, args: &IdentityRevoke, out: Output) -> Result<(), Failure> {
    profile.check()?;
    let words = read_words(out)?;
    if args.no_successor {
        let Reply::Card(card) = Client::reach(profile)?.ask(Request::End { words })? else {
            return Err(misunderstood());
        };
        return out.fact(&Revoked { revoked: card.address }, |gone| {
            format!(
                "Revoked  {}\n\nYour contacts are told as they are met, and hear you no more. Keep \
                 the node running until then.",
                gone.revoked
            )
        });
    }
    renew(profile, Request::Revoke { words }, out)
}

fn renew(profile: &Profile, request: Request, out: Output) -> Result<(), Failure> {
    let Reply::Card(card) = Client::reach(profile)?.ask(request)? else {
        return Err(misunderstood());
    };
    out.fact(&card, |card| {
        format!("Address  {}\n\nYour contacts are told as they are met.", card.address)
    })
}

/// Never from the command line, which others can see.
fn read_words(out: Output) -> Result<Secret, Failure> {
    if io::stdin().is_terminal() && is_terminal() {
        out.say("Your 24 recovery words, then Ctrl-D:")?;
    }
    Ok(Secret(Zeroizing::new(read_text(io::stdin().lock(), "the recovery words")?)))
}
