//! A scenario from its first second to its last, and what is told of it.

use crate::chronicle::{Chronicle, Note, STEPS};
use crate::fleet::{self, Rogues};
use crate::liars::Nature;
use crate::memory;
use crate::phones::MINUTE;
use crate::report::{Cost, Delivery, Figures, Report};
use crate::scenario::Scenario;
use crate::schedule::{Happening, Nanos, SECOND};
use crate::settings::Settings;
use crate::world::{SimError, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// For so long what happens to people is looked at in parts, before they are put together again.
const WINDOW: Nanos = 60 * SECOND;

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
    replay_on(scenario, settings, thread::available_parallelism().map_or(1, usize::from))
}

/// The same on so many processors, which no figure but the time shows.
fn replay_on(
    scenario: &Scenario,
    settings: &Settings,
    workers: usize,
) -> Result<(Report, Chronicle), SimError> {
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
    let world = World::new(Arc::new(scenario), settings, &Rogues { droppers, liars }, workers)?;
    let mut replay = Replay::new(world, settings);
    let setup_time_s = begun.elapsed().as_secs_f64();
    replay.run(workers)?;
    let (figures, chronicle) = replay.conclude();
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

struct Replay {
    world: World,
    scenario: Arc<Scenario>,
    lifetime: Nanos,
    /// How many contacts, messages and publications have begun, or are about to.
    begun: [usize; 3],
    chronicle: Chronicle,
    /// When each message was written.
    written: Vec<Nanos>,
    /// For each message, once it is whole at its recipient.
    deliveries: Vec<Option<Delivery>>,
}

impl Replay {
    fn new(world: World, settings: &Settings) -> Self {
        let scenario = Arc::clone(&world.scenario);
        let messages = &scenario.messages;
        Self {
            chronicle: Chronicle::new(world.people.len(), messages.len(), (world.now, world.end)),
            written: messages.iter().map(|message| message.at).collect(),
            deliveries: messages.iter().map(|_| None).collect(),
            lifetime: Nanos::from(settings.lifetime_s) * SECOND,
            begun: [0; 3],
            scenario,
            world,
        }
    }

    fn run(&mut self, workers: usize) -> Result<(), SimError> {
        self.world.begin()?;
        let mut minute = self.world.phones.have_batteries().then_some(self.world.now + MINUTE);
        loop {
            let window = (self.world.now + WINDOW).min(self.world.end);
            let until = [minute, self.next_step()].into_iter().flatten().fold(window, Nanos::min);
            self.expect(until);
            self.world.live_in_parts(until, workers)?;
            if minute == Some(until) {
                self.world.pass_minute()?;
                minute = Some(until + MINUTE);
            }
            self.read_notes();
            while self.next_step() == Some(until) {
                self.end_step()?;
            }
            if until == self.world.end {
                return Ok(());
            }
        }
    }

    /// Tells the world what is to begin by then.
    fn expect(&mut self, until: Nanos) {
        let Scenario { contacts, messages, publications, .. } = &*self.scenario;
        let [contact, message, publication] = &mut self.begun;
        while let Some(next) = contacts.get(*contact).filter(|it| it.start <= until) {
            self.world.expect(next.start, Happening::ContactBegins(*contact));
            *contact += 1;
        }
        while let Some(next) = messages.get(*message).filter(|it| it.at <= until) {
            self.world.expect(next.at, Happening::MessageWritten(*message));
            *message += 1;
        }
        while let Some(next) = publications.get(*publication).filter(|it| it.at <= until) {
            self.world.expect(next.at, Happening::Published(*publication));
            *publication += 1;
        }
    }

    fn read_notes(&mut self) {
        for (at, note) in self.world.take_notes() {
            match note {
                Note::Frame { pair, purpose, size_bytes } => {
                    self.chronicle.note_frame(at, pair, purpose, size_bytes);
                }
                Note::Written { number, letter } => {
                    let message = &self.scenario.messages[number];
                    self.written[number] = at;
                    if !message.is_flood {
                        let pair = [message.from, message.to];
                        self.chronicle.note_writing(at, number, pair, letter);
                    }
                }
                Note::Copied { person, envelope } => {
                    self.chronicle.note_copy(at, person, &envelope);
                }
                Note::Whole { number, hops } => self.note_delivery(at, number, hops),
            }
        }
    }

    fn note_delivery(&mut self, at: Nanos, number: usize, hops: u32) {
        let message = &self.scenario.messages[number];
        let after = at - self.written[number];
        // Lies about ages keep what is over alive.
        if message.is_flood || after > self.lifetime || self.deliveries[number].is_some() {
            return;
        }
        let size_bytes = message.size_bytes;
        self.deliveries[number] = Some(Delivery { after, hops, size_bytes });
        self.chronicle.note_delivery(at, number, after);
    }

    /// When the chronicle's step ends.
    fn next_step(&self) -> Option<Nanos> {
        let done = self.chronicle.buffers.len();
        let end = self.chronicle.from + (done as u64 + 1) * self.chronicle.step;
        (done < STEPS).then_some(end.min(self.world.end))
    }

    fn end_step(&mut self) -> Result<(), SimError> {
        let people = &self.world.people;
        let board = people.iter().map(|person| person.node.stats().foreign_bytes).collect();
        let off = (0..people.len()).filter(|person| !self.world.phones.is_on(*person)).count();
        self.chronicle.close_step(board, off);
        self.look_for_losses()
    }

    /// Copies go without notice: who had one is asked again.
    fn look_for_losses(&mut self) -> Result<(), SimError> {
        let (now, end) = (self.world.now, self.world.end);
        let (step, lifetime) = (self.chronicle.step, self.lifetime);
        let is_live = |written: Nanos| now < written + step + lifetime || now == end;
        for trail in self.chronicle.trails.iter_mut().filter(|trail| is_live(trail.written)) {
            let mut lost = Vec::new();
            for person in &trail.holders {
                if self.world.people[*person].node.envelope(&trail.letter)?.is_none() {
                    lost.push(*person);
                }
            }
            trail.note_losses(now, &lost);
        }
        Ok(())
    }

    fn conclude(self) -> (Figures, Chronicle) {
        let mut chronicle = self.chronicle;
        let all =
            (self.world.end - chronicle.from).max(1) as f64 * self.world.people.len().max(1) as f64;
        let (mut figures, spells) = self.world.conclude();
        let off: u64 = spells.iter().flatten().map(|[from, to]| to - from).sum();
        figures.off_share = off as f64 / all;
        chronicle.spells = spells;
        let deliveries: Vec<Delivery> = self.deliveries.into_iter().flatten().collect();
        figures.conclude(&deliveries);
        (figures, chronicle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Place;
    use crate::scenario::{Contact, Message};
    use std::path::Path;

    /// Groups of four that mix now and then, and write to each other and to others.
    fn town() -> Scenario {
        let mut town = Scenario { people: 48, ..Scenario::default() };
        for n in 0..1200_u64 {
            let (start, group) = ((n / 12) * 30 * SECOND, (n % 12) as usize * 4);
            let pair = if n % 97 == 0 {
                [group, (group + 9) % 48]
            } else {
                [group + (n / 12 % 4) as usize, group + (n / 48 + 1 + n / 12) as usize % 4]
            };
            if pair[0] != pair[1] {
                town.contacts.push(Contact { start, end: start + 25 * SECOND, pair });
            }
        }
        for n in 0..80_usize {
            let (from, to) = (n * 7 % 48, (n * 7 + if n % 3 == 0 { 21 } else { 1 }) % 48);
            town.messages.push(Message {
                at: n as u64 * 30 * SECOND,
                name: format!("M{n}"),
                from,
                to,
                size_bytes: 300 + n as u64 * 613 % 30_000,
                is_flood: false,
                place: Place { file: Path::new("town").into(), line: n },
            });
        }
        town
    }

    #[test]
    fn no_figure_shows_on_how_many_processors_it_was_found() {
        let settings = Settings { nodes_off: 0.2, seed: 5, ..Settings::default() };
        let of = |workers| {
            let (report, chronicle) = replay_on(&town(), &settings, workers).unwrap();
            (report.figures, format!("{chronicle:?}"))
        };
        let alone = of(1);
        assert!(alone.0.delivered > 10 && alone.0.transfers > 100, "{:?}", alone.0);
        assert_eq!((of(2) == alone, of(3) == alone), (true, true));
    }
}
