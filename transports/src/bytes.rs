//! Links over a stream of bytes that somebody else owns: a phone's shell with its L2CAP channel, a
//! serial line, a socket in another language.
//!
//! Frames travel as `length (u16, big-endian) | frame`. The host writes what [`ByteLink::next_write`]
//! yields and reports what comes in, cut as it comes; all else is decided here.

use crate::{
    frames::{self, Unjoin},
    link::{Link, LinkReceiver, LinkSender},
};
use footpost_core::{LinkInfo, MIN_FRAME_BYTES};
use std::{
    io,
    sync::{Mutex, PoisonError},
};
use thiserror::Error;
use tokio::sync::{
    Mutex as AsyncMutex,
    mpsc::{self, Receiver, Sender},
};

/// Pieces that came in and wait for the engine.
const WAITING_PIECES: usize = 4;

/// The link is over, by either side's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the link is over")]
pub struct LinkEnded;

/// The host's side of a link. Dropping it ends the link.
#[derive(Debug)]
pub struct ByteLink {
    outgoing: AsyncMutex<Receiver<Vec<u8>>>,
    incoming: Mutex<Option<Sender<Vec<u8>>>>,
}

/// The node's side.
#[derive(Debug)]
pub struct ByteStream {
    info: LinkInfo,
    writer: FrameWriter,
    reader: FrameReader,
}

/// A link, by its two sides: the stream is for [`crate::Footpost::attach`].
///
/// Frames are at least [`MIN_FRAME_BYTES`] and at most 65,535 bytes long, whatever `info` says.
pub fn byte_link(mut info: LinkInfo) -> (ByteLink, ByteStream) {
    info.max_frame_bytes = info.max_frame_bytes.clamp(MIN_FRAME_BYTES, u16::MAX.into());
    let (out, outgoing) = mpsc::channel(1);
    let (incoming, pieces) = mpsc::channel(WAITING_PIECES);
    let host =
        ByteLink { outgoing: AsyncMutex::new(outgoing), incoming: Mutex::new(Some(incoming)) };
    let reader = FrameReader { pieces, frames: Unjoin::new(info.max_frame_bytes) };
    (host, ByteStream { info, writer: FrameWriter(out), reader })
}

impl ByteLink {
    /// Waits for bytes to write, in order; none when the link is over: then the host closes its
    /// stream. To be asked again once they are written, so that a slow stream holds up nothing but
    /// itself. Cancel safe.
    pub async fn next_write(&self) -> Option<Vec<u8>> {
        self.outgoing.lock().await.recv().await
    }

    /// Hands over bytes that came in, in order, cut in whatever way; waits while the engine is busy.
    ///
    /// # Errors
    /// The link is over.
    pub async fn received(&self, bytes: Vec<u8>) -> Result<(), LinkEnded> {
        let incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).clone();
        incoming.ok_or(LinkEnded)?.send(bytes).await.map_err(|_| LinkEnded)
    }

    /// The stream has ended. What came in before is still taken.
    pub fn disconnected(&self) {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Link for ByteStream {
    type Sender = FrameWriter;
    type Receiver = FrameReader;

    fn info(&self) -> LinkInfo {
        self.info
    }

    fn split(self) -> (FrameWriter, FrameReader) {
        (self.writer, self.reader)
    }
}

/// Frames on their way out.
#[derive(Debug)]
pub struct FrameWriter(Sender<Vec<u8>>);

impl LinkSender for FrameWriter {
    async fn send(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        let bytes = frames::join(frames)?;
        self.0.send(bytes).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// The host still gets what waits.
    async fn close(self) {
        drop(self.0.reserve().await);
    }
}

/// Frames out of whatever comes in.
#[derive(Debug)]
pub struct FrameReader {
    pieces: Receiver<Vec<u8>>,
    frames: Unjoin,
}

impl LinkReceiver for FrameReader {
    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(frame) = self.frames.next()? {
                let is_empty = frame.is_empty();
                return if is_empty {
                    Err(io::ErrorKind::InvalidData.into())
                } else {
                    Ok(Some(frame))
                };
            }
            match self.pieces.recv().await {
                Some(piece) => self.frames.extend(&piece),
                None if self.frames.len() == 0 => return Ok(None),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use footpost_core::{CostClass, Role};

    fn link() -> (ByteLink, FrameWriter, FrameReader) {
        let info = LinkInfo { role: Role::Initiator, cost: CostClass::Ble, max_frame_bytes: 300 };
        let (host, stream) = byte_link(info);
        let (writer, reader) = stream.split();
        (host, writer, reader)
    }

    #[tokio::test]
    async fn frames_come_whole_however_they_are_cut() {
        let (host, mut writer, mut reader) = link();
        let frames = vec![vec![1; 300], vec![2], vec![3; 256]];
        writer.send(&frames).await.unwrap();
        let bytes = host.next_write().await.unwrap();
        for size in [1, 2, 7, 301, bytes.len()] {
            let feed = async {
                for piece in bytes.chunks(size) {
                    host.received(piece.to_vec()).await.unwrap();
                }
            };
            let read = async {
                for frame in &frames {
                    assert_eq!(reader.receive().await.unwrap().as_ref(), Some(frame));
                }
            };
            tokio::join!(feed, read);
        }
        host.disconnected();
        assert_eq!(reader.receive().await.unwrap(), None);
        assert_eq!(host.received(vec![0]).await, Err(LinkEnded));
    }

    #[tokio::test]
    async fn a_length_that_no_frame_has_ends_the_link() {
        for bytes in [[0, 0], [1, 45]] {
            let (host, _writer, mut reader) = link();
            host.received(bytes.to_vec()).await.unwrap();
            let error = reader.receive().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
        let (host, _writer, mut reader) = link();
        host.received(vec![0, 2, 9]).await.unwrap();
        host.disconnected();
        assert_eq!(reader.receive().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_was_sent_is_written_before_the_end() {
        let (host, mut writer, reader) = link();
        writer.send(&[vec![7; 3]]).await.unwrap();
        let close = async {
            writer.close().await;
            drop(reader);
        };
        let write = async { [host.next_write().await, host.next_write().await] };
        let ((), written) = tokio::join!(close, write);
        assert_eq!(written, [Some(vec![0, 3, 7, 7, 7]), None]);
    }
}
