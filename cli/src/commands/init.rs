//! `footpost init`

use super::mint::mint;
use crate::{
    args::Init,
    control::{Client, Reply, Request, misunderstood},
    failure::Failure,
    output::Output,
    profile::Profile,
};
use serde::Serialize;

/// What a profile without a passphrase is told to be.
pub(crate) const OPEN: &str =
    "Without a passphrase: whoever can copy these files can read your messages.";

#[derive(Serialize)]
struct Made {
    dir: String,
    address: String,
    name: Option<String>,
    passphrase: bool,
}

pub(crate) fn init(profile: &Profile, args: &Init, out: Output) -> Result<(), Failure> {
    let passphrase = profile.create()?;
    if !args.no_mint {
        mint(profile)?;
    }
    let mut client = Client::reach(profile)?;
    if let Some(name) = args.name.clone() {
        client.ask(Request::SetName { name })?;
    }
    let Reply::Card(card) = client.ask(Request::Card)? else { return Err(misunderstood()) };
    let dir = profile.dir().display().to_string();
    out.fact(&Made { dir, address: card.address, name: card.name, passphrase }, |made| {
        let footpost = profile.invocation();
        let guard = if made.passphrase { "Encrypted under your passphrase." } else { OPEN };
        format!(
            "Made a profile in {}\nAddress  {}\n{guard}\n\nNext: `{footpost} id` shows your card to others; \
             `{footpost} contact add` adds theirs.",
            made.dir, made.address
        )
    })
}
