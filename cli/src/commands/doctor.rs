//! `footpost doctor`

use crate::{
    control::{Client, Reply, Request, misunderstood},
    failure::{Exit, Failure},
    output::{Output, printable},
    profile::Profile,
};
use serde::Serialize;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

/// Where multicast DNS is spoken (RFC 6762, section 3).
const MDNS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// One thing that `run` uses.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    /// What it is, or what is missing and what to do about it.
    detail: String,
}

pub(crate) fn doctor(profile: &Profile, out: Output) -> Result<(), Failure> {
    let mut can_run = true;
    let findings = [
        ("profile", true, store(profile)),
        ("internet", true, internet()),
        ("local network", false, local_network()),
        ("Bluetooth LE", false, bluetooth()),
        ("Wi-Fi Direct", false, wifi_direct()),
    ];
    for (what, is_needed, found) in findings {
        let ok = found.is_ok();
        can_run &= ok || !is_needed;
        let detail = found.unwrap_or_else(|missing| missing);
        out.fact(&Finding { what, ok, detail }, |it| {
            let sign = if it.ok { "✔" } else { "✘" };
            format!("{sign} {:13}  {}", it.what, printable(&it.detail))
        })?;
    }
    let cannot = || Failure::new(Exit::Failed, "a node cannot run: see above");
    can_run.then_some(()).ok_or_else(cannot)
}

fn store(profile: &Profile) -> Result<String, String> {
    let dir = profile.dir().display();
    let status = Client::reach(profile).and_then(|mut client| client.ask(Request::Status));
    match status {
        Ok(Reply::Status(status)) if status.running => Ok(format!("in {dir}; its node runs")),
        Ok(Reply::Status(_)) => Ok(format!("in {dir}; its node does not run")),
        Ok(_) => Err(misunderstood().to_string()),
        Err(failure) => Err(failure.to_string()),
    }
}

fn internet() -> Result<String, String> {
    let bind = |address: SocketAddr| UdpSocket::bind(address).map(drop);
    let v4 = bind((Ipv4Addr::UNSPECIFIED, 0).into());
    let v6 = bind((Ipv6Addr::UNSPECIFIED, 0).into());
    match (v4, v6) {
        (Ok(()), Ok(())) => Ok("UDP over IPv4 and IPv6".to_owned()),
        (Ok(()), Err(_)) => Ok("UDP over IPv4".to_owned()),
        (Err(_), Ok(())) => Ok("UDP over IPv6".to_owned()),
        (Err(error), Err(_)) => Err(format!("no UDP ({error}): let this user open sockets")),
    }
}

fn local_network() -> Result<String, String> {
    let join = || -> io::Result<()> {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?
            .join_multicast_v4(&MDNS, &Ipv4Addr::UNSPECIFIED)
    };
    match join() {
        Ok(()) => Ok("multicast DNS".to_owned()),
        Err(error) => Err(format!("no multicast ({error}): connect to a network")),
    }
}

#[cfg(all(feature = "ble", target_os = "linux"))]
fn bluetooth() -> Result<String, String> {
    let runtime = super::run::runtime().map_err(|failure| failure.to_string())?;
    let adapter = runtime.block_on(footpost_transports::ble::examine(None));
    adapter.map(|adapter| format!("by {adapter}")).map_err(|missing| missing.to_string())
}

#[cfg(not(all(feature = "ble", target_os = "linux")))]
fn bluetooth() -> Result<String, String> {
    Err("this footpost is built without it".to_owned())
}

#[cfg(all(feature = "wifi-direct", target_os = "linux"))]
fn wifi_direct() -> Result<String, String> {
    let runtime = super::run::runtime().map_err(|failure| failure.to_string())?;
    let interface = runtime.block_on(footpost_transports::wifi_direct::examine(None));
    interface.map(|name| format!("by {name}")).map_err(|missing| missing.to_string())
}

#[cfg(not(all(feature = "wifi-direct", target_os = "linux")))]
fn wifi_direct() -> Result<String, String> {
    Err("this footpost is built without it".to_owned())
}
