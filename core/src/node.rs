//! The node: the one place where links, mail, people and time come together.

mod acks;
#[cfg(feature = "adversary")]
mod adversary;
mod attachments;
mod backup;
mod bulletins;
mod carrying;
mod custody;
mod devices;
mod fragments;
mod handover;
mod history;
mod holdings;
mod intake;
mod links;
mod mailboxes;
mod news;
mod people;
mod postmarks;
mod ratchet;
mod relations;
mod sending;
mod trust;
mod twins;
mod upkeep;
mod view;
mod wifi_direct;

pub use attachments::AttachmentError;
pub use backup::BackupError;
pub use postmarks::MAX_ENVELOPES_PER_POSTMARK;
pub use view::{CarriedEnvelope, Neighbour, Stats, Turnover};
pub use wifi_direct::{Load, NeighbourKey, Note};

use crate::chat::{ContactId, MessageId};
use crate::clock::{Clock, Moment};
use crate::config::{Config, ConfigError};
use crate::envelope::{Difficulty, Encoder};
use crate::event::Event;
use crate::identity::{Card, Identity, IdentityKey, Statement, TargetSecret};
use crate::link::bodies::Piece;
use crate::link::{LinkId, Session, Traffic, Violation};
use crate::routing::{AckAges, Mailboxes, Neighbours};
use crate::scour::scour_stack;
use crate::store::{Carried, Durability, Own, OwnReply, SteadyMs, Store, StoreError, StorePath};
use crate::time::Timestamp;
use carrying::Leaving;
use handover::Handover;
use holdings::Holdings;
use postmarks::Postmarks;
use rand_core::CryptoRng;
use ratchet::by_contact;
use std::collections::{BTreeMap, VecDeque};
use thiserror::Error;
use zeroize::Zeroizing;

/// The engine: one identity, its store and its links. It performs no I/O but on its database.
///
/// Its methods fall into four families:
///
/// - **getters**, such as [`Node::messages`] and [`Node::stats`];
/// - **commands** of the application, such as [`Node::send`]: what they accept is durable when
///   they return;
/// - **inputs** from the transports, `handle_*`: they gather in one open transaction, so that a
///   busy node pays for one commit per batch, until [`Node::commit`];
/// - **polls**, asked after each commit in the order [`Node::poll_transmit`] for every writable
///   link, [`Node::poll_event`], [`Node::poll_note`], [`Node::poll_timeout`]. While inputs wait for their commit, the
///   first two have nothing to say: a frame or an event leaves only after the transaction that
///   caused it.
///
/// `now` is the wall clock at each call. It may be wrong and may jump: ages and deadlines run on
/// the node's own steady time (see [`Node::handle_clock_step`]).
///
/// A neighbour that breaks the protocol loses its link; that is never an error here. A
/// [`StoreError`] is final: drop the node, and open it again once the cause is gone.
pub struct Node {
    store: Store,
    config: Config,
    rng: Box<dyn CryptoRng + Send>,
    key: IdentityKey,
    identity: Identity,
    name: Option<String>,
    /// Which of the identity's devices this is, and whether a later one is known.
    device: u64,
    is_superseded: bool,
    /// The public half of the recovery words' key.
    recovery: Option<Identity>,
    /// What was said of own keys, by number, the oldest first.
    statements: Vec<(u64, Statement)>,
    /// Own cards with their secrets, the newest first; never empty.
    cards: Vec<(Card, TargetSecret)>,
    /// Cards below this number are shown on links no more.
    marks_from: u64,
    /// Own reply targets, the newest first.
    replies: BTreeMap<ContactId, Vec<OwnReply>>,
    postmarks: Postmarks,
    clock: Clock,
    epoch: Epoch,
    /// Boxed: a leaf of the map has room for eleven, and most nodes have one.
    links: BTreeMap<LinkId, Box<Session>>,
    /// Offered envelopes, by the head of their ids, and the link that is to bring each.
    wanted: BTreeMap<u64, LinkId>,
    /// The same in the order of asking, with the time by which each should have come.
    wishes: VecDeque<(SteadyMs, u64, LinkId)>,
    /// What is on board of bodies in fragments.
    holdings: Holdings,
    /// Fragments that were asked for, and the link that is to bring each.
    fetching: BTreeMap<Piece, LinkId>,
    /// The same in the order of asking, with the time by which each should have come.
    fetches: VecDeque<(SteadyMs, Piece, LinkId)>,
    /// Whom this node meets, and how old mail is when its acknowledgement comes by.
    neighbours: Neighbours,
    ack_ages: AckAges,
    /// Who gets which mail, where tags are shown.
    mailboxes: Mailboxes,
    leaving: Leaving,
    handover: Option<Handover>,
    /// The block of an own attachment whose repair symbols were made last.
    source: Option<(Block, Encoder)>,
    /// And the one of which symbols were read last: a few pages of a large block cost as much as all.
    content: Option<(Block, Zeroizing<Vec<u8>>)>,
    /// Use of the quotas, kept in step with the store.
    foreign_envelopes: u64,
    foreign_bytes: u64,
    tombstones: u64,
    sent: Traffic,
    received_bytes: u64,
    turnover: Turnover,
    events: VecDeque<Event>,
    notes: VecDeque<Note>,
}

/// A block of an own attachment, by its message and number.
type Block = (MessageId, u32);

/// What a day's neighbours and carriers can recognise this node by; all of it rotates together.
struct Epoch {
    day: u32,
    link_secret: Zeroizing<[u8; 32]>,
}

impl Epoch {
    fn new(day: u32, rng: &mut dyn CryptoRng) -> Self {
        let mut link_secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *link_secret);
        Self { day, link_secret }
    }
}

/// Why a node cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who is to blame when an input cannot be processed.
enum Fault {
    Neighbour(Violation),
    Store(StoreError),
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Self {
        Self::Neighbour(violation)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<crate::codec::DecodeError> for Fault {
    fn from(error: crate::codec::DecodeError) -> Self {
        Self::Neighbour(error.into())
    }
}

impl Node {
    /// Opens the node whose store is at `path`; a new store gets a new identity.
    ///
    /// `rng` must be cryptographically secure in earnest, and seeded alike for a replay.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        path: &StorePath,
        config: Config,
        mut rng: Box<dyn CryptoRng + Send>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        config.check()?;
        let mut store = Store::open(path)?;
        if store.own()?.is_none() {
            Self::create(&mut store, &mut *rng, now)?;
        }
        Ok(Self::from_store(store, config, rng, now)?)
    }

    fn from_store(
        store: Store,
        config: Config,
        mut rng: Box<dyn CryptoRng + Send>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let own = store.own()?.ok_or(StoreError::Corrupt)?;
        let (device, is_superseded) = store.device()?;
        let (foreign_envelopes, foreign_bytes) = store.foreign_use()?;
        let mut node = Self {
            identity: own.key.identity(),
            key: own.key,
            name: own.name,
            device,
            is_superseded,
            recovery: store.own_recovery()?,
            statements: store.own_statements()?,
            cards: store.own_cards()?,
            marks_from: store.marks_from()?,
            postmarks: Postmarks::load(&store, Difficulty::of(config.work))?,
            replies: by_contact(store.own_replies()?),
            clock: Clock::resume(own.steady_lead_ms, own.wall_seen, store.running()?),
            epoch: Epoch::new(now.day(), &mut *rng),
            links: BTreeMap::new(),
            wanted: BTreeMap::new(),
            wishes: VecDeque::new(),
            holdings: Holdings::load(&store)?,
            fetching: BTreeMap::new(),
            fetches: VecDeque::new(),
            neighbours: Neighbours::load(store.neighbours()?),
            ack_ages: store.ack_ages()?,
            mailboxes: Mailboxes::new(config.router, config.shows_tags()),
            leaving: Leaving::default(),
            handover: None,
            source: None,
            content: None,
            foreign_envelopes,
            foreign_bytes,
            tombstones: store.tombstone_count()?,
            sent: Traffic::default(),
            received_bytes: 0,
            turnover: Turnover::default(),
            events: VecDeque::new(),
            notes: VecDeque::new(),
            store,
            config,
            rng,
        };
        scour_stack();
        let now = node.begin(now, Durability::Power)?;
        node.renew_wrapping(now)?;
        node.renew_cards(now)?;
        node.turn_postmarks(now)?;
        node.commit()?;
        Ok(node)
    }

    fn create(
        store: &mut Store,
        rng: &mut dyn CryptoRng,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = IdentityKey::generate(rng);
        let own = Own { key, name: None, wall_seen: now, steady_lead_ms: 0 };
        store.require(Durability::Power)?;
        store.insert_own(&own)?;
        store.commit()
    }

    /// Makes all inputs since the last commit durable; only then do they show in the polls.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.whole(|node| node.store.commit())
    }

    /// The next committed fact.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.store.is_open() { None } else { self.events.pop_front() }
    }

    /// The wall clock was set by `step_ms` (negative: back) without that time having passed. A
    /// clock that goes back is noticed without this; one that is set forward looks like a
    /// sleep, and would age all mail.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn handle_clock_step(&mut self, now: Timestamp, step_ms: i64) -> Result<(), StoreError> {
        self.clock.step(step_ms);
        self.handle_timeout(now)
    }

    /// Runs what changes the store: a failure in the midst gives up the whole transaction.
    fn whole<T, E>(&mut self, change: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let result = change(self);
        if result.is_err() {
            self.store.abandon();
        }
        result
    }

    /// Every input and command begins here: time moves on, and a transaction is open.
    fn begin(&mut self, now: Timestamp, durability: Durability) -> Result<Moment, StoreError> {
        self.store.require(durability)?;
        let now = self.clock.advance(now);
        if let Some((seen, lead_ms)) = self.clock.unsaved() {
            self.store.set_clock(seen, lead_ms)?;
            self.store.set_running(self.clock.running_ms())?;
        }
        Ok(now)
    }

    /// A random number below `bound`, zero where that is zero.
    fn random_below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64().checked_rem(bound).unwrap_or_default()
    }

    fn random_array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// The only way out for an envelope: the quotas' use follows.
    fn remove_envelope(&mut self, envelope: &Carried) -> Result<(), StoreError> {
        self.store.delete_envelope(envelope.row)?;
        if let Some(piece) = envelope.fragment {
            self.holdings.remove(piece);
        }
        if envelope.standing == crate::store::Standing::Foreign {
            self.foreign_envelopes = self.foreign_envelopes.saturating_sub(1);
            self.foreign_bytes = self.foreign_bytes.saturating_sub(envelope.size_bytes as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
