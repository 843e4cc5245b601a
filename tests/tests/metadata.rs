//! What three carriers can make of a week of other people's mail: no more than docs/threat-model.md
//! admits. They keep every envelope and note every frame; a linker compares all that they have.

use footpost_core::{ContactId, DAY_MS, EnvelopeId, TagMode, Timestamp};
use footpost_tests::{Net, START, simulated};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const PEOPLE: usize = 20;
const CARRIERS: usize = 3;
const MINUTE_MS: u64 = 60_000;
/// A creation time is moved back by less than this.
const JITTER_MS: u64 = 5 * MINUTE_MS;

// Where things are in an envelope: docs/wire.md, section 3.
const SUITE: usize = 1;
/// Version, suite, priority, creation, lifetime: few values, shared by many.
const LIFETIME: Range<usize> = 7..11;
const TAG: Range<usize> = 11..19;
const HINT: Range<usize> = 19..27;
const HINT_AND_COMMITMENT: Range<usize> = 19..59;
const POSTMARK: Range<usize> = 59..91;
const KEM: usize = 99;

/// One envelope, as the carriers have it.
#[derive(Clone)]
struct Seen {
    bytes: Vec<u8>,
    /// Whom the first carrier met when it got it.
    from: usize,
    /// Whom a carrier met when the acknowledgement came.
    acknowledged_by: Option<usize>,
    truth: Truth,
}

/// What the carriers do not know.
#[derive(Clone, Copy)]
struct Truth {
    writer: usize,
    reader: Option<usize>,
}

impl Seen {
    fn created(&self) -> Timestamp {
        let minutes = u32::from_be_bytes(self.bytes[3..7].try_into().expect("four bytes"));
        Timestamp(u64::from(minutes) * MINUTE_MS)
    }

    fn postmark(&self) -> &[u8] {
        &self.bytes[POSTMARK]
    }

    /// What is left to sort by where nothing is the same: suite, priority, lifetime, size.
    fn shape(&self) -> (u8, u8, &[u8], usize) {
        (self.bytes[SUITE], self.bytes[SUITE + 1], &self.bytes[LIFETIME], self.bytes.len())
    }
}

/// Why two envelopes seem to belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    Tag,
    Postmark,
    /// The same eight bytes anywhere else, at whatever place: hint, commitment, KEM output,
    /// ciphertext, signature.
    Bytes,
}

/// Every pair with something in common.
fn links(seen: &[Seen]) -> BTreeSet<(Link, usize, usize)> {
    let mut found = BTreeSet::new();
    let mut by_value = BTreeMap::<(Link, &[u8]), Vec<usize>>::new();
    for (index, envelope) in seen.iter().enumerate() {
        let bytes = &envelope.bytes;
        let windows = bytes[HINT_AND_COMMITMENT].windows(8).chain(bytes[KEM..].windows(8));
        let values = windows
            .map(|window| (Link::Bytes, window))
            .chain([(Link::Tag, &bytes[TAG]), (Link::Postmark, &bytes[POSTMARK])]);
        for (link, value) in values {
            let others = by_value.entry((link, value)).or_default();
            found.extend(others.iter().map(|&other| (link, other, index)));
            others.push(index);
        }
    }
    found
}

/// A week of twenty people in several conversations, who never meet but by three carriers.
struct Week {
    net: Net,
    rng: ChaCha20Rng,
    friends: Vec<Vec<(usize, ContactId)>>,
    answered: Vec<usize>,
    truths: BTreeMap<EnvelopeId, Truth>,
    on_board: Vec<BTreeSet<EnvelopeId>>,
    seen: BTreeMap<EnvelopeId, Seen>,
}

impl Week {
    fn new(seed: u64, tag_mode: TagMode) -> Self {
        let net = Net::with_config(seed, PEOPLE + CARRIERS, simulated().tag_mode(tag_mode));
        let mut week = Self {
            net,
            rng: ChaCha20Rng::seed_from_u64(seed),
            friends: vec![Vec::new(); PEOPLE],
            answered: vec![0; PEOPLE],
            truths: BTreeMap::new(),
            on_board: vec![BTreeSet::new(); CARRIERS],
            seen: BTreeMap::new(),
        };
        for one in 0..PEOPLE {
            for other in [1, 2, 7].map(|step| (one + step) % PEOPLE) {
                let (to_other, to_one) = week.net.befriend(one, other);
                week.friends[one].push((other, to_other));
                week.friends[other].push((one, to_one));
            }
        }
        week
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound as u64) as usize
    }

    /// Everybody meets two carriers a day, writes before the first and answers after each.
    fn live(&mut self, days: u64) {
        for day in 0..days {
            let mut meetings = Vec::new();
            for person in 0..PEOPLE {
                for half in 0..2 {
                    let minute = half * 700 + self.below(600);
                    meetings.push((minute as u64, person, half, self.below(CARRIERS)));
                }
            }
            meetings.sort_unstable();
            for (minute, person, half, carrier) in meetings {
                let at = START.0 + day * DAY_MS + minute * MINUTE_MS;
                self.net.run_for(at.saturating_sub(self.net.now().0));
                if half == 0 {
                    let friend = self.below(self.friends[person].len());
                    self.write(person, self.friends[person][friend]);
                }
                self.meet(person, carrier);
                self.answer(person);
            }
        }
    }

    fn write(&mut self, person: usize, (reader, contact): (usize, ContactId)) {
        let length = 1 + self.below(120);
        self.net.send(person, contact, &"x".repeat(length));
        for id in self.own(person) {
            self.truths.entry(id).or_insert(Truth { writer: person, reader: Some(reader) });
        }
    }

    fn answer(&mut self, person: usize) {
        let received: Vec<_> =
            self.net.messages(person, None).into_iter().filter(|m| !m.outgoing).collect();
        let new = received.into_iter().skip(self.answered[person]).collect::<Vec<_>>();
        self.answered[person] += new.len();
        for message in new {
            let friend = self.friends[person].iter().find(|friend| friend.1 == message.contact);
            if let Some(&friend) = friend
                && self.below(2) == 0
            {
                self.write(person, friend);
            }
        }
    }

    fn own(&mut self, person: usize) -> Vec<EnvelopeId> {
        let carried = self.net.node(person).carried(100_000).expect("the store works");
        carried.into_iter().filter(|envelope| envelope.is_own).map(|own| own.id).collect()
    }

    /// Five minutes on one link; the carrier keeps all that it sees.
    fn meet(&mut self, person: usize, carrier: usize) {
        for id in self.own(person) {
            self.truths.entry(id).or_insert(Truth { writer: person, reader: None });
        }
        let link = self.net.connect(PEOPLE + carrier, person);
        self.net.run_for(5 * MINUTE_MS);
        self.net.cut(link);
        let node = self.net.node(PEOPLE + carrier);
        let now: BTreeSet<_> =
            node.carried(100_000).expect("the store works").iter().map(|c| c.id).collect();
        for id in &now {
            let bytes = node.envelope(id).expect("the store works").expect("it is on board");
            let truth = self.truths[id];
            let seen = Seen { bytes, from: person, acknowledged_by: None, truth };
            self.seen.entry(*id).or_insert(seen);
        }
        let before = std::mem::replace(&mut self.on_board[carrier], now);
        for gone in before.difference(&self.on_board[carrier]) {
            let seen = self.seen.get_mut(gone).expect("it was on board");
            seen.acknowledged_by.get_or_insert(person);
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.values().cloned().collect()
    }
}

/// Checks that all that links two envelopes is what the design admits.
fn only_admitted(seen: &[Seen]) -> Result<[usize; 2], (Link, usize, usize)> {
    let mut admitted = [0; 2];
    for (link, one, other) in links(seen) {
        let (a, b) = (&seen[one], &seen[other]);
        let apart_ms = a.created().0.abs_diff(b.created().0);
        let is_same_day = a.created().0 / DAY_MS == b.created().0 / DAY_MS;
        let is_admitted = match link {
            // One postmark a day and writer; it tells nothing of the reader.
            Link::Postmark => {
                a.truth.writer == b.truth.writer && apart_ms <= DAY_MS + JITTER_MS + MINUTE_MS
            }
            // Towards home relays: one reader's tag of the day.
            Link::Tag => a.truth.reader == b.truth.reader && is_same_day,
            Link::Bytes => false,
        };
        if !is_admitted {
            return Err((link, one, other));
        }
        admitted[usize::from(link == Link::Tag)] += 1;
    }
    Ok(admitted)
}

fn percent(part: usize, whole: usize) -> f64 {
    let tenths = u32::try_from(part * 1000 / whole.max(1)).expect("a part of the whole");
    f64::from(tenths) / 10.0
}

fn pairs(seen: &[Seen]) -> impl Iterator<Item = (&Seen, &Seen)> {
    seen.iter()
        .enumerate()
        .flat_map(move |(i, one)| seen[..i].iter().map(move |other| (one, other)))
}

/// Among pairs that no postmark links: how often two have one writer, of all and of those with the
/// same shape.
fn same_writer_by_shape(seen: &[Seen]) -> [f64; 2] {
    let unlinked: Vec<_> =
        pairs(seen).filter(|(one, other)| one.postmark() != other.postmark()).collect();
    let alike: Vec<_> =
        unlinked.iter().copied().filter(|(one, other)| one.shape() == other.shape()).collect();
    [unlinked, alike].map(|pairs| {
        let same = pairs.iter().filter(|(one, other)| one.truth.writer == other.truth.writer);
        percent(same.count(), pairs.len())
    })
}

#[test]
fn a_week_of_mail_links_by_the_postmark_of_the_day_alone() {
    let mut week = Week::new(1, TagMode::Hidden);
    week.live(7);
    let seen = week.seen();
    assert!(seen.len() > 200, "{} envelopes are no week", seen.len());
    let [by_postmark, by_tag] = only_admitted(&seen).expect("nothing else links");
    assert_eq!(by_tag, 0);

    // Nor does what is left to sort by.
    let [chance, by_shape] = same_writer_by_shape(&seen);
    assert!(by_shape < chance * 1.5, "{by_shape} % instead of {chance} %");

    // A neighbour's first frame does not tell who it is, nor how full its store.
    let mut spoken = BTreeSet::new();
    let mut answers = BTreeSet::new();
    for frame in week.net.frames().iter().filter(|frame| frame.from < PEOPLE) {
        if spoken.insert(frame.link) {
            answers.insert(frame.size_bytes);
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");

    let first: BTreeMap<&[u8], &Seen> =
        seen.iter().rev().map(|envelope| (envelope.postmark(), envelope)).collect();
    let origin = seen.iter().filter(|e| e.from == e.truth.writer).count();
    let done: Vec<_> = seen.iter().filter(|e| e.acknowledged_by.is_some()).collect();
    let reader = done.iter().filter(|e| e.acknowledged_by == e.truth.reader).count();
    println!("{} envelopes under {} postmarks", seen.len(), first.len());
    println!("linked by postmark, of one writer, within a day: {by_postmark} pairs");
    println!("linked across days, or by any other field: 0 pairs");
    println!(
        "same suite, priority, lifetime, size: one writer {by_shape:.1} %, chance {chance:.1} %"
    );
    println!("writer is who brought it first: {:.0} %, chance 5 %", percent(origin, seen.len()));
    println!(
        "reader is who brought the ack first: {:.0} %, chance 5 %",
        percent(reader, done.len())
    );
}

#[test]
fn tags_towards_home_relays_link_one_readers_mail_of_one_day() {
    let mut week = Week::new(2, TagMode::Mailbox);
    week.live(3);
    let seen = week.seen();
    let [_, by_tag] = only_admitted(&seen).expect("nothing else links");
    assert!(by_tag > 0, "tags do not serve their purpose");
    println!("linked by tag, of one reader, within a day: {by_tag} pairs");
}

#[test]
fn a_sender_that_repeats_itself_is_caught() {
    let mut week = Week::new(3, TagMode::Hidden);
    week.live(3);
    let seen = week.seen();
    let broken = |field: Range<usize>, value: fn(Truth) -> usize| {
        let mut broken = seen.clone();
        for Seen { bytes, truth, .. } in &mut broken {
            bytes[field.clone()].fill(value(*truth) as u8);
        }
        only_admitted(&broken).map_err(|(link, ..)| link)
    };
    let reader = |truth: Truth| truth.reader.unwrap_or_default();
    let writer = |truth: Truth| truth.writer;
    assert_eq!(broken(TAG, reader), Err(Link::Tag), "a tag for good");
    assert_eq!(broken(HINT, reader), Err(Link::Bytes), "a hint for good");
    assert_eq!(broken(POSTMARK, writer), Err(Link::Postmark), "a postmark for good");
    assert_eq!(broken(POSTMARK, |_| 0), Err(Link::Postmark), "a postmark of two writers");
    assert_eq!(broken(KEM..KEM + 32, reader), Err(Link::Bytes), "an ephemeral key used again");
}
