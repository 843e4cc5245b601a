//! A sparse village: three hamlets too far apart to walk between every day, and a bus that carries
//! mail between them as it passes (as in DakNet: Pentland, Fletcher and Hasson, 2004).

use super::dice::Dice;
use super::mail::Habit;
use super::plane::{Point, Walker};
use super::{DAY_S, HOUR_S, Land, Landmark, MINUTE_S, Nature, Plan, Role, WALK_M_PER_S};

pub(super) const NATURE: Nature = Nature {
    people: 60,
    days: 3,
    rate_bytes_per_s: 250_000,
    lifetime_s: 2 * 24 * 3600,
    publishers: 0,
    range_m: 40.0,
    habit: Habit { messages_a_day: 4.0, photos: 0.05 },
};

const HAMLETS: usize = 3;
/// From the middle of the land to each hamlet.
const APART_M: f64 = 2500.0;
const HAMLET_M: f64 = 300.0;
const HOUSEHOLD: usize = 3;
/// How far fields and woods are from home.
const FIELDS_M: f64 = 1000.0;
/// The middle of each hamlet: its well, shop or church.
const GREEN_M: f64 = 20.0;
/// The bus leaves the first hamlet at these hours, and goes round once.
const BUS_LEAVES_H: [f64; 4] = [7.0, 11.0, 15.0, 19.0];
const BUS_M_PER_S: f64 = 8.0;
const BUS_STOPS_S: f64 = 5.0 * MINUTE_S;
const DAY_BEGINS_S: [f64; 2] = [6.0 * HOUR_S, 9.0 * HOUR_S];
const HOME_BY_S: f64 = 21.0 * HOUR_S;
const AT_HOME_S: [f64; 2] = [HOUR_S, 4.0 * HOUR_S];
const OUT_S: [f64; 2] = [30.0 * MINUTE_S, 3.0 * HOUR_S];
/// Where a way out leads: to the fields, to the green, to a neighbour, else to another hamlet.
const TO_FIELDS: f64 = 0.5;
const TO_GREEN: f64 = 0.25;
const TO_NEIGHBOUR: f64 = 0.22;
const BICYCLE_M_PER_S: f64 = 4.0;

pub(super) fn land(plan: Plan) -> Land {
    let mut dice = plan.land_dice();
    let middle = Point { x_m: APART_M, y_m: APART_M };
    let greens = [(0.0, -1.0), (-0.87, 0.5), (0.87, 0.5)]
        .map(|(x, y)| middle.plus(Point { x_m: x * APART_M, y_m: y * APART_M }));
    let villagers = plan.people - 1;
    let homes: Vec<Vec<Point>> = greens
        .map(|green| {
            let count = villagers.div_ceil(HAMLETS * HOUSEHOLD);
            (0..count).map(|_| dice.near(green, HAMLET_M)).collect()
        })
        .into();
    let circles = homes.iter().map(Vec::len).sum::<usize>() + HAMLETS;
    let mut land = Land {
        circles: vec![Vec::new(); circles],
        landmarks: greens.map(|at| Landmark { name: "hamlet", at, radius_m: HAMLET_M }).into(),
        ..Land::default()
    };
    for person in 0..villagers {
        let mut dice = plan.dice_of(person);
        let (hamlet, house) = (person % HAMLETS, person / HAMLETS / HOUSEHOLD);
        land.circles[hamlet].push(person);
        land.circles[HAMLETS + hamlet * homes[hamlet].len() + house].push(person);
        let home = dice.near(homes[hamlet][house], 5.0);
        let mut walker = Walker::at(home);
        for dawn_s in plan.dawns_s() {
            walker.stay_until(dawn_s + dice.between(DAY_BEGINS_S[0], DAY_BEGINS_S[1]));
            while walker.now_s() < dawn_s + HOME_BY_S {
                go_out(home, hamlet, &greens, &homes, &mut walker, &mut dice);
                walker.stay(dice.between(AT_HOME_S[0], AT_HOME_S[1]));
            }
            walker.stay_until(dawn_s + DAY_S);
        }
        land.tracks.push(walker.finish(plan.end_s()));
        land.roles.push(Role::Resident);
    }
    let mut bus = Walker::at(greens[0]);
    for dawn_s in plan.dawns_s() {
        for hour in BUS_LEAVES_H {
            bus.stay_until(dawn_s + hour * HOUR_S);
            for green in [greens[1], greens[2], greens[0]] {
                bus.go(green, BUS_M_PER_S);
                bus.stay(BUS_STOPS_S);
            }
        }
    }
    land.tracks.push(bus.finish(plan.end_s()));
    land.roles.push(Role::Vehicle);
    land
}

fn go_out(
    home: Point,
    hamlet: usize,
    greens: &[Point; HAMLETS],
    homes: &[Vec<Point>],
    walker: &mut Walker,
    dice: &mut Dice,
) {
    let lot = dice.unit();
    let (to, speed_m_per_s) = if lot < TO_FIELDS {
        (dice.near(home, FIELDS_M), WALK_M_PER_S)
    } else if lot < TO_FIELDS + TO_GREEN {
        (dice.near(greens[hamlet], GREEN_M), WALK_M_PER_S)
    } else if lot < TO_FIELDS + TO_GREEN + TO_NEIGHBOUR {
        (dice.pick(&homes[hamlet]).copied().unwrap_or(home), WALK_M_PER_S)
    } else {
        let other = (hamlet + 1 + dice.below(HAMLETS - 1)) % HAMLETS;
        (dice.near(greens[other], GREEN_M), BICYCLE_M_PER_S)
    };
    walker.go(to, speed_m_per_s);
    walker.stay(dice.between(OUT_S[0], OUT_S[1]));
    walker.go(home, speed_m_per_s);
}
