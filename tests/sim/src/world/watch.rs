//! What the chronicle is told.

use super::{SimError, World};
use crate::chronicle::STEPS;
use crate::schedule::{Happening, Nanos};

impl World {
    pub(super) fn expect_step(&mut self) {
        let done = self.chronicle.buffers.len() as u64;
        let end = self.chronicle.from + (done + 1) * self.chronicle.step;
        self.schedule.add(end.min(self.end), Happening::StepEnds);
    }

    pub(super) fn end_step(&mut self) -> Result<(), SimError> {
        let board = self.people.iter().map(|person| person.node.stats().foreign_bytes).collect();
        let people = 0..self.people.len();
        let off = people.filter(|person| !self.phones.is_on(*person)).count();
        self.chronicle.close_step(board, off);
        self.look_for_losses()?;
        if self.chronicle.buffers.len() < STEPS {
            self.expect_step();
        }
        Ok(())
    }

    /// Copies go without notice: who had one is asked again.
    fn look_for_losses(&mut self) -> Result<(), SimError> {
        let (now, end) = (self.now, self.end);
        let ends = |written: Nanos| written + self.chronicle.step + self.lifetime();
        let live: Vec<usize> = (0..self.chronicle.trails.len())
            .filter(|trail| now < ends(self.chronicle.trails[*trail].written) || now == end)
            .collect();
        for trail in live {
            let trail = &mut self.chronicle.trails[trail];
            let mut lost = Vec::new();
            for person in &trail.holders {
                if self.people[*person].node.envelope(&trail.letter)?.is_none() {
                    lost.push(*person);
                }
            }
            trail.note_losses(now, &lost);
        }
        Ok(())
    }
}
