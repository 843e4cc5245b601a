//! Places on a plane, and the way of one person through them.

use serde::Serialize;

/// A place, in metres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Point {
    pub(crate) x_m: f64,
    pub(crate) y_m: f64,
}

impl Point {
    pub(crate) fn distance_m(self, to: Self) -> f64 {
        (self.x_m - to.x_m).hypot(self.y_m - to.y_m)
    }

    pub(crate) fn plus(self, offset: Self) -> Self {
        Self { x_m: self.x_m + offset.x_m, y_m: self.y_m + offset.y_m }
    }

    /// So large a part of the way to another place.
    pub(crate) fn towards(self, to: Self, part: f64) -> Self {
        Self {
            x_m: self.x_m + (to.x_m - self.x_m) * part,
            y_m: self.y_m + (to.y_m - self.y_m) * part,
        }
    }
}

/// Somebody is there at that time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Waypoint {
    pub(crate) at_s: f64,
    pub(crate) place: Point,
}

/// Where somebody is, all the time: from waypoint to waypoint, straight and evenly. Never empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Track(Vec<Waypoint>);

impl Track {
    pub(crate) fn waypoints(&self) -> &[Waypoint] {
        &self.0
    }

    /// Where they are at a time, and until when they stay there for certain. `from` remembers the
    /// waypoint passed last: times may only grow from call to call.
    pub(crate) fn position(&self, at_s: f64, from: &mut usize) -> (Point, f64) {
        while self.0.get(*from + 1).is_some_and(|next| next.at_s <= at_s) {
            *from += 1;
        }
        match self.0.get(*from..).unwrap_or_default() {
            [last, next, ..] if last.place == next.place => (last.place, next.at_s),
            [last, next, ..] => {
                let part = (at_s - last.at_s) / (next.at_s - last.at_s);
                (last.place.towards(next.place, part), at_s)
            }
            [last] => (last.place, f64::INFINITY),
            [] => (Point { x_m: 0.0, y_m: 0.0 }, f64::INFINITY),
        }
    }
}

/// Writes a track down, step by step.
pub(crate) struct Walker(Vec<Waypoint>);

impl Walker {
    /// Somebody who is here at time zero.
    pub(crate) fn at(place: Point) -> Self {
        Self(vec![Waypoint { at_s: 0.0, place }])
    }

    fn last(&self) -> Waypoint {
        self.0
            .last()
            .copied()
            .unwrap_or(Waypoint { at_s: 0.0, place: Point { x_m: 0.0, y_m: 0.0 } })
    }

    pub(crate) fn now_s(&self) -> f64 {
        self.last().at_s
    }

    pub(crate) fn here(&self) -> Point {
        self.last().place
    }

    /// Stays; not at all if that time is past.
    pub(crate) fn stay_until(&mut self, at_s: f64) {
        self.arrive(at_s, self.here());
    }

    pub(crate) fn stay(&mut self, for_s: f64) {
        self.stay_until(self.now_s() + for_s);
    }

    /// Goes straight there.
    pub(crate) fn go(&mut self, to: Point, speed_m_per_s: f64) {
        let takes_s = self.here().distance_m(to) / speed_m_per_s;
        self.arrive(self.now_s() + takes_s, to);
    }

    /// Goes there along streets `block_m` apart.
    pub(crate) fn go_by_streets(&mut self, to: Point, block_m: f64, speed_m_per_s: f64) {
        let nearest = |m: f64| (m / block_m).round() * block_m;
        let (street, cross) = (nearest(self.here().y_m), nearest(to.x_m));
        let corners = [(self.here().x_m, street), (cross, street), (cross, to.y_m)];
        for (x_m, y_m) in corners {
            self.go(Point { x_m, y_m }, speed_m_per_s);
        }
        self.go(to, speed_m_per_s);
    }

    fn arrive(&mut self, at_s: f64, place: Point) {
        if at_s <= self.now_s() {
            return;
        }
        // Whoever stays on needs no waypoint in between.
        if let [.., before, last] = self.0.as_mut_slice()
            && before.place == place
            && last.place == place
        {
            last.at_s = at_s;
        } else {
            self.0.push(Waypoint { at_s, place });
        }
    }

    /// The track up to the world's end.
    pub(crate) fn finish(mut self, end_s: f64) -> Track {
        self.stay_until(end_s);
        while let [.., before, last] = self.0.as_mut_slice()
            && last.at_s > end_s
        {
            if before.at_s >= end_s {
                self.0.pop();
                continue;
            }
            let part = (end_s - before.at_s) / (last.at_s - before.at_s);
            *last = Waypoint { at_s: end_s, place: before.place.towards(last.place, part) };
        }
        Track(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Point = Point { x_m: 0.0, y_m: 0.0 };

    #[test]
    fn a_track_says_where_somebody_is() {
        let mut walker = Walker::at(ORIGIN);
        walker.stay_until(10.0);
        walker.stay_until(20.0);
        walker.go(Point { x_m: 30.0, y_m: 40.0 }, 5.0);
        let track = walker.finish(25.0);
        assert_eq!(track.waypoints().len(), 3);
        let mut from = 0;
        assert_eq!(track.position(0.0, &mut from), (ORIGIN, 20.0));
        assert_eq!(track.position(22.0, &mut from).0, Point { x_m: 6.0, y_m: 8.0 });
        // The world ends halfway.
        assert_eq!(track.position(99.0, &mut from).0, Point { x_m: 15.0, y_m: 20.0 });
    }

    #[test]
    fn streets_are_kept_to() {
        let mut walker = Walker::at(Point { x_m: 10.0, y_m: 130.0 });
        walker.go_by_streets(Point { x_m: 420.0, y_m: 777.0 }, 100.0, 1.0);
        let track = walker.finish(1e6);
        for pair in track.waypoints().windows(2) {
            let [from, to] = [pair[0].place, pair[1].place];
            let is_straight =
                from.x_m.total_cmp(&to.x_m).is_eq() || from.y_m.total_cmp(&to.y_m).is_eq();
            assert!(is_straight, "{from:?} {to:?}");
        }
        assert_eq!(track.waypoints()[2].place, Point { x_m: 400.0, y_m: 100.0 });
    }
}
