//! The controller at work for a node: links go to the engine, commands to the shell.

use super::command::{Command, Connection, Fact, Side};
use super::controller::{Config, Controller, Event, LinkRef, NodeId, Stats};
use super::duty::Duty;
use super::freshness::{known, tag};
use super::link::MAX_FRAME_BYTES;
use crate::{
    carry::Links,
    driver::{Input, call},
    frames,
    link::{Link, LinkReceiver, LinkSender},
    power::Power,
};
use footpost_core::{CostClass, Event as NodeEvent, LinkId, LinkInfo, Role};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tracing::trace;

/// How often it is looked whether the node has something new.
const LOOK: Duration = Duration::from_secs(10);
/// Acquaintances of the day that tags are computed for.
const MAX_MET: usize = 512;
/// What is due and waits for a busy shell is not worth spinning.
const LEAST_SLEEP: Duration = Duration::from_millis(20);

/// Bluetooth LE for one node. The shell runs one loop, `while let Some(command) =
/// next_command().await`, and reports what happens. Dropping it ends all its links.
#[derive(Debug)]
pub struct Ble {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    begin: Instant,
    state: Mutex<State>,
    /// Something has changed that others may wait for.
    changed: watch::Sender<()>,
    links: Links,
    power: watch::Receiver<Power>,
}

#[derive(Debug)]
struct State {
    controller: Controller,
    /// What the shell has asked for.
    duty: Duty,
    incoming: BTreeMap<LinkRef, mpsc::UnboundedSender<Vec<u8>>>,
    numbers: BTreeMap<LinkId, LinkRef>,
    is_over: bool,
}

impl Ble {
    /// To be called within a tokio runtime.
    pub(crate) fn start(
        config: Config,
        seed: [u8; 32],
        links: Links,
        inputs: mpsc::WeakSender<Input>,
        events: broadcast::Receiver<NodeEvent>,
        power: watch::Receiver<Power>,
    ) -> Self {
        let state = State {
            controller: Controller::new(config, seed),
            duty: Duty::default(),
            incoming: BTreeMap::new(),
            numbers: BTreeMap::new(),
            is_over: false,
        };
        let shared = Arc::new(Shared {
            begin: Instant::now(),
            state: Mutex::new(state),
            changed: watch::Sender::default(),
            links,
            power: power.clone(),
        });
        shared.set_duty();
        let mut tasks = JoinSet::new();
        tasks.spawn(tend(Ending(Arc::clone(&shared)), inputs, events));
        tasks.spawn(keep_time(Arc::clone(&shared)));
        tasks.spawn(save(Arc::clone(&shared), power));
        Self { shared, _tasks: tasks }
    }

    /// Waits for what the shell is to do next; none once the node has stopped. Cancel safe, and for
    /// any executor.
    pub async fn next_command(&self) -> Option<Command> {
        let next = |state: &mut State, now| {
            let command =
                if state.is_over { None } else { Some(state.controller.next_command(now)?) };
            Some(command)
        };
        let command = self.shared.until(next).await;
        trace!(?command);
        command
    }

    /// Reports what has happened.
    pub fn report(&self, fact: Fact) {
        trace!(?fact);
        self.shared.act(|controller, now| controller.handle(now, fact));
    }

    /// Waits until more bytes of an L2CAP channel are welcome: to be called between reads of it, so
    /// that a busy node holds up its neighbour and not its memory.
    pub async fn readable(&self, connection: Connection) {
        self.shared.until(|state, _| state.controller.takes(connection).then_some(())).await;
    }

    /// How eager the radio is, from now on: at most, where power is short, and at least where a shell
    /// asks for the usual and the device is fed.
    pub fn set_duty(&self, duty: Duty) {
        self.shared.lock().0.duty = duty;
        self.shared.set_duty();
    }

    /// What it has done.
    pub fn stats(&self) -> Stats {
        self.shared.lock().0.controller.stats()
    }
}

impl Drop for Ble {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Shared {
    fn lock(&self) -> (MutexGuard<'_, State>, Duration) {
        (self.state.lock().unwrap_or_else(PoisonError::into_inner), self.begin.elapsed())
    }

    /// Does something with the controller, and what comes of it.
    fn act<R>(self: &Arc<Self>, act: impl FnOnce(&mut Controller, Duration) -> R) -> R {
        let (mut state, now) = self.lock();
        let result = act(&mut state.controller, now);
        let up = state.spread(&self.links);
        drop(state);
        // A runtime that ends drops them at once, and they need the lock then.
        for (id, link, frames) in up {
            let held = Arc::new(Held { shared: Arc::clone(self), link });
            self.links.attach_as(id, BleLink { held, frames });
        }
        self.changed.send_replace(());
        result
    }

    fn set_duty(self: &Arc<Self>) {
        let asked = self.lock().0.duty;
        let duty = self.power.borrow().duty(asked);
        self.act(|controller, now| controller.set_duty(now, duty));
    }

    /// When time must be told next.
    fn due_at(&self) -> Option<Instant> {
        let (state, now) = self.lock();
        let timeout = state.controller.poll_timeout(now);
        timeout.map(|at| self.begin + at.max(now + LEAST_SLEEP))
    }

    /// Waits until there is something to say.
    async fn until<R>(&self, mut look: impl FnMut(&mut State, Duration) -> Option<R>) -> R {
        let mut changed = self.changed.subscribe();
        loop {
            {
                let (mut state, now) = self.lock();
                if let Some(result) = look(&mut state, now) {
                    return result;
                }
            }
            // The sender is this one's own, so there is no end to be told of.
            let _ = changed.changed().await;
        }
    }

    fn end(self: &Arc<Self>) {
        self.lock().0.is_over = true;
        self.act(|controller, now| controller.handle(now, Fact::AdapterOff));
    }
}

impl State {
    /// Tells links what has happened to them, and says which are up.
    fn spread(&mut self, links: &Links) -> Vec<(LinkId, LinkRef, Frames)> {
        let mut up = Vec::new();
        while let Some(event) = self.controller.next_event() {
            match event {
                Event::Up { link } => {
                    let (sender, frames) = mpsc::unbounded_channel();
                    self.incoming.insert(link, sender);
                    let id = links.next_id();
                    self.numbers.insert(id, link);
                    up.push((id, link, frames));
                }
                Event::Frame { link, frame } => {
                    if let Some(incoming) = self.incoming.get(&link) {
                        // Whoever has dropped the receiver ends the link in a moment.
                        let _ = incoming.send(frame);
                    }
                }
                Event::Ended { link } => {
                    if let Some(incoming) = self.incoming.remove(&link) {
                        let _ = incoming.send(Vec::new());
                    }
                }
                Event::Down { link } => {
                    self.incoming.remove(&link);
                    self.numbers.retain(|_, of| *of != link);
                }
            }
        }
        up
    }
}

/// Tells the controller when time has passed.
async fn keep_time(shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    loop {
        let asleep = async {
            match shared.due_at() {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = asleep => shared.act(Controller::handle_timeout),
            _ = changed.changed() => {}
        }
    }
}

/// Tells the controller what power there is.
async fn save(shared: Arc<Shared>, mut power: watch::Receiver<Power>) {
    while power.changed().await.is_ok() {
        shared.set_duty();
    }
}

/// Tells the controller who is at the end of links, and what is new, for as long as the node runs.
async fn tend(
    ending: Ending,
    inputs: mpsc::WeakSender<Input>,
    mut events: broadcast::Receiver<NodeEvent>,
) {
    let shared = &ending.0;
    let mut met = BTreeSet::new();
    let mut news = News::default();
    loop {
        match timeout(LOOK, events.recv()).await {
            Ok(Ok(NodeEvent::NeighbourUp { link })) => {
                let Some(keys) = call(&inputs, move |node, _| node.link_keys(link)).await else {
                    break;
                };
                let number = shared.lock().0.numbers.get(&link).copied();
                if let (Some((own, neighbour)), Some(link)) = (keys, number) {
                    shared.act(|controller, now| controller.identified(now, link, own, neighbour));
                    news.own = Some(own);
                    if met.len() < MAX_MET {
                        met.insert(neighbour);
                    }
                }
            }
            Ok(Ok(NodeEvent::EpochRotated)) => {
                met.clear();
                news = News::default();
            }
            Ok(Err(RecvError::Closed)) => break,
            Ok(Ok(_) | Err(RecvError::Lagged(_))) | Err(_) => {}
        }
        if !news.tell(shared, &inputs, &met).await {
            break;
        }
    }
}

/// Tells the shell of the node's end, also where the runtime ends first and with it whoever watches.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What comes in on a link; an empty one says that it was the last.
type Frames = mpsc::UnboundedReceiver<Vec<u8>>;

/// What was told last.
#[derive(Debug, Default)]
struct News {
    own: Option<NodeId>,
    looked: Option<Instant>,
}

impl News {
    /// Tells what is new, now and then; false once the engine has ended.
    async fn tell(
        &mut self,
        shared: &Arc<Shared>,
        inputs: &mpsc::WeakSender<Input>,
        met: &BTreeSet<NodeId>,
    ) -> bool {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return true;
        }
        self.looked = Some(Instant::now());
        let look = call(inputs, |node, now| (node.contents(), now)).await;
        // What fails in the store stops the engine, which says so itself.
        let Some((Ok(contents), now)) = look else { return false };
        let own = self.own.map(|key| tag(&key, now, &contents));
        let known = known(met, now, &contents);
        shared.act(|controller, now| controller.set_news(now, contents, own, known));
        true
    }
}

/// Ends a link that nobody holds any more.
#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
    link: LinkRef,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.act(|controller, now| controller.abort(now, self.link));
    }
}

/// A link that is up.
#[derive(Debug)]
struct BleLink {
    held: Arc<Held>,
    frames: Frames,
}

impl Link for BleLink {
    type Sender = BleSender;
    type Receiver = BleReceiver;

    fn info(&self) -> LinkInfo {
        let role = match self.held.link.connection.side {
            Side::Central => Role::Initiator,
            Side::Peripheral => Role::Responder,
        };
        LinkInfo { role, cost: CostClass::Ble, max_frame_bytes: MAX_FRAME_BYTES }
    }

    fn split(self) -> (BleSender, BleReceiver) {
        (BleSender(Arc::clone(&self.held)), BleReceiver { held: self.held, frames: self.frames })
    }
}

/// Frames on their way out.
#[derive(Debug)]
struct BleSender(Arc<Held>);

impl LinkSender for BleSender {
    async fn send(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        let Held { shared, link } = &*self.0;
        for frame in frames {
            let bytes = frames::join(std::slice::from_ref(frame))?;
            let room = |state: &mut State, _| match state.controller.has_room(*link) {
                Some(false) => None,
                has_room => Some(has_room),
            };
            shared.until(room).await.ok_or(io::ErrorKind::BrokenPipe)?;
            shared.act(|controller, _| controller.push(*link, &bytes));
        }
        Ok(())
    }

    async fn close(self) {
        let Held { shared, link } = &*self.0;
        shared.act(|controller, now| controller.end(now, *link));
        let is_gone = |state: &mut State, _| state.controller.has_room(*link).is_none();
        shared.until(|state, now| is_gone(state, now).then_some(())).await;
    }
}

/// Frames that come in.
#[derive(Debug)]
struct BleReceiver {
    held: Arc<Held>,
    frames: Frames,
}

impl LinkReceiver for BleReceiver {
    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        let frame = self.frames.recv().await.ok_or(io::ErrorKind::UnexpectedEof)?;
        if frame.is_empty() {
            return Ok(None);
        }
        let Held { shared, link } = &*self.held;
        shared.act(|controller, now| controller.fetched(now, *link, frame.len()));
        Ok(Some(frame))
    }
}
