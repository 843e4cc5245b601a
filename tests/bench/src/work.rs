//! What postmarks cost: who mints, who checks, and who posts in bulk.

use crate::figure::{Figure, Goal, Unit};
use crate::flood;
use crate::harness::{Summary, cpu_time};
use crate::world::rng;
use footpost_core::{MAX_ENVELOPES_PER_POSTMARK, Minting, Postmark, Work, WorkProof, Workbench};
use std::hint::black_box;
use std::time::Duration;

const DAY: u32 = 20_605;
/// New postmarks that a carrier checks in a day, at most.
const CHECKS: f64 = 10_000.0;
const GATES: u64 = 10_000;

/// `n` samples each; `refused` goes to [`flood::figures`].
pub(crate) fn figures(n: usize, refused: (usize, usize)) -> Vec<Figure> {
    let (mut bench, key) = (Workbench::new(Work::Standard), [7; 32]);
    let mut nonces = 0_u64..;
    let mut proof = || WorkProof::new(&key, DAY, nonces.next().unwrap_or_default().to_be_bytes());
    bench.is_paid(&proof());
    let check = sample(n, || {
        black_box(bench.is_paid(&proof()));
    });
    let gate = sample(n, || {
        for _ in 0..GATES {
            black_box(bench.passes_gate(&proof()));
        }
    });

    // One evaluation and the search before it; a postmark takes `expected` of them on average.
    let mut seeds = 0_u64..;
    let mut next = || {
        let postmark = Postmark::generate(&mut rng(seeds.next().unwrap_or_default()));
        Minting::new(Work::Standard, postmark, DAY)
    };
    let mut minting = next();
    let (_, expected) = minting.progress();
    let tries = sample(n, || {
        // The search for one gate is luck: eight of them are less so.
        for _ in 0..8 {
            if minting.advance(1) {
                minting = next();
            }
        }
    });
    let one_try = scale(&tries, 1.0 / 8.0);
    let mint = scale(&one_try, expected as f64);
    let grind_s = one_try.median - check.median;
    let single = |value| Summary { median: value, low: value, high: value, n: 1 };
    let attack = |envelopes: f64| {
        single(mint.median * (envelopes / MAX_ENVELOPES_PER_POSTMARK as f64).ceil())
    };
    let gate_us = gate.median * 1e6 / GATES as f64;
    let figure = |name: &str, summary, unit, goal, note: String| Figure {
        name: name.to_owned(),
        summary,
        unit,
        goal,
        note,
    };
    let mut figures = vec![
        figure(
            "postmark_mint",
            mint,
            Unit::Seconds,
            Goal::AtMost(10.0),
            format!("CPU, mean of {expected} evaluations; an unlucky one in 20 takes 3 times that"),
        ),
        figure(
            "postmark_check",
            scale(&check, 1000.0),
            Unit::Milliseconds,
            Goal::AtMost(6.0),
            format!("what fails the gate costs {gate_us:.2} µs"),
        ),
        figure(
            "postmark_checks_a_day",
            scale(&check, CHECKS),
            Unit::Seconds,
            Goal::AtMost(60.0),
            "CPU of a carrier that meets 10,000 new postmarks".to_owned(),
        ),
        figure(
            "postmark_attack.10k_a_day",
            attack(1e4),
            Unit::Seconds,
            Goal::None,
            "CPU to post 10,000 envelopes in a day".to_owned(),
        ),
        figure(
            "postmark_attack.1m_a_day",
            attack(1e6),
            Unit::Seconds,
            Goal::None,
            "the same of a million".to_owned(),
        ),
    ];
    figures.extend(flood::figures(refused.0, refused.1, grind_s));
    figures
}

/// Seconds of CPU.
fn sample(n: usize, mut work: impl FnMut()) -> Summary {
    let timed = |_| {
        let start = cpu_time();
        work();
        cpu_time().saturating_sub(start)
    };
    Summary::quartiles((0..n).map(timed).map(|time: Duration| time.as_secs_f64()))
}

fn scale(summary: &Summary, factor: f64) -> Summary {
    let Summary { median, low, high, n } = *summary;
    Summary { median: median * factor, low: low * factor, high: high * factor, n }
}
