//! Radios that the shell owns.

use crate::{Footpost, NodeError};
use footpost_core::{self as core, LinkInfo};
use footpost_transports as transports;
use std::sync::Arc;

/// Which side of a link this node is on. The two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LinkRole {
    /// This side made the connection.
    Initiator,
    /// The neighbour did.
    Responder,
}

/// What a byte on a link costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LinkCost {
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

/// A link over a stream of bytes that the shell owns: an L2CAP channel, a socket, a serial line.
///
/// The shell runs two loops, one that writes what `next_write` gives until that gives none, and then
/// closes its stream; and one that hands what it reads to `received` and says `disconnected` at the
/// stream's end. All else is Footpost's: framing, encryption, what goes first.
#[derive(uniffi::Object)]
pub struct ByteLink(transports::ByteLink);

/// A link is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum LinkError {
    /// By either side's doing: close the stream.
    #[error("the link is over: close its stream")]
    Ended,
}

#[uniffi::export]
impl Footpost {
    /// Takes a stream to a neighbour as a link, until either side ends it.
    pub async fn open_link(
        &self,
        role: LinkRole,
        cost: LinkCost,
    ) -> Result<Arc<ByteLink>, NodeError> {
        let role = match role {
            LinkRole::Initiator => core::Role::Initiator,
            LinkRole::Responder => core::Role::Responder,
        };
        let (cost, max_frame_bytes) = match cost {
            LinkCost::Lan => (core::CostClass::Lan, MAX_FRAME_BYTES),
            LinkCost::Wifi => (core::CostClass::Wifi, MAX_FRAME_BYTES),
            LinkCost::Ble => (core::CostClass::Ble, MAX_SLOW_FRAME_BYTES),
            LinkCost::Internet => (core::CostClass::Internet, MAX_FRAME_BYTES),
            LinkCost::Metered => (core::CostClass::Metered, MAX_FRAME_BYTES),
        };
        let (host, stream) = transports::byte_link(LinkInfo { role, cost, max_frame_bytes });
        self.line.with(move |node| node.attach(stream)).await?;
        Ok(Arc::new(ByteLink(host)))
    }
}

/// As QUIC has it.
const MAX_FRAME_BYTES: usize = u16::MAX as usize;
/// On a slow radio a long frame holds up what is more urgent.
const MAX_SLOW_FRAME_BYTES: usize = 4096;

#[uniffi::export]
impl ByteLink {
    /// Waits for bytes to write to the stream, in order; none when the link is over. Asked again once
    /// they are written.
    pub async fn next_write(&self) -> Option<Vec<u8>> {
        self.0.next_write().await
    }

    /// Hands over bytes that were read from the stream, in order, cut in whatever way. Waits while the
    /// node is busy: read on afterwards.
    pub async fn received(&self, bytes: Vec<u8>) -> Result<(), LinkError> {
        self.0.received(bytes).await.map_err(|transports::LinkEnded| LinkError::Ended)
    }

    /// The stream has ended. What was read before still counts.
    pub fn disconnected(&self) {
        self.0.disconnected();
    }
}
