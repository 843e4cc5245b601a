//! Who gets a place where there are more neighbours than places, and one place for each.

use super::{Controller, NodeId};
use crate::ble::command::{Command, Connection, Device, Side};
use crate::ble::link::{Link, Stage};
use std::{collections::BTreeSet, time::Duration};

/// A connection that takes longer does not come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A link whose place others wait for stays at least so long, and then until it is quiet.
const MIN_STAY: Duration = Duration::from_secs(10);
/// Or at most so long.
const MAX_STAY: Duration = Duration::from_mins(1);
/// A link on which nothing has moved for so long has done its work.
const QUIET: Duration = Duration::from_secs(3);
/// Links that are tracked, those about to end among them.
const MAX_TRACKED: usize = 32;

impl Controller {
    /// Of two links with one node, that stays whose central has the smaller id: both ends find the
    /// same, in whatever order they learn of them. Of two with one central, it keeps the older.
    pub(super) fn settle_duplicates(&mut self, now: Duration, neighbour: NodeId) {
        let mut same = Vec::new();
        for (connection, link) in &self.links {
            if let Some(nodes) = link.nodes.filter(|it| link.is_up() && it.neighbour == neighbour) {
                same.push((nodes.central(connection.side), link.number, *connection));
            }
        }
        same.sort_unstable();
        let Some(&(first, ..)) = same.first() else { return };
        for &(central, _, connection) in same.iter().skip(1) {
            if central != first || connection.side == Side::Central {
                self.duplicates += 1;
                self.close(now, connection);
            }
        }
    }

    /// Whether one more neighbour may connect: others shall not fill all places, and none for good.
    pub(super) fn may_come(&mut self, now: Duration) -> bool {
        if !self.is_on || self.links.len() >= MAX_TRACKED {
            return false;
        }
        let incoming = self.links.keys().filter(|it| it.side == Side::Peripheral).count();
        let is_full = incoming >= self.budget.incoming() || self.links.len() >= self.budget.links();
        !is_full || self.rotate(now)
    }

    /// Gives up the link that has done its work longest ago, for the sake of another.
    fn rotate(&mut self, now: Duration) -> bool {
        let links = self.links.values_mut().filter(|link| link.is_up());
        let victim = links.min_by_key(|link| rotates_at(link));
        let Some(link) = victim.filter(|link| rotates_at(link) <= now) else { return false };
        link.end(now);
        true
    }

    /// None while a connection comes or goes: what becomes of it is heard.
    pub(super) fn rotation_at(&self, now: Duration) -> Option<Duration> {
        if self.is_ending() || self.is_connecting() {
            return None;
        }
        let up = self.links.values().filter(|link| link.is_up());
        up.map(|link| rotates_at(link).max(now)).min()
    }

    pub(super) fn busy(&self) -> BTreeSet<Device> {
        self.links.keys().map(|connection| connection.device).collect()
    }

    pub(super) fn linked(&self) -> BTreeSet<NodeId> {
        self.links.values().filter_map(|link| Some(link.nodes?.neighbour)).collect()
    }

    /// Whether somebody worth a connection gets none because there are too many.
    pub(super) fn is_waited_for(&self, now: Duration) -> bool {
        self.is_full() && self.devices.choose(now, &self.linked(), &self.busy()).is_some()
    }

    fn is_full(&self) -> bool {
        self.links.len() >= self.budget.links()
    }

    /// Connects whoever is worth it most: one at a time, since stacks fail otherwise.
    pub(super) fn connect(&mut self, now: Duration) {
        if self.is_connecting() {
            return;
        }
        let Some(device) = self.devices.choose(now, &self.linked(), &self.busy()) else { return };
        if self.is_full() {
            // A place is free once the stack has confirmed an end.
            if !self.is_ending() {
                self.rotate(now);
            }
            return;
        }
        let connection = Connection::to(device);
        self.insert(now, connection, Stage::Connecting, CONNECT_LIMIT);
        self.radio.usage.connects += 1;
        self.commands.push_back(Command::Connect { device });
    }

    fn is_connecting(&self) -> bool {
        self.links.values().any(|link| link.stage == Stage::Connecting)
    }

    fn is_ending(&self) -> bool {
        self.links.values().any(|link| link.stage == Stage::Closing || link.is_ending())
    }
}

/// When a link may be given up for another.
fn rotates_at(link: &Link) -> Duration {
    let last = link.up_at + MAX_STAY;
    let quiet = (link.up_at + MIN_STAY).max(link.active_at + QUIET);
    if link.has_waiting() { last } else { quiet.min(last) }
}
