//! What controller and shell say to each other: commands one way, facts the other.

use footpost_core::Credentials;
use std::net::IpAddr;

/// What the shell is to do with its radio. It reports the outcome as a [`Fact`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create a group and own it: [`Fact::GroupUp`], or [`Fact::GroupDown`]. On Android
    /// `WifiP2pManager.createGroup` with a `WifiP2pConfig`.
    CreateGroup {
        /// Its network name and WPA2 passphrase.
        credentials: Credentials,
        /// The only channel that it may be on, by its centre in MHz; any, where there is none.
        channel_mhz: Option<u16>,
    },
    /// Search for the group of this name and join it, without a word to the user:
    /// [`Fact::GroupUp`] or [`Fact::GroupDown`]. On Android `WifiP2pManager.connect` with a
    /// `WifiP2pConfig`.
    JoinGroup {
        /// Its network name and WPA2 passphrase.
        credentials: Credentials,
    },
    /// Leave the group, or give up creating or joining it: [`Fact::GroupDown`].
    RemoveGroup,
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The radio can do Wi-Fi Direct; told again whenever the user's own network changes.
    RadioOn {
        /// What the user's own network leaves.
        station: Station,
    },
    /// It can not, or not now.
    RadioOff,
    /// This node is in a group, as its owner or a member.
    GroupUp {
        /// Its own address there: in IPv6 the link-local one, which needs no server.
        own: IpAddr,
        /// The index of the group's interface.
        interface: u32,
    },
    /// The group is gone, or did not come about.
    GroupDown,
}

/// What the user's own network leaves for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Station {
    /// The user is on no Wi-Fi network, or the radio has enough channels.
    Free,
    /// A group can be on the channel of the user's network only.
    Bound {
        /// Its centre in MHz.
        channel_mhz: u16,
    },
    /// A group would cost the user their network.
    Exclusive,
}
