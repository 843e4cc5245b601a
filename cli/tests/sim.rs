//! Worlds that `footpost sim` makes up, and the page that it writes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{failure, footpost};
use serde_json::Value;
use std::process::Output;

fn sim(args: &[&str]) -> Output {
    footpost().arg("sim").args(args).output().unwrap()
}

#[test]
fn a_world_is_made_up_replayed_and_shown() {
    let files = tempfile::tempdir().unwrap();
    let page = files.path().join("page.html");
    let page_path = page.to_str().unwrap();
    let args = ["--world", "village", "--people", "12", "--days", "1", "--nodes-off", "0.2"];
    let more = ["--publishers", "1", "--seed", "9", "--json", "--report", page_path];
    let output = sim(&[&args[..], &more[..]].concat());
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["nodes"], &report["seed"]), (&12.into(), &9.into()));
    assert_eq!(report["settings"]["lifetime_s"], 2 * 24 * 3600);
    assert!(report["created"].as_u64() > Some(5) && report["bulletins"]["published"].is_u64());
    let shown = std::fs::read_to_string(&page).unwrap();
    let (_, data) = shown.split_once("type=\"application/json\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["report"], report);

    let help = String::from_utf8(sim(&["--help"]).stdout).unwrap();
    let named: Vec<&str> = help.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    for field in report.as_object().unwrap().keys() {
        assert!(named.contains(&field.as_str()), "{field}");
    }
}

#[test]
fn several_traces_are_laid_over_one_another() {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let [a, b] = [file("a", "10 20 1 2\n"), file("b", "30 CONN 2 3 up\n40 CONN 2 3 down\n")];
    let [c, d] = [file("c", "5 C M1 1 3 1000\n"), file("d", "6 C M2 3 1 1000\n")];
    let output =
        sim(&["--contacts", &a, "--contacts", &b, "--messages", &c, "--messages", &d, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["nodes"], &report["contacts"]), (&3.into(), &2.into()));
    assert_eq!((&report["created"], &report["delivered"]), (&2.into(), &1.into()));
}

#[test]
fn what_bluetooth_takes_is_shown() {
    let village = ["--world", "village", "--people", "10", "--days", "1", "--radio"];
    let output = sim(&[&village[..], &["ble"]].concat());
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in [" mAh a day and phone", "scan ", "advertise ", "connected idle ", "transmit "] {
        assert!(shown.contains(part), "{shown}");
    }
    let output = sim(&[&village[..], &["ble:saver", "--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["settings"]["radio"]["ble"], "saver");
    assert_eq!(report["settings"]["rate_bytes_per_s"], 30_000);
    assert!(report["energy"]["mah_a_day"]["scan"].as_f64() > Some(1.0), "{report}");
}

#[test]
fn what_makes_no_world_is_refused() {
    for (args, says) in [
        (&["--world", "moon"][..], "there is no world “moon”"),
        (&["--world", "city", "--people", "9"], "a world has 10 to 20000 people"),
        (&["--world", "city", "--days", "31"], "31"),
        (&["--world", "city", "--nodes-off", "20%"], "20%"),
        (&["--world", "city", "--radio", "smoke"], "there is no radio “smoke”"),
        (&["--world", "city", "--contacts", "x"], "cannot be used with"),
        (&["--contacts", "x"], "--messages"),
        (&["--people", "20", "--contacts", "x", "--messages", "y"], "cannot be used with"),
    ] {
        let output = sim(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(says), "{args:?}");
    }
    let nowhere = sim(&["--world", "village", "--report", "/nonexistent/page.html"]);
    let (code, error) = failure(&nowhere);
    assert!(code == 1 && error.contains("/nonexistent/page.html cannot be written"), "{error}");
}
