//! One neighbour session: the Noise handshake, and the frames inside it.

pub(crate) mod bodies;
pub(crate) mod custody;
pub(crate) mod frame;
mod heard;
mod noise;
mod reassembly;
mod session;
mod turns;
mod wifi_direct;

#[cfg(test)]
pub(crate) use noise::Noise;
pub(crate) use noise::public_key;
pub use session::Traffic;
pub(crate) use session::{Legacy, Outgoing, Session};
pub use wifi_direct::{Credentials, MAX_BATTERY, Side, WifiDirectNote};

use crate::codec::DecodeError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A link between this node and one neighbour, numbered by the transport that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(pub u64);

/// Who opened the link: the initiator speaks first in the Noise handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// This side dialled.
    Initiator,
    /// The neighbour dialled.
    Responder,
}

impl Role {
    /// The neighbour's.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// What a byte on this link costs, the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostClass {
    /// Same local network.
    Lan,
    /// Wi-Fi Direct or another peer-to-peer Wi-Fi link.
    Wifi,
    /// Bluetooth LE.
    Ble,
    /// The internet, unmetered.
    Internet,
    /// The internet, paid by the byte.
    Metered,
}

impl CostClass {
    /// The place of a link among those to one neighbour, for envelopes: the fastest is least. A
    /// Wi-Fi Direct group is there because it was worth making; what is paid by the byte comes last.
    pub(crate) fn bulk_rank(self) -> u8 {
        match self {
            Self::Wifi => 0,
            Self::Lan => 1,
            Self::Internet => 2,
            Self::Ble => 3,
            Self::Metered => 4,
        }
    }

    /// The same for news of a few bytes: a link that stands anyway before one that keeps a radio
    /// awake.
    pub(crate) fn news_rank(self) -> u8 {
        match self {
            Self::Lan => 0,
            Self::Ble => 1,
            Self::Wifi => 2,
            Self::Internet => 3,
            Self::Metered => 4,
        }
    }
}

/// What a transport knows of a new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkInfo {
    /// Which side this node is on.
    pub role: Role,
    /// What a byte costs here.
    pub cost: CostClass,
    /// The longest frame the transport carries whole, in bytes: at least
    /// [`MIN_FRAME_BYTES`], and at most 65,535 is used.
    pub max_frame_bytes: usize,
}

impl LinkInfo {
    /// The longest payload of one frame, in bytes: Noise adds a tag of 16.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.max_frame_bytes.clamp(MIN_FRAME_BYTES, u16::MAX.into()) - 16
    }
}

/// The smallest frame size a transport may have: a handshake message and a few acknowledgements
/// fit.
pub const MIN_FRAME_BYTES: usize = 256;

/// What a neighbour did that ends the link: never an error of the application's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    /// A handshake message that Noise refuses.
    #[error("handshake failed")]
    Handshake,
    /// A frame whose authentication fails.
    #[error("a frame was altered or is out of order")]
    Decrypt,
    /// A frame that does not parse.
    #[error("malformed frame: {0}")]
    Malformed(#[from] DecodeError),
    /// A frame that has no place in the present state.
    #[error("unexpected {0}")]
    Unexpected(&'static str),
    /// An envelope or acknowledgement that any honest carrier would have refused.
    #[error("forged {0}")]
    Forged(&'static str),
    /// More than this node allows at once.
    #[error("too much: {0}")]
    Flood(&'static str),
}

/// Why the engine ended a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// The neighbour broke the protocol.
    #[error("the neighbour broke the protocol: {0}")]
    Violation(Violation),
    /// The handshake took too long.
    #[error("the handshake took too long")]
    Timeout,
    /// The keys of the day have rotated; meeting again is welcome.
    #[error("the keys of the day have rotated")]
    Epoch,
    /// The neighbour said goodbye.
    #[error("the neighbour closed the link")]
    Bye,
}
