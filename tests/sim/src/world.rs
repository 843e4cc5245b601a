//! The world in motion: one thing happens after the other.

mod ble;
mod bulletins;
mod lies;
mod off;
mod parts;

use crate::air::{Air, Flight, Parcel};
use crate::chronicle::Note;
use crate::fleet::{self, Person, Rogues};
use crate::input::Place;
use crate::phones::{Cause, Errand, Phones};
use crate::radio::Radios;
use crate::report::{Figures, LieFigures};
use crate::roster::Roster;
use crate::scenario::Scenario;
use crate::schedule::{Happening, Nanos, SECOND, Schedule};
use crate::settings::{Radio, Settings};
use bulletins::Alerts;
pub(crate) use bulletins::FOLLOWED;
use footpost_core::{
    CloseReason, ConfigError, ContactError, CostClass, Event, FollowError, LinkId, LinkInfo,
    MessageId, OpenError, PublishError, Role, SendError, State, StoreError,
};
use lies::Truth;
use std::sync::Arc;
use thiserror::Error;

/// The longest frame of a link, in bytes.
const MAX_FRAME_BYTES: usize = 65_535;
/// A link that an engine has ended is made anew after this, while the contact lasts.
const REDIAL_AFTER: Nanos = SECOND;

/// Why a run cannot begin or go on.
#[derive(Debug, Error)]
pub enum SimError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A message of the workload cannot be sent.
    #[error("{place}: message {name} of {size_bytes} bytes cannot be sent: {source}")]
    Send {
        /// Its line.
        place: Place,
        /// Its name there.
        name: String,
        /// The length of its body.
        size_bytes: u64,
        /// Why.
        source: SendError,
    },
    /// A node does not open.
    #[error("a node of the simulation does not open: {0}")]
    Open(#[from] OpenError),
    /// A node does not take a card.
    #[error("a node of the simulation does not take a card: {0}")]
    Contact(#[from] ContactError),
    /// A node does not follow another.
    #[error("a node of the simulation does not follow another: {0}")]
    Follow(#[from] FollowError),
    /// A node does not publish.
    #[error("a node of the simulation does not publish: {0}")]
    Publish(#[from] PublishError),
    /// A node's store has failed.
    #[error("a node of the simulation has failed: {0}")]
    Store(#[from] StoreError),
}

/// People, and what happens to them.
pub(crate) struct World {
    pub(crate) scenario: Arc<Scenario>,
    settings: Arc<Settings>,
    pub(crate) now: Nanos,
    pub(crate) end: Nanos,
    schedule: Schedule,
    air: Air,
    /// Where people meet by Bluetooth, in place of `air`.
    radios: Option<Radios>,
    pub(crate) people: Roster<Person>,
    pub(crate) phones: Phones,
    alerts: Alerts,
    truth: Truth,
    pub(crate) figures: Figures,
    /// What there is to tell the chronicle.
    notes: Vec<(Nanos, Note)>,
}

impl World {
    pub(crate) fn new(
        scenario: Arc<Scenario>,
        settings: &Settings,
        rogues: &Rogues,
        workers: usize,
    ) -> Result<Self, SimError> {
        let (now, end) = scenario.span();
        let people = fleet::open(&scenario, settings, rogues, now, workers)?;
        let radios = match settings.radio {
            Radio::Always => None,
            Radio::Ble(mode) => Some(Radios::new(people.len(), mode, settings, now)),
        };
        let figures = Figures {
            nodes: people.len(),
            contacts: scenario.contacts.len(),
            created: scenario.messages.iter().filter(|message| !message.is_flood).count(),
            lies: (!rogues.liars.is_empty()).then(LieFigures::default),
            ..Figures::default()
        };
        Ok(Self {
            air: Air::new(people.len(), settings.rate_bytes_per_s),
            radios,
            phones: Phones::new(&scenario, settings),
            alerts: Alerts::new(),
            truth: Truth::default(),
            settings: Arc::new(settings.clone()),
            scenario,
            now,
            end,
            schedule: Schedule::default(),
            people,
            figures,
            notes: Vec::new(),
        })
    }

    /// Everybody is there.
    pub(crate) fn begin(&mut self) -> Result<(), SimError> {
        self.expect_switches();
        for person in 0..self.people.len() {
            self.absorb(person)?;
        }
        self.start_radios()
    }

    /// Lets happen what happens until then; of contacts, messages and publications what
    /// [`World::expect`] was told.
    fn live(&mut self, until: Nanos) -> Result<(), SimError> {
        while let Some((at, what)) = self.schedule.next(until) {
            self.now = at;
            self.happen(what)?;
        }
        self.now = until;
        Ok(())
    }

    pub(crate) fn expect(&mut self, at: Nanos, what: Happening) {
        self.schedule.add(at, what);
    }

    /// What has happened since this was last asked, in the order of time.
    pub(crate) fn take_notes(&mut self) -> Vec<(Nanos, Note)> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.sort_unstable();
        notes
    }

    pub(crate) fn conclude(mut self) -> (Figures, Vec<Vec<[Nanos; 2]>>) {
        for person in self.people.iter() {
            self.figures.count_turnover(person.node.stats().turnover);
        }
        let spells = self.phones.spells(self.end);
        self.figures.energy = self.energy();
        self.figures.battery_empty_nodes = self.phones.emptied();
        self.figures.bulletins = self.count_readers(&spells);
        self.figures.created -= self.phones.unwritten();
        (self.figures, spells)
    }

    fn note(&mut self, what: Note) {
        self.notes.push((self.now, what));
    }

    fn happen(&mut self, what: Happening) -> Result<(), SimError> {
        match what {
            Happening::FrameEnds(link) => self.end_frame(link),
            Happening::ContactEnds(contact) => {
                let pair = self.scenario.contacts[contact].pair;
                for person in pair {
                    self.people[person].meetings.remove(&contact);
                }
                if let Some(radios) = &mut self.radios {
                    radios.depart(pair, self.now, &mut self.schedule);
                }
                match self.air.link_of(contact) {
                    Some(link) => self.disconnect(link),
                    None => Ok(()),
                }
            }
            Happening::SwitchedOff(person) => self.switch(person, Cause::Owner, true),
            Happening::SwitchedOn(person) => self.switch(person, Cause::Owner, false),
            Happening::MessageWritten(number) => self.run_errand(Errand::Write(number)),
            Happening::Published(number) => self.run_errand(Errand::Publish(number)),
            Happening::ContactBegins(contact) => {
                let begun = &self.scenario.contacts[contact];
                self.schedule.add(begun.end, Happening::ContactEnds(contact));
                for person in begun.pair {
                    self.people[person].meetings.insert(contact);
                }
                self.connect(contact)
            }
            Happening::Redial(contact) => self.connect(contact),
            Happening::Wake(person) => self.wake(person),
            Happening::RadioHappens(number) => self.radio_happens(number),
            Happening::RadioWakes(person) => self.wake_radio(person),
        }
    }

    fn connect(&mut self, contact: usize) -> Result<(), SimError> {
        let Some(begun) = self.scenario.contacts.get(contact) else { return Ok(()) };
        if let Some(radios) = &mut self.radios {
            radios.approach(begun.pair, self.now, &mut self.schedule);
            return Ok(());
        }
        let [a, b] = begun.pair;
        let are_on = self.phones.is_on(a) && self.phones.is_on(b);
        if begun.end <= self.now || !are_on || self.air.link_of(contact).is_some() {
            return Ok(());
        }
        let link = self.air.connect(contact, begun.pair, self.now);
        for (person, role) in [(b, Role::Responder), (a, Role::Initiator)] {
            let info = LinkInfo { role, cost: CostClass::Wifi, max_frame_bytes: MAX_FRAME_BYTES };
            self.people[person].meet(self.now, link, info)?;
        }
        self.settle([a, b])
    }

    fn disconnect(&mut self, link: LinkId) -> Result<(), SimError> {
        let Some((ended, is_frame_lost)) = self.air.disconnect(link) else { return Ok(()) };
        self.figures.frames_lost += u64::from(is_frame_lost);
        for person in ended.pair {
            let person = &mut self.people[person];
            person.part(self.now, link)?;
        }
        self.settle(ended.pair)
    }

    fn end_frame(&mut self, link: LinkId) -> Result<(), SimError> {
        let Some(flight) = self.air.land(link) else { return Ok(()) };
        let ends = [flight.from, flight.to];
        for person in ends {
            self.phones.spend(person, flight.parcel.frame.len() as u64);
        }
        self.take_in(link, flight)?;
        self.serve(&ends)
    }

    /// A frame has arrived.
    fn take_in(&mut self, link: LinkId, flight: Flight) -> Result<(), SimError> {
        let Flight { from, to, parcel } = flight;
        let Parcel { frame, purpose, lie } = parcel;
        let size_bytes = frame.len() as u64;
        self.figures.count_frame(purpose, size_bytes);
        self.note(Note::Frame { pair: [from, to], purpose, size_bytes });
        let before = self.look_at(to, purpose, lie)?;
        let Some([sender, person]) = self.people.pair_mut([from, to]) else { return Ok(()) };
        person.node.handle_frame(person.clock(self.now), link, &frame)?;
        if let Some(envelope) = person.note_arrival(|id| sender.hops_of(id))? {
            self.note(Note::Copied { person: to, envelope });
            self.note_arrival(to, envelope);
        }
        if let Some(before) = before {
            self.judge(to, &before)?;
        }
        self.absorb(to)
    }

    fn wake(&mut self, person: usize) -> Result<(), SimError> {
        let sleeper = &mut self.people[person];
        if sleeper.scheduled != self.now {
            return Ok(());
        }
        sleeper.scheduled = Nanos::MAX;
        if !self.phones.is_on(person) {
            return Ok(());
        }
        if sleeper.due > self.now {
            sleeper.scheduled = sleeper.due;
            self.schedule.add(sleeper.due, Happening::Wake(person));
            return Ok(());
        }
        sleeper.node.handle_timeout(sleeper.clock(self.now))?;
        self.absorb(person)?;
        self.serve(&[person])
    }

    fn settle(&mut self, touched: [usize; 2]) -> Result<(), SimError> {
        for person in touched {
            self.absorb(person)?;
        }
        self.serve(&touched)
    }

    /// Commits what the person's node has taken in, and hears what it has to tell.
    fn absorb(&mut self, person: usize) -> Result<(), SimError> {
        self.people[person].node.commit()?;
        self.air.stir(person);
        self.stir_radio(person);
        while let Some(event) = self.people[person].node.poll_event() {
            self.hear(person, &event)?;
        }
        let sleeper = &mut self.people[person];
        sleeper.due = sleeper.next_wake(self.now)?;
        if sleeper.due < sleeper.scheduled {
            sleeper.scheduled = sleeper.due;
            self.schedule.add(sleeper.due, Happening::Wake(person));
        }
        Ok(())
    }

    fn hear(&mut self, person: usize, event: &Event) -> Result<(), SimError> {
        match *event {
            Event::Received { message, .. } | Event::ReceivedQuietly { message, .. } => {
                self.figures.crypto_operations.opened += 1;
                Ok(self.deliver(person, message, false)?)
            }
            Event::AttachmentWhole { message } => Ok(self.deliver(person, message, true)?),
            Event::Progress { state: State::Delivered | State::Expired, .. } => {
                Ok(self.people[person].share_buffer(self.now)?)
            }
            Event::Bulletin { bulletin } | Event::BulletinQuietly { bulletin } => {
                Ok(self.note_reader(person, bulletin)?)
            }
            Event::NeighbourUp { link } => {
                self.introduce(person, link);
                self.figures.crypto_operations.handshakes += 1;
                Ok(())
            }
            Event::EpochRotated => {
                self.forget_met(person);
                Ok(())
            }
            Event::LinkClosed { link, reason } => {
                let is_violation = matches!(reason, CloseReason::Violation(_));
                self.figures.violations += u64::from(is_violation);
                if is_violation {
                    self.note_blame(link);
                }
                if let Some(contact) = self.air.contact_of(link).filter(|_| !is_violation) {
                    self.schedule.add(self.now + REDIAL_AFTER, Happening::Redial(contact));
                }
                self.end_link(person, link)?;
                self.disconnect(link)
            }
            _ => Ok(()),
        }
    }

    /// A message has come in, or its fragments have: it is delivered once it is whole.
    fn deliver(
        &mut self,
        person: usize,
        message: MessageId,
        are_fragments: bool,
    ) -> Result<(), StoreError> {
        let Some(message) = self.people[person].node.message(message)? else { return Ok(()) };
        let Some((number, is_in_fragments)) = self.check(person, &message, are_fragments) else {
            return Ok(());
        };
        if is_in_fragments == are_fragments {
            let hops = self.people[person].latest_hops();
            self.note(Note::Whole { number, hops });
        }
        Ok(())
    }

    /// Begins what transfers can begin now that these people may be free, or have something new.
    fn serve(&mut self, people: &[usize]) -> Result<(), SimError> {
        for person in people {
            self.work_radio(*person)?;
        }
        for way in self.air.waiting(people) {
            let Some(sender) = self.air.sender(way) else { continue };
            match self.people[sender].transmit(self.now, way.link)? {
                Some(parcel) => {
                    let lasts = self.air.launch(way, parcel, self.now);
                    let at = self.now.saturating_add(lasts);
                    self.schedule.add(at, Happening::FrameEnds(way.link));
                }
                None => self.air.rest(way),
            }
        }
        Ok(())
    }
}
