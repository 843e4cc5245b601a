//! Synthetic worlds on the real engine: phones that go off, and alerts that reach people.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{run, scenario};
use footpost_sim::{BulletinFigures, Figures, Settings, World};
use std::fmt::Write as _;

fn in_world(world: World, publishers: usize, settings: &Settings) -> Figures {
    let scenario = world.scenario(30, 1, publishers, settings.seed);
    let lifetime_s = world.nature().lifetime_s;
    run(&scenario, &Settings { lifetime_s, ..settings.clone() })
}

#[test]
fn a_world_is_replayed_the_same_again() {
    let settings = Settings { nodes_off: 0.2, ..Settings::default() };
    let [one, same] = [(); 2].map(|()| in_world(World::Village, 1, &settings));
    assert_eq!(one, same);
    assert!(one.delivered * 2 > one.created && one.violations == 0, "{one:?}");
}

#[test]
fn phones_that_are_off_meet_nobody_and_lose_nothing() {
    let on = in_world(World::Village, 0, &Settings::default());
    let settings = Settings { nodes_off: 0.5, ..Settings::default() };
    let off = in_world(World::Village, 0, &settings);
    assert_eq!((on.off_share, on.contacts), (0.0, off.contacts));
    assert!((off.off_share - 0.5).abs() < 0.1, "{}", off.off_share);
    // What was to be written while a phone was off is written later, and delivered later.
    assert!(off.created > on.created * 9 / 10 && off.created <= on.created);
    assert!(off.delivered < on.delivered && off.delivered * 3 > on.delivered, "{off:?}");
    assert!(off.transfers < on.transfers);
    let none = in_world(World::Village, 0, &Settings { nodes_off: 1.0, ..settings });
    assert_eq!((none.off_share, none.created, none.frames), (1.0, 0, 0));
}

#[test]
fn a_phone_comes_back_after_days_as_if_it_had_slept() {
    // Six days long, one after the other, two of three meet; each is off for most of the time.
    let (mut contacts, mut messages) = (String::new(), String::new());
    for hour in 0..6 * 24 {
        let (start, a) = (hour * 3600, hour % 3);
        writeln!(contacts, "{start} {} {a} {}", start + 3000, (a + 1) % 3).unwrap();
        writeln!(messages, "{} C M{hour} {a} {} 500", start + 60, (a + 2) % 3).unwrap();
    }
    let lifetime_s = 2 * 24 * 3600;
    let settings = Settings { lifetime_s, nodes_off: 0.6, seed: 3, ..Settings::default() };
    let figures = run(&scenario(&contacts, &messages), &settings);
    assert_eq!((figures.violations, figures.battery_empty_nodes), (0, None));
    assert!((0.45..0.75).contains(&figures.off_share), "{}", figures.off_share);
    assert!(figures.delivered * 10 > figures.created * 7, "{figures:?}");
    assert!(figures.latency_avg.unwrap() < f64::from(lifetime_s));
}

#[test]
fn batteries_run_down_where_nothing_charges_them() {
    let settings = Settings::default();
    let disaster = in_world(World::Disaster, 0, &settings);
    // The four who are cut off have no mains; nobody else's phone is so busy.
    assert!((2..=4).contains(&disaster.battery_empty_nodes.unwrap()), "{disaster:?}");
    assert!(disaster.off_share > 0.0);
}

#[test]
fn alerts_reach_whom_contacts_lead_to_and_crowd_no_letter_out() {
    let settings = Settings { buffer_bytes: 1_000_000, ..Settings::default() };
    let [quiet, one, flood] = [0, 1, 30].map(|all| in_world(World::Disaster, all, &settings));
    assert_eq!((quiet.bulletins, quiet.created), (None, one.created));
    for figures in [&one, &flood] {
        let BulletinFigures { published, reachable, reached, .. } = figures.bulletins.unwrap();
        assert!(published > 2 && reachable > 15 * published, "{figures:?}");
        assert!(reached <= reachable && reached * 100 >= reachable * 95, "{figures:?}");
        assert!(figures.delivered * 100 >= quiet.delivered * 95, "{quiet:?} {figures:?}");
        assert_eq!(figures.violations, 0);
    }
    // A flood it was.
    assert!(flood.transfers > 2 * one.transfers, "{} {}", flood.transfers, one.transfers);
}

#[test]
fn a_flood_is_nobodys_mail_and_takes_no_more_than_its_share() {
    let settings = Settings { buffer_bytes: 1_000_000, ..Settings::default() };
    let [without, with] = [(0.3, 0.0), (0.0, 0.3)].map(|(nodes_out, nodes_flood)| {
        in_world(World::Village, 0, &Settings { nodes_out, nodes_flood, ..settings.clone() })
    });
    assert_eq!((without.created, with.violations), (with.created, 0));
    assert!(with.transfers > 3 * without.transfers, "{with:?}");
    // What is delivered, of what is delivered where flooders are not even there to carry.
    assert!(with.delivered * 100 >= without.delivered * 85, "{with:?}\n{without:?}");
}
