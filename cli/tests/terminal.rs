//! Passphrases typed on a terminal: asked for, and not shown.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::Person;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};
use std::{
    fs::File,
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    process::{Child, Stdio},
};

const PASSPHRASE: &str = "correct horse battery staple";

/// A command, and the terminal that it runs on.
struct Terminal {
    master: File,
    child: Child,
    /// All that the terminal has shown.
    shown: String,
}

impl Terminal {
    fn run(person: &Person, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let end = || Stdio::from(File::options().read(true).write(true).open(name).unwrap());
        let mut command = person.command(args);
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { master: File::from(master), child, shown: String::new() }
    }

    /// Waits for the question, then types the answer.
    fn answer(&mut self, question: &str, answer: &str) {
        let begin = self.shown.len();
        while !self.shown[begin..].contains(question) {
            assert!(self.read(), "it ended before “{question}”: {}", self.shown);
        }
        assert!(!self.echoes(), "the terminal shows what is typed");
        writeln!(self.master, "{answer}").unwrap();
    }

    /// The exit code; the terminal is as it was.
    fn end(mut self) -> (i32, String) {
        while self.read() {}
        assert!(self.echoes());
        (self.child.wait().unwrap().code().unwrap(), self.shown)
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.master).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Whether there was more: none comes once the command has ended.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 1024];
        let count = self.master.read(&mut bytes).unwrap_or(0);
        self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }
}

#[test]
fn a_passphrase_is_typed_unseen() {
    let alice = Person::without_profile();
    let mut init = Terminal::run(&alice, &["init", "--name", "Alice"]);
    init.answer("New passphrase (empty: none): ", PASSPHRASE);
    init.answer("The same again: ", "correct horse");
    let (code, shown) = init.end();
    assert!(code == 2 && shown.contains("the two differ"), "{shown}");
    assert!(!alice.dir().exists());

    let mut init = Terminal::run(&alice, &["init", "--name", "Alice"]);
    init.answer("New passphrase (empty: none): ", PASSPHRASE);
    init.answer("The same again: ", PASSPHRASE);
    let (code, shown) = init.end();
    assert!(code == 0 && !shown.contains("horse"), "{shown}");

    for (typed, expected) in [(PASSPHRASE, 0), ("battery staple", 3)] {
        let mut id = Terminal::run(&alice, &["id"]);
        id.answer("Passphrase: ", typed);
        let (code, shown) = id.end();
        assert!(code == expected && !shown.contains("staple"), "{shown}");
    }

    let mut change = Terminal::run(&alice, &["vault", "passphrase"]);
    change.answer("Passphrase: ", PASSPHRASE);
    change.answer("New passphrase (empty: none): ", "");
    assert_eq!(change.end().0, 0);
    assert_eq!(Terminal::run(&alice, &["id"]).end().0, 0);
}

#[test]
fn recovery_words_are_typed_unseen() {
    let alice = Person::new("Alice");
    let file = alice.dir().join("backup");
    let create = ["backup", "create", file.to_str().unwrap()];
    let mut refused = Terminal::run(&alice, &create);
    refused.answer("Recovery words: ", "abandon ship");
    let (code, shown) = refused.end();
    assert!(code == 2 && shown.contains("these are 2 words") && !shown.contains("ship"), "{shown}");
    let mut made = Terminal::run(&alice, &create);
    made.answer("Recovery words: ", &format!("{}art", "abandon ".repeat(23)));
    let (code, shown) = made.end();
    assert!(code == 0 && !shown.contains("abandon") && file.exists(), "{shown}");
}
