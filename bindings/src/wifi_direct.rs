//! Wi-Fi Direct, whose radio the shell owns.

use crate::{Footpost, NodeError};
use footpost_transports::{
    self as transports,
    wifi_direct::{self as wifi, Command, Fact},
};
use std::{net::IpAddr, sync::Arc};

/// Wi-Fi Direct for one node: groups with neighbours near by, for what is too much for the slow link on
/// which they have met.
///
/// The shell runs one loop, which asks for commands and executes them until there are none, and reports
/// as facts what comes of them. Whether a group is worth it, with whom, who owns it and when it is
/// left is said here. Name and passphrase have been agreed on over the slow link, so that no dialog
/// comes up; what runs in the group is carried by the node itself.
#[derive(uniffi::Object)]
pub struct WifiDirect(wifi::WifiDirect);

/// What the shell is to do with its radio.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum WifiDirectCommand {
    /// Create a group and own it: answered by `GroupUp` or `GroupDown`. On Android
    /// `WifiP2pManager.createGroup` with a `WifiP2pConfig`.
    CreateGroup {
        /// Its network name.
        network_name: String,
        /// Its WPA2 passphrase.
        passphrase: String,
        /// The only channel that it may be on, by its centre; any, where there is none.
        channel_mhz: Option<u16>,
    },
    /// Search for the group of this name and join it, without a word to the user: answered by `GroupUp`
    /// or `GroupDown`. On Android `WifiP2pManager.connect` with a `WifiP2pConfig`.
    JoinGroup {
        /// Its network name.
        network_name: String,
        /// Its WPA2 passphrase.
        passphrase: String,
    },
    /// Leave the group, or give up creating or joining it: answered by `GroupDown`.
    RemoveGroup,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum WifiDirectFact {
    /// The radio can do Wi-Fi Direct; told again whenever the user's own network changes.
    RadioOn {
        /// What the user's own network leaves.
        station: WifiStation,
    },
    /// It can not, or not now.
    RadioOff,
    /// This node is in a group, as its owner or a member.
    GroupUp {
        /// Its own address there: in IPv6 the link-local one, which needs no server.
        own_address: String,
        /// The index of the group's interface.
        interface: u32,
    },
    /// The group is gone, or did not come about.
    GroupDown,
}

/// What the user's own network leaves for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum WifiStation {
    /// The user is on no Wi-Fi network, or the radio has enough channels.
    Free,
    /// A group can be on the channel of the user's network only.
    Bound {
        /// Its centre.
        channel_mhz: u16,
    },
    /// A group would cost the user their network.
    Exclusive,
}

/// A fact that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum WifiDirectError {
    /// No address of a host.
    #[error(
        "“{address}” is no IP address: give the group's own one, as in fe80::1 or 192.168.49.1"
    )]
    Address {
        /// What was given.
        address: String,
    },
}

#[uniffi::export]
impl Footpost {
    /// Takes Wi-Fi Direct into use, until what this returns is dropped.
    pub async fn wifi_direct(&self) -> Result<Arc<WifiDirect>, NodeError> {
        let started = self.line.with(transports::Footpost::wifi_direct).await?;
        Ok(Arc::new(WifiDirect(started.map_err(|_| NodeError::NoRandomness)?)))
    }
}

#[uniffi::export]
impl WifiDirect {
    /// Waits for what to do next; none once the node has stopped. To be asked by one loop only.
    pub async fn next_command(&self) -> Option<WifiDirectCommand> {
        self.0.next_command().await.map(WifiDirectCommand::from)
    }

    /// Reports what has happened, `RadioOn` first, in the order in which it did; does nothing once the
    /// node has stopped.
    pub async fn report(&self, fact: WifiDirectFact) -> Result<(), WifiDirectError> {
        self.0.report(fact.try_into()?).await;
        Ok(())
    }
}

impl From<Command> for WifiDirectCommand {
    fn from(command: Command) -> Self {
        match command {
            Command::CreateGroup { credentials, channel_mhz } => Self::CreateGroup {
                network_name: credentials.name().to_owned(),
                passphrase: credentials.passphrase().to_owned(),
                channel_mhz,
            },
            Command::JoinGroup { credentials } => Self::JoinGroup {
                network_name: credentials.name().to_owned(),
                passphrase: credentials.passphrase().to_owned(),
            },
            Command::RemoveGroup => Self::RemoveGroup,
        }
    }
}

impl TryFrom<WifiDirectFact> for Fact {
    type Error = WifiDirectError;

    fn try_from(fact: WifiDirectFact) -> Result<Self, WifiDirectError> {
        Ok(match fact {
            WifiDirectFact::RadioOn { station } => Self::RadioOn {
                station: match station {
                    WifiStation::Free => wifi::Station::Free,
                    WifiStation::Bound { channel_mhz } => wifi::Station::Bound { channel_mhz },
                    WifiStation::Exclusive => wifi::Station::Exclusive,
                },
            },
            WifiDirectFact::RadioOff => Self::RadioOff,
            WifiDirectFact::GroupUp { own_address, interface } => {
                let own: Result<IpAddr, _> = own_address.parse();
                let own = own.map_err(|_| WifiDirectError::Address { address: own_address })?;
                Self::GroupUp { own, interface }
            }
            WifiDirectFact::GroupDown => Self::GroupDown,
        })
    }
}
