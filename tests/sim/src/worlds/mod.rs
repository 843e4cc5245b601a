//! Worlds made up of people who move: each a function of its seed.
//!
//! A world is who lives in it, where each of them is at any time, and who knows whom. From this follow
//! contacts (who is within radio range of whom) and messages (people write to friends).

mod city;
mod dice;
mod disaster;
mod festival;
mod mail;
mod meetings;
mod plane;
mod village;
mod working_day;

use crate::scenario::Scenario;
use crate::schedule::{Nanos, SECOND};
pub(crate) use dice::Dice;
use mail::Habit;
pub(crate) use plane::{Point, Track, Waypoint};
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;
use thiserror::Error;

/// How many people a world may have.
pub const WORLD_PEOPLE: std::ops::RangeInclusive<usize> = 10..=20_000;
/// How many days it may last.
pub const WORLD_DAYS: std::ops::RangeInclusive<u32> = 1..=30;

/// How many alerts a day each publisher has.
const ALERTS_A_DAY: f64 = 8.0;

const MINUTE_S: f64 = 60.0;
const HOUR_S: f64 = 3600.0;
const DAY_S: f64 = 24.0 * HOUR_S;
/// On foot (Browning and others, 2006).
const WALK_M_PER_S: f64 = 1.3;

/// What a stream of chance is for; of the last two, each person has their own.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Stream {
    Land = 0,
    Letters = 1,
    Alerts = 2,
    Batteries = 3,
    Radios = 4,
    People = 1 << 32,
    Switches = 2 << 32,
}

/// A kind of synthetic world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// Homes, offices and evenings out.
    WorkingDay,
    /// Shelters, rescue teams, vehicles on their rounds, and people cut off.
    Disaster,
    /// Groups of friends between stages, food and tents.
    Festival,
    /// Three hamlets, few ways between them, and a bus.
    Village,
    /// Flats, offices, shops and trams.
    City,
}

/// There is no such world.
#[derive(Debug, Clone, Error)]
#[error("there is no world “{0}”: working-day, disaster, festival, village or city")]
pub struct NoSuchWorld(String);

/// What a world is like unless somebody says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Nature {
    /// People.
    pub people: usize,
    /// Days.
    pub days: u32,
    /// What a radio moves, in bytes a second.
    pub rate_bytes_per_s: u64,
    /// How long messages live, in seconds.
    pub lifetime_s: u32,
    /// People who publish alerts.
    pub publishers: usize,
    range_m: f64,
    habit: Habit,
}

/// What somebody is in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Resident,
    Visitor,
    Team,
    /// Somebody who nothing but chance visits, and without mains.
    Isolated,
    /// A vehicle with a phone on board, that nobody writes with.
    Vehicle,
}

/// Where a phone's power comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supply {
    Always,
    AtNight,
    Never,
}

impl Role {
    pub(crate) fn supply(self) -> Supply {
        match self {
            Self::Vehicle => Supply::Always,
            Self::Resident | Self::Visitor | Self::Team => Supply::AtNight,
            Self::Isolated => Supply::Never,
        }
    }
}

/// A place that a map names.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Landmark {
    pub(crate) name: &'static str,
    pub(crate) at: Point,
    pub(crate) radius_m: f64,
}

/// The part of a world that can be seen from above.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) world: World,
    pub(crate) range_m: f64,
    pub(crate) end: Nanos,
    pub(crate) tracks: Vec<Track>,
    pub(crate) roles: Vec<Role>,
    pub(crate) landmarks: Vec<Landmark>,
}

/// What the rules of a world make.
#[derive(Default)]
struct Land {
    tracks: Vec<Track>,
    roles: Vec<Role>,
    /// Who knows each other: households, colleagues, teams.
    circles: Vec<Vec<usize>>,
    landmarks: Vec<Landmark>,
}

/// What the rules start from.
#[derive(Clone, Copy)]
struct Plan {
    people: usize,
    days: u32,
    seed: u64,
}

impl Plan {
    fn end_s(&self) -> f64 {
        f64::from(self.days) * DAY_S
    }

    fn land_dice(&self) -> Dice {
        Dice::new(self.seed, Stream::Land as u64)
    }

    fn dice_of(&self, person: usize) -> Dice {
        Dice::new(self.seed, Stream::People as u64 + person as u64)
    }

    /// The side of a square on which so many people live on a square kilometre.
    fn side_m(&self, people_per_km2: f64) -> f64 {
        1000.0 * (self.people as f64 / people_per_km2).sqrt()
    }

    /// The beginnings of its days.
    fn dawns_s(&self) -> impl Iterator<Item = f64> {
        (0..self.days).map(|day| f64::from(day) * DAY_S)
    }
}

impl World {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::WorkingDay, Self::Disaster, Self::Festival, Self::Village, Self::City];

    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkingDay => "working-day",
            Self::Disaster => "disaster",
            Self::Festival => "festival",
            Self::Village => "village",
            Self::City => "city",
        }
    }

    /// What it is like unless somebody says otherwise.
    pub fn nature(self) -> Nature {
        match self {
            Self::WorkingDay => working_day::NATURE,
            Self::Disaster => disaster::NATURE,
            Self::Festival => festival::NATURE,
            Self::Village => village::NATURE,
            Self::City => city::NATURE,
        }
    }

    /// Makes a world of so many people that lasts for so many days, within [`WORLD_PEOPLE`] and
    /// [`WORLD_DAYS`]. `publishers` of them have eight alerts a day; the first is person 0, whom
    /// everybody follows.
    pub fn scenario(self, people: usize, days: u32, publishers: usize, seed: u64) -> Scenario {
        let people = people.clamp(*WORLD_PEOPLE.start(), *WORLD_PEOPLE.end());
        let plan = Plan { people, days: days.clamp(*WORLD_DAYS.start(), *WORLD_DAYS.end()), seed };
        let land = match self {
            Self::WorkingDay => working_day::land(plan),
            Self::Disaster => disaster::land(plan),
            Self::Festival => festival::land(plan),
            Self::Village => village::land(plan),
            Self::City => city::land(plan),
        };
        let Nature { range_m, habit, .. } = self.nature();
        let Land { tracks, roles, circles, landmarks } = land;
        let writers: Vec<usize> =
            (0..people).filter(|person| roles[*person] != Role::Vehicle).collect();
        let mut dice = Dice::new(seed, Stream::Letters as u64);
        let messages = mail::letters(self.name(), habit, &writers, &circles, plan.days, &mut dice);
        let mut dice = Dice::new(seed, Stream::Alerts as u64);
        let mut publishers_of: Vec<usize> = writers.iter().copied().skip(1).collect();
        dice.shuffle(&mut publishers_of);
        publishers_of.insert(0, 0);
        publishers_of.truncate(publishers);
        #[allow(clippy::cast_sign_loss, reason = "no world ends before it begins")]
        let end_s = plan.end_s() as u64;
        Scenario {
            people,
            contacts: meetings::meetings(&tracks, range_m, end_s),
            messages,
            publications: mail::alerts(&publishers_of, ALERTS_A_DAY, plan.days, &mut dice),
            map: Some(Arc::new(Map {
                world: self,
                range_m,
                end: end_s * SECOND,
                tracks,
                roles,
                landmarks,
            })),
        }
    }
}

impl FromStr for World {
    type Err = NoSuchWorld;

    fn from_str(text: &str) -> Result<Self, NoSuchWorld> {
        let found = Self::ALL.into_iter().find(|world| world.name() == text);
        found.ok_or_else(|| NoSuchWorld(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
