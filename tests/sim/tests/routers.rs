//! Every router delivers, by what the wire gives it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{run, scenario};
use footpost_core::{Router, TagMode};
use footpost_sim::{Scenario, Settings, SimError, simulate};
use std::fmt::Write as _;

/// Two villages of six and a postman, over a midnight. Neighbours write to each other and across.
fn villages() -> Scenario {
    let (mut contacts, mut messages) = (String::new(), String::new());
    for n in 0..300_u32 {
        let (village, a) = (n % 2 * 6, n / 2 % 6);
        let at = 60_000 + n * 200;
        writeln!(contacts, "{at} {} {} {}", at + 20, village + a, village + (a + 1) % 6).unwrap();
        if n % 10 == 0 {
            writeln!(contacts, "{} {} {} 12", at + 50, at + 80, n / 10 % 12).unwrap();
        }
    }
    for n in 0..60_u32 {
        let size = 500 + n * 613 % 60_000;
        writeln!(messages, "{} C M{n} {} {} {size}", 60_000 + n * 600, n % 12, (n * 5 + 3) % 12)
            .unwrap();
    }
    scenario(&contacts, &messages)
}

fn settings(router: Router, tags: TagMode) -> Settings {
    Settings { router, tags, buffer_bytes: 400_000, lifetime_s: 36_000, ..Settings::default() }
}

#[test]
fn every_router_delivers() {
    let villages = villages();
    let direct = run(&villages, &settings(Router::Direct, TagMode::Hidden)).delivered;
    for (router, tags) in [
        (Router::Carry, TagMode::Hidden),
        (Router::Carry, TagMode::Mailbox),
        (Router::Epidemic, TagMode::Hidden),
        (Router::Spray(8), TagMode::Hidden),
        (Router::Prophet, TagMode::Mailbox),
        (Router::MaxProp, TagMode::Mailbox),
    ] {
        let figures = run(&villages, &settings(router, tags));
        println!("{router:?} {tags:?} {} {}", figures.delivered, figures.control_bytes);
        assert_eq!(figures.violations, 0, "{router:?}");
        assert!(figures.delivered >= direct + 10, "{router:?}: {} {direct}", figures.delivered);
    }
}

#[test]
fn what_is_learnt_from_neighbours_follows_from_the_seed() {
    let settings = settings(Router::MaxProp, TagMode::Mailbox);
    let villages = villages();
    assert_eq!(run(&villages, &settings), run(&villages, &settings));
}

#[test]
fn routers_that_go_by_tags_refuse_to_run_without() {
    for router in [Router::Prophet, Router::MaxProp] {
        let refused = simulate(&villages(), &settings(router, TagMode::Hidden));
        assert!(matches!(refused, Err(SimError::Config(_))), "{router:?}");
    }
}
