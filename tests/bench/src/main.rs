//! Footpost measured side by side with the raw primitives.
//!
//! Every ratio comes from one run in which both sides alternate, so that a slow or busy machine
//! slows both. Nothing here asserts a time: figures are for people to read, and goals to miss
//! visibly.

mod bare;
mod bare_quic;
mod figure;
mod harness;
mod memory;
mod quic;
mod relay;
mod sealing;
mod sync;
mod world;

use clap::Parser;
use figure::Figure;
use indicatif::ProgressBar;
use std::path::PathBuf;
use std::time::Duration;

/// Measures Footpost against the bare primitives it is made of.
#[derive(Debug, Parser)]
struct Arguments {
    /// Print one flat JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Take a few seconds, with few repetitions and small sets: to see that all of it works.
    #[arg(long)]
    quick: bool,
    /// Print by how much this process grows when it opens that store.
    #[arg(long, hide = true)]
    resident_of: Option<PathBuf>,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(path) = &arguments.resident_of {
        return memory::print(path);
    }
    let figures = measure(arguments.quick);
    if arguments.json {
        println!("{:#}", figure::json(&figures));
    } else {
        print!("{}", figure::table(&figures));
    }
}

fn measure(quick: bool) -> Vec<Figure> {
    // Draws on standard error, and only on a terminal.
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(200));
    let scale = if quick {
        sync::Scale { held: &[1_000, 3_000], bytes_at: 3_000, links: 3, cpu_links: 3 }
    } else {
        sync::Scale { held: &[1_000, 10_000, 100_000], bytes_at: 10_000, links: 21, cpu_links: 9 }
    };
    let quic_scale = if quick {
        quic::Scale { transfers: 2, transfer_bytes: 500_000, messages: 10 }
    } else {
        quic::Scale { transfers: 9, transfer_bytes: 4_000_000, messages: 201 }
    };
    let families: [(&'static str, Box<dyn Fn() -> Vec<Figure>>); 4] = [
        ("sealing and opening", Box::new(move || sealing::figures(if quick { 5 } else { 201 }))),
        ("carrying", Box::new(move || relay::figures(if quick { 3 } else { 15 }))),
        ("carrying over QUIC", Box::new(move || quic::figures(&quic_scale))),
        ("reconciling", Box::new(move || sync::figures(&scale))),
    ];
    let measured = families.into_iter().flat_map(|(name, figures)| {
        progress.set_message(name);
        figures()
    });
    measured.collect()
}
