//! A festival: groups of friends, who move as one from stage to stage, to the food and to their tents
//! (reference point group mobility: Hong, Gerla, Pei and Chiang, 1999). Dense, and always on the move.

use super::dice::Dice;
use super::mail::Habit;
use super::plane::{Point, Walker};
use super::{DAY_S, HOUR_S, Land, Landmark, MINUTE_S, Nature, Plan, Role};

pub(super) const NATURE: Nature = Nature {
    people: 150,
    days: 1,
    rate_bytes_per_s: 250_000,
    lifetime_s: 6 * 3600,
    publishers: 0,
    range_m: 10.0,
    habit: Habit { messages_a_day: 4.0, photos: 0.05 },
};

/// Of those who are there, a few have the application: the crowd is denser than this.
const PEOPLE_PER_KM2: f64 = 1500.0;
const GROUP: [usize; 2] = [2, 7];
/// How far friends stand from the middle of their group.
const GROUP_M: f64 = 3.0;
/// The share of the crowd that each stage draws, and where it is: shares of the ground's side.
const STAGES: [(f64, f64, f64); 4] =
    [(0.5, 0.2, 0.25), (0.25, 0.8, 0.25), (0.15, 0.8, 0.6), (0.1, 0.5, 0.5)];
const FOOD: (f64, f64) = (0.3, 0.6);
const CAMP: (f64, f64) = (0.35, 0.85);
const CAMP_M: f64 = 0.13;
/// How far the crowd before the most popular stage reaches, as a share of the ground's side.
const CROWD_M: f64 = 0.12;
const FOOD_M: f64 = 0.05;
const WALK_M_PER_S: f64 = 1.0;
const UP_S: [f64; 2] = [9.0 * HOUR_S, 11.0 * HOUR_S];
const TO_BED_S: f64 = 23.5 * HOUR_S;
const SET_S: [f64; 2] = [40.0 * MINUTE_S, 90.0 * MINUTE_S];
const MEAL_S: [f64; 2] = [15.0 * MINUTE_S, 40.0 * MINUTE_S];
const TO_FOOD: f64 = 0.25;
const TO_TENT: f64 = 0.1;
/// Somebody goes off alone for a while, once in so many stays.
const ALONE: f64 = 0.15;
const ALONE_S: [f64; 2] = [5.0 * MINUTE_S, 20.0 * MINUTE_S];

/// Where a group is, from when to when.
struct Stay {
    at: Point,
    until_s: f64,
}

pub(super) fn land(plan: Plan) -> Land {
    let mut dice = plan.land_dice();
    let side_m = plan.side_m(PEOPLE_PER_KM2);
    let spot = |(x, y): (f64, f64)| Point { x_m: x * side_m, y_m: y * side_m };
    let mut land = Land::default();
    let mark = |name, at, share: f64| Landmark { name, at: spot(at), radius_m: share * side_m };
    land.landmarks.extend(
        STAGES.map(|(share, x, y)| mark("stage", (x, y), CROWD_M * (share / STAGES[0].0).sqrt())),
    );
    land.landmarks.extend([mark("food", FOOD, FOOD_M), mark("tents", CAMP, CAMP_M)]);
    while land.tracks.len() < plan.people {
        let size = GROUP[0] + dice.below(GROUP[1] - GROUP[0] + 1);
        let group: Vec<usize> =
            (land.tracks.len()..plan.people.min(land.tracks.len() + size)).collect();
        let tent = dice.near(spot(CAMP), CAMP_M * side_m);
        let stays = programme(plan, tent, &land.landmarks, &mut dice);
        for person in &group {
            let mut dice = plan.dice_of(*person);
            let mut walker = Walker::at(dice.near(tent, GROUP_M));
            for stay in &stays {
                follow(stay, side_m, &mut walker, &mut dice);
            }
            land.tracks.push(walker.finish(plan.end_s()));
            land.roles.push(Role::Visitor);
        }
        land.circles.push(group);
    }
    // Groups know the next two: they came together.
    let groups = land.circles.clone();
    land.circles.extend(groups.chunks(3).map(<[Vec<usize>]>::concat));
    land
}

/// What a group does, day by day.
fn programme(plan: Plan, tent: Point, marks: &[Landmark], dice: &mut Dice) -> Vec<Stay> {
    let (stages, others) = marks.split_at(STAGES.len());
    let mut stays = Vec::new();
    for dawn_s in plan.dawns_s() {
        let mut now_s = dawn_s + dice.between(UP_S[0], UP_S[1]);
        stays.push(Stay { at: tent, until_s: now_s });
        while now_s < dawn_s + TO_BED_S {
            let lot = dice.unit();
            let (at, lasts_s) = if lot < TO_FOOD {
                (dice.near(others[0].at, others[0].radius_m), MEAL_S)
            } else if lot < TO_FOOD + TO_TENT {
                (tent, MEAL_S)
            } else {
                let stage = &stages[stage(dice)];
                (dice.near(stage.at, stage.radius_m), SET_S)
            };
            now_s += dice.between(lasts_s[0], lasts_s[1]);
            stays.push(Stay { at, until_s: now_s });
        }
        stays.push(Stay { at: tent, until_s: dawn_s + DAY_S });
    }
    stays
}

/// One of the stages, by how many they draw.
fn stage(dice: &mut Dice) -> usize {
    let mut left = dice.unit();
    let found = STAGES.iter().position(|(share, ..)| {
        left -= share;
        left < 0.0
    });
    found.unwrap_or_default()
}

/// Goes where the group goes, and perhaps off alone in between.
fn follow(stay: &Stay, side_m: f64, walker: &mut Walker, dice: &mut Dice) {
    walker.go(dice.near(stay.at, GROUP_M), WALK_M_PER_S);
    if dice.happens(ALONE) && walker.now_s() < stay.until_s {
        walker.stay(dice.between(0.0, stay.until_s - walker.now_s()));
        walker.go(dice.in_square(side_m), WALK_M_PER_S);
        walker.stay(dice.between(ALONE_S[0], ALONE_S[1]));
        walker.go(dice.near(stay.at, GROUP_M), WALK_M_PER_S);
    }
    walker.stay_until(stay.until_s);
}
