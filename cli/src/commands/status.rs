//! `footpost status`

use super::{progress, shown};
use crate::{
    args::Status,
    control::{
        BluetoothView, Client, Folder, MessageView, NeighbourView, Reply, Request, StatusView,
        misunderstood,
    },
    failure::Failure,
    output::{Output, bytes, duration, printable, table, when},
    profile::Profile,
};
use footpost_core::{CostClass, Protection, State};
use serde::{Deserialize, Serialize};

const NEWEST: usize = 20;
/// Of each message only the beginning is shown, in characters.
const GLIMPSE: usize = 32;

/// What `footpost status` tells.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) status: StatusView,
    /// Sent ones, the oldest first.
    pub(crate) messages: Vec<MessageView>,
}

pub(crate) fn status(profile: &Profile, args: &Status, out: Output) -> Result<(), Failure> {
    let mut client = Client::reach(profile)?;
    let Reply::Status(status) = client.ask(Request::Status)? else { return Err(misunderstood()) };
    let limit = (!args.all).then_some(NEWEST);
    let messages = client.messages(Folder::Sent, None, limit)?;
    out.fact(&Report { status: *status, messages }, |report| {
        let sections =
            [node(&report.status), neighbours(&report.status.neighbours), sent(&report.messages)];
        sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n\n")
    })
}

fn node(status: &StatusView) -> String {
    let name = status.name.as_deref().map(printable);
    let node = match status.listen {
        Some(listen) => format!("running, on {listen}"),
        None => "not running".to_owned(),
    };
    let envelopes = match status.foreign_envelopes {
        1 => "1 envelope".to_owned(),
        count => format!("{count} envelopes"),
    };
    let carried = format!(
        "{envelopes} of others, {} of {}",
        bytes(status.foreign_bytes),
        bytes(status.max_foreign_bytes)
    );
    let postmarks = match (status.postmarks_ready, status.postmarks_ahead) {
        (0, 0) => "none yet: messages wait for the first".to_owned(),
        (ready, 0) => format!("{ready} for today"),
        (ready, ahead) => format!("{ready} for today, {ahead} for tomorrow"),
    };
    let mut rows = vec![
        ["Name".to_owned(), name.unwrap_or_else(|| "none".to_owned())],
        ["Address".to_owned(), status.address.clone()],
        ["Node".to_owned(), node],
        ["Postmarks".to_owned(), postmarks],
        ["Carrying".to_owned(), carried],
    ];
    if status.running {
        rows.push(["Traffic".to_owned(), traffic(status.sent_bytes, status.received_bytes)]);
    }
    rows.extend(status.bluetooth.as_ref().map(|it| ["Bluetooth".to_owned(), bluetooth(it)]));
    table(&rows)
}

fn traffic(sent_bytes: u64, received_bytes: u64) -> String {
    format!("{} out, {} in", bytes(sent_bytes), bytes(received_bytes))
}

/// What the radio was on for: what the battery has to pay.
fn bluetooth(radio: &BluetoothView) -> String {
    format!(
        "scanned for {}, advertised for {}, connected for {}; {}",
        duration(radio.scanning_ms),
        duration(radio.advertising_ms),
        duration(radio.connected_ms),
        traffic(radio.sent_bytes, radio.received_bytes)
    )
}

fn neighbours(neighbours: &[NeighbourView]) -> String {
    if neighbours.is_empty() {
        return String::new();
    }
    let row = |neighbour: &NeighbourView| {
        let way = match neighbour.cost {
            CostClass::Lan => "local network",
            CostClass::Wifi => "Wi-Fi",
            CostClass::Ble => "Bluetooth",
            CostClass::Internet => "internet",
            CostClass::Metered => "internet, metered",
        };
        let room = if neighbour.accepts_foreign {
            format!("carries for others, {} free", bytes(neighbour.free_kib.saturating_mul(1024)))
        } else {
            "carries for nobody".to_owned()
        };
        let who = neighbour.contact.as_deref().map_or("somebody".to_owned(), printable);
        [format!("  {who}"), way.to_owned(), room]
    };
    let rows: Vec<_> = neighbours.iter().map(row).collect();
    format!("Neighbours\n{}", table(&rows))
}

fn sent(messages: &[MessageView]) -> String {
    if messages.is_empty() {
        return String::new();
    }
    let row = |message: &MessageView| {
        let state = progress(message.state, message.carriers, message.carrier_contacts);
        let at = match (message.state, message.delivered_ms) {
            (State::Delivered, Some(at)) => format!(" {}", when(at)),
            _ => String::new(),
        };
        [
            format!("  {}", message.id),
            printable(&message.contact),
            when(message.sent_ms),
            format!("{state}{at}"),
            protection(message.protection).to_owned(),
            content(message),
        ]
    };
    let rows: Vec<_> = messages.iter().map(row).collect();
    format!("Sent\n{}", table(&rows))
}

/// Against whom a recording is safe.
fn protection(protection: Protection) -> &'static str {
    match protection {
        Protection::CardSeed => "X25519",
        Protection::PostQuantumSeed | Protection::XWing => "post-quantum",
    }
}

/// Of a file all that there is to say; of text the beginning.
fn content(message: &MessageView) -> String {
    let shown = shown(message);
    if message.attachment.is_some() { shown } else { glimpse(&shown) }
}

fn glimpse(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let start: String = line.chars().take(GLIMPSE).collect();
    if start.len() < text.len() { format!("“{start}…”") } else { format!("“{start}”") }
}
