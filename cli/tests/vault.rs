//! The vault: a profile under a passphrase, and what shows without it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{Person, failure, footpost, mode};
use std::process::{Command, Output};

/// A profile under this passphrase.
fn guarded(passphrase: &str) -> Person {
    let person = Person::without_profile();
    let mut init = person.command(&["init", "--name", "Alice", "--json"]);
    let output = init.env("FOOTPOST_PASSPHRASE", passphrase).output().unwrap();
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(made["passphrase"], !passphrase.is_empty());
    person
}

fn with(person: &Person, passphrase: &str, args: &[&str]) -> Output {
    person.command(args).env("FOOTPOST_PASSPHRASE", passphrase).output().unwrap()
}

#[test]
fn a_locked_profile_opens_for_its_passphrase_only() {
    let alice = guarded("correct horse");
    assert!(with(&alice, "correct horse", &["id"]).status.success());
    for command in [&["id"][..], &["status"], &["run", "--no-lan"], &["chat", "Bob"]] {
        let (code, error) = failure(&with(&alice, "battery staple", command));
        assert_eq!(code, 3, "{error}");
        assert!(error.contains("not the vault's passphrase"), "{error}");
        let (code, error) = alice.fails(command);
        assert_eq!(code, 3, "{error}");
        assert!(error.contains("the vault is locked"), "{error}");
    }
}

#[test]
fn a_passphrase_is_changed_and_removed() {
    let alice = guarded("one");
    let change = |from: &str, to: &str| {
        let mut change = alice.command(&["vault", "passphrase"]);
        change.env("FOOTPOST_PASSPHRASE", from).env("FOOTPOST_NEW_PASSPHRASE", to);
        change.output().unwrap()
    };
    assert_eq!(failure(&change("two", "three")).0, 3);
    assert!(change("one", "two").status.success());
    assert_eq!(failure(&with(&alice, "one", &["id"])).0, 3);
    assert!(with(&alice, "two", &["id"]).status.success());
    assert!(change("two", "").status.success());
    assert!(alice.command(&["id"]).output().unwrap().status.success());
    let node = alice.run(None);
    let (code, error) = failure(&change("", "three"));
    assert!(code == 3 && error.contains("stop it first"), "{error}");
    drop(node);
    assert!(change("", "three").status.success());
    assert_eq!(alice.fails(&["id"]).0, 3);
}

#[test]
fn a_service_hands_the_passphrase_over_by_descriptor() {
    let alice = guarded("correct horse");
    let shell = |line: &str| {
        let program = env!("CARGO_BIN_EXE_footpost");
        let line = format!("{program} --dir {} {line}", alice.dir().display());
        Command::new("sh").args(["-c", &line]).output().unwrap()
    };
    assert!(shell("--passphrase-fd 3 id 3<<E\ncorrect horse\nE").status.success());
    assert_eq!(failure(&shell("--passphrase-fd 3 id 3<<E\nanother\nE")).0, 3);
    assert_eq!(failure(&shell("--passphrase-fd 9 id")).0, 2);
    let change = "--passphrase-fd 3 vault passphrase 3<<E\ncorrect horse\nnew\nE";
    assert!(shell(change).status.success());
    assert!(with(&alice, "new", &["id"]).status.success());
}

#[test]
fn a_profile_whose_key_and_store_do_not_belong_together_says_so() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    let vault = |person: &Person| person.dir().join("vault");
    assert_eq!(mode(&vault(&alice)), 0o600);
    std::fs::copy(vault(&bob), vault(&alice)).unwrap();
    let (code, error) = alice.fails(&["id"]);
    assert!(code == 3 && error.contains("key does not fit this store"), "{error}");
    std::fs::write(vault(&alice), [1, 2, 3]).unwrap();
    let (code, error) = failure(&with(&alice, "any", &["id"]));
    assert!(code == 3 && error.contains("the vault is damaged"), "{error}");
    std::fs::remove_file(vault(&alice)).unwrap();
    let (code, error) = alice.fails(&["id"]);
    assert!(code == 3 && error.contains("the vault cannot be used"), "{error}");
}

#[test]
fn lost_wrapping_keys_are_put_back_or_given_up() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    let talk = |text: &str| {
        let node = alice.run(None);
        let bobs = bob.run(Some(&node));
        for (from, to) in [(&alice, "Bob"), (&bob, "Alice")] {
            from.fact(&["send", to, text]);
        }
        common::until("both have the message", || {
            [&alice, &bob].iter().all(|person| {
                let inbox = person.facts(&["inbox", "--all"]);
                inbox.iter().any(|message| message["text"] == text)
            })
        });
        (node, bobs)
    };
    drop(talk("one"));
    let keys = alice.dir().join("vault.keys");
    assert_eq!(mode(&keys), 0o600);
    let whole = std::fs::read(&keys).unwrap();
    let before = alice.link();
    for damage in [Some(&[][..]), Some(&whole[..30]), None] {
        match damage {
            Some(bytes) => std::fs::write(&keys, bytes).unwrap(),
            None => std::fs::remove_file(&keys).unwrap(),
        }
        let (code, error) = alice.fails(&["id"]);
        assert!(code == 3 && error.contains("wrapping keys are missing or damaged"), "{error}");
    }
    std::fs::write(&keys, &whole).unwrap();
    assert_eq!(alice.link(), before);
    let node = alice.run(None);
    assert_eq!(alice.fails(&["vault", "reset"]).0, 3);
    drop(node);
    std::fs::write(&keys, b"damaged").unwrap();
    alice.fact(&["vault", "reset"]);
    assert_ne!(alice.link(), before);
    assert_eq!(alice.facts(&["inbox", "--all"])[0]["text"], "one");
    // Both find each other again, by what Alice tells Bob.
    drop(talk("two"));
}

#[test]
fn the_help_names_the_ways_to_give_a_passphrase() {
    let help = footpost().arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    assert!(help.contains("FOOTPOST_PASSPHRASE") && help.contains("--passphrase-fd"));
}

/// The BIP-39 test vector of 32 zero bytes.
fn words() -> String {
    format!("{}art", "abandon ".repeat(23))
}

#[test]
fn a_backup_brings_a_lost_profile_back() {
    let (alice, bob, again) = (Person::new("Alice"), Person::new("Bob"), Person::without_profile());
    alice.befriend(&bob);
    alice.fact(&["send", "Bob", "before the loss"]);
    let file = alice.dir().join("backup");
    let file = file.to_str().unwrap();
    let with_words = |person: &Person, words: &str, args: &[&str]| {
        person.command(args).env("FOOTPOST_WORDS", words).output().unwrap()
    };
    let create = ["backup", "create", file];
    let (code, error) = alice.fails(&create);
    assert!(code == 2 && error.contains("24 recovery words"), "{error}");
    let (code, error) = failure(&with_words(&alice, "abandon ship", &create));
    assert!(code == 2 && error.contains("these are 2 words"), "{error}");
    assert!(with_words(&alice, &words(), &create).status.success());
    assert_eq!(mode(file.as_ref()), 0o600);
    // Never over another file.
    assert_eq!(failure(&with_words(&alice, &words(), &create)).0, 1);

    // A running node makes one as well, in the directory where the command was given.
    let node = alice.run(None);
    let beside = |words: &str| {
        let mut create = alice.command(&["backup", "create", "live"]);
        create.current_dir(alice.dir()).env("FOOTPOST_WORDS", words).output().unwrap()
    };
    let (code, error) = failure(&beside("abandon ship"));
    assert!(code == 2 && error.contains("these are 2 words"), "{error}");
    assert!(beside(&words()).status.success());
    let live = alice.dir().join("live");
    assert_eq!(mode(&live), 0o600);
    let (code, error) = failure(&beside(&words()));
    assert!(code == 1 && error.contains("cannot make"), "{error}");
    drop(node);
    let file = live.to_str().unwrap();

    let restore = ["backup", "restore", file];
    let other = format!("{}vote", "zoo ".repeat(23));
    let (code, error) = failure(&with_words(&again, &other, &restore));
    assert!(code == 2 && error.contains("these words do not open"), "{error}");
    assert_eq!(again.fails(&["id"]).0, 3);
    let (code, error) = failure(&with_words(&bob, &words(), &restore));
    assert!(code == 1 && error.contains("there is a profile"), "{error}");
    let card = alice.dir().join("card");
    std::fs::write(&card, bob.link()).unwrap();
    let foreign = ["backup", "restore", card.to_str().unwrap()];
    let (code, error) = failure(&with_words(&again, &words(), &foreign));
    assert!(code == 2 && error.contains("no Footpost backup"), "{error}");
    let whole = std::fs::read(file).unwrap();
    let cut = alice.dir().join("cut");
    std::fs::write(&cut, &whole[..whole.len() - 9]).unwrap();
    let (code, error) =
        failure(&with_words(&again, &words(), &["backup", "restore", cut.to_str().unwrap()]));
    assert!(code == 2 && error.contains("damaged or cut short"), "{error}");
    assert_eq!(again.fails(&["id"]).0, 3);

    assert!(with_words(&again, &words(), &restore).status.success());
    assert_eq!(again.fact(&["id"])["address"], alice.fact(&["id"])["address"]);
    assert_eq!(again.fact(&["status"])["messages"][0]["text"], "before the loss");
    let node = again.run(None);
    let _bobs = bob.run(Some(&node));
    common::until("Bob has what was not delivered", || {
        bob.facts(&["inbox", "--all"]).iter().any(|message| message["text"] == "before the loss")
    });
    bob.fact(&["send", "Alice", "welcome back"]);
    common::until("Bob's mail comes to the new device", || {
        again.facts(&["inbox", "--all"]).iter().any(|message| message["text"] == "welcome back")
    });
}
