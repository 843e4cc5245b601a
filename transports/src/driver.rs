//! The engine's own thread: takes what waits, commits it at once, and lets the effects out.
//!
//! Links and callers hand over inputs through one bounded channel and wait while it is full; the
//! engine waits for nobody. What has piled up goes into one store transaction, and no frame, event
//! or result leaves before that is durable.

use crate::{
    clock::Clock, erasing::ErasingRng, footpost::StartError, minter::Minter, queue::QueueSender,
};
use footpost_core::{
    Config, Event, LinkId, LinkInfo, Minting, Node, Note, OpenError, StoreError, StorePath,
    Timestamp,
};
use rand_chacha::ChaCha20Rng;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::Duration,
};
use thiserror::Error;
use tokio::{
    runtime,
    sync::{broadcast, mpsc, oneshot},
    time::timeout,
};
use tracing::error;

/// Inputs that wait for the engine; with frames of at most 64 KiB that is 4 MiB.
const WAITING_INPUTS: usize = 64;
/// Inputs that share one transaction.
const BATCH_INPUTS: usize = 256;
/// And the bytes that they may carry.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Events that a subscriber may lag behind.
const WAITING_EVENTS: usize = 1024;
/// Neighbours' notes that a listener may lag behind.
const WAITING_NOTES: usize = 64;
/// The longest sleep: the sleeping clock stops in suspend, and knows nothing of a wall clock set.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

type Reply = Box<dyn FnOnce() + Send>;
type Call = Box<dyn FnOnce(&mut Node, Timestamp) -> Reply + Send>;

/// What the engine's thread is told.
pub(crate) enum Input {
    /// A link is up. Dropping `open` says that the engine has ended it.
    Up { id: LinkId, info: LinkInfo, outgoing: QueueSender, open: oneshot::Sender<()> },
    /// A frame came in.
    Frame { id: LinkId, frame: Vec<u8> },
    /// A link that was full has room.
    Room,
    /// A link is down.
    Down { id: LinkId },
    /// A slice of minting is done.
    Minted(Box<Minting>),
    /// The application wants something.
    Call(Call),
    /// End in order.
    Stop,
}

/// Why the engine answers no more.
#[derive(Debug, Clone, Error)]
pub enum Stopped {
    /// It was shut down.
    #[error("the node was shut down")]
    Shutdown,
    /// Its store failed. What was committed is safe: start again once the cause is mended.
    #[error("the node stopped, because its store failed: {0}")]
    Store(Arc<StoreError>),
    /// A defect, in the engine or in the closure of a call.
    #[error("the node stopped, because its thread panicked")]
    Panicked,
}

/// The engine's thread as the rest sees it. Dropping it ends the engine.
#[derive(Debug)]
pub(crate) struct Driver {
    inputs: mpsc::Sender<Input>,
    events: broadcast::WeakSender<Event>,
    notes: broadcast::WeakSender<Note>,
    stopped: Arc<OnceLock<Stopped>>,
    thread: JoinHandle<()>,
}

impl Driver {
    /// Opens the engine on a thread of its own.
    pub(crate) async fn start(
        store: StorePath,
        config: Config,
        rng: ChaCha20Rng,
    ) -> Result<Self, StartError> {
        // Timers of its own: the thread may outlive the caller's runtime by a moment.
        let timers = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(StartError::Thread)?;
        let (inputs, mut waiting) = mpsc::channel(WAITING_INPUTS);
        let minter = Minter::start(inputs.downgrade()).map_err(StartError::Thread)?;
        let (events, _) = broadcast::channel(WAITING_EVENTS);
        let (notes, _) = broadcast::channel(WAITING_NOTES);
        let (subscribable, stopped) = (events.downgrade(), Arc::new(OnceLock::new()));
        let audible = notes.downgrade();
        let (opened, result) = oneshot::channel();
        let why = Arc::clone(&stopped);
        let run = move || {
            let mut engine = match Engine::open(&store, config, rng, (events, notes), minter) {
                Ok(engine) => engine,
                Err(source) => {
                    return drop(opened.send(Err(StartError::Open { store, source })));
                }
            };
            let _ = opened.send(Ok(()));
            let end = timers.block_on(engine.run(&mut waiting));
            // First the reason, then what makes others ask for it.
            let _ = why.set(match end {
                Ok(()) => Stopped::Shutdown,
                Err(error) => {
                    error!(%error, "the store failed");
                    Stopped::Store(Arc::new(error))
                }
            });
            drop(engine);
            drop(waiting);
        };
        let thread = thread::Builder::new().name("footpost".into()).spawn(run);
        let thread = thread.map_err(StartError::Thread)?;
        result.await.unwrap_or(Err(StartError::Panicked))?;
        Ok(Self { inputs, events: subscribable, notes: audible, stopped, thread })
    }

    /// Runs `f` on the engine's thread, and returns what it returned once that is durable.
    pub(crate) async fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Node, Timestamp) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        call(&self.inputs(), f).await.ok_or_else(|| self.why())
    }

    /// What happens from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        let ended = || broadcast::channel(1).1;
        self.events.upgrade().map_or_else(ended, |events| events.subscribe())
    }

    /// What neighbours say of Wi-Fi Direct from now on.
    pub(crate) fn notes(&self) -> broadcast::Receiver<Note> {
        let ended = || broadcast::channel(1).1;
        self.notes.upgrade().map_or_else(ended, |notes| notes.subscribe())
    }

    /// Where links hand over what comes in.
    pub(crate) fn inputs(&self) -> mpsc::WeakSender<Input> {
        self.inputs.downgrade()
    }

    /// Ends the engine after what it was told before.
    pub(crate) async fn shutdown(self) -> Result<(), Stopped> {
        let _ = self.inputs.send(Input::Stop).await;
        self.inputs.closed().await;
        let why = self.why();
        // The store is closed by now: all that is left of the thread is its return.
        match (self.thread.join(), why) {
            (Ok(()), Stopped::Shutdown) => Ok(()),
            (_, why) => Err(why),
        }
    }

    fn why(&self) -> Stopped {
        self.stopped.get().cloned().unwrap_or(Stopped::Panicked)
    }
}

/// Runs `f` on the engine's thread, and returns what it returned once that is durable; none where the
/// engine is gone.
pub(crate) async fn call<R: Send + 'static>(
    inputs: &mpsc::WeakSender<Input>,
    f: impl FnOnce(&mut Node, Timestamp) -> R + Send + 'static,
) -> Option<R> {
    let (reply, mut result) = oneshot::channel();
    let call: Call = Box::new(move |node, now| {
        let value = f(node, now);
        Box::new(move || drop(reply.send(value)))
    });
    let inputs = inputs.upgrade()?;
    inputs.send(Input::Call(call)).await.ok()?;
    tokio::select! {
        biased;
        value = &mut result => value.ok(),
        // What is sent in the very moment in which the engine ends stays in the channel for good.
        () = inputs.closed() => result.try_recv().ok(),
    }
}

/// What lives on the engine's thread.
struct Engine {
    node: Node,
    clock: Clock,
    now: Timestamp,
    links: BTreeMap<LinkId, Outgoing>,
    replies: Vec<Reply>,
    events: broadcast::Sender<Event>,
    notes: broadcast::Sender<Note>,
    minter: Minter,
}

struct Outgoing {
    queue: QueueSender,
    _open: oneshot::Sender<()>,
}

impl Engine {
    fn open(
        store: &StorePath,
        config: Config,
        rng: ChaCha20Rng,
        (events, notes): (broadcast::Sender<Event>, broadcast::Sender<Note>),
        minter: Minter,
    ) -> Result<Self, OpenError> {
        let mut clock = Clock::default();
        let (now, _) = clock.now();
        let node = Node::open(store, config, Box::new(ErasingRng::new(rng)), now)?;
        let (links, replies) = (BTreeMap::new(), Vec::new());
        Ok(Self { node, clock, now, links, replies, events, notes, minter })
    }

    async fn run(&mut self, inputs: &mut mpsc::Receiver<Input>) -> Result<(), StoreError> {
        loop {
            self.let_out()?;
            self.mint()?;
            let due = self.node.poll_timeout()?.map(|(due, _)| due);
            let first = self.wait(due, inputs).await;
            self.tick(due)?;
            let stop = self.take_in(first, inputs)?;
            self.node.commit()?;
            self.replies.drain(..).for_each(|reply| reply());
            if stop {
                return self.stop();
            }
        }
    }

    /// The next input, or none when it is time to look at the clock.
    async fn wait(
        &self,
        due: Option<Timestamp>,
        inputs: &mut mpsc::Receiver<Input>,
    ) -> Option<Input> {
        let sleep = due.map_or(u64::MAX, |due| due.since(self.now));
        let sleep = Duration::from_millis(sleep).min(LONGEST_SLEEP);
        // A channel that nobody can send to any more is a handle that was dropped.
        timeout(sleep, inputs.recv()).await.ok().map(|input| input.unwrap_or(Input::Stop))
    }

    fn tick(&mut self, due: Option<Timestamp>) -> Result<(), StoreError> {
        let (now, step_ms) = self.clock.now();
        self.now = now;
        if let Some(step_ms) = step_ms {
            self.node.handle_clock_step(now, step_ms)?;
        }
        if due.is_some_and(|due| due <= now) {
            self.node.handle_timeout(now)?;
        }
        Ok(())
    }

    /// Feeds the engine what waits, up to a limit; true where it is to stop.
    fn take_in(
        &mut self,
        mut first: Option<Input>,
        inputs: &mut mpsc::Receiver<Input>,
    ) -> Result<bool, StoreError> {
        let (now, mut bytes) = (self.now, 0);
        for _ in 0..BATCH_INPUTS {
            let Some(input) = first.take().or_else(|| inputs.try_recv().ok()) else { break };
            match input {
                Input::Up { id, info, outgoing, open } => {
                    self.node.handle_link_up(now, id, info)?;
                    self.links.insert(id, Outgoing { queue: outgoing, _open: open });
                }
                // The engine has ended other links, and knows nothing of them any more.
                Input::Frame { id, frame } if self.links.contains_key(&id) => {
                    bytes += frame.len();
                    self.node.handle_frame(now, id, &frame)?;
                }
                Input::Frame { .. } | Input::Room => {}
                Input::Down { id } => {
                    self.links.remove(&id);
                    self.node.handle_link_down(now, id)?;
                }
                Input::Minted(minting) => {
                    self.minter.rest();
                    self.node.handle_minting(now, &minting)?;
                }
                Input::Call(call) => {
                    let reply = call(&mut self.node, now);
                    self.replies.push(reply);
                }
                Input::Stop => return Ok(true),
            }
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        Ok(false)
    }

    fn mint(&mut self) -> Result<(), StoreError> {
        if self.minter.is_idle()
            && let Some(minting) = self.node.next_minting(self.now)?
        {
            self.minter.work(minting);
        }
        Ok(())
    }

    /// Hands on the frames and events that are durable now.
    fn let_out(&mut self) -> Result<(), StoreError> {
        for (&id, outgoing) in &self.links {
            while outgoing.queue.has_room()
                && let Some(frame) = self.node.poll_transmit(self.now, id)?
            {
                outgoing.queue.push(frame);
            }
        }
        while let Some(event) = self.node.poll_event() {
            if let Event::LinkClosed { link, .. } = event
                && let Some(outgoing) = self.links.remove(&link)
            {
                while let Some(farewell) = self.node.poll_transmit(self.now, link)? {
                    outgoing.queue.push(farewell);
                }
            }
            // An error means that nobody listens.
            let _ = self.events.send(event);
        }
        while let Some(note) = self.node.poll_note() {
            let _ = self.notes.send(note);
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), StoreError> {
        for &id in self.links.keys() {
            self.node.handle_link_down(self.now, id)?;
        }
        self.node.commit()
    }
}
