//! Real nodes in virtual time, two at a time, and the line between them.

use footpost_core::{
    Body, Config, ContactId, CostClass, Event, LinkId, LinkInfo, Node, Priority, Role, Router,
    StorePath, Timestamp, Work,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::VecDeque;
use std::time::Duration;

/// When every measurement begins: 2026-06-01, noon UTC.
pub(crate) const START: Timestamp = Timestamp(1_780_315_200_000);
/// Inputs that a driver finds waiting, and commits in one transaction.
const BATCH: usize = 100;
const MAX_FRAME_BYTES: usize = 65_535;
/// The link of a writer's first messages.
const GREETING: LinkId = LinkId(u64::MAX);
/// How many go either way: envelopes are small once both have the other's card and post-quantum
/// target.
const GREETINGS: usize = 4;
/// By then the node has acknowledged what it has received.
const ACK_DELAY_MAX: Duration = Duration::from_mins(3);

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn text(len: usize) -> Body {
    Body::Text("x".repeat(len))
}

/// A node that carries whatever it is given.
pub(crate) fn open(path: &StorePath, seed: u64, now: Timestamp) -> Node {
    let mut config = Config::default();
    // One sender hands the same mail to many: what is measured is the way, not whose turn it is.
    config.router(Router::Epidemic);
    config.max_carried_envelopes(1_000_000).max_carried_bytes(4 << 30).work(Work::None);
    Node::open(path, config, Box::new(rng(seed)), now).expect("the node opens")
}

/// Writes to somebody who has gone, and whom nobody here will ever meet.
pub(crate) struct Writer {
    pub(crate) node: Node,
    absent: ContactId,
    now: Timestamp,
}

impl Writer {
    pub(crate) fn new(path: &StorePath, seed: u64) -> Self {
        Self::at(START, path, seed)
    }

    /// One that seals with X-Wing.
    pub(crate) fn xwing(path: &StorePath, seed: u64) -> Self {
        Self::greeting(START, path, seed, 1)
    }

    pub(crate) fn at(now: Timestamp, path: &StorePath, seed: u64) -> Self {
        Self::greeting(now, path, seed, GREETINGS)
    }

    fn greeting(now: Timestamp, path: &StorePath, seed: u64, greetings: usize) -> Self {
        let mut node = open(path, seed, now);
        let mut other = open(&StorePath::Memory, u64::MAX, now);
        let absent = node.add_contact(now, other.card(), "absent").expect("the card is good");
        let back = other.add_contact(now, node.card(), "writer").expect("the card is good");
        connect([&mut node, &mut other], GREETING, 0);
        for _ in 0..greetings {
            node.send(now, absent, &text(1), Priority::Normal).expect("the text can be sent");
            exchange([&mut node, &mut other], GREETING);
            other.send(now, back, &text(1), Priority::Normal).expect("the text can be sent");
            exchange([&mut node, &mut other], GREETING);
        }
        cut([&mut node, &mut other], GREETING);
        node.handle_timeout(now + ACK_DELAY_MAX).expect("the store works");
        node.commit().expect("the store works");
        while node.poll_event().is_some() {}
        Self { node, absent, now }
    }

    pub(crate) fn write(&mut self, body: &Body, count: usize) {
        for _ in 0..count {
            let sent = self.node.send(self.now, self.absent, body, Priority::Normal);
            sent.expect("the text can be sent");
        }
    }
}

/// The longest text that [`Writer::write`] makes an envelope of at most `envelope_bytes` of.
pub(crate) fn text_for(envelope_bytes: usize) -> Body {
    let envelope_bytes_of = |len| {
        let mut writer = Writer::new(&StorePath::Memory, 9);
        writer.write(&text(len), 1);
        let all = writer.node.carried(1).expect("the store works");
        all.first().map_or(0, |envelope| envelope.size_bytes)
    };
    let fits = |len: &usize| envelope_bytes_of(*len) <= envelope_bytes;
    // What is not text takes less than 640 bytes, and padding an eighth.
    let lens =
        (envelope_bytes * 7 / 8 - 640.min(envelope_bytes / 2)..envelope_bytes).rev().step_by(16);
    text(lens.into_iter().find(fits).unwrap_or(1))
}

/// A line between two neighbours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) round_trip: Duration,
    /// In each direction. Zero stands for a line that is never busy.
    pub(crate) bytes_per_s: u32,
}

impl Line {
    /// For what is not about time.
    pub(crate) const INSTANT: Self = Self { round_trip: Duration::ZERO, bytes_per_s: 0 };

    fn occupied_by(&self, bytes: usize) -> Duration {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        match self.bytes_per_s {
            0 => Duration::ZERO,
            rate => Duration::from_secs(1) * bytes / rate,
        }
    }
}

/// What was seen of a reconciliation.
pub(crate) struct Reconciliation {
    /// Frame bytes of both sides, the sketch included.
    pub(crate) sync_bytes: u64,
    /// From the end of the handshake, on the side that sends it, to the first envelope.
    pub(crate) until_envelope: Option<Duration>,
    /// The envelope frame that each side was about to send.
    pub(crate) held_back: [Option<Vec<u8>>; 2],
}

/// Connects the two; `dialler` dials.
pub(crate) fn connect(nodes: [&mut Node; 2], link: LinkId, dialler: usize) {
    for (side, node) in nodes.into_iter().enumerate() {
        let role = if side == dialler { Role::Initiator } else { Role::Responder };
        node.handle_link_up(START, link, link_info(role)).expect("the store works");
        node.commit().expect("the store works");
    }
}

pub(crate) fn link_info(role: Role) -> LinkInfo {
    LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: MAX_FRAME_BYTES }
}

pub(crate) fn cut(nodes: [&mut Node; 2], link: LinkId) {
    for node in nodes {
        node.handle_link_down(START, link).expect("the store works");
        node.commit().expect("the store works");
        while node.poll_event().is_some() {}
    }
}

/// Lets all that waits go back and forth, in no time.
pub(crate) fn exchange([a, b]: [&mut Node; 2], link: LinkId) {
    loop {
        let moved = deliver(a, b, link) + deliver(b, a, link);
        if moved == 0 {
            return;
        }
    }
}

fn deliver(from: &mut Node, to: &mut Node, link: LinkId) -> usize {
    let poll = || from.poll_transmit(START, link).expect("the store works");
    let frames: Vec<_> = std::iter::from_fn(poll).take(BATCH).collect();
    for frame in &frames {
        to.handle_frame(START, link, frame).expect("the store works");
    }
    to.commit().expect("the store works");
    frames.len()
}

/// Runs a fresh link until both sides know what the other lacks. The envelopes stay where they are,
/// so that the same difference can be reconciled again on another link.
pub(crate) fn reconcile(nodes: [&mut Node; 2], link: LinkId, line: Line) -> Reconciliation {
    let before = sync_bytes(&nodes);
    let mut wire = Wire { nodes, link, line, now: Duration::ZERO, sides: Default::default() };
    while wire.step() {}
    let sides = wire.sides;
    let until_envelope =
        sides.iter().filter_map(|side| side.held_at?.checked_sub(side.greeted_at?)).min();
    Reconciliation {
        sync_bytes: sync_bytes(&wire.nodes) - before,
        until_envelope,
        held_back: sides.map(|side| side.held_back),
    }
}

fn sync_bytes(nodes: &[&mut Node; 2]) -> u64 {
    nodes.iter().map(|node| node.stats().sent.sync_bytes).sum()
}

struct Wire<'a> {
    nodes: [&'a mut Node; 2],
    link: LinkId,
    line: Line,
    now: Duration,
    sides: [Side; 2],
}

/// One direction, seen from its sender.
#[derive(Default)]
struct Side {
    /// Frames under way, and when they arrive.
    under_way: VecDeque<(Duration, Vec<u8>)>,
    busy_until: Duration,
    has_more: bool,
    greeted_at: Option<Duration>,
    held_at: Option<Duration>,
    held_back: Option<Vec<u8>>,
}

impl Wire<'_> {
    /// Polls both sides, then lets the next thing happen, if there is one.
    fn step(&mut self) -> bool {
        for side in 0..2 {
            self.poll(side);
        }
        let arrival = |side: &Side| side.under_way.front().map(|(at, _)| *at);
        let free = |side: &Side| side.has_more.then_some(side.busy_until);
        let next = self.sides.iter().flat_map(|side| [arrival(side), free(side)]).flatten().min();
        let Some(next) = next else { return false };
        self.now = next;
        for side in 0..2 {
            let due = |(at, _): &mut (Duration, Vec<u8>)| *at <= next;
            while let Some((_, frame)) = self.sides[side].under_way.pop_front_if(due) {
                self.arrive(1 - side, &frame);
            }
        }
        true
    }

    fn arrive(&mut self, side: usize, frame: &[u8]) {
        let now = self.timestamp();
        self.nodes[side].handle_frame(now, self.link, frame).expect("the store works");
        self.nodes[side].commit().expect("the store works");
        self.note_greeting(side);
    }

    fn poll(&mut self, side: usize) {
        let now = self.timestamp();
        self.sides[side].has_more = false;
        while self.sides[side].held_back.is_none() {
            if self.sides[side].busy_until > self.now {
                self.sides[side].has_more = true;
                return;
            }
            let before = self.nodes[side].stats().sent.envelope_bytes;
            let frame = self.nodes[side].poll_transmit(now, self.link).expect("the store works");
            let Some(frame) = frame else { return };
            let this = &mut self.sides[side];
            if self.nodes[side].stats().sent.envelope_bytes > before {
                this.held_at = Some(self.now);
                this.held_back = Some(frame);
            } else {
                this.busy_until = self.now + self.line.occupied_by(frame.len());
                this.under_way.push_back((this.busy_until + self.line.round_trip / 2, frame));
            }
        }
    }

    fn note_greeting(&mut self, side: usize) {
        while let Some(event) = self.nodes[side].poll_event() {
            if matches!(event, Event::NeighbourUp { .. }) {
                self.sides[side].greeted_at = Some(self.now);
            }
        }
    }

    fn timestamp(&self) -> Timestamp {
        START + self.now
    }
}
