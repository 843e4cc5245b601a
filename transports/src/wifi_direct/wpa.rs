//! The Wi-Fi Direct radio of Linux: `wpa_supplicant`, by its D-Bus interface
//! (<https://w1.fi/wpa_supplicant/devel/dbus.html>).
//!
//! A group under credentials of one's own is, to it, a persistent group that it is told of and then
//! asked to bring back. In the group there is no server that gives addresses: IPv6's link-local ones
//! need none.

use super::{Command, Fact, Station, WifiDirect};
use dbus::{
    Message, Path,
    arg::{PropMap, RefArg, Variant},
    channel::Channel,
    message::MatchRule,
    nonblock::{MsgMatch, Proxy, SyncConnection, stdintf::org_freedesktop_dbus::Properties},
    strings::{Interface, Member},
};
use dbus_tokio::connection;
use footpost_core::Credentials;
use std::{
    future::pending,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

const SERVICE: &str = "fi.w1.wpa_supplicant1";
const ROOT: &str = "/fi/w1/wpa_supplicant1";
const INTERFACE: &str = "fi.w1.wpa_supplicant1.Interface";
const P2P: &str = "fi.w1.wpa_supplicant1.Interface.P2PDevice";
const BSS: &str = "fi.w1.wpa_supplicant1.BSS";
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failure, until the service is looked for again.
const RETRY: Duration = Duration::from_secs(10);
/// How long a new interface may take to its address.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
const ADDRESS_EVERY: Duration = Duration::from_millis(200);
/// `wpa_supplicant`'s numbers of modes.
const MODE_MEMBER: i32 = 0;
const MODE_OWNER: i32 = 3;

/// Why there is no Wi-Fi Direct, and what helps.
#[derive(Debug, Error)]
pub enum WpaError {
    /// There is no bus, or it does not answer.
    #[error("D-Bus does not answer ({0}): start it")]
    NoBus(dbus::Error),
    /// Nobody owns its name.
    #[error("wpa_supplicant does not run on D-Bus: install wpasupplicant and start it with -u")]
    NoDaemon,
    /// The bus forbids it.
    #[error("D-Bus does not let this user use wpa_supplicant: add it to the group netdev")]
    NotAllowed,
    /// It has no interface that can.
    #[error("no Wi-Fi interface of wpa_supplicant's can do Wi-Fi Direct")]
    NoRadio,
    /// Anything else that it says.
    #[error("wpa_supplicant fails: {0}")]
    Failed(dbus::Error),
}

impl From<dbus::Error> for WpaError {
    fn from(error: dbus::Error) -> Self {
        match error.name() {
            Some(
                "org.freedesktop.DBus.Error.ServiceUnknown"
                | "org.freedesktop.DBus.Error.NameHasNoOwner"
                | "org.freedesktop.DBus.Error.NoReply",
            ) => Self::NoDaemon,
            Some(name) if name.starts_with("org.freedesktop.DBus.Error.Spawn.") => Self::NoDaemon,
            Some("org.freedesktop.DBus.Error.AccessDenied") => Self::NotAllowed,
            _ => Self::Failed(error),
        }
    }
}

/// What `wpa_supplicant` tells.
#[derive(Debug)]
enum Signal {
    GroupStarted(Path<'static>),
    /// The group has ended, or was not formed.
    GroupEnded,
    /// The user's own network may have changed.
    Station,
    /// It is gone.
    Gone,
}

/// What a message means.
type Reading = fn(&Message) -> Option<Signal>;

/// Executes what `wifi` commands, by the `wpa_supplicant` on `bus`, which is the system's unless an
/// address is given. Ends with the node; where there is no radio, or none any more, it looks again
/// from time to time.
pub async fn run_on_wpa(wifi: WifiDirect, bus: Option<String>) {
    let mut is_known = false;
    loop {
        match Wpa::connect(bus.as_deref()).await {
            Ok(mut wpa) => {
                is_known = false;
                info!("Wi-Fi Direct is ready");
                if wpa.serve(&wifi).await {
                    return;
                }
            }
            // One line, however long it lasts.
            Err(error) if !is_known => {
                warn!(%error, "no Wi-Fi Direct for now");
                is_known = true;
            }
            Err(_) => {}
        }
        if !wifi.report(Fact::RadioOff).await || !wait(&wifi).await {
            return;
        }
    }
}

/// Whether Wi-Fi Direct can be used: the name of the interface that groups are made with.
///
/// # Errors
/// What is missing.
pub async fn examine(bus: Option<&str>) -> Result<String, WpaError> {
    let wpa = Wpa::connect(bus).await?;
    Ok(wpa.at(&wpa.device).get(INTERFACE, "Ifname").await?)
}

/// Lets a while pass without a radio; false once the node has stopped.
async fn wait(wifi: &WifiDirect) -> bool {
    let refuse = async {
        while wifi.next_command().await.is_some() {
            wifi.report(Fact::GroupDown).await;
        }
    };
    timeout(RETRY, refuse).await.is_err()
}

struct Wpa {
    connection: Arc<SyncConnection>,
    bus: JoinHandle<()>,
    /// They end when they are dropped.
    matches: Vec<MsgMatch>,
    signals: UnboundedReceiver<Signal>,
    /// Of the interface that groups are made with.
    device: Path<'static>,
    group: Option<Path<'static>>,
    credentials: Option<Path<'static>>,
}

impl Drop for Wpa {
    fn drop(&mut self) {
        self.bus.abort();
    }
}

impl Wpa {
    async fn connect(bus: Option<&str>) -> Result<Self, WpaError> {
        let dial = || match bus {
            None => connection::new_system_sync(),
            Some(address) => {
                let mut channel = Channel::open_private(address)?;
                channel.register()?;
                connection::from_channel(channel)
            }
        };
        let (resource, connection) = dial().map_err(WpaError::NoBus)?;
        let (tell, signals) = mpsc::unbounded_channel();
        let gone = tell.clone();
        let bus = tokio::spawn(async move {
            let error = resource.await;
            debug!(%error, "D-Bus is gone");
            let _ = gone.send(Signal::Gone);
        });
        let mut wpa = Self {
            connection,
            bus,
            matches: Vec::new(),
            signals,
            device: ROOT.into(),
            group: None,
            credentials: None,
        };
        wpa.device = wpa.find_device().await?;
        wpa.listen(&tell).await?;
        Ok(wpa)
    }

    fn at<'a>(&'a self, path: &'a Path<'static>) -> Proxy<'a, &'a SyncConnection> {
        Proxy::new(SERVICE, path.clone(), CALL_TIMEOUT, &self.connection)
    }

    /// The first interface that says it can, and is no group itself.
    async fn find_device(&self) -> Result<Path<'static>, WpaError> {
        let root = ROOT.into();
        let interfaces: Vec<Path<'static>> = self.at(&root).get(SERVICE, "Interfaces").await?;
        for interface in interfaces {
            let name: String = self.at(&interface).get(INTERFACE, "Ifname").await?;
            let can: PropMap = self.at(&interface).get(INTERFACE, "Capabilities").await?;
            let modes = can.get("Modes").and_then(|modes| modes.0.as_iter());
            let has_p2p = modes.is_some_and(|mut modes| modes.any(|it| it.as_str() == Some("p2p")));
            if has_p2p && !name.starts_with("p2p-") {
                return Ok(interface);
            }
        }
        Err(WpaError::NoRadio)
    }

    async fn listen(&mut self, tell: &UnboundedSender<Signal>) -> Result<(), dbus::Error> {
        let of = |interface: &'static str, member: &'static str| {
            MatchRule::new_signal(Interface::from(interface), Member::from(member))
        };
        let from = |interface, member| of(interface, member).with_sender(SERVICE);
        let station = from("org.freedesktop.DBus.Properties", "PropertiesChanged")
            .with_path(self.device.clone());
        let own_station = from(INTERFACE, "PropertiesChanged").with_path(self.device.clone());
        let owner = of("org.freedesktop.DBus", "NameOwnerChanged");
        let rules: [(_, Reading); 6] = [
            (from(P2P, "GroupStarted"), group_started),
            (from(P2P, "GroupFinished"), |_| Some(Signal::GroupEnded)),
            (from(P2P, "GroupFormationFailure"), |_| Some(Signal::GroupEnded)),
            (station, |_| Some(Signal::Station)),
            (own_station, |_| Some(Signal::Station)),
            (owner, |message| (message.get1() == Some(SERVICE)).then_some(Signal::Gone)),
        ];
        for (rule, signal) in rules {
            let tell = tell.clone();
            let matched = self.connection.add_match(rule).await?.msg_cb(move |message| {
                signal(&message).is_none_or(|signal| tell.send(signal).is_ok())
            });
            self.matches.push(matched);
        }
        Ok(())
    }

    /// True once the node has stopped, false once the radio is gone.
    async fn serve(&mut self, wifi: &WifiDirect) -> bool {
        let mut station = None;
        loop {
            let now = self.station().await;
            if station != Some(now) {
                station = Some(now);
                if !wifi.report(Fact::RadioOn { station: now }).await {
                    return true;
                }
            }
            let fact = tokio::select! {
                command = wifi.next_command() => {
                    let Some(command) = command else {
                        self.remove_group().await;
                        return true;
                    };
                    self.execute(command).await
                }
                signal = self.signals.recv() => match signal {
                    Some(Signal::GroupStarted(group)) => {
                        self.group = Some(group.clone());
                        if self.credentials.is_some() {
                            Some(self.enter(&group).await)
                        } else {
                            // It was given up while it was on its way.
                            self.remove_group().await;
                            None
                        }
                    }
                    Some(Signal::GroupEnded) if self.credentials.is_some() => {
                        self.remove_group().await;
                        Some(Fact::GroupDown)
                    }
                    Some(Signal::GroupEnded | Signal::Station) => None,
                    Some(Signal::Gone) | None => return false,
                },
            };
            if let Some(fact) = fact
                && !wifi.report(fact).await
            {
                return true;
            }
        }
    }

    /// What is known at once; the rest comes by signals.
    async fn execute(&mut self, command: Command) -> Option<Fact> {
        let done = match command {
            Command::CreateGroup { credentials, channel_mhz } => {
                self.add_group(&credentials, MODE_OWNER, channel_mhz).await
            }
            Command::JoinGroup { credentials } => {
                self.add_group(&credentials, MODE_MEMBER, None).await
            }
            Command::RemoveGroup => {
                self.remove_group().await;
                return Some(Fact::GroupDown);
            }
        };
        if let Err(error) = done {
            debug!(%error, "no group");
            self.remove_group().await;
            return Some(Fact::GroupDown);
        }
        None
    }

    async fn add_group(
        &mut self,
        credentials: &Credentials,
        mode: i32,
        channel_mhz: Option<u16>,
    ) -> Result<(), dbus::Error> {
        self.remove_group().await;
        let network = PropMap::from([
            property("ssid", credentials.name().to_owned()),
            property("psk", credentials.passphrase().to_owned()),
            property("mode", mode),
        ]);
        let (path,): (Path<'static>,) =
            self.at(&self.device).method_call(P2P, "AddPersistentGroup", (network,)).await?;
        self.credentials = Some(path.clone());
        let mut group = PropMap::from([
            property("persistent", true),
            property("persistent_group_object", path),
        ]);
        group.extend(channel_mhz.map(|mhz| property("frequency", i32::from(mhz))));
        self.at(&self.device).method_call(P2P, "GroupAdd", (group,)).await
    }

    /// The group is up: what is left is its address.
    async fn enter(&mut self, group: &Path<'static>) -> Fact {
        let name: Result<String, _> = self.at(group).get(INTERFACE, "Ifname").await;
        let address = async {
            let Ok(name) = &name else { return pending().await };
            loop {
                let interfaces = tokio::task::spawn_blocking(|| {
                    std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default()
                });
                if let Some(found) = link_local(&interfaces.await.unwrap_or_default(), name) {
                    return found;
                }
                sleep(ADDRESS_EVERY).await;
            }
        };
        if let Ok((own, interface)) = timeout(ADDRESS_TIMEOUT, address).await {
            return Fact::GroupUp { own: IpAddr::V6(own), interface };
        }
        warn!(?name, "a Wi-Fi Direct group without an IPv6 address: is IPv6 switched off?");
        self.remove_group().await;
        Fact::GroupDown
    }

    /// Whatever there is of a group, and its credentials. That something was gone before is fine.
    async fn remove_group(&mut self) {
        let (group, credentials) = (self.group.take(), self.credentials.take());
        if let Some(group) = &group {
            note(self.at(group).method_call(P2P, "Disconnect", ()).await);
        } else if credentials.is_some() {
            note(self.at(&self.device).method_call(P2P, "Cancel", ()).await);
        }
        if let Some(credentials) = credentials {
            let device = self.at(&self.device);
            note(device.method_call(P2P, "RemovePersistentGroup", (credentials,)).await);
        }
    }

    /// One radio is on one channel at a time, as far as anybody can tell from here.
    async fn station(&self) -> Station {
        let device = self.at(&self.device);
        let state: Result<String, _> = device.get(INTERFACE, "State").await;
        let network: Result<Path<'static>, _> = device.get(INTERFACE, "CurrentBSS").await;
        let (Ok("completed"), Ok(network)) = (state.as_deref(), network) else {
            return Station::Free;
        };
        match self.at(&network).get(BSS, "Frequency").await {
            Ok(channel_mhz) => Station::Bound { channel_mhz },
            Err(_) => Station::Free,
        }
    }
}

fn note(done: Result<(), dbus::Error>) {
    if let Err(error) = done {
        debug!(%error, "it was gone");
    }
}

fn property<T: RefArg + 'static>(name: &str, value: T) -> (String, Variant<Box<dyn RefArg>>) {
    (name.to_owned(), Variant(Box::new(value)))
}

fn group_started(message: &Message) -> Option<Signal> {
    let properties: PropMap = message.get1()?;
    let object = properties.get("interface_object")?.0.as_str()?;
    Some(Signal::GroupStarted(Path::new(object.to_owned()).ok()?))
}

/// Of a table like `/proc/net/if_inet6`: the address of the interface `name` that works on its link
/// alone, once nobody else was found to have it (RFC 4862, section 5.4); and the interface's index.
fn link_local(table: &str, name: &str) -> Option<(Ipv6Addr, u32)> {
    const LINK: u32 = 0x20;
    const TENTATIVE: u32 = 0x40;
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[address, index, _, scope, flags, of] = &fields[..] else { return None };
        let number = |text| u32::from_str_radix(text, 16).ok();
        let is_usable = of == name && number(scope)? == LINK && number(flags)? & TENTATIVE == 0;
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        is_usable.then_some((address, number(index)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_an_interface_is_read_once_it_is_settled() {
        let table = "\
fe80000000000000021122fffe334455 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
fe800000000000004200000000000001 0c 40 20 c0 p2p-wlan0-0
fd000000000000004200000000000001 0c 40 00 80 p2p-wlan0-0
fe80 0d
";
        assert_eq!(link_local(table, "p2p-wlan0-0"), None, "still tentative");
        let settled = table.replace(" c0 ", " 80 ");
        let found = link_local(&settled, "p2p-wlan0-0");
        assert_eq!(found, Some(("fe80::4200:0:0:1".parse().unwrap(), 12)));
        assert_eq!(link_local(&settled, "wlan0"), None);
        assert_eq!(link_local(table, "eth0").map(|(_, index)| index), Some(2));
    }
}
