//! The people: a real node each, and what the simulator notes about it from outside.

use crate::air::{Parcel, Purpose};
use crate::liars::{Liar, Names, Nature};
use crate::roster::Roster;
use crate::scenario::{Message, Scenario};
use crate::schedule::{MILLISECOND, Nanos};
use crate::settings::Settings;
use crate::world::{FOLLOWED, SimError};
use footpost_core::{
    Body, BulletinDraft, BulletinId, BulletinKind, Config, ContactId, EnvelopeId, EnvelopePool,
    Kind, LinkId, LinkInfo, MAX_ENVELOPE_BYTES, Node, Priority, PublishError, SendError,
    StoreError, StorePath, Timestamp, Traffic, Work,
};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::thread;

/// The zero of every scenario: midnight, 2026-06-01 UTC.
const ZERO: Timestamp = Timestamp(1_780_272_000_000);
/// Cards are replaced this often; who writes to somebody has seen one that is no older.
const CARD_MS: u64 = 7 * footpost_core::DAY_MS;
/// Hop counts of envelopes that are gone may be kept until they outnumber the others.
const SPARE_HOPS: usize = 64;

/// What the bodies of a workload are, before the number of their message.
const CONTENT_TYPE: &str = "message/";

/// What fits an envelope beside card, target and statements.
const MAX_BODY_BYTES: u32 = MAX_ENVELOPE_BYTES as u32 - 4096;
/// No envelope is smaller.
const SMALLEST_ENVELOPE_BYTES: u64 = 512;
/// A forger knows so many pairs of people who write to each other.
const NAMES: usize = 16;
/// What a phone holds at least.
const MIN_ENVELOPES: u64 = 50_000;

/// What a stream of chance is for: each has its own, so that no setting changes another's.
#[derive(Clone, Copy)]
enum Chance {
    Nodes = 0,
    Chosen = 1,
    Clocks = 2,
    Lies = 3,
}

fn chance(seed: u64, stream: Chance) -> ChaCha20Rng {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// One person.
pub(crate) struct Person {
    pub(crate) node: Node,
    clock_error_ms: i64,
    /// For all that is on board, own mail included.
    buffer_bytes: u64,
    /// The longest body that they send in one envelope.
    max_body_bytes: u64,
    /// Takes all mail, passes none on, and keeps none once the neighbours are gone.
    drops: bool,
    pub(crate) liar: Option<Liar>,
    /// Those they write to or hear from, and when the card was handed over.
    contacts: BTreeMap<usize, (ContactId, Timestamp)>,
    /// What they have read: each message, and each body in fragments.
    pub(crate) read: BTreeSet<(usize, bool)>,
    /// Contacts of the scenario that have begun and not ended.
    pub(crate) meetings: BTreeSet<usize>,
    /// What the node had sent when last asked.
    sent: Traffic,
    /// How many envelopes the node had taken when last asked.
    taken: u64,
    /// Transfers behind the envelopes on board that were not sealed here, by the heads of their ids.
    hops: BTreeMap<u64, u32>,
    /// The same of the latest.
    latest_hops: u32,
    /// When the node wants to be woken, and the earliest time at which it will be asked.
    pub(crate) due: Nanos,
    pub(crate) scheduled: Nanos,
}

/// So large shares of `people`, by lot: nobody is in two of them.
pub(crate) fn chosen<const N: usize>(
    people: usize,
    shares: [f64; N],
    seed: u64,
) -> [BTreeSet<usize>; N] {
    let mut rng = chance(seed, Chance::Chosen);
    let mut lots: Vec<(u64, usize)> = (0..people).map(|person| (rng.next_u64(), person)).collect();
    lots.sort_unstable();
    let (mut sum, mut begun) = (0.0, 0);
    shares.map(|share| {
        sum += share;
        #[allow(clippy::cast_sign_loss, reason = "a share of a count")]
        let end = ((people as f64 * sum).round() as usize).min(people);
        let part = lots.get(begun..end).unwrap_or_default();
        begun = end;
        part.iter().map(|(_, person)| *person).collect()
    })
}

/// Who is not what they seem.
#[derive(Default)]
pub(crate) struct Rogues {
    pub(crate) droppers: BTreeSet<usize>,
    pub(crate) liars: BTreeMap<usize, Nature>,
}

/// Opens everybody's node at the time `at`, on so many processors, and hands out the cards for the
/// messages to come.
pub(crate) fn open(
    scenario: &Scenario,
    settings: &Settings,
    rogues: &Rogues,
    at: Nanos,
    workers: usize,
) -> Result<Roster<Person>, SimError> {
    let mut config = Config::default();
    config.work(Work::None).max_attachment_bytes(u64::MAX).max_carried_bytes(settings.buffer_bytes);
    config.router(settings.router).tag_mode(settings.tags);
    config.ack_delay_max_ms(settings.ack_delay_s.saturating_mul(1000));
    // The buffer alone is the limit.
    config
        .max_carried_envelopes(MIN_ENVELOPES.max(settings.buffer_bytes / SMALLEST_ENVELOPE_BYTES));
    config.lifetime_s(settings.lifetime_s)?.fragment_bytes(settings.fragment_bytes)?;
    let max_body_bytes = settings.fragment_bytes.min(MAX_BODY_BYTES).into();
    let mut seeds = chance(settings.seed, Chance::Nodes);
    let mut clocks = chance(settings.seed, Chance::Clocks);
    let error_ms = i64::try_from(settings.clock_error_s).unwrap_or(i64::MAX).saturating_mul(1000);
    let width = error_ms.unsigned_abs().saturating_mul(2).saturating_add(1);
    let draws: Vec<(usize, u64, i64)> = (0..scenario.people)
        .map(|person| (person, seeds.next_u64(), (clocks.next_u64() % width) as i64 - error_ms))
        .collect();
    let pool = EnvelopePool::default();
    let open = |&(person, seed, clock_error_ms): &(usize, u64, i64)| -> Result<Person, SimError> {
        let node = Node::open(
            &StorePath::Pooled(pool.clone()),
            config.clone(),
            Box::new(ChaCha20Rng::seed_from_u64(seed)),
            wall(at, clock_error_ms),
        )?;
        Ok(Person {
            node,
            clock_error_ms,
            buffer_bytes: settings.buffer_bytes,
            max_body_bytes,
            drops: rogues.droppers.contains(&person),
            liar: None,
            contacts: BTreeMap::new(),
            read: BTreeSet::new(),
            meetings: BTreeSet::new(),
            sent: Traffic::default(),
            taken: 0,
            hops: BTreeMap::new(),
            latest_hops: 0,
            due: Nanos::MAX,
            scheduled: Nanos::MAX,
        })
    };
    let mut people: Roster<Person> = thread::scope(|scope| {
        let share = draws.len().div_ceil(workers).max(1);
        let open = &open;
        let shares: Vec<_> = draws
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(open).collect::<Vec<_>>()))
            .collect();
        let opened = shares.into_iter().flat_map(|share| match share.join() {
            Ok(opened) => opened,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        opened.collect::<Result<_, _>>()
    })?;
    for message in &scenario.messages {
        befriend(&mut people, message.from, message.to, at)?;
    }
    if !scenario.publications.is_empty() {
        follow(&mut people, at)?;
    }
    let mut seeds = chance(settings.seed, Chance::Lies);
    for (person, nature) in &rogues.liars {
        let rng = ChaCha20Rng::seed_from_u64(seeds.next_u64());
        let names = names(&people, scenario, &mut seeds);
        people[*person].liar = Some(Liar::new(*nature, names, settings.lifetime_s, rng));
    }
    Ok(people)
}

/// Some of those who write to each other, with their cards.
fn names(people: &Roster<Person>, scenario: &Scenario, rng: &mut ChaCha20Rng) -> Vec<Names> {
    let count = scenario.messages.len().min(NAMES) as u64;
    let picks = (0..count).map(|_| (rng.next_u64() % scenario.messages.len() as u64) as usize);
    let card = |person: usize| people[person].node.card().clone();
    picks
        .map(|number| (number, &scenario.messages[number]))
        .map(|(number, it)| Names { number, writer: card(it.from), reader: card(it.to) })
        .collect()
}

/// Each of the two has the other's card, of this week.
fn befriend(
    people: &mut Roster<Person>,
    a: usize,
    b: usize,
    at: Nanos,
) -> Result<ContactId, SimError> {
    introduce(people, b, a, at)?;
    introduce(people, a, b, at)
}

fn introduce(
    people: &mut Roster<Person>,
    who: usize,
    whom: usize,
    at: Nanos,
) -> Result<ContactId, SimError> {
    let now = people[who].clock(at);
    match people[who].contacts.get(&whom) {
        Some((contact, since)) if now.since(*since) < CARD_MS => Ok(*contact),
        _ => {
            let card = people[whom].node.card().clone();
            let contact = people[who].node.add_contact(now, &card, &whom.to_string())?;
            people[who].contacts.insert(whom, (contact, now));
            Ok(contact)
        }
    }
}

fn follow(people: &mut Roster<Person>, at: Nanos) -> Result<(), SimError> {
    let publisher = people[FOLLOWED].node.identity();
    for person in (0..people.len()).filter(|person| *person != FOLLOWED) {
        let person = &mut people[person];
        person.node.follow(person.clock(at), publisher)?;
    }
    Ok(())
}

/// Publishes an alert; `None` if carriers would take no more from this publisher.
pub(crate) fn publish(
    person: &mut Person,
    number: usize,
    text_bytes: usize,
    lifetime_s: u32,
    at: Nanos,
) -> Result<Option<BulletinId>, SimError> {
    let draft = BulletinDraft {
        kind: BulletinKind::Alert,
        region: String::new(),
        topic: String::new(),
        text: alert_text(number, text_bytes),
        lifetime_s,
        replaces: None,
    };
    match person.node.publish(person.clock(at), &draft) {
        Ok(id) => Ok(Some(id)),
        Err(PublishError::TooMany { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn alert_text(number: usize, text_bytes: usize) -> String {
    format!("{number:0>text_bytes$}")
}

/// Hands a message to its writer's node; the letter that it went into.
pub(crate) fn write(
    people: &mut Roster<Person>,
    message: &Message,
    number: usize,
    at: Nanos,
) -> Result<Option<EnvelopeId>, SimError> {
    let contact = befriend(people, message.from, message.to, at)?;
    let person = &mut people[message.from];
    person.send(person.clock(at), contact, number, message.size_bytes).map_err(|source| {
        SimError::Send {
            place: message.place.clone(),
            name: message.name.clone(),
            size_bytes: message.size_bytes,
            source,
        }
    })?;
    person.share_buffer(at)?;
    let is_letter = message.size_bytes <= person.max_body_bytes;
    Ok(if is_letter { person.node.newest_envelope()? } else { None })
}

impl Person {
    /// What their clock shows.
    pub(crate) fn clock(&self, at: Nanos) -> Timestamp {
        wall(at, self.clock_error_ms)
    }

    /// Sends a body of this size, under a content type that tells the message: in one envelope if it
    /// is no longer than a fragment, else as an attachment.
    fn send(
        &mut self,
        now: Timestamp,
        to: ContactId,
        number: usize,
        size_bytes: u64,
    ) -> Result<(), SendError> {
        let content_type = content_type(number);
        let mut content = Noise::of(number);
        if size_bytes > self.max_body_bytes {
            let name = ("body", content_type.as_str());
            let priority = Priority::Normal;
            let sent = self.node.send_attachment(now, to, name, size_bytes, &mut content, priority);
            return sent.map(drop);
        }
        let body = Body::Application { content_type, bytes: content_of(number, size_bytes) };
        self.node.send(now, to, &body, Priority::Normal).map(drop)
    }

    /// Somebody is near.
    pub(crate) fn meet(
        &mut self,
        at: Nanos,
        link: LinkId,
        info: LinkInfo,
    ) -> Result<(), StoreError> {
        self.node.handle_link_up(self.clock(at), link, info)?;
        match &mut self.liar {
            Some(liar) => liar.take_stock(&mut self.node),
            None => Ok(()),
        }
    }

    /// A link is gone. Who drops mail does so once nobody is there, and admits it when asked.
    pub(crate) fn part(&mut self, at: Nanos, link: LinkId) -> Result<(), StoreError> {
        let now = self.clock(at);
        self.node.handle_link_down(now, link)?;
        if let Some(liar) = &mut self.liar {
            liar.part(link);
        }
        if self.drops && self.node.stats().links == 0 {
            self.node.set_max_carried_bytes(now, 0)?;
            self.node.set_max_carried_bytes(now, self.buffer_bytes)?;
        }
        Ok(())
    }

    /// Others' mail has the room that own mail leaves: one buffer a node, as The ONE has it.
    pub(crate) fn share_buffer(&mut self, at: Nanos) -> Result<(), StoreError> {
        let left = self.buffer_bytes.saturating_sub(self.node.own_bytes()?);
        self.node.set_max_carried_bytes(self.clock(at), left)?;
        self.node.commit()
    }

    /// The next frame for `link`.
    pub(crate) fn transmit(
        &mut self,
        at: Nanos,
        link: LinkId,
    ) -> Result<Option<Parcel>, StoreError> {
        let now = self.clock(at);
        if let Some(liar) = &mut self.liar {
            return liar.transmit(&mut self.node, now, link);
        }
        let frame = if self.drops {
            self.node.poll_small(now, link)?
        } else {
            self.node.poll_transmit(now, link)?
        };
        let Some(frame) = frame else { return Ok(None) };
        let before = std::mem::replace(&mut self.sent, self.node.stats().sent);
        let has = |bytes: fn(&Traffic) -> u64| bytes(&self.sent) > bytes(&before);
        let purpose = if has(|sent| sent.envelope_bytes) {
            Purpose::Envelope
        } else if has(|sent| sent.handshake_bytes) {
            Purpose::Handshake
        } else if has(|sent| sent.sync_bytes) {
            Purpose::Sync
        } else if has(|sent| sent.ack_bytes) {
            Purpose::Ack
        } else {
            Purpose::Other
        };
        Ok(Some(Parcel { frame, purpose, lie: None }))
    }

    /// Notes how far the envelope has travelled that the last frame made whole, if it did; and which.
    /// `hops_of` tells how far it had come to the neighbour that sent it.
    pub(crate) fn note_arrival(
        &mut self,
        hops_of: impl FnOnce(&EnvelopeId) -> u32,
    ) -> Result<Option<EnvelopeId>, StoreError> {
        let stats = self.node.stats();
        if std::mem::replace(&mut self.taken, stats.turnover.taken) == stats.turnover.taken {
            return Ok(None);
        }
        let Some(id) = self.node.newest_envelope()? else { return Ok(None) };
        self.latest_hops = hops_of(&id) + 1;
        self.hops.insert(id.head(), self.latest_hops);
        if self.hops.len() > SPARE_HOPS + 2 * stats.foreign_envelopes as usize {
            let kept = self.node.carried(u32::MAX)?;
            let kept: BTreeSet<u64> = kept.iter().map(|envelope| envelope.id.head()).collect();
            self.hops.retain(|head, _| kept.contains(head));
        }
        Ok(Some(id))
    }

    /// How many transfers have brought an envelope to this person: none for their own.
    pub(crate) fn hops_of(&self, id: &EnvelopeId) -> u32 {
        self.hops.get(&id.head()).copied().unwrap_or_default()
    }

    /// The same of the envelope that came last.
    pub(crate) fn latest_hops(&self) -> u32 {
        self.latest_hops
    }

    /// Which of those that they know a contact is.
    pub(crate) fn person_of(&self, contact: ContactId) -> Option<usize> {
        self.contacts.iter().find(|(_, (known, _))| *known == contact).map(|(person, _)| *person)
    }

    /// Whether a message that came in says what was said.
    pub(crate) fn shows(
        &self,
        message: &footpost_core::Message,
        number: usize,
        size_bytes: u64,
    ) -> bool {
        let said = content_of(number, size_bytes);
        if let Body::Application { bytes, .. } = &message.body {
            return *bytes == said;
        }
        let mut shown = Vec::new();
        self.node.write_attachment(message.id, &mut shown).is_ok() && shown == said
    }

    /// Own envelopes on board, and whether each is a fragment.
    pub(crate) fn own_envelopes(&self) -> Result<Vec<(EnvelopeId, bool)>, StoreError> {
        let own = self.node.carried(u32::MAX)?.into_iter().filter(|envelope| envelope.is_own);
        Ok(own.map(|envelope| (envelope.id, envelope.kind == Kind::Fragment)).collect())
    }

    /// When the node wants to be woken, by the scenario's time.
    pub(crate) fn next_wake(&self, now: Nanos) -> Result<Nanos, StoreError> {
        let Some((at, _)) = self.node.poll_timeout()? else { return Ok(Nanos::MAX) };
        let true_ms = at.0.saturating_add_signed(self.clock_error_ms.saturating_neg());
        Ok(true_ms.saturating_sub(ZERO.0).saturating_mul(MILLISECOND).max(now))
    }
}

fn wall(at: Nanos, clock_error_ms: i64) -> Timestamp {
    Timestamp((ZERO.0 + at / MILLISECOND).saturating_add_signed(clock_error_ms))
}

/// Bytes that nothing compresses, without end.
struct Noise(ChaCha8Rng);

impl Noise {
    /// What is said in a message.
    fn of(number: usize) -> Self {
        Self(ChaCha8Rng::seed_from_u64(number as u64))
    }
}

impl Read for Noise {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.fill_bytes(bytes);
        Ok(bytes.len())
    }
}

pub(crate) fn content_type(number: usize) -> String {
    format!("{CONTENT_TYPE}{number}")
}

/// What is said in a message of this length.
pub(crate) fn content_of(number: usize, size_bytes: u64) -> Vec<u8> {
    let mut bytes = vec![0; size_bytes as usize];
    Noise::of(number).0.fill_bytes(&mut bytes);
    bytes
}

/// The number of the workload's message that has this body, and whether the body comes in
/// fragments.
pub(crate) fn number_of(body: &Body) -> Option<(usize, bool)> {
    let (content_type, is_in_fragments) = match body {
        Body::Application { content_type, .. } => (content_type, false),
        Body::Attachment { content_type, .. } => (content_type, true),
        _ => return None,
    };
    Some((content_type.strip_prefix(CONTENT_TYPE)?.parse().ok()?, is_in_fragments))
}
