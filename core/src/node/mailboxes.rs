//! Mailbox tags on links, where they are shown: which are this node's own, and what neighbours tell of
//! them.

use super::{Fault, Node};
use crate::clock::Moment;
use crate::link::frame::Frame;
use crate::link::{LinkId, Violation};
use crate::routing::{Gossip, MAX_OWN_TAGS, Tag};
use crate::time::{DAY_MS, Timestamp};

impl Node {
    /// Tells a neighbour, known for the day by its `key`, what the router has to say. With hidden tags
    /// that is nothing.
    pub(super) fn gossip(&mut self, now: Moment, link: LinkId, key: [u8; 32]) {
        if !self.mailboxes.are_used() {
            return;
        }
        let told = self.mailboxes.tell(self.own_tags(now.wall), key, now.steady);
        let Some(session) = self.links.get_mut(&link) else { return };
        let max_payload_bytes = session.max_payload_bytes();
        for gossip in told.into_iter().flat_map(|gossip| gossip.split(max_payload_bytes)) {
            session.push_control(&Frame::Gossip(gossip));
        }
    }

    pub(super) fn receive_gossip(
        &mut self,
        now: Moment,
        link: LinkId,
        gossip: Gossip,
    ) -> Result<(), Fault> {
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        let is_meeting = matches!(gossip, Gossip::Own(_));
        if !self.mailboxes.hear(&mut session.told, gossip, now.steady) {
            return Err(Violation::Flood("mailbox tags").into());
        }
        if let Some(maxprop) = self.mailboxes.as_maxprop().filter(|_| is_meeting) {
            let on_board = self.store.foreign_by_generation()?;
            maxprop.set_threshold(&on_board, self.config.max_carried_bytes);
        }
        Ok(())
    }

    /// The tags of all mail to this node that may be on its way, the newest first.
    fn own_tags(&self, now: Timestamp) -> Vec<Tag> {
        let first = now.0.saturating_sub(u64::from(self.config.lifetime_s) * 1000) / DAY_MS;
        let days = (first as u32..=now.day()).rev();
        let tags = days.flat_map(|day| {
            let cards = self.cards.iter().map(|(card, _)| card);
            let valid = cards
                .filter(move |card| (card.issued().day()..=card.expires().day()).contains(&day));
            valid.map(move |card| Tag::of(card.target().mailbox_tag(day)))
        });
        tags.take(MAX_OWN_TAGS).collect()
    }
}
