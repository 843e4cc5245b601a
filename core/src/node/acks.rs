//! Acknowledgements: what ends an envelope's journey, everywhere.

use super::intake::CLOCK_SLACK_MS;
use super::postmarks::Assay;
use super::{Fault, Node};
use crate::chat::{MessageId, State};
use crate::clock::Moment;
use crate::envelope::{Ack, AckProof, Envelope, MAX_LIFETIME_S, MIN_LIFETIME_S};
use crate::link::{LinkId, Violation};
use crate::store::{
    Carried, Durability, PostmarkRow, Proof, Standing, SteadyMs, StoreError, Tombstone,
};
use crate::time::Timestamp;

/// How long a tombstone stands after its envelope's end: longer than any replay is accepted.
pub(super) const TOMBSTONE_SLACK_MS: i64 = 2 * CLOCK_SLACK_MS as i64;
/// Tombstones are small: as many envelopes' worth of them are kept as this.
const TOMBSTONES_PER_ENVELOPE: u64 = 4;
/// In this part of its life at the end, a letter's acknowledgement is late.
const LATE_PART: i64 = 4;

impl Node {
    /// Acknowledges by `r` whatever envelope here it fits. Where none is held it proves nothing, and
    /// is dropped.
    pub(super) fn apply_ack(
        &mut self,
        now: Moment,
        link: LinkId,
        r: [u8; 32],
    ) -> Result<(), StoreError> {
        let ack = Ack(r);
        let commitment = ack.commitment();
        let fitting = self.store.envelopes_by_commitment(&commitment)?;
        if fitting.iter().any(|carried| carried.fragment.is_some()) {
            self.end_held_body(now, link, &r)?;
        }
        // Others can make a fragment that seems to fit: it must not shield a letter.
        for carried in fitting.iter().filter(|carried| carried.fragment.is_none()) {
            let Some(bytes) = self.store.envelope_bytes(carried.row)? else { continue };
            let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
            if envelope.commitment() == commitment {
                self.bury(now, carried, &AckProof::new(&envelope, &ack), Some(link))?;
            }
        }
        Ok(())
    }

    /// Acknowledges by proof, whether or not the envelope ever came by here.
    pub(super) fn apply_proof(
        &mut self,
        now: Moment,
        link: LinkId,
        proof: &AckProof,
    ) -> Result<(), Fault> {
        let id = proof.claimed_id();
        if self.store.envelope(&id)?.is_some() {
            // The signature that came along may be anything: the proof that is passed on is made
            // from the envelope itself.
            return Ok(self.apply_ack(now, link, proof.ack().0)?);
        }
        let tombstone = self.store.tombstone(&id)?;
        // Who has learned of it early takes a late one into the set all the same: else neighbours would
        // tell it at each meeting.
        let is_known = tombstone.as_ref().is_some_and(|tombstone| tombstone.proof.is_some());
        let is_to_tell = tombstone.as_ref().is_some_and(|tombstone| {
            matches!(tombstone.proof, Some(Proof::Ack(_)))
                && self.is_told(&Proof::Letter(proof.clone()), tombstone.forget)
        });
        if is_known && !is_to_tell {
            return Ok(());
        }
        let lifetime_s = proof.lifetime_s();
        let is_possible = (MIN_LIFETIME_S..=MAX_LIFETIME_S).contains(&lifetime_s);
        let work = proof.work_proof();
        self.check_gate(&work)?;
        let is_genuine = || proof.verify().is_some();
        if !is_possible || !self.store.is_signed(id, proof.signature(), is_genuine) {
            return Err(Violation::Forged("acknowledgement").into());
        }
        let created = proof.created();
        // What is past by the calendar, or never had one, needs no vaccine: neighbours would teach it
        // to each other for ever.
        let forget = now.steady + left_ms(now, created, lifetime_s) + TOMBSTONE_SLACK_MS;
        if forget <= now.steady {
            return Ok(());
        }
        // One's own late acknowledgement is charged to nobody, and never turned away.
        let is_own = tombstone.as_ref().is_some_and(|tombstone| tombstone.message.is_some());
        let mut postmark = None;
        if !is_own {
            let Assay::Paid(charge) = self.assay(now, &work, created, false)? else {
                return Ok(());
            };
            if tombstone.is_none() && !self.may_charge(charge, 0)? {
                return Ok(());
            }
            postmark = Some(charge.row);
        }
        self.entomb(&id, Some(&Proof::Letter(proof.clone())), None, postmark, forget)?;
        if is_known {
            return Ok(());
        }
        if let Some(message) = tombstone.and_then(|tombstone| tombstone.message) {
            self.store.require(Durability::Power)?;
            self.progress(now, message, State::Delivered)?;
            self.recall(message, Some(link))?;
        }
        self.spread(proof, Some(link));
        Ok(())
    }

    /// Deletes an acknowledged envelope, keeps the proof, and passes the word on.
    pub(super) fn bury(
        &mut self,
        now: Moment,
        envelope: &Carried,
        proof: &AckProof,
        from: Option<LinkId>,
    ) -> Result<(), StoreError> {
        if envelope.standing != Standing::Foreign {
            self.store.require(Durability::Power)?;
        }
        let forget = envelope.expires + TOMBSTONE_SLACK_MS;
        let buried = Proof::Letter(proof.clone());
        self.entomb(&envelope.id, Some(&buried), None, envelope.postmark, forget)?;
        self.remove_envelope(envelope)?;
        self.ack_ages.letters.add(now.steady - envelope.born);
        self.turnover.acknowledged += u64::from(envelope.standing == Standing::Foreign);
        if let Some(message) = envelope.message {
            self.credit_carrier(message)?;
            // With an attachment it is delivered once that is whole.
            let is_manifest = self.store.attachment(message)?.is_some_and(|a| a.secret.is_some());
            if !is_manifest {
                self.progress(now, message, State::Delivered)?;
            }
            self.recall(message, from)?;
            if let Some(row) = self.store.message(message)? {
                if let Some(sequence) = row.card_sequence {
                    self.store.set_contact_holds(row.contact, sequence)?;
                }
                if let Some(number) = row.statement {
                    self.store.set_contact_holds_statement(row.contact, number)?;
                }
            }
        }
        self.spread(proof, from);
        Ok(())
    }

    /// `message` is the own message that has expired: a late acknowledgement still counts.
    pub(super) fn entomb(
        &mut self,
        id: &crate::EnvelopeId,
        proof: Option<&Proof>,
        message: Option<MessageId>,
        postmark: Option<PostmarkRow>,
        forget: i64,
    ) -> Result<(), StoreError> {
        let is_told = proof.is_some_and(|proof| self.is_told(proof, forget));
        let short = proof.filter(|_| !is_told).and_then(Proof::letter_ack).map(Proof::Ack);
        let proof = short.as_ref().or(proof);
        self.tombstones +=
            self.store.insert_tombstone(id, proof, message, postmark, forget, is_told)?;
        self.bound_tombstones()
    }

    /// Whether everybody is told of this end. Of a letter those are who hold it; only late in its life all
    /// others too, as its writer may hold it no more.
    fn is_told(&self, proof: &Proof, forget: SteadyMs) -> bool {
        let Proof::Letter(proof) = proof else { return true };
        let left_ms = forget - TOMBSTONE_SLACK_MS - self.clock.steady();
        let is_late = left_ms < i64::from(proof.lifetime_s()) * 1000 / LATE_PART;
        is_late || self.config.router.vaccinates()
    }

    pub(super) fn bound_tombstones(&mut self) -> Result<(), StoreError> {
        let max = self.config.max_carried_envelopes.saturating_mul(TOMBSTONES_PER_ENVELOPE);
        if self.tombstones > max.max(TOMBSTONES_PER_ENVELOPE) {
            // In one sweep, so that a flood does not pay for each.
            self.tombstones -= self.store.forget_soonest_tombstones(self.tombstones / 16 + 1)?;
        }
        Ok(())
    }

    /// When an envelope whose age ran out here has ended beyond doubt. An age is a carrier's word: by
    /// the calendar it is over when that says so, and where there is none once a whole lifetime more
    /// has passed.
    pub(super) fn certain_end(
        &self,
        now: Moment,
        expired: &Carried,
    ) -> Result<SteadyMs, StoreError> {
        let is_others = matches!(expired.standing, Standing::Foreign | Standing::Bulletin);
        let bytes = if is_others { self.store.envelope_bytes(expired.row)? } else { None };
        let Some(bytes) = bytes else { return Ok(expired.expires) };
        let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
        let (created, life_ms) = (envelope.created(), i64::from(envelope.lifetime_s()) * 1000);
        let latest = expired.expires + life_ms;
        if !now.wall.is_plausible() || !created.is_plausible() {
            return Ok(latest);
        }
        let left_ms = created.0 as i64 + life_ms - now.wall.0 as i64;
        Ok((now.steady + left_ms).clamp(expired.expires, latest))
    }
}

/// How long what was created then still lives by the calendar, in milliseconds; negative where it is
/// past. A clock that was never set knows nothing of calendars.
pub(super) fn left_ms(now: Moment, created: Timestamp, lifetime_s: u32) -> i64 {
    let life_ms = i64::from(lifetime_s) * 1000;
    if now.wall.is_plausible() {
        (created.0 as i64 + life_ms - now.wall.0 as i64).min(life_ms)
    } else {
        life_ms
    }
}

/// Whether a copy of what lies there is refused: it is acknowledged, or is over beyond doubt. Before
/// that the tombstone is charged to its postmark, and no more.
pub(super) fn bars(tombstone: &Tombstone, now: SteadyMs) -> bool {
    tombstone.proof.is_some() || tombstone.forget <= now + TOMBSTONE_SLACK_MS
}
