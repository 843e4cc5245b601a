//! Power loss at random moments of a recorded life.

use crate::kill::copy_directory;
use crate::worker::Task;
use crate::{Disk, Image, Ledger, Loss, Op, Recorder, below, read_journal, rng, scratch, verify};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

/// What a worker does in one recording.
const STEPS: u64 = 150;

/// All that one worker did to its disk, and all that it said.
pub struct Recording {
    seed: u64,
    scene: TempDir,
    ops: Vec<Op>,
}

/// How the world is made worse than any engine could bear: the harness must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foul {
    /// No foul: a hostile disk that does what it says.
    None,
    /// The disk says that it has synced, and has not.
    LyingDisk,
    /// The next promises count as made, as if the engine told before it committed.
    EarlyPromises,
}

impl Recording {
    /// Records a whole life.
    ///
    /// # Panics
    /// If the worker fails, or if the journal does not give the very files that it left.
    pub fn make(program: &Path, recorder: &Recorder, seed: u64) -> Self {
        let scene = scratch();
        let journal = scene.path().join("journal");
        let task = Task { steps: STEPS, ..Task::new(scene.path(), seed) };
        let mut command = task.command(program);
        recorder.watch(&mut command, &task.store).env("RECORDER_JOURNAL", &journal);
        let status = command.stdout(Stdio::null()).status().expect("the worker starts");
        assert!(status.success(), "--seed {seed}: the worker failed");
        let ops = read_journal(&std::fs::read(journal).expect("the journal is there"));
        let mut disk = Disk::default();
        for op in &ops {
            disk.apply(op);
        }
        assert!(disk.contents() == read_image(&task.store), "--seed {seed}: the journal has holes");
        Self { seed, scene, ops }
    }

    /// How many moments there are to die in.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Cuts the power at so many random moments, half of them right after a promise, when it is
    /// hardest to keep; says what was broken, with what replays it.
    pub fn cut_at_random(&self, points: u64, foul: Foul) -> Vec<String> {
        let mut dice = rng(self.seed, 30);
        let mut moments = BTreeSet::new();
        while (moments.len() as u64) < points.min(self.ops.len() as u64 / 2) {
            let moment = below(&mut dice, self.ops.len() as u64) as usize;
            let mut later = self.ops[moment..].iter();
            let promise = later.position(|op| matches!(op, Op::Promise(_))).unwrap_or_default();
            let is_worst = below(&mut dice, 2) == 0;
            moments.insert(if is_worst { moment + promise + 1 } else { moment });
        }
        self.cut_at(&moments, foul)
    }

    /// Cuts the power before each of these operations.
    pub fn cut_at(&self, moments: &BTreeSet<usize>, foul: Foul) -> Vec<String> {
        let mut disk = if foul == Foul::LyingDisk { Disk::lying() } else { Disk::default() };
        let mut ledger = Ledger::default();
        let mut broken = Vec::new();
        let mut promised = 0;
        for (moment, op) in self.ops.iter().enumerate() {
            if moments.contains(&moment) {
                let early =
                    if foul == Foul::EarlyPromises { self.next_promises(moment) } else { 0 };
                for op in self.ops.get(promised..early.max(moment)).unwrap_or_default() {
                    if let Op::Promise(line) = op {
                        ledger.note(line.clone());
                    }
                }
                promised = promised.max(early).max(moment);
                let image = disk.crash(&mut rng(self.seed, 1 << 32 | moment as u64));
                if let Err(what) = self.check(&image, &ledger, moment) {
                    broken.push(format!("--seed {} --point {moment}: {what}", self.seed));
                }
            }
            disk.apply(op);
        }
        broken
    }

    /// Where the next promises are all made.
    fn next_promises(&self, moment: usize) -> usize {
        let rest = self.ops.iter().enumerate().skip(moment);
        let mut after = rest.skip_while(|(_, op)| !matches!(op, Op::Promise(_)));
        after.find(|(_, op)| !matches!(op, Op::Promise(_))).map_or(self.ops.len(), |(at, _)| at)
    }

    fn check(&self, image: &Image, ledger: &Ledger, moment: usize) -> Result<(), String> {
        let left = scratch();
        let (store, outside) = (left.path().join("store"), left.path().join("outside"));
        write_image(image, &store);
        // Before the first card is out there is nobody outside who knows the node.
        if ledger.card.is_some() {
            copy_directory(&self.scene.path().join("outside"), &outside);
        }
        let seed = self.seed ^ (moment as u64) << 32 | 1 << 63;
        catch_unwind(AssertUnwindSafe(|| verify(&store, &outside, ledger, Loss::Power, seed)))
            .unwrap_or_else(|_| Err("panicked".to_owned()))
    }
}

fn write_image(image: &Image, directory: &Path) {
    std::fs::create_dir(directory).expect("scratch space is writable");
    for (name, content) in image {
        std::fs::write(directory.join(name), content).expect("scratch space is writable");
    }
}

fn read_image(directory: &Path) -> Image {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    entries
        .map(|entry| {
            let entry = entry.expect("the directory can be read");
            let content = std::fs::read(entry.path()).expect("the file can be read");
            (entry.file_name().to_string_lossy().into_owned(), content)
        })
        .collect()
}

/// Points per recording: recordings differ in what is done, points in when it ends.
const POINTS: u64 = 100;

/// Cuts the power at `points` moments of as many recordings as that takes.
pub fn run(program: &Path, recorder: &Recorder, seed: u64, points: u64) -> Vec<String> {
    (0..points.div_ceil(POINTS))
        .flat_map(|life| {
            let recording = Recording::make(program, recorder, seed + life);
            recording.cut_at_random(POINTS.min(points - life * POINTS), Foul::None)
        })
        .collect()
}
