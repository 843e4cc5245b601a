//! Carries frames between one link and the engine.

use crate::{
    driver::Input,
    link::{Link, LinkReceiver, LinkSender},
    queue::{QueueReceiver, queue},
};
use footpost_core::LinkId;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::sleep,
};
use tracing::{debug, instrument};

/// How long a link that the engine has closed may take to send what is queued.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The links that are up, one task each. Clones are the same links; dropping the last one breaks
/// them off.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    inputs: mpsc::WeakSender<Input>,
    runtime: Handle,
    next_id: Arc<AtomicU64>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Links {
    /// No links yet. To be called within a tokio runtime.
    pub(crate) fn new(inputs: mpsc::WeakSender<Input>) -> Self {
        Self { inputs, runtime: Handle::current(), next_id: Arc::default(), tasks: Arc::default() }
    }

    /// Carries a link until it ends.
    pub(crate) fn attach<L: Link>(&self, link: L) {
        self.attach_as(self.next_id(), link);
    }

    /// A number that no link has had.
    pub(crate) fn next_id(&self) -> LinkId {
        LinkId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// As [`Self::attach`], where the number must be known before the link is up.
    pub(crate) fn attach_as<L: Link>(&self, id: LinkId, link: L) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(carry(link, id, self.inputs.clone()), &self.runtime);
    }

    /// Resolves when all links have ended, as they do in a moment once the engine has.
    pub(crate) async fn ended(&self) {
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }
}

/// Runs `link` until either side ends it or the engine is gone.
///
/// The inputs are held weakly: the engine ends with its handle, not with its last link.
#[instrument(level = "debug", skip(link, inputs))]
async fn carry<L: Link>(link: L, id: LinkId, inputs: mpsc::WeakSender<Input>) {
    let info = link.info();
    let (sender, receiver) = link.split();
    let (outgoing, queue) = queue(info.cost);
    let (open, closed) = oneshot::channel();
    if !tell(&inputs, Input::Up { id, info, outgoing, open }).await {
        return;
    }
    tokio::select! {
        () = read(receiver, id, &inputs) => {}
        () = write(sender, queue, &inputs) => {}
        () = leave(closed) => debug!("the neighbour did not take what was left for it"),
    }
    tell(&inputs, Input::Down { id }).await;
}

async fn read(mut receiver: impl LinkReceiver, id: LinkId, inputs: &mpsc::WeakSender<Input>) {
    loop {
        match receiver.receive().await {
            Ok(Some(frame)) => {
                if !tell(inputs, Input::Frame { id, frame }).await {
                    return std::future::pending().await;
                }
            }
            Ok(None) => return debug!("the neighbour ended the link"),
            Err(error) => return debug!(%error, "the link broke"),
        }
    }
}

async fn write(
    mut sender: impl LinkSender,
    mut queue: QueueReceiver,
    inputs: &mpsc::WeakSender<Input>,
) {
    let mut batch = Vec::new();
    while queue.take(&mut batch).await {
        if let Err(error) = sender.send(&batch).await {
            return debug!(%error, "the link broke");
        }
        let bytes = batch.iter().map(Vec::len).sum();
        batch.clear();
        if queue.sent(bytes) {
            tell(inputs, Input::Room).await;
        }
    }
    sender.close().await;
}

/// Resolves a while after the engine has let go of the link.
async fn leave(closed: oneshot::Receiver<()>) {
    let _ = closed.await;
    sleep(LEAVE_TIMEOUT).await;
}

/// Hands an input to the engine, and waits while it is busy; false where it is gone.
async fn tell(inputs: &mpsc::WeakSender<Input>, input: Input) -> bool {
    match inputs.upgrade() {
        Some(inputs) => inputs.send(input).await.is_ok(),
        None => false,
    }
}
