//! The working day movement model (Ekman, Keränen, Karvo and Ott, “Working Day Movement Model”,
//! 2008), with its authors' parameters: home, office with walks between desks, and every other evening
//! out in a small company. There are no buses: who has no car walks.

use super::dice::Dice;
use super::mail::Habit;
use super::plane::{Point, Walker};
use super::{DAY_S, HOUR_S, Land, Landmark, Nature, Plan, Role, WALK_M_PER_S};

pub(super) const NATURE: Nature = Nature {
    people: 150,
    days: 2,
    rate_bytes_per_s: 250_000,
    lifetime_s: 24 * 3600,
    publishers: 0,
    range_m: 10.0,
    habit: Habit { messages_a_day: 6.0, photos: 0.03 },
};

/// The paper has 1,000 on 7 by 8.5 km; here more, as in a town whose people mostly walk.
const PEOPLE_PER_KM2: f64 = 40.0;
const BLOCK_M: f64 = 100.0;
const HOUSEHOLD: usize = 2;
const COLLEAGUES: usize = 20;
const PEOPLE_PER_MEETING_SPOT: usize = 50;
/// The side of an office.
const OFFICE_M: f64 = 100.0;
const MEETING_SPOT_M: f64 = 10.0;
/// Leaving home: each person's mean, and the day's difference from it.
const LEAVES_S: f64 = 7.5 * HOUR_S;
const LEAVES_DEVIATION_S: f64 = 3600.0;
const LEAVES_DAILY_DEVIATION_S: f64 = 600.0;
const WORK_S: f64 = 8.0 * HOUR_S;
/// At a desk, between two walks through the office: Pareto with exponent 0.5.
const PAUSE_S: [f64; 2] = [10.0, 100_000.0];
const EVENING_OUT: f64 = 0.5;
const EVENING_S: [f64; 2] = [HOUR_S, 2.0 * HOUR_S];
const OWNS_CAR: f64 = 0.5;
const CAR_M_PER_S: f64 = 10.0;

pub(super) fn land(plan: Plan) -> Land {
    let mut dice = plan.land_dice();
    let side_m = plan.side_m(PEOPLE_PER_KM2);
    let mut places = |count: usize| -> Vec<Point> {
        (0..count.max(1)).map(|_| dice.in_square(side_m)).collect()
    };
    let homes = places(plan.people.div_ceil(HOUSEHOLD));
    let offices = places(plan.people / COLLEAGUES);
    let spots = places(plan.people / PEOPLE_PER_MEETING_SPOT);
    let mut land = Land::default();
    for (name, places, radius_m) in
        [("office", &offices, OFFICE_M / 2.0), ("meeting spot", &spots, MEETING_SPOT_M)]
    {
        land.landmarks.extend(places.iter().map(|at| Landmark { name, at: *at, radius_m }));
    }
    land.circles = vec![Vec::new(); homes.len() + offices.len()];
    for person in 0..plan.people {
        let mut dice = plan.dice_of(person);
        let (home, office) = (person / HOUSEHOLD, dice.below(offices.len()));
        land.circles[home].push(person);
        land.circles[homes.len() + office].push(person);
        let worker = Worker {
            home: homes[home],
            office: offices[office],
            spot: spots[dice.below(spots.len())],
            leaves_s: dice.normal(LEAVES_S, LEAVES_DEVIATION_S),
            speed_m_per_s: if dice.happens(OWNS_CAR) { CAR_M_PER_S } else { WALK_M_PER_S },
        };
        let mut walker = Walker::at(worker.home);
        for dawn_s in plan.dawns_s() {
            worker.live(dawn_s, &mut walker, &mut dice);
        }
        land.tracks.push(walker.finish(plan.end_s()));
        land.roles.push(Role::Resident);
    }
    land
}

struct Worker {
    home: Point,
    office: Point,
    /// Where they go of an evening.
    spot: Point,
    leaves_s: f64,
    speed_m_per_s: f64,
}

impl Worker {
    fn live(&self, dawn_s: f64, walker: &mut Walker, dice: &mut Dice) {
        let leaves_s = dice.normal(self.leaves_s, LEAVES_DAILY_DEVIATION_S);
        walker.stay_until(dawn_s + leaves_s);
        let desk = corner_of(self.office).plus(dice.in_square(OFFICE_M));
        walker.go_by_streets(desk, BLOCK_M, self.speed_m_per_s);
        work(self.office, desk, walker.now_s() + WORK_S, walker, dice);
        if dice.happens(EVENING_OUT) {
            let table = dice.near(self.spot, MEETING_SPOT_M);
            walker.go_by_streets(table, BLOCK_M, self.speed_m_per_s);
            walker.stay(dice.between(EVENING_S[0], EVENING_S[1]));
        }
        walker.go_by_streets(self.home, BLOCK_M, self.speed_m_per_s);
        walker.stay_until(dawn_s + DAY_S);
    }
}

/// At the desk, and now and then somewhere else in the office, until it is time.
fn work(office: Point, desk: Point, until_s: f64, walker: &mut Walker, dice: &mut Dice) {
    loop {
        let pause_s = dice.pareto_half(PAUSE_S[0], PAUSE_S[1]);
        if walker.now_s() + pause_s >= until_s {
            return walker.stay_until(until_s);
        }
        walker.stay(pause_s);
        walker.go(corner_of(office).plus(dice.in_square(OFFICE_M)), WALK_M_PER_S);
        let pause_s = dice.pareto_half(PAUSE_S[0], PAUSE_S[1]);
        walker.stay_until(until_s.min(walker.now_s() + pause_s));
        walker.go(desk, WALK_M_PER_S);
    }
}

fn corner_of(office: Point) -> Point {
    office.plus(Point { x_m: -OFFICE_M / 2.0, y_m: -OFFICE_M / 2.0 })
}
