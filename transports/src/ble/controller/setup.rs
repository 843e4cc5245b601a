//! From a connection to a link: the steps of a central, and what it takes a peripheral for.

use super::{Controller, End, Event, LinkRef};
use crate::ble::command::{Attempt, Bearer, Command, Connection, Side};
use crate::ble::gatt::Broken;
use crate::ble::info::Info;
use crate::ble::link::{Link, Stage};
use std::time::Duration;

/// For each step of a central's, from the MTU to the subscription.
const STEP_LIMIT: Duration = Duration::from_secs(5);
/// An L2CAP channel that opens later than this is not waited for.
const CHANNEL_LIMIT: Duration = Duration::from_millis(1500);
/// A central that has connected, and then neither subscribes nor opens a channel, is none.
const WAIT_LIMIT: Duration = Duration::from_secs(15);
/// A link that has not shown by then who is at its other end has no node there: longer than the
/// engine gives a handshake.
const IDENTIFY_LIMIT: Duration = Duration::from_secs(30);
/// Android's largest, which yields values of 512 bytes.
const MTU: u16 = 517;
/// Before the two sides have agreed on more.
const LEAST_MTU: u16 = 23;

impl Controller {
    pub(super) fn insert(
        &mut self,
        now: Duration,
        connection: Connection,
        stage: Stage,
        limit: Duration,
    ) {
        self.next_number += 1;
        self.links.insert(connection, Link::new(self.next_number, now, stage, limit));
    }

    pub(super) fn connected(&mut self, now: Duration, connection: Connection, mtu: u16) {
        match (connection.side, self.links.get(&connection).map(|link| link.stage)) {
            (Side::Central, Some(Stage::Connecting)) => {
                self.budget.connected();
                self.step(now, connection, Stage::Mtu);
                if self.config.platform.asks_for_mtu() {
                    self.commands.push_back(Command::ExchangeMtu { connection, mtu: MTU });
                } else {
                    self.read_info(now, connection);
                }
            }
            (Side::Peripheral, None) if self.may_come(now) => {
                self.insert(now, connection, Stage::Waiting, WAIT_LIMIT);
            }
            // Given up meanwhile, or one too many.
            (_, None | Some(Stage::Closing)) => {
                self.commands.push_back(Command::Disconnect { connection });
            }
            // Told twice.
            (_, Some(_)) => {}
        }
        if let Some(link) = self.links.get_mut(&connection) {
            link.mtu = mtu.max(LEAST_MTU);
        }
    }

    pub(super) fn agreed(&mut self, now: Duration, connection: Connection, mtu: u16) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        link.mtu = mtu.max(LEAST_MTU);
        if link.stage == Stage::Mtu {
            self.read_info(now, connection);
        }
    }

    fn read_info(&mut self, now: Duration, connection: Connection) {
        self.step(now, connection, Stage::Info);
        self.commands.push_back(Command::ReadInfo { connection });
    }

    pub(super) fn informed(&mut self, now: Duration, connection: Connection, value: &[u8]) {
        if self.stage(connection) != Some(Stage::Info) {
            return;
        }
        let Some(info) = Info::decode(value) else {
            return self.break_off(now, connection, Broken::Garbage);
        };
        if let Some(tag) = info.tag {
            self.devices.tagged(connection.device, tag);
            if self.devices.nothing_new(tag) {
                self.spared += 1;
                return self.leave(now, connection);
            }
        }
        match info.psm.filter(|_| self.info.psm.is_some()) {
            Some(psm) => {
                if let Some(link) = self.links.get_mut(&connection) {
                    link.enter(Stage::Channel, Some(now + CHANNEL_LIMIT));
                }
                self.commands.push_back(Command::OpenChannel { connection, psm });
            }
            None => self.subscribe(now, connection),
        }
    }

    pub(super) fn subscribe(&mut self, now: Duration, connection: Connection) {
        self.step(now, connection, Stage::Subscribing);
        self.commands.push_back(Command::Subscribe { connection });
    }

    /// A central has chosen the bearer before its first frame, which shows the peripheral which one
    /// it is: so whatever opens too late is left alone by both.
    pub(super) fn opened(&mut self, now: Duration, connection: Connection, bearer: Bearer) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        match (link.stage, bearer) {
            (Stage::Channel, Bearer::L2cap) | (Stage::Subscribing, Bearer::Gatt) => {
                link.bearer = Some(bearer);
            }
            (Stage::Waiting, _) => {}
            _ => return,
        }
        link.enter(Stage::Up, Some(now + IDENTIFY_LIMIT));
        (link.up_at, link.active_at) = (now, now);
        let link = LinkRef { connection, number: link.number };
        self.events.push_back(Event::Up { link });
    }

    pub(super) fn failed(&mut self, now: Duration, what: Attempt) {
        match what {
            Attempt::Scan => self.radio.scan_failed(now),
            Attempt::Advertise => self.radio.advertise_failed(now),
            Attempt::Channel(connection) if self.stage(connection) == Some(Stage::Channel) => {
                self.subscribe(now, connection);
            }
            Attempt::Channel(_) => {}
            Attempt::Connection(connection) => match self.stage(connection) {
                Some(Stage::Connecting) => self.gone(now, connection, End::Broken),
                Some(_) => self.close(now, connection),
                None => {}
            },
        }
    }

    fn stage(&self, connection: Connection) -> Option<Stage> {
        self.links.get(&connection).map(|link| link.stage)
    }

    fn step(&mut self, now: Duration, connection: Connection, stage: Stage) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.enter(stage, Some(now + STEP_LIMIT));
        }
    }
}
