//! kill -9 at random moments, round after round on the same store.

use crate::worker::Task;
use crate::{Ledger, Line, Loss, below, rng, scratch, verify};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A new store after so many rounds.
const ROUNDS: u64 = 12;

/// Kills a worker `points` times, and checks what each leaves.
///
/// # Errors
/// The broken promises, each with the seed and the round.
pub fn run(program: &Path, seed: u64, points: u64) -> Vec<String> {
    (0..points.div_ceil(ROUNDS))
        .filter_map(|story| {
            let rounds = ROUNDS.min(points - story * ROUNDS);
            let broken = live_through(program, seed + story, rounds).err()?;
            Some(format!("--seed {}: {broken}", seed + story))
        })
        .collect()
}

fn live_through(program: &Path, seed: u64, rounds: u64) -> Result<(), String> {
    let scene = scratch();
    let mut dice = rng(seed, 20);
    let mut ledger = Ledger::default();
    let mut task = Task::new(scene.path(), seed);
    for round in 0..rounds {
        task.seed = seed << 8 | round;
        task.now = task.now.max(ledger.at.0);
        live(program, &task, &mut ledger, &mut dice);
        let copy = scratch();
        copy_directory(&task.store, &copy.path().join("store"));
        copy_directory(&task.outside, &copy.path().join("outside"));
        let (store, outside) = (copy.path().join("store"), copy.path().join("outside"));
        verify(&store, &outside, &ledger, Loss::Process, task.seed | 1 << 63)
            .map_err(|broken| format!("killed the {}. time: {broken}", round + 1))?;
    }
    Ok(())
}

/// One life: it ends after a random number of promises and a random while.
fn live(program: &Path, task: &Task, ledger: &mut Ledger, dice: &mut rand_chacha::ChaCha20Rng) {
    let mut worker =
        task.command(program).stdout(Stdio::piped()).spawn().expect("the worker starts");
    let mut lines = BufReader::new(worker.stdout.take().expect("it is piped")).split(b'\n');
    // Short lives too: opening and the first steps are worth dying in.
    let longest = [1, 4, 100][below(dice, 3) as usize];
    for line in lines.by_ref().take(below(dice, longest) as usize) {
        note(ledger, &line.expect("the pipe works"));
    }
    std::thread::sleep(Duration::from_micros(below(dice, 20_000)));
    worker.kill().expect("the worker is there");
    worker.wait().expect("the worker ends");
    lines.for_each(|line| note(ledger, &line.expect("the pipe works")));
}

/// A line that death cut short was not said.
fn note(ledger: &mut Ledger, line: &[u8]) {
    if let Ok(line) = serde_json::from_slice::<Line>(line) {
        ledger.note(line);
    }
}

/// Copies the files of a directory; none where there is none.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("scratch space is writable");
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let entry = entry.expect("the directory can be read");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("the file can be copied");
    }
}
