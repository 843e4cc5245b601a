//! A small network: real nodes, virtual time, links that misbehave on demand.

use footpost_core::{
    Body, Config, ContactId, CostClass, Event, LinkId, LinkInfo, Message, MessageId, Node,
    Priority, Role, StorePath, Timestamp, Work,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// When every simulated world begins: 2026-06-01, noon UTC.
pub const START: Timestamp = Timestamp(1_780_315_200_000);

/// What links do wrong, in frames out of 1,000. A link is a reliable stream in life; these break
/// that promise, and the nodes must notice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Frames that vanish.
    pub lost: u64,
    /// Frames that come twice.
    pub doubled: u64,
    /// Frames that come late, after later ones.
    pub delayed: u64,
}

/// Default settings, but for postmarks, which cost no work: virtual days would take real hours of it.
pub fn simulated() -> Config {
    Config::default().work(Work::None).clone()
}

/// A network of nodes that are numbered from 0.
pub struct Net {
    nodes: Vec<Node>,
    now: Timestamp,
    rng: ChaCha20Rng,
    /// One-way delay of every link, in milliseconds.
    pub latency_ms: u64,
    /// What goes wrong on all links.
    pub faults: Faults,
    /// Frames that wait for their moment, by time and order of sending.
    on_the_way: BTreeMap<(Timestamp, u64), Flight>,
    sent: u64,
    links: BTreeMap<LinkId, [usize; 2]>,
    next_link: u64,
    events: Vec<Vec<Event>>,
    trace: Vec<String>,
    frames: Vec<FrameSeen>,
    frame_limit: Option<u64>,
}

/// What an observer of a link sees of a frame.
#[derive(Debug, Clone, Copy)]
pub struct FrameSeen {
    /// When it was sent.
    pub at: Timestamp,
    /// On which link.
    pub link: LinkId,
    /// By which node.
    pub from: usize,
    /// Its length in bytes.
    pub size_bytes: usize,
}

struct Flight {
    link: LinkId,
    to: usize,
    frame: Vec<u8>,
}

impl Net {
    /// `count` strangers with default settings.
    pub fn new(seed: u64, count: usize) -> Self {
        Self::with_config(seed, count, &simulated())
    }

    /// `count` strangers with the same settings.
    pub fn with_config(seed: u64, count: usize, config: &Config) -> Self {
        println!("seed {seed}");
        let mut net = Self {
            nodes: Vec::new(),
            now: START,
            rng: ChaCha20Rng::seed_from_u64(seed),
            latency_ms: 20,
            faults: Faults::default(),
            on_the_way: BTreeMap::new(),
            sent: 0,
            links: BTreeMap::new(),
            next_link: 0,
            events: Vec::new(),
            trace: Vec::new(),
            frames: Vec::new(),
            frame_limit: None,
        };
        for _ in 0..count {
            net.add(&StorePath::Memory, config.clone());
        }
        net
    }

    /// One more node, with its store at `path`.
    pub fn add(&mut self, path: &StorePath, config: Config) -> usize {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(self.rng.next_u64()));
        let node = Node::open(path, config, rng, self.now).expect("the node opens");
        self.nodes.push(node);
        self.events.push(Vec::new());
        self.nodes.len() - 1
    }

    /// The node, for commands and getters.
    pub fn node(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }

    /// The time of the world.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Each of the two holds the other's card; the contacts' numbers, `a`'s first.
    pub fn befriend(&mut self, a: usize, b: usize) -> (ContactId, ContactId) {
        (self.introduce(a, b), self.introduce(b, a))
    }

    /// `who` gets the card of `whom`.
    pub fn introduce(&mut self, who: usize, whom: usize) -> ContactId {
        let card = self.nodes[whom].card().clone();
        let name = format!("node {whom}");
        self.nodes[who].add_contact(self.now, &card, &name).expect("a fresh card is good")
    }

    /// Sends text of ordinary priority.
    pub fn send(&mut self, from: usize, to: ContactId, text: &str) -> MessageId {
        let body = Body::Text(text.to_owned());
        let id = self.nodes[from].send(self.now, to, &body, Priority::Normal);
        self.flush();
        id.expect("the text can be sent")
    }

    /// Connects two nodes; `a` dials.
    pub fn connect(&mut self, a: usize, b: usize) -> LinkId {
        self.connect_by(a, b, CostClass::Lan, 65_535)
    }

    /// Connects two nodes by a link of this kind and frame size; `a` dials.
    pub fn connect_by(
        &mut self,
        a: usize,
        b: usize,
        cost: CostClass,
        max_frame_bytes: usize,
    ) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(link, [a, b]);
        for (node, role) in [(b, Role::Responder), (a, Role::Initiator)] {
            let info = LinkInfo { role, cost, max_frame_bytes };
            self.nodes[node].handle_link_up(self.now, link, info).expect("the store works");
        }
        self.flush();
        link
    }

    /// Cuts a link; what is on the way is lost.
    pub fn cut(&mut self, link: LinkId) {
        self.on_the_way.retain(|_, flight| flight.link != link);
        for node in self.links.remove(&link).into_iter().flatten() {
            self.nodes[node].handle_link_down(self.now, link).expect("the store works");
        }
        self.flush();
    }

    /// Cuts every link.
    pub fn cut_all(&mut self) {
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.cut(link);
        }
    }

    /// Whether the link is still there: the nodes end links that misbehave.
    pub fn is_up(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// From here on only so many frames arrive, then every link is cut.
    pub fn cut_after(&mut self, frames: u64) {
        self.frame_limit = Some(frames);
    }

    /// Whether the limit of [`Net::cut_after`] was reached; lifts it.
    pub fn was_cut(&mut self) -> bool {
        self.frame_limit.take() == Some(0)
    }

    /// Lets `ms` milliseconds pass.
    pub fn run_for(&mut self, ms: u64) {
        let end = Timestamp(self.now.0 + ms);
        self.flush();
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until no frame is on the way. Timers do not count: they can be days off.
    pub fn run_until_quiet(&mut self) {
        self.flush();
        while let Some(((at, _), _)) = self.on_the_way.first_key_value() {
            self.step(*at);
        }
    }

    /// What the node has told since this was last asked.
    pub fn events(&mut self, index: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[index])
    }

    /// All that has happened, a line a fact: the same for the same seed.
    pub fn trace(&self) -> &[String] {
        &self.trace
    }

    /// Every frame that was sent, in order.
    pub fn frames(&self) -> &[FrameSeen] {
        &self.frames
    }

    /// Forgets events, trace and frames: long runs do not keep them.
    pub fn forget(&mut self) {
        self.events.iter_mut().for_each(Vec::clear);
        self.trace.clear();
        self.frames.clear();
    }

    /// What `who` has of the conversation with `contact`.
    pub fn messages(&self, who: usize, contact: Option<ContactId>) -> Vec<Message> {
        self.nodes[who].messages(contact, None, 10_000).expect("the store works")
    }

    /// The received texts at `who`.
    pub fn inbox(&self, who: usize) -> Vec<String> {
        let messages = self.messages(who, None).into_iter().filter(|message| !message.outgoing);
        messages.filter_map(|message| message.body.as_text().map(ToOwned::to_owned)).collect()
    }

    /// How many envelopes each node has on board.
    pub fn copies(&self) -> Vec<usize> {
        self.nodes
            .iter()
            .map(|node| node.carried(100_000).expect("the store works").len())
            .collect()
    }

    /// Handles what comes next, if it comes until `end`.
    fn step(&mut self, end: Timestamp) -> bool {
        let frame = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        let wakes = (0..self.nodes.len()).filter_map(|index| {
            let (at, _) = self.nodes[index].poll_timeout().expect("the store works")?;
            Some((at.max(self.now), index))
        });
        let wake = wakes.min();
        let frame_first = frame.is_some_and(|frame| wake.is_none_or(|(at, _)| frame <= at));
        if frame_first {
            let Some(entry) = self.on_the_way.first_entry().filter(|e| e.key().0 <= end) else {
                return false;
            };
            self.now = self.now.max(entry.key().0);
            let flight = entry.remove();
            self.arrive(flight);
        } else {
            let Some((at, index)) = wake.filter(|(at, _)| *at <= end) else { return false };
            self.now = at;
            self.trace.push(format!("{:?} node {index} wakes", self.now));
            self.nodes[index].handle_timeout(self.now).expect("the store works");
        }
        self.flush();
        true
    }

    fn arrive(&mut self, Flight { link, to, frame }: Flight) {
        if self.frame_limit == Some(0) {
            self.cut_all();
            return;
        }
        self.frame_limit = self.frame_limit.map(|limit| limit - 1);
        self.nodes[to].handle_frame(self.now, link, &frame).expect("the store works");
    }

    /// Commits and polls every node, as a driver does.
    fn flush(&mut self) {
        let mut ended = BTreeSet::new();
        for index in 0..self.nodes.len() {
            self.nodes[index].commit().expect("the store works");
            let links: Vec<_> = self.links.iter().map(|(link, ends)| (*link, *ends)).collect();
            for (link, ends) in links.into_iter().filter(|(_, ends)| ends.contains(&index)) {
                let peer = if ends[0] == index { ends[1] } else { ends[0] };
                let poll = |node: &mut Node, now| node.poll_transmit(now, link);
                while let Some(frame) =
                    poll(&mut self.nodes[index], self.now).expect("the store works")
                {
                    self.launch(link, index, peer, &frame);
                }
            }
            while let Some(event) = self.nodes[index].poll_event() {
                if let Event::LinkClosed { link, .. } = event {
                    ended.insert(link);
                }
                self.trace.push(format!("{:?} node {index} {event:?}", self.now));
                self.events[index].push(event);
            }
        }
        for link in ended {
            self.cut(link);
        }
    }

    fn launch(&mut self, link: LinkId, from: usize, to: usize, frame: &[u8]) {
        let digest = frame.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.trace.push(format!(
            "{:?} {from}→{to} link {} {} bytes {digest:016x}",
            self.now,
            link.0,
            frame.len()
        ));
        self.frames.push(FrameSeen { at: self.now, link, from, size_bytes: frame.len() });
        let [lost, doubled, delayed] = [self.faults.lost, self.faults.doubled, self.faults.delayed]
            .map(|per_mille| per_mille > 0 && self.rng.next_u64() % 1000 < per_mille);
        let late_ms = if delayed { self.latency_ms * 3 } else { 0 };
        let at = Timestamp(self.now.0 + self.latency_ms + late_ms);
        for _ in usize::from(lost)..=usize::from(doubled) {
            self.sent += 1;
            let flight = Flight { link, to, frame: frame.to_vec() };
            self.on_the_way.insert((at, self.sent), flight);
        }
    }
}
