//! Power loss at any moment, on a disk that keeps what was synced and of the rest what it likes.

use footpost_crash::Recorder;
use footpost_crash::power::{self, Foul, Recording};
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_footpost-crash");

fn recorder() -> Recorder {
    Recorder::build().unwrap_or_else(|missing| panic!("power loss cannot be simulated: {missing}"))
}

#[test]
fn a_node_without_power_keeps_its_promises() {
    let broken = power::run(Path::new(PROGRAM), &recorder(), 1, 240);
    assert!(broken.is_empty(), "{broken:#?}");
}

/// What follows must be noticed, or the test above proves nothing.
#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    let recording = Recording::make(Path::new(PROGRAM), &recorder(), 7);
    assert!(recording.cut_at_random(20, Foul::None).is_empty());
    assert!(recording.cut_at_random(20, Foul::LyingDisk).len() > 5);
}

#[test]
fn promises_made_before_their_commit_are_found_out() {
    let recording = Recording::make(Path::new(PROGRAM), &recorder(), 8);
    assert!(recording.cut_at_random(20, Foul::EarlyPromises).len() > 5);
}
