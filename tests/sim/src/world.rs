//! The world in motion: one thing happens after the other.

use crate::air::{Air, Flight};
use crate::fleet::{self, Person};
use crate::input::Place;
use crate::memory;
use crate::report::{Cost, Delivery, Figures, Report};
use crate::scenario::Scenario;
use crate::schedule::{Happening, Nanos, SECOND, Schedule};
use crate::settings::Settings;
use footpost_core::{
    CloseReason, ConfigError, ContactError, CostClass, Event, LinkId, LinkInfo, MessageId,
    OpenError, Role, SendError, State, StoreError,
};
use std::collections::BTreeSet;
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
    /// A node's store has failed.
    #[error("a node of the simulation has failed: {0}")]
    Store(#[from] StoreError),
}

/// Replays a scenario.
///
/// # Errors
/// See [`SimError`].
pub fn simulate(scenario: &Scenario, settings: &Settings) -> Result<Report, SimError> {
    let begun = Instant::now();
    let choose = |share| fleet::chosen(scenario.people, share, settings.seed);
    let (droppers, missing) = (choose(settings.nodes_drop), choose(settings.nodes_out));
    let scenario = scenario
        .clone()
        .without_messages_of(&droppers)
        .without_messages_of(&missing)
        .without_contacts_of(&missing);
    let mut world = World::new(scenario, settings, &droppers)?;
    let setup_time_s = begun.elapsed().as_secs_f64();
    world.run()?;
    Ok(Report {
        figures: world.conclude(),
        cost: Cost {
            setup_time_s,
            wall_time_s: begun.elapsed().as_secs_f64(),
            peak_memory_bytes: memory::peak_bytes(),
        },
        seed: settings.seed,
        settings: settings.clone(),
    })
}

struct World {
    scenario: Scenario,
    now: Nanos,
    end: Nanos,
    schedule: Schedule,
    air: Air,
    people: Vec<Person>,
    /// For each message, once it is whole at its recipient.
    deliveries: Vec<Option<Delivery>>,
    figures: Figures,
}

impl World {
    fn new(
        scenario: Scenario,
        settings: &Settings,
        droppers: &BTreeSet<usize>,
    ) -> Result<Self, SimError> {
        let (now, end) = scenario.span();
        let people = fleet::open(&scenario, settings, droppers, now)?;
        let figures = Figures {
            nodes: people.len(),
            contacts: scenario.contacts.len(),
            created: scenario.messages.len(),
            ..Figures::default()
        };
        Ok(Self {
            air: Air::new(people.len(), settings.rate_bytes_per_s),
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
        for person in 0..self.people.len() {
            self.absorb(person)?;
        }
        while let Some((at, what)) = self.schedule.next().filter(|(at, _)| *at <= self.end) {
            self.now = at;
            self.happen(what)?;
        }
        Ok(())
    }

    fn conclude(mut self) -> Figures {
        for person in &self.people {
            self.figures.count_turnover(person.node.stats().turnover);
        }
        let deliveries: Vec<Delivery> = self.deliveries.into_iter().flatten().collect();
        self.figures.conclude(&deliveries);
        self.figures
    }

    fn happen(&mut self, what: Happening) -> Result<(), SimError> {
        match what {
            Happening::FrameEnds(link) => self.end_frame(link),
            Happening::ContactEnds(contact) => match self.air.link_of(contact) {
                Some(link) => self.disconnect(link),
                None => Ok(()),
            },
            Happening::MessageWritten(number) => {
                self.expect_message(number + 1);
                let Some(message) = self.scenario.messages.get(number) else { return Ok(()) };
                let pair = [message.from, message.to];
                fleet::write(&mut self.people, message, number, self.now)?;
                self.figures.crypto_operations.sealed += 1;
                self.settle(pair)
            }
            Happening::ContactBegins(contact) => {
                self.expect_contact(contact + 1);
                if let Some(begun) = self.scenario.contacts.get(contact) {
                    self.schedule.add(begun.end, Happening::ContactEnds(contact));
                }
                self.connect(contact)
            }
            Happening::Redial(contact) => self.connect(contact),
            Happening::Wake(person) => self.wake(person),
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

    fn connect(&mut self, contact: usize) -> Result<(), SimError> {
        let Some(begun) = self.scenario.contacts.get(contact) else { return Ok(()) };
        if begun.end <= self.now {
            return Ok(());
        }
        let [a, b] = begun.pair;
        let link = self.air.connect(contact, begun.pair);
        for (person, role) in [(b, Role::Responder), (a, Role::Initiator)] {
            let info = LinkInfo { role, cost: CostClass::Wifi, max_frame_bytes: MAX_FRAME_BYTES };
            let person = &mut self.people[person];
            person.node.handle_link_up(person.clock(self.now), link, info)?;
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
        let Some(Flight { from, to, frame, purpose }) = self.air.land(link) else { return Ok(()) };
        self.figures.count_frame(purpose, frame.len() as u64);
        let Ok([sender, person]) = self.people.get_disjoint_mut([from, to]) else { return Ok(()) };
        person.node.handle_frame(person.clock(self.now), link, &frame)?;
        person.note_arrival(|id| sender.hops_of(id))?;
        self.absorb(to)?;
        self.serve(&[from, to])
    }

    fn wake(&mut self, person: usize) -> Result<(), SimError> {
        let sleeper = &mut self.people[person];
        if sleeper.scheduled != self.now {
            return Ok(());
        }
        sleeper.scheduled = Nanos::MAX;
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
            Event::NeighbourUp { .. } => {
                self.figures.crypto_operations.handshakes += 1;
                Ok(())
            }
            Event::LinkClosed { link, reason } => {
                let is_violation = matches!(reason, CloseReason::Violation(_));
                self.figures.violations += u64::from(is_violation);
                if let Some(contact) = self.air.contact_of(link).filter(|_| !is_violation) {
                    self.schedule.add(self.now + REDIAL_AFTER, Happening::Redial(contact));
                }
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
        let receiver = &self.people[person];
        let body = receiver.node.message(message)?.map(|message| message.body);
        let Some((number, is_in_fragments)) = body.as_ref().and_then(fleet::number_of) else {
            return Ok(());
        };
        if is_in_fragments != are_fragments {
            return Ok(());
        }
        if let (Some(delivery), Some(sent)) =
            (self.deliveries.get_mut(number), self.scenario.messages.get(number))
        {
            delivery.get_or_insert(Delivery {
                after: self.now - sent.at,
                hops: receiver.latest_hops(),
                size_bytes: sent.size_bytes,
            });
        }
        Ok(())
    }

    /// Begins what transfers can begin now that these people may be free, or have something new.
    fn serve(&mut self, people: &[usize]) -> Result<(), SimError> {
        for way in self.air.waiting(people) {
            let Some(sender) = self.air.sender(way) else { continue };
            match self.people[sender].transmit(self.now, way.link)? {
                Some((frame, purpose)) => {
                    let lasts = self.air.launch(way, frame, purpose);
                    let at = self.now.saturating_add(lasts);
                    self.schedule.add(at, Happening::FrameEnds(way.link));
                }
                None => self.air.rest(way),
            }
        }
        Ok(())
    }
}
