//! Bluetooth LE: engines and controllers, and an air between them in virtual time.

use crate::figure::{Figure, Goal, Unit};
use crate::harness::Summary;
use crate::world::{START, Writer, connect, cut, exchange, open, text_for};
use footpost_core::{CostClass, LinkId, LinkInfo, Node, Role, StorePath};
use footpost_transports::ble::{
    Attempt, Bearer, Command, Config, Connection, Controller, Device, Duty, Event, Fact, LinkRef,
    MAX_FRAME_BYTES, Platform, Side, Tag,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Android's, an iPhone's, and the least.
const MTUS: [u16; 3] = [517, 185, 23];
/// Two intervals of 30 ms.
const ROUND_TRIP: Duration = Duration::from_millis(60);
/// Six packets of the link layer leave in an interval: as much as a phone's GATT carries.
const LL_PACKET_TIME: Duration = Duration::from_millis(5);
/// What each holds, with the data length extension (Core, volume 6, part B, 2.4).
const LL_PACKET_BYTES: usize = 251;
const L2CAP_HEADER_BYTES: usize = 4;
/// Of a value's packet: operation code and handle (Core, volume 3, part F, 3.4).
const ATT_HEADER_BYTES: usize = 3;
const ENVELOPE_BYTES: usize = 1024;
/// No measurement takes longer.
const LIMIT: Duration = Duration::from_mins(10);

/// `ble_efficiency.*`, `ble_mail.*`, `ble_busy.*`, `first_byte.*`, `first_byte_bytes.*`, `idle_contact.*`;
/// `envelopes` are transferred.
pub(crate) fn figures(envelopes: usize) -> Vec<Figure> {
    let transfers = MTUS.into_iter().flat_map(|mtu| transfer(mtu, envelopes));
    let first_bytes = MTUS.into_iter().flat_map(first_byte);
    transfers.chain(first_bytes).chain(idle_contacts()).collect()
}

/// A stranger takes all that the central has.
fn transfer(mtu: u16, envelopes: usize) -> [Figure; 3] {
    let mut writer = Writer::new(&StorePath::Memory, 60);
    writer.write(&text_for(ENVELOPE_BYTES), envelopes);
    let envelope_bytes = writer.node.carried(1).expect("the store works")[0].size_bytes;
    let taker = open(&StorePath::Memory, 61, START);
    let mut air = Air::new([writer.node, taker], mtu, Platform::Android);
    air.ll_packet_time = LL_PACKET_TIME;
    air.run_until(|air| air.ends[1].node.stats().foreign_envelopes >= envelopes as u64);
    let frame_bytes: usize = air.ends.iter().map(|end| end.frame_bytes).sum();
    let share = |bytes: f64| bytes / air.att_bytes as f64;
    let time = air.last_packet_at.saturating_sub(air.up_at.unwrap_or_default());
    // At 23, three octets in 23 are the packet's own, and one is the stream's.
    let goal = if mtu == 23 { Goal::None } else { Goal::AtLeast(0.95) };
    let figure = |name: &str, ratio, goal, note: String| Figure {
        name: format!("{name}.{mtu}"),
        summary: Summary::extremes([ratio]),
        unit: Unit::Ratio,
        goal,
        note,
    };
    let all = "of the packets of both sides".to_owned();
    let mail = format!("likewise, {envelopes} envelopes of {envelope_bytes} B");
    let busy = air.ends[0].busy.as_secs_f64() / time.as_secs_f64();
    [
        figure("ble_efficiency", share(frame_bytes as f64), goal, all),
        figure("ble_mail", share((envelope_bytes * envelopes) as f64), Goal::None, mail),
        figure("ble_busy", busy, Goal::AtLeast(0.95), "of the time, the sender's radio".to_owned()),
    ]
}

/// From notifications enabled to the first envelope, whichever side has one.
fn first_byte(mtu: u16) -> [Figure; 2] {
    let meetings = [0, 1].map(|holder| {
        let mut writer = Writer::new(&StorePath::Memory, 62);
        writer.write(&text_for(ENVELOPE_BYTES), 1);
        let taker = open(&StorePath::Memory, 63, START);
        let mut nodes = [writer.node, taker];
        nodes.rotate_right(holder);
        let mut air = Air::new(nodes, mtu, Platform::Android);
        air.run_until(|air| air.ends[1 - holder].node.stats().foreign_envelopes > 0);
        let time = air.now.saturating_sub(air.up_at.unwrap_or_default());
        let round_trips = time.as_secs_f64() / ROUND_TRIP.as_secs_f64();
        (round_trips, air.link_bytes as f64)
    });
    // At 23, all that comes before takes more packets than are granted in advance.
    let goal = if mtu == 23 { Goal::None } else { Goal::AtMost(3.0) };
    let figure = |name: &str, values, unit, goal, note: &str| Figure {
        name: format!("{name}.{mtu}"),
        summary: worst(values),
        unit,
        goal,
        note: note.to_owned(),
    };
    let [round_trips, bytes] = [meetings.map(|it| it.0), meetings.map(|it| it.1)];
    let note = "handshake included, until a whole envelope of 1 KiB is there";
    [
        figure("first_byte", round_trips, Unit::RoundTrips, goal, note),
        figure("first_byte_bytes", bytes, Unit::Bytes, Goal::None, "by then, of both sides"),
    ]
}

/// The largest in the median's place.
fn worst(values: [f64; 2]) -> Summary {
    let all = Summary::extremes(values);
    Summary { median: all.high, ..all }
}

/// Meeting a known neighbour when neither has anything new: what it shows in its advertisement is
/// enough, or what is read after connecting, or it takes a link to find out.
fn idle_contacts() -> Vec<Figure> {
    let tag = [1; 4];
    let known = BTreeMap::from([(tag, [1; 32])]);
    let mut figures = Vec::new();
    for (name, platform, is_known) in [
        ("advertised", Platform::Android, true),
        ("read", Platform::Ios, true),
        ("linked", Platform::Ios, false),
    ] {
        let mut writer = Writer::new(&StorePath::Memory, 64);
        writer.write(&text_for(ENVELOPE_BYTES), 1);
        let mut nodes = [writer.node, open(&StorePath::Memory, 65, START)];
        level(&mut nodes);
        let mut air = Air::new(nodes, 185, platform);
        if is_known {
            air.ends[0].controller.set_news(air.now, [0; 32], None, known.clone());
            air.ends[1].controller.set_news(air.now, [0; 32], Some(tag), BTreeMap::new());
        }
        air.run_for(Duration::from_secs(10));
        let is_linked = air.up_at.is_some();
        assert_eq!(is_linked, !is_known, "the neighbour is known by its tag");
        let time = air.last_packet_at.saturating_sub(air.connected_at.unwrap_or_default());
        figures.push(Figure {
            name: format!("idle_contact.{name}"),
            summary: Summary::extremes([air.att_bytes as f64]),
            unit: Unit::Bytes,
            goal: Goal::None,
            note: "without the stack's discovery".to_owned(),
        });
        figures.push(Figure {
            name: format!("idle_contact_time.{name}"),
            summary: Summary::extremes([time.as_secs_f64()]),
            unit: Unit::Seconds,
            goal: Goal::None,
            note: format!("connected, at {} ms a round trip", ROUND_TRIP.as_millis()),
        });
    }
    figures
}

/// Until both hold the same.
fn level(nodes: &mut [Node; 2]) {
    let link = LinkId(0);
    let [first, second] = nodes;
    connect([first, second], link, 0);
    exchange([first, second], link);
    cut([first, second], link);
}

/// What the two are to each other.
const OTHER: Device = Device(1);

/// Two in reach of each other, of whom the first scans.
struct Air {
    now: Duration,
    ends: [End; 2],
    mtu: u16,
    /// Zero where only round trips take time.
    ll_packet_time: Duration,
    due: BTreeMap<(Duration, u64), (usize, Fact)>,
    sequence: u64,
    /// All that ATT carries, but for discovery.
    att_bytes: u64,
    /// What of it is the link's.
    link_bytes: u64,
    connected_at: Option<Duration>,
    /// When the central knew that notifications were enabled.
    up_at: Option<Duration>,
    /// When the last packet came that was no grant.
    last_packet_at: Duration,
}

struct End {
    controller: Controller,
    node: Node,
    link: Option<LinkRef>,
    info: Vec<u8>,
    tag: Option<Tag>,
    /// Of the frames that the engine has sent.
    frame_bytes: usize,
    sends_until: Duration,
    busy: Duration,
}

/// The link, as the engines number it: another than that of [`level`].
const LINK: LinkId = LinkId(1);

impl Air {
    fn new(nodes: [Node; 2], mtu: u16, platform: Platform) -> Self {
        let mut seed = [66; 32];
        let ends = nodes.map(|node| {
            seed[0] += 1;
            let mut controller = Controller::new(Config::new(platform), seed);
            controller.set_duty(Duration::ZERO, Duty::Performance);
            controller.handle(Duration::ZERO, Fact::AdapterOn);
            End {
                controller,
                node,
                link: None,
                info: Vec::new(),
                tag: None,
                frame_bytes: 0,
                sends_until: Duration::ZERO,
                busy: Duration::ZERO,
            }
        });
        Self {
            now: Duration::ZERO,
            ends,
            mtu,
            ll_packet_time: Duration::ZERO,
            due: BTreeMap::new(),
            sequence: 0,
            att_bytes: 0,
            link_bytes: 0,
            connected_at: None,
            up_at: None,
            last_packet_at: Duration::ZERO,
        }
    }

    fn run_until(&mut self, so: impl Fn(&Self) -> bool) {
        while !so(self) {
            assert!(self.now < LIMIT, "it does not come about");
            self.step();
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(|air| air.now >= end);
    }

    fn step(&mut self) {
        // The second has its advertisement out before the first listens.
        for side in [1, 0] {
            while self.serve(side) {}
        }
        let due = self.due.keys().map(|(at, _)| *at);
        let timeouts = self.ends.iter().filter_map(|end| end.controller.poll_timeout(self.now));
        let next = due.chain(timeouts).min().unwrap_or(LIMIT);
        self.now = next.max(self.now);
        while let Some(entry) = self.due.first_entry().filter(|it| it.key().0 <= self.now) {
            let (side, fact) = entry.remove();
            self.happen(side, fact);
        }
        for end in &mut self.ends {
            if end.controller.poll_timeout(self.now).is_some_and(|at| at <= self.now) {
                end.controller.handle_timeout(self.now);
            }
        }
    }

    fn happen(&mut self, side: usize, fact: Fact) {
        match &fact {
            Fact::Connected { .. } => self.connected_at = Some(self.now),
            Fact::Subscribed { .. } if side == 0 => self.up_at = Some(self.now),
            Fact::Received { bytes, .. } if bytes.len() > 1 => self.last_packet_at = self.now,
            Fact::Info { .. } => self.last_packet_at = self.now,
            _ => {}
        }
        self.ends[side].controller.handle(self.now, fact);
    }

    /// Whether there was something to do.
    fn serve(&mut self, side: usize) -> bool {
        self.ends[side].talk(self.now);
        let command = self.ends[side].controller.next_command(self.now);
        command.map(|command| self.execute(side, command)).is_some()
    }

    fn later(&mut self, side: usize, at: Duration, fact: Fact) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), (side, fact));
    }

    /// Asks something of the other, which learns it too.
    fn ask(&mut self, side: usize, connection: Connection, fact: impl Fn(Connection) -> Fact) {
        self.later(1 - side, self.now + ROUND_TRIP / 2, fact(back(connection)));
        self.later(side, self.now + ROUND_TRIP, fact(connection));
    }

    fn execute(&mut self, side: usize, command: Command) {
        match command {
            Command::Serve { info } => self.ends[side].info = info,
            Command::Advertise { tag, .. } => self.ends[side].tag = tag,
            Command::Scan { .. } if side == 0 => {
                let seen = Fact::Seen { device: OTHER, rssi: -40, tag: self.ends[1].tag };
                self.later(0, self.now, seen);
            }
            Command::Scan { .. } | Command::StopScan => {}
            Command::Connect { device } => {
                let connected = |connection| Fact::Connected { connection, mtu: 23 };
                self.ask(side, Connection::to(device), connected);
            }
            Command::Disconnect { connection } => {
                self.ask(side, connection, |connection| Fact::Disconnected { connection });
            }
            Command::ExchangeMtu { connection, mtu } => {
                let mtu = mtu.min(self.mtu);
                self.att_bytes += 2 * ATT_HEADER_BYTES as u64;
                self.ask(side, connection, |connection| Fact::Mtu { connection, mtu });
            }
            Command::ReadInfo { connection } => {
                let value = self.ends[1 - side].info.clone();
                self.att_bytes += (ATT_HEADER_BYTES + 1 + value.len()) as u64;
                let info = Fact::Info { connection, value };
                self.later(side, self.now + ROUND_TRIP, info);
            }
            Command::Subscribe { connection } => {
                self.att_bytes += (ATT_HEADER_BYTES + 2 + 1) as u64;
                self.ask(side, connection, |connection| Fact::Subscribed { connection });
            }
            Command::Write { connection, value } | Command::Notify { connection, value } => {
                self.send(side, connection, value);
            }
            // Neither has said that it listens.
            Command::OpenChannel { connection, .. } | Command::Send { connection, .. } => {
                self.later(side, self.now, Fact::Failed { what: Attempt::Channel(connection) });
            }
        }
    }

    fn send(&mut self, side: usize, connection: Connection, value: Vec<u8>) {
        let packet_bytes = ATT_HEADER_BYTES + value.len();
        self.att_bytes += packet_bytes as u64;
        self.link_bytes += packet_bytes as u64;
        let ll_packets = (L2CAP_HEADER_BYTES + packet_bytes).div_ceil(LL_PACKET_BYTES);
        let time = self.ll_packet_time * ll_packets as u32;
        let end = &mut self.ends[side];
        end.sends_until = end.sends_until.max(self.now) + time;
        end.busy += time;
        let sent_at = end.sends_until;
        self.later(side, sent_at, Fact::Writable { connection });
        let (connection, bearer) = (back(connection), Bearer::Gatt);
        let received = Fact::Received { connection, bearer, bytes: value };
        self.later(1 - side, sent_at + ROUND_TRIP / 2, received);
    }
}

impl End {
    /// Lets engine and controller tell each other what there is.
    fn talk(&mut self, now: Duration) {
        let time = START + now;
        while let Some(event) = self.controller.next_event() {
            match event {
                Event::Up { link } => {
                    self.link = Some(link);
                    let role = match link.connection.side {
                        Side::Central => Role::Initiator,
                        Side::Peripheral => Role::Responder,
                    };
                    let info =
                        LinkInfo { role, cost: CostClass::Ble, max_frame_bytes: MAX_FRAME_BYTES };
                    self.node.handle_link_up(time, LINK, info).expect("the store works");
                }
                Event::Frame { link, frame } => {
                    self.node.handle_frame(time, LINK, &frame).expect("the store works");
                    self.controller.fetched(now, link, frame.len());
                }
                Event::Ended { .. } | Event::Down { .. } => self.link = None,
            }
            self.node.commit().expect("the store works");
        }
        let Some(link) = self.link else { return };
        while let Some(event) = self.node.poll_event() {
            if let (footpost_core::Event::NeighbourUp { .. }, Some((own, neighbour))) =
                (event, self.node.link_keys(LINK))
            {
                self.controller.identified(now, link, own, neighbour);
            }
        }
        while self.controller.has_room(link) == Some(true)
            && let Some(frame) = self.node.poll_transmit(time, LINK).expect("the store works")
        {
            self.frame_bytes += frame.len();
            let length = (frame.len() as u16).to_be_bytes();
            self.controller.push(link, &[&length, &*frame].concat());
        }
    }
}

fn back(connection: Connection) -> Connection {
    match connection.side {
        Side::Central => Connection::from(OTHER),
        Side::Peripheral => Connection::to(OTHER),
    }
}
