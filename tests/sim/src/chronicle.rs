//! What happened when: a bounded number of figures, however long the run.

use crate::air::Purpose;
use crate::schedule::Nanos;
use footpost_core::EnvelopeId;
use std::collections::{BTreeMap, BTreeSet};

/// The parts that a run's time is cut into.
pub(crate) const STEPS: usize = 240;
/// Messages whose every copy is followed, spread over the workload.
const TRAILS: usize = 16;

/// What is told of one moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Note {
    /// A frame has arrived.
    Frame { pair: [usize; 2], purpose: Purpose, size_bytes: u64 },
    /// A message was written, and went into this letter.
    Written { number: usize, letter: Option<EnvelopeId> },
    /// Somebody has taken an envelope on board.
    Copied { person: usize, envelope: EnvelopeId },
    /// A message is whole at its recipient, after so many transfers.
    Whole { number: usize, hops: u32 },
}

/// A run, step by step: what a page of plots is made of.
#[derive(Debug, Clone)]
pub struct Chronicle {
    pub(crate) from: Nanos,
    pub(crate) step: Nanos,
    /// Messages written, and delivered, in each step.
    pub(crate) created: Vec<u64>,
    pub(crate) delivered: Vec<u64>,
    /// Bytes that arrived, by purpose, in each step.
    pub(crate) bytes: [Vec<u64>; Purpose::ALL.len()],
    /// Others' mail on board at the end of each step, in bytes: of nine in ten people less than, of
    /// every other less than, and the most.
    pub(crate) buffers: Vec<[u64; 3]>,
    /// Phones off at the end of each step.
    pub(crate) off: Vec<u64>,
    pub(crate) latencies: Vec<Nanos>,
    /// Bytes that each person's radio has sent and received.
    pub(crate) loads: Vec<[u64; 2]>,
    pub(crate) trails: Vec<Trail>,
    /// When each person's phone was off.
    pub(crate) spells: Vec<Vec<[Nanos; 2]>>,
    by_letter: BTreeMap<EnvelopeId, usize>,
    /// Every so-manieth message is followed.
    every: usize,
}

/// Who had a copy of a message's letter, and when.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    pub(crate) number: usize,
    pub(crate) pair: [usize; 2],
    pub(crate) letter: EnvelopeId,
    pub(crate) written: Nanos,
    pub(crate) delivered: Option<Nanos>,
    /// From each time on somebody has one, or has none.
    pub(crate) changes: Vec<(Nanos, usize, bool)>,
    pub(crate) holders: BTreeSet<usize>,
}

impl Chronicle {
    pub(crate) fn new(people: usize, messages: usize, (from, to): (Nanos, Nanos)) -> Self {
        Self {
            from,
            step: ((to - from) / STEPS as u64).max(1),
            created: vec![0; STEPS],
            delivered: vec![0; STEPS],
            bytes: std::array::from_fn(|_| vec![0; STEPS]),
            buffers: Vec::new(),
            off: Vec::new(),
            latencies: Vec::new(),
            loads: vec![[0; 2]; people],
            trails: Vec::new(),
            spells: Vec::new(),
            by_letter: BTreeMap::new(),
            every: messages.div_ceil(TRAILS).max(1),
        }
    }

    fn step_of(&self, at: Nanos) -> usize {
        (((at - self.from) / self.step) as usize).min(STEPS - 1)
    }

    pub(crate) fn note_frame(&mut self, at: Nanos, pair: [usize; 2], purpose: Purpose, bytes: u64) {
        let step = self.step_of(at);
        self.bytes[purpose as usize][step] += bytes;
        for (way, person) in pair.into_iter().enumerate() {
            self.loads[person][way] += bytes;
        }
    }

    pub(crate) fn note_writing(
        &mut self,
        at: Nanos,
        number: usize,
        pair: [usize; 2],
        letter: Option<EnvelopeId>,
    ) {
        let step = self.step_of(at);
        self.created[step] += 1;
        if let Some(letter) = letter.filter(|_| number.is_multiple_of(self.every)) {
            self.by_letter.insert(letter, self.trails.len());
            self.trails.push(Trail {
                number,
                pair,
                letter,
                written: at,
                delivered: None,
                changes: vec![(at, pair[0], true)],
                holders: BTreeSet::from([pair[0]]),
            });
        }
    }

    pub(crate) fn note_copy(&mut self, at: Nanos, person: usize, letter: &EnvelopeId) {
        let Some(trail) = self.by_letter.get(letter) else { return };
        if let Some(trail) = self.trails.get_mut(*trail)
            && trail.holders.insert(person)
        {
            trail.changes.push((at, person, true));
        }
    }

    pub(crate) fn note_delivery(&mut self, at: Nanos, number: usize, after: Nanos) {
        let step = self.step_of(at);
        self.delivered[step] += 1;
        self.latencies.push(after);
        if let Some(trail) = self.trails.iter_mut().find(|trail| trail.number == number) {
            trail.delivered = Some(at);
        }
    }

    /// A step is over. `board` tells the bytes on board of each person.
    pub(crate) fn close_step(&mut self, mut board: Vec<u64>, off: usize) {
        board.sort_unstable();
        let below = |share: usize| board.get(board.len() * share / 10).copied().unwrap_or_default();
        self.buffers.push([below(9), below(5), board.last().copied().unwrap_or_default()]);
        self.off.push(off as u64);
    }
}

impl Trail {
    /// Who has lost their copy meanwhile.
    pub(crate) fn note_losses(&mut self, at: Nanos, lost: &[usize]) {
        for person in lost {
            self.holders.remove(person);
            self.changes.push((at, *person, false));
        }
    }
}
