//! What a node shows of itself.

use crate::{Footpost, NodeError};
use footpost_core as core;

/// Use of a node's store and links, in envelopes and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Stats {
    /// Other people's envelopes on board.
    pub foreign_envelopes: u64,
    /// Their bytes.
    pub foreign_bytes: u64,
    /// How many bytes they may take.
    pub max_foreign_bytes: u64,
    /// What own mail takes until it has arrived, in bytes.
    pub own_bytes: u64,
    /// Envelopes known to be acknowledged or expired.
    pub tombstones: u64,
    /// Postmarks that are ready today.
    pub postmarks_ready: u64,
    /// Links with a neighbour, handshakes included.
    pub links: u64,
    /// Bytes sent to neighbours since the node was opened.
    pub sent_bytes: u64,
    /// Bytes received from them.
    pub received_bytes: u64,
    /// Envelopes taken on board since the node was opened, one's own mail among them.
    pub taken: u64,
    /// Other people's that were deleted because their acknowledgement came.
    pub acknowledged: u64,
    /// To make room.
    pub evicted: u64,
    /// Because another carrier took them over.
    pub handed_over: u64,
    /// At their end.
    pub expired: u64,
}

/// Somebody on a link.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Neighbour {
    /// The link.
    pub link: u64,
    /// Who it is, if proven to be a contact.
    pub contact: Option<i64>,
    /// Whether it says that it carries mail for strangers.
    pub accepts_foreign: bool,
    /// The space for others' mail that it says it has, in bytes.
    pub free_bytes: u64,
}

#[uniffi::export]
impl Footpost {
    /// Use of store and links.
    pub async fn stats(&self) -> Result<Stats, NodeError> {
        self.line
            .ask(|node| {
                let own_bytes = node.own_bytes()?;
                Ok(show(&node.stats(), own_bytes))
            })
            .await
    }

    /// The neighbours on links.
    pub async fn neighbours(&self) -> Result<Vec<Neighbour>, NodeError> {
        let neighbour = |neighbour: core::Neighbour| Neighbour {
            link: neighbour.link.0,
            contact: neighbour.contact.map(|id| id.0),
            accepts_foreign: neighbour.accepts_foreign,
            free_bytes: neighbour.free_kib.saturating_mul(1024),
        };
        self.line.ask(move |node| Ok(node.neighbours().into_iter().map(neighbour).collect())).await
    }

    /// Changes the space for other people's mail. What no longer fits goes, the least useful first:
    /// to carriers in reach, if there are any, and after twenty seconds off board.
    pub async fn set_max_carried_bytes(&self, bytes: u64) -> Result<(), NodeError> {
        self.line.call(move |node, now| node.set_max_carried_bytes(now, bytes)).await
    }
}

fn show(stats: &core::Stats, own_bytes: u64) -> Stats {
    Stats {
        foreign_envelopes: stats.foreign_envelopes,
        foreign_bytes: stats.foreign_bytes,
        max_foreign_bytes: stats.max_foreign_bytes,
        own_bytes,
        tombstones: stats.tombstones,
        postmarks_ready: stats.postmarks_ready as u64,
        links: stats.links as u64,
        sent_bytes: stats.sent.total_bytes(),
        received_bytes: stats.received_bytes,
        taken: stats.turnover.taken,
        acknowledged: stats.turnover.acknowledged,
        evicted: stats.turnover.evicted,
        handed_over: stats.turnover.handed_over,
        expired: stats.turnover.expired,
    }
}
