//! `footpost carried`

use crate::{
    control::{CarriedView, Client, Reply, Request, misunderstood},
    failure::Failure,
    output::{Output, bytes, duration, table, when},
    profile::Profile,
};
use footpost_core::{Priority, Suite};

const OLDEST: u32 = 1000;

pub(crate) fn carried(profile: &Profile, out: Output) -> Result<(), Failure> {
    let reply = Client::reach(profile)?.ask(Request::Carried { limit: OLDEST })?;
    let Reply::Carried { envelopes } = reply else { return Err(misunderstood()) };
    if out.json {
        return envelopes.iter().try_for_each(|envelope| out.fact(envelope, |_| String::new()));
    }
    if envelopes.is_empty() {
        return out.say("No envelopes on board.");
    }
    let head = ["id", "whose", "sealed", "size", "priority", "made", "lives", "tag", "postmark"];
    let rows: Vec<_> =
        [head.map(ToOwned::to_owned)].into_iter().chain(envelopes.iter().map(row)).collect();
    out.say(&table(&rows))
}

fn row(envelope: &CarriedView) -> [String; 9] {
    [
        short(&envelope.id),
        if envelope.own { "own" } else { "others’" }.to_owned(),
        sealing(envelope).to_owned(),
        bytes(envelope.size_bytes as u64),
        priority(envelope.priority).to_owned(),
        when(envelope.created_ms),
        duration(u64::from(envelope.lifetime_s) * 1000),
        envelope.mailbox_tag.clone(),
        short(&envelope.postmark_key),
    ]
}

/// The start of a long byte string in hex.
pub(crate) fn short(hex: &str) -> String {
    hex.chars().take(12).chain(['…']).collect()
}

/// How it is sealed, or else what it is.
pub(crate) fn sealing(envelope: &CarriedView) -> &str {
    match envelope.suite {
        Some(Suite::X25519) => "X25519",
        Some(Suite::XWing) => "X-Wing",
        None => &envelope.kind,
    }
}

pub(crate) fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::Urgent => "urgent",
    }
}
