//! Footpost on the command line.
//!
//! `args` is what can be asked; `commands` does it, one file a command; `control` reaches the node
//! of a profile, running or not; `profile` is where it lives, and
//! `passphrase` what opens it; `demo` is the journey of one message
//! between three processes; `output` and `failure` are what people and scripts get to see.

mod args;
mod commands;
mod control;
mod demo;
mod failure;
mod output;
mod passphrase;
mod profile;

use args::{
    Args, BackupCommand, BulletinCommand, Command, ContactCommand, IdentityCommand, VaultCommand,
};
use clap::Parser;
use commands::contact::change;
use control::{Change, PublisherChange};
use failure::Failure;
use footpost_core::Work;
use output::Output;
use passphrase::Passphrases;
use profile::Profile;
use std::process::ExitCode;

fn main() -> ExitCode {
    match perform(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn perform(args: Args) -> Result<(), Failure> {
    let out = Output::new(args.json);
    let passphrases = Passphrases::new(args.passphrase_fd)?;
    let work = if args.simulated { Work::None } else { Work::Standard };
    let profile =
        || Profile::locate(args.profile.as_deref(), args.dir.as_deref(), passphrases.clone(), work);
    match args.command {
        Command::Init(init) => commands::init(&profile()?, &init, out),
        Command::Id(id) => commands::id(&profile()?, &id, out),
        Command::Identity { command } => match command {
            IdentityCommand::Words(words) => commands::identity::words(&profile()?, &words, out),
            IdentityCommand::Rotate(rotate) => {
                commands::identity::rotate(&profile()?, &rotate, out)
            }
            IdentityCommand::Revoke(revoke) => {
                commands::identity::revoke(&profile()?, &revoke, out)
            }
        },
        Command::Contact { command } => match command {
            ContactCommand::Add(add) => commands::contact::add(&profile()?, &add, out),
            ContactCommand::List => commands::contact::list(&profile()?, out),
            ContactCommand::Verify(verify) => commands::contact::verify(&profile()?, &verify, out),
            ContactCommand::Accept(accept) => commands::contact::accept(&profile()?, accept, out),
            ContactCommand::Decline(who) => change(&profile()?, who, Change::Decline, out),
            ContactCommand::Remove(who) => change(&profile()?, who, Change::Remove, out),
            ContactCommand::Block(who) => change(&profile()?, who, Change::Block, out),
            ContactCommand::Mute(who) => change(&profile()?, who, Change::Mute, out),
            ContactCommand::Unmute(who) => change(&profile()?, who, Change::Unmute, out),
            ContactCommand::Rename(rename) => commands::contact::rename(&profile()?, rename, out),
        },
        Command::Vault { command } => match command {
            VaultCommand::Passphrase => commands::vault::passphrase(&profile()?, out),
            VaultCommand::Reset => commands::vault::reset(&profile()?, out),
        },
        Command::Backup { command } => match command {
            BackupCommand::Create(file) => commands::backup::create(&profile()?, &file, out),
            BackupCommand::Restore(file) => commands::backup::restore(&profile()?, &file, out),
        },
        Command::Send(send) => commands::send(&profile()?, send, out),
        Command::Save(save) => commands::save(&profile()?, &save, out),
        Command::Inbox(inbox) => commands::inbox(&profile()?, &inbox, out),
        Command::Status(status) => commands::status(&profile()?, &status, out),
        Command::Bulletin { command } => match command {
            BulletinCommand::Publish(draft) => commands::bulletin::publish(&profile()?, draft, out),
            BulletinCommand::List(list) => commands::bulletin::list(&profile()?, list, out),
            BulletinCommand::Follow(who) => {
                commands::bulletin::follow(&profile()?, who, PublisherChange::Follow, out)
            }
            BulletinCommand::Mute(who) => {
                commands::bulletin::follow(&profile()?, who, PublisherChange::Mute, out)
            }
            BulletinCommand::Unfollow(who) => {
                commands::bulletin::follow(&profile()?, who, PublisherChange::Unfollow, out)
            }
        },
        Command::Carried => commands::carried(&profile()?, out),
        Command::Doctor => commands::doctor(&profile()?, out),
        Command::Run(run) => commands::run(&profile()?, &run, out),
        Command::Chat(chat) => commands::chat(&profile()?, &chat, out),
        Command::Demo(demo) => demo::demo(&demo, out),
        Command::Sim(sim) => commands::sim(&sim, out),
    }
}
