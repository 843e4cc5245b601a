//! Bluetooth LE, whose radio the shell owns.

use crate::{Footpost, NodeError};
use footpost_transports::ble;
use std::{sync::Arc, time::Duration};

/// Bluetooth LE for one node.
///
/// The shell runs one loop, which asks for commands and executes them until there are none, and
/// reports as facts what comes of them and what happens besides. It decides nothing: whom to connect,
/// when to scan, what to write and how long a link lasts is said here, the same on all systems.
///
/// The service has three characteristics, whose UUIDs are in `ble_service`: INFO is readable, and
/// reads what the last `Serve` said; INBOX takes writes without response; OUTBOX notifies.
#[derive(uniffi::Object)]
pub struct Ble(ble::Ble);

/// What the shell runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum BlePlatform {
    /// Android.
    Android,
    /// iOS.
    Ios,
    /// Linux, or another system with as few limits.
    Bluez,
}

/// How eager the radio is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum BleDuty {
    /// Somebody looks at the screen, or the device is fed.
    Performance,
    /// The usual.
    Balanced,
    /// The battery is low.
    Saver,
    /// Nobody looks.
    Background,
}

/// Which part this node plays in a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum BleSide {
    /// It has connected, and is the GATT client.
    Central,
    /// It was connected to, and is the GATT server.
    Peripheral,
}

/// A connection. Two devices have at most two, one in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct BleConnection {
    /// The neighbour's device, as the shell numbers them: one number an address.
    pub device: u64,
    /// This node's part.
    pub side: BleSide,
}

/// What the shell is to do. It asks for the next command as soon as this one is under way.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum BleCommand {
    /// Scan for the service from now on, in place of any scan before: answered by `Seen` for each
    /// advertisement, or by `Failed`.
    Scan {
        /// How much of each interval the radio listens, where the system can be told.
        window_ms: u32,
        /// The interval.
        interval_ms: u32,
    },
    /// Scan no more.
    StopScan,
    /// Advertise the service, connectable, in place of any advertisement before.
    Advertise {
        /// For the scan response, as the service's data; none where there is nothing to say.
        tag: Option<Vec<u8>>,
        /// How often.
        interval_ms: u32,
    },
    /// What INFO reads from now on.
    Serve {
        /// Its value.
        info: Vec<u8>,
    },
    /// Connect: answered by `Connected` or `Failed`.
    Connect {
        /// To whom.
        device: u64,
    },
    /// Disconnect, or give up connecting: answered by `Disconnected`.
    Disconnect {
        /// The connection.
        connection: BleConnection,
    },
    /// Ask for a larger MTU and then discover the service: answered by `Mtu` when both are done.
    ExchangeMtu {
        /// The connection.
        connection: BleConnection,
        /// The MTU to ask for.
        mtu: u16,
    },
    /// Read INFO: answered by `Info`.
    ReadInfo {
        /// The connection.
        connection: BleConnection,
    },
    /// Open an L2CAP channel: answered by `ChannelOpen` or `Failed`.
    OpenChannel {
        /// The connection.
        connection: BleConnection,
        /// The neighbour's PSM.
        psm: u16,
    },
    /// Enable notifications of OUTBOX: answered by `Subscribed`.
    Subscribe {
        /// The connection.
        connection: BleConnection,
    },
    /// Write to INBOX without response: answered by `Writable` when the next may come.
    Write {
        /// The connection.
        connection: BleConnection,
        /// The value.
        value: Vec<u8>,
    },
    /// Notify OUTBOX: answered by `Writable` when the next may come.
    Notify {
        /// The connection.
        connection: BleConnection,
        /// The value.
        value: Vec<u8>,
    },
    /// Write to the connection's L2CAP channel: answered by `Writable` when the next may come.
    Send {
        /// The connection.
        connection: BleConnection,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// What has happened. A fact about a connection that is gone does no harm.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum BleFact {
    /// The adapter is on, or on again; all connections before are gone.
    AdapterOn,
    /// The adapter is off or gone, and with it all connections.
    AdapterOff,
    /// L2CAP channels can be opened to this device at a PSM.
    Listening {
        /// The PSM.
        psm: u16,
    },
    /// A device advertises the service.
    Seen {
        /// The device.
        device: u64,
        /// How strong, in dBm.
        rssi: i8,
        /// The service's data in its scan response, if any.
        tag: Option<Vec<u8>>,
    },
    /// A connection is up, made by either side.
    Connected {
        /// The connection.
        connection: BleConnection,
        /// Its MTU as yet: 23 unless known better.
        mtu: u16,
    },
    /// The MTU is agreed, or has changed.
    Mtu {
        /// The connection.
        connection: BleConnection,
        /// The MTU.
        mtu: u16,
    },
    /// INFO is read.
    Info {
        /// The connection.
        connection: BleConnection,
        /// Its value.
        value: Vec<u8>,
    },
    /// Notifications are on: this node's subscription is confirmed, or the neighbour has subscribed.
    Subscribed {
        /// The connection.
        connection: BleConnection,
    },
    /// An L2CAP channel is open, by whichever side.
    ChannelOpen {
        /// The connection.
        connection: BleConnection,
    },
    /// The stack has taken what was written, notified or sent last.
    Writable {
        /// The connection.
        connection: BleConnection,
    },
    /// A write or a notification has come in.
    Received {
        /// The connection.
        connection: BleConnection,
        /// Its value.
        value: Vec<u8>,
    },
    /// Bytes have come in on the L2CAP channel; wait for `readable` before reading on.
    ChannelReceived {
        /// The connection.
        connection: BleConnection,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// No scan could start.
    ScanFailed,
    /// Nothing could be advertised.
    AdvertiseFailed,
    /// No L2CAP channel could be opened.
    ChannelFailed {
        /// The connection.
        connection: BleConnection,
    },
    /// Anything else of one connection came to nothing.
    Failed {
        /// The connection.
        connection: BleConnection,
    },
    /// A connection is gone.
    Disconnected {
        /// The connection.
        connection: BleConnection,
    },
}

/// How long the radio was on, what for, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct BleStats {
    /// Listening for advertisements.
    pub scanning: Duration,
    /// Having an advertisement out.
    pub advertising: Duration,
    /// Waiting for connections to come about.
    pub connecting: Duration,
    /// Connections kept: two at a time count double.
    pub connected: Duration,
    /// Bytes written, notified and sent, without the stack's headers.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Links at present.
    pub links: u64,
    /// Second links to the same node that were ended.
    pub duplicates: u64,
    /// Connections that ended after one read, because there was nothing new.
    pub spared: u64,
}

/// The UUIDs of the service and its characteristics.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct BleService {
    /// The service.
    pub service: String,
    /// Readable.
    pub info: String,
    /// Takes writes without response.
    pub inbox: String,
    /// Notifies.
    pub outbox: String,
}

/// What to advertise, scan for and serve.
#[uniffi::export]
pub fn ble_service() -> BleService {
    BleService {
        service: uuid(ble::SERVICE),
        info: uuid(ble::INFO),
        inbox: uuid(ble::INBOX),
        outbox: uuid(ble::OUTBOX),
    }
}

/// As RFC 9562 writes it.
fn uuid(value: u128) -> String {
    let fields: [(u32, usize); 5] = [(96, 8), (80, 4), (64, 4), (48, 4), (0, 12)];
    let text = fields.map(|(shift, digits)| {
        let field = (value >> shift) & ((1 << (4 * digits)) - 1);
        format!("{field:0digits$x}")
    });
    text.join("-")
}

#[uniffi::export]
impl Footpost {
    /// Takes Bluetooth LE into use, until what this returns is dropped.
    pub async fn bluetooth(&self, platform: BlePlatform) -> Result<Arc<Ble>, NodeError> {
        let platform = match platform {
            BlePlatform::Android => ble::Platform::Android,
            BlePlatform::Ios => ble::Platform::Ios,
            BlePlatform::Bluez => ble::Platform::Bluez,
        };
        let config = ble::Config::new(platform);
        let started = self.line.with(move |node| node.bluetooth(config)).await?;
        Ok(Arc::new(Ble(started)))
    }
}

#[uniffi::export]
impl Ble {
    /// Waits for what to do next; none once the node has stopped. To be asked by one loop only.
    pub async fn next_command(&self) -> Option<BleCommand> {
        self.0.next_command().await.map(BleCommand::from)
    }

    /// Reports what has happened, in the order in which it did.
    pub fn report(&self, fact: BleFact) {
        self.0.report(fact.into());
    }

    /// Waits until more bytes of an L2CAP channel are welcome.
    pub async fn readable(&self, connection: BleConnection) {
        self.0.readable(connection.into()).await;
    }

    /// How eager the radio is, from now on.
    pub fn set_duty(&self, duty: BleDuty) {
        self.0.set_duty(match duty {
            BleDuty::Performance => ble::Duty::Performance,
            BleDuty::Balanced => ble::Duty::Balanced,
            BleDuty::Saver => ble::Duty::Saver,
            BleDuty::Background => ble::Duty::Background,
        });
    }

    /// What it has done.
    pub fn stats(&self) -> BleStats {
        let ble::Stats { usage, links, duplicates, spared, .. } = self.0.stats();
        BleStats {
            scanning: usage.scanning,
            advertising: usage.advertising,
            connecting: usage.connecting,
            connected: usage.connected,
            sent_bytes: usage.sent_bytes,
            received_bytes: usage.received_bytes,
            links: links as u64,
            duplicates,
            spared,
        }
    }
}

impl From<BleConnection> for ble::Connection {
    fn from(BleConnection { device, side }: BleConnection) -> Self {
        let side = match side {
            BleSide::Central => ble::Side::Central,
            BleSide::Peripheral => ble::Side::Peripheral,
        };
        Self { device: ble::Device(device), side }
    }
}

impl From<ble::Connection> for BleConnection {
    fn from(connection: ble::Connection) -> Self {
        let side = match connection.side {
            ble::Side::Central => BleSide::Central,
            ble::Side::Peripheral => BleSide::Peripheral,
        };
        Self { device: connection.device.0, side }
    }
}

impl From<ble::Command> for BleCommand {
    fn from(command: ble::Command) -> Self {
        use ble::Command as Of;
        let ms = |time: Duration| time.as_millis() as u32;
        match command {
            Of::Scan { window, interval } => {
                Self::Scan { window_ms: ms(window), interval_ms: ms(interval) }
            }
            Of::StopScan => Self::StopScan,
            Of::Advertise { tag, interval } => {
                Self::Advertise { tag: tag.map(Vec::from), interval_ms: ms(interval) }
            }
            Of::Serve { info } => Self::Serve { info },
            Of::Connect { device } => Self::Connect { device: device.0 },
            Of::Disconnect { connection } => Self::Disconnect { connection: connection.into() },
            Of::ExchangeMtu { connection, mtu } => {
                Self::ExchangeMtu { connection: connection.into(), mtu }
            }
            Of::ReadInfo { connection } => Self::ReadInfo { connection: connection.into() },
            Of::OpenChannel { connection, psm } => {
                Self::OpenChannel { connection: connection.into(), psm }
            }
            Of::Subscribe { connection } => Self::Subscribe { connection: connection.into() },
            Of::Write { connection, value } => Self::Write { connection: connection.into(), value },
            Of::Notify { connection, value } => {
                Self::Notify { connection: connection.into(), value }
            }
            Of::Send { connection, bytes } => Self::Send { connection: connection.into(), bytes },
        }
    }
}

impl From<BleFact> for ble::Fact {
    fn from(fact: BleFact) -> Self {
        use ble::{Attempt, Bearer};
        match fact {
            BleFact::AdapterOn => Self::AdapterOn,
            BleFact::AdapterOff => Self::AdapterOff,
            BleFact::Listening { psm } => Self::Listening { psm },
            BleFact::Seen { device, rssi, tag } => {
                let tag = tag.and_then(|tag| tag.first_chunk().copied());
                Self::Seen { device: ble::Device(device), rssi, tag }
            }
            BleFact::Connected { connection, mtu } => {
                Self::Connected { connection: connection.into(), mtu }
            }
            BleFact::Mtu { connection, mtu } => Self::Mtu { connection: connection.into(), mtu },
            BleFact::Info { connection, value } => {
                Self::Info { connection: connection.into(), value }
            }
            BleFact::Subscribed { connection } => {
                Self::Subscribed { connection: connection.into() }
            }
            BleFact::ChannelOpen { connection } => {
                Self::ChannelOpen { connection: connection.into() }
            }
            BleFact::Writable { connection } => Self::Writable { connection: connection.into() },
            BleFact::Received { connection, value } => {
                let connection = connection.into();
                Self::Received { connection, bearer: Bearer::Gatt, bytes: value }
            }
            BleFact::ChannelReceived { connection, bytes } => {
                let connection = connection.into();
                Self::Received { connection, bearer: Bearer::L2cap, bytes }
            }
            BleFact::ScanFailed => Self::Failed { what: Attempt::Scan },
            BleFact::AdvertiseFailed => Self::Failed { what: Attempt::Advertise },
            BleFact::ChannelFailed { connection } => {
                Self::Failed { what: Attempt::Channel(connection.into()) }
            }
            BleFact::Failed { connection } => {
                Self::Failed { what: Attempt::Connection(connection.into()) }
            }
            BleFact::Disconnected { connection } => {
                Self::Disconnected { connection: connection.into() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_written_as_everywhere() {
        assert_eq!(ble_service().service, "07c90720-29a2-45d0-beae-afbf99571612");
        assert_eq!(ble_service().outbox, "07c90723-29a2-45d0-beae-afbf99571612");
    }
}
