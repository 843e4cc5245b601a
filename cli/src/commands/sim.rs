//! `footpost sim`

use crate::{
    args::{Sim, Tags},
    failure::{Exit, Failure},
    output::{Output, bytes, duration, spinner, table},
};
use footpost_core::TagMode;
use footpost_sim::{
    Attempts, BulletinFigures, EnergyFigures, LieFigures, Radio, Report, Scenario, Settings, World,
    replay, write_page,
};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How traces are replayed unless somebody says otherwise; worlds have defaults of their own.
const RATE_BYTES_PER_S: u64 = 250_000;
/// What phones move over GATT.
const BLE_RATE_BYTES_PER_S: u64 = 30_000;
const LIFETIME_S: u32 = 300 * 60;

pub(crate) fn sim(args: &Sim, out: Output) -> Result<(), Failure> {
    // Whether the page can be written shows before the run, which may be long.
    let page_file = args.report.as_ref().map(File::create).transpose();
    let page_file = page_file.map_err(|error| unwritable(args, &error))?;
    let scenario = match args.world {
        Some(world) => made_up(world, args),
        None => Scenario::load(&args.contacts, &args.messages)?,
    };
    let nature = args.world.map(World::nature);
    let rate = match args.radio {
        Radio::Always => nature.map_or(RATE_BYTES_PER_S, |nature| nature.rate_bytes_per_s),
        Radio::Ble(_) => BLE_RATE_BYTES_PER_S,
    };
    let lifetime_s = nature.map_or(LIFETIME_S, |nature| nature.lifetime_s);
    let settings = Settings {
        radio: args.radio,
        rate_bytes_per_s: args.rate.unwrap_or(rate),
        buffer_bytes: args.buffer,
        fragment_bytes: args.fragment,
        lifetime_s: args.ttl.unwrap_or(lifetime_s),
        router: args.router,
        tags: tag_mode(args),
        nodes_drop: args.nodes_drop,
        nodes_out: args.nodes_out,
        nodes_flood: args.nodes_flood,
        nodes_forge: args.nodes_forge,
        nodes_invent_acks: args.nodes_invent_acks,
        nodes_lie_age: args.nodes_lie_age,
        nodes_off: args.nodes_off,
        clock_error_s: args.clock_error,
        ack_delay_s: args.ack_delay,
        seed: args.seed,
    };
    let waiting = spinner(format!("Replaying {} people", scenario.people()));
    let replayed = replay(&scenario, &settings);
    waiting.finish_and_clear();
    let (report, chronicle) = replayed?;
    if let Some(mut file) = page_file {
        write_page(&mut file, &scenario, &report, &chronicle)
            .map_err(|error| unwritable(args, &error))?;
    }
    out.fact(&report, shown)
}

fn made_up(world: World, args: &Sim) -> Scenario {
    let nature = world.nature();
    world.scenario(
        args.people.unwrap_or(nature.people),
        args.days.unwrap_or(nature.days),
        args.publishers.unwrap_or(nature.publishers),
        args.seed,
    )
}

fn unwritable(args: &Sim, error: &std::io::Error) -> Failure {
    let file = args.report.as_deref().unwrap_or_else(|| Path::new("")).display();
    Failure::new(Exit::Failed, format!("{file} cannot be written: {error}"))
}

fn shown(report: &Report) -> String {
    let Report { figures, cost, .. } = report;
    let seconds = |of: Option<f64>| {
        let time = of.map(|s| Duration::from_secs_f64(s).as_millis() as u64);
        time.map_or("–".to_owned(), duration)
    };
    let number = |of: Option<f64>| of.map_or("–".to_owned(), |n| format!("{n:.2}"));
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
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
    ];
    if figures.off_share > 0.0 {
        let empty = figures.battery_empty_nodes.unwrap_or_default();
        let off = format!("{:.1} % of the time; {empty} were empty", 100.0 * figures.off_share);
        rows.push(row("Phones off", off));
    }
    rows.push(row("Falsified", figures.falsified.to_string()));
    if let Some(lies) = figures.lies {
        let LieFigures { forgeries, replays, acks, ages, wrongly_deleted, wrongly_blamed } = lies;
        let of = |Attempts { tried, refused }| format!("{tried} ({refused} refused)");
        let [forgeries, replays, acks, ages] = [forgeries, replays, acks, ages].map(of);
        let tried = format!(
            "{forgeries} forgeries, {replays} replays, {acks} invented acks, {ages} false ages"
        );
        rows.push(row("Lies", tried));
        rows.push(row("Wrongly deleted", format!("{wrongly_deleted} copies")));
        rows.push(row("Wrongly blamed", format!("{wrongly_blamed} links")));
    }
    if let Some(bulletins) = figures.bulletins {
        let BulletinFigures { published, reachable, reached, reached_share } = bulletins;
        let share = number(reached_share);
        let alerts = format!("{published}, got by {reached} of {reachable} in reach: {share}");
        rows.push(row("Alerts", alerts));
    }
    if let Some(energy) = figures.energy {
        rows.extend(energy_rows(&energy));
    }
    table(&rows)
}

fn energy_rows(energy: &EnergyFigures) -> [[String; 2]; 3] {
    let each = energy.mah_a_day;
    let kinds = [
        ("scan", each.scan),
        ("advertise", each.advertise),
        ("connect", each.connect),
        ("connected idle", each.connected_idle),
        ("transmit", each.transmit),
        ("receive", each.receive),
    ];
    let kinds = kinds.map(|(kind, mah)| format!("{kind} {mah:.1}")).join(", ");
    let total = format!(
        "{:.1} mAh a day and phone, {:.1} at most",
        energy.total_mah_a_day, energy.most_mah_a_day
    );
    let connects = format!(
        "{} connections begun, {} duplicates, {} spared",
        energy.connects, energy.duplicates, energy.spared
    );
    [("Bluetooth", total), ("of this, mAh", kinds), ("Connections", connects)]
        .map(|(name, value)| [name.to_owned(), value])
}

fn tag_mode(args: &Sim) -> TagMode {
    match args.tags {
        Some(Tags::Shown) => TagMode::Mailbox,
        None if args.router.needs_tags() => TagMode::Mailbox,
        Some(Tags::Hidden) | None => TagMode::Hidden,
    }
}
