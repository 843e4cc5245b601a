//! Three processes over real QUIC: the demo, and what it leaves.

mod common;

use common::footpost;
use serde_json::Value;

#[test]
fn a_stranger_carries_a_message_between_two_who_never_meet() {
    let home = tempfile::tempdir().unwrap();
    let keep = home.path().join("kept");
    let output = footpost().args(["demo", "--json", "--keep"]).arg(&keep).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["ok"], true);
    assert_eq!(report["copies_left"], 0);
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    let expected = "mint swap_cards start send carry sender_leaves blind deliver acknowledge \
                    recipient_leaves confirm sender_leaves_again carrier_leaves no_copies";
    assert_eq!(names.join(" "), expected);
    assert!(steps.iter().all(|step| step["ok"] == true && step["ms"].is_u64()));
    let legs = report["legs"].as_array().unwrap();
    let sum: u64 = legs.iter().map(|leg| leg["bytes"].as_u64().unwrap()).sum();
    assert_eq!((legs.len(), report["bytes_on_wire"].as_u64()), (3, Some(sum)));
    assert!(report["ms"].is_u64(), "{report:#}");
    for name in ["alice", "bob", "carrier"] {
        assert!(keep.join(name).join("footpost.db").is_file());
        assert!(!keep.join(name).join("footpost.sock").exists());
    }
}

#[test]
fn the_demo_tells_its_story_and_keeps_nothing_unasked() {
    let home = tempfile::tempdir().unwrap();
    let output = footpost().arg("demo").env("TMPDIR", home.path()).output().unwrap();
    let story = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && story.contains("copies left: 0"), "{story}");
    assert!(story.lines().all(|line| line.chars().count() <= 100), "{story}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_demo_that_fails_says_where() {
    let home = tempfile::tempdir().unwrap();
    // No socket fits a path so long, so no node starts.
    let deep = home.path().join("x".repeat(120));
    let output = footpost().args(["demo", "--json", "--keep"]).arg(&deep).output().unwrap();
    let (code, error) = common::failure(&output);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((code, &report["ok"], &report["copies_left"]), (1, &false.into(), &Value::Null));
    let failed = report["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&failed["name"], &failed["ok"]), (&"start".into(), &false.into()));
    assert!(error.starts_with("footpost: step “start” failed:"), "{error}");
    assert!(error.contains("too long for a socket"), "{error}");
}
