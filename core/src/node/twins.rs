//! Twins: links to one and the same neighbour, and what goes by which.
//!
//! A phone may be met by Bluetooth, on the local network and in a Wi-Fi Direct group at once. Who it
//! is shows the key of its Noise sessions, which is one for all its links. Envelopes go by the
//! fastest link, wherever they were asked for; offers and acknowledgements by the one that costs
//! least. An answer goes the way of its question. When a link ends, another goes on with what it
//! leaves.

use super::Node;
use crate::link::{CostClass, Legacy, LinkId, Session};
use crate::routing::TransferOrder;
use crate::store::StoreError;

impl Node {
    /// The handshake has shown who is at the end of this link.
    pub(super) fn join_twins(&mut self, link: LinkId, key: [u8; 32]) {
        let twins = self.links.iter().filter_map(|(other, session)| {
            (*other != link && session.noise.neighbour() == Some(key)).then_some(*other)
        });
        let twins: Vec<LinkId> = twins.collect();
        for twin in &twins {
            if let Some(session) = self.links.get_mut(twin) {
                session.twins.push(link);
            }
        }
        if let Some(session) = self.links.get_mut(&link) {
            session.twins = twins;
        }
    }

    pub(super) fn are_twins(&self, one: LinkId, other: LinkId) -> bool {
        self.links.get(&one).is_some_and(|session| session.twins.contains(&other))
    }

    /// The links to the neighbour of `link`, itself among them, that are live.
    fn ways(&self, link: LinkId) -> impl Iterator<Item = (LinkId, &Session)> {
        let twins = self.links.get(&link).map_or(&[][..], |session| &session.twins);
        let ways = std::iter::once(link).chain(twins.iter().copied());
        ways.filter_map(|way| Some((way, &**self.links.get(&way).filter(|it| it.is_live())?)))
    }

    fn best(&self, link: LinkId, rank: fn(CostClass) -> u8) -> Option<LinkId> {
        let ranked = self.ways(link).map(|(way, session)| (rank(session.info.cost), way));
        ranked.min().map(|(_, way)| way)
    }

    /// Whether envelopes go by this link: there is no faster one to the same neighbour.
    pub(super) fn carries_bulk(&self, link: LinkId) -> bool {
        self.best(link, CostClass::bulk_rank).is_none_or(|best| best == link)
    }

    /// Whether news goes by this link: there is no cheaper one to the same neighbour.
    pub(super) fn carries_news(&self, link: LinkId) -> bool {
        self.best(link, CostClass::news_rank).is_none_or(|best| best == link)
    }

    /// Whether the neighbour has heard of this letter, by whichever link.
    pub(super) fn knows(&self, link: LinkId, head: u64) -> bool {
        self.ways(link).any(|(_, session)| session.knows(head))
    }

    /// Whether the letter has come or gone between the two, by whichever link.
    pub(super) fn has_passed(&self, link: LinkId, head: u64) -> bool {
        self.ways(link).any(|(_, session)| session.has_passed(head))
    }

    /// Whether it is on its way to the neighbour, or there, by another link: what two links were
    /// asked for goes once.
    pub(super) fn has_handed(&self, link: LinkId, head: u64) -> bool {
        self.ways(link).any(|(way, session)| {
            session.in_flight.contains_key(&head) || way != link && session.has_arrived(head)
        })
    }

    /// The envelopes that wait on slower links to the same neighbour go by this one.
    pub(super) fn gather(&mut self, link: LinkId) {
        let slower: Vec<LinkId> =
            self.ways(link).map(|(way, _)| way).filter(|way| *way != link).collect();
        for way in slower {
            let Some(session) = self.links.get_mut(&way) else { continue };
            let (transfers, pieces) = session.take_transfers();
            if let Some(session) = self.links.get_mut(&link) {
                session.take_on(transfers, pieces);
            }
        }
    }

    /// Another link to the same neighbour goes on where `gone` has ended.
    pub(super) fn fall_back(
        &mut self,
        gone: LinkId,
        mut session: Box<Session>,
    ) -> Result<(), StoreError> {
        let twins = std::mem::take(&mut session.twins);
        for twin in &twins {
            if let Some(session) = self.links.get_mut(twin) {
                session.twins.retain(|other| *other != gone);
            }
        }
        let Some(heir) = twins.first().and_then(|twin| self.best(*twin, CostClass::bulk_rank))
        else {
            return Ok(());
        };
        self.inherit(heir, session.bequeath())?;
        for twin in twins {
            self.fetch_more(twin)?;
        }
        Ok(())
    }

    fn inherit(&mut self, heir: LinkId, legacy: Legacy) -> Result<(), StoreError> {
        // Nobody knows how much of what was under way has arrived: a letter that has come twice
        // is taken once.
        let mut orders = legacy.transfers;
        for (head, row) in legacy.in_flight {
            let Some(envelope) = self.store.envelope_at(row)?.filter(|it| it.id.head() == head)
            else {
                continue;
            };
            if let Some(session) = self.links.get(&heir) {
                orders.insert(match envelope.fragment {
                    Some(_) => TransferOrder::of_fragment(&envelope, false, session.bodies.turns()),
                    None => self.order(&envelope, session),
                });
            }
        }
        let mut offered = Vec::new();
        for head in legacy.offered {
            if self.store.envelope_by_head(head)?.is_some() && !self.knows(heir, head) {
                offered.push(head);
            }
        }
        let Some(session) = self.links.get_mut(&heir) else { return Ok(()) };
        session.take_on(orders, legacy.pieces);
        for head in offered {
            session.push_offer(head);
        }
        for r in legacy.held_acks {
            session.push_held_ack(r);
        }
        for id in legacy.proofs {
            session.push_proof(id);
        }
        for (body, numbers) in legacy.fragment_news {
            numbers.iter().for_each(|number| session.bodies.push_news((body, number)));
        }
        legacy
            .fragment_acks
            .into_iter()
            .for_each(|(piece, ack)| session.bodies.push_ack(piece, ack));
        Ok(())
    }
}
