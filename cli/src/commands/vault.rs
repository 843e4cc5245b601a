//! `footpost vault`

use super::init::OPEN;
use crate::{
    control,
    failure::{Exit, Failure},
    output::Output,
    profile::{self, Profile},
};
use footpost_core::{Node, Vault};
use serde::Serialize;

#[derive(Serialize)]
struct Changed {
    passphrase: bool,
}

#[derive(Serialize)]
struct Reset {
    reset: bool,
}

pub(crate) fn passphrase(profile: &Profile, out: Output) -> Result<(), Failure> {
    check(profile)?;
    let mut vault = profile.vault()?;
    // A wrong passphrase is told before a new one is asked for.
    vault.unlock()?;
    let passphrase = profile.passphrases().next()?;
    vault.change(passphrase.as_ref().map(|text| text.as_str()), &mut profile::rng()?)?;
    out.fact(&Changed { passphrase: passphrase.is_some() }, |changed| {
        if changed.passphrase {
            "The passphrase is changed. A copy made before still opens by the old one.".to_owned()
        } else {
            OPEN.to_owned()
        }
    })
}

pub(crate) fn reset(profile: &Profile, out: Output) -> Result<(), Failure> {
    check(profile)?;
    Node::reset_targets(&profile.store()?, profile::now())?;
    out.fact(&Reset { reset: true }, |_| {
        let footpost = profile.invocation();
        format!(
            "What was sealed to you before is lost until its writers learn where to write.\n\
             Next: `{footpost} run` tells them. Pass your new card on: `{footpost} id`"
        )
    })
}

fn check(profile: &Profile) -> Result<(), Failure> {
    profile.check()?;
    if control::is_running(profile)? {
        let message = "a node runs on this profile: stop it first";
        return Err(Failure::new(Exit::Profile, message));
    }
    Ok(())
}
