//! Fragments on the way: what is on board of which body, what neighbours are asked for and asked of,
//! and how bodies end.
//!
//! Bodies are reconciled as wholes: an item of the reconciliation stands for a body and the very set
//! of its fragments on board. Where these differ, both sides name their fragments, and each
//! fetches what it lacks, a window at a time: so nothing comes twice, however many neighbours
//! have it, and whoever has no room for it says so before it is sent.

use super::acks::{TOMBSTONE_SLACK_MS, left_ms};
use super::links::WISH_MS;
use super::postmarks::Assay;
use super::{Fault, Node};
use crate::chat::State;
use crate::clock::Moment;
use crate::config::MIN_FRAGMENT_BYTES;
use crate::envelope::{
    BodyKey, BodyMark, Envelope, FragmentAck, MAX_LIFETIME_S, MIN_LIFETIME_S, Release,
};
use crate::link::bodies::{Offer, Piece, Walk};
use crate::link::frame::{BodyTraits, Frame, MAX_SHELVES, Shelf};
use crate::link::{LinkId, Session, Violation};
use crate::routing::{Bringer, Copy, Freight, Kind, Router, Tag};
use crate::store::{Carried, Durability, Proof, Standing, StoreError};
use crate::sync::Numbers;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What one neighbour is asked for at once, in bytes: enough to keep a fast link busy, little enough
/// to ask elsewhere when it ends.
const WINDOW_BYTES: usize = 256 * 1024;
/// A frame's numbers have room beside kind, body and traits.
const BESIDE_NUMBERS_BYTES: usize = 60;
/// Of 256 bodies, so many are taken as if they were for this node.
const DECOYS: u8 = 8;

/// What is to be fetched of an offer.
struct Lacking {
    count: usize,
    /// Whether it goes before what is only passed on: it is for this node, or seems to be.
    is_pull: bool,
}

impl Node {
    /// Names what is on board of these bodies, the most useful first: as they would be there, where
    /// they are new and halved once more.
    pub(super) fn announce_all(&mut self, now: Moment, link: LinkId, bodies: &[BodyKey]) {
        let outlook = self.outlook();
        let Some(peer) = self.links.get(&link).map(|session| self.peer(session)) else { return };
        let worth = |body: &BodyKey| {
            let holding = self.holdings.get(*body)?;
            let least = holding.generations.values().min()?;
            let halvings = least.saturating_add(self.config.router.halves().into());
            let there = Copy { taken: now.steady, ..holding.copy(halvings) };
            Some((outlook.appeal(&there, peer), *body))
        };
        let mut worthy: Vec<_> = bodies.iter().filter_map(worth).collect();
        worthy.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, body) in worthy {
            self.announce(now, link, body, None, false);
        }
    }

    /// Names what is on board of a body, but for what the neighbour has; `news`: of these alone.
    /// `is_handover`: it is offered whatever its copies.
    pub(super) fn announce(
        &mut self,
        now: Moment,
        link: LinkId,
        body: BodyKey,
        news: Option<&Numbers>,
        is_handover: bool,
    ) {
        let Some(holding) = self.holdings.get(body) else { return };
        let Some(session) = self.links.get(&link) else { return };
        let mut by_generation: BTreeMap<u8, Numbers> = BTreeMap::new();
        for (number, generation) in &holding.generations {
            let is_new = news.is_none_or(|news| news.contains(*number));
            if is_new && !session.bodies.has((body, *number)) {
                by_generation.entry(*generation).or_default().insert(*number);
            }
        }
        let may_entrust = self.may_entrust(session.neighbour);
        let (peer, outlook) = (self.peer(session), self.outlook());
        let room = numbers_room(session);
        let mut shelves = Vec::new();
        for (generation, numbers) in by_generation {
            let is_offered =
                is_handover || may_entrust && outlook.may_spread(&holding.copy(generation), peer);
            let shelf = |numbers| Shelf { generation, is_offered, numbers };
            shelves.extend(numbers.split(room).into_iter().map(shelf));
        }
        let mut traits = holding.traits.to_wire(now);
        traits.tag = self.mailboxes.are_used().then_some(holding.traits.tag);
        let Some(session) = self.links.get_mut(&link) else { return };
        push_shelves(session, body, traits, shelves);
    }

    /// What has come in since the last announcement; a link that is busy hears of it later, and at
    /// once.
    pub(super) fn announce_news(&mut self, now: Moment, link: LinkId) {
        while let Some((body, numbers)) =
            self.links.get_mut(&link).and_then(|session| session.bodies.pop_news())
        {
            self.announce(now, link, body, Some(&numbers), false);
        }
    }

    pub(super) fn receive_holding(
        &mut self,
        link: LinkId,
        body: BodyKey,
        traits: BodyTraits,
        shelves: Vec<Shelf>,
    ) -> Result<(), Fault> {
        if let Some(Proof::Body(release)) = self.store.release(body.mark())? {
            if let Some(session) = self.links.get_mut(&link) {
                session.push_held_ack(release.secret());
            }
            return Ok(());
        }
        let acked = self.store.fragment_acks(body)?;
        let is_pull = self.collects(body.mark())? || self.is_decoy(body);
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        for mut shelf in shelves {
            session.bodies.note_theirs(body, traits, &shelf.numbers);
            for &(number, ack) in &acked {
                if shelf.numbers.contains(number) {
                    shelf.numbers.remove(number);
                    session.bodies.push_ack((body, number), ack);
                }
            }
            if let Some(holding) = self.holdings.get(body) {
                for number in holding.generations.keys() {
                    shelf.numbers.remove(*number);
                }
            }
            if !shelf.numbers.is_empty() {
                session.bodies.push_offer(Offer { body, traits, shelf, is_pull });
            }
        }
        Ok(self.fetch_more(link)?)
    }

    /// A body turns out to be for this node: whoever is here and has any of it is asked.
    pub(super) fn fetch_body(&mut self, mark: BodyMark) -> Result<(), StoreError> {
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            if let Some(session) = self.links.get_mut(&link) {
                session.bodies.offer_again(mark);
            }
            self.fetch_more(link)?;
        }
        Ok(())
    }

    /// Asks the neighbour for what it has announced, until a window is on its way.
    pub(super) fn fetch_more(&mut self, link: LinkId) -> Result<(), StoreError> {
        if !self.carries_bulk(link) {
            return Ok(());
        }
        // It stands aside meanwhile, so that the rest of the node can be asked.
        let Some(mut session) = self.links.remove(&link) else { return Ok(()) };
        let result = self.fetch_window(link, &mut session);
        self.links.insert(link, session);
        result
    }

    fn fetch_window(&mut self, link: LinkId, session: &mut Session) -> Result<(), StoreError> {
        // In large steps: each costs a frame.
        let room = |is_pull| {
            let left = session.bodies.room_to_fetch(WINDOW_BYTES, is_pull);
            if left < WINDOW_BYTES / 2 { 0 } else { left }
        };
        let [mut others_left, mut pulls_left] = [room(false), room(true)];
        if !session.is_live() || pulls_left == 0 {
            return Ok(());
        }
        let until = self.clock.steady() + WISH_MS;
        let turn = self.rng.next_u32();
        let bringer = self.bringer(session.neighbour);
        let mut batches = Vec::new();
        let mut result = Ok(());
        session.bodies.walk_offers(|offer| {
            let left = if offer.is_pull { &mut pulls_left } else { &mut others_left };
            if *left == 0 {
                return Walk::Stop;
            }
            let (body, traits) = (offer.body, offer.traits);
            let Lacking { mut count, is_pull } = match self.lacking(offer, bringer) {
                Ok(Some(lacking)) => lacking,
                Ok(None) => {
                    offer.shelf.numbers = Numbers::default();
                    return Walk::On;
                }
                Err(error) => {
                    result = Err(error);
                    return Walk::Stop;
                }
            };
            // Whatever is claimed: many small ones would be a long list of wishes.
            let bytes = traits.fragment_bytes.max(MIN_FRAGMENT_BYTES) as usize;
            let mut batch = Numbers::default();
            // Everybody begins in another place: so different carriers bring different pieces.
            for number in offer.shelf.numbers.begun_at(turn) {
                if self.holdings.contains((body, number)) {
                    offer.shelf.numbers.remove(number);
                } else if *left < bytes || count == 0 {
                    break;
                } else if let Entry::Vacant(free) = self.fetching.entry((body, number)) {
                    free.insert(link);
                    *left -= bytes;
                    count -= 1;
                    offer.shelf.numbers.remove(number);
                    self.fetches.push_back((until, (body, number), link));
                    batch.insert(number);
                }
            }
            if !batch.is_empty() {
                batches.push((body, bytes as u32, is_pull, batch));
            }
            if *left < bytes { Walk::Stop } else { Walk::On }
        });
        for (body, bytes, is_pull, numbers) in batches {
            for number in numbers.iter() {
                session.bodies.note_fetching((body, number), bytes, is_pull);
            }
            for numbers in numbers.split(numbers_room(session)) {
                session.push_control(&Frame::Fetch { body, is_pull, numbers });
            }
        }
        result
    }

    /// How many fragments like these are to be fetched now; none where they are of no use: for this
    /// node all that it takes, for others what is offered, and worth its room.
    fn lacking(&mut self, offer: &Offer, bringer: Bringer) -> Result<Option<Lacking>, StoreError> {
        let (body, traits) = (offer.body, &offer.traits);
        if let Some(attachment) = self.collected(body.mark())?.filter(|a| a.blocks_left > 0) {
            let (needed, here) = (attachment.layout.needed() as usize, attachment.arrived as usize);
            let [first, last] = body.mark().bodies();
            let coming = self.fetching.range((first, 0)..=(last, u32::MAX)).count();
            // A few more than suffice, in case; and if they did not, a few more again.
            let spare = needed / 32 + 2;
            let lacking = (needed + spare).saturating_sub(here + coming);
            let count = if coming == 0 { lacking.max(spare) } else { lacking };
            return Ok(Some(Lacking { count, is_pull: true }));
        }
        let is_pull = self.is_decoy(body);
        let here = self.holdings.count(body);
        // One more than suffices opens nearly every block, should this be the only carrier.
        let enough = traits.needed as usize + 1;
        if !(offer.shelf.is_offered || is_pull) || here >= enough {
            return Ok(None);
        }
        let now = self.clock.steady();
        let mut copy = Copy {
            priority: traits.priority,
            tag: traits.tag.unwrap_or(Tag::NOBODYS),
            generation: offer.shelf.generation.saturating_add(1),
            born: now - i64::from(traits.age_s) * 1000,
            expires: now + i64::from(traits.left_s) * 1000,
            taken: now,
            size_bytes: u64::from(traits.needed) * u64::from(traits.fragment_bytes),
            is_fragment: true,
        };
        self.count_as_whole(&mut copy, body);
        let worth = self.outlook().worth(&copy);
        let (size_bytes, priority) = (traits.fragment_bytes.into(), traits.priority);
        if !self.admits(Freight { bringer, priority, size_bytes, kind: Kind::Fragment }, worth)? {
            return Ok(None);
        }
        let coming = self.fetching.range((body, 0)..=(body, u32::MAX)).count();
        Ok(Some(Lacking { count: enough.saturating_sub(here + coming), is_pull }))
    }

    /// Some bodies are taken that are offered to their recipients alone, so that taking them does not
    /// tell who that is.
    pub(super) fn is_decoy(&self, body: BodyKey) -> bool {
        let hash = Sha256::new()
            .chain_update(b"footpost/1 decoy")
            .chain_update(*self.epoch.link_secret)
            .chain_update(body.0)
            .finalize();
        self.config.router == Router::Carry && hash.first().is_some_and(|byte| *byte < DECOYS)
    }

    /// A fragment has come, or will not come: whoever brought it may be asked for more.
    pub(super) fn stop_fetching(&mut self, piece: Piece, link: LinkId) {
        if let Some(&asked) = self.fetching.get(&piece)
            && (asked == link || self.are_twins(asked, link))
        {
            self.fetching.remove(&piece);
            if let Some(session) = self.links.get_mut(&asked) {
                session.bodies.note_fetched(piece);
            }
        }
        if let Some(session) = self.links.get_mut(&link) {
            session.bodies.note_fetched(piece);
        }
    }

    /// Fetches that were not answered in time, or whose link is gone, are asked of others.
    pub(super) fn fetch_again(
        &mut self,
        now: Moment,
        lost: Option<LinkId>,
    ) -> Result<(), StoreError> {
        let mut is_any = false;
        while let Some((_, piece, link)) =
            self.fetches.pop_front_if(|(until, ..)| *until <= now.steady)
        {
            is_any |= self.fetching.get(&piece) == Some(&link);
            self.stop_fetching(piece, link);
        }
        if let Some(lost) = lost {
            let before = self.fetching.len();
            self.fetching.retain(|_, link| *link != lost);
            is_any |= self.fetching.len() < before;
        }
        if is_any {
            for link in self.links.keys().copied().collect::<Vec<_>>() {
                self.fetch_more(link)?;
            }
        }
        Ok(())
    }

    /// Serves each fragment once a link: a few bytes must not buy its airtime again and again.
    pub(super) fn receive_fetch(
        &mut self,
        link: LinkId,
        body: BodyKey,
        is_pull: bool,
        numbers: &Numbers,
    ) -> Result<(), Fault> {
        self.challenge(link)?;
        let Some(session) = self.links.get_mut(&link) else { return Ok(()) };
        let mut lacking = Numbers::default();
        for number in numbers.iter() {
            let piece = (body, number);
            let is_here = self.holdings.contains(piece);
            let turn = if is_here { session.bodies.note_served(piece) } else { None };
            // Thousands can be asked for in a few bytes: the store is asked only for what is here.
            let carried = match turn {
                Some(_) => self.store.fragment(body, number)?,
                None => None,
            };
            match (turn, carried) {
                (Some(turn), Some(carried)) => {
                    session.push_fragment(&carried, piece, is_pull, turn);
                }
                _ => drop(lacking.insert(number)),
            }
        }
        // A neighbour that asks and does not listen is left without an answer.
        if session.may_answer() {
            for numbers in lacking.split(numbers_room(session)) {
                session.push_control(&Frame::Lack { body, numbers });
            }
        }
        Ok(())
    }

    pub(super) fn receive_lack(
        &mut self,
        link: LinkId,
        body: BodyKey,
        numbers: &Numbers,
    ) -> Result<(), Fault> {
        for number in numbers.iter() {
            self.stop_fetching((body, number), link);
        }
        if let Some(session) = self.links.get_mut(&link) {
            session.bodies.forget(body, numbers);
        }
        Ok(self.fetch_more(link)?)
    }

    pub(super) fn receive_fragment_acks(
        &mut self,
        link: LinkId,
        body: BodyKey,
        acks: &[(u32, FragmentAck)],
    ) -> Result<(), Fault> {
        for &(number, ack) in acks {
            let Some(carried) = self.store.fragment(body, number)? else { continue };
            let Some(bytes) = self.bytes_of(&carried)? else { continue };
            let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
            if ack.fits(&envelope) {
                self.bury_fragment(&carried, ack, Some(link))?;
            }
        }
        Ok(())
    }

    /// Deletes an acknowledged fragment, and tells those who have it too.
    pub(super) fn bury_fragment(
        &mut self,
        fragment: &Carried,
        ack: FragmentAck,
        from: Option<LinkId>,
    ) -> Result<(), StoreError> {
        let Some(piece) = fragment.fragment else { return Ok(()) };
        let forget = fragment.expires + TOMBSTONE_SLACK_MS;
        self.tombstones += self.store.insert_fragment_tombstone(
            &fragment.id,
            piece,
            ack,
            fragment.postmark,
            forget,
        )?;
        self.bound_tombstones()?;
        self.remove_envelope(fragment)?;
        self.turnover.acknowledged += u64::from(fragment.standing == Standing::Foreign);
        if let Some(message) = fragment.message {
            self.store.count_arrived(message)?;
            self.progress_of_attachment(message)?;
        }
        for (link, session) in &mut self.links {
            if Some(*link) != from && session.is_live() && session.bodies.has(piece) {
                session.bodies.push_ack(piece, ack);
            }
        }
        Ok(())
    }

    /// `s` has come from a neighbour: if fragments of its body are on board, they go.
    pub(super) fn end_held_body(
        &mut self,
        now: Moment,
        link: LinkId,
        s: &[u8; 32],
    ) -> Result<(), StoreError> {
        let mark = BodyMark::of_secret(s);
        let Some(fragment) = self.store.fragments_of(mark)?.into_iter().next() else {
            return Ok(());
        };
        let Some(bytes) = self.bytes_of(&fragment)? else { return Ok(()) };
        let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
        match Release::new(&envelope, s) {
            Some(release) => self.end_body(now, mark, release, fragment.postmark, Some(link)),
            None => Ok(()),
        }
    }

    /// A body's end, by proof, whether or not any of it ever came by here.
    pub(super) fn apply_release(
        &mut self,
        now: Moment,
        link: LinkId,
        release: Release,
    ) -> Result<(), Fault> {
        let mark = release.mark();
        if self.store.release(mark)?.is_some() {
            return Ok(());
        }
        if !self.store.fragments_of(mark)?.is_empty() {
            return Ok(self.end_held_body(now, link, &release.secret())?);
        }
        let work = release.work_proof();
        self.check_gate(&work)?;
        let is_possible = (MIN_LIFETIME_S..=MAX_LIFETIME_S).contains(&release.lifetime_s());
        let id = release.fragment_id();
        let is_genuine = || release.is_genuine(&id);
        if !is_possible || !self.store.is_signed(id, release.signature(), is_genuine) {
            return Err(Violation::Forged("end of a body").into());
        }
        let left_ms = left_ms(now, release.created(), release.lifetime_s());
        if left_ms + TOMBSTONE_SLACK_MS <= 0 {
            return Ok(());
        }
        let own = self.store.attachment_by_mark(mark)?;
        let mut postmark = None;
        // One's own late acknowledgement is charged to nobody, and never turned away.
        if own.is_none() {
            let Assay::Paid(charge) = self.assay(now, &work, release.created(), false)? else {
                return Ok(());
            };
            if !self.may_charge(charge, 0)? {
                return Ok(());
            }
            postmark = Some(charge.row);
        }
        Ok(self.end_body(now, mark, release, postmark, Some(link))?)
    }

    /// The body has arrived whole: all that is left of it goes, everywhere.
    pub(super) fn end_body(
        &mut self,
        now: Moment,
        mark: BodyMark,
        release: Release,
        postmark: Option<crate::store::PostmarkRow>,
        from: Option<LinkId>,
    ) -> Result<(), StoreError> {
        let fragments = self.store.fragments_of(mark)?;
        if fragments.iter().any(|fragment| fragment.standing != Standing::Foreign) {
            self.store.require(Durability::Power)?;
        }
        let left_ms = left_ms(now, release.created(), release.lifetime_s());
        self.ack_ages.bodies.add(i64::from(release.lifetime_s()) * 1000 - left_ms);
        let forget = now.steady + left_ms.max(0) + TOMBSTONE_SLACK_MS;
        let s = release.secret();
        self.entomb(&mark.release_id(), Some(&Proof::Body(release)), None, postmark, forget)?;
        for fragment in &fragments {
            self.remove_envelope(fragment)?;
            self.turnover.acknowledged += u64::from(fragment.standing == Standing::Foreign);
        }
        self.tombstones -= self.store.forget_fragment_acks(mark)?;
        if let Some(attachment) = self.store.attachment_by_mark(mark)? {
            self.store.destroy_body_secret(attachment.message)?;
            let is_own = self.store.message(attachment.message)?.is_some_and(|row| row.outgoing);
            if is_own {
                self.store.require(Durability::Power)?;
                self.store.set_whole(attachment.message)?;
                self.progress(now, attachment.message, State::Delivered)?;
                self.recall(attachment.message, from)?;
            }
        }
        for (link, session) in &mut self.links {
            if Some(*link) != from && session.is_live() {
                session.push_held_ack(s);
            }
        }
        Ok(())
    }

    /// Tells every other neighbour of a fragment that has come, once its link has nothing better to
    /// do.
    pub(super) fn offer_fragment(&mut self, piece: Piece, from: Option<LinkId>) {
        for (link, session) in &mut self.links {
            if Some(*link) != from && session.is_live() {
                session.bodies.push_news(piece);
            }
        }
    }
}

fn numbers_room(session: &Session) -> usize {
    session.max_payload_bytes().saturating_sub(BESIDE_NUMBERS_BYTES)
}

/// As many frames as it takes.
fn push_shelves(session: &mut Session, body: BodyKey, traits: BodyTraits, shelves: Vec<Shelf>) {
    let mut frame = Vec::new();
    let mut room = numbers_room(session);
    for shelf in shelves {
        let bytes = shelf.numbers.encoded_bytes() + 2;
        if !frame.is_empty() && (bytes > room || frame.len() == MAX_SHELVES) {
            let shelves = std::mem::take(&mut frame);
            session.push_control(&Frame::Holding { body, traits, shelves });
            room = numbers_room(session);
        }
        room = room.saturating_sub(bytes);
        frame.push(shelf);
    }
    if !frame.is_empty() {
        session.push_control(&Frame::Holding { body, traits, shelves: frame });
    }
}
