//! The long form: `cargo run --release -p footpost-crash -- --points N --seed S`.

use clap::{Parser, Subcommand};
use footpost_crash::power::{self, Foul, Recording};
use footpost_crash::{Recorder, kill, worker};
use std::process::ExitCode;
use std::time::Instant;

/// Kills the engine and cuts its power at random moments, and checks every promise it made.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    worker: Option<Worker>,
    /// How many moments to end in: one in five by kill -9, the others by power loss.
    #[arg(long, default_value_t = 1000)]
    points: u64,
    /// Everything follows from it, but when exactly a kill strikes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replays this one power loss of the life with that seed.
    #[arg(long)]
    point: Option<usize>,
}

#[derive(Subcommand)]
enum Worker {
    /// The process that is killed.
    #[command(hide = true)]
    Worker(worker::Task),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Worker::Worker(task)) = &arguments.worker {
        return worker::run(task);
    }
    let started = Instant::now();
    let broken = run(&arguments);
    for broken in &broken {
        println!("BROKEN {broken}");
    }
    println!("{} broken promises, {:.1} s", broken.len(), started.elapsed().as_secs_f64());
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments) -> Vec<String> {
    let program = std::env::current_exe().expect("the program knows where it is");
    let recorder = match Recorder::build() {
        Ok(recorder) => recorder,
        Err(missing) => return vec![format!("no power loss was simulated: {missing}")],
    };
    if let Some(point) = arguments.point {
        let recording = Recording::make(&program, &recorder, arguments.seed);
        return recording.cut_at(&[point].into(), Foul::None);
    }
    let kills = arguments.points / 5;
    println!("{kills} kills, {} power losses", arguments.points - kills);
    let mut broken = kill::run(&program, arguments.seed, kills);
    broken.extend(power::run(&program, &recorder, arguments.seed, arguments.points - kills));
    broken
}
