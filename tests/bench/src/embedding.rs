//! What an application that embeds a node waits for: its start, a moment in the background, and, beside
//! the bindings (`tests/bench/ffi`), an exchange of messages.

use crate::figure::{Figure, Goal, Unit};
use crate::harness::{Summary, cpu_time};
use crate::memory;
use crate::quic::{addr, fill, introduce, start};
use crate::world::{self, START, Writer, connect, open, rng, text, text_for};
use footpost_core::{Event, LinkId, Node, Priority, StoreKey, StorePath, Work};
use footpost_transports::{Config, FileWrappingKeys, Footpost};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const TICK: Duration = Duration::from_secs(1);
const ENVELOPE_BYTES: usize = 1024;
const TEXT_BYTES: usize = 1024;

/// What is measured: `--quick` takes less of everything.
pub(crate) struct Scale {
    /// Messages in the store that is opened, and envelopes that it carries for others.
    pub(crate) stored: usize,
    pub(crate) starts: usize,
    /// Envelopes that wait for a tick.
    pub(crate) waiting: usize,
    pub(crate) ticks: usize,
}

/// `cold_start`, `cold_start.memory` and `tick`.
pub(crate) fn figures(scale: &Scale) -> Vec<Figure> {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let path = directory.path().join("store");
    store(&path, scale.stored);
    let mut figures = vec![cold_start(&path, scale)];
    figures.extend(memory::of_idle_node(&path).map(|mib| Figure {
        name: "cold_start.memory".to_owned(),
        summary: Summary::extremes([mib]),
        unit: Unit::Mebibytes,
        goal: Goal::None,
        note: "growth of a process that opens that store and waits".to_owned(),
    }));
    figures.push(tick(directory.path(), scale));
    figures
}

/// A store of `count` messages, each with its envelope on board, and as many envelopes of a stranger.
fn store(path: &Path, count: usize) {
    let text = text_for(ENVELOPE_BYTES);
    let mut stranger = Writer::new(&StorePath::Memory, 63);
    stranger.write(&text, count);
    let mut writer = Writer::new(&StorePath::File(path.to_owned()), 60);
    connect([&mut stranger.node, &mut writer.node], LinkId(0), 0);
    world::exchange([&mut stranger.node, &mut writer.node], LinkId(0));
    writer.write(&text, count);
    assert_eq!(writer.node.stats().foreign_envelopes, count as u64, "all was carried");
}

/// CPU from the call to a node that has looked at what fell due.
fn cold_start(path: &Path, scale: &Scale) -> Figure {
    let begin = |_| {
        let begin = cpu_time();
        let mut node = open(&StorePath::File(path.to_owned()), 61, START);
        node.handle_timeout(START).expect("the store works");
        node.commit().expect("the store works");
        node.poll_timeout().expect("the store works");
        cpu_time().saturating_sub(begin).as_secs_f64() * 1e3
    };
    Figure {
        name: "cold_start".to_owned(),
        summary: Summary::quartiles((0..scale.starts).map(begin)),
        unit: Unit::Milliseconds,
        goal: Goal::AtMost(150.0),
        note: format!("CPU; {0} messages, {0} envelopes of others", scale.stored),
    }
}

/// The share of waiting envelopes that one tick of a second brings, dialling included.
fn tick(directory: &Path, scale: &Scale) -> Figure {
    let runtime = Runtime::new().expect("threads can be started");
    let source = directory.join("source");
    fill(&source, ENVELOPE_BYTES, scale.waiting);
    let mut taken = Vec::new();
    for n in 0..scale.ticks {
        let sink = directory.join(format!("sink {n}"));
        taken.push(runtime.block_on(async {
            let (source, sink) = (start(source.clone()).await, start(sink).await);
            sink.dial(addr(&source));
            let tick = sink.tick(TICK).await.expect("the node runs");
            for node in [sink, source] {
                node.shutdown().await.expect("the node runs");
            }
            tick.taken as f64 / scale.waiting as f64
        }));
    }
    Figure {
        name: "tick".to_owned(),
        summary: Summary::quartiles(taken),
        unit: Unit::Ratio,
        goal: Goal::None,
        note: format!("taken of {} envelopes in background_tick(1000)", scale.waiting),
    }
}

/// Prints how many seconds it takes to send `count` texts of 1 KiB, one after the other, until their
/// reader has read the last: the same as the bindings' own exchange.
pub(crate) fn print_exchange(count: usize) {
    let runtime = Runtime::new().expect("threads can be started");
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    println!("{}", runtime.block_on(exchange(directory.path(), count)).as_secs_f64());
}

async fn exchange(directory: &Path, count: usize) -> Duration {
    let alice = start_encrypted(directory, "alice").await;
    let bob = start_encrypted(directory, "bob").await;
    let (to_bob, _) = (introduce(&alice, &bob).await, introduce(&bob, &alice).await);
    let mut events = bob.subscribe();
    bob.dial(addr(&alice));
    let begin = Instant::now();
    let send = async {
        for _ in 0..count {
            let send = move |node: &mut Node, now| {
                node.send(now, to_bob, &text(TEXT_BYTES), Priority::Normal)
            };
            alice.call(send).await.expect("the node runs").expect("the text can be sent");
        }
    };
    let read = async {
        let mut left = count;
        while left > 0 {
            let event = events.next().await.expect("the node runs").expect("few events wait");
            if let Event::Received { message, .. } = event {
                let read = bob.call(move |node, _| node.message(message)).await;
                read.expect("the node runs").expect("the store works").expect("it is there");
                left -= 1;
            }
        }
    };
    tokio::join!(send, read);
    let elapsed = begin.elapsed();
    for node in [bob, alice] {
        node.shutdown().await.expect("the node runs");
    }
    elapsed
}

/// As the bindings have it.
async fn start_encrypted(directory: &Path, name: &str) -> Footpost {
    let key = StoreKey::generate(&mut rng(62));
    let keys = directory.join(format!("{name}.keys"));
    let wrapping = Arc::new(FileWrappingKeys::new(keys, key.clone()));
    let config = Config {
        store: StorePath::Encrypted { path: directory.join(name), key, wrapping },
        node: footpost_core::Config::default().work(Work::None).ack_delay_max_ms(0).clone(),
        listen: Some(([127, 0, 0, 1], 0).into()),
        peers: Vec::new(),
        lan: false,
    };
    Footpost::start(config).await.expect("the node starts")
}
