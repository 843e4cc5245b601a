//! Strangers, blocks, recovery words and the card as a picture, on the command line.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{Person, mode, until};
use serde_json::Value;

fn list(who: &Person) -> Vec<Value> {
    who.facts(&["contact", "list"])
}

#[test]
fn the_card_can_be_read_from_its_picture() {
    let alice = Person::new(&"x".repeat(48));
    alice.facts(&["identity", "words"]);
    let file = alice.dir().join("card.png");
    alice.facts(&["id", "--png", file.to_str().unwrap()]);
    assert_eq!(mode(&file), 0o600);
    let link = alice.link();
    assert!(link.len() < 500, "{} bytes", link.len());
    // The reader shares no code with the writer.
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&file).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    let (side, row_bytes) = (frame.width as usize, frame.line_size);
    let grey = |x: usize, y: usize| {
        if pixels[y * row_bytes + x / 8] >> (7 - x % 8) & 1 == 1 { 255 } else { 0 }
    };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, grey);
    let (_, content) = image.detect_grids().remove(0).decode().unwrap();
    assert_eq!(content, link);
    let (code, error) = alice.fails(&["id", "--png", "/nowhere/card.png"]);
    assert_eq!(code, 1);
    assert!(error.contains("cannot write /nowhere/card.png"), "{error}");
}

#[test]
fn a_stranger_is_let_in_named_muted_blocked_and_removed() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    alice.fact(&["contact", "add", &bob.link()]);
    let bobs = bob.run(None);
    let _alices = alice.run(Some(&bobs));
    alice.fact(&["send", "Bob", "may I?"]);
    until("the request is there", || !list(&bob).is_empty());
    let request = list(&bob).remove(0);
    assert_eq!(
        (&request["relation"], &request["claimed_name"]),
        (&"request".into(), &"Alice".into())
    );
    assert!(bob.facts(&["inbox"]).is_empty());
    assert_eq!(bob.fact(&["inbox", "--requests"])["text"], "may I?");
    let name = request["name"].as_str().unwrap();
    let (code, error) = bob.fails(&["send", name, "who are you?"]);
    assert_eq!(code, 1);
    assert!(error.contains("accept the request"), "{error}");
    bob.facts(&["contact", "accept", name, "--name", "Alice from work"]);
    assert_eq!(bob.fact(&["inbox"])["contact"], "Alice from work");
    bob.facts(&["contact", "rename", "Alice from work", "Alice"]);
    bob.facts(&["contact", "mute", "Alice"]);
    assert_eq!(list(&bob)[0]["muted"], true);
    bob.facts(&["contact", "unmute", "Alice"]);
    bob.facts(&["contact", "block", "Alice"]);
    assert_eq!(list(&bob)[0]["relation"], "blocked");
    assert_eq!(bob.fails(&["contact", "decline", "Alice"]).0, 1);
    bob.facts(&["contact", "remove", "Alice"]);
    assert!(list(&bob).is_empty());
    assert!(bob.fails(&["contact", "remove", "Alice"]).1.contains("there is no contact"));
}

#[test]
fn the_words_are_shown_once_and_asked_for_where_they_count() {
    let alice = Person::new("Alice");
    let address = || alice.fact(&["id"])["address"].as_str().unwrap().to_owned();
    let first = address();
    assert!(alice.fails_with(&["identity", "revoke"], b"one two three").1.contains("3 words"));
    let shown = alice.fact(&["identity", "words"])["words"].clone();
    let words: Vec<_> = shown.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert_eq!(words.len(), 24);
    assert_eq!(alice.fails(&["identity", "words"]).0, 1);
    let mut wrong = words.clone();
    wrong.swap(0, 1);
    assert_eq!(alice.fails_with(&["identity", "revoke"], wrong.join(" ").as_bytes()).0, 2);
    assert_eq!(address(), first);
    let words = words.join(" ");
    for args in [&["identity", "rotate", "--words"][..], &["identity", "revoke"]] {
        let before = address();
        let output = alice.with_stdin(args, words.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_ne!(address(), before);
    }
    assert!(
        alice.with_stdin(&["identity", "words", "--replace"], words.as_bytes()).status.success()
    );
    let (code, error) = alice.fails_with(&["identity", "revoke"], words.as_bytes());
    assert_eq!(code, 2);
    assert!(error.contains("not the recovery words of this identity"), "{error}");
}

#[test]
fn a_key_is_revoked_without_a_successor_and_one_named_after_all() {
    let (alice, bob) = (Person::new("Alice"), Person::new("Bob"));
    let shown = alice.fact(&["identity", "words"])["words"].clone();
    let words: Vec<_> = shown.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    let words = words.join(" ");
    alice.befriend(&bob);
    let address = alice.fact(&["id"])["address"].clone();
    let end = ["identity", "revoke", "--no-successor", "--json"];
    assert_eq!(alice.fails_with(&end, b"one two three").0, 2);
    let ended = alice.with_stdin(&end, words.as_bytes());
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let ended: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(ended["revoked"], address);
    let (code, error) = alice.fails(&["send", "Bob", "hello"]);
    assert!(code == 1 && error.contains("this identity is revoked"), "{error}");
    let (code, error) = alice.fails_with(&["identity", "rotate", "--words"], words.as_bytes());
    assert!(code == 1 && error.contains("this identity is revoked"), "{error}");

    let node = alice.run(None);
    let bobs = bob.run(Some(&node));
    until("Bob knows", || list(&bob)[0]["warning"] == "revoked");
    let (code, error) = bob.fails(&["send", "Alice", "are you there?"]);
    assert!(code == 1 && error.contains("key was revoked"), "{error}");
    assert!(alice.with_stdin(&["identity", "revoke"], words.as_bytes()).status.success());
    until("Bob knows the successor", || list(&bob)[0]["warning"].is_null());
    alice.fact(&["send", "Bob", "here again"]);
    until("they talk", || !bob.facts(&["inbox", "--all"]).is_empty());
    drop((node, bobs));
}
