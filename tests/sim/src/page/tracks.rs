//! Tracks in little room: corners that matter, as differences in few bytes.

use crate::worlds::{Point, Track, Waypoint};
use data_encoding::BASE64;
use serde::Serialize;

/// How far from the truth the map shows somebody at most, if there is room.
const TOLERANCE_M: f64 = 4.0;
/// Waypoints of all people together.
const MAX_WAYPOINTS: usize = 400_000;
const TIME_UNIT_S: f64 = 5.0;
const UNIT_M: f64 = 1.0;

/// Tracks, for each person: how many waypoints there are, and for each of them the differences of time
/// (in units of `time_unit_s`), x and y (in units of `unit_m`, zigzag) from the one before, all as
/// LEB128.
#[derive(Serialize)]
pub(super) struct Packed {
    unit_m: f64,
    time_unit_s: f64,
    base64: String,
}

pub(super) fn pack(tracks: &[Track]) -> Packed {
    let mut tolerance_m = TOLERANCE_M;
    let kept = loop {
        let kept: Vec<Vec<Waypoint>> =
            tracks.iter().map(|track| corners(track.waypoints(), tolerance_m)).collect();
        if kept.iter().map(Vec::len).sum::<usize>() <= MAX_WAYPOINTS.max(2 * tracks.len()) {
            break kept;
        }
        tolerance_m *= 2.0;
    };
    let mut bytes = Vec::new();
    for waypoints in kept {
        number(waypoints.len() as u64, &mut bytes);
        let mut last = [0; 3];
        for Waypoint { at_s, place: Point { x_m, y_m } } in waypoints {
            let now = [at_s / TIME_UNIT_S, x_m / UNIT_M, y_m / UNIT_M].map(|it| it.round() as i64);
            let [time, x, y] = [0, 1, 2].map(|n| now[n] - last[n]);
            number(time.unsigned_abs(), &mut bytes);
            for difference in [x, y] {
                number(((difference << 1) ^ (difference >> 63)).cast_unsigned(), &mut bytes);
            }
            last = now;
        }
    }
    Packed { unit_m: UNIT_M, time_unit_s: TIME_UNIT_S, base64: BASE64.encode(&bytes) }
}

/// The waypoints without which somebody would be shown too far from where they are (Douglas and
/// Peucker, 1973, with the distance at the same time).
fn corners(track: &[Waypoint], tolerance_m: f64) -> Vec<Waypoint> {
    let mut is_kept = vec![false; track.len()];
    let mut stretches = vec![(0, track.len().saturating_sub(1))];
    while let Some((first, last)) = stretches.pop() {
        is_kept[first] = true;
        is_kept[last] = true;
        let [from, to] = [track[first], track[last]];
        let error_m = |n: &usize| {
            let part = (track[*n].at_s - from.at_s) / (to.at_s - from.at_s);
            from.place.towards(to.place, part).distance_m(track[*n].place)
        };
        let worst = (first + 1..last).max_by(|a, b| error_m(a).total_cmp(&error_m(b)));
        if let Some(worst) = worst.filter(|worst| error_m(worst) > tolerance_m) {
            stretches.extend([(first, worst), (worst, last)]);
        }
    }
    track.iter().zip(is_kept).filter(|(_, is_kept)| *is_kept).map(|(it, _)| *it).collect()
}

fn number(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::World;

    fn read(bytes: &mut impl Iterator<Item = u8>) -> i64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = i64::from(bytes.next().unwrap());
            value |= (byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    #[test]
    fn everybody_is_shown_where_they_are() {
        let scenario = World::City.scenario(40, 1, 0, 1);
        let tracks = &scenario.map.as_ref().unwrap().tracks;
        let packed = pack(tracks);
        let mut bytes = BASE64.decode(packed.base64.as_bytes()).unwrap().into_iter();
        for track in tracks {
            let mut shown: Vec<[f64; 3]> = Vec::new();
            let mut last = [0; 3];
            for _ in 0..read(&mut bytes) {
                last[0] += read(&mut bytes);
                for axis in &mut last[1..] {
                    let value = read(&mut bytes);
                    *axis += (value >> 1) ^ -(value & 1);
                }
                shown.push(last.map(|it| it as f64));
            }
            let (mut passed, mut from) = (0, 0);
            for at_s in (0..24 * 3600).step_by(60) {
                let at = f64::from(at_s) / TIME_UNIT_S;
                while passed + 2 < shown.len() && shown[passed + 1][0] <= at {
                    passed += 1;
                }
                let [a, b] = [shown[passed], shown[passed + 1]];
                let part = (at - a[0]) / (b[0] - a[0]);
                let at = |n: usize| a[n] + (b[n] - a[n]) * part;
                let shown = Point { x_m: at(1), y_m: at(2) };
                let there = track.position(f64::from(at_s), &mut from).0;
                // Units round times, too: trams go 25 m in one.
                assert!(shown.distance_m(there) < TOLERANCE_M + 30.0, "{shown:?} {there:?}");
            }
        }
        assert_eq!(bytes.next(), None);
    }
}
