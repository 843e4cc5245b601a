//! A node on a file store amid simulated neighbours: a friend, and a stranger who carries mail.

use crate::promise::text_of;
use crate::{Line, Promise, below, rng};
use footpost_core::{
    Body, Card, Config, ContactError, ContactId, CostClass, DAY_MS, EnvelopeId, Event, LinkId,
    LinkInfo, MessageId, Node, OpenError, Priority, Relation, Role, SendError, State, StoreError,
    StorePath, Timestamp, Work,
};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// When every simulated world begins: 2026-06-01, noon UTC.
pub const START: Timestamp = Timestamp(1_780_315_200_000);

/// Letters in the carrier's bag, half of them by the friend and half by somebody unknown.
const LETTERS: u64 = 12;
/// The node's own mail expires soon or late in the world's time, everybody else's after it.
const OWN_LIFETIMES_S: [u32; 2] = [24 * 60 * 60, 14 * 24 * 60 * 60];
const LONG_LIFETIME_S: u32 = 28 * 24 * 60 * 60;
/// The world stops here, for cards live for 30 days.
const MAX_WORLD_DAYS: u64 = 20;

/// The file of the node's store in its directory.
pub fn store_path(directory: &Path) -> StorePath {
    StorePath::File(directory.join("footpost.db"))
}

/// A neighbour of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Knows the node, and writes to it.
    Friend,
    /// A stranger with a bag of letters for the node.
    Carrier,
}

impl Who {
    const ALL: [Self; 2] = [Self::Friend, Self::Carrier];
}

/// All but the node: its neighbours, whose stores live in a directory of their own and whose disks
/// never fail.
pub struct Outside {
    directory: PathBuf,
    seed: u64,
    friend: Node,
    carrier: Node,
    /// Somebody who is never there.
    ghost: Card,
    subject_contact: ContactId,
    /// Envelopes of the friend's for the ghost.
    foreign: BTreeMap<MessageId, EnvelopeId>,
}

impl Outside {
    /// The outside in `directory`, made for the node with this card if it is not there.
    pub fn open(directory: &Path, subject: &Card, seed: u64, now: Timestamp) -> Self {
        if !directory.join("ghost").exists() {
            Self::create(directory, subject, seed, now);
        }
        let ghost = std::fs::read_to_string(directory.join("ghost")).expect("the ghost is there");
        let ghost: Card = ghost.parse().expect("the ghost's card is good");
        let mut friend = open_outside(&directory.join("friend.db"), seed, 1, now);
        let subject_contact =
            friend.add_contact(now, subject, "subject").expect("the subject's card is good");
        friend.add_contact(now, &ghost, "ghost").expect("the ghost's card is good");
        let carrier = open_carrier(directory, seed, now);
        let foreign = BTreeMap::new();
        let directory = directory.to_owned();
        Self { directory, seed, friend, carrier, ghost, subject_contact, foreign }
    }

    /// The bag is filled once; a copy of it can be offered again and again.
    fn create(directory: &Path, subject: &Card, seed: u64, now: Timestamp) {
        let _ = std::fs::remove_dir_all(directory);
        std::fs::create_dir(directory).expect("scratch space is writable");
        let mut bag = open_outside(&directory.join("mailbag.db"), seed, 2, now);
        let mut friend = open_outside(&directory.join("friend.db"), seed, 3, now);
        let mut unknown = open_outside(&directory.join("unknown.db"), seed, 4, now);
        for (name, writer) in [("friend", &mut friend), ("unknown", &mut unknown)] {
            let to = writer.add_contact(now, subject, "subject").expect("the card is good");
            for number in 0..LETTERS / 2 {
                let text = Body::Text(format!("letter {number} of {name}"));
                writer.send(now, to, &text, Priority::Normal).expect("the text can be sent");
            }
            join(writer, &mut bag, now);
        }
        let ghost = open_outside(&directory.join("ghost.db"), seed, 5, now);
        assert_eq!(bag.carried(1000).expect("the store works").len() as u64, LETTERS);
        drop((bag, friend, unknown));
        // The last to be made: where it is, all is.
        let unfinished = directory.join("ghost.new");
        std::fs::write(&unfinished, ghost.card().to_string()).expect("scratch space is writable");
        std::fs::rename(unfinished, directory.join("ghost")).expect("scratch space is writable");
    }

    fn node(&mut self, who: Who) -> &mut Node {
        match who {
            Who::Friend => &mut self.friend,
            Who::Carrier => &mut self.carrier,
        }
    }

    /// The carrier comes with the full bag again.
    fn refill_bag(&mut self, now: Timestamp) {
        self.seed += 1;
        self.carrier = open_carrier(&self.directory, self.seed, now);
    }

    fn write(&mut self, now: Timestamp, text: &str) {
        self.friend
            .send(now, self.subject_contact, &Body::Text(text.to_owned()), Priority::Normal)
            .expect("the text can be sent");
    }

    fn write_to_ghost(&mut self, now: Timestamp, text: &str) {
        let before: Vec<_> = self.carried();
        let contacts = self.friend.contacts().expect("the store works");
        let ghost = contacts.iter().find(|contact| contact.name == "ghost").expect("it is known");
        let message = self
            .friend
            .send(now, ghost.id, &Body::Text(text.to_owned()), Priority::Normal)
            .expect("the text can be sent");
        let new = self.carried().into_iter().find(|id| !before.contains(id)).expect("it is held");
        self.foreign.insert(message, new);
    }

    fn carried(&self) -> Vec<EnvelopeId> {
        let carried = self.friend.carried(u32::MAX).expect("the store works");
        carried.into_iter().map(|envelope| envelope.id).collect()
    }

    fn up(&mut self, who: Who, now: Timestamp, link: LinkId, info: LinkInfo) {
        self.node(who).handle_link_up(now, link, info).expect("the store works");
    }

    fn down(&mut self, who: Who, now: Timestamp, link: LinkId) {
        self.node(who).handle_link_down(now, link).expect("the store works");
        self.node(who).commit().expect("the store works");
    }

    fn wake(&mut self, now: Timestamp) {
        for who in Who::ALL {
            let due = self.node(who).poll_timeout().expect("the store works");
            if due.is_some_and(|(at, _)| at <= now) {
                self.node(who).handle_timeout(now).expect("the store works");
                self.node(who).commit().expect("the store works");
            }
        }
    }

    /// Takes in a frame; what the neighbour then knows is what the node has promised.
    fn hear(&mut self, who: Who, now: Timestamp, link: LinkId, frame: &[u8]) -> Vec<Promise> {
        self.node(who).handle_frame(now, link, frame).expect("the store works");
        self.node(who).commit().expect("the store works");
        let events: Vec<_> = std::iter::from_fn(|| self.node(who).poll_event()).collect();
        if who == Who::Carrier {
            return Vec::new();
        }
        events.iter().filter_map(|event| self.learnt(event)).collect()
    }

    fn learnt(&self, event: &Event) -> Option<Promise> {
        // What engines say to each other is not among the messages that people see.
        let text = |id| {
            let message = self.friend.message(id).expect("the store works");
            let message = message.expect("it is there");
            message.body.is_for_people().then(|| text_of(&message))
        };
        match event {
            Event::Received { message, .. } => text(*message).map(Promise::Arrived),
            Event::Progress { message, state: State::Delivered | State::Read } => {
                text(*message).map(Promise::Acknowledged)
            }
            Event::Progress { message, state: State::Carried } => {
                self.foreign.get(message).map(|id| Promise::Taken(id.0))
            }
            _ => None,
        }
    }

    fn speak(&mut self, who: Who, now: Timestamp, link: LinkId) -> Option<Vec<u8>> {
        self.node(who).commit().expect("the store works");
        self.node(who).poll_transmit(now, link).expect("the store works")
    }

    /// What the friend has of the node's messages, each as often as it is there.
    pub fn arrived(&self) -> Vec<String> {
        self.friends_messages(|message| !message.outgoing)
    }

    /// What the friend has written to the node, and what has not expired: answers live for a week,
    /// and time here leaps by more.
    pub fn written(&self) -> Vec<String> {
        self.friends_messages(|message| message.outgoing && message.state != State::Expired)
    }

    fn friends_messages(&self, wanted: impl Fn(&footpost_core::Message) -> bool) -> Vec<String> {
        let messages = self.friend.messages(Some(self.subject_contact), None, u32::MAX);
        let messages = messages.expect("the store works");
        messages.iter().filter(|message| wanted(message)).map(text_of).collect()
    }

    /// The letters in the bag.
    pub fn letters() -> Vec<String> {
        let numbers = 0..LETTERS / 2;
        let letters =
            |name| numbers.clone().map(move |number| format!("letter {number} of {name}"));
        letters("friend").chain(letters("unknown")).collect()
    }
}

/// A node on a file store, its neighbours, and somebody who writes down its promises.
pub struct World<'a> {
    /// The node under test.
    pub subject: Node,
    /// Everybody else.
    pub outside: Outside,
    /// The time of the world.
    pub now: Timestamp,
    tell: &'a mut dyn FnMut(Line),
    rng: ChaCha20Rng,
    seed: u64,
    count: u64,
    links: BTreeMap<Who, LinkId>,
    next_link: u64,
    /// The link breaks after so many frames.
    frames_left: u64,
    card: String,
    friend: ContactId,
    ghost: ContactId,
    unseen: Vec<MessageId>,
}

impl<'a> World<'a> {
    /// Opens the node in the directory `store` amid its neighbours in `outside`.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub fn open(
        store: &Path,
        outside: &Path,
        seed: u64,
        now: Timestamp,
        tell: &'a mut dyn FnMut(Line),
    ) -> Result<Self, OpenError> {
        let mut dice = rng(seed, 6);
        let config = config(&mut dice);
        let subject = Node::open(&store_path(store), config, Box::new(rng(seed, 0)), now)?;
        tell(Line { at: now, promise: Promise::Card(subject.card().to_string()) });
        let outside = Outside::open(outside, subject.card(), seed, now);
        let mut world = Self {
            card: subject.card().to_string(),
            subject,
            outside,
            now,
            tell,
            rng: dice,
            seed,
            count: 0,
            links: BTreeMap::new(),
            next_link: 0,
            frames_left: u64::MAX,
            friend: ContactId(0),
            ghost: ContactId(0),
            unseen: Vec::new(),
        };
        let (friend, ghost) = (world.outside.friend.card().clone(), world.outside.ghost.clone());
        world.friend = world.befriend(&friend)?;
        world.ghost = world.befriend(&ghost)?;
        Ok(world)
    }

    fn befriend(&mut self, card: &Card) -> Result<ContactId, StoreError> {
        let address = card.identity().address();
        let known = self.subject.contacts()?.into_iter().find(|known| known.address == address);
        let name = known.map_or_else(|| format!("contact {}", &address[..8]), |known| known.name);
        let id = match self.subject.add_contact(self.now, card, &name) {
            Ok(id) => id,
            Err(footpost_core::ContactError::Store(error)) => return Err(error),
            Err(error) => panic!("the card was refused: {error}"),
        };
        self.promise(Promise::Contact(address));
        Ok(id)
    }

    /// Does one random thing, and what follows from it.
    ///
    /// # Errors
    /// A [`StoreError`] of the node's is final.
    pub fn step(&mut self) -> Result<(), StoreError> {
        self.now = self.now + std::time::Duration::from_millis(below(&mut self.rng, 5000));
        let is_cut = below(&mut self.rng, 8) == 0;
        self.frames_left = if is_cut { below(&mut self.rng, 30) } else { u64::MAX };
        match below(&mut self.rng, 24) {
            0..=5 => self.send(self.friend)?,
            6 => self.send(self.ghost)?,
            7..=8 => {
                let text = self.text("friend");
                self.outside.write(self.now, &text);
            }
            9..=10 => {
                let text = self.text("friend to ghost");
                self.outside.write_to_ghost(self.now, &text);
            }
            11..=14 => self.meet_or_part(Who::Friend)?,
            15..=17 => self.meet_or_part(Who::Carrier)?,
            18..=20 => self.see()?,
            21 if below(&mut self.rng, 10) == 0 => self.rename()?,
            22 => {
                let ms = below_ms(&mut self.rng);
                self.pass(ms);
            }
            _ => {}
        }
        self.wake()?;
        self.pump()
    }

    /// Lets time pass and does what is due.
    ///
    /// # Errors
    /// A [`StoreError`] of the node's is final.
    pub fn wait(&mut self, ms: u64) -> Result<(), StoreError> {
        self.now = Timestamp(self.now.0 + ms);
        self.wake()?;
        self.pump()
    }

    /// Lets in whoever has knocked: the letters of strangers are shown from then on.
    ///
    /// # Errors
    /// A [`StoreError`] of the node's is final.
    pub fn let_strangers_in(&mut self) -> Result<(), StoreError> {
        for contact in self.subject.contacts()? {
            if contact.relation == Relation::Request {
                match self.subject.accept_request(self.now, contact.id) {
                    Ok(()) => {}
                    Err(ContactError::Store(error)) => return Err(error),
                    Err(error) => panic!("the request was refused: {error}"),
                }
            }
        }
        Ok(())
    }

    /// Links the node with a neighbour and lets them say all they have to say.
    ///
    /// # Errors
    /// A [`StoreError`] of the node's is final.
    pub fn meet(&mut self, who: Who) -> Result<(), StoreError> {
        self.connect(who, 65_535)?;
        self.pump()
    }

    fn connect(&mut self, who: Who, max_frame_bytes: usize) -> Result<(), StoreError> {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(who, link);
        let info = |role| LinkInfo { role, cost: CostClass::Lan, max_frame_bytes };
        self.outside.up(who, self.now, link, info(Role::Responder));
        self.subject.handle_link_up(self.now, link, info(Role::Initiator))
    }

    /// Ends the link with a neighbour.
    ///
    /// # Errors
    /// A [`StoreError`] of the node's is final.
    pub fn part(&mut self, who: Who) -> Result<(), StoreError> {
        let Some(link) = self.links.remove(&who) else { return Ok(()) };
        self.outside.down(who, self.now, link);
        self.subject.handle_link_down(self.now, link)
    }

    fn meet_or_part(&mut self, who: Who) -> Result<(), StoreError> {
        if self.links.contains_key(&who) {
            return self.part(who);
        }
        if who == Who::Carrier && below(&mut self.rng, 3) == 0 {
            self.outside.refill_bag(self.now);
        }
        let max_frame_bytes = [300, 1200, 65_535][below(&mut self.rng, 3) as usize];
        self.connect(who, max_frame_bytes)
    }

    fn send(&mut self, to: ContactId) -> Result<(), StoreError> {
        let text = self.text("subject");
        let body = Body::Text(text.clone());
        let message = accepted(self.subject.send(self.now, to, &body, Priority::Normal))?;
        self.promise(Promise::Sent { message, text });
        Ok(())
    }

    fn see(&mut self) -> Result<(), StoreError> {
        let Some(message) = self.unseen.pop() else { return Ok(()) };
        accepted(self.subject.mark_seen(self.now, message))?;
        self.promise(Promise::Seen(message));
        Ok(())
    }

    fn rename(&mut self) -> Result<(), StoreError> {
        let name = format!("name {}", below(&mut self.rng, 1000));
        match self.subject.set_name(self.now, Some(&name)) {
            Ok(()) => Ok(()),
            Err(footpost_core::ContactError::Store(error)) => Err(error),
            Err(error) => panic!("the name was refused: {error}"),
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = START.0 + MAX_WORLD_DAYS * DAY_MS;
        self.now = Timestamp((self.now.0 + ms).min(end.max(self.now.0)));
        self.promise(Promise::Passed);
    }

    fn wake(&mut self) -> Result<(), StoreError> {
        self.outside.wake(self.now);
        if self.subject.poll_timeout()?.is_some_and(|(at, _)| at <= self.now) {
            self.subject.handle_timeout(self.now)?;
        }
        Ok(())
    }

    /// Commits and polls as a driver does, until nobody has anything to say.
    fn pump(&mut self) -> Result<(), StoreError> {
        loop {
            self.subject.commit()?;
            let mut ended = self.tell_events()?;
            let mut is_quiet = true;
            for (who, link) in self.links.clone() {
                while let Some(frame) = self.subject.poll_transmit(self.now, link)? {
                    is_quiet = false;
                    if !self.spend_frame() {
                        return self.part(who);
                    }
                    for promise in self.outside.hear(who, self.now, link, &frame) {
                        self.promise(promise);
                    }
                }
                while let Some(frame) = self.outside.speak(who, self.now, link) {
                    is_quiet = false;
                    if !self.spend_frame() {
                        return self.part(who);
                    }
                    self.subject.handle_frame(self.now, link, &frame)?;
                    // Batches of all sizes.
                    if below(&mut self.rng, 3) == 0 {
                        break;
                    }
                }
            }
            while let Some(who) = ended.pop() {
                self.part(who)?;
            }
            if is_quiet {
                return self.subject.commit();
            }
        }
    }

    fn spend_frame(&mut self) -> bool {
        let is_left = self.frames_left > 0;
        self.frames_left = self.frames_left.saturating_sub(1);
        is_left
    }

    /// Tells what the node tells, and which links it has ended.
    fn tell_events(&mut self) -> Result<Vec<Who>, StoreError> {
        let mut ended = Vec::new();
        while let Some(event) = self.subject.poll_event() {
            match event {
                Event::Received { message, .. } => {
                    if let Some(received) = self.subject.message(message)? {
                        self.promise(Promise::Received(text_of(&received)));
                    }
                    self.unseen.push(message);
                }
                Event::Progress { message, state } => {
                    self.promise(Promise::Progress { message, state });
                }
                Event::LinkClosed { link, .. } => {
                    ended.extend(self.links.iter().find(|(_, l)| **l == link).map(|(who, _)| *who));
                }
                _ => {}
            }
        }
        let card = self.subject.card().to_string();
        if card != self.card {
            self.card.clone_from(&card);
            self.promise(Promise::Card(card));
        }
        Ok(ended)
    }

    /// Whether this is the friend.
    pub fn is_friend(&self, contact: ContactId) -> bool {
        contact == self.friend
    }

    fn promise(&mut self, promise: Promise) {
        (self.tell)(Line { at: self.now, promise });
    }

    /// A text that is written only once.
    fn text(&mut self, writer: &str) -> String {
        self.count += 1;
        let longest = if below(&mut self.rng, 10) == 0 { 40_000 } else { 800 };
        let filler = "x".repeat(below(&mut self.rng, longest) as usize);
        format!("{writer} {:016x} {} {filler}", self.seed, self.count)
    }
}

/// What one setting makes durable in passing must not hide what another leaves undone.
fn config(dice: &mut ChaCha20Rng) -> Config {
    let mut config = simulated();
    let lifetime_s = OWN_LIFETIMES_S[below(dice, 2) as usize];
    config.lifetime_s(lifetime_s).expect("days are a lifetime");
    config.read_receipts(below(dice, 2) == 0);
    config
}

/// Mostly hours, at times days.
fn below_ms(rng: &mut ChaCha20Rng) -> u64 {
    let longest = if below(rng, 4) == 0 { 8 * DAY_MS } else { DAY_MS / 4 };
    below(rng, longest)
}

/// Whatever is sent here can be sent: what fails is the store.
fn accepted<T>(result: Result<T, SendError>) -> Result<T, StoreError> {
    result.map_err(|error| match error {
        SendError::Store(error) => error,
        other => panic!("not accepted: {other}"),
    })
}

/// Settings without work for postmarks: its seconds would drown the harness.
pub fn simulated() -> Config {
    Config::default().work(Work::None).clone()
}

fn open_outside(path: &Path, seed: u64, purpose: u64, now: Timestamp) -> Node {
    let mut config = simulated();
    config.lifetime_s(LONG_LIFETIME_S).expect("28 days are a lifetime");
    let path = StorePath::File(path.to_owned());
    Node::open(&path, config, Box::new(rng(seed, purpose)), now).expect("the outside's disks work")
}

fn open_carrier(directory: &Path, seed: u64, now: Timestamp) -> Node {
    let path = directory.join(format!("carrier-{seed:x}.db"));
    let _ = std::fs::remove_file(directory.join(format!("carrier-{seed:x}.db-wal")));
    std::fs::copy(directory.join("mailbag.db"), &path).expect("scratch space is writable");
    open_outside(&path, seed, 7, now)
}

/// Links two nodes until they have nothing more to say.
fn join(a: &mut Node, b: &mut Node, now: Timestamp) {
    let link = LinkId(0);
    let info = |role| LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: 65_535 };
    a.handle_link_up(now, link, info(Role::Initiator)).expect("the store works");
    b.handle_link_up(now, link, info(Role::Responder)).expect("the store works");
    let hand = |from: &mut Node, to: &mut Node| {
        from.commit().expect("the store works");
        let frame = from.poll_transmit(now, link).expect("the store works")?;
        to.handle_frame(now, link, &frame).expect("the store works");
        Some(())
    };
    while hand(a, b).is_some() || hand(b, a).is_some() {}
    for node in [a, b] {
        node.handle_link_down(now, link).expect("the store works");
        node.commit().expect("the store works");
    }
}

/// Ids of what a node carries.
pub(crate) fn carried_ids(node: &Node) -> Result<Vec<[u8; 32]>, StoreError> {
    Ok(node.carried(u32::MAX)?.iter().map(|envelope| envelope.id.0).collect())
}
