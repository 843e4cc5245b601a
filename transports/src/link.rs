//! What every transport offers: a connected pipe of whole frames to one neighbour.
//!
//! A link carries bytes and nothing else. It authenticates nobody and hides nothing: the Noise
//! session that the engine runs inside it does both, alike over every transport. The side whose
//! [`LinkInfo::role`] is the initiator sends the first frame; a transport may depend on that.

use footpost_core::LinkInfo;
use std::{future::Future, io};

/// A link to one neighbour, up from the moment it exists.
pub trait Link: Send + 'static {
    /// The half that sends.
    type Sender: LinkSender;
    /// The half that receives.
    type Receiver: LinkReceiver;

    /// Which side this is, what a byte costs, and how long a frame may be: at least
    /// [`footpost_core::MIN_FRAME_BYTES`].
    fn info(&self) -> LinkInfo;

    /// The two halves, to be driven by different tasks. The link is down once both are dropped.
    fn split(self) -> (Self::Sender, Self::Receiver);
}

/// The sending half of a [`Link`].
pub trait LinkSender: Send + 'static {
    /// Sends frames in order, and waits only for room in the transport: what is handed over in
    /// one call leaves in as few packets as the transport can make of it.
    ///
    /// Each frame is 1 to [`LinkInfo::max_frame_bytes`] long. An error means that the link is
    /// down. Not cancel safe: a frame may have left in part.
    fn send(&mut self, frames: &[Vec<u8>]) -> impl Future<Output = io::Result<()>> + Send;

    /// Ends the link in order: what was sent still arrives, as far as the neighbour takes it
    /// within a moment.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The receiving half of a [`Link`].
pub trait LinkReceiver: Send + 'static {
    /// The next whole frame, or none where the neighbour ended the link in order.
    ///
    /// An error means that the link is down, be it by accident or because the neighbour broke
    /// the framing ([`io::ErrorKind::InvalidData`]). Not cancel safe: a frame may have been read
    /// in part.
    fn receive(&mut self) -> impl Future<Output = io::Result<Option<Vec<u8>>>> + Send;
}
