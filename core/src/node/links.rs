//! Links: from the first handshake message to the last frame.

use super::acks::{TOMBSTONE_SLACK_MS, bars};
use super::{Fault, Node};
use crate::chat::Relation;
use crate::clock::Moment;
use crate::envelope::{AckProof, BodyKey, EnvelopeId};
use crate::event::Event;
use crate::link::frame::{Frame, Hello, MAX_MARKS, Passage, VERSION};
use crate::link::{CloseReason, LinkId, LinkInfo, Outgoing, Role, Session, Violation, public_key};
use crate::routing::NeighbourId;
use crate::store::{Durability, EnvelopeRow, Proof, Store, StoreError, Tombstone};
use crate::sync::{Items, Reconciler, SyncFrame, end_of};
use crate::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;

/// Long enough for a handshake over the slowest radio, and for a reconciliation after it.
const OPENING_MS: i64 = 20_000;
const PROOF_DOMAIN: &[u8] = b"footpost/1 link proof";
/// A neighbour that does not bring what it has offered within this time is passed over.
pub(super) const WISH_MS: i64 = 60_000;
/// Wishes of the last [`WISH_MS`], met or not; what is offered beyond is found by reconciliation.
const MAX_WISHES: usize = 65_536;

impl Node {
    /// A transport has connected a neighbour. `link` was never used before.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn handle_link_up(
        &mut self,
        now: Timestamp,
        link: LinkId,
        info: LinkInfo,
    ) -> Result<(), StoreError> {
        let now = self.whole(|node| node.begin(now, Durability::Process))?;
        let seed = self.random_array();
        let deadline = now.steady + OPENING_MS;
        match Session::new(info, &self.epoch.link_secret, seed, deadline) {
            Ok(session) => drop(self.links.insert(link, Box::new(session))),
            Err(violation) => tracing::warn!(link = link.0, %violation, "no handshake"),
        }
        Ok(())
    }

    /// A frame has come in on `link`. What breaks the protocol closes the link.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn handle_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
        frame: &[u8],
    ) -> Result<(), StoreError> {
        self.received_bytes += frame.len() as u64;
        self.whole(|node| {
            let now = node.begin(now, Durability::Process)?;
            match node.receive_frame(now, link, frame) {
                Ok(()) => Ok(()),
                Err(Fault::Neighbour(violation)) => {
                    tracing::warn!(link = link.0, %violation, "closing");
                    node.close(link, CloseReason::Violation(violation));
                    Ok(())
                }
                Err(Fault::Store(error)) => Err(error),
            }
        })
    }

    /// The link is gone.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn handle_link_down(&mut self, now: Timestamp, link: LinkId) -> Result<(), StoreError> {
        self.whole(|node| {
            let now = node.begin(now, Durability::Process)?;
            let session = node.links.remove(&link);
            node.fetch_elsewhere(link);
            if let Some(session) = session {
                node.keep_handed(&session)?;
                if let Some(neighbour) = session.neighbour {
                    node.part(neighbour, session.moved_bytes)?;
                }
                node.fall_back(link, session)?;
            }
            node.fetch_again(now, Some(link))
        })
    }

    /// The next frame for `link`: asked only while the link is writable, so that what waits stays
    /// in the store. `None`: nothing to send, or inputs wait for their commit.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn poll_transmit(
        &mut self,
        now: Timestamp,
        link: LinkId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let next = self.next_frame(now, link)?;
        Ok(self.seal_frame(link, next))
    }

    /// The next frame for `link` that brings no envelope: all that a node sends which takes mail and
    /// passes none on.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn poll_small(
        &mut self,
        now: Timestamp,
        link: LinkId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let next = self.next_small(now, link)?;
        Ok(self.seal_frame(link, next))
    }

    pub(super) fn next_frame(
        &mut self,
        now: Timestamp,
        link: LinkId,
    ) -> Result<Option<Outgoing>, StoreError> {
        let small = self.next_small(now, link)?;
        if small.is_some() || self.store.is_open() {
            return Ok(small);
        }
        let now = self.clock.advance(now);
        let live = |session: &&mut Box<Session>| session.closed.is_none();
        let carries_bulk = self.carries_bulk(link);
        if carries_bulk {
            self.gather(link);
        }
        while carries_bulk
            && let Some(next) =
                self.links.get_mut(&link).filter(live).and_then(|it| it.next_transfer(now.steady))
        {
            self.begin_transfer(now, link, next.row())?;
        }
        let Some(session) = self.links.get_mut(&link).filter(live) else { return Ok(None) };
        // What is gone before its turn has left word.
        Ok(session.poll_transfer().or_else(|| session.poll_small()))
    }

    fn next_small(&mut self, now: Timestamp, link: LinkId) -> Result<Option<Outgoing>, StoreError> {
        if self.store.is_open() {
            return Ok(None);
        }
        let now = self.clock.advance(now);
        let Some(session) = self.links.get_mut(&link) else { return Ok(None) };
        push_proofs(session, &self.store)?;
        let next = session.poll_small();
        if next.is_some() || !session.is_idle(now.steady) || !self.carries_bulk(link) {
            return Ok(next);
        }
        self.announce_news(now, link);
        Ok(self.links.get_mut(&link).and_then(|session| session.poll_small()))
    }

    pub(super) fn seal_frame(&mut self, link: LinkId, next: Option<Outgoing>) -> Option<Vec<u8>> {
        let session = self.links.get_mut(&link)?;
        let frame = next.and_then(|next| session.seal(next));
        self.sent.merge(session.take_traffic());
        frame
    }

    /// The envelope's turn has come, if it is still there.
    fn begin_transfer(
        &mut self,
        now: Moment,
        link: LinkId,
        row: EnvelopeRow,
    ) -> Result<(), StoreError> {
        let envelope = self.store.envelope_at(row)?;
        let bytes = match &envelope {
            Some(envelope) => self.bytes_of(envelope)?,
            None => None,
        };
        let is_moving = self.handover.as_ref().is_some_and(|it| it.has(row));
        if envelope.as_ref().is_some_and(|it| self.has_handed(link, it.id.head())) {
            return Ok(());
        }
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        let (Some(envelope), Some(bytes)) = (envelope, bytes) else {
            session.push_lack(row);
            return Ok(());
        };
        let age_s = (now.steady - envelope.born).max(0) / 1000;
        session.in_flight.insert(envelope.id.head(), row);
        let passage = Passage {
            age_s: u32::try_from(age_s).unwrap_or(u32::MAX),
            // A copy that moves is not halved.
            generation: envelope.generation.saturating_add(u8::from(!is_moving)),
        };
        session.begin_transfer(now.steady, bytes, passage, envelope.fragment.is_some());
        Ok(())
    }

    pub(super) fn close(&mut self, link: LinkId, reason: CloseReason) {
        if let Some(session) = self.links.get_mut(&link).filter(|session| session.closed.is_none())
        {
            session.close(reason);
            self.events.push_back(Event::LinkClosed { link, reason });
            self.fetch_elsewhere(link);
        }
    }

    /// What `lost` was to bring is asked of whoever else has offered it.
    fn fetch_elsewhere(&mut self, lost: LinkId) {
        let orphans: Vec<u64> =
            self.wanted.iter().filter(|(_, link)| **link == lost).map(|(head, _)| *head).collect();
        for head in orphans {
            self.fetch_from_another(head);
        }
    }

    /// Wishes that were not met in time.
    pub(super) fn pass_over(&mut self, now: Moment) {
        while let Some((_, head, link)) =
            self.wishes.pop_front_if(|(until, ..)| *until <= now.steady)
        {
            if let Some(session) = self.links.get_mut(&link) {
                session.wished.remove(&head);
            }
            if self.wanted.get(&head) == Some(&link) {
                self.fetch_from_another(head);
            }
        }
    }

    fn fetch_from_another(&mut self, head: u64) {
        self.wanted.remove(&head);
        let other = self.links.iter_mut().find_map(|(link, session)| {
            let has_it = session.is_live() && session.passed_over.remove(&head);
            has_it.then_some(*link)
        });
        if let Some(link) = other {
            self.wish(link, head);
        }
    }

    fn wish(&mut self, link: LinkId, head: u64) {
        let may_wish = self.wishes.len() < MAX_WISHES;
        let Some(session) = self.links.get_mut(&link) else { return };
        if may_wish && session.may_wish() {
            session.push_want(head);
            self.wanted.insert(head, link);
            self.wishes.push_back((self.clock.steady() + WISH_MS, head, link));
        } else {
            session.push_surplus(head);
        }
    }

    /// Something has come that was asked of this neighbour: there is room to ask for more.
    pub(super) fn wish_more(&mut self, link: LinkId) -> Result<(), StoreError> {
        let surplus = self.links.get_mut(&link).map(|session| session.take_surplus());
        self.receive_offer(link, &surplus.unwrap_or_default())
    }

    fn receive_frame(&mut self, now: Moment, link: LinkId, frame: &[u8]) -> Result<(), Fault> {
        let Some(session) = self.links.get_mut(&link).filter(|s| s.closed.is_none()) else {
            return Ok(());
        };
        let was_established = session.noise.is_established();
        let payload = session.noise.read(frame)?;
        if !was_established {
            return self.receive_handshake(now, link, &payload);
        }
        let mut rest = &*payload;
        loop {
            let (frame, following) = Frame::decode_first(rest)?;
            self.receive_one(now, link, frame)?;
            if following.is_empty() {
                return Ok(());
            }
            rest = following;
        }
    }

    fn receive_one(&mut self, now: Moment, link: LinkId, frame: Frame<'_>) -> Result<(), Fault> {
        let Some(session) = self.links.get_mut(&link).filter(|s| s.closed.is_none()) else {
            return Ok(());
        };
        if !matches!(frame, Frame::Gossip(_)) {
            self.mailboxes.settle();
        }
        match frame {
            Frame::Hello(hello) => self.receive_hello(link, hello),
            _ if session.hello.is_none() => Err(Violation::Unexpected("frame before hello").into()),
            Frame::Proof { mac } => self.receive_proof(link, &mac),
            Frame::Sync(body) => self.receive_sync(now, link, body),
            Frame::Envelope { passage, total_bytes, first } => {
                session.moved_bytes += first.len() as u64;
                match session.reassembly.begin(passage, total_bytes, first)? {
                    Some((passage, bytes)) => self.accept(now, link, passage, &bytes),
                    None => Ok(()),
                }
            }
            Frame::EnvelopePart { bytes } => {
                session.moved_bytes += bytes.len() as u64;
                match session.reassembly.extend(bytes)? {
                    Some((passage, bytes)) => self.accept(now, link, passage, &bytes),
                    None => Ok(()),
                }
            }
            Frame::Taken { heads } => Ok(self.taken(now, link, &heads)?),
            Frame::Acks { held, proofs } => {
                for r in held {
                    self.apply_ack(now, link, r)?;
                }
                for proof in proofs {
                    self.apply_proof(now, link, &AckProof(proof))?;
                }
                Ok(())
            }
            Frame::Offer { heads } => Ok(self.receive_offer(link, &heads)?),
            Frame::Want { heads } => Ok(self.receive_wants(link, &heads)?),
            Frame::Holding { body, traits, shelves } => {
                self.receive_holding(link, body, traits, shelves)
            }
            Frame::Fetch { body, is_pull, numbers } => {
                self.receive_fetch(link, body, is_pull, &numbers)
            }
            Frame::Lack { body, numbers } => self.receive_lack(link, body, &numbers),
            Frame::FragmentAcks { body, acks } => self.receive_fragment_acks(link, body, &acks),
            Frame::Gossip(gossip) => self.receive_gossip(now, link, gossip),
            Frame::Release(release) => self.apply_release(now, link, release),
            Frame::Challenge(challenge) => self.receive_challenge(link, &challenge),
            Frame::Custody(answers) => self.receive_answers(now, link, &answers),
            Frame::Handover => {
                self.take_over(link);
                Ok(())
            }
            Frame::Bye { .. } => {
                self.close(link, CloseReason::Bye);
                Ok(())
            }
            Frame::WifiDirect(note) => {
                self.receive_note(link, note);
                Ok(())
            }
            Frame::Unknown { .. } => Ok(()),
        }
    }

    /// The neighbour's handshake message has been read; now it is this side's turn, or over.
    fn receive_handshake(
        &mut self,
        now: Moment,
        link: LinkId,
        payload: &[u8],
    ) -> Result<(), Fault> {
        let own_key = public_key(&self.epoch.link_secret);
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        if session.noise.neighbour() == Some(own_key) {
            return Err(Violation::Unexpected("link to oneself").into());
        }
        match (session.info.role, session.noise.sync_key()) {
            (Role::Initiator, Some(sync_key)) => {
                let items = self.items(link)?;
                let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
                let (reconciler, sketch) =
                    Reconciler::initiate(&sync_key, items, max_sync_bytes(session));
                session.write_handshake(&sketch)?;
                session.reconciler = Some(reconciler);
                session.is_counted = true;
                self.greet(now, link)
            }
            (Role::Responder, Some(sync_key)) if session.noise.is_established() => {
                self.greet(now, link)?;
                let items = self.items(link)?;
                let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
                let (reconciler, replies) =
                    Reconciler::respond(&sync_key, items, max_sync_bytes(session), payload)?;
                push_sync(session, replies);
                session.reconciler = Some(reconciler);
                session.is_counted = true;
                Ok(())
            }
            _ => Ok(session.write_handshake(&[])?),
        }
    }

    /// All that is reconciled: envelopes by their ids, acknowledgements that everybody is told of as what
    /// ends them; and what is never wanted again: see [`bars`].
    pub(super) fn items(&mut self, link: LinkId) -> Result<Items, StoreError> {
        let mut held = self.store.letter_ids()?;
        let bodies = self.holdings.items();
        held.extend(bodies.keys());
        if let Some(session) = self.links.get_mut(&link) {
            session.bodies.items = bodies;
        }
        let mut unwanted = Vec::new();
        for (id, is_told) in self.store.tombstone_ids(self.clock.steady() + TOMBSTONE_SLACK_MS)? {
            unwanted.push(id);
            if is_told {
                held.push(end_of(id));
            }
        }
        Ok(Items { held, unwanted })
    }

    fn greet(&mut self, now: Moment, link: LinkId) -> Result<(), Fault> {
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        let hash = session.noise.handshake_hash().ok_or(Violation::Handshake)?;
        let role = session.info.role as u8;
        let free_bytes = self.config.max_carried_bytes.saturating_sub(self.foreign_bytes);
        // Who holds none but expired or withdrawn cards has lost sight.
        let usable = self
            .cards
            .iter()
            .filter(|(card, _)| card.sequence() >= self.marks_from && !card.has_expired(now.wall));
        let mut marks: Vec<[u8; 4]> =
            usable.take(MAX_MARKS).map(|(card, _)| card.target().link_mark(&hash, role)).collect();
        // Neither how many cards there are nor how full the store is shall tell one node from another.
        marks.resize_with(MAX_MARKS, || self.rng.next_u32().to_be_bytes());
        session.push_control(&Frame::Hello(Hello {
            version: VERSION,
            accepts_foreign: self.config.max_carried_bytes > 0,
            free_kib: (free_bytes / 1024).checked_ilog2().map_or(0, |bits| 1 << bits),
            battery: 0,
            marks,
        }));
        if let Some(key) = session.noise.neighbour() {
            session.neighbour = Some(NeighbourId::Key(key));
            self.meet(now, NeighbourId::Key(key))?;
            self.join_twins(link, key);
            self.gossip(now, link, key);
        }
        self.events.push_back(Event::NeighbourUp { link });
        Ok(())
    }

    /// A neighbour that shows the mark of a contact's card learns who this node is, in a way that
    /// only this contact can read: others may hold the card too.
    fn receive_hello(&mut self, link: LinkId, hello: Hello) -> Result<(), Fault> {
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        if session.hello.is_some() {
            return Err(Violation::Unexpected("second hello").into());
        }
        let hash = session.noise.handshake_hash().ok_or(Violation::Handshake)?;
        let (own_role, their_role) = roles(session.info.role);
        let marked = self.store.contacts()?.into_iter().find(|contact| {
            contact.relation == Relation::Accepted
                && hello.marks.contains(&contact.card.target().link_mark(&hash, their_role as u8))
        });
        session.hello = Some(hello);
        session.custody.is_due = true;
        if let Some(contact) = marked {
            let pair = self.key.pair_key(&contact.identity);
            session.marked = Some(contact.id);
            session.push_control(&Frame::Proof { mac: link_proof(&pair, &hash, own_role) });
        }
        Ok(())
    }

    fn receive_proof(&mut self, link: LinkId, mac: &[u8; 32]) -> Result<(), Fault> {
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        let hash = session.noise.handshake_hash().ok_or(Violation::Handshake)?;
        let (_, their_role) = roles(session.info.role);
        // Somebody may know this node who is no contact of its own: their proof says nothing here.
        let Some(contact) = session.marked else { return Ok(()) };
        let Some(row) = self.store.contact(contact)? else { return Ok(()) };
        let expected = link_proof(&self.key.pair_key(&row.identity), &hash, their_role);
        // Another holder of the contact's card can show its mark, and no more.
        if bool::from(expected.ct_eq(mac)) && session.contact.replace(contact).is_none() {
            session.custody.is_due = true;
            if let Some(key) = session.neighbour.replace(NeighbourId::Contact(contact)) {
                self.recognise(&key, contact)?;
            }
            self.events.push_back(Event::NeighbourProven { link, contact });
            self.reorder(link)?;
        }
        Ok(())
    }

    /// What waits was put in order before it was known who is there: mail for them goes first.
    fn reorder(&mut self, link: LinkId) -> Result<(), StoreError> {
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        let (transfers, pieces) = session.take_transfers();
        let mut orders = BTreeSet::new();
        for order in transfers {
            let Some(session) = self.links.get(&link).filter(|_| !order.is_fragment()) else {
                orders.insert(order);
                continue;
            };
            if let Some(letter) = self.store.envelope_at(order.row())? {
                orders.insert(self.order(&letter, session));
            }
        }
        if let Some(session) = self.links.get_mut(&link) {
            session.take_on(orders, pieces);
        }
        Ok(())
    }

    fn receive_sync(&mut self, now: Moment, link: LinkId, body: &[u8]) -> Result<(), Fault> {
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        let reconciler =
            session.reconciler.as_mut().ok_or(Violation::Unexpected("reconciliation"))?;
        let step = reconciler.receive(SyncFrame::decode(body)?)?;
        if step.is_finished {
            session.reconciler = None;
        }
        push_sync(session, step.replies);
        if !step.push.is_empty() {
            self.challenge(link)?;
        }
        let mut bodies = Vec::new();
        for item in step.push {
            bodies.extend(self.queue_item(link, item)?);
        }
        for id in step.over {
            let tombstone = self.store.tombstone(&EnvelopeId(id))?;
            if let (Some(tombstone), Some(session)) = (tombstone, self.links.get_mut(&link)) {
                push_end(session, &tombstone);
            }
        }
        self.announce_all(now, link, &bodies);
        Ok(())
    }

    fn queue_item(&mut self, link: LinkId, item: [u8; 32]) -> Result<Option<BodyKey>, StoreError> {
        let Some(session) = self.links.get(&link) else { return Ok(None) };
        if let Some(body) = session.bodies.items.get(&item) {
            return Ok(Some(*body));
        }
        if let Some(envelope) = self.store.envelope(&EnvelopeId(item))? {
            let order = self.order(&envelope, session);
            if self.may_hand(&envelope, session)
                && let Some(session) = self.links.get_mut(&link)
            {
                match session.info.role {
                    // It does not hold the letter, but may know of its end.
                    Role::Initiator => session.push_offer(envelope.id.head()),
                    // It was asked for.
                    Role::Responder => session.push_transfer(order),
                }
            }
        } else if let Some(session) = self.links.get_mut(&link) {
            session.push_proof(EnvelopeId(end_of(item)));
        }
        Ok(None)
    }

    fn receive_offer(&mut self, link: LinkId, heads: &[u64]) -> Result<(), StoreError> {
        for &head in heads {
            if self.store.envelope_by_head(head)?.is_some() {
                if let Some(session) = self.links.get_mut(&link) {
                    session.note_known(head);
                }
                continue;
            }
            let now = self.clock.steady();
            let tombstone = self.store.tombstone_by_head(head)?.filter(|it| bars(it, now));
            let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
            if let Some(tombstone) = tombstone {
                push_end(session, &tombstone);
            } else if self.wanted.contains_key(&head) {
                session.passed_over.insert(head);
            } else {
                self.wish(link, head);
            }
        }
        Ok(())
    }

    /// Only what was offered is served: eight bytes must not buy 64 KiB of airtime again and again.
    fn receive_wants(&mut self, link: LinkId, heads: &[u64]) -> Result<(), StoreError> {
        for &head in heads {
            let Some(session) = self.links.get_mut(&link) else { break };
            if session.take_offer(head)
                && let Some(envelope) = self.store.envelope_by_head(head)?
                && let Some(order) = self.links.get(&link).map(|it| self.order(&envelope, it))
                && let Some(session) = self.links.get_mut(&link)
            {
                session.push_transfer(order);
                self.challenge(link)?;
                self.offer_more(&envelope);
            }
        }
        Ok(())
    }
}

/// Tells a neighbour who holds this letter that it was acknowledged, if it was.
pub(super) fn push_end(session: &mut Session, tombstone: &Tombstone) {
    if let Some(ack) = tombstone.proof.as_ref().and_then(Proof::letter_ack) {
        session.push_held_ack(ack);
    }
}

/// Proofs wait as ids: what has been forgotten meanwhile is left out.
fn push_proofs(session: &mut Session, store: &Store) -> Result<(), StoreError> {
    let mut proofs = Vec::new();
    for id in session.next_proofs() {
        let tombstone = store.tombstone(&id)?;
        match tombstone.and_then(|tombstone| tombstone.proof) {
            Some(Proof::Letter(proof)) => proofs.push(proof.0),
            Some(Proof::Body(release)) => session.push_control(&Frame::Release(release)),
            Some(Proof::Ack(_) | Proof::Fragment(_)) | None => {}
        }
    }
    if !proofs.is_empty() {
        session.push_control(&Frame::Acks { held: Vec::new(), proofs });
    }
    Ok(())
}

fn push_sync(session: &mut Session, frames: Vec<SyncFrame>) {
    for frame in frames {
        let mut body = Vec::new();
        frame.encode(&mut body);
        session.push_control(&Frame::Sync(&body));
    }
}

/// What a reconciliation frame may measure inside its link frame: kind and length are taken off.
fn max_sync_bytes(session: &Session) -> usize {
    session.max_payload_bytes() - 5
}

fn roles(own: Role) -> (Role, Role) {
    match own {
        Role::Initiator => (Role::Initiator, Role::Responder),
        Role::Responder => (Role::Responder, Role::Initiator),
    }
}

/// Who is at the other end, under the key that only the two have.
fn link_proof(pair_key: &[u8; 32], handshake_hash: &[u8; 32], role: Role) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(pair_key).expect("HMAC takes keys of any length");
    mac.update(PROOF_DOMAIN);
    mac.update(handshake_hash);
    mac.update(&[role as u8]);
    mac.finalize().into_bytes().into()
}
