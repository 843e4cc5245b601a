//! One QUIC connection as a [`Link`].

use super::{admission::Permit, group::Groups};
use crate::link::{Link, LinkReceiver, LinkSender};
use footpost_core::{CostClass, LinkInfo, Role};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    time::timeout,
};

/// The most that a 16-bit length can say.
const MAX_FRAME_BYTES: usize = u16::MAX as usize;
/// Read from QUIC at once: some tens of packets.
const READ_BYTES: usize = 64 * 1024;
/// How long a closing link waits for the neighbour to take what was sent last.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connected neighbour.
#[derive(Debug)]
pub(crate) struct QuicLink {
    role: Role,
    cost: CostClass,
    open: Arc<Open>,
    send: SendStream,
    receive: RecvStream,
}

impl QuicLink {
    /// A link this side dialled. The neighbour learns of it with the first frame.
    pub(super) async fn dialled(connection: Connection, groups: &Groups) -> io::Result<Self> {
        let (streams, cost) = (connection.open_bi().await?, groups.cost(&connection));
        Ok(Self::new(Role::Initiator, cost, Open { connection, _permit: None }, streams))
    }

    /// A link the neighbour dialled, once its first bytes are here.
    pub(super) async fn accepted(
        connection: Connection,
        permit: Permit,
        groups: &Groups,
    ) -> io::Result<Self> {
        let (streams, cost) = (connection.accept_bi().await?, groups.cost(&connection));
        Ok(Self::new(Role::Responder, cost, Open { connection, _permit: Some(permit) }, streams))
    }

    fn new(
        role: Role,
        cost: CostClass,
        open: Open,
        (send, receive): (SendStream, RecvStream),
    ) -> Self {
        Self { role, cost, open: Arc::new(open), send, receive }
    }

    /// Resolves when the link is down, without keeping it up.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let connection = self.open.connection.clone();
        async move {
            connection.closed().await;
        }
    }
}

impl Link for QuicLink {
    type Sender = QuicSender;
    type Receiver = QuicReceiver;

    fn info(&self) -> LinkInfo {
        LinkInfo { role: self.role, cost: self.cost, max_frame_bytes: MAX_FRAME_BYTES }
    }

    fn split(self) -> (QuicSender, QuicReceiver) {
        let sender =
            QuicSender { stream: self.send, batch: Vec::new(), open: Arc::clone(&self.open) };
        let stream = BufReader::with_capacity(READ_BYTES, self.receive);
        (sender, QuicReceiver { stream, _open: self.open })
    }
}

/// The connection, closed when its last half is dropped. (A bare [`Connection`] closes with its
/// last clone, of which [`QuicLink::closed`] holds one.)
#[derive(Debug)]
struct Open {
    connection: Connection,
    _permit: Option<Permit>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.close(VarInt::from_u32(0), b"");
    }
}

/// The sending half.
#[derive(Debug)]
pub(crate) struct QuicSender {
    pub(super) stream: SendStream,
    batch: Vec<u8>,
    open: Arc<Open>,
}

impl LinkSender for QuicSender {
    async fn send(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        self.batch.clear();
        for frame in frames {
            let length = u16::try_from(frame.len()).ok().filter(|&length| length > 0);
            let length = length.ok_or(io::ErrorKind::InvalidInput)?;
            self.batch.extend_from_slice(&length.to_be_bytes());
            self.batch.extend_from_slice(frame);
        }
        Ok(self.stream.write_all(&self.batch).await?)
    }

    async fn close(mut self) {
        // An error of either means that the link is down already.
        if self.stream.finish().is_ok() {
            let _ = timeout(CLOSE_TIMEOUT, self.stream.stopped()).await;
        }
        self.open.connection.close(VarInt::from_u32(0), b"");
    }
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct QuicReceiver {
    stream: BufReader<RecvStream>,
    _open: Arc<Open>,
}

impl LinkReceiver for QuicReceiver {
    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.stream.fill_buf().await?.is_empty() {
            return Ok(None);
        }
        // Sixteen bits bound what is allocated; of all lengths they can say only none is wrong.
        let length = self.stream.read_u16().await?;
        if length == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut frame = vec![0; usize::from(length)];
        self.stream.read_exact(&mut frame).await?;
        Ok(Some(frame))
    }
}
