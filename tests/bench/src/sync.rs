//! Reconciliation between real nodes: bytes, round trips, CPU time; and what holding mail costs.

use crate::figure::{Figure, Goal, Unit};
use crate::harness::{Summary, cpu_time};
use crate::memory;
use crate::world::{Line, Reconciliation, Writer, connect, cut, exchange, reconcile, text};
use footpost_core::{LinkId, StorePath};
use std::path::PathBuf;
use std::time::Duration;

const LINE: Line = Line { round_trip: Duration::from_millis(100), bytes_per_s: 30_000 };
/// Where only round trips take time.
const WIDE_LINE: Line = Line { bytes_per_s: 0, ..LINE };
/// Differences, the goal in bytes, and what negentropy takes (in two round trips).
const GOALS: [(usize, u32, &str); 5] = [
    (0, 100, ""),
    (1, 200, "negentropy 1,100 B"),
    (10, 450, "negentropy 7,014 B"),
    (100, 3_200, "negentropy 43,143 B"),
    (1_000, 28_000, "negentropy 170,155 B"),
];
/// Where CPU time is measured: with this many differences, half on either side.
const CPU_DIFFERENCES: usize = 100;

/// What is measured: `--quick` takes less of everything.
pub(crate) struct Scale {
    /// Sizes of the held set, ascending, at which CPU time and memory are measured.
    pub(crate) held: &'static [usize],
    /// The size at which bytes and round trips are measured; one of `held`.
    pub(crate) bytes_at: usize,
    /// Links, each with its own keys, for every difference and split.
    pub(crate) links: usize,
    /// Links for CPU time.
    pub(crate) cpu_links: usize,
}

/// `sync_bytes.*`, `sync_rtts`, `sync_cpu.*`, `sync_cpu_growth.*`, `memory.*`.
pub(crate) fn figures(scale: &Scale) -> Vec<Figure> {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let make = |held: &usize| Two::new(directory.path().join(held.to_string()), *held);
    let mut twos: Vec<Two> = scale.held.iter().map(make).collect();
    let memory: Vec<Figure> = twos.iter_mut().filter_map(Two::memory).collect();
    let cpu = cpu_figures(&mut twos, scale.cpu_links);
    let at = twos.iter_mut().find(|two| two.held == scale.bytes_at);
    let bytes = at.map(|two| two.bytes_and_round_trips(scale.links)).unwrap_or_default();
    bytes.into_iter().chain(cpu).chain(memory).collect()
}

/// Two nodes that hold the same, but for what a measurement adds to one or the other.
struct Two {
    first: Writer,
    second: Writer,
    second_path: PathBuf,
    held: usize,
    links: u64,
}

impl Two {
    /// Both hold `held` envelopes; the second keeps them in a file.
    fn new(second_path: PathBuf, held: usize) -> Self {
        let path = StorePath::File(second_path.clone());
        let [first, second] = [Writer::new(&StorePath::Memory, 30), Writer::new(&path, 31)];
        let mut two = Self { first, second, second_path, held, links: 0 };
        two.first.write(&text(1), held);
        two.level();
        two
    }

    fn in_memory() -> Self {
        let [first, second] = [32, 33].map(|seed| Writer::new(&StorePath::Memory, seed));
        Self { first, second, second_path: PathBuf::new(), held: 0, links: 0 }
    }

    /// Until both hold the same. One meeting does not bring more than some thousands, and nobody asks for
    /// as much as these sets in a minute: so they dial in turns, and send what the dialler was found to lack.
    fn level(&mut self) {
        let held = |it: &Writer| it.node.carried(u32::MAX).expect("the store works").len();
        for dialler in [1, 0].into_iter().cycle() {
            let link = self.connect(dialler);
            exchange([&mut self.first.node, &mut self.second.node], link);
            cut([&mut self.first.node, &mut self.second.node], link);
            if held(&self.first) == held(&self.second) {
                return;
            }
        }
    }

    fn connect(&mut self, dialler: usize) -> LinkId {
        let link = LinkId(self.links);
        self.links += 1;
        connect([&mut self.first.node, &mut self.second.node], link, dialler);
        link
    }

    fn reconcile(&mut self, dialler: usize, line: Line) -> Reconciliation {
        let link = self.connect(dialler);
        let nodes = [&mut self.first.node, &mut self.second.node];
        let reconciliation = reconcile(nodes, link, line);
        cut([&mut self.first.node, &mut self.second.node], link);
        reconciliation
    }

    /// All differences in all splits. Differences only grow on the one side, then on both, so that
    /// the common set is made once.
    fn bytes_and_round_trips(&mut self, links: usize) -> Vec<Figure> {
        self.level();
        let mut samples = GOALS.map(|_| Vec::new());
        let mut round_trips = Vec::new();
        for one_sided in [true, false] {
            let mut made = 0;
            for ((differences, ..), samples) in GOALS.iter().zip(&mut samples) {
                let more = differences - made;
                made += more;
                let to_first = if one_sided { more } else { more.div_ceil(2) };
                self.first.write(&text(1), to_first);
                self.second.write(&text(1), more - to_first);
                // By whoever dials, a one-sided difference is 100/0 or 0/100.
                for dialler in 0..2 {
                    let mut sample = || self.reconcile(dialler, LINE).sync_bytes;
                    samples.push((0..links).map(|_| sample()).collect::<Vec<_>>());
                    let until = |_| self.reconcile(dialler, WIDE_LINE).until_envelope;
                    round_trips.extend((0..links).filter_map(until));
                }
            }
            self.level();
        }
        let mut figures: Vec<_> = GOALS.into_iter().zip(samples).map(bytes_figure).collect();
        figures.push(round_trips_figure(&round_trips));
        figures
    }

    /// CPU time of both sides.
    fn reconcile_cpu(&mut self) -> Duration {
        let start = cpu_time();
        self.reconcile(0, Line::INSTANT);
        cpu_time().saturating_sub(start)
    }

    /// What a process takes up that holds the second node's store and is idle. The store is opened
    /// by one process at a time.
    fn memory(&mut self) -> Option<Figure> {
        self.second = Writer::new(&StorePath::Memory, 31);
        let resident = memory::of_idle_node(&self.second_path);
        // Another seed than before: messages are numbered at random.
        let path = StorePath::File(self.second_path.clone());
        self.second = Writer::new(&path, 1_000 + self.links);
        Some(Figure {
            name: format!("memory.{}", thousands(self.held)),
            summary: Summary::extremes([resident?]),
            unit: Unit::Mebibytes,
            goal: Goal::None,
            note: format!("resident, idle, {} envelopes on disk", self.held),
        })
    }
}

fn bytes_figure(
    ((differences, goal, beside), splits): ((usize, u32, &str), Vec<Vec<u64>>),
) -> Figure {
    let bytes = |sample: &u64| *sample as f64;
    let median = |split: &Vec<u64>| Summary::extremes(split.iter().map(bytes)).median;
    let worst_split = splits.iter().map(median).fold(0.0, f64::max);
    let all = Summary::extremes(splits.iter().flatten().map(bytes));
    Figure {
        name: format!("sync_bytes.{differences}"),
        summary: Summary { median: worst_split, ..all },
        unit: Unit::Bytes,
        goal: Goal::AtMost(f64::from(goal)),
        note: beside.to_owned(),
    }
}

fn round_trips_figure(samples: &[Duration]) -> Figure {
    let round_trips =
        samples.iter().map(|until| until.as_secs_f64() / LINE.round_trip.as_secs_f64());
    let at_once = samples.iter().filter(|until| **until <= LINE.round_trip).count();
    Figure {
        name: "sync_rtts".to_owned(),
        summary: Summary::extremes(round_trips),
        unit: Unit::RoundTrips,
        goal: Goal::AtMost(1.0),
        note: format!("{at_once} of {} links after one; negentropy 2", samples.len()),
    }
}

/// Sizes alternate, as sides do elsewhere. What any link costs is taken off.
fn cpu_figures(twos: &mut [Two], links: usize) -> Vec<Figure> {
    for two in &mut *twos {
        two.first.write(&text(1), CPU_DIFFERENCES / 2);
        two.second.write(&text(1), CPU_DIFFERENCES / 2);
    }
    let mut empty = Two::in_memory();
    let mut round = |_| -> Vec<f64> {
        let link = empty.reconcile_cpu();
        let time = |two: &mut Two| two.reconcile_cpu().saturating_sub(link).as_secs_f64();
        twos.iter_mut().map(time).collect()
    };
    // The first round is the warm-up.
    let rounds: Vec<Vec<f64>> = (0..=links).map(&mut round).skip(1).collect();
    let held: Vec<usize> = twos.iter().map(|two| two.held).collect();

    let total = held.iter().enumerate().map(|(at, &held)| {
        let summary = Summary::quartiles(rounds.iter().map(|round| round[at] * 1e3));
        Figure {
            name: format!("sync_cpu.{}", thousands(held)),
            summary,
            unit: Unit::Milliseconds,
            goal: Goal::None,
            note: format!(
                "{:.0} ns an item, both sides together",
                summary.median * 1e6 / held as f64
            ),
        }
    });
    let growth = held.array_windows().enumerate().map(|(at, [fewer, more])| {
        let items = *more as f64 / *fewer as f64;
        let times = |round: &Vec<f64>| round[at + 1] / round[at];
        let summary = Summary::quartiles(rounds.iter().map(|round| times(round) / items));
        Figure {
            name: format!("sync_cpu_growth.{}", thousands(*more)),
            summary,
            unit: Unit::Ratio,
            goal: Goal::AtMost(1.0),
            note: format!(
                "{:.1} times the time for {items} times the items",
                summary.median * items
            ),
        }
    });
    total.chain(growth).collect()
}

fn thousands(count: usize) -> String {
    format!("{}k", count / 1000)
}
