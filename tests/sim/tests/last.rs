//! What mail arrives, and at what price, against the last time: a change of routing that makes a small
//! world worse is seen in CI.
//!
//! Better figures are written down: `KEEP_FIGURES=1 cargo test -p footpost-sim --test last`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::run;
use footpost_sim::{Settings, World};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// What may pass for chance: of delivery, and of bytes in proportion.
const DELIVERY_NOISE: f64 = 0.03;
const BYTES_NOISE: f64 = 0.15;

/// Of one world, the mean of two seeds.
fn figures(world: World, buffer_bytes: u64) -> Value {
    let nature = world.nature();
    let settings = Settings {
        buffer_bytes,
        rate_bytes_per_s: nature.rate_bytes_per_s,
        lifetime_s: nature.lifetime_s,
        ..Settings::default()
    };
    let runs: Vec<_> = [1, 2]
        .map(|seed| run(&world.scenario(25, 1, 0, seed), &Settings { seed, ..settings.clone() }))
        .into();
    let mean = |of: fn(&footpost_sim::Figures) -> f64| runs.iter().map(of).sum::<f64>() / 2.0;
    assert!(runs.iter().all(|figures| figures.violations == 0));
    json!({
        "delivery_prob": mean(|it| it.delivery_prob),
        "latency_avg": mean(|it| it.latency_avg.unwrap()),
        "moved_bytes": mean(|it| (it.envelope_bytes + it.control_bytes) as f64),
    })
}

#[test]
fn no_worse_than_the_last_time() {
    let now = json!({
        "village": figures(World::Village, 50_000_000),
        "village, 300 kB": figures(World::Village, 300_000),
        "disaster, 300 kB": figures(World::Disaster, 300_000),
    });
    // Tests run in their package's directory, wherever it was compiled.
    let path = Path::new("tests/last.json");
    if std::env::var_os("KEEP_FIGURES").is_some() {
        fs::write(path, format!("{now:#}\n")).unwrap();
    }
    let last: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    println!("last {last:#}\nnow {now:#}");
    for (name, last) in last.as_object().unwrap() {
        let [last, now] = [last, &now[name]].map(|figures| {
            ["delivery_prob", "moved_bytes"].map(|figure| figures[figure].as_f64().unwrap())
        });
        assert!(now[0] > last[0] - DELIVERY_NOISE, "{name}: delivery {} after {}", now[0], last[0]);
        let most = last[1] * (1.0 + BYTES_NOISE);
        assert!(now[1] < most, "{name}: {} bytes moved after {}", now[1], last[1]);
    }
}
