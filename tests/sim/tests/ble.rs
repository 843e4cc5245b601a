//! People whose phones have to find each other by Bluetooth LE first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{run, scenario};
use footpost_sim::{BleMode, Figures, Radio, Scenario, Settings, World};

fn by_ble(scenario: &Scenario, mode: BleMode) -> Figures {
    let settings =
        Settings { radio: Radio::Ble(mode), rate_bytes_per_s: 30_000, ..Settings::default() };
    run(scenario, &settings)
}

/// 1 has written to 2, and they meet once, from 100 s to `end_s`.
fn meeting(mode: BleMode, end_s: u32) -> Figures {
    let scenario = scenario(&format!("100 {end_s} 1 2\n"), "5 C M1 1 2 1000\n");
    by_ble(&scenario, mode)
}

#[test]
fn controllers_find_each_other_and_their_engines_exchange_mail() {
    for (mode, within_s) in [
        (BleMode::Performance, 5.0),
        (BleMode::Balanced, 35.0),
        (BleMode::Saver, 70.0),
        (BleMode::Background, 70.0),
    ] {
        let figures = meeting(mode, 700);
        assert_eq!((figures.delivered, figures.violations), (1, 0), "{mode:?} {figures:?}");
        let latency_s = figures.latency_avg.unwrap();
        assert!((95.0..95.0 + within_s).contains(&latency_s), "{mode:?} {latency_s}");
    }
}

#[test]
fn who_is_passed_between_two_scans_is_not_met() {
    // In the background a scan of a second begins every minute, of either.
    let passing: Vec<usize> = (0..20)
        .map(|n| {
            let contacts = format!("0 1 1 3\n{} {} 1 2\n", 100 + 3 * n, 106 + 3 * n);
            by_ble(&scenario(&contacts, "5 C M1 1 2 1000\n"), BleMode::Background).delivered
        })
        .collect();
    let met: usize = passing.iter().sum();
    assert!((1..=10).contains(&met), "{passing:?}");
}

#[test]
fn a_body_that_is_cut_off_is_whole_at_the_next_meeting() {
    // Two meetings of a minute each move at most 3.6 MB; the body has 2.5.
    let meetings = "100 160 1 2\n400 460 1 2\n";
    let scenario = scenario(meetings, "5 C M1 1 2 2500000\n");
    let figures = by_ble(&scenario, BleMode::Performance);
    assert_eq!((figures.delivered, figures.violations, figures.falsified), (1, 0, 0));
    assert!(figures.latency_avg > Some(395.0) && figures.frames_lost > 0, "{figures:?}");
    // Little is sent twice.
    assert!(figures.overhead_ratio < Some(0.1), "{figures:?}");
    assert_eq!(figures, by_ble(&scenario, BleMode::Performance));
}

#[test]
fn who_is_alone_pays_for_scans_and_advertisements_only() {
    // A day, of which the two are together for the last second.
    let scenario = scenario("0 1 1 2\n86399 86400 1 2\n", "86000 C M1 1 2 1000\n");
    let of = |mode| {
        let energy = by_ble(&scenario, mode).energy.unwrap();
        (energy.mah_a_day, energy.total_mah_a_day)
    };
    let (alone, total) = of(BleMode::Background);
    // A second a minute at 76 mA; an advertisement each 0.8 s.
    assert!((alone.scan / (24.0 * 76.0 / 60.0) - 1.0).abs() < 0.05, "{alone:?}");
    let advertising_ma = (0.888 * 176.0 + 0.9 * 76.0) / 800.0;
    assert!((alone.advertise / (24.0 * advertising_ma) - 1.0).abs() < 0.01, "{alone:?}");
    // And two vain attempts to connect whoever has just gone.
    assert!(total - alone.scan - alone.advertise < 0.5, "{alone:?}");
    // Two per cent of 4,000 mAh.
    assert!(total < 80.0 && of(BleMode::Performance).1 > 10.0 * total);
}

#[test]
fn neighbours_with_nothing_new_leave_each_other_alone() {
    // Two sit together for four hours, and have exchanged all there is after a minute or two.
    let scenario = scenario("0 14400 1 2\n", "5 C M1 1 2 1000\n");
    let figures = by_ble(&scenario, BleMode::Background);
    let energy = figures.energy.unwrap();
    assert_eq!(figures.delivered, 1);
    // Whoever changes address and tag is known all the same: not one connection a quarter of an hour.
    assert!((1..=8).contains(&energy.connects), "{energy:?}");
    assert!(energy.mah_a_day.connected_idle < 3.0, "{energy:?}");
}

#[test]
fn in_the_background_two_per_cent_of_a_battery_deliver_nearly_what_radios_that_are_always_on_do() {
    let scenario = World::Disaster.scenario(20, 1, 1, 1);
    let lifetime_s = World::Disaster.nature().lifetime_s;
    let by = |radio| {
        let settings =
            Settings { radio, lifetime_s, rate_bytes_per_s: 30_000, ..Settings::default() };
        run(&scenario, &settings)
    };
    let (always, ble) = (by(Radio::Always), by(Radio::Ble(BleMode::Background)));
    assert!(always.delivered > 30 && always.energy.is_none(), "{always:?}");
    assert!(ble.delivered * 10 >= always.delivered * 9, "{} {ble:?}", always.delivered);
    assert_eq!(ble.violations, 0);
    let energy = ble.energy.unwrap();
    // Of 4,000 mAh.
    assert!(energy.total_mah_a_day < 80.0 && energy.most_mah_a_day < 80.0, "{energy:?}");
    let kinds = energy.mah_a_day;
    let sum = kinds.scan
        + kinds.advertise
        + kinds.connect
        + kinds.connected_idle
        + kinds.transmit
        + kinds.receive;
    assert!((sum / energy.total_mah_a_day - 1.0).abs() < 1e-9, "{energy:?}");
    let kinds = [kinds.connect, kinds.connected_idle, kinds.transmit, kinds.receive];
    assert!(kinds.iter().all(|kind| *kind > 0.05), "{energy:?}");
}
