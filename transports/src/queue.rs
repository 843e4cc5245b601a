//! Frames on their way from the engine to one link.
//!
//! The queue is bounded by bytes, and the engine never waits for it: it is not asked for frames
//! while the queue is full, and is told when there is room again. The database behind the engine
//! is the real queue.

use footpost_core::CostClass;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// A queue counts as full from this many bytes on. It may exceed them by one frame, and by the few
/// that take leave.
const FULL_BYTES: usize = 256 * 1024;
/// The same over Bluetooth: half a second, for which what is urgent waits behind what is large.
const FULL_BLE_BYTES: usize = 16 * 1024;
/// Frames handed to the transport at once.
const BATCH_FRAMES: usize = 64;

/// The two ends of an empty queue for a link of this kind.
pub(crate) fn queue(cost: CostClass) -> (QueueSender, QueueReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let full_bytes = if cost == CostClass::Ble { FULL_BLE_BYTES } else { FULL_BYTES };
    let level = Arc::new(Mutex::new(Level { full_bytes, bytes: 0, full: false }));
    (
        QueueSender { frames: sender, level: Arc::clone(&level) },
        QueueReceiver { frames: receiver, level },
    )
}

/// The engine's end. Dropping it lets the link send what is queued, and then close.
#[derive(Debug)]
pub(crate) struct QueueSender {
    frames: mpsc::UnboundedSender<Vec<u8>>,
    level: Arc<Mutex<Level>>,
}

impl QueueSender {
    /// Whether to push more. After a no, [`QueueReceiver::sent`] tells once when there is room.
    pub(crate) fn has_room(&self) -> bool {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).has_room()
    }

    /// Queues a frame. The frames of a link that is down are lost, as on any link.
    pub(crate) fn push(&self, frame: Vec<u8>) {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).bytes += frame.len();
        let _ = self.frames.send(frame);
    }
}

/// The link's end.
#[derive(Debug)]
pub(crate) struct QueueReceiver {
    frames: mpsc::UnboundedReceiver<Vec<u8>>,
    level: Arc<Mutex<Level>>,
}

impl QueueReceiver {
    /// Waits for frames and moves some into `batch`; false where none will come any more.
    pub(crate) async fn take(&mut self, batch: &mut Vec<Vec<u8>>) -> bool {
        self.frames.recv_many(batch, BATCH_FRAMES).await > 0
    }

    /// Notes that the transport took `bytes`; true where the engine waits to hear of it.
    pub(crate) fn sent(&self, bytes: usize) -> bool {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).sent(bytes)
    }
}

/// How full a queue is. Pure.
#[derive(Debug)]
struct Level {
    full_bytes: usize,
    bytes: usize,
    full: bool,
}

impl Level {
    fn has_room(&mut self) -> bool {
        self.full |= self.bytes >= self.full_bytes;
        !self.full
    }

    /// A queue that was full has room again below half of that.
    fn sent(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_sub(bytes);
        let room = self.full && self.bytes < self.full_bytes / 2;
        self.full &= !room;
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_at_the_limit_and_room_only_well_below_it_told_once() {
        let mut level = Level { full_bytes: FULL_BYTES, bytes: FULL_BYTES - 1, full: false };
        assert!(level.has_room());
        level.bytes += 1;
        assert!(!level.has_room());
        assert!(!level.sent(FULL_BYTES / 2), "not yet");
        assert!(!level.has_room(), "no trickle between the two marks");
        assert!(level.sent(1));
        assert!(!level.sent(1), "told already");
        assert!(level.has_room());
    }

    #[tokio::test]
    async fn what_is_queued_arrives_in_order_even_after_the_engine_lets_go() {
        let (sender, mut receiver) = queue(CostClass::Lan);
        for n in 0..100u8 {
            sender.push(vec![n]);
        }
        drop(sender);
        let mut batch = Vec::new();
        while receiver.take(&mut batch).await {}
        assert_eq!(batch, (0..100u8).map(|n| vec![n]).collect::<Vec<_>>());
    }
}
