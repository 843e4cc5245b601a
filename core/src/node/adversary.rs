//! What a phone can do whose owner has altered the engine: for simulated liars and for tests of honest
//! nodes. Only the feature `adversary` has it.

use super::Node;
use crate::link::{LinkId, Outgoing};
use crate::store::StoreError;
use crate::time::Timestamp;

impl Node {
    /// As [`Node::poll_transmit`], but for what the liar makes of the frame before its encryption: any
    /// number of others leave in its place, in their order. The handshake is left as it is.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn poll_altered(
        &mut self,
        now: Timestamp,
        link: LinkId,
        alter: impl FnOnce(Vec<u8>) -> Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let outgoing = match self.next_frame(now, link)? {
            Some(Outgoing::Frame(frame)) => alter(frame).into_iter().map(Outgoing::Frame).collect(),
            handshake => Vec::from_iter(handshake),
        };
        Ok(outgoing.into_iter().filter_map(|next| self.seal_frame(link, Some(next))).collect())
    }
}
