//! Postmarks: minting one's own, and judging those of others.

use super::{Fault, Node};
use crate::chat::{ContactId, SendError, State};
use crate::clock::Moment;
use crate::envelope::{
    Body, Difficulty, Envelope, MAX_ENVELOPE_BYTES, Minting, Postmark, WorkProof, Workbench,
};
use crate::event::Event;
use crate::link::Violation;
use crate::routing::letter_size_bytes;
use crate::store::{Durability, OwnPostmark, PostmarkRow, SteadyMs, Store, StoreError, Verdict};
use crate::time::{DAY_MS, Timestamp};
use std::collections::BTreeMap;

/// Own postmarks of a day: conversations share them out.
const A_DAY: usize = 3;
/// Tomorrow's are minted from this long before midnight.
const AHEAD_MS: u64 = 6 * 60 * 60 * 1000;

/// What one postmark pays for: envelopes on board and tombstones together.
pub const MAX_ENVELOPES_PER_POSTMARK: u64 = 256;
const MAX_ITEMS: u64 = MAX_ENVELOPES_PER_POSTMARK;
/// The same in bytes of envelopes held.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// All postmarks of nodes whose clock was never set count as so many, together: their work buys no
/// day, and could be saved up.
const UNDATED_SHARES: u64 = 16;

/// Checks of new postmarks that may come at once, and as many again each day.
const CHECKS: i64 = 10_000;
const CHECK_MS: i64 = DAY_MS as i64 / CHECKS;
/// Verdicts kept beyond those in use.
const MAX_VERDICTS: u64 = 65_536;
/// Postmarks of which is remembered what is charged to them.
const MAX_CHARGED: usize = 4096;

/// How many fragments of this length one postmark pays for.
pub(super) fn paid_by_one(fragment_bytes: u64) -> u64 {
    MAX_ITEMS.min(MAX_BYTES / fragment_bytes.max(1))
}

/// A node's own postmarks, and its means to judge others'.
pub(super) struct Postmarks {
    own: Vec<OwnPostmark>,
    bench: Workbench,
    verdicts: u64,
    /// Items and bytes that are charged to postmarks, at most: counting them anew for each item would
    /// cost more than keeping it.
    charged: BTreeMap<PostmarkRow, (u64, u64)>,
    /// Bytes of letters that have come under each, as far as this is remembered.
    letters: BTreeMap<PostmarkRow, u64>,
    /// When the verdicts are swept next.
    sweep_at: u64,
    /// Whether a bulletin waits for one.
    needs_unused: bool,
    /// Whether a body waits for one that pays for all of it.
    lacks_room: bool,
    /// Whether they are minted before anybody needs them.
    ahead: bool,
    /// The steady time at which the budget would have been empty: see [`Postmarks::spend`].
    empty_at: Option<SteadyMs>,
}

/// What a carrier makes of a proof of work.
#[derive(Debug, Clone, Copy)]
pub(super) enum Assay {
    /// Paid, and this is what it is charged to.
    Paid(Charge),
    /// Nobody's fault: no more new postmarks are looked at for now.
    Later,
}

/// What an item is charged to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    pub(super) row: PostmarkRow,
    shares: u64,
}

impl Postmarks {
    pub(super) fn load(store: &Store, difficulty: Difficulty) -> Result<Self, StoreError> {
        let (mut own, bench) = (store.own_postmarks()?, Workbench::with(difficulty));
        // From a time when the network asked for less: it would end links now.
        own.retain(|own| {
            let key = own.postmark.public_key();
            let proof = WorkProof::new(&key, own.day, own.postmark.nonce());
            !own.is_minted || bench.passes_gate(&proof)
        });
        Ok(Self {
            own,
            bench,
            verdicts: store.verdict_count()?,
            charged: BTreeMap::new(),
            letters: BTreeMap::new(),
            sweep_at: MAX_VERDICTS,
            needs_unused: false,
            lacks_room: false,
            ahead: true,
            empty_at: None,
        })
    }

    /// A letter has come under this postmark.
    pub(super) fn note_letter(&mut self, row: PostmarkRow, size_bytes: u64) {
        if self.letters.len() >= MAX_CHARGED {
            self.letters.clear();
        }
        *self.letters.entry(row).or_default() += size_bytes;
    }

    /// What a letter counts as beside the others of its postmark.
    pub(super) fn letter_size_bytes(&self, row: PostmarkRow, size_bytes: u64) -> u64 {
        letter_size_bytes(size_bytes, self.letters.get(&row).copied().unwrap_or_default())
    }

    /// How many own postmarks are minted and not used up, of `day` and of the next.
    pub(super) fn ready(&self, day: u32) -> [usize; 2] {
        [day, day.saturating_add(1)].map(|day| self.usable(day).count())
    }

    fn usable(&self, day: u32) -> impl Iterator<Item = &OwnPostmark> {
        self.minted(day).filter(|own| {
            own.envelopes < MAX_ITEMS && own.bytes + MAX_ENVELOPE_BYTES as u64 <= MAX_BYTES
        })
    }

    fn minted(&self, day: u32) -> impl Iterator<Item = &OwnPostmark> {
        self.own.iter().filter(move |own| own.day == day && own.is_minted)
    }

    /// One that has room for so much more.
    fn roomy(&self, day: u32, envelopes: u64, bytes: u64) -> Option<Postmark> {
        self.minted(day)
            .find(|own| own.envelopes + envelopes <= MAX_ITEMS && own.bytes + bytes <= MAX_BYTES)
            .map(|own| own.postmark.clone())
    }

    /// The day of the next minting, if there is one.
    fn wanted(&self, now: Timestamp) -> Option<u32> {
        let lacks = |day: u32| {
            ((self.needs_unused || self.lacks_room) && day == now.day())
                || self.ahead && self.minted(day).count() < A_DAY
                || (self.ahead || day == now.day()) && self.usable(day).next().is_none()
        };
        let (today, tomorrow) = (now.day(), Timestamp(now.0.saturating_add(AHEAD_MS)).day());
        [today, tomorrow].into_iter().find(|day| lacks(*day))
    }

    /// A bucket that holds [`CHECKS`] and gains one every [`CHECK_MS`].
    fn spend(&mut self, now: SteadyMs) -> bool {
        let full = now - CHECKS * CHECK_MS;
        let after = self.empty_at.map_or(full, |at| at.max(full)) + CHECK_MS;
        let may = after <= now;
        if may {
            self.empty_at = Some(after);
        }
        may
    }
}

impl Node {
    /// What to mint next, if anything: a search to be run where nobody waits for it, on a thread of
    /// low priority, a slice at a time. After some slices, and when it is done, it is handed to
    /// [`Node::handle_minting`]. One at a time.
    ///
    /// What is in the making is durable when this returns.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn next_minting(&mut self, now: Timestamp) -> Result<Option<Minting>, StoreError> {
        let difficulty = self.postmarks.bench.difficulty();
        if difficulty.is_none() {
            return Ok(None);
        }
        let Some(day) = self.postmarks.wanted(now) else { return Ok(None) };
        let is_begun = |own: &OwnPostmark| own.day == day && !own.is_minted;
        if !self.postmarks.own.iter().any(is_begun) {
            self.whole(|node| {
                node.begin(now, Durability::Process)?;
                node.insert_own_postmark(day, false)?;
                node.store.commit()
            })?;
        }
        Ok(self
            .postmarks
            .own
            .iter()
            .find(|own| is_begun(own))
            .map(|own| Minting::resume(difficulty, own.postmark.clone(), own.day, own.next_nonce)))
    }

    /// Whether postmarks are minted before anybody needs them, as they are unless this is set: three
    /// a day, and tomorrow's today. Otherwise one is kept ready, which saves a battery; letters to
    /// different contacts are then paid by the same.
    pub fn set_minting_ahead(&mut self, ahead: bool) {
        self.postmarks.ahead = ahead;
    }

    /// Takes down how far a minting has come, so that no restart loses it; one that is done lets
    /// waiting messages go.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn handle_minting(&mut self, now: Timestamp, minting: &Minting) -> Result<(), StoreError> {
        self.whole(|node| {
            let at = node.begin(now, Durability::Process)?;
            let key = minting.postmark.public_key();
            // The clock may have been set meanwhile: then it is of no use any more.
            let own = node.postmarks.own.iter_mut().find(|own| {
                !own.is_minted && own.day == minting.day && own.postmark.public_key() == key
            });
            let Some(own) = own else { return Ok(()) };
            own.next_nonce = minting.next;
            own.is_minted = minting.is_done();
            own.postmark = minting.postmark.clone();
            node.store.update_own_postmark(own)?;
            if minting.is_done() {
                node.events.push_back(Event::PostmarkMinted);
                node.tell_device_before(at)?;
                node.seal_waiting(at)?;
            }
            Ok(())
        })
    }

    /// A postmark for a message to `contact`; none where it must be minted first.
    pub(super) fn postmark_for(
        &mut self,
        now: Timestamp,
        contact: ContactId,
    ) -> Result<Option<Postmark>, StoreError> {
        self.mint_free_of_work(now)?;
        let day = now.day();
        let usable: Vec<_> = self.postmarks.usable(day).collect();
        let turn = (contact.0.unsigned_abs() as usize).checked_rem(usable.len());
        Ok(turn.and_then(|turn| usable.get(turn)).map(|own| own.postmark.clone()))
    }

    /// One postmark for all of a body, so long in all: carriers then know it as one. None where it must
    /// be minted first.
    pub(super) fn postmark_for_body(
        &mut self,
        now: Timestamp,
        fragments: u64,
        size_bytes: u64,
    ) -> Result<Option<Postmark>, StoreError> {
        let day = now.day();
        self.postmarks.lacks_room = self.postmarks.roomy(day, fragments, size_bytes).is_none();
        self.mint_free_of_work(now)?;
        let found = self.postmarks.roomy(day, fragments, size_bytes);
        self.postmarks.lacks_room = found.is_none();
        Ok(found)
    }

    /// Where postmarks cost no work, they are there when they are wanted.
    fn mint_free_of_work(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let day = now.day();
        if self.postmarks.bench.difficulty().is_none() && self.postmarks.wanted(now) == Some(day) {
            let is_inside = self.store.is_open();
            self.whole(|node| {
                node.begin(now, Durability::Process)?;
                node.insert_own_postmark(day, true)?;
                if is_inside { Ok(()) } else { node.store.commit() }
            })?;
        }
        Ok(())
    }

    /// Takes a postmark for one bulletin, and nothing else: by letters under it everybody would know who
    /// wrote them. None where it must be minted first.
    pub(super) fn take_unused_postmark(
        &mut self,
        now: Moment,
    ) -> Result<Option<Postmark>, StoreError> {
        if self.postmarks.bench.difficulty().is_none() {
            return Ok(Some(Postmark::generate(&mut *self.rng)));
        }
        let is_unused =
            |own: &OwnPostmark| own.day == now.wall.day() && own.is_minted && own.envelopes == 0;
        let unused = self.postmarks.own.iter().rposition(is_unused);
        self.postmarks.needs_unused = unused.is_none();
        let Some(at) = unused else { return Ok(None) };
        let own = self.postmarks.own.remove(at);
        self.store.delete_own_postmark(&own)?;
        Ok(Some(own.postmark))
    }

    /// Whether a bulletin may be charged: a postmark pays for one on board.
    pub(super) fn may_charge_bulletin(&self, charge: Charge) -> Result<bool, StoreError> {
        Ok(self.store.bulletins_paid_by(charge.row)? < charge.shares)
    }

    /// A postmark has signed an own envelope.
    pub(super) fn count_use(&mut self, envelope: &Envelope<'_>) -> Result<(), StoreError> {
        let key = envelope.postmark_key();
        let own = self.postmarks.own.iter_mut().find(|own| own.postmark.public_key() == key);
        let Some(own) = own else { return Ok(()) };
        own.envelopes += 1;
        own.bytes += envelope.as_bytes().len() as u64;
        self.store.update_own_postmark(own)
    }

    /// Seals what was written while no postmark was ready, as far as they last now.
    pub(super) fn seal_waiting(&mut self, now: Moment) -> Result<(), StoreError> {
        self.publish_waiting(now)?;
        for (id, priority) in self.store.unsealed()? {
            let row = self.store.message(id)?.ok_or(StoreError::Corrupt)?;
            let Some(postmark) = self.postmark_for(now.wall, row.contact)? else { break };
            self.store.delete_unsealed(id)?;
            let body = Body::parse(row.kind, &row.content).map_err(|_| StoreError::Corrupt)?;
            let manifest = self.manifest_of(id)?;
            let (to, what) = (row.contact, (&body, manifest.as_ref()));
            match self.compose(now.wall, to, row.uuid, what, priority, &postmark) {
                Ok(composed) => {
                    let card = composed.card_sequence();
                    let statement = composed.statement;
                    self.store.set_sealed(id, composed.protection(), card, statement)?;
                    self.launch(now, composed, id, row.contact)?;
                }
                Err(SendError::Store(error)) => return Err(error),
                // Their card has expired meanwhile: it will go nowhere.
                Err(_) => self.progress(now, id, State::Expired)?,
            }
        }
        // Whatever waited for one may be gone: it is found anew, lest postmarks be minted for nobody.
        self.postmarks.lacks_room = false;
        for message in self.store.unsealed_attachments()? {
            self.seal_fragments(now, message)?;
        }
        Ok(())
    }

    /// A new day: yesterday's postmarks are of no use but to a thief.
    pub(super) fn turn_postmarks(&mut self, now: Moment) -> Result<(), StoreError> {
        let day = now.wall.day();
        self.store.delete_own_postmarks_but_of(day)?;
        self.postmarks.own.retain(|own| (day..=day.saturating_add(1)).contains(&own.day));
        self.seal_waiting(now)
    }

    fn insert_own_postmark(&mut self, day: u32, is_minted: bool) -> Result<(), StoreError> {
        let postmark = Postmark::generate(&mut *self.rng);
        let (row, next_nonce, envelopes, bytes) = (0, 0, 0, 0);
        let mut own = OwnPostmark { row, day, postmark, is_minted, next_nonce, envelopes, bytes };
        own.row = self.store.insert_own_postmark(&own)?;
        self.postmarks.own.push(own);
        Ok(())
    }

    /// The cheap half of judging a postmark: what fails it was never paid for.
    pub(super) fn check_gate(&self, proof: &WorkProof) -> Result<(), Violation> {
        let passes = self.postmarks.bench.passes_gate(proof);
        if passes { Ok(()) } else { Err(Violation::Forged("postmark")) }
    }

    /// The dear half, once a proof, within the budget unless `is_urgent`. `created` is when the
    /// postmark's envelope was made.
    pub(super) fn assay(
        &mut self,
        now: Moment,
        proof: &WorkProof,
        created: Timestamp,
        is_urgent: bool,
    ) -> Result<Assay, Fault> {
        let verdict = match self.store.verdict(proof)? {
            Some(verdict) => verdict,
            None if self.postmarks.spend(now.steady) || is_urgent => {
                let is_paid = self.postmarks.bench.is_paid(proof);
                self.remember_verdict(proof, is_paid)?
            }
            None => return Ok(Assay::Later),
        };
        if !verdict.is_paid {
            return Err(Violation::Forged("postmark").into());
        }
        if now.wall.is_plausible() && !created.is_plausible() {
            return Ok(Assay::Paid(self.undated()?));
        }
        Ok(Assay::Paid(Charge { row: verdict.row, shares: 1 }))
    }

    fn remember_verdict(
        &mut self,
        proof: &WorkProof,
        is_paid: bool,
    ) -> Result<Verdict, StoreError> {
        if self.postmarks.verdicts >= self.postmarks.sweep_at {
            // In one sweep, so that a flood does not pay for each.
            self.postmarks.verdicts -= self.store.forget_verdicts(MAX_VERDICTS / 16)?;
            self.postmarks.charged.clear();
            let next = self.postmarks.verdicts + MAX_VERDICTS / 16;
            self.postmarks.sweep_at = next.max(MAX_VERDICTS);
        }
        self.postmarks.verdicts += 1;
        self.store.insert_verdict(proof, is_paid)
    }

    fn undated(&mut self) -> Result<Charge, StoreError> {
        // No proof hashes to this.
        let common = WorkProof([0; 32]);
        let verdict = match self.store.verdict(&common)? {
            Some(verdict) => verdict,
            None => self.remember_verdict(&common, true)?,
        };
        Ok(Charge { row: verdict.row, shares: UNDATED_SHARES })
    }

    /// Whether one more item of `size_bytes` may be charged, which then counts as charged: zero bytes for
    /// a tombstone.
    pub(super) fn may_charge(
        &mut self,
        charge: Charge,
        size_bytes: u64,
    ) -> Result<bool, StoreError> {
        let Charge { row, shares } = charge;
        let fits = |(items, bytes): (u64, u64)| {
            items < MAX_ITEMS * shares && bytes + size_bytes <= MAX_BYTES * shares
        };
        let (items, bytes) = match self.postmarks.charged.get(&row) {
            Some(most) if fits(*most) => *most,
            // Some of it may be gone meanwhile.
            _ => self.store.charged(row)?,
        };
        if self.postmarks.charged.len() >= MAX_CHARGED {
            self.postmarks.charged.clear();
        }
        let may = fits((items, bytes));
        let after = if may { (items + 1, bytes + size_bytes) } else { (items, bytes) };
        self.postmarks.charged.insert(row, after);
        Ok(may)
    }
}

#[cfg(test)]
mod tests;
