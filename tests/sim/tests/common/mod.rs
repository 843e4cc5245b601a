//! Scenarios from files that pass.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

use footpost_sim::{Figures, InputError, Scenario, Settings, simulate};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A directory of input files.
pub(crate) struct Inputs(TempDir);

impl Inputs {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

pub(crate) fn load(contacts: &str, messages: &str) -> Result<Scenario, InputError> {
    let inputs = Inputs::new();
    let contacts = inputs.file("contacts", contacts);
    let messages = inputs.file("messages", messages);
    Scenario::load(&[contacts], &[messages])
}

pub(crate) fn scenario(contacts: &str, messages: &str) -> Scenario {
    load(contacts, messages).unwrap()
}

pub(crate) fn run(scenario: &Scenario, settings: &Settings) -> Figures {
    simulate(scenario, settings).unwrap().figures
}
