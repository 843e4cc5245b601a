//! What people and scripts get to see.

use crate::failure::{Exit, Failure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Standard output: JSON for scripts, or text for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A fact: one line of JSON, or what `text` makes of it.
    pub(crate) fn fact<T: Serialize>(
        self,
        fact: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let line = if self.json {
            serde_json::to_string(fact)
                .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?
        } else {
            text(fact)
        };
        Self::line(&line)
    }

    /// A line for people; scripts do not see it.
    pub(crate) fn say(self, line: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { Self::line(line) }
    }

    fn line(line: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.write_all(b"\n")?;
        Ok(stdout.flush()?)
    }
}

impl From<io::Error> for Failure {
    /// Of standard input and output only; all else says what it was about.
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, format!("cannot write the output: {error}"))
    }
}

/// A spinner on standard error while something takes its time; nothing where that is no terminal.
pub(crate) fn spinner(message: impl Into<String>) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(message.into());
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(80));
    spinner
}

/// A bar for work of about this many steps, on standard error where that is a terminal.
pub(crate) fn bar(message: &'static str, steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps).with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:24} {percent} %") {
        bar.set_style(style);
    }
    bar
}

/// Whether somebody watches standard output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Text from others, made harmless: control and direction characters could rewrite the display.
pub(crate) fn printable(text: &str) -> String {
    let is_harmful = |char: char| {
        (char.is_control() && char != '\n' && char != '\t')
            || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|char| if is_harmful(char) { '\u{fffd}' } else { char }).collect()
}

/// A number of bytes, in the unit that suits it.
pub(crate) fn bytes(count: u64) -> String {
    let in_tenths = |unit: u64| (count * 10 + unit / 2) / unit;
    let (tenths, unit) = match count {
        0..1024 => return format!("{count} B"),
        1024..0x0010_0000 => (in_tenths(1024), "KiB"),
        0x0010_0000..0x4000_0000 => (in_tenths(0x0010_0000), "MiB"),
        _ => (in_tenths(0x4000_0000), "GiB"),
    };
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A length of time in its largest unit, rounded.
pub(crate) fn duration(ms: u64) -> String {
    let rounded = |unit_ms: u64| (ms + unit_ms / 2) / unit_ms;
    match ms {
        ..MINUTE_MS => format!("{} s", rounded(SECOND_MS)),
        MINUTE_MS..HOUR_MS => format!("{} min", rounded(MINUTE_MS)),
        HOUR_MS..DAY_MS => format!("{} h", rounded(HOUR_MS)),
        _ => match rounded(DAY_MS) {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        },
    }
}

/// When, seen from now.
pub(crate) fn when(ms: u64) -> String {
    let now = crate::profile::now().as_millis();
    match (now.saturating_sub(ms), ms.saturating_sub(now)) {
        (..MINUTE_MS, ..MINUTE_MS) => "just now".to_owned(),
        (0, ahead) => format!("in {}", duration(ahead)),
        (ago, _) => format!("{} ago", duration(ago)),
    }
}

/// Lines whose columns are aligned; the last column is not padded.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_others_moves_no_cursor() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\u{9b}c\u{202e}d"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}d"
        );
        assert_eq!(printable("zwei\n\tZeilen ✓"), "zwei\n\tZeilen ✓");
    }

    #[test]
    fn sizes_and_times_have_fitting_units() {
        let sizes = [0, 1023, 1024, 1536, 64 << 20, 3 << 30].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "64.0 MiB", "3.0 GiB"]);
        let times = [0, 1400, MINUTE_MS, HOUR_MS, DAY_MS, 30 * DAY_MS - 1].map(duration);
        assert_eq!(times, ["0 s", "1 s", "1 min", "1 h", "1 day", "30 days"]);
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "bb", "c"], ["ää", "b", ""]].map(|row| row.map(ToOwned::to_owned));
        assert_eq!(table(&rows), "a   bb  c\nää  b");
    }
}
