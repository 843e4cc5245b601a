//! Handover: what a carrier holds for others, and is about to give up, goes to those around it.
//!
//! The best neighbour is offered all of it, then the next what is left, whatever the copy limits say:
//! here a copy moves, and none is made. Once a neighbour has taken it, it is deleted here.

use super::Node;
use crate::clock::Moment;
use crate::envelope::BodyKey;
use crate::link::LinkId;
use crate::link::frame::Frame;
use crate::routing::Candidate;
use crate::store::{Carried, Durability, EnvelopeRow, Standing, SteadyMs, StoreError};
use crate::sync::Numbers;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The next best neighbour's turn comes after this.
const TURN_MS: SteadyMs = 10_000;
/// A node that leaves tries for so long; and takes nothing for others meanwhile.
const LEAVING_MS: SteadyMs = 120_000;
/// One that needs the room.
const SHRINKING_MS: SteadyMs = 20_000;

/// A handover under way.
pub(super) struct Handover {
    rows: BTreeSet<EnvelopeRow>,
    /// Whether the node leaves, and not only what it has no room for.
    is_leaving: bool,
    offered: BTreeSet<LinkId>,
    next_turn: SteadyMs,
    until: SteadyMs,
}

impl Handover {
    pub(super) fn has(&self, row: EnvelopeRow) -> bool {
        self.rows.contains(&row)
    }

    fn is_done(&self, has_room: bool) -> bool {
        if self.is_leaving { self.rows.is_empty() } else { has_room }
    }
}

impl Node {
    /// This node is about to leave: its battery is low, or its owner will carry no more. All that it
    /// carries for others goes to the carriers in reach, the best first, for as long as two minutes;
    /// what nobody takes stays. Meanwhile it takes nothing for others.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn hand_over(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.whole(|node| {
            let now = node.begin(now, Durability::Process)?;
            let all = node.store.foreign()?;
            node.begin_handover(now, &all, LEAVING_MS)
        })
    }

    /// Changes the space for other people's mail, in bytes. What no longer fits goes, the least useful
    /// first: to carriers in reach, if there are any, and after twenty seconds off board.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn set_max_carried_bytes(&mut self, now: Timestamp, bytes: u64) -> Result<(), StoreError> {
        self.config.max_carried_bytes(bytes);
        self.whole(|node| {
            let now = node.begin(now, Durability::Process)?;
            if node.foreign_bytes <= bytes || node.handover.is_some() {
                return Ok(());
            }
            if node.next_carrier(&BTreeSet::new()).is_none() {
                return node.evict_excess();
            }
            let excess = node.excess()?;
            node.begin_handover(now, &excess, SHRINKING_MS)
        })
    }

    fn begin_handover(
        &mut self,
        now: Moment,
        envelopes: &[Carried],
        lasts_ms: SteadyMs,
    ) -> Result<(), StoreError> {
        self.handover = Some(Handover {
            rows: envelopes.iter().map(|envelope| envelope.row).collect(),
            is_leaving: lasts_ms == LEAVING_MS,
            offered: BTreeSet::new(),
            next_turn: now.steady,
            until: now.steady + lasts_ms,
        });
        self.go_on_handing_over(now)
    }

    /// The next neighbour's turn has come, or the end.
    pub(super) fn go_on_handing_over(&mut self, now: Moment) -> Result<(), StoreError> {
        let Some(handover) = &self.handover else { return Ok(()) };
        let has_room = self.foreign_bytes <= self.config.max_carried_bytes;
        if handover.is_done(has_room) || handover.until <= now.steady {
            self.handover = None;
            return self.evict_excess();
        }
        if handover.next_turn > now.steady {
            return Ok(());
        }
        let next = self.next_carrier(&handover.offered);
        let Some(handover) = &mut self.handover else { return Ok(()) };
        handover.next_turn = now.steady + TURN_MS;
        let Some(link) = next else { return Ok(()) };
        handover.offered.insert(link);
        let rows: Vec<EnvelopeRow> = handover.rows.iter().copied().collect();
        self.offer_custody(now, link, &rows)
    }

    fn offer_custody(
        &mut self,
        now: Moment,
        link: LinkId,
        rows: &[EnvelopeRow],
    ) -> Result<(), StoreError> {
        let mut bodies: BTreeMap<BodyKey, Numbers> = BTreeMap::new();
        let mut letters = Vec::new();
        for row in rows {
            match self.store.foreign_at(*row)? {
                Some(Carried { fragment: Some((body, number)), .. }) => {
                    bodies.entry(body).or_default().insert(number);
                }
                Some(letter) => letters.push(letter.id.head()),
                None => {}
            }
        }
        if let Some(session) = self.links.get_mut(&link) {
            session.push_control(&Frame::Handover);
            for head in letters {
                session.push_offer(head);
            }
        }
        for (body, numbers) in bodies {
            self.announce(now, link, body, Some(&numbers), true);
        }
        Ok(())
    }

    /// The best carrier in reach that was not offered it yet.
    fn next_carrier(&self, but: &BTreeSet<LinkId>) -> Option<LinkId> {
        let now = self.clock.steady();
        let needed_bytes = self.foreign_bytes;
        let ranked = self.links.iter().filter_map(|(link, session)| {
            let hello = session.hello.as_ref().filter(|hello| hello.accepts_foreign)?;
            let id = session.neighbour.filter(|_| session.is_live() && !but.contains(link))?;
            if !self.is_reliable(Some(id)) {
                return None;
            }
            let candidate =
                Candidate { id, free_bytes: hello.free_kib.saturating_mul(1024), needed_bytes };
            Some((self.neighbours.rank(&candidate, now), *link))
        });
        ranked.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, link)| link)
    }

    /// Whether this node gives up what is there; then it takes nothing in its place.
    pub(super) fn is_handing_over(&self) -> bool {
        self.handover.is_some()
    }

    /// A neighbour has taken what it was handed. Says whether custody has passed to it.
    pub(super) fn pass_custody(&mut self, taken: &Carried) -> Result<bool, StoreError> {
        let is_passed = self.handover.as_mut().is_some_and(|it| it.rows.remove(&taken.row))
            && taken.standing == Standing::Foreign;
        if is_passed {
            self.remove_envelope(taken)?;
            self.turnover.handed_over += 1;
            let has_room = self.foreign_bytes <= self.config.max_carried_bytes;
            self.handover = self.handover.take().filter(|it| !it.is_done(has_room));
        }
        Ok(is_passed)
    }

    /// A neighbour is about to leave, and will delete what this node says to have taken: its word must
    /// outlast a loss of power.
    pub(super) fn take_over(&mut self, link: LinkId) {
        if let Some(session) = self.links.get_mut(&link) {
            session.custody.takes_over = true;
        }
    }

    pub(super) fn next_of_handover(&self) -> Option<SteadyMs> {
        self.handover.as_ref().map(|handover| handover.next_turn.min(handover.until))
    }
}
