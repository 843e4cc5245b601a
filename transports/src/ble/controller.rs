//! Whom to connect, when, and for how long.

mod places;
mod setup;

use super::budget::Budget;
use super::command::{Bearer, Command, Connection, Fact, Tag};
use super::devices::{Devices, Parting};
use super::duty::{Duty, Platform, Radio, Usage};
use super::gatt::Broken;
use super::info::Info;
use super::link::{Link, Nodes, Stage};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    time::Duration,
};
use tracing::debug;

/// A stack that does not confirm an end within this time has forgotten the connection.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// A link that has been quiet for so long is given up where power is short.
const IDLE: Duration = Duration::from_secs(30);

/// Who a neighbour is, known from the handshake inside the link: its link key of the day.
pub type NodeId = [u8; 32];

/// How a controller is to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// What the shell runs on.
    pub platform: Platform,
    /// Connections at a time, at most; fewer where the stack turns out not to manage so many.
    pub max_links: usize,
}

impl Config {
    /// Six links: the most that every stack is said to keep.
    pub fn new(platform: Platform) -> Self {
        Self { platform, max_links: 6 }
    }
}

/// A link, told from earlier ones with the same device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkRef {
    /// Its connection.
    pub connection: Connection,
    /// Its number.
    pub number: u64,
}

/// By whom a connection ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// This node has had enough.
    Own,
    /// The neighbour, or distance: which of them, nobody knows.
    Neighbour,
    /// It never came about, or what came was no link.
    Broken,
    /// The adapter went.
    Adapter,
}

/// What happens to links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A link is up. The central speaks first.
    Up {
        /// The link.
        link: LinkRef,
    },
    /// A frame has come in: to be answered by [`Controller::fetched`].
    Frame {
        /// The link.
        link: LinkRef,
        /// The frame.
        frame: Vec<u8>,
    },
    /// The neighbour has ended the link in order: no more frames.
    Ended {
        /// The link.
        link: LinkRef,
    },
    /// The link is down.
    Down {
        /// The link.
        link: LinkRef,
    },
}

/// What a controller has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Radio-on time and traffic.
    pub usage: Usage,
    /// Connections at present, those under way among them.
    pub connections: usize,
    /// Links at present.
    pub links: usize,
    /// How many connections the stack is thought to manage.
    pub budget: usize,
    /// Second links to the same node that were ended.
    pub duplicates: u64,
    /// Connections that were not made, or ended after one read, because there was nothing new.
    pub spared: u64,
}

/// The policy of one radio. It knows time as handed in: since whatever start, and never backwards.
///
/// Facts go in by [`Self::handle`]; when [`Self::poll_timeout`] says so, [`Self::handle_timeout`]
/// is due. Then commands are asked for until there are none, and events likewise.
#[derive(Debug)]
pub struct Controller {
    config: Config,
    rng: ChaCha8Rng,
    radio: Radio,
    devices: Devices,
    budget: Budget,
    links: BTreeMap<Connection, Link>,
    next_number: u64,
    is_on: bool,
    info: Info,
    commands: VecDeque<Command>,
    events: VecDeque<Event>,
    last_writer: Option<Connection>,
    duplicates: u64,
    spared: u64,
}

impl Controller {
    /// A controller whose adapter is not on yet.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            config,
            rng: ChaCha8Rng::from_seed(seed),
            radio: Radio::new(config.platform, Duty::default()),
            devices: Devices::default(),
            budget: Budget::new(config.max_links),
            links: BTreeMap::new(),
            next_number: 0,
            is_on: false,
            info: Info::default(),
            commands: VecDeque::new(),
            events: VecDeque::new(),
            last_writer: None,
            duplicates: 0,
            spared: 0,
        }
    }

    /// What it has done.
    pub fn stats(&self) -> Stats {
        Stats {
            usage: self.radio.usage,
            connections: self.links.len(),
            links: self.links.values().filter(|link| link.is_up()).count(),
            budget: self.budget.links(),
            duplicates: self.duplicates,
            spared: self.spared,
        }
    }

    /// How eager the radio is, from now on.
    pub fn set_duty(&mut self, now: Duration, duty: Duty) {
        self.count(now);
        self.radio.set_duty(now, duty);
        self.settle(now);
    }

    /// What this node has: a digest of it, the `tag` that tells acquaintances so, and the tags of
    /// nodes that have the same.
    pub fn set_news(
        &mut self,
        now: Duration,
        contents: [u8; 32],
        tag: Option<Tag>,
        known: BTreeMap<Tag, NodeId>,
    ) {
        self.devices.set_news(contents, known);
        self.radio.tag = tag;
        self.set_info(Info { tag, ..self.info });
        self.settle(now);
    }

    /// The engine's handshake has shown who is at the other end of a link, and who is at this one.
    pub fn identified(&mut self, now: Duration, link: LinkRef, own: NodeId, neighbour: NodeId) {
        let Some(it) = self.link_mut(link).filter(|it| it.is_up()) else { return };
        it.nodes = Some(Nodes { own, neighbour });
        it.until = None;
        self.devices.identified(link.connection.device, neighbour);
        self.settle_duplicates(now, neighbour);
        self.settle(now);
    }

    /// Something has happened.
    pub fn handle(&mut self, now: Duration, fact: Fact) {
        self.count(now);
        match fact {
            Fact::AdapterOn => self.adapter_on(now),
            Fact::AdapterOff => self.adapter_off(now),
            Fact::Listening { psm } => self.set_info(Info { psm: Some(psm), ..self.info }),
            Fact::Seen { device, rssi, tag } => self.devices.seen(now, device, rssi, tag),
            Fact::Connected { connection, mtu } => self.connected(now, connection, mtu),
            Fact::Mtu { connection, mtu } => self.agreed(now, connection, mtu),
            Fact::Info { connection, value } => self.informed(now, connection, &value),
            Fact::ChannelOpen { connection } => self.opened(now, connection, Bearer::L2cap),
            Fact::Subscribed { connection } => self.opened(now, connection, Bearer::Gatt),
            Fact::Writable { connection } => {
                if let Some(link) = self.links.get_mut(&connection) {
                    link.writable();
                }
            }
            Fact::Received { connection, bearer, bytes } => {
                self.received(now, connection, bearer, &bytes);
            }
            Fact::Failed { what } => self.failed(now, what),
            Fact::Disconnected { connection } => self.gone(now, connection, End::Neighbour),
        }
        self.settle(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.count(now);
        self.settle(now);
    }

    /// When [`Self::handle_timeout`] is due, if nothing happens before.
    pub fn poll_timeout(&self, now: Duration) -> Option<Duration> {
        let links = self.links.values().filter_map(|link| self.deadline(link));
        let choice = self.devices.deadline(now, &self.linked(), &self.busy());
        let rotation = self.rotation_at(now).filter(|_| self.is_waited_for(now));
        links.chain(choice).chain(rotation).chain(self.radio.deadline()).min()
    }

    /// What the shell is to do next.
    pub fn next_command(&mut self, now: Duration) -> Option<Command> {
        let command = self.commands.pop_front();
        let command = command.or_else(|| self.radio.next_command(now, &mut self.rng));
        command.or_else(|| self.next_write(now))
    }

    /// What has happened to links.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether a link takes more for sending; none once it is gone.
    pub fn has_room(&self, link: LinkRef) -> Option<bool> {
        self.link(link).filter(|it| it.is_up()).map(Link::has_room)
    }

    /// Sends bytes of joined frames, in order.
    pub fn push(&mut self, link: LinkRef, bytes: &[u8]) {
        if let Some(it) = self.link_mut(link) {
            it.push(bytes);
        }
    }

    /// Whether more bytes of an L2CAP channel are welcome: where not, the shell reads no more of
    /// them until frames are fetched.
    pub fn takes(&self, connection: Connection) -> bool {
        self.links.get(&connection).is_none_or(Link::takes)
    }

    /// A frame of so many bytes was taken from [`Event::Frame`] to where it belongs.
    pub fn fetched(&mut self, now: Duration, link: LinkRef, bytes: usize) {
        if let Some(it) = self.link_mut(link) {
            it.fetched(bytes);
            if it.is_over() {
                self.settle(now);
            }
        }
    }

    /// Ends a link in order, once the neighbour has all that was pushed.
    pub fn end(&mut self, now: Duration, link: LinkRef) {
        if let Some(it) = self.link_mut(link) {
            it.end(now);
        }
    }

    /// Ends a link at once.
    pub fn abort(&mut self, now: Duration, link: LinkRef) {
        if self.link(link).is_some() {
            self.close(now, link.connection);
            self.settle(now);
        }
    }

    fn link(&self, link: LinkRef) -> Option<&Link> {
        self.links.get(&link.connection).filter(|it| it.number == link.number)
    }

    fn link_mut(&mut self, link: LinkRef) -> Option<&mut Link> {
        self.links.get_mut(&link.connection).filter(|it| it.number == link.number)
    }

    fn count(&mut self, now: Duration) {
        let connecting = |link: &&Link| link.stage == Stage::Connecting;
        let pending = self.links.values().filter(connecting).count();
        let connections = (self.links.len() - pending) as u32;
        self.radio.count(now, connections, pending > 0);
    }

    fn set_info(&mut self, info: Info) {
        if info != self.info {
            self.info = info;
            if self.is_on {
                self.commands.push_back(Command::Serve { info: info.encode() });
            }
        }
    }

    fn adapter_on(&mut self, now: Duration) {
        self.adapter_off(now);
        self.is_on = true;
        self.radio.adapter_on(now);
        self.commands.push_back(Command::Serve { info: self.info.encode() });
    }

    /// What was commanded before is void.
    fn adapter_off(&mut self, now: Duration) {
        self.is_on = false;
        self.radio.adapter_off();
        self.commands.clear();
        for connection in self.links.keys().copied().collect::<Vec<_>>() {
            self.gone(now, connection, End::Adapter);
        }
    }

    fn received(&mut self, now: Duration, connection: Connection, bearer: Bearer, bytes: &[u8]) {
        self.radio.usage.received_bytes += bytes.len() as u64;
        let Some(it) = self.links.get_mut(&connection) else { return };
        if !matches!(it.stage, Stage::Up | Stage::Waiting) {
            return;
        }
        let (link, had_end) = (LinkRef { connection, number: it.number }, it.has_end());
        match it.receive(now, bearer, bytes) {
            Ok(frames) => {
                let frames = frames.into_iter().map(|frame| Event::Frame { link, frame });
                self.events.extend(frames);
                if it.has_end() && !had_end {
                    self.events.push_back(Event::Ended { link });
                }
            }
            Err(broken) => self.break_off(now, connection, broken),
        }
    }

    fn break_off(&mut self, now: Duration, connection: Connection, broken: Broken) {
        debug!(?connection, %broken, "the link broke");
        self.part(now, connection, End::Broken);
        self.leave(now, connection);
    }

    /// Ends a connection from this side.
    fn close(&mut self, now: Duration, connection: Connection) {
        self.part(now, connection, End::Own);
        self.leave(now, connection);
    }

    fn leave(&mut self, now: Duration, connection: Connection) {
        if let Some(link) = self.links.get_mut(&connection).filter(|it| it.stage != Stage::Closing)
        {
            link.enter(Stage::Closing, Some(now + CLOSE_LIMIT));
            self.commands.push_back(Command::Disconnect { connection });
        }
    }

    /// A connection is no more.
    fn gone(&mut self, now: Duration, connection: Connection, end: End) {
        self.part(now, connection, end);
        self.links.remove(&connection);
    }

    /// Notes how a connection has gone that now ends.
    fn part(&mut self, now: Duration, connection: Connection, end: End) {
        let Some(link) = self.links.get(&connection) else { return };
        if link.is_up() {
            let link = LinkRef { connection, number: link.number };
            self.events.push_back(Event::Down { link });
        }
        let end = if link.is_ending() { End::Own } else { end };
        match (link.stage, link.nodes, end) {
            (Stage::Closing, ..) | (_, _, End::Adapter) => {}
            (_, Some(Nodes { neighbour, .. }), End::Own) if !link.has_waiting() => {
                self.devices.visited(now, neighbour, Parting::Done, &mut self.rng);
            }
            (_, Some(Nodes { neighbour, .. }), End::Own | End::Neighbour) => {
                self.devices.visited(now, neighbour, Parting::Early, &mut self.rng);
            }
            (stage, ..) => {
                if stage == Stage::Connecting {
                    self.budget.failed(now, self.links.len() - 1, connection.device);
                }
                self.devices.failed(now, connection.device, &mut self.rng);
            }
        }
    }

    /// All that time and facts together lead to.
    fn settle(&mut self, now: Duration) {
        self.budget.recover(now);
        for connection in self.links.keys().copied().collect::<Vec<_>>() {
            self.look_after(now, connection);
        }
        if self.is_on {
            self.connect(now);
        }
        let crowd = self.devices.count(now).max(self.links.len());
        self.radio.set_crowd(crowd >= self.config.max_links);
    }

    fn look_after(&mut self, now: Duration, connection: Connection) {
        let Some(link) = self.links.get(&connection) else { return };
        if let Err(broken) = link.check(now) {
            return self.break_off(now, connection, broken);
        }
        if link.is_up() && link.is_over() {
            return self.close(now, connection);
        }
        if self.idle_at(link).is_some_and(|idle| idle <= now) {
            return self.end(now, LinkRef { connection, number: link.number });
        }
        if link.until.is_some_and(|until| until <= now) {
            match link.stage {
                Stage::Channel => self.subscribe(now, connection),
                Stage::Closing => self.gone(now, connection, End::Own),
                _ => self.close(now, connection),
            }
        }
    }

    fn idle_at(&self, link: &Link) -> Option<Duration> {
        let saves = self.radio.duty() >= Duty::Saver;
        let may_end = saves && link.is_up() && !link.has_waiting() && !link.is_ending();
        may_end.then(|| link.active_at + IDLE)
    }

    fn deadline(&self, link: &Link) -> Option<Duration> {
        link.deadline().into_iter().chain(self.idle_at(link)).min()
    }

    /// The next write of any link, each in its turn.
    fn next_write(&mut self, now: Duration) -> Option<Command> {
        let after = self.last_writer.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.links.range((after, Bound::Unbounded)).map(|(it, _)| *it);
        let turns: Vec<Connection> = later.chain(self.links.keys().copied()).collect();
        for connection in turns {
            let write = self.links.get_mut(&connection)?.next_write(now, connection);
            if let Some(command) = write {
                self.last_writer = Some(connection);
                self.radio.usage.sent(&command);
                return Some(command);
            }
        }
        None
    }
}
