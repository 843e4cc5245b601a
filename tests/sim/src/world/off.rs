//! Phones go off and on.

use super::{SimError, World};
use crate::chronicle::Note;
use crate::fleet;
use crate::phones::{self, Cause, Errand};
use crate::schedule::Happening;

impl World {
    pub(super) fn expect_switches(&mut self) {
        let spells = phones::switches(self.people.len(), &self.settings, (self.now, self.end));
        for (person, spells) in spells.into_iter().enumerate() {
            for [off, on] in spells {
                self.schedule.add(off, Happening::SwitchedOff(person));
                self.schedule.add(on, Happening::SwitchedOn(person));
            }
        }
    }

    pub(crate) fn pass_minute(&mut self) -> Result<(), SimError> {
        for person in 0..self.people.len() {
            if let Some(radios) = &mut self.radios {
                self.phones.drain(person, radios.owes_j(person));
            }
        }
        for (person, is_empty) in self.phones.pass_minute(self.now) {
            self.switch(person, Cause::Empty, is_empty)?;
        }
        Ok(())
    }

    pub(super) fn switch(
        &mut self,
        person: usize,
        cause: Cause,
        is_off: bool,
    ) -> Result<(), SimError> {
        if !self.phones.switch(person, cause, is_off, self.now) {
            return Ok(());
        }
        if is_off {
            for link in self.air.links_of(person) {
                self.disconnect(link)?;
            }
            return self.switch_radio(person, true);
        }
        // Its clock has run on: whatever was due in between is due now.
        let sleeper = &mut self.people[person];
        sleeper.node.handle_timeout(sleeper.clock(self.now))?;
        self.absorb(person)?;
        for errand in self.phones.resume(person) {
            self.run_errand(errand)?;
        }
        self.switch_radio(person, false)?;
        for contact in self.people[person].meetings.clone() {
            self.connect(contact)?;
        }
        Ok(())
    }

    /// Somebody writes or publishes, or wants to as soon as their phone is on.
    pub(super) fn run_errand(&mut self, errand: Errand) -> Result<(), SimError> {
        let from = match errand {
            Errand::Write(number) => self.scenario.messages.get(number).map(|it| it.from),
            Errand::Publish(number) => self.scenario.publications.get(number).map(|it| it.from),
        };
        let Some(from) = from else { return Ok(()) };
        if !self.phones.is_on(from) {
            // A flood goes on later all the same.
            if !matches!(errand, Errand::Write(number) if self.scenario.messages[number].is_flood) {
                self.phones.put_off(from, errand);
            }
            return Ok(());
        }
        match errand {
            Errand::Write(number) => self.write(number),
            Errand::Publish(number) => self.publish(number),
        }
    }

    fn write(&mut self, number: usize) -> Result<(), SimError> {
        let message = &self.scenario.messages[number];
        let (pair, is_flood) = ([message.from, message.to], message.is_flood);
        let letter = fleet::write(&mut self.people, message, number, self.now)?;
        self.note(Note::Written { number, letter });
        if !is_flood {
            self.note_letters(pair[0], number)?;
        }
        self.figures.crypto_operations.sealed += 1;
        self.settle(pair)
    }
}
