//! What is true: against it is held what people get to read, and what honest phones delete.

use super::World;
use crate::air::Purpose;
use crate::fleet;
use crate::liars::Lie;
use crate::report::Attempts;
use footpost_core::{EnvelopeId, LinkId, Message, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// What only somebody knows who sees all.
#[derive(Default)]
pub(super) struct Truth {
    /// What has come to readers: each message, and each body in fragments.
    read: BTreeSet<(usize, bool)>,
    /// The messages behind envelopes, and whether these are fragments.
    letters: BTreeMap<EnvelopeId, (usize, bool)>,
    /// Fragments that their readers have.
    arrived: BTreeSet<EnvelopeId>,
}

/// An honest phone, before a frame that may lie.
pub(super) struct Before {
    lie: Option<Lie>,
    taken: u64,
    acknowledged: u64,
    tombstones: u64,
    on_board: BTreeSet<EnvelopeId>,
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
        let receiver = &self.people[person];
        // What strangers write, they write under names that nobody knows.
        let writer = receiver.person_of(message.contact)?;
        let named = fleet::number_of(&message.body);
        let is_true = named.is_some_and(|(number, is_in_fragments)| {
            self.scenario.messages.get(number).is_some_and(|sent| {
                let is_whole = is_in_fragments == are_fragments;
                (sent.from, sent.to) == (writer, person)
                    && (!is_whole || receiver.shows(message, number, sent.size_bytes))
                    && self.truth.read.insert((number, are_fragments))
            })
        });
        self.figures.falsified += u64::from(!is_true);
        named.filter(|_| is_true)
    }

    /// Somebody has written: what their phone has on board since belongs to the message.
    pub(super) fn note_letters(&mut self, person: usize, number: usize) -> Result<(), StoreError> {
        if self.figures.lies.is_some() {
            for (id, is_fragment) in self.people[person].own_envelopes()? {
                self.truth.letters.entry(id).or_insert((number, is_fragment));
            }
        }
        Ok(())
    }

    pub(super) fn note_arrival(&mut self, person: usize, id: EnvelopeId) {
        let letter = self.truth.letters.get(&id);
        let sent = letter.and_then(|(number, _)| self.scenario.messages.get(*number));
        if sent.is_some_and(|sent| sent.to == person) {
            self.truth.arrived.insert(id);
        }
    }

    /// Looks at an honest phone that is about to be lied to, or to hear what may come of a lie.
    pub(super) fn look_at(
        &self,
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
        Ok(Some(Before {
            lie,
            taken: stats.turnover.taken,
            acknowledged: stats.turnover.acknowledged,
            tombstones: stats.tombstones,
            on_board: if is_ack { honest.on_board()? } else { BTreeSet::new() },
        }))
    }

    /// What has become of it.
    pub(super) fn judge(&mut self, person: usize, before: &Before) -> Result<(), StoreError> {
        let Some(lies) = &mut self.figures.lies else { return Ok(()) };
        let honest = &self.people[person];
        let stats = honest.node.stats();
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
        if !before.on_board.is_empty() {
            let left = honest.on_board()?;
            let gone = before.on_board.difference(&left);
            let wrong = gone.filter(|id| !self.truth.may_go(id)).count();
            lies.wrongly_deleted += wrong as u64;
        }
        Ok(())
    }

    /// A phone has ended a link because of what the other did. Honest ones do nothing of the kind.
    pub(super) fn note_blame(&mut self, link: LinkId) {
        let contact = self.air.contact_of(link).and_then(|it| self.scenario.contacts.get(it));
        let is_honest = |person: &usize| self.people[*person].liar.is_none();
        if let (Some(contact), Some(lies)) = (contact, &mut self.figures.lies) {
            lies.wrongly_blamed += u64::from(contact.pair.iter().all(is_honest));
        }
    }
}

impl Truth {
    /// Whether an envelope has done its work. What no message is behind is nobody's.
    fn may_go(&self, id: &EnvelopeId) -> bool {
        self.letters.get(id).is_none_or(|(number, is_fragment)| {
            self.read.contains(&(*number, *is_fragment))
                || *is_fragment && self.arrived.contains(id)
        })
    }
}
