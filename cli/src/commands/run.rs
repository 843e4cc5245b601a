//! `footpost run`

use super::{bulletin::kind_name, contact::key_warning, progress};
use crate::{
    args::Run,
    control::Host,
    failure::{Exit, Failure},
    output::{Output, printable},
    profile::Profile,
};
use footpost_core::{
    BulletinFilter, BulletinId, BulletinKind, ContactId, Event, KeyWarning, MessageId, State,
};
#[cfg(all(feature = "ble", target_os = "linux"))]
use footpost_transports::ble;
use footpost_transports::{Config, Footpost, Missed, Stopped};
#[cfg(all(feature = "wifi-direct", target_os = "linux"))]
use footpost_transports::{StartError, wifi_direct::run_on_wpa};
use serde::Serialize;
use std::{future::pending, io, net::SocketAddr, thread, time::Duration};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};
use tracing_subscriber::EnvFilter;

/// How long radios may take to leave their groups as the node stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// What a running node tells, in one line each.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told {
    Started {
        listen: SocketAddr,
        address: String,
    },
    Received {
        id: i64,
        contact: String,
    },
    Progress {
        id: i64,
        contact: String,
        state: State,
        carriers: u32,
        carrier_contacts: u32,
        /// Of an attachment: fragments that have arrived, and about how many it takes.
        #[serde(skip_serializing_if = "Option::is_none")]
        arrived: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        needed: Option<u32>,
    },
    AttachmentWhole {
        id: i64,
    },
    Bulletin {
        publisher: String,
        number: u64,
        kind: BulletinKind,
        text: String,
    },
    Requested {
        contact: String,
    },
    IdentityChanged {
        contact: String,
    },
    KeyWarning {
        contact: String,
        warning: KeyWarning,
    },
    NeighbourUp {
        link: u64,
    },
    NeighbourProven {
        link: u64,
        contact: String,
    },
    LinkClosed {
        link: u64,
        reason: String,
    },
    Superseded,
    PostmarkMinted,
    KeysRotated,
    Missed {
        events: u64,
    },
    Stopped,
}

pub(crate) fn run(profile: &Profile, args: &Run, out: Output) -> Result<(), Failure> {
    log();
    runtime()?.block_on(async {
        let stop = stop_signal(args.stop_at_eof)?;
        let host = Host::start(profile, config(profile, args)?).await?;
        let radios = radios(&host, args)?;
        let told = tell(&host, out, stop).await;
        host.stop().await?;
        // They hear of it, and leave their groups.
        let _ = timeout(FAREWELL, radios.join_all()).await;
        told?;
        out.fact(&Told::Stopped, text)
    })
}

/// What runs the radios, until the node ends.
#[allow(unused_variables, unused_mut, clippy::unnecessary_wraps, reason = "without radios")]
fn radios(host: &Host, args: &Run) -> Result<JoinSet<()>, Failure> {
    let mut radios = JoinSet::new();
    #[cfg(all(feature = "ble", target_os = "linux"))]
    if let Some(adapter) = &args.ble {
        let ble = host.footpost().bluetooth(ble::Config::new(ble::Platform::Bluez));
        radios.spawn(ble::run_on_bluez(host.account_for(ble), adapter.clone()));
    }
    #[cfg(all(feature = "wifi-direct", target_os = "linux"))]
    if let Some(bus) = &args.wifi_direct {
        let wifi = host.footpost().wifi_direct().map_err(StartError::Randomness)?;
        radios.spawn(run_on_wpa(wifi, bus.clone()));
    }
    Ok(radios)
}

/// The node's settings.
pub(crate) fn config(profile: &Profile, args: &Run) -> Result<Config, Failure> {
    let mut node = profile.settings();
    if let Some(mib) = args.carry_mb {
        node.max_carried_bytes(mib << 20);
    }
    if let Some(seconds) = args.ack_delay_s {
        node.ack_delay_max_ms(seconds * 1000);
    }
    Ok(Config {
        store: profile.store()?,
        node,
        listen: args.listen,
        peers: args.peers.clone(),
        lan: !args.no_lan,
    })
}

/// What carries links and commands.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Runtime::new()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start threads: {error}")))
}

/// The log goes to standard error; `RUST_LOG` says how much, warnings unless set.
pub(crate) fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, in one process, keeps the first.
    let _ = log.try_init();
}

/// Done once this process is asked to stop. Listens from now on: nothing asked early is lost.
pub(crate) fn stop_signal(at_eof: bool) -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot listen for signals: {error}"))
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = eof(at_eof) => {}
        }
    })
}

/// The end of standard input, if that is waited for.
async fn eof(is_awaited: bool) {
    let (ended, end) = oneshot::channel();
    if !is_awaited {
        return pending().await;
    }
    // A read of standard input cannot be given up, and the runtime would wait for it at its end.
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}

/// Tells what happens until the node is to stop, or has.
async fn tell(host: &Host, out: Output, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let footpost = host.footpost();
    let mut events = footpost.subscribe();
    let address = footpost.call(|node, _| node.identity().address()).await?;
    out.fact(&Told::Started { listen: host.listen(), address }, text)?;
    tokio::pin!(stop);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = &mut stop => return Ok(()),
        };
        let told = match event {
            // Stopped of itself: stopping it again tells why.
            None => return Ok(()),
            Some(Err(Missed(events))) => Some(Told::Missed { events }),
            Some(Ok(event)) => told(footpost, event).await?,
        };
        if let Some(told) = told {
            out.fact(&told, text)?;
        }
    }
}

async fn told(footpost: &Footpost, event: Event) -> Result<Option<Told>, Stopped> {
    Ok(Some(match event {
        Event::Received { message, contact } => {
            Told::Received { id: message.0, contact: name(footpost, contact).await? }
        }
        Event::Progress { message, .. } => return progress_of(footpost, message).await,
        Event::AttachmentWhole { message } => Told::AttachmentWhole { id: message.0 },
        Event::Requested { contact } => Told::Requested { contact: name(footpost, contact).await? },
        // Where nobody asked to be told, nothing is.
        Event::ReceivedQuietly { .. } | Event::BulletinQuietly { .. } => return Ok(None),
        Event::Bulletin { bulletin } => return bulletin_of(footpost, bulletin).await,
        Event::IdentityChanged { contact } => {
            Told::IdentityChanged { contact: name(footpost, contact).await? }
        }
        Event::KeyWarning { contact, warning } => {
            Told::KeyWarning { contact: name(footpost, contact).await?, warning }
        }
        Event::NeighbourUp { link } => Told::NeighbourUp { link: link.0 },
        Event::NeighbourProven { link, contact } => {
            Told::NeighbourProven { link: link.0, contact: name(footpost, contact).await? }
        }
        Event::LinkClosed { link, reason } => {
            Told::LinkClosed { link: link.0, reason: reason.to_string() }
        }
        Event::Superseded => Told::Superseded,
        Event::PostmarkMinted => Told::PostmarkMinted,
        Event::EpochRotated => Told::KeysRotated,
    }))
}

/// The state of now: it may be later than the event's.
async fn progress_of(footpost: &Footpost, id: MessageId) -> Result<Option<Told>, Stopped> {
    let message = footpost.call(move |node, _| node.message(id)).await?;
    let Ok(Some(message)) = message else { return Ok(None) };
    Ok(Some(Told::Progress {
        id: id.0,
        contact: name(footpost, message.contact).await?,
        state: message.state,
        carriers: message.carriers,
        carrier_contacts: message.carrier_contacts,
        arrived: message.transfer.map(|transfer| transfer.arrived),
        needed: message.transfer.map(|transfer| transfer.needed),
    }))
}

/// None if it was replaced meanwhile.
async fn bulletin_of(footpost: &Footpost, id: BulletinId) -> Result<Option<Told>, Stopped> {
    let on_board = footpost.call(|node, _| node.bulletins(&BulletinFilter::default())).await?;
    let bulletin = on_board.unwrap_or_default().into_iter().find(|bulletin| bulletin.id == id);
    Ok(bulletin.map(|bulletin| Told::Bulletin {
        publisher: id.publisher.address(),
        number: id.number,
        kind: bulletin.kind,
        text: bulletin.text,
    }))
}

async fn name(footpost: &Footpost, id: ContactId) -> Result<String, Stopped> {
    let contacts = footpost.call(|node, _| node.contacts()).await?.unwrap_or_default();
    let contact = contacts.into_iter().find(|contact| contact.id == id);
    Ok(contact.map(|contact| contact.name).unwrap_or_default())
}

fn text(told: &Told) -> String {
    match told {
        Told::Started { listen, address } => {
            format!("Listening on {listen} as {address}; Ctrl-C stops.")
        }
        Told::Received { id, contact } => format!("Message {id} from {}", printable(contact)),
        Told::AttachmentWhole { id } => {
            format!("The attachment of message {id} is whole: `footpost save {id} FILE`")
        }
        Told::Bulletin { publisher, kind, text, .. } => {
            format!("{} by {publisher}: {}", kind_name(*kind), printable(text))
        }
        Told::Progress { id, contact, state, carriers, carrier_contacts, arrived, needed } => {
            let progress = progress(*state, *carriers, *carrier_contacts);
            let pieces = match (state, arrived, needed) {
                (State::Delivered | State::Read, ..) | (_, None, _) | (.., None) => String::new(),
                (_, Some(arrived), Some(needed)) => {
                    format!(", {arrived} of about {needed} pieces arrived")
                }
            };
            format!("Message {id} to {}: {progress}{pieces}", printable(contact))
        }
        Told::Requested { contact } => {
            format!("A stranger asks to write to you: {}", printable(contact))
        }
        Told::IdentityChanged { contact } => {
            format!("{} goes on under a new key", printable(contact))
        }
        Told::KeyWarning { contact, warning } => {
            format!("WARNING about {}: {}", printable(contact), key_warning(*warning))
        }
        Told::NeighbourUp { link } => format!("Neighbour {link} is here"),
        Told::NeighbourProven { link, contact } => {
            format!("Neighbour {link} is {}", printable(contact))
        }
        Told::LinkClosed { link, reason } => format!("Neighbour {link} is gone: {reason}"),
        Told::Superseded => {
            "This profile was restored on another device: this one only carries mail now".to_owned()
        }
        Told::PostmarkMinted => "A postmark is minted".to_owned(),
        Told::KeysRotated => "The keys of the day have rotated".to_owned(),
        Told::Missed { events } => format!("Too much at once: {events} events were not shown"),
        Told::Stopped => "Stopped.".to_owned(),
    }
}
