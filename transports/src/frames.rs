//! Frames in a stream of bytes: `length (u16, big-endian) | frame`.

use std::io;

const LENGTH_BYTES: usize = 2;

/// Frames as they travel.
///
/// # Errors
/// A frame is longer than 65,535 bytes.
pub(crate) fn join(frames: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let size_bytes = frames.iter().map(|frame| LENGTH_BYTES + frame.len()).sum();
    let mut bytes = Vec::with_capacity(size_bytes);
    for frame in frames {
        let length = u16::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(frame);
    }
    Ok(bytes)
}

/// Frames out of bytes, cut in whatever way.
#[derive(Debug)]
pub(crate) struct Unjoin {
    buffer: Vec<u8>,
    max_frame_bytes: usize,
}

impl Unjoin {
    pub(crate) fn new(max_frame_bytes: usize) -> Self {
        Self { buffer: Vec::new(), max_frame_bytes }
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// Bytes that no frame was made of yet.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The first whole frame, be it an empty one.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`]: it is too long.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some((length, rest)) = self.buffer.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > self.max_frame_bytes {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if rest.len() < length {
            return Ok(None);
        }
        let rest = self.buffer.split_off(LENGTH_BYTES + length);
        let mut frame = std::mem::replace(&mut self.buffer, rest);
        frame.drain(..LENGTH_BYTES);
        Ok(Some(frame))
    }
}
