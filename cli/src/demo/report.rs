//! What the demo shows: its steps as they come, and a table in the end.

use super::actor::Trouble;
use crate::{
    failure::{Exit, Failure},
    output::{self, Output, bytes, table},
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// The width of a step's line, before its time.
const WIDTH: usize = 70;

/// What happened so far.
#[derive(Serialize)]
pub(super) struct Report {
    ok: bool,
    ms: u64,
    steps: Vec<Step>,
    legs: Vec<Leg>,
    /// Frame bytes of all legs, both ways; what QUIC, UDP and IP add is not counted.
    bytes_on_wire: u64,
    /// Envelopes left on the three devices.
    copies_left: Option<usize>,
    #[serde(skip)]
    out: Output,
    #[serde(skip)]
    begun: Instant,
}

#[derive(Serialize)]
struct Step {
    name: &'static str,
    ok: bool,
    ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Trouble>,
}

/// One stretch of the way.
#[derive(Serialize)]
pub(super) struct Leg {
    pub(super) name: &'static str,
    pub(super) ms: u64,
    pub(super) bytes: u64,
}

impl Report {
    pub(super) fn new(out: Output) -> Self {
        Self {
            ok: false,
            ms: 0,
            steps: Vec::new(),
            legs: Vec::new(),
            bytes_on_wire: 0,
            copies_left: None,
            out,
            begun: Instant::now(),
        }
    }

    /// A line of the story.
    pub(super) fn say(&self, line: &str) -> Result<(), Failure> {
        self.out.say(line)
    }

    /// Does one step, and shows it with its time once it is verified.
    pub(super) fn step<T>(
        &mut self,
        name: &'static str,
        story: &str,
        act: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        let spinner = output::spinner(story);
        let begun = Instant::now();
        let acted = act();
        let ms = millis(begun.elapsed());
        spinner.finish_and_clear();
        let error = acted.as_ref().err().cloned();
        let mark = if error.is_none() { '✓' } else { '✗' };
        self.steps.push(Step { name, ok: error.is_none(), ms, error });
        let width = WIDTH.saturating_sub(story.chars().count());
        self.say(&format!("  {mark} {story}{:width$}{ms:>6} ms", ""))?;
        acted.map_err(|why| Failure::new(Exit::Failed, format!("step “{name}” failed: {why}")))
    }

    pub(super) fn leg(&mut self, leg: Leg) {
        self.bytes_on_wire += leg.bytes;
        self.legs.push(leg);
    }

    pub(super) fn copies_left(&mut self, copies: usize) {
        self.copies_left = Some(copies);
    }

    /// Shows the facts, and how it ended.
    pub(super) fn finish(mut self, travelled: Result<(), Failure>) -> Result<(), Failure> {
        self.ok = travelled.is_ok() && self.copies_left == Some(0);
        self.ms = millis(self.begun.elapsed());
        if self.out.json || self.ok {
            self.out.fact(&self, Self::text)?;
        }
        travelled
    }

    fn text(&self) -> String {
        let row = |cells: [&str; 3]| cells.map(ToOwned::to_owned);
        let numbers = |name: &str, ms: u64, count: u64| {
            [name.to_owned(), format!("{ms:>6} ms"), format!("{count:>8} B")]
        };
        let rows: Vec<_> = [row(["  leg", "     time", "  on the wire"])]
            .into_iter()
            .chain(
                self.legs.iter().map(|leg| numbers(&format!("  {}", leg.name), leg.ms, leg.bytes)),
            )
            .chain([numbers("  all, with every check", self.ms, self.bytes_on_wire)])
            .collect();
        format!(
            "\n{}\n\n  copies left: {}\n\nEvery step was verified. On the wire means frames of the \
             links, both ways ({}); QUIC's own\nbytes come on top.",
            table(&rows),
            self.copies_left.unwrap_or_default(),
            bytes(self.bytes_on_wire),
        )
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
