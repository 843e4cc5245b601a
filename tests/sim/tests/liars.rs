//! Three people in ten lie: nobody reads a forgery, nobody loses mail to an invented acknowledgement, and
//! mail arrives nearly as if they were not there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{run, scenario};
use footpost_core::Router;
use footpost_sim::{Attempts, Figures, LieFigures, Scenario, Settings};
use std::fmt::Write as _;

/// Six people in twenty.
const SHARE: f64 = 0.3;

/// Twenty people meet each other now and then, for five hours, and write letters and longer things.
fn town() -> Scenario {
    let (mut contacts, mut messages) = (String::new(), String::new());
    for n in 0..130_u32 {
        let (a, b) = (n * 7 % 20, (n * 7 + 1 + n % 19) % 20);
        writeln!(contacts, "{} {} {a} {b}", n * 135, n * 135 + 5 + n % 10).unwrap();
    }
    for n in 0..80_u32 {
        let size = 500 + n * 613 % 20_000;
        writeln!(messages, "{} C M{n} {} {} {size}", n * 120, n % 20, (n + 7) % 20).unwrap();
    }
    scenario(&contacts, &messages)
}

/// What came of it, after what must hold whatever they lie about.
fn lied_to(settings: &Settings) -> (Figures, LieFigures) {
    let figures = run(&town(), settings);
    let lies = figures.lies.unwrap();
    assert_eq!(
        (figures.falsified, lies.wrongly_deleted, lies.wrongly_blamed),
        (0, 0, 0),
        "{lies:?}"
    );
    let without = run(&town(), &Settings { nodes_out: SHARE, ..Settings::default() });
    assert_eq!((without.created, without.lies, without.falsified), (figures.created, None, 0));
    assert!(figures.delivered * 100 >= without.delivered * 85, "{figures:?}\n{without:?}");
    (figures, lies)
}

fn all_refused(attempts: Attempts) -> bool {
    attempts.tried > 0 && attempts.refused == attempts.tried
}

#[test]
fn nobody_reads_a_forgery() {
    let (figures, lies) = lied_to(&Settings { nodes_forge: SHARE, ..Settings::default() });
    let Attempts { tried, refused } = lies.forgeries;
    // What is paid for is carried, like anybody's mail.
    assert!(refused > 20 && refused < tried && lies.replays.refused > 5, "{lies:?}");
    assert!(figures.violations > 20, "{figures:?}");
}

#[test]
fn nobody_deletes_mail_that_its_reader_has_not_got() {
    let (figures, lies) = lied_to(&Settings { nodes_invent_acks: SHARE, ..Settings::default() });
    assert!(all_refused(lies.acks) && lies.acks.tried > 100, "{lies:?}");
    assert!(figures.violations > 5 && figures.acked_copies_deleted > 100, "{figures:?}");
}

#[test]
fn false_ages_stop_little_mail() {
    let (figures, lies) = lied_to(&Settings { nodes_lie_age: SHARE, ..Settings::default() });
    let Attempts { tried, refused } = lies.ages;
    assert!(tried - refused > 100 && figures.violations == 0, "{lies:?}");
}

#[test]
fn the_calendar_bounds_what_a_false_age_costs() {
    // Of those between writer and reader the first lies: that mail of three days ends in two minutes.
    let (hour, mut messages) = (3600, String::new());
    (0..10).for_each(|n| writeln!(messages, "0 C M{n} 0 3 1000").unwrap());
    let chain = scenario(&format!("9 99 0 1\n200 299 1 2\n{hour} {} 2 3\n", hour + 99), &messages);
    let settings = Settings {
        nodes_lie_age: 0.25,
        // It heeds no generations, about which they lie too.
        router: Router::Epidemic,
        lifetime_s: 3 * 24 * hour,
        seed: 6,
        ..Settings::default()
    };
    let figures = run(&chain, &settings);
    let Attempts { tried, refused } = figures.lies.unwrap().ages;
    assert_eq!((tried, refused, figures.delivered), (10, 0, 10));
}

#[test]
fn all_of_them_at_once_do_no_more() {
    let each = SHARE / 4.0;
    let (_, lies) = lied_to(&Settings {
        nodes_flood: each,
        nodes_forge: each,
        nodes_invent_acks: each,
        nodes_lie_age: each,
        ..Settings::default()
    });
    let tried = [lies.forgeries, lies.acks, lies.ages].map(|attempts| attempts.tried);
    assert!(tried.iter().all(|tried| *tried > 10), "{lies:?}");
}
