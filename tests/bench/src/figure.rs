//! Figures: what was measured, what was hoped for, and how both are shown.

use crate::harness::Summary;
use serde_json::{Map, Value};
use std::fmt;

/// One measured figure.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// Dotted, for example `seal_ratio.xwing`.
    pub(crate) name: String,
    pub(crate) summary: Summary,
    pub(crate) unit: Unit,
    pub(crate) goal: Goal,
    /// What the figure stands beside: absolute values, peers' figures.
    pub(crate) note: String,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Ours divided by bare.
    Ratio,
    Bytes,
    RoundTrips,
    Milliseconds,
    Seconds,
    Mebibytes,
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Only reported.
    None,
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(goal) => value <= goal,
            Self::AtLeast(goal) => value >= goal,
            Self::None => true,
        }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2}"),
            Self::Bytes => format!("{value:.0} B"),
            Self::RoundTrips => format!("{value:.1} RTT"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Seconds => format!("{value:.2} s"),
            Self::Mebibytes => format!("{value:.1} MiB"),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(goal) => write!(f, "≤ {goal}"),
            Self::AtLeast(goal) => write!(f, "≥ {goal}"),
            Self::None => f.write_str("–"),
        }
    }
}

/// For people.
pub(crate) fn table(figures: &[Figure]) -> String {
    let head = ["figure", "median", "goal", "", "spread", "n", "beside it"].map(str::to_owned);
    let rows: Vec<[String; 7]> = [head].into_iter().chain(figures.iter().map(row)).collect();
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(figure: &Figure) -> [String; 7] {
    let Summary { median, low, high, n } = figure.summary;
    let verdict = match figure.goal {
        Goal::None => "",
        goal if goal.is_met(median) => "ok",
        _ => "MISSED",
    };
    [
        figure.name.clone(),
        figure.unit.show(median),
        figure.goal.to_string(),
        verdict.to_owned(),
        if n > 1 {
            format!("{} … {}", figure.unit.show(low), figure.unit.show(high))
        } else {
            String::new()
        },
        n.to_string(),
        figure.note.clone(),
    ]
}

/// For programs: one flat object. Each figure's median stands under its own name, its spread and
/// number of repetitions beside it.
pub(crate) fn json(figures: &[Figure]) -> Value {
    let mut object = Map::new();
    for Figure { name, summary, .. } in figures {
        let Summary { median, low, high, n } = *summary;
        object.insert(name.clone(), rounded(median));
        object.insert(format!("{name}.low"), rounded(low));
        object.insert(format!("{name}.high"), rounded(high));
        object.insert(format!("{name}.n"), n.into());
    }
    object.into()
}

fn rounded(value: f64) -> Value {
    ((value * 1000.0).round() / 1000.0).into()
}
