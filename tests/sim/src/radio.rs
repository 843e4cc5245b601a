//! Bluetooth LE between people: the real controllers, and the air between them in virtual time.
//!
//! A contact of the scenario says from when to when two are within range. Within it, a device is seen
//! when an advertisement of its falls into somebody's scan, and connected at the next advertisement;
//! values take their time on an air that is half duplex and serves one neighbour at a time. Phones
//! are Android's, all GATT, with an MTU of 517: iOS would pace their scans on its own. Scanning and
//! advertising take nothing from the time for values.

mod energy;
mod handset;
mod line;

use crate::schedule::{Happening, Nanos, SECOND, Schedule};
use crate::settings::{BleMode, Settings};
use crate::worlds::{Dice, Stream};
use energy::CONNECTION_INTERVAL;
pub use energy::Charge;
use footpost_transports::ble::{
    Attempt, Command, Config, Controller, Device, Fact, Platform, Stats,
};
pub(crate) use handset::Handset;
use handset::{Advertisement, Scan, nanos};
use line::Line;
use std::collections::BTreeMap;
use std::time::Duration;

/// A question in one interval, its answer in the next.
const ROUND_TRIP: Nanos = 2 * CONNECTION_INTERVAL.as_nanos() as Nanos;
/// The MTU; the service by its UUID; its characteristics until there are no more, two; descriptors, two
/// (Core 5.4, volume 3, part G, 4.3 to 4.7).
const MTU_AND_DISCOVERY: Nanos = 6 * ROUND_TRIP;
/// Android's.
const MAX_MTU: u16 = 517;
/// Before the sides have asked for more (Core 5.4, volume 3, part F, 3.2.8).
const LEAST_MTU: u16 = 23;
/// Silence ends a connection after this (Android's, since version 5).
const SUPERVISION: Nanos = 5 * SECOND;
/// Addresses are new each quarter of an hour (Core 5.4, volume 3, part C, appendix A).
const ADDRESS_LASTS: Nanos = 900 * SECOND;
/// What a phone at some metres is heard with, in dBm.
const RSSI: i8 = -70;
/// What is due and waits for the radio is not asked for more often.
const LEAST_SLEEP: Nanos = 20_000_000;

pub(crate) struct Radios {
    begin: Nanos,
    rate_bytes_per_s: u64,
    handsets: Vec<Handset>,
    lines: BTreeMap<u64, Line>,
    expected: BTreeMap<u64, Expected>,
    next_number: u64,
    dice: Dice,
}

/// What will come to pass unless something comes between.
pub(crate) enum Expected {
    /// A controller is told something, on a line if it is of one.
    Tell { person: usize, line: Option<u64>, fact: Fact },
    /// An advertisement falls into a scan.
    Hear { scanner: usize, advertiser: usize, scan: u64 },
    /// An advertisement comes that somebody wants to answer by connecting.
    Join { central: usize, device: Device },
    /// Both ends find that a line is gone.
    Part { line: u64 },
    /// It is looked whether a node has something new.
    Look { person: usize },
}

impl Radios {
    pub(crate) fn new(people: usize, mode: BleMode, settings: &Settings, begin: Nanos) -> Self {
        let mut dice = Dice::new(settings.seed, Stream::Radios as u64);
        let handset = |_| {
            let seed = std::array::from_fn(|_| dice.below(256) as u8);
            let mut controller = Controller::new(Config::new(Platform::Android), seed);
            controller.set_duty(Duration::ZERO, mode.duty());
            Handset::new(controller)
        };
        Self {
            begin,
            rate_bytes_per_s: settings.rate_bytes_per_s,
            handsets: (0..people).map(handset).collect(),
            lines: BTreeMap::new(),
            expected: BTreeMap::new(),
            next_number: 0,
            dice,
        }
    }

    /// A controller's time.
    pub(crate) fn time(&self, now: Nanos) -> Duration {
        Duration::from_nanos(now.saturating_sub(self.begin))
    }

    pub(crate) fn handset(&mut self, person: usize) -> &mut Handset {
        &mut self.handsets[person]
    }

    pub(crate) fn stats(&self, person: usize) -> Stats {
        self.handsets[person].controller.stats()
    }

    /// What a radio has taken so far.
    pub(crate) fn charge(&self, person: usize) -> Charge {
        Charge::of(&self.stats(person).usage, self.rate_bytes_per_s)
    }

    /// What the battery has not been charged for yet, in joules.
    pub(crate) fn owes_j(&mut self, person: usize) -> f64 {
        let spent_j = self.charge(person).energy_j();
        spent_j - std::mem::replace(&mut self.handsets[person].paid_j, spent_j)
    }

    /// Two are within range from now on.
    pub(crate) fn approach(&mut self, pair: [usize; 2], now: Nanos, schedule: &mut Schedule) {
        for [person, other] in [pair, [pair[1], pair[0]]] {
            self.handsets[person].in_range.insert(other);
            self.listen(person, other, now, schedule);
        }
    }

    /// Two are no longer.
    pub(crate) fn depart(&mut self, pair: [usize; 2], now: Nanos, schedule: &mut Schedule) {
        for [person, other] in [pair, [pair[1], pair[0]]] {
            self.handsets[person].in_range.remove(&other);
        }
        let lines = self.lines.iter().filter(|(_, line)| pair.iter().all(|it| line.has(*it)));
        for line in lines.map(|(line, _)| *line).collect::<Vec<_>>() {
            self.cut(line, now + SUPERVISION, schedule);
        }
    }

    /// A phone goes on or off.
    pub(crate) fn switch(
        &mut self,
        person: usize,
        is_off: bool,
        now: Nanos,
        schedule: &mut Schedule,
    ) {
        let time = self.time(now);
        let handset = &mut self.handsets[person];
        handset.is_on = !is_off;
        let fact = if is_off { Fact::AdapterOff } else { Fact::AdapterOn };
        handset.controller.handle(time, fact);
        if is_off {
            (handset.advertisement, handset.scan, handset.connecting) = (None, None, None);
            for line in std::mem::take(&mut handset.lines).into_values() {
                self.cut(line, now + SUPERVISION, schedule);
            }
        }
    }

    /// The time has come for something.
    pub(crate) fn take_expected(&mut self, number: u64) -> Option<Expected> {
        self.expected.remove(&number)
    }

    /// Lets it come to pass; whose controllers have learned something.
    pub(crate) fn happen(&mut self, what: Expected, now: Nanos) -> Vec<usize> {
        match what {
            Expected::Tell { person, line, fact } => {
                let is_cut = line.is_some_and(|it| self.lines.get(&it).is_none_or(|it| it.is_cut));
                if is_cut || !self.handsets[person].is_on {
                    return Vec::new();
                }
                self.hand(now, person, fact);
                vec![person]
            }
            Expected::Hear { scanner, advertiser, scan } => {
                let device = self.device(advertiser, now);
                let is_near = self.handsets[scanner].in_range.contains(&advertiser);
                let is_same = self.handsets[scanner].scan.is_some_and(|it| it.number == scan);
                match self.handsets[advertiser].advertisement.filter(|_| is_near && is_same) {
                    Some(Advertisement { tag, .. }) => {
                        self.hand(now, scanner, Fact::Seen { device, rssi: RSSI, tag });
                        vec![scanner]
                    }
                    None => Vec::new(),
                }
            }
            Expected::Join { central, device } => self.join(central, device, now),
            Expected::Part { line } => self.part(line, now),
            Expected::Look { .. } => Vec::new(),
        }
    }

    pub(crate) fn next_command(&mut self, person: usize, now: Nanos) -> Option<Command> {
        let time = self.time(now);
        self.handsets[person].controller.next_command(time)
    }

    /// Does what a controller wants.
    pub(crate) fn execute(
        &mut self,
        person: usize,
        command: Command,
        now: Nanos,
        schedule: &mut Schedule,
    ) {
        let handset = &mut self.handsets[person];
        match command {
            Command::Serve { info } => handset.info = info,
            Command::Advertise { tag, interval } => {
                let is_new = handset.advertisement.is_none();
                handset.advertisement = Some(Advertisement { tag, interval });
                if is_new {
                    for other in handset.in_range.clone() {
                        self.listen(other, person, now, schedule);
                    }
                }
            }
            Command::Scan { window, interval } => {
                self.next_number += 1;
                handset.scan =
                    Some(Scan { number: self.next_number, since: now, window, interval });
                for other in handset.in_range.clone() {
                    self.listen(person, other, now, schedule);
                }
            }
            Command::StopScan => handset.scan = None,
            Command::Connect { device } => {
                handset.connecting = Some(device);
                let other = self.owner(device);
                if let Some(advertisement) = self.handsets[other].advertisement {
                    let at = advertisement.next(now, &mut self.dice);
                    self.expect(schedule, at, Expected::Join { central: person, device });
                }
            }
            Command::Disconnect { connection } => {
                if let Some(line) = handset.lines.get(&connection).copied() {
                    self.cut(line, now + ROUND_TRIP / 2, schedule);
                } else {
                    handset.connecting = handset.connecting.filter(|it| *it != connection.device);
                    self.tell(schedule, now, person, None, Fact::Disconnected { connection });
                }
            }
            Command::ExchangeMtu { connection, mtu } => {
                let mtu = mtu.min(MAX_MTU);
                let both = [MTU_AND_DISCOVERY; 2];
                self.answer(schedule, now, person, connection, both, |connection| Fact::Mtu {
                    connection,
                    mtu,
                });
            }
            Command::ReadInfo { connection } => {
                let value = self.handsets[self.owner(connection.device)].info.clone();
                if let Some(line) = self.handsets[person].lines.get(&connection).copied() {
                    let info = Fact::Info { connection, value };
                    self.tell(schedule, now + ROUND_TRIP, person, Some(line), info);
                }
            }
            Command::Subscribe { connection } => {
                let later = [ROUND_TRIP, ROUND_TRIP / 2];
                self.answer(schedule, now, person, connection, later, |connection| {
                    Fact::Subscribed { connection }
                });
            }
            Command::Write { connection, value } | Command::Notify { connection, value } => {
                self.send(schedule, now, person, connection, value);
            }
            // Nobody has said that it listens.
            Command::OpenChannel { connection, .. } | Command::Send { connection, .. } => {
                let failed = Fact::Failed { what: Attempt::Channel(connection) };
                self.tell(schedule, now, person, None, failed);
            }
        }
    }

    /// When a controller is to be told the time, if that is earlier than it will be.
    pub(crate) fn next_wake(&mut self, person: usize, now: Nanos) -> Option<Nanos> {
        let time = self.time(now);
        let at = self.handsets[person].controller.poll_timeout(time)?;
        let at = (self.begin + nanos(at)).max(now + LEAST_SLEEP);
        let handset = &mut self.handsets[person];
        (at < handset.scheduled).then(|| handset.scheduled = at)?;
        Some(at)
    }

    /// The time has come to tell it.
    pub(crate) fn wake(&mut self, person: usize, now: Nanos) -> bool {
        let time = self.time(now);
        let handset = &mut self.handsets[person];
        let is_due = handset.scheduled == now;
        if is_due {
            handset.scheduled = Nanos::MAX;
            handset.controller.handle_timeout(time);
        }
        is_due
    }

    /// It is to be looked whether the person's node has something new, unless that is to be sooner.
    pub(crate) fn expect_look(&mut self, person: usize, at: Nanos, schedule: &mut Schedule) {
        let news = &mut self.handsets[person].news;
        if news.look_at.is_none_or(|it| at < it) {
            news.look_at = Some(at);
            self.expect(schedule, at, Expected::Look { person });
        }
    }

    fn hand(&mut self, now: Nanos, person: usize, fact: Fact) {
        let time = self.time(now);
        self.handsets[person].controller.handle(time, fact);
    }

    fn expect(&mut self, schedule: &mut Schedule, at: Nanos, what: Expected) {
        self.next_number += 1;
        self.expected.insert(self.next_number, what);
        schedule.add(at, Happening::RadioHappens(self.next_number));
    }

    fn tell(
        &mut self,
        schedule: &mut Schedule,
        at: Nanos,
        person: usize,
        line: Option<u64>,
        fact: Fact,
    ) {
        self.expect(schedule, at, Expected::Tell { person, line, fact });
    }

    /// Expects what a scan will hear of an advertiser from now on.
    fn listen(&mut self, scanner: usize, advertiser: usize, now: Nanos, schedule: &mut Schedule) {
        let scan = self.handsets[scanner].scan;
        let (Some(scan), Some(advertisement)) = (scan, self.handsets[advertiser].advertisement)
        else {
            return;
        };
        if let Some(at) = advertisement.heard(now, &scan, &mut self.dice) {
            let scan = scan.number;
            self.expect(schedule, at, Expected::Hear { scanner, advertiser, scan });
        }
    }

    /// Somebody's address of the quarter.
    fn device(&self, person: usize, now: Nanos) -> Device {
        let quarter = now / ADDRESS_LASTS;
        Device(quarter * self.handsets.len() as u64 + person as u64)
    }

    /// Whose address it is, or was.
    fn owner(&self, device: Device) -> usize {
        (device.0 % self.handsets.len().max(1) as u64) as usize
    }
}
