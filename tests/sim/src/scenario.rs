//! Who meets whom, and who writes to whom.
//!
//! Two formats are read, and may be mixed: lines `start end a b` of contacts, and the event lines of
//! The ONE simulator's `StandardEventsReader`, `time CONN a b up`, `time CONN a b down` and
//! `time C id from to bytes`. Times are seconds, with fractions; people are numbers. Files are laid
//! over one another: the same number is the same person in each.

use crate::input::{InputError, Line, Place, read_lines};
use crate::schedule::{Nanos, SECOND};
use crate::worlds::Map;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No time beyond this many seconds, a century: sums of times stay within range.
const MAX_TIME_S: f64 = 100.0 * 366.0 * 86_400.0;

const NANOS_PER_S: f64 = 1e9;

/// A world to replay. People are numbered from 0 without gaps, in the order of their numbers in
/// the files.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    pub(crate) people: usize,
    /// By the time of their beginning; those of a pair do not overlap.
    pub(crate) contacts: Vec<Contact>,
    /// By the time of their writing.
    pub(crate) messages: Vec<Message>,
    /// The same; those of person 0 are followed by everybody.
    pub(crate) publications: Vec<Publication>,
    /// Where everybody is, in a synthetic world.
    pub(crate) map: Option<Arc<Map>>,
}

/// Two people are near each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    pub(crate) start: Nanos,
    pub(crate) end: Nanos,
    pub(crate) pair: [usize; 2],
}

/// A flooder writes so often, letters of this length: 11 MB a day.
const FLOOD_EVERY: Nanos = 60 * SECOND;
const FLOOD_BYTES: u64 = 7_500;

/// Somebody writes to somebody.
#[derive(Debug, Clone)]
pub struct Message {
    pub(crate) at: Nanos,
    pub(crate) name: String,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) size_bytes: u64,
    /// Whether it is there to be in others' way: nobody counts it.
    pub(crate) is_flood: bool,
    pub(crate) place: Place,
}

/// Somebody publishes an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) at: Nanos,
    pub(crate) from: usize,
    pub(crate) text_bytes: usize,
}

struct ContactLine {
    start: Nanos,
    end: Nanos,
    pair: [u32; 2],
    place: Place,
}

struct MessageLine {
    at: Nanos,
    name: String,
    ends: [u32; 2],
    size_bytes: u64,
    place: Place,
}

impl Scenario {
    /// Reads contacts and messages.
    ///
    /// # Errors
    /// An [`InputError`] with file and line: what does not parse, contacts that end before they
    /// begin or overlap another of the same pair, messages to oneself or with people whom the
    /// contacts do not know, files that are cut off.
    pub fn load(contacts: &[PathBuf], messages: &[PathBuf]) -> Result<Self, InputError> {
        let contacts = read_contacts(contacts)?;
        let messages = read_messages(messages)?;
        let known: BTreeSet<u32> = contacts.iter().flat_map(|contact| contact.pair).collect();
        let numbers: BTreeMap<u32, usize> = known.into_iter().zip(0..).collect();
        let mut scenario = Self { people: numbers.len(), ..Self::default() };
        let number = |id: u32, place: &Place| {
            let unknown =
                || InputError::at(place, format!("node {id} has no contact in the trace"));
            numbers.get(&id).copied().ok_or_else(unknown)
        };
        for ContactLine { start, end, pair: [a, b], place } in contacts {
            let pair = [number(a, &place)?, number(b, &place)?];
            scenario.contacts.push(Contact { start, end, pair });
        }
        for MessageLine { at, name, ends: [from, to], size_bytes, place } in messages {
            let (from, to) = (number(from, &place)?, number(to, &place)?);
            let is_flood = false;
            scenario.messages.push(Message { at, name, from, to, size_bytes, is_flood, place });
        }
        Ok(scenario)
    }

    /// How many people there are.
    pub fn people(&self) -> usize {
        self.people
    }

    /// From the first thing that happens to the last.
    pub(crate) fn span(&self) -> (Nanos, Nanos) {
        if let Some(map) = &self.map {
            return (0, map.end);
        }
        let contacts = self.contacts.iter().map(|contact| (contact.start, contact.end));
        let all = contacts.chain(self.messages.iter().map(|message| (message.at, message.at)));
        all.reduce(|(from, to), (start, end)| (from.min(start), to.max(end))).unwrap_or_default()
    }

    /// Without messages from or to these people, and without what they publish.
    pub(crate) fn without_messages_of(mut self, who: &BTreeSet<usize>) -> Self {
        self.messages.retain(|message| !who.contains(&message.from) && !who.contains(&message.to));
        self.publications.retain(|publication| !who.contains(&publication.from));
        self
    }

    /// With floods: each of these people writes to the next, one letter after the other.
    pub(crate) fn with_floods_of(mut self, who: &BTreeSet<usize>) -> Self {
        let (start, end) = self.span();
        let place = Place { file: Path::new("flood").into(), line: 0 };
        let next = who.iter().cycle().skip(1);
        for (from, to) in who.iter().zip(next).filter(|(from, to)| from != to) {
            let times = (start..end).step_by(FLOOD_EVERY as usize);
            self.messages.extend(times.map(|at| Message {
                at,
                name: String::new(),
                from: *from,
                to: *to,
                size_bytes: FLOOD_BYTES,
                is_flood: true,
                place: place.clone(),
            }));
        }
        self.messages.sort_by_key(|message| message.at);
        self
    }

    /// Without contacts of these people.
    pub(crate) fn without_contacts_of(mut self, who: &BTreeSet<usize>) -> Self {
        self.contacts.retain(|contact| !contact.pair.iter().any(|person| who.contains(person)));
        self
    }
}

fn read_contacts(files: &[PathBuf]) -> Result<Vec<ContactLine>, InputError> {
    let mut contacts = Vec::new();
    for file in files {
        let before = contacts.len();
        read_contact_file(file, &mut contacts)?;
        if contacts.len() == before {
            return Err(InputError::Nothing { file: file.clone(), what: "contact" });
        }
    }
    contacts.sort_by_key(|contact| (contact.start, contact.end, contact.pair));
    let mut ends: BTreeMap<[u32; 2], Nanos> = BTreeMap::new();
    for contact in &contacts {
        let [a, b] = contact.pair;
        if ends.insert(contact.pair, contact.end).is_some_and(|end| contact.start < end) {
            let what = format!("this contact of {a} and {b} overlaps another of theirs");
            return Err(InputError::at(&contact.place, what));
        }
    }
    Ok(contacts)
}

fn read_contact_file(file: &Path, contacts: &mut Vec<ContactLine>) -> Result<(), InputError> {
    let mut open: BTreeMap<[u32; 2], (Nanos, Place)> = BTreeMap::new();
    let mut latest = 0;
    read_lines(file, |line| {
        let first = time(line, "start")?;
        latest = first.max(latest);
        let second = line.word("end, CONN or C")?;
        match second {
            "C" => return Ok(()),
            "CONN" => {
                let both = pair(line)?;
                let [a, b] = both;
                match line.word("up or down")? {
                    "up" => {
                        if open.insert(both, (first, line.place.clone())).is_some() {
                            return Err(line.error(format!("{a} and {b} are connected already")));
                        }
                    }
                    "down" => {
                        let Some((start, _)) = open.remove(&both) else {
                            return Err(line.error(format!("{a} and {b} are not connected")));
                        };
                        contacts.push(contact(line, start, first, both)?);
                    }
                    other => return Err(line.error(format!("“{other}” is neither up nor down"))),
                }
            }
            end => {
                let end = time_of(line, end, "end")?;
                let both = pair(line)?;
                contacts.push(contact(line, first, end, both)?);
            }
        }
        line.finish()
    })?;
    // What The ONE reports at the end of a run leaves open what is up: it lasted that long.
    for (pair, (start, place)) in open {
        contacts.push(ContactLine { start, end: latest, pair, place });
    }
    Ok(())
}

fn read_messages(files: &[PathBuf]) -> Result<Vec<MessageLine>, InputError> {
    let mut messages = Vec::new();
    let mut names = BTreeSet::new();
    for file in files {
        let before = messages.len();
        read_lines(file, |line| {
            let at = time(line, "time")?;
            match line.word("C or CONN")? {
                "C" => {}
                "CONN" => return Ok(()),
                other => return Err(line.error(format!("“{other}” is neither C nor CONN"))),
            }
            let name = line.word("message id")?.to_owned();
            let ends = [line.number("sender")?, line.number("recipient")?];
            let size_bytes = line.number("size in bytes")?;
            if ends[0] == ends[1] {
                return Err(line.error(format!("message {name} is to its own sender")));
            }
            if !names.insert(name.clone()) {
                return Err(line.error(format!("there is a message {name} already")));
            }
            line.finish()?;
            messages.push(MessageLine { at, name, ends, size_bytes, place: line.place.clone() });
            Ok(())
        })?;
        if messages.len() == before {
            return Err(InputError::Nothing { file: file.clone(), what: "message" });
        }
    }
    messages.sort_by_key(|message| message.at);
    Ok(messages)
}

/// Two people, the lesser number first.
fn pair(line: &mut Line<'_>) -> Result<[u32; 2], InputError> {
    let (a, b): (u32, u32) = (line.number("node")?, line.number("node")?);
    if a == b { Err(line.error(format!("{a} meets itself"))) } else { Ok([a.min(b), a.max(b)]) }
}

fn contact(
    line: &Line<'_>,
    start: Nanos,
    end: Nanos,
    pair: [u32; 2],
) -> Result<ContactLine, InputError> {
    if end < start {
        return Err(line.error("this contact ends before it begins"));
    }
    Ok(ContactLine { start, end, pair, place: line.place.clone() })
}

fn time(line: &mut Line<'_>, what: &str) -> Result<Nanos, InputError> {
    let word = line.word(what)?;
    time_of(line, word, what)
}

fn time_of(line: &Line<'_>, word: &str, what: &str) -> Result<Nanos, InputError> {
    let seconds = word.parse().ok().filter(|seconds| (0.0..=MAX_TIME_S).contains(seconds));
    let no_time = || line.error(format!("“{word}” is no {what} in seconds"));
    #[allow(clippy::cast_sign_loss, reason = "what is negative is no time")]
    seconds.map(|s: f64| (s * NANOS_PER_S).round() as Nanos).ok_or_else(no_time)
}
