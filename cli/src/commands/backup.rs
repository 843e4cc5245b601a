//! `footpost backup`

use super::absolute;
use crate::{
    args::BackupFile,
    control::{Client, Reply, Request, Secret, misunderstood},
    failure::{Exit, Failure},
    output::{Output, bytes},
    profile::{self, Profile},
};
use footpost_core::{Node, RecoveryWords};
use serde::Serialize;
use std::{fs::File, io::BufReader};
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Made {
    file: String,
    size_bytes: u64,
}

#[derive(Serialize)]
struct Restored {
    dir: String,
    address: String,
    contacts: usize,
    passphrase: bool,
}

pub(crate) fn create(profile: &Profile, args: &BackupFile, out: Output) -> Result<(), Failure> {
    profile.check()?;
    let words = given(profile)?;
    // A slip is told before the node is asked.
    words.parse::<RecoveryWords>()?;
    let path = &args.file;
    let request = Request::BackUp { words: Secret(words), file: absolute(path)? };
    let Reply::BackedUp { size_bytes } = Client::reach(profile)?.ask(request)? else {
        return Err(misunderstood());
    };
    out.fact(&Made { file: path.display().to_string(), size_bytes }, |made| {
        format!(
            "Made {} ({}). Only your recovery words open it: keep them elsewhere.",
            made.file,
            bytes(made.size_bytes)
        )
    })
}

pub(crate) fn restore(profile: &Profile, args: &BackupFile, out: Output) -> Result<(), Failure> {
    let file = File::open(&args.file).map_err(|error| {
        Failure::new(Exit::Usage, format!("cannot read {}: {error}", args.file.display()))
    })?;
    let words: RecoveryWords = given(profile)?.parse()?;
    let rng = profile::rng()?;
    let passphrase = profile.create()?;
    let restore = || {
        let mut backup = BufReader::new(file);
        let (store, rng) = (profile.store()?, Box::new(rng));
        let now = profile::now();
        let mut node = Node::restore(&store, profile.settings(), rng, now, &words, &mut backup)?;
        node.handle_timeout(now)?;
        node.commit()?;
        let address = node.identity().address();
        Ok::<_, Failure>((address, node.contacts()?.len()))
    };
    let (address, contacts) = restore().inspect_err(|_| profile.discard())?;
    let dir = profile.dir().display().to_string();
    out.fact(&Restored { dir, address, contacts, passphrase }, |restored| {
        let footpost = profile.invocation();
        format!(
            "Restored into {}\nAddress  {}\nContacts {}\n\nNext: `{footpost} run` tells your \
             contacts. Do not use the device before any more.",
            restored.dir, restored.address, restored.contacts
        )
    })
}

fn given(profile: &Profile) -> Result<Zeroizing<String>, Failure> {
    let missing = "give the 24 recovery words: on the terminal, or see `footpost --help`";
    profile.passphrases().words()?.ok_or_else(|| Failure::new(Exit::Usage, missing))
}
