//! `footpost vault`

use super::init::OPEN;
use crate::{
    control,
    failure::{Exit, Failure},
    output::Output,
    profile::{self, Profile},
};
use serde::Serialize;

#[derive(Serialize)]
struct Changed {
    passphrase: bool,
}

pub(crate) fn passphrase(profile: &Profile, out: Output) -> Result<(), Failure> {
    profile.check()?;
    if control::is_running(profile)? {
        let message = "a node runs on this profile and uses its vault: stop it first";
        return Err(Failure::new(Exit::Profile, message));
    }
    let mut vault = profile.vault()?;
    // A wrong passphrase is told before a new one is asked for.
    footpost_core::Vault::unlock(&mut vault)?;
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
