//! Node to node over QUIC on loopback, against bare quinn and the bare relay.

use crate::bare::{BareRelay, signed_envelopes};
use crate::bare_quic::BareQuic;
use crate::figure::{Figure, Goal, Unit};
use crate::harness::{Comparison, Summary};
use crate::world::{Writer, rng, text, text_for};
use ed25519_dalek::SigningKey;
use footpost_core::{Body, ContactId, Event, Priority, State, StorePath, Timestamp};
use footpost_transports::{Config, Events, Footpost};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// Nominal sizes of envelopes, in KiB, and how many of them make a transfer: long enough that the
/// handshakes before it do not count.
const TRANSFERS: [(usize, usize); 3] = [(1, 6_000), (8, 5_000), (60, 1_000)];
/// What a link frame adds to an envelope: kind, age, lengths, and the tag of Noise.
const FRAME_OVERHEAD_BYTES: usize = 1 + 4 + 4 + 4 + 16;
/// Inputs that a busy driver finds waiting.
const BATCH: usize = 100;
/// How often a receiving node is asked whether it has everything.
const POLL: Duration = Duration::from_millis(2);
const REQUEST_BYTES: usize = 1024;

/// What is measured: `--quick` takes less of everything.
pub(crate) struct Scale {
    /// Transfers for each size.
    pub(crate) transfers: usize,
    /// Transfers are shortened to one part in this many.
    pub(crate) shortened: usize,
    /// Messages, one after the other.
    pub(crate) messages: usize,
}

/// `quic_ratio.*` and `direct_latency_ratio`.
pub(crate) fn figures(scale: &Scale) -> Vec<Figure> {
    let runtime = Runtime::new().expect("threads can be started");
    let ratios = TRANSFERS
        .map(|(kib, count)| quic_ratio(&runtime, kib, count / scale.shortened, scale.transfers));
    ratios.into_iter().chain([runtime.block_on(direct_latency(scale.messages))]).collect()
}

fn quic_ratio(runtime: &Runtime, kib: usize, count: usize, transfers: usize) -> Figure {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let source = directory.path().join("source");
    let envelope_bytes = fill(&source, kib * 1024, count);

    let key = SigningKey::from_bytes(&[50; 32]);
    let envelopes = signed_envelopes(&mut rng(51), &key, envelope_bytes, count);
    let frames = vec![vec![0; envelope_bytes + FRAME_OVERHEAD_BYTES]; count];
    let relay = |n: usize| BareRelay::new(&directory.path().join(format!("bare {n}")), &key);
    let mut relayed = Vec::new();
    let mut carried = Vec::new();
    let mut transferred = Vec::new();
    // The first round is the warm-up.
    for n in 0..=transfers {
        let relay = relay(n);
        let start = Instant::now();
        envelopes.chunks(BATCH).for_each(|batch| relay.take(batch));
        relayed.push(start.elapsed());
        let start = Instant::now();
        runtime.block_on(async { BareQuic::connect().await.transfer(&frames).await });
        transferred.push(start.elapsed());
        let sink = directory.path().join(format!("sink {n}"));
        carried.push(runtime.block_on(carry(&source, &sink, count)));
    }
    let median = |times: &[Duration]| {
        Summary::quartiles(times[1..].iter().map(Duration::as_secs_f64)).median
    };
    let (by_relay, by_quinn) = (median(&relayed), median(&transferred));
    let slower = if by_relay > by_quinn { &relayed } else { &transferred };
    let pairs: Vec<_> = std::iter::zip(slower, &carried).map(|(s, c)| (*s, *c)).skip(1).collect();
    let rate = |seconds: f64| count as f64 / seconds;
    Figure {
        name: format!("quic_ratio.{kib}"),
        summary: Comparison::of(&pairs).ratio,
        unit: Unit::Ratio,
        goal: Goal::AtLeast(0.7),
        note: format!(
            "{:.0} envelopes/s; bare relay {:.0}, bare quinn {:.0}",
            rate(median(&carried)),
            rate(by_relay),
            rate(by_quinn)
        ),
    }
}

/// Makes a node at `path` that has `count` envelopes to give, of a size which it returns.
pub(crate) fn fill(path: &Path, envelope_bytes: usize, count: usize) -> usize {
    let mut writer = Writer::at(wall_clock(), &StorePath::File(path.to_owned()), 52);
    writer.write(&text_for(envelope_bytes), count);
    writer.node.carried(1).expect("the store works")[0].size_bytes
}

/// The time from the dialling to the last envelope in the other node's store.
async fn carry(source: &Path, sink: &Path, count: usize) -> Duration {
    let source = start(source.to_owned()).await;
    let sink = start(sink.to_owned()).await;
    let begin = Instant::now();
    sink.dial(addr(&source));
    let held = || sink.call(|node, _| node.stats().foreign_envelopes);
    while held().await.expect("the node runs") < count as u64 {
        sleep(POLL).await;
    }
    let elapsed = begin.elapsed();
    for node in [sink, source] {
        node.shutdown().await.expect("the node runs");
    }
    elapsed
}

/// `direct_latency_ratio`: from a message to its verified acknowledgement, both ends online and
/// durable, against a request and its response.
async fn direct_latency(messages: usize) -> Figure {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let alice = start(directory.path().join("alice")).await;
    let bob = start(directory.path().join("bob")).await;
    let (to_bob, _) = (introduce(&alice, &bob).await, introduce(&bob, &alice).await);
    let mut events = alice.subscribe();
    bob.dial(addr(&alice));
    let proven = |event: &Event| matches!(event, Event::NeighbourProven { .. });
    wait_for(&mut events, proven).await;

    let bare = BareQuic::connect().await;
    let (mut request, mut response) = bare.echo(REQUEST_BYTES).await;
    let mut bytes = [0; REQUEST_BYTES];
    let mut pairs = Vec::new();
    for _ in 0..=messages {
        let start = Instant::now();
        deliver(&alice, to_bob, &mut events).await;
        let ours = start.elapsed();
        let start = Instant::now();
        request.write_all(&bytes).await.expect("the connection is up");
        response.read_exact(&mut bytes).await.expect("the connection is up");
        pairs.push((ours, start.elapsed()));
    }
    let comparison = Comparison::of(&pairs[1..]);
    Figure {
        name: "direct_latency_ratio".to_owned(),
        note: format!("{}, with two durable commits", comparison.note(1)),
        summary: comparison.ratio,
        unit: Unit::Ratio,
        goal: Goal::None,
    }
}

async fn deliver(alice: &Footpost, to_bob: ContactId, events: &mut Events) {
    let send = move |node: &mut footpost_core::Node, now| {
        let body: Body = text(REQUEST_BYTES);
        node.send(now, to_bob, &body, Priority::Normal)
    };
    let message = alice.call(send).await.expect("the node runs").expect("the text can be sent");
    let delivered = Event::Progress { message, state: State::Delivered };
    wait_for(events, |event| *event == delivered).await;
}

async fn wait_for(events: &mut Events, is_it: impl Fn(&Event) -> bool) {
    while !is_it(&events.next().await.expect("the node runs").expect("few events are waiting")) {}
}

pub(crate) async fn introduce(who: &Footpost, whom: &Footpost) -> ContactId {
    let card = whom.call(|node, _| node.card().clone()).await.expect("the node runs");
    let add = move |node: &mut footpost_core::Node, now| node.add_contact(now, &card, "friend");
    who.call(add).await.expect("the node runs").expect("the card is good")
}

pub(crate) async fn start(store: PathBuf) -> Footpost {
    let config = Config {
        store: StorePath::File(store),
        // One sender hands the same mail to many.
        node: footpost_core::Config::default()
            .work(footpost_core::Work::None)
            .router(footpost_core::Router::Epidemic)
            .clone(),
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        peers: Vec::new(),
        lan: false,
    };
    Footpost::start(config).await.expect("the node starts")
}

pub(crate) fn addr(node: &Footpost) -> SocketAddr {
    node.local_addr().expect("the socket is bound")
}

fn wall_clock() -> Timestamp {
    Timestamp(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
