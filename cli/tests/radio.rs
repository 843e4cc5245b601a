//! A machine without radios: what is missing is said once, and the node runs.
#![cfg(all(feature = "ble", target_os = "linux"))]

mod common;

use common::{Person, until};
use serde_json::Value;
use std::{fs, process::Command};

/// With a D-Bus that is not there.
fn without_bus(mut command: Command) -> Command {
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
    command
}

#[test]
fn a_node_runs_without_a_radio_and_says_so_once() {
    let alice = Person::new("Alice");
    let log = alice.dir().join("log");
    let mut command = without_bus(alice.command(&["run", "--ble", "--no-lan"]));
    command.args(["--listen", "127.0.0.1:0"]).stderr(fs::File::create(&log).unwrap());
    let mut child = command.spawn().unwrap();
    let log = || fs::read_to_string(&log).unwrap();
    until("it says what is missing", || log().contains("no Bluetooth LE for now"));
    let status = alice.fact(&["status"]);
    assert_eq!(status["running"], true);
    assert_eq!(status["bluetooth"]["scanning_ms"], 0, "{status}");
    assert_eq!(log().lines().count(), 1, "{}", log());
    assert!(log().contains("D-Bus does not answer"), "{}", log());
    let kill = format!("kill -TERM {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_doctor_says_what_is_missing() {
    let alice = Person::new("Alice");
    let output = without_bus(alice.command(&["doctor", "--json"])).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let findings: Vec<Value> = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let find = |what| findings.iter().find(|it| it["what"] == what).unwrap();
    assert_eq!(find("profile")["ok"], true);
    for radio in ["Bluetooth LE", "Wi-Fi Direct"] {
        assert_eq!(find(radio)["ok"], false);
        assert!(find(radio)["detail"].as_str().unwrap().contains("D-Bus"), "{radio}");
    }

    let nobody = Person::without_profile();
    let output = without_bus(nobody.command(&["doctor"])).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("✘ profile"));
}
