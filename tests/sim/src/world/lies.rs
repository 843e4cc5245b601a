//! What is true: against it is held what people get to read, and what honest phones delete.

use super::World;
use crate::air::Purpose;
use crate::fleet;
use crate::liars::Lie;
use crate::report::Attempts;
use footpost_core::{EnvelopeId, LinkId, Message, Stats, StoreError, Turnover};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What only somebody knows who sees all.
#[derive(Default)]
pub(super) struct Truth {
    /// The messages behind envelopes, and whether these are fragments.
    letters: BTreeMap<EnvelopeId, (usize, bool)>,
    /// Fragments that their readers have.
    arrived: BTreeSet<EnvelopeId>,
    boards: BTreeMap<usize, Board>,
}

/// Which of these envelopes a phone had on board when it was last looked at, and what has come since; but
/// for the fragments that were sealed there.
#[derive(Default)]
struct Board {
    ids: BTreeSet<EnvelopeId>,
    losses: [u64; 5],
}

/// An honest phone, before a frame that may lie.
pub(super) struct Before {
    lie: Option<Lie>,
    taken: u64,
    acknowledged: u64,
    tombstones: u64,
    is_ack: bool,
}

impl World {
    /// Which message of the workload somebody has got, if it is what its author wrote to them, and for the
    /// first time.
    pub(super) fn check(
        &mut self,
        person: usize,
        message: &Message,
        are_fragments: bool,
    ) -> Option<(usize, bool)> {
        let receiver = &mut self.people[person];
        // What strangers write, they write under names that nobody knows.
        let writer = receiver.person_of(message.contact)?;
        let named = fleet::number_of(&message.body);
        let is_true = named.is_some_and(|(number, is_in_fragments)| {
            self.scenario.messages.get(number).is_some_and(|sent| {
                let is_whole = is_in_fragments == are_fragments;
                (sent.from, sent.to) == (writer, person)
                    && (!is_whole || receiver.shows(message, number, sent.size_bytes))
                    && receiver.read.insert((number, are_fragments))
            })
        });
        self.figures.falsified += u64::from(!is_true);
        named.filter(|_| is_true)
    }

    /// Somebody has written: what their phone has on board since belongs to the message.
    pub(super) fn note_letters(&mut self, person: usize, number: usize) -> Result<(), StoreError> {
        if self.figures.lies.is_none() {
            return Ok(());
        }
        for (id, is_fragment) in self.people[person].own_envelopes()? {
            if let Entry::Vacant(free) = self.truth.letters.entry(id) {
                free.insert((number, is_fragment));
                if !is_fragment {
                    self.truth.boards.entry(person).or_default().ids.insert(id);
                }
            }
        }
        Ok(())
    }

    pub(super) fn note_arrival(&mut self, person: usize, id: EnvelopeId) {
        let Some((number, _)) = self.truth.letters.get(&id) else { return };
        self.truth.boards.entry(person).or_default().ids.insert(id);
        if self.scenario.messages.get(*number).is_some_and(|sent| sent.to == person) {
            self.truth.arrived.insert(id);
        }
    }

    /// Looks at an honest phone that is about to be lied to, or to hear what may come of a lie.
    pub(super) fn look_at(
        &mut self,
        person: usize,
        purpose: Purpose,
        lie: Option<Lie>,
    ) -> Result<Option<Before>, StoreError> {
        let honest = &self.people[person];
        let is_ack = purpose == Purpose::Ack;
        if self.figures.lies.is_none() || honest.liar.is_some() || !(is_ack || lie.is_some()) {
            return Ok(None);
        }
        let stats = honest.node.stats();
        if is_ack {
            self.take_gone(person)?;
        }
        Ok(Some(Before {
            lie,
            taken: stats.turnover.taken,
            acknowledged: stats.turnover.acknowledged,
            tombstones: stats.tombstones,
            is_ack,
        }))
    }

    /// Which envelopes a phone has no more since this was last asked.
    fn take_gone(&mut self, person: usize) -> Result<Vec<EnvelopeId>, StoreError> {
        let Some(board) = self.truth.boards.get_mut(&person) else { return Ok(Vec::new()) };
        let node = &mut self.people[person].node;
        let losses = losses(&node.stats());
        let mut gone = Vec::new();
        if std::mem::replace(&mut board.losses, losses) == losses {
            return Ok(gone);
        }
        for id in &board.ids {
            if node.envelope(id)?.is_none() {
                gone.push(*id);
            }
        }
        for id in &gone {
            board.ids.remove(id);
        }
        Ok(gone)
    }

    /// What has become of it.
    pub(super) fn judge(&mut self, person: usize, before: &Before) -> Result<(), StoreError> {
        let stats = self.people[person].node.stats();
        let gone = if before.is_ack { self.take_gone(person)? } else { Vec::new() };
        let wrong = gone.iter().filter(|id| !self.may_go(id)).count();
        let Some(lies) = &mut self.figures.lies else { return Ok(()) };
        lies.wrongly_deleted += wrong as u64;
        if let Some(lie) = before.lie {
            let Attempts { tried, refused } = match lie {
                Lie::Forgery => &mut lies.forgeries,
                Lie::Replay => &mut lies.replays,
                Lie::Ack => &mut lies.acks,
                Lie::Age => &mut lies.ages,
            };
            *tried += 1;
            let is_refused = stats.turnover.taken == before.taken
                && stats.turnover.acknowledged == before.acknowledged
                && stats.tombstones == before.tombstones;
            *refused += u64::from(is_refused);
        }
        Ok(())
    }

    /// Whether an envelope has done its work. What no message is behind is nobody's.
    fn may_go(&self, id: &EnvelopeId) -> bool {
        self.truth.letters.get(id).is_none_or(|(number, is_fragment)| {
            let reader = &self.people[self.scenario.messages[*number].to];
            reader.read.contains(&(*number, *is_fragment))
                || *is_fragment && self.truth.arrived.contains(id)
        })
    }

    /// A phone has ended a link because of what the other did. Honest ones do nothing of the kind.
    pub(super) fn note_blame(&mut self, link: LinkId) {
        let contact = self.air.contact_of(link).and_then(|it| self.scenario.contacts.get(it));
        let by_radio = self.radios.as_ref().and_then(|radios| radios.pair_of(link));
        let pair = contact.map(|contact| contact.pair).or(by_radio);
        let is_honest = |person: &usize| self.people[*person].liar.is_none();
        if let (Some(pair), Some(lies)) = (pair, &mut self.figures.lies) {
            lies.wrongly_blamed += u64::from(pair.iter().all(is_honest));
        }
    }
}

/// Nothing leaves a phone but one of these counts it.
fn losses(Stats { turnover, tombstones, .. }: &Stats) -> [u64; 5] {
    let Turnover { acknowledged, evicted, handed_over, expired, .. } = *turnover;
    [acknowledged, evicted, handed_over, expired, *tombstones]
}
