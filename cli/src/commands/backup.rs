//! `footpost backup`

use crate::{
    args::BackupFile,
    control::Client,
    failure::{Exit, Failure},
    output::{Output, bytes},
    profile::{self, Profile},
};
use footpost_core::{BackupError, Node, RecoveryWords, WordsError};
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
};

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
    let words = words(profile)?;
    let Client::Opened(mut node) = Client::reach(profile)? else {
        let message = "a node runs on this profile: stop it first";
        return Err(Failure::new(Exit::Profile, message));
    };
    let path = &args.file;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot make {}: {error}", path.display()))
    })?;
    let mut write = || {
        let mut writer = BufWriter::new(&file);
        node.back_up(&words, &mut writer)?;
        writer.flush()?;
        file.sync_all()?;
        Ok::<_, BackupError>(file.metadata()?.len())
    };
    let size_bytes = write().inspect_err(|_| {
        // Half a backup is none.
        let _ = fs::remove_file(path);
    })?;
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
    let words = words(profile)?;
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

fn words(profile: &Profile) -> Result<RecoveryWords, Failure> {
    let missing = "give the 24 recovery words: on the terminal, or see `footpost --help`";
    let text = profile.passphrases().words()?;
    let text = text.ok_or_else(|| Failure::new(Exit::Usage, missing))?;
    text.parse().map_err(|error: WordsError| Failure::new(Exit::Usage, error.to_string()))
}
