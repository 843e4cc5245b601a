//! A city: flats, offices, shops, and trams on a grid of avenues by which those travel who have far to
//! go. Home and work as in the working day (Ekman and others, 2008); fellow passengers meet as they do
//! in buses there.

use super::dice::Dice;
use super::mail::Habit;
use super::plane::{Point, Walker};
use super::{DAY_S, HOUR_S, Land, Landmark, MINUTE_S, Nature, Plan, Role, WALK_M_PER_S};

pub(super) const NATURE: Nature = Nature {
    people: 500,
    days: 1,
    rate_bytes_per_s: 250_000,
    lifetime_s: 24 * 3600,
    publishers: 0,
    range_m: 10.0,
    habit: Habit { messages_a_day: 2.0, photos: 0.03 },
};

const PEOPLE_PER_KM2: f64 = 50.0;
const BLOCK_M: f64 = 100.0;
const PEOPLE_PER_HOUSE: usize = 6;
const HOUSEHOLD: usize = 2;
const HOUSE_M: f64 = 10.0;
const COLLEAGUES: usize = 30;
const OFFICE_M: f64 = 40.0;
/// At a desk, and then for a while in the middle of the office, where the kitchen is.
const AT_DESK_S: [f64; 2] = [30.0 * MINUTE_S, 3.0 * HOUR_S];
const BREAK_S: [f64; 2] = [3.0 * MINUTE_S, 20.0 * MINUTE_S];
const KITCHEN_M: f64 = 4.0;
const PEOPLE_PER_SHOP: usize = 100;
const SHOP_M: f64 = 15.0;
/// Trams run along every so-manieth street, both ways.
const AVENUE_M: f64 = 800.0;
const TRAM_EVERY_S: f64 = 10.0 * MINUTE_S;
/// Stops included.
const TRAM_M_PER_S: f64 = 5.0;
/// How far passengers sit from the middle of their tram.
const TRAM_M: f64 = 8.0;
/// Shorter ways are walked.
const FAR_M: f64 = 1000.0;
const LEAVES_S: f64 = 8.0 * HOUR_S;
const LEAVES_DEVIATION_S: f64 = 3600.0;
const WORK_S: [f64; 2] = [6.0 * HOUR_S, 9.0 * HOUR_S];
const GOES_SHOPPING: f64 = 0.5;
const SHOPPING_S: [f64; 2] = [10.0 * MINUTE_S, 90.0 * MINUTE_S];

pub(super) fn land(plan: Plan) -> Land {
    let mut dice = plan.land_dice();
    let side_m = plan.side_m(PEOPLE_PER_KM2);
    let mut places = |count: usize| -> Vec<Point> {
        (0..count.max(1)).map(|_| dice.in_square(side_m)).collect()
    };
    let houses = places(plan.people.div_ceil(PEOPLE_PER_HOUSE));
    let offices = places(plan.people / COLLEAGUES);
    let shops = places(plan.people / PEOPLE_PER_SHOP);
    let mut land = Land::default();
    for (name, places, radius_m) in [("office", &offices, OFFICE_M), ("shops", &shops, SHOP_M)] {
        land.landmarks.extend(places.iter().map(|at| Landmark { name, at: *at, radius_m }));
    }
    let households = plan.people.div_ceil(HOUSEHOLD);
    land.circles = vec![Vec::new(); households + offices.len()];
    for person in 0..plan.people {
        let mut dice = plan.dice_of(person);
        let office = dice.below(offices.len());
        land.circles[person / HOUSEHOLD].push(person);
        land.circles[households + office].push(person);
        let home = dice.near(houses[person / PEOPLE_PER_HOUSE], HOUSE_M);
        let leaves_s = dice.normal(LEAVES_S, LEAVES_DEVIATION_S);
        let mut walker = Walker::at(home);
        for dawn_s in plan.dawns_s() {
            walker.stay_until(dawn_s + leaves_s);
            let desk = dice.near(offices[office], OFFICE_M);
            travel(desk, &mut walker, &mut dice);
            let until_s = walker.now_s() + dice.between(WORK_S[0], WORK_S[1]);
            work(offices[office], desk, until_s, &mut walker, &mut dice);
            if dice.happens(GOES_SHOPPING) {
                let shop = shops[dice.below(shops.len())];
                travel(dice.near(shop, SHOP_M), &mut walker, &mut dice);
                walker.stay(dice.between(SHOPPING_S[0], SHOPPING_S[1]));
            }
            travel(home, &mut walker, &mut dice);
            walker.stay_until(dawn_s + DAY_S);
        }
        land.tracks.push(walker.finish(plan.end_s()));
        land.roles.push(Role::Resident);
    }
    land
}

fn work(office: Point, desk: Point, until_s: f64, walker: &mut Walker, dice: &mut Dice) {
    while walker.now_s() < until_s {
        walker.stay_until(until_s.min(walker.now_s() + dice.between(AT_DESK_S[0], AT_DESK_S[1])));
        walker.go(dice.near(office, KITCHEN_M), WALK_M_PER_S);
        walker.stay(dice.between(BREAK_S[0], BREAK_S[1]));
        walker.go(desk, WALK_M_PER_S);
    }
}

/// Walks, or takes a tram along an avenue that runs from west to east, and perhaps another from north
/// to south.
fn travel(to: Point, walker: &mut Walker, dice: &mut Dice) {
    let avenue = |m: f64| (m / AVENUE_M).round() * AVENUE_M;
    let (street, cross) = (avenue(walker.here().y_m), avenue(to.x_m));
    if walker.here().distance_m(to) > FAR_M {
        let seat = dice.near(Point { x_m: 0.0, y_m: 0.0 }, TRAM_M);
        for stop in [(cross, street), (cross, avenue(to.y_m))] {
            let stop = Point { x_m: stop.0, y_m: stop.1 };
            ride(stop, seat, walker);
        }
    }
    walker.go_by_streets(to, BLOCK_M, WALK_M_PER_S);
}

/// Rides to a stop with the next tram; to its avenue and from it one walks.
fn ride(stop: Point, seat: Point, walker: &mut Walker) {
    let here = walker.here();
    let is_along = (here.y_m - stop.y_m).abs() <= (here.x_m - stop.x_m).abs();
    let entry = if is_along {
        Point { x_m: (here.x_m / BLOCK_M).round() * BLOCK_M, y_m: stop.y_m }
    } else {
        Point { x_m: stop.x_m, y_m: (here.y_m / BLOCK_M).round() * BLOCK_M }
    };
    if entry.distance_m(stop) < BLOCK_M {
        return;
    }
    walker.go_by_streets(entry, BLOCK_M, WALK_M_PER_S);
    // Trams leave the edge of the city by the clock, in the direction that one travels.
    let along_m = if is_along { entry.x_m } else { entry.y_m };
    let forward = if is_along { stop.x_m > entry.x_m } else { stop.y_m > entry.y_m };
    let delay_s = if forward { along_m } else { -along_m } / TRAM_M_PER_S;
    let trams = ((walker.now_s() - delay_s) / TRAM_EVERY_S).ceil();
    walker.stay_until(trams * TRAM_EVERY_S + delay_s);
    walker.go(entry.plus(seat), WALK_M_PER_S * 10.0);
    walker.go(stop.plus(seat), TRAM_M_PER_S);
}
