//! What a phone can do whose owner has altered the engine: for simulated liars and for tests of honest
//! nodes. Only the feature `adversary` has it.

use super::Node;
use crate::link::frame::Frame;
use crate::link::{LinkId, Outgoing};
use crate::store::StoreError;
use crate::time::Timestamp;

impl Node {
    /// As [`Node::poll_transmit`], but for what the liar makes of each frame before its encryption: any
    /// number of others leave in its place, in their order, each as a message. The handshake is left as it is.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn poll_altered(
        &mut self,
        now: Timestamp,
        link: LinkId,
        mut alter: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let next = self.next_frame(now, link)?;
        let Some(Outgoing::Frames(message)) = next else {
            return Ok(self.seal_frame(link, next).into_iter().collect());
        };
        let mut altered = Vec::new();
        let mut rest = &*message;
        while let Ok((_, following)) = Frame::decode_first(rest) {
            altered.extend(alter(rest[..rest.len() - following.len()].to_vec()));
            rest = following;
        }
        let outgoing = altered.into_iter().map(Outgoing::Frames);
        Ok(outgoing.filter_map(|next| self.seal_frame(link, Some(next))).collect())
    }
}
