//! People whose phones have to find each other by Bluetooth LE first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{run, scenario};
use footpost_sim::{BleMode, Figures, Radio, Settings};

/// 1 has written to 2, and they meet once, from 100 s to `end_s`.
fn meeting(mode: BleMode, end_s: u32) -> Figures {
    let scenario = scenario(&format!("100 {end_s} 1 2\n"), "5 C M1 1 2 1000\n");
    let settings =
        Settings { radio: Radio::Ble(mode), rate_bytes_per_s: 30_000, ..Settings::default() };
    run(&scenario, &settings)
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
