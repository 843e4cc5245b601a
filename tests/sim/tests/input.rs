//! What files may hold, and the place that is named when they hold something else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{Inputs, load, run, scenario};
use flate2::Compression;
use flate2::write::GzEncoder;
use footpost_sim::{Scenario, Settings, SimError, simulate};
use std::fmt::Write as _;
use std::io::Write as _;

const CONTACTS: &str = "0 10 1 2\n20.5 30 2 3\n";
const MESSAGES: &str = "5 C M1 1 3 1000\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The error names the file, the line and the reason.
fn refused(contacts: &str, messages: &str, place: &str, why: &str) {
    let error = load(contacts, messages).unwrap_err().to_string();
    assert!(error.contains(&format!("/{place}: ")) && error.contains(why), "{error}");
}

#[test]
fn contacts_make_sense() {
    for (line, why) in [
        ("9 8 1 2", "ends before it begins"),
        ("1 2 3 3", "3 meets itself"),
        ("1 2 3", "before its node"),
        ("1", "before its end"),
        ("1 2 3 4 5", "“5” is one word too many"),
        ("x 2 3 4", "“x” is no start"),
        ("-1 2 3 4", "“-1” is no start"),
        ("1 NaN 3 4", "“NaN” is no end"),
        ("1 1e99 3 4", "“1e99” is no end"),
        ("1 2 a 4", "“a” is no node"),
        ("1 2 3 -4", "“-4” is no node"),
        ("1 CONN 3 4 sideways", "“sideways” is neither up nor down"),
        ("1 CONN 3 4 down", "3 and 4 are not connected"),
        ("1 CONN 3 4", "before its up or down"),
        ("5 15 2 1", "overlaps"),
    ] {
        refused(&format!("{CONTACTS}# all else\n\n{line}\n"), MESSAGES, "contacts:5", why);
    }
    refused("1 CONN 1 2 up\n2 CONN 2 1 up\n", MESSAGES, "contacts:2", "connected already");
    refused("5 CONN 1 2 up\n4 CONN 1 2 down\n", MESSAGES, "contacts:2", "ends before it begins");
}

#[test]
fn messages_make_sense() {
    for (line, why) in [
        ("1 C M2 3 3 10", "message M2 is to its own sender"),
        ("1 C M2 1 4 10", "node 4 has no contact"),
        ("1 C M2 4 1 10", "node 4 has no contact"),
        ("1 C M1 1 2 10", "there is a message M1 already"),
        ("1 C M2 1 2", "before its size in bytes"),
        ("1 C M2 1 2 ten", "“ten” is no size in bytes"),
        ("1 C M2 1 2 10 10", "one word too many"),
        ("1 D M2 1 2 10", "“D” is neither C nor CONN"),
        ("soon C M2 1 2 10", "“soon” is no time"),
    ] {
        refused(CONTACTS, &format!("{MESSAGES}{line}\n"), "messages:2", why);
    }
}

#[test]
fn files_are_whole() {
    refused("0 10 1 2\n20 30 2", MESSAGES, "contacts:2", "stops in the middle");
    // 300, or was it 3000?
    refused("0 10 1 2\n20 300 2 3", MESSAGES, "contacts:2", "stops in the middle");
    refused(CONTACTS, "5 C M1 1 3 10", "messages:1", "stops in the middle");
    refused("# nothing\n", MESSAGES, "contacts", "there is no contact in it");
    refused(CONTACTS, "\n", "messages", "there is no message in it");

    let mut many = String::new();
    for n in 0..5000 {
        writeln!(many, "{n}.5 {}.25 {} 9999", n * 2 + 1, n % 97).unwrap();
    }
    let inputs = Inputs::new();
    let whole = gzip(&many);
    let cut = inputs.file("cut.gz", &whole[..whole.len() / 2]);
    let messages = inputs.file("messages", MESSAGES);
    let error = Scenario::load(&[cut], std::slice::from_ref(&messages)).unwrap_err().to_string();
    let (_, line) = error.split_once("cut.gz:").unwrap();
    let (line, why) = line.split_once(": ").unwrap();
    assert!(line.parse::<usize>().unwrap() > 1 && why.contains("cut off or damaged"), "{error}");

    let missing = messages.with_file_name("missing");
    let error = Scenario::load(&[missing], &[messages]).unwrap_err().to_string();
    assert!(error.contains("/missing: "), "{error}");
}

#[test]
fn several_files_in_several_formats_make_one_world() {
    let inputs = Inputs::new();
    let the_one = "0 CONN 7 9 up\n5 C M1 7 8 1000\n10.0 CONN 9 7 down\n";
    let files = [inputs.file("one.txt", the_one), inputs.file("more.gz", gzip("20 30 8 9\n"))];
    let apart = Scenario::load(&files, &files[..1]).unwrap();
    let same = scenario("0 10 1 3\n20 30 2 3\n", "5 C M1 1 2 1000\n");
    assert_eq!(apart.people(), 3);
    let figures = run(&apart, &Settings::default());
    assert_eq!(figures, run(&same, &Settings::default()));
    assert_eq!(figures.delivered, 1);
    // What is up at the end was up until then.
    let open = scenario("0 CONN 1 2 up\n9 CONN 1 3 up\n", "1 C M 1 2 10\n");
    assert_eq!(run(&open, &Settings::default()).delivered, 1);
    // The same contact twice is one too many.
    let twice = [files[1].clone(), inputs.file("again", "29 31 9 8\n")];
    let error = Scenario::load(&twice, &files[..1]).unwrap_err().to_string();
    assert!(error.contains("/again:1: ") && error.contains("overlaps"), "{error}");
}

#[test]
fn what_no_attachment_holds_is_refused() {
    for size in ["300000000", "18446744073709551615"] {
        let scenario = scenario(CONTACTS, &format!("5 C M1 1 3 {size}\n"));
        let error = simulate(&scenario, &Settings::default()).unwrap_err();
        assert!(matches!(error, SimError::Send { .. }));
        let text = error.to_string();
        assert!(text.contains("/messages:1: message M1 ") && text.contains("bytes at"), "{text}");
    }
}
