//! MaxProp (Burgess, Gallagher, Jensen and Levine, INFOCOM 2006).
//!
//! Every node keeps the likelihood that its next meeting is with this or that other, by incremental
//! averaging, and passes on the vectors of all. The cost of a destination is that of the cheapest
//! path to it, where a hop costs one less its likelihood. Buffers are sorted: what has come few hops
//! goes first and leaves last, the rest by cost. Where that threshold lies depends on how much a
//! meeting moves.

use super::mailboxes::{Tag, from_wire, wire};
use crate::store::SteadyMs;
use crate::time::DAY_MS;
use std::collections::{BTreeMap, BTreeSet};

/// Others' vectors that are kept: beyond, those go that were not heard of for longest.
const MAX_VECTORS: usize = 1024;
/// None is kept for longer.
const MAX_AGE_MS: i64 = DAY_MS as i64;
/// Meetings in a vector. Each further one halves the likelihood of all before it: more would not
/// show in sixteen bits.
pub(crate) const MAX_MEETINGS: usize = 32;
/// Tags that a vector's owner goes by.
pub(crate) const MAX_OF: usize = 64;
/// Neighbours of whom is known what they were told.
const MAX_LISTENERS: usize = 4096;

/// Whom somebody meets, how likely next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vector {
    /// The owner's tags.
    pub(crate) of: Vec<Tag>,
    /// By the owner's clock, in seconds: later ones replace earlier ones.
    pub(crate) as_of_s: u32,
    pub(crate) meetings: Vec<(Tag, u16)>,
}

#[derive(Debug)]
struct Heard {
    vector: Vector,
    at: SteadyMs,
}

/// A node, among those that are known: one of its tags stands for all.
type Vertex = Tag;

#[derive(Debug, Default)]
pub(crate) struct MaxProp {
    /// By which vertex each tag goes, and the tags of each vertex, as announced last.
    vertices: BTreeMap<Tag, Vertex>,
    tags: BTreeMap<Vertex, Vec<Tag>>,
    /// The own vector.
    met: BTreeMap<Vertex, f64>,
    met_at: SteadyMs,
    heard: BTreeMap<Vertex, Heard>,
    /// When each neighbour was last told what was new.
    listeners: BTreeMap<[u8; 32], SteadyMs>,
    costs: BTreeMap<Vertex, f64>,
    is_stale: bool,
    meetings: u64,
    moved_bytes: u64,
    /// What has come fewer hops goes before all else.
    threshold: u8,
}

impl MaxProp {
    /// A meeting with the owner of all these: its likelihood grows by one, then all are made to add
    /// up to one again.
    pub(crate) fn meet(&mut self, tags: &[Tag], now: SteadyMs) {
        let Some(vertex) = self.link(tags) else { return };
        *self.met.entry(vertex).or_default() += 1.0;
        let sum: f64 = self.met.values().sum();
        self.met.values_mut().for_each(|likelihood| *likelihood /= sum);
        self.met.retain(|_, likelihood| wire(*likelihood) > 0);
        self.met_at = now;
        self.is_stale = true;
    }

    /// All these have one owner: a new day's tag goes by the vertex of an old one.
    pub(crate) fn link(&mut self, tags: &[Tag]) -> Option<Vertex> {
        let newest = *tags.first()?;
        let known = tags.iter().find_map(|tag| self.vertices.get(tag).copied());
        let vertex = known.unwrap_or(newest);
        self.unlink(vertex);
        self.vertices.extend(tags.iter().map(|tag| (*tag, vertex)));
        self.tags.insert(vertex, tags.to_vec());
        Some(vertex)
    }

    fn unlink(&mut self, vertex: Vertex) {
        for tag in self.tags.remove(&vertex).unwrap_or_default() {
            if self.vertices.get(&tag) == Some(&vertex) {
                self.vertices.remove(&tag);
            }
        }
    }

    /// Somebody's vector; `is_direct`: from that very node.
    pub(crate) fn hear(&mut self, vector: Vector, is_direct: bool, now: SteadyMs) {
        let Some(vertex) = self.link(&vector.of) else { return };
        let is_news = self
            .heard
            .get(&vertex)
            .is_none_or(|known| is_direct || known.vector.as_of_s < vector.as_of_s);
        if is_news {
            self.heard.insert(vertex, Heard { vector, at: now });
            self.is_stale = true;
        }
        while self.heard.len() > MAX_VECTORS {
            let oldest = self.heard.iter().min_by_key(|(_, heard)| heard.at);
            let Some(oldest) = oldest.map(|(vertex, _)| *vertex) else { break };
            self.heard.remove(&oldest);
            if !self.met.contains_key(&oldest) {
                self.unlink(oldest);
            }
        }
    }

    /// The own vector, under the tags `own`, and what was heard since this neighbour was last told.
    pub(crate) fn tell(&mut self, own: &[Tag], neighbour: [u8; 32], now: SteadyMs) -> Vec<Vector> {
        self.forget(now);
        if self.listeners.len() >= MAX_LISTENERS {
            self.listeners.clear();
        }
        let since = self.listeners.insert(neighbour, now).unwrap_or(SteadyMs::MIN);
        let newest = |vertex: &Vertex| self.tags.get(vertex)?.first().copied();
        let meetings =
            self.met.iter().filter_map(|(vertex, likely)| Some((newest(vertex)?, wire(*likely))));
        let own = Vector {
            of: own.iter().copied().take(MAX_OF).collect(),
            as_of_s: u32::try_from(self.met_at.max(0) / 1000).unwrap_or(u32::MAX),
            meetings: meetings.take(MAX_MEETINGS).collect(),
        };
        let news = self.heard.values().filter(|heard| heard.at >= since);
        [own].into_iter().chain(news.map(|heard| heard.vector.clone())).collect()
    }

    /// A meeting has moved so many bytes of mail.
    pub(crate) fn part(&mut self, moved_bytes: u64) {
        self.meetings += 1;
        self.moved_bytes = self.moved_bytes.saturating_add(moved_bytes);
    }

    /// Others' mail on board, as bytes by hops in ascending order: what a mean meeting moves is for
    /// mail that has come few hops; with meetings that move nearly the buffer and more, ever less.
    pub(crate) fn set_threshold(&mut self, on_board: &[(u8, u64)], buffer_bytes: u64) {
        let moved = self.moved_bytes.checked_div(self.meetings).unwrap_or(0);
        let share = match moved {
            moved if moved < buffer_bytes / 2 => moved,
            moved => buffer_bytes.saturating_sub(moved),
        };
        let mut left = share;
        let begun = on_board.iter().take_while(|(_, bytes)| {
            let is_left = left > 0;
            left = left.saturating_sub(*bytes);
            is_left
        });
        self.threshold = begun.last().map_or(0, |(hops, _)| hops.saturating_add(1));
    }

    /// Works out the costs anew, if anything has changed.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.costs = self.cheapest_paths();
        }
    }

    /// Above one where hops count, else by cost.
    pub(crate) fn rank(&self, tag: Tag, hops: u8) -> f64 {
        if hops < self.threshold {
            return 2.0 - f64::from(hops) / 256.0;
        }
        1.0 / (1.0 + self.cost(tag))
    }

    fn cost(&self, tag: Tag) -> f64 {
        self.costs.get(&self.vertex(tag)).copied().unwrap_or(f64::INFINITY)
    }

    fn vertex(&self, tag: Tag) -> Vertex {
        self.vertices.get(&tag).copied().unwrap_or(tag)
    }

    /// Dijkstra, from this node.
    fn cheapest_paths(&self) -> BTreeMap<Vertex, f64> {
        let mut costs: BTreeMap<Vertex, f64> = BTreeMap::new();
        // Costs are positive: their bits have their order.
        let mut border: BTreeSet<(u64, Vertex)> =
            self.met.iter().map(|(vertex, likely)| ((1.0 - likely).to_bits(), *vertex)).collect();
        while let Some((bits, vertex)) = border.pop_first() {
            let cost = f64::from_bits(bits);
            if costs.contains_key(&vertex) {
                continue;
            }
            costs.insert(vertex, cost);
            let onward = self.heard.get(&vertex).into_iter().flat_map(|it| &it.vector.meetings);
            for &(tag, likely) in onward {
                let next = self.vertex(tag);
                if !costs.contains_key(&next) {
                    border.insert(((cost + 1.0 - from_wire(likely)).to_bits(), next));
                }
            }
        }
        costs
    }

    fn forget(&mut self, now: SteadyMs) {
        self.heard.retain(|_, heard| heard.at >= now - MAX_AGE_MS);
        let is_known =
            |vertex: &Vertex| self.heard.contains_key(vertex) || self.met.contains_key(vertex);
        let unknown: Vec<Vertex> =
            self.tags.keys().filter(|vertex| !is_known(vertex)).copied().collect();
        for vertex in unknown {
            self.unlink(vertex);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [1; 32];

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-4, "{value}, not {expected}");
    }

    fn vector(of: u32, as_of_s: u32, meetings: &[(u32, u16)]) -> Vector {
        let meetings = meetings.iter().map(|(tag, likely)| (Tag(*tag), *likely)).collect();
        Vector { of: vec![Tag(of)], as_of_s, meetings }
    }

    #[test]
    fn likelihoods_are_averaged_incrementally() {
        let mut maxprop = MaxProp::default();
        for tag in [1, 2, 2] {
            maxprop.meet(&[Tag(tag)], 0);
        }
        near(maxprop.met[&Tag(1)], 0.25);
        near(maxprop.met[&Tag(2)], 0.75);
        maxprop.meet(&[Tag(3)], 0);
        near(maxprop.met[&Tag(1)], 0.125);
        near(maxprop.met[&Tag(2)], 0.375);
        near(maxprop.met[&Tag(3)], 0.5);
    }

    #[test]
    fn a_path_costs_what_its_hops_lack() {
        let mut maxprop = MaxProp::default();
        for tag in [1, 2, 2] {
            maxprop.meet(&[Tag(tag)], 0);
        }
        // 2 meets 3 in one of two meetings, 1 does always; 3 meets 4 always.
        maxprop.hear(vector(2, 1, &[(3, 32_768), (9, 32_768)]), true, 0);
        maxprop.hear(vector(1, 1, &[(3, 65_535)]), false, 0);
        maxprop.hear(vector(3, 1, &[(4, 65_535)]), false, 0);
        maxprop.settle();
        near(maxprop.cost(Tag(1)), 0.75);
        near(maxprop.cost(Tag(2)), 0.25);
        // 0.25 + 0.5 by way of 2, and 0.75 + 0 by way of 1.
        near(maxprop.cost(Tag(3)), 0.75);
        near(maxprop.cost(Tag(4)), 0.75);
        near(maxprop.cost(Tag(9)), 0.75);
        assert!(maxprop.cost(Tag(5)).is_infinite() && maxprop.rank(Tag(5), 0) == 0.0);
        assert!(maxprop.rank(Tag(2), 9) > maxprop.rank(Tag(1), 0), "without a threshold, by cost");
    }

    #[test]
    fn what_has_come_few_hops_goes_first() {
        let mut maxprop = MaxProp::default();
        maxprop.part(300);
        maxprop.part(500);
        let on_board = [(0, 150), (1, 200), (2, 100), (3, 100)];
        maxprop.set_threshold(&on_board, 1000);
        // 400 bytes: the first 350, and what goes on beyond.
        assert_eq!(maxprop.threshold, 3);
        assert!(maxprop.rank(Tag(5), 0) > maxprop.rank(Tag(5), 1));
        assert!(maxprop.rank(Tag(5), 2) > 1.0 && maxprop.rank(Tag(5), 3) <= 1.0);
        maxprop.set_threshold(&on_board, 600);
        assert_eq!(maxprop.threshold, 2, "600 bytes leave 200 of 400");
        maxprop.set_threshold(&on_board, 300);
        assert_eq!(maxprop.threshold, 0, "a meeting empties the buffer");
    }

    #[test]
    fn a_new_days_tag_is_the_same_node() {
        let mut maxprop = MaxProp::default();
        maxprop.meet(&[Tag(1)], 0);
        maxprop.meet(&[Tag(5)], 0);
        maxprop.meet(&[Tag(7), Tag(1)], 1000);
        maxprop.settle();
        near(maxprop.cost(Tag(7)), 0.25);
        near(maxprop.cost(Tag(1)), 0.25);
        let told = maxprop.tell(&[Tag(9)], KEY, 2000);
        assert_eq!(told, [vector(9, 1, &[(7, 49_151), (5, 16_384)])], "by its latest tag");
    }

    #[test]
    fn later_words_and_the_owners_own_win() {
        let mut maxprop = MaxProp::default();
        let known = |maxprop: &MaxProp| maxprop.heard[&Tag(1)].vector.as_of_s;
        maxprop.hear(vector(1, 5, &[]), false, 0);
        maxprop.hear(vector(1, 4, &[]), false, 0);
        assert_eq!(known(&maxprop), 5);
        maxprop.hear(vector(1, u32::MAX, &[]), false, 0);
        maxprop.hear(vector(1, 6, &[]), true, 10);
        assert_eq!(known(&maxprop), 6);
        assert_eq!(maxprop.tell(&[], KEY, 20).len(), 2);
        assert_eq!(maxprop.tell(&[], KEY, 30).len(), 1, "told before");
        for of in 0..2 * MAX_VECTORS as u32 {
            maxprop.hear(vector(of, 1, &[]), false, 40);
        }
        assert_eq!(maxprop.heard.len(), MAX_VECTORS);
        maxprop.tell(&[], KEY, MAX_AGE_MS + 100);
        assert!(maxprop.heard.is_empty() && maxprop.vertices.is_empty(), "old");
    }
}
