//! What controller and shell say to each other: commands one way, facts the other.

use std::time::Duration;

/// A device in sight, as the shell numbers them. It stands for an address, and an address for
/// nobody: devices change theirs every quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device(pub u64);

/// Which part this node plays in a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// It has connected, and is the GATT client.
    Central,
    /// It was connected to, and is the GATT server.
    Peripheral,
}

/// A connection. Two devices have at most two, one in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// The neighbour's device.
    pub device: Device,
    /// This node's part.
    pub side: Side,
}

impl Connection {
    /// The connection that this node makes to `device`.
    pub fn to(device: Device) -> Self {
        Self { device, side: Side::Central }
    }

    /// The connection that `device` makes to this node.
    pub fn from(device: Device) -> Self {
        Self { device, side: Side::Peripheral }
    }
}

/// What says, without naming anybody, that a node has nothing new: see `freshness`.
pub type Tag = [u8; 4];

/// What the shell is to do. It reports the outcome as a [`Fact`], and waits for nothing else before
/// it asks for the next command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Scan for [`super::SERVICE`] from now on (on Android also for its bit in Apple's overflow area),
    /// in place of any scan before. To be answered by [`Fact::Seen`] for each advertisement, and
    /// [`Fact::Failed`] where no scan can start.
    Scan {
        /// How much of each interval the radio listens, where the platform can be told.
        window: Duration,
        /// The interval.
        interval: Duration,
    },
    /// Scan no more.
    StopScan,
    /// Advertise [`super::SERVICE`], connectable, in place of any advertisement before.
    Advertise {
        /// For the scan response, as the service's data. None where the platform has no room for it.
        tag: Option<Tag>,
        /// How often.
        interval: Duration,
    },
    /// What [`super::INFO`] reads from now on.
    Serve {
        /// Its value.
        info: Vec<u8>,
    },
    /// Connect: [`Fact::Connected`] or [`Fact::Failed`].
    Connect {
        /// To whom.
        device: Device,
    },
    /// Disconnect, or give up connecting: [`Fact::Disconnected`].
    Disconnect {
        /// The connection.
        connection: Connection,
    },
    /// Ask for a larger MTU and then discover [`super::SERVICE`]: [`Fact::Mtu`] when both are done.
    ExchangeMtu {
        /// The connection.
        connection: Connection,
        /// The MTU to ask for.
        mtu: u16,
    },
    /// Read [`super::INFO`]: [`Fact::Info`].
    ReadInfo {
        /// The connection.
        connection: Connection,
    },
    /// Open an L2CAP channel: [`Fact::ChannelOpen`].
    OpenChannel {
        /// The connection.
        connection: Connection,
        /// The neighbour's PSM.
        psm: u16,
    },
    /// Enable notifications of [`super::OUTBOX`]: [`Fact::Subscribed`].
    Subscribe {
        /// The connection.
        connection: Connection,
    },
    /// Write to [`super::INBOX`] without response: [`Fact::Writable`] when the next may come.
    Write {
        /// The connection.
        connection: Connection,
        /// The value.
        value: Vec<u8>,
    },
    /// Notify [`super::OUTBOX`]: [`Fact::Writable`] when the next may come.
    Notify {
        /// The connection.
        connection: Connection,
        /// The value.
        value: Vec<u8>,
    },
    /// Write to the connection's L2CAP channel: [`Fact::Writable`] when the next may come.
    Send {
        /// The connection.
        connection: Connection,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The adapter is on, or on again; all connections before are gone.
    AdapterOn,
    /// The adapter is off or gone, and with it all connections.
    AdapterOff,
    /// L2CAP channels can be opened to this node at a PSM.
    Listening {
        /// The PSM.
        psm: u16,
    },
    /// A device advertises the service.
    Seen {
        /// The device.
        device: Device,
        /// How strong, in dBm.
        rssi: i8,
        /// What its scan response says.
        tag: Option<Tag>,
    },
    /// A connection is up.
    Connected {
        /// The connection.
        connection: Connection,
        /// Its MTU as yet: 23 unless known better.
        mtu: u16,
    },
    /// The MTU is agreed, or has changed.
    Mtu {
        /// The connection.
        connection: Connection,
        /// The MTU.
        mtu: u16,
    },
    /// [`super::INFO`] is read.
    Info {
        /// The connection.
        connection: Connection,
        /// Its value.
        value: Vec<u8>,
    },
    /// Notifications are on: this node's subscription is confirmed, or the neighbour has subscribed.
    Subscribed {
        /// The connection.
        connection: Connection,
    },
    /// An L2CAP channel is open, by whichever side.
    ChannelOpen {
        /// The connection.
        connection: Connection,
    },
    /// The stack has taken what was written, notified or sent last.
    Writable {
        /// The connection.
        connection: Connection,
    },
    /// A write or a notification has come in, or bytes on the L2CAP channel.
    Received {
        /// The connection.
        connection: Connection,
        /// How.
        bearer: Bearer,
        /// What.
        bytes: Vec<u8>,
    },
    /// A command came to nothing.
    Failed {
        /// Which.
        what: Attempt,
    },
    /// A connection is gone.
    Disconnected {
        /// The connection.
        connection: Connection,
    },
}

/// How a link's bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// In writes and notifications.
    Gatt,
    /// In an L2CAP channel.
    L2cap,
}

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// [`Command::Scan`].
    Scan,
    /// [`Command::Advertise`].
    Advertise,
    /// [`Command::OpenChannel`]: the link goes over GATT then.
    Channel(Connection),
    /// Anything else of one connection, which ends with it: [`Command::Connect`],
    /// [`Command::ExchangeMtu`], [`Command::ReadInfo`], [`Command::Subscribe`], or a write.
    Connection(Connection),
}
