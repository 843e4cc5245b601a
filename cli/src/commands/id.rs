//! `footpost id`

use crate::{
    args::Id,
    control::{Client, Reply, Request, misunderstood},
    failure::{Exit, Failure},
    output::{Output, is_terminal, printable, when},
    profile::Profile,
};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

/// Black on white, whatever the terminal's colours: inverted codes do not scan everywhere.
const PAPER: &str = "\x1b[38;5;16;48;5;231m";
const PLAIN: &str = "\x1b[0m";

pub(crate) fn id(profile: &Profile, args: &Id, out: Output) -> Result<(), Failure> {
    let Reply::Card(card) = Client::reach(profile)?.ask(Request::Card)? else {
        return Err(misunderstood());
    };
    if !out.json && (args.qr || is_terminal()) {
        out.say(&qr(&card.link)?)?;
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

fn qr(link: &str) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L)
        .map_err(|_| Failure::new(Exit::Failed, "the card is too long for a QR code"))?;
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
    Ok(image.lines().map(dress).collect())
}
