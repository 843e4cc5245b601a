//! A clock that is set back by a year: nothing is lost, and mail flows on.

use footpost_core::Timestamp;
use footpost_crash::worker::Task;
use footpost_crash::{Ledger, Line, Loss, World, scratch, verify};

const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// Lives for a while from the task's `now` on; in the middle the clock is set back by `back_ms`.
fn live(task: &Task, ledger: &mut Ledger, back_ms: u64) {
    let mut tell = |line: Line| ledger.note(line);
    let now = Timestamp(task.now);
    let mut world = World::open(&task.store, &task.outside, task.seed, now, &mut tell)
        .expect("the store works");
    for step in 0..80 {
        if step == 40 {
            world.now = Timestamp(world.now.0 - back_ms);
        }
        world.step().expect("the store works");
    }
}

#[test]
fn between_two_runs() {
    for seed in 0..8 {
        let scene = scratch();
        let mut task = Task::new(scene.path(), seed);
        let mut ledger = Ledger::default();
        live(&task, &mut ledger, 0);
        task.now = ledger.at.0 - YEAR_MS;
        task.seed |= 1 << 32;
        live(&task, &mut ledger, 0);
        verify(&task.store, &task.outside, &ledger, Loss::Process, seed | 1 << 63)
            .unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn while_it_runs() {
    for seed in 0..8 {
        let scene = scratch();
        let task = Task::new(scene.path(), seed);
        let mut ledger = Ledger::default();
        live(&task, &mut ledger, YEAR_MS);
        verify(&task.store, &task.outside, &ledger, Loss::Process, seed | 1 << 63)
            .unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}
