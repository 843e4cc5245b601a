//! The process that is killed.

use crate::world::START;
use crate::{Line, Promise, World};
use clap::Args;
use footpost_core::{OpenError, Timestamp};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What a worker is told.
#[derive(Debug, Clone, Args)]
pub struct Task {
    /// The directory of the node's store.
    #[arg(long)]
    pub store: PathBuf,
    /// The directory of everybody else's.
    #[arg(long)]
    pub outside: PathBuf,
    /// What it does follows from this.
    #[arg(long)]
    pub seed: u64,
    /// The time of the world when it begins, in milliseconds since the Unix epoch.
    #[arg(long)]
    pub now: u64,
    /// How many things it does; endless unless set.
    #[arg(long, default_value_t = u64::MAX)]
    pub steps: u64,
}

impl Task {
    /// For a world in `scene`, from its beginning on.
    pub fn new(scene: &Path, seed: u64) -> Self {
        let (store, outside) = (scene.join("store"), scene.join("outside"));
        std::fs::create_dir_all(&store).expect("scratch space is writable");
        Self { store, outside, seed, now: START.0, steps: u64::MAX }
    }

    /// The command that does it; `program` is this crate's binary.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .arg("worker")
            .arg("--store")
            .arg(&self.store)
            .arg("--outside")
            .arg(&self.outside)
            .args(["--seed", &self.seed.to_string(), "--now", &self.now.to_string()])
            .args(["--steps", &self.steps.to_string()])
            .stdin(Stdio::null());
        command
    }
}

/// Runs until it is killed, its steps are done or the store fails.
pub fn run(task: &Task) -> ExitCode {
    let mut at = Timestamp(task.now);
    let mut tell = |line: Line| {
        at = line.at;
        say(&line);
    };
    let Err(error) = live(task, &mut tell) else { return ExitCode::SUCCESS };
    let named = match &error {
        OpenError::Store(error) => format!("{error:?}"),
        OpenError::Config(error) => format!("{error:?}"),
    };
    say(&Line { at, promise: Promise::Failed(error.to_string(), named) });
    ExitCode::FAILURE
}

fn live(task: &Task, tell: &mut dyn FnMut(Line)) -> Result<(), OpenError> {
    let now = Timestamp(task.now);
    let mut world = World::open(&task.store, &task.outside, task.seed, now, tell)?;
    for _ in 0..task.steps {
        if let Err(error) = world.step() {
            assert!(world.subject.poll_event().is_none(), "told what was never committed");
            return Err(error.into());
        }
    }
    Ok(())
}

/// One write a line, so that a promise is made in one moment.
fn say(line: &Line) {
    let mut bytes = serde_json::to_vec(line).expect("a line is plain data");
    bytes.push(b'\n');
    std::io::stdout().write_all(&bytes).expect("somebody listens");
}
