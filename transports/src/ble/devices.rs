//! Who is in sight, who was visited, and who is worth a connection.

use super::command::{Device, Tag};
use super::controller::NodeId;
use crate::backoff;
use rand_core::Rng;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Devices remembered: more than a radio hears in a crowd, since each shows a new address in each
/// quarter of an hour.
const MAX_DEVICES: usize = 512;
/// Visits remembered.
const MAX_VISITS: usize = 512;
/// A device not seen for so long is gone.
const FRESH: Duration = Duration::from_secs(15);
/// Between two visits where neither side is known to have something new.
const REVISIT: Duration = Duration::from_mins(15);
/// And where one has, or may have.
const REVISIT_SOON: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Sighting {
    at: Duration,
    rssi: i8,
    tag: Option<Tag>,
    failures: u32,
    not_before: Duration,
    node: Option<NodeId>,
}

/// How a link has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parting {
    /// All that there was has been said.
    Done,
    /// Perhaps not.
    Early,
}

/// What was so when a link to a node ended.
#[derive(Debug)]
struct Visit {
    at: Duration,
    /// What this node had by then.
    contents: [u8; 32],
    /// What the node has shown since.
    tag: Option<Tag>,
    parting: Parting,
    /// Jitter, as part of the pause.
    share: f64,
}

/// What is known of the neighbourhood.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    seen: BTreeMap<Device, Sighting>,
    /// The same by when they were seen last: each packet of a link asks for the few in sight.
    order: BTreeSet<(Duration, Device)>,
    visits: BTreeMap<NodeId, Visit>,
    /// Tags of nodes that have what this one has.
    known: BTreeMap<Tag, NodeId>,
    contents: [u8; 32],
}

impl Devices {
    pub(crate) fn set_news(&mut self, contents: [u8; 32], known: BTreeMap<Tag, NodeId>) {
        self.contents = contents;
        self.known = known;
    }

    pub(crate) fn seen(&mut self, now: Duration, device: Device, rssi: i8, tag: Option<Tag>) {
        if let Some(before) = self.seen.get(&device) {
            self.order.remove(&(before.at, device));
        } else if self.seen.len() >= MAX_DEVICES {
            let oldest = self.order.pop_first();
            oldest.and_then(|(_, device)| self.seen.remove(&device));
        }
        self.order.insert((now, device));
        let sighting = self.seen.entry(device).or_insert(Sighting {
            at: now,
            rssi,
            tag,
            failures: 0,
            not_before: now,
            node: None,
        });
        (sighting.at, sighting.rssi) = (now, rssi);
        sighting.tag = tag.or(sighting.tag);
        let visit = sighting.node.and_then(|node| self.visits.get_mut(&node));
        if let (Some(visit), Some(tag)) = (visit, tag) {
            visit.tag.get_or_insert(tag);
        }
    }

    /// What the device says where it cannot advertise it.
    pub(crate) fn tagged(&mut self, device: Device, tag: Tag) {
        if let Some(sighting) = self.seen.get_mut(&device) {
            sighting.tag = Some(tag);
        }
    }

    /// How many are in sight.
    pub(crate) fn count(&self, now: Duration) -> usize {
        self.in_sight(now).count()
    }

    fn in_sight(&self, now: Duration) -> impl Iterator<Item = Device> + '_ {
        let latest_first = self.order.iter().rev();
        latest_first.take_while(move |(at, _)| *at + FRESH > now).map(|(_, device)| *device)
    }

    /// The device did not connect, or did not turn out to be a node in time.
    pub(crate) fn failed(&mut self, now: Duration, device: Device, rng: &mut impl Rng) {
        if let Some(sighting) = self.seen.get_mut(&device) {
            sighting.not_before = now + backoff::delay(sighting.failures, rng);
            sighting.failures = sighting.failures.saturating_add(1);
        }
    }

    /// The device has turned out to be `node`'s.
    pub(crate) fn identified(&mut self, device: Device, node: NodeId) {
        if let Some(sighting) = self.seen.get_mut(&device) {
            sighting.node = Some(node);
            sighting.failures = 0;
        }
    }

    /// A link to `node` has ended.
    pub(crate) fn visited(
        &mut self,
        now: Duration,
        node: NodeId,
        parting: Parting,
        rng: &mut impl Rng,
    ) {
        if !self.visits.contains_key(&node) && self.visits.len() >= MAX_VISITS {
            let oldest = self.visits.iter().min_by_key(|(_, it)| it.at).map(|(node, _)| *node);
            oldest.and_then(|node| self.visits.remove(&node));
        }
        let share = 0.5 + f64::from(rng.next_u32()) / f64::from(u32::MAX) / 2.0;
        self.visits
            .insert(node, Visit { at: now, contents: self.contents, tag: None, parting, share });
    }

    /// Whether a node that shows `tag` and this one have nothing for each other.
    pub(crate) fn nothing_new(&self, tag: Tag) -> bool {
        self.known.contains_key(&tag)
    }

    /// The device most worth a connection now. Those never visited come first, then those longest
    /// left alone, then the nearest.
    pub(crate) fn choose(
        &self,
        now: Duration,
        linked: &BTreeSet<NodeId>,
        busy: &BTreeSet<Device>,
    ) -> Option<Device> {
        let due = self.candidates(now, linked, busy).filter(|(due, _)| *due <= now);
        let rank = |device: &Device| {
            let sighting = self.seen.get(device)?;
            let visit = self.node(sighting).and_then(|node| self.visits.get(&node));
            Some((visit.map(|visit| visit.at), Reverse(sighting.rssi), *device))
        };
        due.map(|(_, device)| device).min_by_key(rank)
    }

    /// When [`Self::choose`] may have another answer, as far as time alone decides.
    pub(crate) fn deadline(
        &self,
        now: Duration,
        linked: &BTreeSet<NodeId>,
        busy: &BTreeSet<Device>,
    ) -> Option<Duration> {
        self.candidates(now, linked, busy).map(|(due, _)| due).filter(|due| *due > now).min()
    }

    /// The devices in sight that a connection could bring something, and from when on.
    fn candidates<'a>(
        &'a self,
        now: Duration,
        linked: &'a BTreeSet<NodeId>,
        busy: &'a BTreeSet<Device>,
    ) -> impl Iterator<Item = (Duration, Device)> + 'a {
        self.in_sight(now).filter_map(move |device| {
            let sighting = self.seen.get(&device)?;
            let due = self.due(sighting)?.max(sighting.not_before);
            let is_linked = self.node(sighting).is_some_and(|node| linked.contains(&node));
            let is_fresh = sighting.at + FRESH > due;
            (is_fresh && !is_linked && !busy.contains(&device)).then_some((due, device))
        })
    }

    fn node(&self, sighting: &Sighting) -> Option<NodeId> {
        sighting.node.or_else(|| self.known.get(&sighting.tag?).copied())
    }

    /// From when on a visit is worth while; none as long as there is nothing new.
    fn due(&self, sighting: &Sighting) -> Option<Duration> {
        if sighting.tag.is_some_and(|tag| self.nothing_new(tag)) {
            return None;
        }
        let Some(visit) = self.node(sighting).and_then(|node| self.visits.get(&node)) else {
            return Some(Duration::ZERO);
        };
        let has_own_news = visit.contents != self.contents;
        let pause = match sighting.tag {
            _ if has_own_news || visit.parting == Parting::Early => REVISIT_SOON,
            // Both have what they had when they parted, though it is not the same.
            Some(tag) if visit.tag == Some(tag) => return None,
            Some(_) => REVISIT_SOON,
            None => REVISIT,
        };
        Some(visit.at + pause.mul_f64(visit.share))
    }
}
