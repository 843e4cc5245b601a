//! Engines over Bluetooth LE: what controllers say goes to the engines, and back.

use super::{SimError, World};
use crate::air::Flight;
use crate::radio::{Charge, Expected, Handset};
use crate::report::EnergyFigures;
use crate::schedule::{Happening, Nanos, SECOND};
use footpost_core::{CostClass, LinkId, LinkInfo, Role, StoreError};
use footpost_transports::ble::{Event, LinkRef, MAX_FRAME_BYTES, Side, freshness};

/// How often it is looked whether a node has something new: as the host does.
const LOOK_EVERY: Nanos = 10 * SECOND;
/// Tags are new then.
const QUARTER: Nanos = 900 * SECOND;
const DAY_S: f64 = 86_400.0;

impl World {
    pub(super) fn start_radios(&mut self) -> Result<(), SimError> {
        for person in 0..self.people.len() {
            self.switch_radio(person, false)?;
        }
        Ok(())
    }

    pub(super) fn radio_happens(&mut self, number: u64) -> Result<(), SimError> {
        let Some(radios) = &mut self.radios else { return Ok(()) };
        let Some(what) = radios.take_expected(number) else { return Ok(()) };
        if let Expected::Look { person } = what {
            return self.look_for_news(person);
        }
        self.figures.frames_lost += radios.lost(&what);
        for person in radios.happen(what, self.now) {
            self.work_radio(person)?;
        }
        Ok(())
    }

    pub(super) fn wake_radio(&mut self, person: usize) -> Result<(), SimError> {
        let Some(radios) = &mut self.radios else { return Ok(()) };
        if radios.wake(person, self.now) { self.work_radio(person) } else { Ok(()) }
    }

    pub(super) fn switch_radio(&mut self, person: usize, is_off: bool) -> Result<(), SimError> {
        if let Some(radios) = &mut self.radios {
            radios.switch(person, is_off, self.now, &mut self.schedule);
        }
        self.work_radio(person)
    }

    /// Lets a person's controller, engine and radio tell each other what there is.
    pub(super) fn work_radio(&mut self, person: usize) -> Result<(), SimError> {
        loop {
            while let Some(event) = self.radio_of(person).and_then(|it| it.controller.next_event())
            {
                self.heed(person, event)?;
            }
            self.fill_links(person)?;
            let Some(radios) = &mut self.radios else { return Ok(()) };
            let Some(command) = radios.next_command(person, self.now) else { break };
            radios.execute(person, command, self.now, &mut self.schedule);
        }
        if let Some(at) = self.radios.as_mut().and_then(|it| it.next_wake(person, self.now)) {
            self.schedule.add(at, Happening::RadioWakes(person));
        }
        Ok(())
    }

    /// The person's node may have something to send, and something that others have not.
    pub(super) fn stir_radio(&mut self, person: usize) {
        let Some(radios) = &mut self.radios else { return };
        let handset = radios.handset(person);
        handset.may_send = handset.links.keys().copied().collect();
        let looked = handset.news.looked;
        let at = looked.map_or(self.now, |at| self.now.max(at + LOOK_EVERY));
        radios.expect_look(person, at, &mut self.schedule);
    }

    /// The handshake on a link has shown who is there.
    pub(super) fn introduce(&mut self, person: usize, id: LinkId) {
        let Some(radios) = &mut self.radios else { return };
        let Some((own, neighbour)) = self.people[person].node.link_keys(id) else { return };
        let time = radios.time(self.now);
        let handset = radios.handset(person);
        handset.news.own = Some(own);
        handset.news.met.insert(neighbour);
        if let Some(link) = handset.link(id) {
            handset.controller.identified(time, link, own, neighbour);
        }
    }

    /// Link keys are new, so nobody of those met is known by theirs.
    pub(super) fn forget_met(&mut self, person: usize) {
        if let Some(handset) = self.radio_of(person) {
            handset.news.met.clear();
            handset.news.own = None;
        }
    }

    /// The person's engine has ended a link.
    pub(super) fn end_link(&mut self, person: usize, id: LinkId) -> Result<(), StoreError> {
        let Some(radios) = &mut self.radios else { return Ok(()) };
        let time = radios.time(self.now);
        let handset = radios.handset(person);
        if let Some(link) = handset.link(id) {
            handset.controller.end(time, link);
            handset.links.remove(&link);
            handset.may_send.remove(&link);
            self.people[person].part(self.now, id)?;
        }
        Ok(())
    }

    /// What the radios have taken, a day.
    pub(super) fn energy(&mut self) -> Option<EnergyFigures> {
        let radios = self.radios.as_mut()?;
        let time = radios.time(self.end);
        let (mut all, mut most, mut duplicates, mut spared, mut connects) =
            (Charge::default(), 0.0, 0, 0, 0);
        for person in 0..self.people.len() {
            radios.handset(person).controller.handle_timeout(time);
            let (charge, stats) = (radios.charge(person), radios.stats(person));
            all += charge;
            most = charge.total().max(most);
            duplicates += stats.duplicates;
            spared += stats.spared;
            connects += stats.usage.connects;
        }
        let days = time.as_secs_f64() / DAY_S;
        let each = all.times(1.0 / (days * self.people.len().max(1) as f64));
        Some(EnergyFigures {
            mah_a_day: each,
            total_mah_a_day: each.total(),
            most_mah_a_day: most / days,
            connects,
            duplicates,
            spared,
        })
    }

    fn radio_of(&mut self, person: usize) -> Option<&mut Handset> {
        self.radios.as_mut().map(|radios| radios.handset(person))
    }

    fn heed(&mut self, person: usize, event: Event) -> Result<(), SimError> {
        match event {
            Event::Up { link } => self.link_is_up(person, link),
            Event::Frame { link, frame } => self.receive(person, link, frame),
            Event::Ended { link } | Event::Down { link } => {
                let Some(handset) = self.radio_of(person) else { return Ok(()) };
                handset.may_send.remove(&link);
                match handset.links.remove(&link) {
                    Some(id) => {
                        self.people[person].part(self.now, id)?;
                        self.absorb(person)
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn link_is_up(&mut self, person: usize, link: LinkRef) -> Result<(), SimError> {
        let Some(radios) = &mut self.radios else { return Ok(()) };
        let Some(id) = radios.link_on(person, link.connection) else { return Ok(()) };
        radios.handset(person).links.insert(link, id);
        let role = match link.connection.side {
            Side::Central => Role::Initiator,
            Side::Peripheral => Role::Responder,
        };
        let info = LinkInfo { role, cost: CostClass::Ble, max_frame_bytes: MAX_FRAME_BYTES };
        self.people[person].meet(self.now, id, info)?;
        self.absorb(person)
    }

    fn receive(&mut self, person: usize, link: LinkRef, frame: Vec<u8>) -> Result<(), SimError> {
        let Some(radios) = &mut self.radios else { return Ok(()) };
        let time = radios.time(self.now);
        radios.handset(person).controller.fetched(time, link, frame.len());
        let id = radios.handset(person).links.get(&link).copied();
        let Some(line) = radios.link_on(person, link.connection) else { return Ok(()) };
        let Some((from, parcel)) = radios.arrive(person, line, frame) else { return Ok(()) };
        match id {
            Some(id) => self.take_in(id, Flight { from, to: person, parcel }),
            None => Ok(()),
        }
    }

    /// Hands links what they have room for.
    fn fill_links(&mut self, person: usize) -> Result<(), StoreError> {
        let Some(radios) = &mut self.radios else { return Ok(()) };
        for link in radios.handset(person).may_send.clone() {
            let handset = radios.handset(person);
            let Some(id) = handset.links.get(&link).copied() else { continue };
            while radios.handset(person).controller.has_room(link) == Some(true) {
                let Some(parcel) = self.people[person].transmit(self.now, id)? else {
                    radios.handset(person).may_send.remove(&link);
                    break;
                };
                radios.push(person, id, &parcel);
            }
        }
        Ok(())
    }

    /// Tells the controller what the node has, and how acquaintances would say that they have the same.
    fn look_for_news(&mut self, person: usize) -> Result<(), SimError> {
        let Some(radios) = &mut self.radios else { return Ok(()) };
        let time = radios.time(self.now);
        let handset = radios.handset(person);
        if handset.news.look_at != Some(self.now) {
            return Ok(());
        }
        handset.news.looked = Some(self.now);
        handset.news.look_at = None;
        if handset.is_on {
            let person = &mut self.people[person];
            let (contents, clock) = (person.node.contents()?, person.clock(self.now));
            let own = handset.news.own.map(|key| freshness::tag(&key, clock, &contents));
            let known = freshness::known(&handset.news.met, clock, &contents);
            handset.controller.set_news(time, contents, own, known);
        }
        radios.expect_look(person, (self.now / QUARTER + 1) * QUARTER, &mut self.schedule);
        self.work_radio(person)
    }
}
