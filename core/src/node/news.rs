//! News: which neighbours are told of what has come in since their links were reconciled.
//!
//! In a crowd everybody hears of everything from many sides. Were all told at once, each node would
//! announce as much as it has neighbours, mostly to those who know. So a few are told, by lot, and more
//! only as long as somebody turns out to lack it: rumour mongering with feedback (Demers and others,
//! 1987). Announcements are bounded by the copies that they bring about, however dense the crowd; a
//! neighbour who depends on this node hears of it because others like it ask. Where few neighbours
//! are, all are told at once.

use super::Node;
use crate::envelope::{AckProof, EnvelopeId};
use crate::link::LinkId;
use crate::routing::is_direct;
use crate::store::{Carried, StoreError};

/// So many neighbours are told at once. Of a crowd in which everybody tells so many, chosen by lot, one in
/// three thousand does not hear of it, and learns of it at the next meeting.
const TOLD_AT_ONCE: usize = 8;
/// Of each one who lacks it follows that others may: so many more are told.
const TOLD_PER_WANT: usize = 4;

impl Node {
    /// Tells neighbours of a letter that is new here. To its recipient it goes at once.
    pub(super) fn offer(&mut self, id: &EnvelopeId) -> Result<(), StoreError> {
        // Most mail comes in while nobody else is there: the store need not be asked.
        if !self.links.values().any(|session| session.is_live() && !session.knows(id.head())) {
            return Ok(());
        }
        let Some(letter) = self.store.envelope(id)? else { return Ok(()) };
        self.tell(&letter, TOLD_AT_ONCE);
        Ok(())
    }

    /// A neighbour has asked for this letter: it is no old news yet.
    pub(super) fn offer_more(&mut self, letter: &Carried) {
        if !self.is_handing_over() {
            self.tell(letter, TOLD_PER_WANT);
        }
    }

    fn tell(&mut self, letter: &Carried, most: usize) {
        let head = letter.id.head();
        let (mut readers, mut others) = (Vec::new(), Vec::new());
        for (link, session) in &self.links {
            let is_news = session.is_live() && self.carries_news(*link) && !self.knows(*link, head);
            if is_news && self.may_hand(letter, session) {
                if is_direct(letter, session.contact) {
                    readers.push((*link, self.order(letter, session)));
                } else {
                    others.push(*link);
                }
            }
        }
        for (link, order) in readers {
            if let Some(session) = self.links.get_mut(&link) {
                session.note_known(head);
                session.push_transfer(order);
            }
        }
        for link in self.draw(others, most) {
            if let Some(session) = self.links.get_mut(&link) {
                session.push_offer(head);
            }
        }
    }

    /// `r` is enough for those who hold the envelope; others learn of it when they reconcile. It goes the
    /// ways that the envelope has come and gone, which lead to the writer and to all holders; and to a
    /// few more, as links break.
    pub(super) fn spread(&mut self, proof: &AckProof, from: Option<LinkId>) {
        let head = proof.claimed_id().head();
        let is_way =
            |link: LinkId| from.is_none_or(|from| link != from && !self.are_twins(link, from));
        let live = self
            .links
            .iter()
            .filter(|(link, it)| it.is_live() && is_way(**link) && self.carries_news(**link));
        let (mut ways, others): (Vec<_>, Vec<_>) =
            live.map(|(link, _)| *link).partition(|link| self.has_passed(*link, head));
        ways.extend(self.draw(others, TOLD_AT_ONCE));
        for link in ways {
            if let Some(session) = self.links.get_mut(&link) {
                session.push_held_ack(proof.ack().0);
            }
        }
    }

    /// At most so many of these, by lot.
    fn draw(&mut self, mut links: Vec<LinkId>, most: usize) -> Vec<LinkId> {
        if links.len() <= most {
            return links;
        }
        let draw = |_| links.swap_remove(self.random_below(links.len() as u64) as usize);
        (0..most).map(draw).collect()
    }
}
