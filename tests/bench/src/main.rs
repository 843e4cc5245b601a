//! Footpost measured side by side with the raw primitives.
//!
//! Every ratio comes from one run in which both sides alternate, so that a slow or busy machine
//! slows both. Nothing here asserts a time: figures are for people to read, and goals to miss
//! visibly.

#![expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^52")]

mod bare;
mod bare_quic;
mod ble;
mod embedding;
mod figure;
mod flood;
mod harness;
mod memory;
mod quic;
mod ratchet;
mod relay;
mod sealing;
mod sync;
mod work;
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
    /// Print how many seconds an exchange of so many messages takes: see `tests/bench/ffi/run`.
    #[arg(long, hide = true)]
    exchange: Option<usize>,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(path) = &arguments.resident_of {
        return memory::print(path);
    }
    if let Some(count) = arguments.exchange {
        return embedding::print_exchange(count);
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
    let scale = if quick { Scale::QUICK } else { Scale::FULL };
    progress.set_message("sealing and opening");
    let mut figures = sealing::figures(scale.sealings);
    progress.set_message("minting and checking postmarks");
    figures.extend(work::figures(scale.postmarks, scale.refused));
    progress.set_message("finding and turning");
    figures.extend(ratchet::figures(scale.sealings, scale.portions));
    progress.set_message("carrying");
    figures.extend(relay::figures(scale.portions));
    progress.set_message("carrying over QUIC");
    figures.extend(quic::figures(&scale.quic));
    progress.set_message("reconciling");
    figures.extend(sync::figures(&scale.sync));
    progress.set_message("meeting over Bluetooth LE");
    figures.extend(ble::figures(scale.ble_envelopes));
    progress.set_message("starting, and working for a moment");
    figures.extend(embedding::figures(&scale.embedding));
    figures
}

/// How much of everything is measured.
struct Scale {
    sealings: usize,
    postmarks: usize,
    /// Bogus postmarks, and the envelopes held by the carrier that refuses them.
    refused: (usize, usize),
    portions: usize,
    quic: quic::Scale,
    sync: sync::Scale,
    /// Envelopes that go over Bluetooth LE.
    ble_envelopes: usize,
    embedding: embedding::Scale,
}

impl Scale {
    const FULL: Self = Self {
        sealings: 201,
        postmarks: 101,
        refused: (11, 10_000),
        portions: 15,
        quic: quic::Scale { transfers: 7, shortened: 1, messages: 201 },
        sync: sync::Scale {
            held: &[1_000, 10_000, 100_000],
            bytes_at: 10_000,
            links: 21,
            cpu_links: 9,
        },
        ble_envelopes: 300,
        embedding: embedding::Scale { stored: 10_000, starts: 11, waiting: 1_000, ticks: 5 },
    };
    const QUICK: Self = Self {
        sealings: 5,
        postmarks: 5,
        refused: (3, 1_000),
        portions: 3,
        quic: quic::Scale { transfers: 2, shortened: 20, messages: 10 },
        sync: sync::Scale { held: &[1_000, 3_000], bytes_at: 3_000, links: 3, cpu_links: 3 },
        ble_envelopes: 50,
        embedding: embedding::Scale { stored: 500, starts: 3, waiting: 100, ticks: 1 },
    };
}
