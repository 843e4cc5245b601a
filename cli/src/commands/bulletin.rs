//! `footpost bulletin`

use super::{read_text, without_last_newline};
use crate::{
    args::{BulletinList, BulletinPublish, BulletinPublisher},
    control::{BulletinView, Client, PublisherChange, Reply, Request, misunderstood},
    failure::Failure,
    output::{Output, printable, when},
    profile::Profile,
};
use footpost_core::{BulletinFilter, BulletinKind, Stance};
use serde::Serialize;
use std::io;

#[derive(Serialize)]
struct Published {
    publisher: String,
    number: u64,
}

pub(crate) fn publish(
    profile: &Profile,
    args: BulletinPublish,
    out: Output,
) -> Result<(), Failure> {
    profile.check()?;
    let text = match args.text {
        Some(text) => text,
        None => without_last_newline(read_text(io::stdin().lock(), "the bulletin")?),
    };
    let mut client = Client::reach(profile)?;
    let reply = client.ask(Request::Publish {
        kind: args.kind.into(),
        region: args.region,
        topic: args.topic,
        text,
        lifetime_s: args.hours * 3600,
        replaces: args.replaces,
    })?;
    let Reply::Published { publisher, number } = reply else { return Err(misunderstood()) };
    out.fact(&Published { publisher, number }, |published| {
        let next = match client {
            Client::Running(_) => String::new(),
            Client::Opened(_) => format!("; it leaves with `{} run`", profile.invocation()),
        };
        format!("Bulletin {} is for everybody to read{next}", published.number)
    })
}

pub(crate) fn list(profile: &Profile, args: BulletinList, out: Output) -> Result<(), Failure> {
    let mut client = Client::reach(profile)?;
    let filter =
        BulletinFilter { region: args.region, topic: args.topic, only_followed: args.followed };
    let mut shown = 0;
    loop {
        let request = Request::Bulletins { filter: filter.clone(), skip: shown };
        let Reply::Bulletins { bulletins, is_cut } = client.ask(request)? else {
            return Err(misunderstood());
        };
        shown += bulletins.len();
        for bulletin in &bulletins {
            out.fact(bulletin, text)?;
        }
        if !is_cut {
            return if shown == 0 { out.say("No bulletins.") } else { Ok(()) };
        }
    }
}

pub(crate) fn follow(
    profile: &Profile,
    who: BulletinPublisher,
    change: PublisherChange,
    out: Output,
) -> Result<(), Failure> {
    let request = Request::Follow { publisher: who.publisher, change };
    Client::reach(profile)?.ask(request)?;
    out.say("Done.")
}

fn text(bulletin: &BulletinView) -> String {
    let whose = match &bulletin.contact {
        _ if bulletin.own => "you".to_owned(),
        Some(name) => printable(name),
        None => bulletin.publisher.clone(),
    };
    let stance = match bulletin.stance {
        Some(Stance::Followed) => ", followed",
        Some(Stance::Muted) => ", muted",
        None => "",
    };
    let labels = [&bulletin.region, &bulletin.topic].map(|label| printable(label));
    let labels: Vec<_> = labels.into_iter().filter(|label| !label.is_empty()).collect();
    let about =
        if labels.is_empty() { String::new() } else { format!(" · {}", labels.join(", ")) };
    let published = bulletin.published_ms.map_or_else(|| "waits for a postmark".to_owned(), when);
    format!(
        "{}{about} · {whose}{stance} · {published} · thread {}\n  {}",
        kind_name(bulletin.kind),
        bulletin.thread,
        printable(&bulletin.text).replace('\n', "\n  "),
    )
}

pub(super) fn kind_name(kind: BulletinKind) -> &'static str {
    match kind {
        BulletinKind::Information => "Information",
        BulletinKind::Alert => "ALERT",
        BulletinKind::Sos => "SOS",
    }
}
