//! Bad input, and the exit codes that it gets.

mod common;

use common::{Person, failure, footpost};
use data_encoding::BASE64URL_NOPAD;
use footpost_core::Card;

/// One line, in the form “footpost: what: cure”, and this code.
fn refused((code, error): (i32, String), expected: i32, says: &str) {
    assert_eq!(code, expected, "{error}");
    assert!(error.starts_with("footpost: ") && error.contains(says), "{error}");
}

#[test]
fn without_a_profile_every_command_asks_for_one() {
    let nobody = Person::without_profile();
    let commands: [&[&str]; 7] = [
        &["id"],
        &["contact", "list"],
        &["send", "Bob", "hello"],
        &["inbox"],
        &["status"],
        &["run"],
        &["chat", "Bob"],
    ];
    for command in commands {
        refused(nobody.fails(command), 3, "init` first");
    }
    assert!(!nobody.dir().exists());
}

#[test]
fn a_profile_is_made_once() {
    let alice = Person::new("Alice");
    refused(alice.fails(&["init"]), 1, "there is a profile");
    assert_eq!(alice.fact(&["id"])["name"], "Alice");
}

#[test]
fn profiles_go_by_name_below_the_data_directory() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = footpost();
        command.env("XDG_DATA_HOME", home.path()).args(args).output().unwrap()
    };
    assert!(run(&["init"]).status.success());
    assert!(run(&["--profile", "work", "init"]).status.success());
    for name in ["default", "work"] {
        assert!(home.path().join("footpost").join(name).join("footpost.db").is_file());
    }
    refused(failure(&run(&["--profile", "../work", "id"])), 2, "letters, digits");
    let dir = home.path().join("footpost/work");
    let status = footpost().env("FOOTPOST_DIR", dir).args(["status", "--json"]).output().unwrap();
    assert!(status.status.success());
}

#[test]
fn cards_are_checked() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    let link = bob.link();
    let altered = link.replacen(&link[60..61], if &link[60..61] == "A" { "B" } else { "A" }, 1);
    let add = |card: &str| alice.fails(&["contact", "add", card, "--name", "Bob"]);
    refused(add("https://example.org"), 2, "neither a card nor a file");
    refused(add("footpost:"), 2, "cut short");
    refused(add(&link[..100]), 2, "");
    refused(add(&format!("{}!{}", &link[..50], &link[51..])), 2, "wrong character at position 50");
    refused(add(&altered), 2, "the card");
    // Bob's card, which Alice has signed in his place.
    let bytes = |link: &str| link.parse::<Card>().unwrap().as_bytes().to_vec();
    let (mut forged, alices) = (bytes(&link), bytes(&alice.link()));
    forged.truncate(forged.len() - 64);
    forged.extend(&alices[alices.len() - 64..]);
    let forged = format!("footpost:{}", BASE64URL_NOPAD.encode(&forged));
    refused(add(&forged), 2, "signature");
    refused(add(&alice.link()), 1, "your own card");
    refused(alice.fails_with(&["contact", "add", "-"], b"\xff\xfe"), 2, "not text");
    refused(alice.fails_with(&["contact", "add", "-"], &vec![b'x'; 100_000]), 2, "longer than");
    assert_eq!(alice.facts(&["contact", "list"]).len(), 0);
    let file = alice.dir().join("card");
    std::fs::write(&file, format!("{link}\n")).unwrap();
    assert_eq!(alice.fact(&["contact", "add", file.to_str().unwrap()])["name"], "Bob");
    let carol = Person::new("Carol");
    refused(alice.fails(&["contact", "add", &carol.link(), "--name", "Bob"]), 1, "another name");
}

#[test]
fn contacts_must_be_known() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    refused(alice.fails(&["send", "bob", "hello"]), 1, "did you mean “Bob”?");
    refused(alice.fails(&["send", "Zacharias", "hello"]), 1, "contact list");
    refused(alice.fails(&["chat", "Bib"]), 1, "did you mean “Bob”?");
    refused(alice.fails(&["contact", "verify", "Bub", "--show"]), 1, "did you mean “Bob”?");
    let address = bob.fact(&["id"])["address"].as_str().unwrap().to_owned();
    alice.fact(&["send", &address, "hello"]);
}

#[test]
fn verifying_takes_somebody_who_compares() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    refused(alice.fails(&["contact", "verify", "Bob"]), 2, "--yes");
    let number = |who: &Person, whom| {
        let shown = who.fact(&["contact", "verify", whom, "--show"]);
        assert_eq!(shown["verified"], false);
        shown["safety_number"].as_str().unwrap().to_owned()
    };
    assert_eq!(number(&alice, "Bob"), number(&bob, "Alice"));
    assert_eq!(alice.fact(&["contact", "verify", "Bob", "--yes"])["verified"], true);
    assert_eq!(alice.fact(&["contact", "list"])["verified"], true);
}

#[test]
fn messages_must_be_text_of_a_length_that_fits() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    refused(alice.fails(&["send", "Bob", ""]), 2, "empty");
    refused(alice.fails(&["send", "Bob"]), 2, "empty");
    refused(alice.fails_with(&["send", "Bob"], &vec![b'x'; 65_000]), 2, "too long");
    refused(alice.fails_with(&["send", "Bob"], &vec![b'x'; 1 << 20]), 2, "longer than 65536 bytes");
    refused(alice.fails_with(&["send", "Bob"], b"\xc3\x28"), 2, "not text");
    assert_eq!(alice.fact(&["status"])["messages"].as_array().unwrap().len(), 0);
    assert!(alice.with_stdin(&["send", "Bob"], "zwei\nZeilen\n".as_bytes()).status.success());
    assert_eq!(alice.fact(&["status"])["messages"][0]["text"], "zwei\nZeilen");
}

#[test]
fn addresses_must_be_addresses() {
    let alice = Person::new("Alice");
    for bad in [["--listen", "localhost"], ["--peer", "10.0.0.1"], ["--carry-mb", "much"]] {
        assert_eq!(alice.fails(&[&["run"][..], &bad].concat()).0, 2);
    }
    let node = alice.run(None);
    let bob = Person::new("Bob");
    refused(bob.fails(&["run", "--no-lan", "--listen", &node.listen]), 4, "another program");
    refused(bob.fails(&["run", "--no-lan", "--listen", "192.0.2.1:0"]), 4, "cannot listen");
}

#[test]
fn a_damaged_store_is_refused_and_left_as_it_is() {
    let alice = Person::new("Alice");
    let store = alice.dir().join("footpost.db");
    for file in ["footpost.db-wal", "footpost.db"] {
        let _ = std::fs::remove_file(alice.dir().join(file));
    }
    std::fs::write(&store, "this is no database, whatever it is called".repeat(100)).unwrap();
    let before = std::fs::read(&store).unwrap();
    refused(alice.fails(&["status"]), 3, "both whole");
    refused(alice.fails(&["run", "--no-lan"]), 3, "both whole");
    assert_eq!(std::fs::read(&store).unwrap(), before);
}

#[test]
fn the_help_lists_the_exit_codes() {
    let help = footpost().arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success() && text.contains("Exit codes:") && text.contains("--json"));
    assert_eq!(footpost().arg("fly").output().unwrap().status.code(), Some(2));
    assert_eq!(footpost().output().unwrap().status.code(), Some(2));
}

#[test]
fn the_help_names_every_field_of_json() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    let node = alice.run(None);
    let _bobs = bob.run(Some(&node));
    alice.fact(&["send", "Bob", "hello"]);
    common::until("Bob has the message", || !bob.facts(&["inbox", "--keep"]).is_empty());
    bob.fact(&["send", "Alice", "an answer"]);
    drop(node);
    bob.fact(&["send", "Alice", "another"]);
    let commands: [&[&str]; 7] = [
        &["id"],
        &["contact", "list"],
        &["contact", "verify", "Alice", "--show"],
        &["send", "Alice", "more"],
        &["inbox"],
        &["status"],
        &["carried"],
    ];
    for command in commands {
        let facts = bob.facts(command);
        let help = bob.command(command).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let (_, named) = help.split_once("JSON: ").unwrap();
        let word = |char: char| !(char.is_ascii_lowercase() || char == '_');
        let named: Vec<_> = named.split(word).collect();
        for field in facts[0].as_object().unwrap().keys() {
            assert!(named.contains(&field.as_str()), "{command:?}: {field}");
        }
    }
}

#[test]
fn a_simulation_names_what_is_wrong_and_where() {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let contacts = file("contacts", "10 20 1 2\n30 40 2 3\n");
    let messages = file("messages", "5 C M1 1 3 1000\n");
    let sim = |more: &[&str]| {
        let mut command = footpost();
        command.args(["sim", "--contacts", &contacts, "--messages", &messages]).args(more);
        command.output().unwrap()
    };
    let report: serde_json::Value =
        serde_json::from_slice(&sim(&["--json", "--seed", "7"]).stdout).unwrap();
    assert_eq!((&report["created"], &report["delivered"]), (&1.into(), &1.into()));
    assert_eq!((&report["seed"], &report["settings"]["router"]), (&7.into(), &"carry".into()));
    assert!(String::from_utf8(sim(&[]).stdout).unwrap().contains("1 of 1 messages: 1.000"));

    let bad = file("bad", "50 60 1 2\n55 65 2 1\n");
    refused(failure(&sim(&["--contacts", &bad])), 2, "/bad:2: this contact of 1 and 2 overlaps");
    for (option, value) in [
        ("--rate", "250kB"),
        ("--buffer", "5"),
        ("--ttl", "300"),
        ("--ttl", "31d"),
        ("--nodes-drop", "30%"),
        ("--nodes-forge", "1.5"),
        ("--nodes-invent-acks", "all"),
        ("--nodes-lie-age", "-1"),
        ("--router", "pigeon"),
    ] {
        let output = sim(&[option, value]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains(value), "{option}");
    }
}
