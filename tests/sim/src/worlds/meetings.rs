//! Who is near whom: contacts from tracks.

use super::plane::{Point, Track};
use crate::scenario::Contact;
use crate::schedule::{Nanos, SECOND};
use std::collections::BTreeMap;

/// Phones look around this often, as to find each other and to connect takes about so long: who passes
/// by faster is not met.
const LOOK_EVERY_S: u64 = 10;
/// The grid has at most so many cells a side, whatever the range.
const MAX_CELLS: f64 = 1000.0;

/// The contacts of people who move so, with radios that reach so far, from time zero on; by their
/// beginnings.
pub(super) fn meetings(tracks: &[Track], range_m: f64, end_s: u64) -> Vec<Contact> {
    let mut crowd = Crowd::new(tracks, range_m);
    let mut met = Vec::new();
    for at_s in (0..end_s).step_by(LOOK_EVERY_S as usize) {
        for person in crowd.advance(at_s) {
            crowd.part(person, at_s * SECOND, &mut met);
            crowd.meet(person, at_s * SECOND);
        }
    }
    for person in 0..tracks.len() {
        crowd.part_from_all(person, end_s * SECOND, &mut met);
    }
    met.sort_unstable_by_key(|contact: &Contact| (contact.start, contact.end, contact.pair));
    met
}

/// Everybody at one time. Only who moves is looked at again: at night that is nobody.
struct Crowd<'a> {
    tracks: &'a [Track],
    range_m: f64,
    places: Vec<Point>,
    /// The waypoint that each has passed last.
    passed: Vec<usize>,
    stays_until_s: Vec<f64>,
    cell_m: f64,
    corner: Point,
    columns: usize,
    cell_of: Vec<usize>,
    cells: Vec<Vec<usize>>,
    /// Whom each is near, and since when.
    near: Vec<BTreeMap<usize, Nanos>>,
}

impl<'a> Crowd<'a> {
    fn new(tracks: &'a [Track], range_m: f64) -> Self {
        let all = || tracks.iter().flat_map(Track::waypoints).map(|waypoint| waypoint.place);
        let pick = |of: fn(f64, f64) -> f64, from| {
            let both = |a: Point, b: Point| Point { x_m: of(a.x_m, b.x_m), y_m: of(a.y_m, b.y_m) };
            all().fold(Point { x_m: from, y_m: from }, both)
        };
        let corner = pick(f64::min, f64::INFINITY);
        let far = pick(f64::max, f64::NEG_INFINITY);
        let [width_m, height_m] = [far.x_m - corner.x_m, far.y_m - corner.y_m];
        let cell_m = range_m.max(width_m.max(height_m) / MAX_CELLS);
        // A border all around spares every look for it.
        #[allow(clippy::cast_sign_loss, reason = "no extent is negative")]
        let [columns, rows] = [width_m, height_m].map(|m| (m / cell_m) as usize + 3);
        Self {
            tracks,
            range_m,
            places: vec![Point { x_m: f64::NAN, y_m: f64::NAN }; tracks.len()],
            passed: vec![0; tracks.len()],
            stays_until_s: vec![0.0; tracks.len()],
            cell_m,
            corner,
            columns,
            cell_of: vec![0; tracks.len()],
            cells: vec![Vec::new(); columns * rows],
            near: vec![BTreeMap::new(); tracks.len()],
        }
    }

    /// Lets everybody go on to that time; those who have moved.
    fn advance(&mut self, at_s: u64) -> Vec<usize> {
        let mut movers = Vec::new();
        for (person, track) in self.tracks.iter().enumerate() {
            if at_s > 0 && self.stays_until_s[person] >= at_s as f64 {
                continue;
            }
            let (place, until_s) = track.position(at_s as f64, &mut self.passed[person]);
            self.stays_until_s[person] = until_s;
            if place != self.places[person] {
                self.places[person] = place;
                self.settle(person, at_s == 0);
                movers.push(person);
            }
        }
        movers
    }

    fn settle(&mut self, person: usize, is_new: bool) {
        let Point { x_m, y_m } = self.places[person];
        #[allow(clippy::cast_sign_loss, reason = "nobody is beyond the corner")]
        let index = |m: f64| (m / self.cell_m) as usize + 1;
        let cell = index(y_m - self.corner.y_m) * self.columns + index(x_m - self.corner.x_m);
        let before = std::mem::replace(&mut self.cell_of[person], cell);
        if is_new || before != cell {
            self.cells[before].retain(|other| *other != person);
            self.cells[cell].push(person);
        }
    }

    fn is_near(&self, a: usize, b: usize) -> bool {
        self.places[a].distance_m(self.places[b]) <= self.range_m
    }

    /// Ends the contacts with those who are out of range.
    fn part(&mut self, person: usize, at: Nanos, met: &mut Vec<Contact>) {
        let gone = self.near[person].keys().filter(|other| !self.is_near(person, **other));
        for other in gone.copied().collect::<Vec<_>>() {
            self.end(person, other, at, met);
        }
    }

    fn part_from_all(&mut self, person: usize, at: Nanos, met: &mut Vec<Contact>) {
        for other in self.near[person].keys().copied().collect::<Vec<_>>() {
            self.end(person, other, at, met);
        }
    }

    fn end(&mut self, a: usize, b: usize, at: Nanos, met: &mut Vec<Contact>) {
        self.near[b].remove(&a);
        if let Some(start) = self.near[a].remove(&b) {
            met.push(Contact { start, end: at, pair: [a.min(b), a.max(b)] });
        }
    }

    /// Begins contacts with those who have come into range.
    fn meet(&mut self, person: usize, at: Nanos) {
        let home = self.cell_of[person];
        for row in [home - self.columns, home, home + self.columns] {
            for cell in row - 1..=row + 1 {
                for index in 0..self.cells[cell].len() {
                    let other = self.cells[cell][index];
                    if other != person && self.is_near(person, other) {
                        self.near[person].entry(other).or_insert(at);
                        self.near[other].entry(person).or_insert(at);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::super::plane::Walker;
    use super::*;

    const END_S: u64 = 3600;

    fn wanderers(people: u64) -> Vec<Track> {
        let wander = |person| {
            let mut dice = Dice::new(3, person);
            let mut walker = Walker::at(dice.in_square(300.0));
            while walker.now_s() < END_S as f64 {
                walker.stay(dice.between(0.0, 120.0));
                walker.go(dice.in_square(300.0), 1.5);
            }
            walker.finish(END_S as f64)
        };
        (0..people).map(wander).collect()
    }

    #[test]
    fn contacts_are_just_when_people_are_in_range() {
        let tracks = wanderers(20);
        let contacts = meetings(&tracks, 25.0, END_S);
        assert!(contacts.len() > 200);
        for a in 0..tracks.len() {
            for b in a + 1..tracks.len() {
                let mut from = [0, 0];
                for at_s in (0..END_S).step_by(LOOK_EVERY_S as usize) {
                    let place =
                        |who: usize, from: &mut usize| tracks[who].position(at_s as f64, from).0;
                    let is_near = place(a, &mut from[0]).distance_m(place(b, &mut from[1])) <= 25.0;
                    let at = at_s * SECOND;
                    let count = contacts
                        .iter()
                        .filter(|it| it.pair == [a, b] && it.start <= at && at < it.end)
                        .count();
                    assert_eq!(count, usize::from(is_near), "{a} {b} {at_s}");
                }
            }
        }
    }
}
