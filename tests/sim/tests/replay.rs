//! Everything follows from the seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{run, scenario};
use footpost_sim::{Scenario, Settings};
use std::fmt::Write as _;

/// A village where everybody meets everybody now and then.
fn village() -> Scenario {
    let (mut contacts, mut messages) = (String::new(), String::new());
    for n in 0..300_u32 {
        let (a, b) = (n * 7 % 12, (n * 7 + 1 + n % 11) % 12);
        writeln!(contacts, "{} {} {a} {b}", n * 60, n * 60 + 20 + n % 30).unwrap();
    }
    for n in 0..60_u32 {
        let size = 500 + n * 613 % 30_000;
        writeln!(messages, "{} C M{n} {} {} {size}", n * 200, n % 12, (n + 5) % 12).unwrap();
    }
    scenario(&contacts, &messages)
}

fn with_seed(seed: u64) -> Settings {
    Settings { seed, buffer_bytes: 60_000, ..Settings::default() }
}

#[test]
fn the_same_seed_makes_the_same_figures() {
    let village = village();
    let first = run(&village, &with_seed(1));
    assert!(first.delivered > 20 && first.dropped > 0 && first.acked_copies_deleted > 0);
    assert_eq!(first.violations, 0);
    assert_eq!(run(&village, &with_seed(1)), first);
    assert_ne!(run(&village, &with_seed(2)), first);
}

#[test]
fn those_who_drop_cost_deliveries_and_are_the_ones_who_can_be_taken_out() {
    let village = village();
    let honest = run(&village, &with_seed(3));
    let dropping = run(&village, &Settings { nodes_drop: 0.25, ..with_seed(3) });
    let without = run(&village, &Settings { nodes_out: 0.25, ..with_seed(3) });
    assert!(dropping.created < honest.created);
    assert_eq!(dropping.created, without.created);
    assert!(dropping.contacts == honest.contacts && without.contacts < honest.contacts);
    // They take, and give nothing on.
    assert!(dropping.transfers > without.transfers);
    assert!(dropping.delivered <= without.delivered + 3);
    assert_eq!(dropping.violations, 0);
}

#[test]
fn clocks_that_are_hours_off_stop_no_mail() {
    let wrong = Settings { clock_error_s: 12 * 3600, ..with_seed(4) };
    let (right, wrong) = (run(&village(), &with_seed(4)), run(&village(), &wrong));
    assert_eq!(wrong.violations, 0);
    assert!(wrong.delivered * 10 >= right.delivered * 9, "{} {}", wrong.delivered, right.delivered);
}
