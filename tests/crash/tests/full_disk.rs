//! A disk that fills up: a clear error, and nothing accepted is lost once there is space again.

use footpost_crash::worker::Task;
use footpost_crash::{Ledger, Loss, Recorder, scratch, verify};
use std::path::Path;
use std::process::Stdio;

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let recorder = Recorder::build().unwrap_or_else(|missing| panic!("no full disk: {missing}"));
    let mut filled = 0;
    for (seed, space) in (0..24_u64).map(|step| (step, step * step * 4_000)) {
        let scene = scratch();
        let task = Task { steps: 100, ..Task::new(scene.path(), seed) };
        let mut command = task.command(Path::new(env!("CARGO_BIN_EXE_footpost-crash")));
        recorder.watch(&mut command, &task.store).env("RECORDER_SPACE", space.to_string());
        let output = command.stdout(Stdio::piped()).output().unwrap();
        let mut ledger = Ledger { at: footpost_core::Timestamp(task.now), ..Ledger::default() };
        for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            ledger.note(serde_json::from_slice(line).unwrap());
        }
        match &ledger.failed {
            Some((shown, named)) => {
                assert_eq!(named, "Full", "space {space}: {shown}");
                assert!(shown.contains("the disk is full"));
                filled += 1;
            }
            None => assert!(output.status.success(), "space {space}: no panic"),
        }
        verify(&task.store, &task.outside, &ledger, Loss::Process, seed | 1 << 63)
            .unwrap_or_else(|broken| panic!("space {space}: {broken}"));
    }
    assert!(filled > 10, "only {filled} disks filled up");
}
