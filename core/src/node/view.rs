//! What a node shows of itself.

use super::Node;
use super::acks::TOMBSTONE_SLACK_MS;
use crate::chat::{ContactId, Message, MessageId};
use crate::envelope::{Envelope, EnvelopeId, Kind, Priority};
use crate::link::{CostClass, LinkId, Role, Traffic, public_key};
use crate::store::{Standing, StoreError};
use crate::sync::end_of;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Use of a node's store and links, in envelopes and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Other people's envelopes on board.
    pub foreign_envelopes: u64,
    /// Their bytes.
    pub foreign_bytes: u64,
    /// How many bytes they may take.
    pub max_foreign_bytes: u64,
    /// Envelopes known to be acknowledged or expired.
    pub tombstones: u64,
    /// Own postmarks that are minted and not used up: today's.
    pub postmarks_ready: usize,
    /// The same of tomorrow.
    pub postmarks_ahead: usize,
    /// Links with a neighbour, handshakes included.
    pub links: usize,
    /// Frame bytes sent since the node was opened, by what they were for.
    pub sent: Traffic,
    /// Frame bytes received since the node was opened.
    pub received_bytes: u64,
    /// What has come and gone since the node was opened.
    pub turnover: Turnover,
}

/// Envelopes that came from neighbours, and other people's that left the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Turnover {
    /// Taken on board, one's own mail among them.
    pub taken: u64,
    /// Deleted because their acknowledgement came.
    pub acknowledged: u64,
    /// Deleted to make room.
    pub evicted: u64,
    /// Deleted because another carrier took them over: see [`Node::hand_over`].
    pub handed_over: u64,
    /// Deleted at their end.
    pub expired: u64,
}

/// A neighbour on a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The link.
    pub link: LinkId,
    /// Which side this node is on.
    pub role: Role,
    /// What a byte costs.
    pub cost: CostClass,
    /// Who it is, if proven to be a contact.
    pub contact: Option<ContactId>,
    /// Whether it says that it carries mail for strangers.
    pub accepts_foreign: bool,
    /// The space for others' mail that it says it has, in KiB.
    pub free_kib: u64,
}

/// All that a carrier can tell of an envelope: also what is known of one's own, but for `is_own`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedEnvelope {
    /// Its content address.
    pub id: EnvelopeId,
    /// Whether it was sealed here.
    pub is_own: bool,
    /// What it is, and how it is sealed to its recipient.
    pub kind: Kind,
    /// How urgent it says it is.
    pub priority: Priority,
    /// When it was made, jittered.
    pub created: Timestamp,
    /// How long it lives, in seconds.
    pub lifetime_s: u32,
    /// Its tag: random unless it is on the way to a home relay.
    pub mailbox_tag: [u8; 8],
    /// The key that paid for it.
    pub postmark_key: [u8; 32],
    /// Its length in bytes.
    pub size_bytes: usize,
}

impl Node {
    /// The newest `limit` messages before `before` (`None`: the newest of all), the oldest first;
    /// of one conversation, or of all with accepted contacts. Read receipts are not among them.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn messages(
        &self,
        contact: Option<ContactId>,
        before: Option<MessageId>,
        limit: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let before = before.unwrap_or(MessageId(i64::MAX));
        self.store.messages(contact, before, limit)?.into_iter().map(Message::try_from).collect()
    }

    /// Use of store and links.
    pub fn stats(&self) -> Stats {
        let [postmarks_ready, postmarks_ahead] = self.postmarks.ready(self.epoch.day);
        Stats {
            postmarks_ready,
            postmarks_ahead,
            foreign_envelopes: self.foreign_envelopes,
            foreign_bytes: self.foreign_bytes,
            max_foreign_bytes: self.config.max_carried_bytes,
            tombstones: self.tombstones,
            links: self.links.len(),
            sent: self.sent,
            received_bytes: self.received_bytes,
            turnover: self.turnover,
        }
    }

    /// What own mail takes on board until it has arrived, in bytes: see also
    /// [`Node::set_max_carried_bytes`].
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn own_bytes(&self) -> Result<u64, StoreError> {
        self.store.own_bytes()
    }

    /// The neighbours whose handshake is over.
    pub fn neighbours(&self) -> Vec<Neighbour> {
        let neighbours = self.links.iter().filter_map(|(&link, session)| {
            let hello = session.hello.as_ref()?;
            Some(Neighbour {
                link,
                role: session.info.role,
                cost: session.info.cost,
                contact: session.contact,
                accepts_foreign: hello.accepts_foreign,
                free_kib: hello.free_kib,
            })
        });
        neighbours.collect()
    }

    /// The link keys of the day at the ends of a link, this node's and the neighbour's, once the
    /// handshake has proven the neighbour's. Only who has met a node today knows its key: transports
    /// tell by it which of their links lead to the same node.
    pub fn link_keys(&self, link: LinkId) -> Option<([u8; 32], [u8; 32])> {
        let neighbour = self.links.get(&link)?.noise.neighbour()?;
        Some((public_key(&self.epoch.link_secret), neighbour))
    }

    /// A digest of all that is reconciled with neighbours. Two nodes with the same have nothing for
    /// each other.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn contents(&mut self) -> Result<[u8; 32], StoreError> {
        let mut items = self.store.letter_ids()?;
        items.extend(self.holdings.items().keys());
        let remembered = self.store.tombstone_ids(self.clock.steady() + TOMBSTONE_SLACK_MS)?;
        let told = remembered.into_iter().filter(|(_, is_told)| *is_told);
        items.extend(told.map(|(id, _)| end_of(id)));
        items.sort_unstable();
        Ok(Sha256::digest(items.concat()).into())
    }

    /// The oldest `limit` envelopes on board, as a carrier sees them.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn carried(&self, limit: u32) -> Result<Vec<CarriedEnvelope>, StoreError> {
        let mut seen = Vec::new();
        for carried in self.store.carried(limit)? {
            let Some(mut bytes) = self.store.envelope_bytes(carried.row)? else { continue };
            // Of own fragments there is the header alone, which is all that shows here.
            bytes.resize(carried.size_bytes, 0);
            let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
            seen.push(CarriedEnvelope {
                id: carried.id,
                is_own: carried.standing == Standing::Own
                    || envelope.bulletin().is_some_and(|it| it.publisher == self.identity),
                kind: envelope.kind(),
                priority: envelope.priority(),
                created: envelope.created(),
                lifetime_s: envelope.lifetime_s(),
                mailbox_tag: envelope.mailbox_tag(),
                postmark_key: envelope.postmark_key(),
                size_bytes: carried.size_bytes,
            });
        }
        Ok(seen)
    }

    /// The envelope on board that came last.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn newest_envelope(&self) -> Result<Option<EnvelopeId>, StoreError> {
        self.store.newest_envelope_id()
    }

    /// The envelope itself, as links carry it; `None` if it is not on board. For other ways of
    /// carrying it, and for whoever studies what carriers see.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn envelope(&mut self, id: &EnvelopeId) -> Result<Option<Vec<u8>>, StoreError> {
        let carried = self.store.envelope(id)?;
        carried.map_or(Ok(None), |carried| self.bytes_of(&carried))
    }
}
