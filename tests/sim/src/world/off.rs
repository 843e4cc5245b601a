//! Phones go off and on.

use super::{SimError, World};
use crate::fleet;
use crate::phones::{self, Cause, Errand, MINUTE};
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
        if self.phones.have_batteries() {
            self.schedule.add(self.now + MINUTE, Happening::MinutePassed);
        }
    }

    pub(super) fn pass_minute(&mut self) -> Result<(), SimError> {
        self.schedule.add(self.now + MINUTE, Happening::MinutePassed);
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
        for contact in self.meetings_of(person) {
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
        let Some(message) = self.scenario.messages.get_mut(number) else { return Ok(()) };
        message.at = self.now;
        let message = &self.scenario.messages[number];
        let pair = [message.from, message.to];
        let letter = fleet::write(&mut self.people, message, number, self.now)?;
        if !message.is_flood {
            self.chronicle.note_writing(self.now, number, pair, letter);
            self.note_letters(pair[0], number)?;
        }
        self.figures.crypto_operations.sealed += 1;
        self.settle(pair)
    }

    /// The contacts of somebody's that have begun and not ended.
    fn meetings_of(&self, person: usize) -> Vec<usize> {
        self.meetings
            .iter()
            .copied()
            .filter(|contact| self.scenario.contacts[*contact].pair.contains(&person))
            .collect()
    }
}
