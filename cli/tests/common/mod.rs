//! Profiles of people in directories that pass, and the built program.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// For what takes a fraction of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn footpost() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footpost"));
    for variable in [
        "FOOTPOST_DIR",
        "FOOTPOST_PASSPHRASE",
        "FOOTPOST_NEW_PASSPHRASE",
        "FOOTPOST_WORDS",
        "RUST_LOG",
    ] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// Somebody with a profile.
pub(crate) struct Person {
    home: TempDir,
}

impl Person {
    /// With a profile that has this name on its card.
    pub(crate) fn new(name: &str) -> Self {
        let person = Self::without_profile();
        person.facts(&["init", "--name", name]);
        person
    }

    pub(crate) fn without_profile() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// Each has the other as a contact.
    pub(crate) fn befriend(&self, other: &Self) {
        for (one, other) in [(self, other), (other, self)] {
            one.fact(&["contact", "add", &other.link()]);
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join("profile")
    }

    pub(crate) fn link(&self) -> String {
        self.fact(&["id"])["link"].as_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = footpost();
        command.arg("--simulated").arg("--dir").arg(self.dir()).args(args);
        command
    }

    /// The exit code and the last line on standard error.
    pub(crate) fn fails(&self, args: &[&str]) -> (i32, String) {
        failure(&self.command(args).output().unwrap())
    }

    /// The same with this on standard input.
    pub(crate) fn fails_with(&self, args: &[&str], stdin: &[u8]) -> (i32, String) {
        failure(&self.with_stdin(args, stdin))
    }

    pub(crate) fn with_stdin(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // What is refused early is not read to its end.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap()
    }

    /// What a command that succeeds prints, as JSON.
    pub(crate) fn facts(&self, args: &[&str]) -> Vec<Value> {
        let output = self.command(args).arg("--json").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {errors}");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn fact(&self, args: &[&str]) -> Value {
        let mut facts = self.facts(args);
        assert_eq!(facts.len(), 1, "{args:?}");
        facts.remove(0)
    }

    /// Runs the node on loopback.
    pub(crate) fn run(&self, peer: Option<&Running>) -> Running {
        let mut command = self.command(&["run", "--json", "--no-lan", "--listen", "127.0.0.1:0"]);
        command.args(["--ack-delay-s", "0"]).stdout(Stdio::piped());
        if let Some(peer) = peer {
            command.args(["--peer", &peer.listen]);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(started["event"], "started");
        Running { child, listen: started["listen"].as_str().unwrap().to_owned() }
    }
}

/// A running node; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) listen: String,
}

impl Running {
    /// Sends the signal of this name; the node's exit code, none if the signal killed it.
    pub(crate) fn signal(mut self, name: &str) -> Option<i32> {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn failure(output: &Output) -> (i32, String) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), stderr.lines().last().unwrap_or_default().to_owned())
}

/// Asks again until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::symlink_metadata(path).unwrap()) & 0o777
}
