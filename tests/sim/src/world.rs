//! The world in motion: one thing happens after the other.

mod ble;
mod bulletins;
mod lies;
mod off;
mod watch;

use crate::air::{Air, Flight, Parcel};
use crate::chronicle::Chronicle;
use crate::fleet::{self, Person, Rogues};
use crate::input::Place;
use crate::liars::Nature;
use crate::memory;
use crate::phones::{Cause, Errand, Phones};
use crate::radio::Radios;
use crate::report::{Cost, Delivery, Figures, LieFigures, Report};
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
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
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

/// Replays a scenario.
///
/// # Errors
/// See [`SimError`].
pub fn simulate(scenario: &Scenario, settings: &Settings) -> Result<Report, SimError> {
    Ok(replay(scenario, settings)?.0)
}

/// The same, and what happened when.
///
/// # Errors
/// See [`SimError`].
pub fn replay(scenario: &Scenario, settings: &Settings) -> Result<(Report, Chronicle), SimError> {
    let begun = Instant::now();
    let [missing] = fleet::chosen(scenario.people, [settings.nodes_out], settings.seed);
    let shares = [
        settings.nodes_drop,
        settings.nodes_flood,
        settings.nodes_forge,
        settings.nodes_invent_acks,
        settings.nodes_lie_age,
    ];
    let [droppers, flooders, forgers, inventors, age_liars] =
        fleet::chosen(scenario.people, shares, settings.seed);
    let natures =
        [(forgers, Nature::Forger), (inventors, Nature::AckInventor), (age_liars, Nature::AgeLiar)];
    let liars: BTreeMap<usize, Nature> = natures
        .into_iter()
        .flat_map(|(who, nature)| who.into_iter().map(move |person| (person, nature)))
        .collect();
    let scenario = scenario
        .clone()
        .without_messages_of(&flooders)
        .without_messages_of(&droppers)
        .without_messages_of(&liars.keys().copied().collect())
        .with_floods_of(&flooders)
        .without_messages_of(&missing)
        .without_contacts_of(&missing);
    let mut world = World::new(scenario, settings, &Rogues { droppers, liars })?;
    let setup_time_s = begun.elapsed().as_secs_f64();
    world.run()?;
    let (figures, chronicle) = world.conclude();
    let report = Report {
        figures,
        cost: Cost {
            setup_time_s,
            wall_time_s: begun.elapsed().as_secs_f64(),
            peak_memory_bytes: memory::peak_bytes(),
        },
        seed: settings.seed,
        settings: settings.clone(),
    };
    Ok((report, chronicle))
}

struct World {
    scenario: Scenario,
    settings: Settings,
    now: Nanos,
    end: Nanos,
    schedule: Schedule,
    air: Air,
    /// Where people meet by Bluetooth, in place of `air`.
    radios: Option<Radios>,
    people: Vec<Person>,
    phones: Phones,
    /// Contacts that have begun and not ended.
    meetings: BTreeSet<usize>,
    alerts: Alerts,
    truth: Truth,
    chronicle: Chronicle,
    /// For each message, once it is whole at its recipient.
    deliveries: Vec<Option<Delivery>>,
    figures: Figures,
}

impl World {
    fn new(scenario: Scenario, settings: &Settings, rogues: &Rogues) -> Result<Self, SimError> {
        let (now, end) = scenario.span();
        let people = fleet::open(&scenario, settings, rogues, now)?;
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
            meetings: BTreeSet::new(),
            alerts: Alerts::new(),
            truth: Truth::default(),
            chronicle: Chronicle::new(people.len(), scenario.messages.len(), (now, end)),
            settings: settings.clone(),
            deliveries: scenario.messages.iter().map(|_| None).collect(),
            scenario,
            now,
            end,
            schedule: Schedule::default(),
            people,
            figures,
        })
    }

    fn run(&mut self) -> Result<(), SimError> {
        self.expect_contact(0);
        self.expect_message(0);
        self.expect_publication(0);
        self.expect_switches();
        self.expect_step();
        for person in 0..self.people.len() {
            self.absorb(person)?;
        }
        self.start_radios()?;
        while let Some((at, what)) = self.schedule.next().filter(|(at, _)| *at <= self.end) {
            self.now = at;
            self.happen(what)?;
        }
        Ok(())
    }

    fn conclude(mut self) -> (Figures, Chronicle) {
        for person in &self.people {
            self.figures.count_turnover(person.node.stats().turnover);
        }
        let spells = self.phones.spells(self.end);
        let off: u64 = spells.iter().flatten().map(|[from, to]| to - from).sum();
        let all = (self.end - self.chronicle.from).max(1) as f64 * self.people.len().max(1) as f64;
        self.figures.energy = self.energy();
        self.figures.off_share = off as f64 / all;
        self.figures.battery_empty_nodes = self.phones.emptied();
        self.figures.bulletins = self.count_readers(&spells);
        self.figures.created -= self.phones.unwritten();
        self.chronicle.spells = spells;
        let deliveries: Vec<Delivery> = self.deliveries.into_iter().flatten().collect();
        self.figures.conclude(&deliveries);
        (self.figures, self.chronicle)
    }

    fn happen(&mut self, what: Happening) -> Result<(), SimError> {
        match what {
            Happening::FrameEnds(link) => self.end_frame(link),
            Happening::ContactEnds(contact) => {
                self.meetings.remove(&contact);
                if let (Some(radios), Some(over)) =
                    (&mut self.radios, self.scenario.contacts.get(contact))
                {
                    radios.depart(over.pair, self.now, &mut self.schedule);
                }
                match self.air.link_of(contact) {
                    Some(link) => self.disconnect(link),
                    None => Ok(()),
                }
            }
            Happening::SwitchedOff(person) => self.switch(person, Cause::Owner, true),
            Happening::SwitchedOn(person) => self.switch(person, Cause::Owner, false),
            Happening::MinutePassed => self.pass_minute(),
            Happening::StepEnds => self.end_step(),
            Happening::MessageWritten(number) => {
                self.expect_message(number + 1);
                self.run_errand(Errand::Write(number))
            }
            Happening::Published(number) => {
                self.expect_publication(number + 1);
                self.run_errand(Errand::Publish(number))
            }
            Happening::ContactBegins(contact) => {
                self.expect_contact(contact + 1);
                self.meetings.insert(contact);
                if let Some(begun) = self.scenario.contacts.get(contact) {
                    self.schedule.add(begun.end, Happening::ContactEnds(contact));
                }
                self.connect(contact)
            }
            Happening::Redial(contact) => self.connect(contact),
            Happening::Wake(person) => self.wake(person),
            Happening::RadioHappens(number) => self.radio_happens(number),
            Happening::RadioWakes(person) => self.wake_radio(person),
        }
    }

    fn expect_contact(&mut self, number: usize) {
        if let Some(contact) = self.scenario.contacts.get(number) {
            self.schedule.add(contact.start, Happening::ContactBegins(number));
        }
    }

    fn expect_message(&mut self, number: usize) {
        if let Some(message) = self.scenario.messages.get(number) {
            self.schedule.add(message.at, Happening::MessageWritten(number));
        }
    }

    fn expect_publication(&mut self, number: usize) {
        if let Some(publication) = self.scenario.publications.get(number) {
            self.schedule.add(publication.at, Happening::Published(number));
        }
    }

    fn lifetime(&self) -> Nanos {
        Nanos::from(self.settings.lifetime_s) * SECOND
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
        let link = self.air.connect(contact, begun.pair);
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
        self.chronicle.note_frame(self.now, [from, to], purpose, size_bytes);
        let before = self.look_at(to, purpose, lie)?;
        let Ok([sender, person]) = self.people.get_disjoint_mut([from, to]) else { return Ok(()) };
        person.node.handle_frame(person.clock(self.now), link, &frame)?;
        if let Some(id) = person.note_arrival(|id| sender.hops_of(id))? {
            self.chronicle.note_copy(self.now, to, &id);
            self.note_arrival(to, id);
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
        if is_in_fragments != are_fragments {
            return Ok(());
        }
        if let (Some(delivery), Some(sent)) =
            (self.deliveries.get_mut(number), self.scenario.messages.get(number))
        {
            if delivery.is_some() || sent.is_flood {
                return Ok(());
            }
            let after = self.now - sent.at;
            // Lies about ages keep what is over alive.
            if after > Nanos::from(self.settings.lifetime_s) * SECOND {
                return Ok(());
            }
            let (hops, size_bytes) = (self.people[person].latest_hops(), sent.size_bytes);
            *delivery = Some(Delivery { after, hops, size_bytes });
            self.chronicle.note_delivery(self.now, number, after);
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
                    let lasts = self.air.launch(way, parcel);
                    let at = self.now.saturating_add(lasts);
                    self.schedule.add(at, Happening::FrameEnds(way.link));
                }
                None => self.air.rest(way),
            }
        }
        Ok(())
    }
}
