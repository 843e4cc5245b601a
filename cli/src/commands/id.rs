//! `footpost id`

use crate::{
    args::Id,
    control::{Client, Reply, Request, misunderstood},
    failure::{Exit, Failure},
    output::{Output, is_terminal, printable, when},
    profile::Profile,
};
use png::{BitDepth, ColorType, Encoder};
use qrcode::{Color, EcLevel, QrCode, render::unicode::Dense1x2};
use std::{fmt::Display, fs::OpenOptions, io::BufWriter, os::unix::fs::OpenOptionsExt, path::Path};

/// The margin that readers need (ISO/IEC 18004, 9.1), in modules.
const QUIET_MODULES: usize = 4;
const MODULE_PIXELS: usize = 8;

/// Black on white, whatever the terminal's colours: inverted codes do not scan everywhere.
const PAPER: &str = "\x1b[38;5;16;48;5;231m";
const PLAIN: &str = "\x1b[0m";

pub(crate) fn id(profile: &Profile, args: &Id, out: Output) -> Result<(), Failure> {
    let Reply::Card(card) = Client::reach(profile)?.ask(Request::Card)? else {
        return Err(misunderstood());
    };
    if !out.json && (args.qr || is_terminal()) {
        out.say(&blocks(&code(&card.link)?))?;
    }
    if let Some(file) = &args.png {
        picture(&code(&card.link)?, file)?;
    }
    out.fact(&card, |card| {
        let name = card.name.as_ref().map(|name| format!("Name     {}\n", printable(name)));
        format!(
            "{}Address  {}\nExpires  {}\n\n{}\n\nWho has this card can write to you: pass it on \
             privately.",
            name.unwrap_or_default(),
            card.address,
            when(card.expires_ms),
            card.link
        )
    })
}

fn code(link: &str) -> Result<QrCode, Failure> {
    QrCode::with_error_correction_level(link, EcLevel::L)
        .map_err(|_| Failure::new(Exit::Failed, "the card is too long for a QR code"))
}

/// Black and white, one bit a pixel; for its owner alone, as who has the card can write.
fn picture(code: &QrCode, file: &Path) -> Result<(), Failure> {
    let cannot = |error: &dyn Display| {
        Failure::new(Exit::Failed, format!("cannot write {}: {error}", file.display()))
    };
    let width = code.width() + 2 * QUIET_MODULES;
    let is_dark = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(QUIET_MODULES).filter(|at| *at < code.width());
        inside(row).zip(inside(column)).is_some_and(|(y, x)| code[(x, y)] == Color::Dark)
    };
    // A module is as wide as a byte of pixels.
    let line = |row| (0..width).map(move |column| if is_dark(row, column) { 0 } else { u8::MAX });
    let pixels: Vec<u8> =
        (0..width * MODULE_PIXELS).flat_map(|y| line(y / MODULE_PIXELS)).collect();
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(file);
    let opened = opened.map_err(|error| cannot(&error))?;
    let side = u32::try_from(width * MODULE_PIXELS).map_err(|error| cannot(&error))?;
    let mut encoder = Encoder::new(BufWriter::new(opened), side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let write = || {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()
    };
    write().map_err(|error| cannot(&error))
}

fn blocks(code: &QrCode) -> String {
    // Without colours, blocks are most likely light on dark.
    let (ink, paper) = if is_terminal() {
        (Dense1x2::Dark, Dense1x2::Light)
    } else {
        (Dense1x2::Light, Dense1x2::Dark)
    };
    let image = code.render().dark_color(ink).light_color(paper).build();
    let dress = |line: &str| {
        if is_terminal() { format!("{PAPER}{line}{PLAIN}\n") } else { format!("{line}\n") }
    };
    image.lines().map(dress).collect()
}
