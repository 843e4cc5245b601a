use super::*;
use crate::scenario::Contact;
use std::collections::{BTreeMap, BTreeSet};

fn small(world: World) -> Scenario {
    world.scenario(60, 1, 1, 5)
}

#[test]
fn a_world_follows_from_its_seed() {
    for world in World::ALL {
        let [one, same, other] = [5, 5, 6].map(|seed| world.scenario(40, 1, 2, seed));
        let said =
            |of: &Scenario| format!("{:?} {:?} {:?}", of.contacts, of.messages, of.publications);
        assert_eq!(said(&one), said(&same));
        assert_ne!(said(&one), said(&other));
    }
}

#[test]
fn a_world_is_a_scenario_as_files_are() {
    for world in World::ALL {
        let scenario = small(world);
        let end = scenario.span().1;
        assert_eq!((scenario.people, end), (60, 24 * 3600 * SECOND));
        assert!(scenario.contacts.len() > 60 && scenario.messages.len() > 60, "{world:?}");
        assert!(scenario.contacts.is_sorted_by_key(|contact| contact.start));
        let mut last: BTreeMap<[usize; 2], Nanos> = BTreeMap::new();
        for Contact { start, end: until, pair } in &scenario.contacts {
            assert!(start < until && *until <= end && pair[0] < pair[1] && pair[1] < 60);
            // Those of a pair do not even touch.
            assert!(last.insert(*pair, *until).is_none_or(|before| before < *start));
        }
        let roles = &scenario.map.as_ref().unwrap().roles;
        assert!(scenario.messages.is_sorted_by_key(|message| message.at));
        for message in &scenario.messages {
            assert!(message.from != message.to && message.at < end);
            assert!([message.from, message.to].iter().all(|it| roles[*it] != Role::Vehicle));
        }
        assert!(scenario.publications.iter().all(|alert| alert.from == 0));
        assert!((1..16).contains(&scenario.publications.len()));
    }
}

#[test]
fn names_are_those_that_people_write() {
    for world in World::ALL {
        assert_eq!(world.name().parse::<World>().unwrap(), world);
    }
    let error = "moon".parse::<World>().unwrap_err().to_string();
    assert!(error.contains("“moon”") && error.contains("working-day"), "{error}");
}

/// How long each pair was together, in seconds.
fn together_s(scenario: &Scenario) -> BTreeMap<[usize; 2], u64> {
    let mut together = BTreeMap::new();
    for contact in &scenario.contacts {
        *together.entry(contact.pair).or_default() += (contact.end - contact.start) / SECOND;
    }
    together
}

fn people_of(scenario: &Scenario, role: Role) -> BTreeSet<usize> {
    let roles = scenario.map.as_ref().unwrap().roles.iter().enumerate();
    roles.filter(|(_, of)| **of == role).map(|(person, _)| person).collect()
}

fn neighbours(scenario: &Scenario, of: usize) -> BTreeSet<usize> {
    let pairs = scenario.contacts.iter().map(|contact| contact.pair);
    pairs.filter(|pair| pair.contains(&of)).map(|[a, b]| a + b - of).collect()
}

#[test]
fn ferries_connect_shelters_that_nothing_else_does() {
    let scenario = small(World::Disaster);
    let ferries = people_of(&scenario, Role::Vehicle);
    let residents = people_of(&scenario, Role::Resident);
    assert!(!ferries.is_empty() && !people_of(&scenario, Role::Team).is_empty());
    // Neighbours all day are of one shelter.
    let shelter_of = |person: usize| person % 2;
    for ferry in &ferries {
        let met: BTreeSet<usize> = neighbours(&scenario, *ferry)
            .intersection(&residents)
            .map(|it| shelter_of(*it))
            .collect();
        assert_eq!(met, BTreeSet::from([0, 1]));
    }
    let across = |pair: &[usize; 2]| {
        pair.iter().all(|it| residents.contains(it)) && shelter_of(pair[0]) != shelter_of(pair[1])
    };
    let together = together_s(&scenario);
    let within: u64 = together.iter().filter(|(pair, _)| !across(pair)).map(|(_, s)| s).sum();
    let between: u64 = together.iter().filter(|(pair, _)| across(pair)).map(|(_, s)| s).sum();
    assert!(between * 1000 < within, "{between} {within}");
}

#[test]
fn who_is_cut_off_is_seldom_visited() {
    let scenario = World::Disaster.scenario(150, 2, 0, 5);
    let isolated = people_of(&scenario, Role::Isolated);
    let others = |person: usize| &neighbours(&scenario, person) - &isolated;
    let visited = isolated.iter().filter(|person| !others(**person).is_empty()).count();
    assert!(visited > 0 && isolated.len() == 18);
    let mixed = |pair: &[usize; 2]| isolated.contains(&pair[0]) != isolated.contains(&pair[1]);
    let is_visited = |person: usize, at: Nanos| {
        let now = scenario.contacts.iter().filter(|it| it.start <= at && at < it.end);
        now.filter(|it| it.pair.contains(&person)).any(|it| mixed(&it.pair))
    };
    let hours = isolated.iter().flat_map(|who| (0..48).map(|h| (*who, h * 3600 * SECOND)));
    let visits = hours.filter(|(who, at)| is_visited(*who, *at)).count();
    assert!(visits < 18 * 48 / 4, "{visits}");
}

#[test]
fn colleagues_are_together_by_day_and_households_by_night() {
    let scenario = small(World::WorkingDay);
    let at_hour = |hour: u64| -> BTreeSet<[usize; 2]> {
        let at = hour * 3600 * SECOND;
        let there = scenario.contacts.iter().filter(|it| it.start <= at && at < it.end);
        there.map(|contact| contact.pair).collect()
    };
    let household = |pair: &[usize; 2]| pair[0] / 2 == pair[1] / 2;
    assert!(at_hour(3).iter().filter(|pair| household(pair)).count() == 30);
    let noon = at_hour(12);
    assert!(noon.len() > 5 && noon.iter().filter(|pair| household(pair)).count() * 4 < noon.len());
}

#[test]
fn a_festival_is_dense_and_a_village_sparse() {
    let met = |world| {
        let scenario = small(world);
        (0..60).map(|person| neighbours(&scenario, person).len()).sum::<usize>() / 60
    };
    let [festival, village] = [World::Festival, World::Village].map(met);
    assert!(festival > 30 && festival > 2 * village, "{festival} {village}");
    // But the bus meets all three hamlets.
    let scenario = small(World::Village);
    let bus = people_of(&scenario, Role::Vehicle).into_iter().next().unwrap();
    let hamlets: BTreeSet<usize> = neighbours(&scenario, bus).iter().map(|it| it % 3).collect();
    assert_eq!(hamlets.len(), 3);
}

#[test]
fn in_a_city_strangers_meet_on_the_way() {
    let scenario = small(World::City);
    let known: BTreeSet<[usize; 2]> = (0..60)
        .flat_map(|a| (a + 1..60).map(move |b| [a, b]))
        .filter(|[a, b]| a / 6 == b / 6)
        .collect();
    let brief =
        together_s(&scenario).into_iter().filter(|(pair, s)| *s < 1800 && !known.contains(pair));
    assert!(brief.count() > 50);
}
