//! `footpost sim`

use crate::{
    args::{Sim, Tags},
    failure::Failure,
    output::{Output, bytes, duration, spinner, table},
};
use footpost_core::TagMode;
use footpost_sim::{Report, Scenario, Settings, simulate};
use std::time::Duration;

pub(crate) fn sim(args: &Sim, out: Output) -> Result<(), Failure> {
    let scenario = Scenario::load(&args.contacts, &args.messages)?;
    let settings = Settings {
        rate_bytes_per_s: args.rate,
        buffer_bytes: args.buffer,
        fragment_bytes: args.fragment,
        lifetime_s: args.ttl,
        router: args.router,
        tags: tag_mode(args),
        nodes_drop: args.nodes_drop,
        nodes_out: args.nodes_out,
        clock_error_s: args.clock_error,
        seed: args.seed,
    };
    let waiting = spinner(format!("Replaying {} people", scenario.people()));
    let report = simulate(&scenario, &settings);
    waiting.finish_and_clear();
    out.fact(&report?, shown)
}

fn shown(report: &Report) -> String {
    let Report { figures, cost, .. } = report;
    let seconds = |of: Option<f64>| {
        let time = of.map(|s| Duration::from_secs_f64(s).as_millis() as u64);
        time.map_or("–".to_owned(), duration)
    };
    let number = |of: Option<f64>| of.map_or("–".to_owned(), |n| format!("{n:.2}"));
    let row = |name: &str, value: String| [name.to_owned(), value];
    table(&[
        row("People", format!("{}, {} contacts", figures.nodes, figures.contacts)),
        row(
            "Delivered",
            format!(
                "{} of {} messages: {:.3}",
                figures.delivered, figures.created, figures.delivery_prob
            ),
        ),
        row("Overhead", number(figures.overhead_ratio)),
        row(
            "Latency",
            format!(
                "{} in the mean, median {}",
                seconds(figures.latency_avg),
                seconds(figures.latency_med)
            ),
        ),
        row("Hops", number(figures.hopcount_avg)),
        row(
            "Transfers",
            format!("{} envelopes, {}", figures.transfers, bytes(figures.envelope_bytes)),
        ),
        row("Control", bytes(figures.control_bytes)),
        row("Dropped", format!("{}, of these {} expired", figures.dropped, figures.expired)),
        row("Acknowledged", format!("{} copies deleted", figures.acked_copies_deleted)),
        row("Violations", figures.violations.to_string()),
        row(
            "Cost",
            format!(
                "{:.1} s, of these {:.1} s to set up; {} at most",
                cost.wall_time_s,
                cost.setup_time_s,
                cost.peak_memory_bytes.map_or("–".to_owned(), bytes)
            ),
        ),
    ])
}

fn tag_mode(args: &Sim) -> TagMode {
    match args.tags {
        Some(Tags::Shown) => TagMode::Mailbox,
        None if args.router.needs_tags() => TagMode::Mailbox,
        Some(Tags::Hidden) | None => TagMode::Hidden,
    }
}
