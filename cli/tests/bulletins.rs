//! Bulletins on the command line.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{Person, until};

#[test]
fn a_stranger_reads_follows_and_mutes() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    let boil = ["bulletin", "publish", "Boil the water", "--region", "u33d", "--topic", "water"];
    let published = alice.fact(&boil);
    assert_eq!(published["publisher"], alice.fact(&["id"])["address"]);
    assert!(alice.command(&["bulletin", "list"]).output().unwrap().stdout.starts_with(b"ALERT"));

    let node = alice.run(None);
    let bobs = bob.run(Some(&node));
    let list = || bob.facts(&["bulletin", "list", "--region", "u33", "--topic", "water"]);
    until("it is there", || !list().is_empty());
    let read = list().remove(0);
    assert_eq!((&read["text"], &read["kind"]), (&"Boil the water".into(), &"alert".into()));
    assert_eq!((&read["number"], &read["own"]), (&published["number"], &false.into()));
    assert!(bob.facts(&["bulletin", "list", "--region", "gbsu"]).is_empty());
    assert!(bob.facts(&["bulletin", "list", "--followed"]).is_empty());

    let publisher = published["publisher"].as_str().unwrap();
    bob.facts(&["bulletin", "follow", publisher]);
    assert_eq!(bob.fact(&["bulletin", "list", "--followed"])["stance"], "followed");
    assert_eq!(bob.fact(&["carried"])["kind"], "bulletin");

    let thread = published["number"].to_string();
    alice.fact(&["bulletin", "publish", "The water is fine", "--replaces", &thread]);
    until("it is replaced", || bob.fact(&["bulletin", "list"])["text"] == "The water is fine");

    bob.facts(&["bulletin", "mute", publisher]);
    assert!(bob.facts(&["bulletin", "list"]).is_empty());
    bob.facts(&["bulletin", "unfollow", &alice.link()]);
    drop((node, bobs));
}

#[test]
fn wrong_bulletins_are_refused_with_advice() {
    let alice = Person::new("Alice");
    let own = alice.fact(&["id"])["address"].as_str().unwrap().to_owned();
    let long = "x".repeat(513);
    for (args, code, advice) in [
        (&["publish", ""][..], 2, "1 to 2048 bytes"),
        (&["publish", &long, "--kind", "sos"], 2, "1 to 512 bytes"),
        (&["publish", "x", "--region", &long], 2, "at most 32 bytes"),
        (&["publish", "x", "--hours", "169"], 2, "--help"),
        (&["publish", "x", "--replaces", "7"], 1, "to replace"),
        (&["follow", "nobody"], 1, "there is no contact"),
        (&["mute", &own], 1, "your own"),
    ] {
        let (found, error) = alice.fails(&[&["bulletin"], args].concat());
        assert!(found == code && error.contains(advice), "{args:?}: {found}, {error}");
    }
}
