//! One phone's Bluetooth: its controller, and what the controller has asked of the radio.

use crate::schedule::Nanos;
use crate::worlds::Dice;
use footpost_core::LinkId;
use footpost_transports::ble::{Connection, Controller, Device, LinkRef, NodeId, Tag};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Each advertisement is late by up to this (Core 5.4, volume 6, part B, 4.4.2.2: advDelay).
const MAX_ADVERTISING_DELAY: Duration = Duration::from_millis(10);
/// A scan that has missed so many advertisements in a row goes by without this one.
const MAX_MISSES: usize = 1000;

pub(crate) struct Handset {
    pub(crate) controller: Controller,
    pub(crate) is_on: bool,
    pub(crate) in_range: BTreeSet<usize>,
    pub(crate) advertisement: Option<Advertisement>,
    pub(crate) scan: Option<Scan>,
    pub(crate) info: Vec<u8>,
    pub(crate) connecting: Option<Device>,
    /// Lines, by what the controller calls them.
    pub(crate) lines: BTreeMap<Connection, u64>,
    /// Links that the engine knows.
    pub(crate) links: BTreeMap<LinkRef, LinkId>,
    /// Those on which it may have something to send.
    pub(crate) may_send: BTreeSet<LinkRef>,
    pub(crate) busy_until: Nanos,
    /// When the controller will next be told the time.
    pub(crate) scheduled: Nanos,
    pub(crate) news: News,
    /// What the battery has been charged for, in joules.
    pub(crate) paid_j: f64,
}

/// What is told to acquaintances, and when it is looked whether there is something new.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) own: Option<NodeId>,
    pub(crate) met: BTreeSet<NodeId>,
    pub(crate) looked: Option<Nanos>,
    pub(crate) look_at: Option<Nanos>,
}

#[derive(Clone, Copy)]
pub(crate) struct Advertisement {
    pub(crate) tag: Option<Tag>,
    pub(crate) interval: Duration,
}

/// A scan whose link layer reports each device once (Core 5.4, volume 4, part E, 7.8.11).
#[derive(Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) number: u64,
    pub(crate) since: Nanos,
    pub(crate) window: Duration,
    pub(crate) interval: Duration,
}

impl Handset {
    pub(crate) fn new(controller: Controller) -> Self {
        Self {
            controller,
            is_on: true,
            in_range: BTreeSet::new(),
            advertisement: None,
            scan: None,
            info: Vec::new(),
            connecting: None,
            lines: BTreeMap::new(),
            links: BTreeMap::new(),
            may_send: BTreeSet::new(),
            busy_until: 0,
            scheduled: Nanos::MAX,
            news: News::default(),
            paid_j: 0.0,
        }
    }

    /// The controller's name for a link of the engine's.
    pub(crate) fn link(&self, id: LinkId) -> Option<LinkRef> {
        self.links.iter().find(|(_, it)| **it == id).map(|(link, _)| *link)
    }
}

impl Advertisement {
    /// When the next advertisement after `from` is sent. The delays of all before it have made each
    /// time within the interval as likely as any other.
    pub(crate) fn next(&self, from: Nanos, dice: &mut Dice) -> Nanos {
        from + nanos(self.interval.mul_f64(dice.unit()))
    }

    /// When a scan hears it first from `from` on, if it does.
    pub(crate) fn heard(&self, from: Nanos, scan: &Scan, dice: &mut Dice) -> Option<Nanos> {
        let (window, interval) = (nanos(scan.window), nanos(scan.interval).max(1));
        let mut at = self.next(from, dice);
        for _ in 0..MAX_MISSES {
            if at.saturating_sub(scan.since) % interval < window {
                return Some(at);
            }
            at += nanos(self.interval + MAX_ADVERTISING_DELAY.mul_f64(dice.unit()));
        }
        None
    }
}

pub(crate) fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{MILLISECOND, SECOND};

    #[test]
    fn a_scan_hears_what_falls_into_its_windows() {
        let mut dice = Dice::new(1, 0);
        let advertisement = Advertisement { tag: None, interval: Duration::from_millis(800) };
        let scan = |window_ms| Scan {
            number: 0,
            since: SECOND,
            window: Duration::from_millis(window_ms),
            interval: Duration::from_millis(100),
        };
        let mut later = 0;
        for _ in 0..200 {
            let at = advertisement.heard(2 * SECOND, &scan(100), &mut dice).unwrap();
            assert!((2 * SECOND..2 * SECOND + 800 * MILLISECOND).contains(&at));
            let at = advertisement.heard(2 * SECOND, &scan(10), &mut dice).unwrap();
            assert!((at - SECOND) % (100 * MILLISECOND) < 10 * MILLISECOND);
            later += u32::from(at > 2 * SECOND + 800 * MILLISECOND);
            assert_eq!(advertisement.heard(2 * SECOND, &scan(0), &mut dice), None);
        }
        assert!(later > 100, "{later}");
    }
}
