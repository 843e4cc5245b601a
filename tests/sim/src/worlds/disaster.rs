//! After a disaster: shelters full of people, rescue teams that go out from the base, vehicles on
//! rounds of the shelters, which ferry mail, and some people cut off (after Uddin, Nicol, Abdelzaher and
//! Kravets, “A Post-Disaster Mobility Model for Delay Tolerant Networking”, 2009; message ferries: Zhao,
//! Ammar and Zegura, 2004).

use super::dice::Dice;
use super::mail::Habit;
use super::plane::{Point, Walker};
use super::{DAY_S, HOUR_S, Land, Landmark, MINUTE_S, Nature, Plan, Role, WALK_M_PER_S};

pub(super) const NATURE: Nature = Nature {
    people: 100,
    days: 2,
    rate_bytes_per_s: 250_000,
    lifetime_s: 24 * 3600,
    publishers: 1,
    range_m: 50.0,
    habit: Habit { messages_a_day: 6.0, photos: 0.02 },
};

const PEOPLE_PER_KM2: f64 = 10.0;
const PEOPLE_PER_SHELTER: usize = 25;
const SHELTER_M: f64 = 60.0;
/// Every vehicle goes round all shelters.
const SHELTERS_PER_VEHICLE: usize = 3;
const TEAMS: f64 = 0.15;
const TEAM: usize = 5;
const ISOLATED: f64 = 0.12;
/// Who is cut off is so with a few others.
const ISOLATED_TOGETHER: usize = 3;
const ISOLATED_M: f64 = 30.0;
/// From every shelter, where that is possible.
const FAR_M: f64 = 400.0;
const MOST_TRIES: usize = 100;
/// A family was torn apart: its members are anywhere.
const FAMILY: usize = 4;
const WORKING_S: [f64; 2] = [7.0 * HOUR_S, 20.0 * HOUR_S];
const VEHICLE_M_PER_S: f64 = 7.0;
const VEHICLE_STOPS_S: f64 = 10.0 * MINUTE_S;
const TEAM_M_PER_S: f64 = 3.0;
const AT_SITE_S: [f64; 2] = [20.0 * MINUTE_S, 90.0 * MINUTE_S];
/// Teams work mostly where nobody is left; sometimes they find those who are cut off.
const TO_ISOLATED: f64 = 0.1;
/// In the shelter, people move about; some go home once a day, to see what is left.
const PAUSE_S: [f64; 2] = [10.0 * MINUTE_S, 3.0 * HOUR_S];
const GOES_HOME: f64 = 0.3;
const HOME_M: f64 = 1500.0;
const AT_HOME_S: [f64; 2] = [20.0 * MINUTE_S, 2.0 * HOUR_S];

pub(super) fn land(plan: Plan) -> Land {
    let mut dice = plan.land_dice();
    let side_m = plan.side_m(PEOPLE_PER_KM2);
    let share = |of: f64| {
        #[allow(clippy::cast_sign_loss, reason = "a share of a count")]
        let count = (plan.people as f64 * of).round() as usize;
        count
    };
    let shelters: Vec<Point> =
        (0..(plan.people / PEOPLE_PER_SHELTER).max(2)).map(|_| dice.in_square(side_m)).collect();
    let lonely: Vec<Point> = (0..share(ISOLATED).div_ceil(ISOLATED_TOGETHER))
        .map(|_| far_from(&shelters, side_m, &mut dice))
        .collect();
    let mut land = Land::default();
    let mark = |name, at: &Point, radius_m| Landmark { name, at: *at, radius_m };
    land.landmarks.push(mark("base", &shelters[0], SHELTER_M));
    land.landmarks.extend(shelters[1..].iter().map(|at| mark("shelter", at, SHELTER_M)));
    land.landmarks.extend(lonely.iter().map(|at| mark("cut off", at, ISOLATED_M)));

    let vehicles = shelters.len().div_ceil(SHELTERS_PER_VEHICLE);
    let (teams, isolated) = (share(TEAMS), share(ISOLATED));
    let residents = plan.people.saturating_sub(vehicles + teams + isolated);
    let round = round_of(&shelters);
    for person in 0..plan.people {
        let mut dice = plan.dice_of(person);
        // Residents first: person 0 is at the base.
        let (role, track) = if person < residents {
            let shelter = shelters[person % shelters.len()];
            (Role::Resident, resident(plan, shelter, &mut dice))
        } else if person < residents + teams {
            let team = (person - residents) / TEAM;
            // A team moves as one: its members follow the same lots.
            let mut lots = plan.dice_of(plan.people + team);
            (Role::Team, member(plan, side_m, shelters[0], &lonely, &mut lots, &mut dice))
        } else if person < residents + teams + isolated {
            let spot = lonely[(person - residents - teams) / ISOLATED_TOGETHER];
            (Role::Isolated, castaway(plan, spot, &mut dice))
        } else {
            (Role::Vehicle, ferry(plan, &round, person - (plan.people - vehicles)))
        };
        land.tracks.push(track.finish(plan.end_s()));
        land.roles.push(role);
    }
    let mut people: Vec<usize> = (0..plan.people - vehicles).collect();
    let of_teams = people.iter().copied().skip(residents).take(teams).collect::<Vec<_>>();
    land.circles.extend(of_teams.chunks(TEAM).map(<[usize]>::to_vec));
    dice.shuffle(&mut people);
    land.circles.extend(people.chunks(FAMILY).map(<[usize]>::to_vec));
    land
}

/// Somewhere out of the way of all shelters, unless there is no such place.
fn far_from(shelters: &[Point], side_m: f64, dice: &mut Dice) -> Point {
    let mut spot = dice.in_square(side_m);
    for _ in 0..MOST_TRIES {
        if shelters.iter().all(|shelter| shelter.distance_m(spot) > FAR_M) {
            break;
        }
        spot = dice.in_square(side_m);
    }
    spot
}

fn resident(plan: Plan, shelter: Point, dice: &mut Dice) -> Walker {
    let mut walker = Walker::at(dice.near(shelter, SHELTER_M));
    let home = dice.near(shelter, HOME_M);
    for dawn_s in plan.dawns_s() {
        let goes_home_s = dice
            .happens(GOES_HOME)
            .then(|| dawn_s + dice.between(WORKING_S[0], WORKING_S[1] - 3.0 * HOUR_S));
        walker.stay_until(dawn_s + WORKING_S[0]);
        let mut is_back = false;
        while walker.now_s() < dawn_s + WORKING_S[1] {
            if !is_back && goes_home_s.is_some_and(|at_s| at_s <= walker.now_s()) {
                is_back = true;
                walker.go(home, WALK_M_PER_S);
                walker.stay(dice.between(AT_HOME_S[0], AT_HOME_S[1]));
            }
            walker.go(dice.near(shelter, SHELTER_M), WALK_M_PER_S);
            walker.stay(dice.between(PAUSE_S[0], PAUSE_S[1]));
        }
        walker.stay_until(dawn_s + DAY_S);
    }
    walker
}

fn member(
    plan: Plan,
    side_m: f64,
    base: Point,
    lonely: &[Point],
    lots: &mut Dice,
    dice: &mut Dice,
) -> Walker {
    /// How far members are from one another.
    const APART_M: f64 = 15.0;
    let offset = dice.near(Point { x_m: 0.0, y_m: 0.0 }, APART_M);
    let mut walker = Walker::at(base.plus(offset));
    for dawn_s in plan.dawns_s() {
        walker.stay_until(dawn_s + WORKING_S[0] + lots.between(0.0, HOUR_S));
        while walker.now_s() < dawn_s + WORKING_S[1] {
            let found = lots.happens(TO_ISOLATED).then(|| lots.pick(lonely).copied()).flatten();
            let site = found.unwrap_or_else(|| lots.in_square(side_m));
            walker.go(site.plus(offset), TEAM_M_PER_S);
            walker.stay(lots.between(AT_SITE_S[0], AT_SITE_S[1]));
        }
        walker.go(base.plus(offset), TEAM_M_PER_S);
        walker.stay_until(dawn_s + DAY_S);
    }
    walker
}

fn castaway(plan: Plan, spot: Point, dice: &mut Dice) -> Walker {
    let mut walker = Walker::at(dice.near(spot, ISOLATED_M));
    while walker.now_s() < plan.end_s() {
        walker.stay(dice.between(PAUSE_S[0], PAUSE_S[1]));
        walker.go(dice.near(spot, ISOLATED_M), WALK_M_PER_S);
    }
    walker
}

/// Round and round by day, every other vehicle the other way; in the night at the base.
fn ferry(plan: Plan, round: &[Point], number: usize) -> Walker {
    let mut walker = Walker::at(round[0]);
    for dawn_s in plan.dawns_s() {
        walker.stay_until(dawn_s + WORKING_S[0] + HOUR_S * (number / 2) as f64);
        while walker.now_s() < dawn_s + WORKING_S[1] {
            for step in 1..=round.len() {
                let step = if number.is_multiple_of(2) { step } else { round.len() - step };
                walker.go(round[step % round.len()], VEHICLE_M_PER_S);
                walker.stay(VEHICLE_STOPS_S);
            }
        }
        walker.go(round[0], VEHICLE_M_PER_S);
        walker.stay_until(dawn_s + DAY_S);
    }
    walker
}

/// From the base always on to the next shelter.
fn round_of(shelters: &[Point]) -> Vec<Point> {
    let mut left = shelters.to_vec();
    let mut round = vec![left.remove(0)];
    while let Some(here) = round.last().copied() {
        let to = |at: &Point| here.distance_m(*at);
        let next = (0..left.len()).min_by(|a, b| to(&left[*a]).total_cmp(&to(&left[*b])));
        let Some(next) = next else { break };
        round.push(left.remove(next));
    }
    round
}
