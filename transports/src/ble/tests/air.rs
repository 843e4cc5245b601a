//! Radios in memory, in virtual time: each node a real controller, a shell that does as told, and in
//! the engine's place somebody who says hello and passes mail on.
//!
//! What a stack forbids is asserted of each command.

use super::super::{
    Attempt, Bearer, Command, Config, Connection, Controller, Device, Duty, Event, Fact, LinkRef,
    NodeId, Platform, Side, Tag,
};
use crate::frames;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

const MAX_STEP: Duration = Duration::from_millis(100);
const ADVERTISE_EVERY: Duration = Duration::from_millis(200);
/// What one thing takes that a stack does.
pub(super) const STEP: Duration = Duration::from_millis(10);
/// How long each callback wakes an iPhone's application in the background.
const IOS_WAKE: Duration = Duration::from_secs(10);

/// How L2CAP channels fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channels {
    None,
    Work,
    Refused,
    /// Nothing is heard of them for so long.
    Late(Duration),
}

/// What is to become of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    Lost,
    Becomes(Vec<u8>),
}

type Tamper = Box<dyn FnMut(usize, &Command) -> Fate>;

pub(super) struct Air {
    pub(super) now: Duration,
    pub(super) nodes: Vec<Phone>,
    pub(super) channels: Channels,
    pub(super) mtu: u16,
    /// Connections that a stack manages.
    pub(super) stack_limit: usize,
    pub(super) in_range: fn(usize, usize) -> bool,
    pub(super) tamper: Tamper,
    /// The commands of all, in order.
    pub(super) log: Vec<(Duration, usize, Command)>,
    due: BTreeMap<(Duration, u64), (usize, Fact)>,
    sequence: u64,
    advertise_at: Duration,
}

pub(super) struct Phone {
    pub(super) controller: Controller,
    pub(super) mail: BTreeSet<Vec<u8>>,
    /// Mail by how often it came.
    pub(super) came: BTreeMap<Vec<u8>, usize>,
    pub(super) links: BTreeMap<LinkRef, Talk>,
    pub(super) fetches: bool,
    platform: Platform,
    is_on: bool,
    is_scanning: bool,
    advertises: Option<Advertisement>,
    info: Vec<u8>,
    connecting: Option<Device>,
    pub(super) connections: BTreeSet<Connection>,
    writing: BTreeSet<Connection>,
    mtus: BTreeMap<Connection, u16>,
    scan_starts: VecDeque<Duration>,
    duty: Duty,
    /// Until when iOS lets it run in the background.
    awake_until: Duration,
}

#[derive(Clone, Copy)]
struct Advertisement {
    tag: Option<Tag>,
}

/// What the one in the engine's place knows of a link.
#[derive(Default)]
pub(super) struct Talk {
    has_greeted: bool,
    pub(super) neighbour: Option<NodeId>,
    sent: BTreeSet<Vec<u8>>,
    to_send: VecDeque<Vec<u8>>,
    pub(super) ended: bool,
}

pub(super) fn node_id(index: usize) -> NodeId {
    [index as u8 + 1; 32]
}

fn device(index: usize) -> Device {
    Device(index as u64)
}

fn other_end(index: usize, connection: Connection) -> (usize, Connection) {
    let there = connection.device.0 as usize;
    let side = match connection.side {
        Side::Central => Side::Peripheral,
        Side::Peripheral => Side::Central,
    };
    (there, Connection { device: device(index), side })
}

impl Air {
    pub(super) fn new(platforms: &[Platform], seed: u8) -> Self {
        let nodes = platforms.iter().enumerate().map(|(index, platform)| {
            let mut bytes = [seed; 32];
            bytes[0] = index as u8;
            Phone::new(*platform, bytes)
        });
        let mut air = Self {
            now: Duration::ZERO,
            nodes: nodes.collect(),
            channels: Channels::None,
            mtu: 517,
            stack_limit: 7,
            in_range: |_, _| true,
            tamper: Box::new(|_, _| Fate::Arrives),
            log: Vec::new(),
            due: BTreeMap::new(),
            sequence: 0,
            advertise_at: Duration::ZERO,
        };
        for index in 0..air.nodes.len() {
            air.duty(index, Duty::Performance);
        }
        air
    }

    pub(super) fn duty(&mut self, index: usize, duty: Duty) {
        let now = self.now;
        let phone = &mut self.nodes[index];
        (phone.duty, phone.awake_until) = (duty, now + IOS_WAKE);
        phone.controller.set_duty(now, duty);
    }

    pub(super) fn all_on(&mut self) {
        for index in 0..self.nodes.len() {
            self.power_on(index);
        }
    }

    pub(super) fn power_on(&mut self, index: usize) {
        self.nodes[index].is_on = true;
        self.fact(index, Duration::ZERO, Fact::AdapterOn);
        if self.channels != Channels::None {
            self.fact(index, Duration::ZERO, Fact::Listening { psm: 0x80 + index as u16 });
        }
    }

    pub(super) fn power_off(&mut self, index: usize) {
        let phone = &mut self.nodes[index];
        (phone.is_on, phone.is_scanning, phone.advertises) = (false, false, None);
        phone.connecting = None;
        for connection in std::mem::take(&mut phone.connections) {
            self.cut(index, connection);
        }
        self.due.retain(|_, (node, _)| *node != index);
        self.fact(index, Duration::ZERO, Fact::AdapterOff);
    }

    /// Ends a connection on air.
    pub(super) fn cut(&mut self, index: usize, connection: Connection) {
        let (there, back) = other_end(index, connection);
        for (node, connection) in [(index, connection), (there, back)] {
            let Some(phone) = self.nodes.get_mut(node) else { continue };
            phone.writing.remove(&connection);
            if phone.connections.remove(&connection) || node == index {
                self.fact(node, STEP, Fact::Disconnected { connection });
            }
        }
    }

    /// All connections have another MTU from now on.
    pub(super) fn change_mtu(&mut self, mtu: u16) {
        self.mtu = mtu;
        for index in 0..self.nodes.len() {
            for connection in self.nodes[index].connections.clone() {
                self.fact(index, Duration::ZERO, Fact::Mtu { connection, mtu });
            }
        }
    }

    pub(super) fn fact(&mut self, index: usize, delay: Duration, fact: Fact) {
        self.sequence += 1;
        self.due.insert((self.now + delay, self.sequence), (index, fact));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Lets time pass until something is so; false where it did not come about.
    pub(super) fn run_until(&mut self, time: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + time;
        while self.now < end && !so(self) {
            self.step();
        }
        so(self)
    }

    /// Goes on to when something may happen next.
    fn step(&mut self) {
        let now = self.now;
        let awake = self.nodes.iter().filter(|phone| !phone.is_asleep(now));
        let timeouts = awake.filter_map(|phone| phone.controller.poll_timeout(now));
        let due = self.due.keys().map(|(at, _)| *at).next();
        let is_heard = self.nodes.iter().any(|phone| phone.is_scanning);
        let next = timeouts.chain(due).chain(is_heard.then_some(self.advertise_at)).min();
        self.now = next.unwrap_or(now).clamp(now + Duration::from_millis(1), now + MAX_STEP);
        if is_heard && self.advertise_at <= self.now {
            self.advertise_at = self.now + ADVERTISE_EVERY;
            self.advertise();
        }
        while let Some(entry) = self.due.first_entry().filter(|it| it.key().0 <= self.now) {
            let (index, fact) = entry.remove();
            self.nodes[index].awake_until = self.now + IOS_WAKE;
            self.nodes[index].note(&fact);
            self.nodes[index].controller.handle(self.now, fact);
            self.drain(index);
        }
        for index in 0..self.nodes.len() {
            if self.nodes[index].is_asleep(self.now) {
                continue;
            }
            let timeout = self.nodes[index].controller.poll_timeout(self.now);
            if timeout.is_some_and(|at| at <= self.now) {
                self.nodes[index].controller.handle_timeout(self.now);
            }
            self.drain(index);
        }
    }

    fn advertise(&mut self) {
        for hearer in 0..self.nodes.len() {
            for speaker in 0..self.nodes.len() {
                let Some(Advertisement { tag }) = self.nodes[speaker].advertises else { continue };
                let hears = self.nodes[hearer].is_scanning && hearer != speaker;
                if hears && (self.in_range)(hearer, speaker) {
                    let rssi = -50 - (hearer.abs_diff(speaker) as i8);
                    self.fact(
                        hearer,
                        Duration::ZERO,
                        Fact::Seen { device: device(speaker), rssi, tag },
                    );
                }
            }
        }
    }

    fn drain(&mut self, index: usize) {
        loop {
            let now = self.now;
            self.nodes[index].talk(now, index);
            let Some(command) = self.nodes[index].controller.next_command(now) else { break };
            self.log.push((now, index, command.clone()));
            self.nodes[index].check(now, &command);
            self.execute(index, command);
        }
    }

    fn execute(&mut self, index: usize, command: Command) {
        let phone = &mut self.nodes[index];
        match command {
            Command::Scan { .. } => phone.is_scanning = true,
            Command::StopScan => phone.is_scanning = false,
            Command::Advertise { tag, .. } => phone.advertises = Some(Advertisement { tag }),
            Command::Serve { info } => phone.info = info,
            Command::Connect { device } => self.connect(index, device),
            Command::Disconnect { connection } => {
                phone.connecting.take_if(|device| Connection::to(*device) == connection);
                self.cut(index, connection);
            }
            Command::ExchangeMtu { connection, mtu } => {
                let mtu = mtu.min(self.mtu);
                self.both(index, connection, |connection| Fact::Mtu { connection, mtu });
            }
            Command::ReadInfo { connection } => {
                let value = self.nodes[connection.device.0 as usize].info.clone();
                self.fact(index, 2 * STEP, Fact::Info { connection, value });
            }
            Command::OpenChannel { connection, .. } => self.open_channel(index, connection),
            Command::Subscribe { connection } => {
                self.both(index, connection, |connection| Fact::Subscribed { connection });
            }
            Command::Write { connection, ref value }
            | Command::Notify { connection, ref value } => {
                self.deliver(index, connection, Bearer::Gatt, value.clone(), &command);
            }
            Command::Send { connection, ref bytes } => {
                self.deliver(index, connection, Bearer::L2cap, bytes.clone(), &command);
            }
        }
    }

    fn connect(&mut self, index: usize, to: Device) {
        let there = to.0 as usize;
        self.nodes[index].connecting = Some(to);
        let (here_to, there_from) = (Connection::to(to), Connection::from(device(index)));
        let has_place = |phone: &Phone| phone.connections.len() < self.stack_limit;
        let answers = self.nodes[there].advertises.is_some() && (self.in_range)(index, there);
        if answers && has_place(&self.nodes[index]) && has_place(&self.nodes[there]) {
            self.nodes[index].connections.insert(here_to);
            self.nodes[there].connections.insert(there_from);
            self.fact(index, 5 * STEP, Fact::Connected { connection: here_to, mtu: 23 });
            self.fact(there, 4 * STEP, Fact::Connected { connection: there_from, mtu: 23 });
        } else {
            let what = Attempt::Connection(here_to);
            self.fact(index, 100 * STEP, Fact::Failed { what });
        }
    }

    fn both(&mut self, index: usize, connection: Connection, fact: impl Fn(Connection) -> Fact) {
        let (there, back) = other_end(index, connection);
        self.fact(there, STEP, fact(back));
        self.fact(index, 2 * STEP, fact(connection));
    }

    fn open_channel(&mut self, index: usize, connection: Connection) {
        let (there, back) = other_end(index, connection);
        match self.channels {
            Channels::Work => {
                self.both(index, connection, |connection| Fact::ChannelOpen { connection });
            }
            Channels::Late(delay) => {
                // The neighbour's stack may well have it open at once.
                self.fact(there, STEP, Fact::ChannelOpen { connection: back });
                self.fact(index, delay, Fact::ChannelOpen { connection });
            }
            Channels::Refused | Channels::None => {
                let what = Attempt::Channel(connection);
                self.fact(index, 3 * STEP, Fact::Failed { what });
            }
        }
    }

    fn deliver(
        &mut self,
        index: usize,
        connection: Connection,
        bearer: Bearer,
        bytes: Vec<u8>,
        command: &Command,
    ) {
        self.nodes[index].writing.insert(connection);
        self.fact(index, STEP, Fact::Writable { connection });
        if !self.nodes[index].connections.contains(&connection) {
            return;
        }
        let (there, back) = other_end(index, connection);
        let bytes = match (self.tamper)(index, command) {
            Fate::Arrives => bytes,
            Fate::Becomes(other) => other,
            Fate::Lost => return,
        };
        self.fact(there, 2 * STEP, Fact::Received { connection: back, bearer, bytes });
    }

    /// Who has identified whom on links that are up.
    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for (index, phone) in self.nodes.iter().enumerate() {
            for talk in phone.links.values() {
                if let Some(neighbour) = talk.neighbour {
                    pairs.push((index, usize::from(neighbour[0]) - 1));
                }
            }
        }
        pairs.sort_unstable();
        pairs
    }

    pub(super) fn all_have(&self, mail: &[u8]) -> bool {
        self.nodes.iter().all(|phone| phone.mail.contains(mail))
    }
}

impl Phone {
    fn new(platform: Platform, seed: [u8; 32]) -> Self {
        Self {
            controller: Controller::new(Config::new(platform), seed),
            mail: BTreeSet::new(),
            came: BTreeMap::new(),
            links: BTreeMap::new(),
            fetches: true,
            platform,
            is_on: false,
            is_scanning: false,
            advertises: None,
            info: Vec::new(),
            connecting: None,
            connections: BTreeSet::new(),
            writing: BTreeSet::new(),
            mtus: BTreeMap::new(),
            scan_starts: VecDeque::new(),
            duty: Duty::default(),
            awake_until: Duration::ZERO,
        }
    }

    /// Whether timers stand still.
    fn is_asleep(&self, now: Duration) -> bool {
        self.is_ios_background() && now > self.awake_until
    }

    fn is_ios_background(&self) -> bool {
        self.platform == Platform::Ios && self.duty == Duty::Background
    }

    /// The shell's own part in what happens.
    fn note(&mut self, fact: &Fact) {
        if let Fact::Connected { connection, mtu } | Fact::Mtu { connection, mtu } = fact {
            self.mtus.insert(*connection, (*mtu).max(23));
        }
        match fact {
            Fact::Writable { connection } => drop(self.writing.remove(connection)),
            Fact::Connected { connection: it, .. }
            | Fact::Failed { what: Attempt::Connection(it) }
            | Fact::Disconnected { connection: it }
                if self.connecting.is_some_and(|device| Connection::to(device) == *it) =>
            {
                self.connecting = None;
            }
            _ => {}
        }
    }

    /// What no stack would stand.
    fn check(&mut self, now: Duration, command: &Command) {
        assert!(self.is_on, "{command:?} to an adapter that is off");
        match command {
            Command::StopScan => {
                assert!(!self.is_ios_background(), "who stops cannot be woken to start again");
            }
            Command::Scan { .. } => {
                let is_repeated = self.is_ios_background() && self.is_scanning;
                assert!(!is_repeated, "the system paces this scan");
                self.scan_starts.push_back(now);
                if self.scan_starts.len() > 5 {
                    let first = self.scan_starts.pop_front().unwrap();
                    assert!(now > first + Duration::from_secs(30), "Android starves this scan");
                }
            }
            Command::Advertise { tag, .. } if self.platform == Platform::Ios => {
                assert_eq!(*tag, None, "iOS advertises no data");
            }
            Command::Connect { .. } => {
                assert_eq!(self.connecting, None, "two connects at a time");
                let stats = self.controller.stats();
                assert!(stats.connections <= stats.budget, "over budget: {stats:?}");
            }
            Command::Write { connection, value } | Command::Notify { connection, value } => {
                let mtu = self.mtus.get(connection).copied().unwrap_or(23);
                assert!(value.len() <= usize::from(mtu - 3).min(509), "{} at {mtu}", value.len());
                assert!(!self.writing.contains(connection), "written before writable");
                let is_write = matches!(command, Command::Write { .. });
                assert_eq!(is_write, connection.side == Side::Central);
            }
            Command::Send { connection, .. } => {
                assert!(!self.writing.contains(connection), "sent before writable");
            }
            _ => {}
        }
    }

    /// Says hello, and passes mail on.
    fn talk(&mut self, now: Duration, index: usize) {
        while let Some(event) = self.controller.next_event() {
            match event {
                Event::Up { link } => drop(self.links.insert(link, Talk::default())),
                Event::Ended { link } => {
                    self.links.get_mut(&link).unwrap().ended = true;
                }
                Event::Down { link } => drop(self.links.remove(&link).unwrap()),
                Event::Frame { link, frame } => self.hear(now, index, link, frame),
            }
        }
        for (link, talk) in &mut self.links {
            if link.connection.side == Side::Central && !talk.has_greeted {
                talk.has_greeted = true;
                talk.to_send.push_front(node_id(index).to_vec());
            }
            if talk.neighbour.is_some() {
                talk.to_send.extend(self.mail.difference(&talk.sent).cloned());
                talk.sent.extend(self.mail.iter().cloned());
            }
            while self.controller.has_room(*link) == Some(true)
                && let Some(frame) = talk.to_send.pop_front()
            {
                self.controller.push(*link, &frames::join(&[frame]).unwrap());
            }
        }
    }

    fn hear(&mut self, now: Duration, index: usize, link: LinkRef, frame: Vec<u8>) {
        let Some(talk) = self.links.get_mut(&link) else { return };
        if self.fetches {
            self.controller.fetched(now, link, frame.len());
        }
        match (talk.neighbour, NodeId::try_from(&*frame)) {
            (None, Ok(neighbour)) => {
                talk.neighbour = Some(neighbour);
                if !talk.has_greeted {
                    talk.has_greeted = true;
                    talk.to_send.push_front(node_id(index).to_vec());
                }
                self.controller.identified(now, link, node_id(index), neighbour);
            }
            (None, Err(_)) => self.controller.abort(now, link),
            (Some(_), _) => {
                talk.sent.insert(frame.clone());
                *self.came.entry(frame.clone()).or_default() += 1;
                self.mail.insert(frame);
            }
        }
    }
}
