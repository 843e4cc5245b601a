//! Parts of the world that have nothing to do with each other for a while, on a processor each.
//!
//! Who may meet whom in the next seconds is known: everybody who is linked, whose contact begins, who
//! writes to whom. What these ties join is one part, and nothing that happens there is felt elsewhere
//! before they are joined again. So it does not show in any figure how many parts there were.

use super::{SimError, World};
use crate::phones::Errand;
use crate::report::Figures;
use crate::schedule::{Happening, Nanos, Schedule};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// So many parts for each processor, as one cannot know how long each will take.
const PARTS_PER_WORKER: usize = 4;
/// A link that begins makes so much more work than a person, or a link that is there.
const NEW_LINK_WORK: usize = 20;
/// Where there are fewer links than this, or most of the work is in one part, it is done sooner than divided.
const LEAST_LINKS: usize = 8;
const MOST_IN_ONE: f64 = 0.8;

impl World {
    /// Lets happen what happens until then.
    pub(crate) fn live_in_parts(&mut self, until: Nanos, workers: usize) -> Result<(), SimError> {
        // What liars, alerts and Bluetooth do is looked at as a whole.
        let is_one = self.radios.is_some()
            || self.figures.lies.is_some()
            || !self.scenario.publications.is_empty();
        if is_one || workers < 2 || self.air.pairs().len() < LEAST_LINKS {
            return self.live(until);
        }
        let due: Vec<(Nanos, Happening)> =
            std::iter::from_fn(|| self.schedule.next(until)).collect();
        let people: Vec<_> = due.iter().map(|(_, what)| self.person_of(*what)).collect();
        let districts = self.districts(&due, workers * PARTS_PER_WORKER);
        let mut parts: Vec<World> = districts.iter().map(|who| self.part(who)).collect();
        let mut part_of = vec![None; self.people.len()];
        for (part, who) in districts.iter().enumerate() {
            for person in who {
                part_of[*person] = Some(part);
            }
        }
        for ((at, what), person) in due.into_iter().zip(people) {
            let part = person.and_then(|person| part_of[person]).and_then(|it| parts.get_mut(it));
            part.unwrap_or(self).schedule.add(at, what);
        }
        let waiting = Mutex::new(parts.into_iter().rev().collect::<Vec<_>>());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let work = || -> Result<Vec<World>, SimError> {
            let mut done = Vec::new();
            while let Some(mut part) = next() {
                part.live(until)?;
                done.push(part);
            }
            Ok(done)
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            let mut done = work()?;
            for worker in workers {
                match worker.join() {
                    Ok(parts) => done.extend(parts?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            for part in done {
                self.join(part);
            }
            self.live(until)
        })
    }

    /// Those who may have to do with each other, in at most so many groups; none where that is not
    /// worth it.
    fn districts(&self, due: &[(Nanos, Happening)], most: usize) -> Vec<Vec<usize>> {
        let mut ties = Ties::new(self.people.len());
        for pair in self.air.pairs() {
            ties.add(pair, 1);
        }
        for (_, what) in due {
            match *what {
                Happening::ContactBegins(contact) | Happening::Redial(contact) => {
                    ties.add(self.scenario.contacts[contact].pair, NEW_LINK_WORK);
                }
                // Also where no link is up for it, with a phone that is off.
                Happening::ContactEnds(contact) => {
                    ties.add(self.scenario.contacts[contact].pair, 0);
                }
                Happening::MessageWritten(number) => self.tie_message(&mut ties, number),
                Happening::SwitchedOn(person) => {
                    for contact in &self.people[person].meetings {
                        ties.add(self.scenario.contacts[*contact].pair, NEW_LINK_WORK);
                    }
                    for errand in self.phones.errands(person) {
                        if let Errand::Write(number) = errand {
                            self.tie_message(&mut ties, *number);
                        }
                    }
                }
                _ => {}
            }
        }
        ties.groups(most)
    }

    fn tie_message(&self, ties: &mut Ties, number: usize) {
        let message = &self.scenario.messages[number];
        ties.add([message.from, message.to], 0);
    }

    /// To whom it happens, or to one of two.
    fn person_of(&self, what: Happening) -> Option<usize> {
        Some(match what {
            Happening::FrameEnds(link) => {
                self.scenario.contacts[self.air.contact_of(link)?].pair[0]
            }
            Happening::ContactBegins(contact)
            | Happening::ContactEnds(contact)
            | Happening::Redial(contact) => self.scenario.contacts[contact].pair[0],
            Happening::SwitchedOff(person)
            | Happening::SwitchedOn(person)
            | Happening::Wake(person)
            | Happening::RadioWakes(person) => person,
            Happening::MessageWritten(number) => self.scenario.messages[number].from,
            Happening::Published(number) => self.scenario.publications[number].from,
            Happening::RadioHappens(_) => return None,
        })
    }

    fn part(&mut self, who: &[usize]) -> Self {
        Self {
            scenario: Arc::clone(&self.scenario),
            settings: Arc::clone(&self.settings),
            now: self.now,
            end: self.end,
            schedule: Schedule::default(),
            air: self.air.part(who),
            radios: None,
            people: self.people.part(who),
            phones: self.phones.part(who),
            alerts: BTreeMap::new(),
            truth: super::Truth::default(),
            figures: Figures::default(),
            notes: Vec::new(),
        }
    }

    fn join(&mut self, part: Self) {
        self.schedule.join(part.schedule);
        self.air.join(part.air);
        self.people.join(part.people);
        self.phones.join(part.phones);
        self.figures.add(&part.figures);
        self.notes.extend(part.notes);
    }
}

/// Who has to do with whom: a forest in which each tree is a group, by its root.
struct Ties {
    parents: Vec<usize>,
    work: Vec<usize>,
}

impl Ties {
    fn new(people: usize) -> Self {
        Self { parents: (0..people).collect(), work: vec![1; people] }
    }

    fn root(&mut self, mut person: usize) -> usize {
        while self.parents[person] != person {
            self.parents[person] = self.parents[self.parents[person]];
            person = self.parents[person];
        }
        person
    }

    fn add(&mut self, pair: [usize; 2], work: usize) {
        let [root, other] = pair.map(|person| self.root(person));
        self.work[root] += work;
        if root != other {
            self.parents[other] = root;
            self.work[root] += self.work[other];
        }
    }

    /// Everybody, in groups of about the same work, the largest first.
    fn groups(mut self, most: usize) -> Vec<Vec<usize>> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for person in 0..self.parents.len() {
            members.entry(self.root(person)).or_default().push(person);
        }
        let mut trees: Vec<(usize, Vec<usize>)> =
            members.into_iter().map(|(root, who)| (self.work[root], who)).collect();
        trees.sort_unstable_by(|a, b| b.cmp(a));
        let all: usize = trees.iter().map(|(work, _)| work).sum();
        if trees.first().is_none_or(|(work, _)| *work as f64 > MOST_IN_ONE * all as f64) {
            return Vec::new();
        }
        let mut groups: Vec<(usize, Vec<usize>)> = vec![(0, Vec::new()); most.min(trees.len())];
        for (work, who) in trees {
            if let Some(lightest) = groups.iter_mut().min_by_key(|(work, _)| *work) {
                lightest.0 += work;
                lightest.1.extend(who);
            }
        }
        groups.into_iter().map(|(_, who)| who).collect()
    }
}
