//! Files, from one profile to another over a third.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{Person, until};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{fs, path::Path};

fn content(len: u64) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn sha256(path: &Path) -> Vec<u8> {
    Sha256::digest(fs::read(path).unwrap()).to_vec()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn carried(person: &Person) -> usize {
    person.facts(&["carried"]).len()
}

#[test]
fn a_stranger_carries_a_file_between_two_who_never_meet() {
    let [alice, carrier, bob] = ["Alice", "Carrier", "Bob"].map(Person::new);
    alice.befriend(&bob);
    let home = tempfile::tempdir().unwrap();
    let (photo, copy) = (home.path().join("photo.jpg"), home.path().join("copy.jpg"));
    fs::write(&photo, content(300_000)).unwrap();

    let carriers = carrier.run(None);
    let alices = alice.run(Some(&carriers));
    let sent = alice.fact(&["send", "Bob", "--file", text(&photo)]);
    assert_eq!(sent["state"], "queued");
    // The letter, and 38 fragments suffice: no carrier takes many more.
    until("the carrier has enough", || carried(&carrier) >= 40);
    assert!(carried(&carrier) < carried(&alice));
    assert_eq!(alices.signal("TERM"), Some(0));

    let bobs = bob.run(Some(&carriers));
    let file = |person: &Person| -> Value {
        person
            .facts(&["inbox", "--keep"])
            .first()
            .map_or(Value::Null, |it| it["attachment"].clone())
    };
    until("the file is whole", || file(&bob)["whole"] == true);
    let received = bob.fact(&["inbox", "--keep"]);
    let attachment = &received["attachment"];
    assert_eq!((&received["text"], &attachment["name"]), (&Value::Null, &"photo.jpg".into()));
    assert_eq!(attachment["content_type"], "image/jpeg");
    assert_eq!(attachment["size_bytes"], 300_000);
    let id = received["id"].to_string();
    assert_eq!(bob.fact(&["save", &id, text(&copy)])["size_bytes"], 300_000);
    assert_eq!(sha256(&copy), sha256(&photo));
    assert_eq!(common::mode(&copy), 0o600);
    let shown = bob.command(&["inbox"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("photo.jpg (293.0 KiB, whole)"), "{shown}");

    until("the carrier has nothing left", || carried(&carrier) == 0);
    assert_eq!(bobs.signal("TERM"), Some(0));
    let _alices = alice.run(Some(&carriers));
    until("the sender knows", || {
        let message = &alice.fact(&["status"])["messages"][0];
        message["state"] == "delivered" && message["attachment"]["whole"] == true
    });
    assert_eq!([&alice, &carrier, &bob].map(carried), [0, 0, 0]);
}

#[test]
fn what_cannot_be_sent_or_saved_says_why_and_harms_no_file() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.befriend(&bob);
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (none, empty, notes) = (path("none"), path("empty"), path("notes.txt"));
    fs::write(&empty, []).unwrap();
    fs::write(&notes, content(100_000)).unwrap();
    let send = |file: &str| alice.fails(&["send", "Bob", "--file", file]);
    for (file, why) in [(&*none, "No such file"), (&path(""), "no regular file"), (&empty, "1 to ")]
    {
        let (code, error) = send(file);
        assert!(code == 2 && error.contains(why), "{error}");
    }
    assert_eq!(alice.fails(&["send", "Bob", "hello", "--file", &notes]).0, 2);
    assert!(alice.fact(&["status"])["messages"].as_array().unwrap().is_empty());

    let refused = |who: &Person, message: &str, file: &str, why: &str| {
        let (code, error) = who.fails(&["save", message, file]);
        assert!(code == 1 && error.contains(why), "{error}");
    };
    let number = |fact: &Value| fact["id"].to_string();
    let sent = number(&alice.fact(&["send", "Bob", "--file", &notes]));
    let other = number(&alice.fact(&["send", "Bob", "hello"]));
    refused(&alice, &sent, &none, "sent from here");
    refused(&alice, &other, &none, "no attachment");
    refused(&alice, "999", &none, "no attachment");
    refused(&alice, &sent, &notes, "exists");
    refused(&alice, &sent, &path("no/where"), "No such file");
    assert_eq!(fs::read(&notes).unwrap(), content(100_000));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);
    let status = String::from_utf8(alice.command(&["status"]).output().unwrap().stdout).unwrap();
    assert!(status.contains("notes.txt (97.7 KiB, 0 of about 13 pieces arrived)"), "{status}");
}
