//! Phones that are off: switched off by their owners, or empty.
//!
//! The battery is a simple one. A phone of 15 Wh gives half a watt to all that its owner does with it,
//! and a watt more while its radio sends or receives (of the order that Carroll and Heiser, “An Analysis
//! of Power Consumption in a Smartphone”, 2010, measured). At night it is on the mains, where there are
//! any.

use crate::roster::Roster;
use crate::scenario::Scenario;
use crate::schedule::{Nanos, SECOND};
use crate::settings::Settings;
use crate::worlds::{Dice, Role, Stream, Supply};

/// How long phones are switched off for, in the mean.
const OFF_S: f64 = 3600.0;

const BATTERY_J: f64 = 15.0 * 3600.0;
const IDLE_W: f64 = 0.5;
const RADIO_W: f64 = 1.0;
const CHARGER_W: f64 = 10.0;
/// The hours of the day from which and to which phones are on the mains.
const NIGHT_H: [u64; 2] = [23, 7];
/// Without mains, phones begin with a share of what they hold, from this on.
const LEAST_LEFT: f64 = 0.3;

pub(crate) const MINUTE: Nanos = 60 * SECOND;
const HOUR: Nanos = 60 * MINUTE;

/// Why a phone is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Owner = 0,
    Empty = 1,
}

/// What somebody would do, were their phone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    Write(usize),
    Publish(usize),
}

#[derive(Default)]
struct Phone {
    is_off: [bool; 2],
    since: Nanos,
    /// When it was off.
    spells: Vec<[Nanos; 2]>,
    put_off: Vec<Errand>,
    was_empty: bool,
    /// In synthetic worlds: elsewhere nobody knows when it is night.
    battery: Option<Battery>,
}

struct Battery {
    left_j: f64,
    supply: Supply,
}

pub(crate) struct Phones {
    by_person: Roster<Phone>,
    have_batteries: bool,
    radio_j_per_byte: f64,
}

impl Phones {
    pub(crate) fn new(scenario: &Scenario, settings: &Settings) -> Self {
        let roles = scenario.map.iter().flat_map(|map| &map.roles);
        let mut dice = Dice::new(settings.seed, Stream::Batteries as u64);
        let battery = |role: &Role| {
            let supply = role.supply();
            let share = if supply == Supply::Never { dice.between(LEAST_LEFT, 1.0) } else { 1.0 };
            Battery { left_j: share * BATTERY_J, supply }
        };
        let mut batteries = roles.map(battery);
        let mut phone = |_| Phone { battery: batteries.next(), ..Phone::default() };
        Self {
            by_person: (0..scenario.people).map(&mut phone).collect(),
            have_batteries: scenario.map.is_some(),
            radio_j_per_byte: RADIO_W / settings.rate_bytes_per_s as f64,
        }
    }

    /// The phones of these people.
    pub(crate) fn part(&mut self, who: &[usize]) -> Self {
        Self { by_person: self.by_person.part(who), ..*self }
    }

    pub(crate) fn join(&mut self, part: Self) {
        self.by_person.join(part.by_person);
    }

    pub(crate) fn have_batteries(&self) -> bool {
        self.have_batteries
    }

    pub(crate) fn is_on(&self, person: usize) -> bool {
        self.by_person[person].is_off == [false; 2]
    }

    /// Notes a cause to be off, or its end; whether the phone went off or on by it.
    pub(crate) fn switch(&mut self, person: usize, cause: Cause, is_off: bool, at: Nanos) -> bool {
        let was_on = self.is_on(person);
        let phone = &mut self.by_person[person];
        phone.is_off[cause as usize] = is_off;
        phone.was_empty |= is_off && cause == Cause::Empty;
        let is_on = self.is_on(person);
        let phone = &mut self.by_person[person];
        if was_on && !is_on {
            phone.since = at;
        } else if !was_on && is_on {
            phone.spells.push([phone.since, at]);
        }
        was_on != is_on
    }

    /// Somebody cannot do this before their phone is on.
    pub(crate) fn put_off(&mut self, person: usize, errand: Errand) {
        self.by_person[person].put_off.push(errand);
    }

    /// What they want to do once they can.
    pub(crate) fn errands(&self, person: usize) -> &[Errand] {
        &self.by_person[person].put_off
    }

    /// What they wanted to do, now that they can.
    pub(crate) fn resume(&mut self, person: usize) -> Vec<Errand> {
        std::mem::take(&mut self.by_person[person].put_off)
    }

    /// Messages that were never written.
    pub(crate) fn unwritten(&self) -> usize {
        let errands = self.by_person.iter().flat_map(|phone| &phone.put_off);
        errands.filter(|errand| matches!(errand, Errand::Write(_))).count()
    }

    /// The radio has sent or received.
    pub(crate) fn spend(&mut self, person: usize, bytes: u64) {
        if let Some(battery) = &mut self.by_person[person].battery {
            battery.left_j -= bytes as f64 * self.radio_j_per_byte;
        }
    }

    /// The radio has taken so much, in joules.
    pub(crate) fn drain(&mut self, person: usize, energy_j: f64) {
        if let Some(battery) = &mut self.by_person[person].battery {
            battery.left_j -= energy_j;
        }
    }

    /// A minute is over; whose batteries are empty or not any more, and are thought to be otherwise.
    pub(crate) fn pass_minute(&mut self, now: Nanos) -> Vec<(usize, bool)> {
        let hour = now / HOUR % 24;
        let is_night = hour >= NIGHT_H[0] || hour < NIGHT_H[1];
        let mut changed = Vec::new();
        for person in 0..self.by_person.len() {
            let idle_w = if self.is_on(person) { IDLE_W } else { 0.0 };
            let phone = &mut self.by_person[person];
            let Some(battery) = &mut phone.battery else { continue };
            let is_charging = match battery.supply {
                Supply::Always => true,
                Supply::AtNight => is_night,
                Supply::Never => false,
            };
            let gains_w = if is_charging { CHARGER_W } else { 0.0 } - idle_w;
            battery.left_j = (battery.left_j + 60.0 * gains_w).clamp(0.0, BATTERY_J);
            let is_empty = battery.left_j <= 0.0;
            if is_empty != phone.is_off[Cause::Empty as usize] {
                changed.push((person, is_empty));
            }
        }
        changed
    }

    /// How many phones have been empty; `None` where there are no batteries.
    pub(crate) fn emptied(&self) -> Option<usize> {
        let emptied = self.by_person.iter().filter(|phone| phone.was_empty).count();
        self.have_batteries.then_some(emptied)
    }

    /// When each phone was off, up to a world's end.
    pub(crate) fn spells(&self, end: Nanos) -> Vec<Vec<[Nanos; 2]>> {
        let whole = |phone: &Phone| {
            let last = (phone.is_off != [false; 2]).then_some([phone.since, end]);
            phone.spells.iter().copied().chain(last).filter(|[from, to]| from < to).collect()
        };
        self.by_person.iter().map(whole).collect()
    }
}

/// When each person switches their phone off, and on again: by lot, for a share of the time.
pub(crate) fn switches(
    people: usize,
    settings: &Settings,
    (from, to): (Nanos, Nanos),
) -> Vec<Vec<[Nanos; 2]>> {
    let share = settings.nodes_off;
    let on_s = OFF_S * (1.0 - share) / share;
    let spells = |person: usize| {
        let mut dice = Dice::new(settings.seed, Stream::Switches as u64 + person as u64);
        let mut is_off = dice.happens(share);
        let mut spells: Vec<[Nanos; 2]> = Vec::new();
        let mut at = from;
        while at < to && share > 0.0 {
            let lasts_s = dice.exponential(if is_off { OFF_S } else { on_s });
            #[allow(clippy::cast_sign_loss, reason = "no spell is negative")]
            let until = at + (lasts_s * SECOND as f64) as Nanos;
            match spells.last_mut() {
                // Who is never on is off without a break.
                Some(last) if is_off && last[1] == at => last[1] = until,
                _ if is_off => spells.push([at, until]),
                _ => {}
            }
            (at, is_off) = (until, !is_off);
        }
        spells
    };
    (0..people).map(spells).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::World;

    #[test]
    fn phones_are_off_for_their_share_of_the_time() {
        let span = (3 * HOUR, 33 * HOUR);
        for share in [0.0, 0.2, 0.7, 1.0] {
            let settings = Settings { nodes_off: share, ..Settings::default() };
            let spells = switches(500, &settings, span);
            assert_eq!(spells, switches(500, &settings, span));
            let off: u64 = spells.iter().flatten().map(|[from, to]| span.1.min(*to) - from).sum();
            let found = off as f64 / (500.0 * 30.0 * HOUR as f64);
            assert!((found - share).abs() < 0.02, "{share} {found}");
        }
    }

    #[test]
    fn batteries_run_down_by_day_and_are_charged_at_night() {
        let disaster = World::Disaster.scenario(50, 1, 0, 1);
        let mut phones = Phones::new(&disaster, &Settings::default());
        let roles = &disaster.map.as_ref().unwrap().roles;
        let of = |role| roles.iter().position(|it| *it == role).unwrap();
        let [busy, isolated, vehicle] = [of(Role::Resident), of(Role::Isolated), of(Role::Vehicle)];
        let mut empty_at = vec![None; 50];
        for minute in 1..48 * 60 {
            let now = minute * MINUTE;
            // A radio that is never idle by day.
            if (7..23).contains(&(now / HOUR % 24)) {
                phones.spend(busy, 60 * Settings::default().rate_bytes_per_s);
                phones.spend(vehicle, 60 * Settings::default().rate_bytes_per_s);
            }
            for (person, is_empty) in phones.pass_minute(now) {
                assert!(phones.switch(person, Cause::Empty, is_empty, now));
                if is_empty {
                    empty_at[person].get_or_insert(now / HOUR);
                }
            }
        }
        // 54 kJ at 1.5 W last for ten hours; at half a watt, for thirty at most.
        assert!((16..=17).contains(&empty_at[busy].unwrap()));
        assert!((9..=30).contains(&empty_at[isolated].unwrap()));
        assert_eq!((empty_at[vehicle], phones.is_on(isolated)), (None, false));
        let spells = phones.spells(48 * HOUR);
        assert_eq!((spells[busy].len(), spells[isolated].len()), (2, 1));
        // It is on again as soon as it is charged.
        assert_eq!(spells[busy][0][1] / HOUR, 23);
        assert_eq!(phones.emptied(), Some(1 + of_kind(roles, Role::Isolated)));
    }

    fn of_kind(roles: &[Role], kind: Role) -> usize {
        roles.iter().filter(|role| **role == kind).count()
    }
}
