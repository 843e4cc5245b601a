//! What happens in a node, to be pulled.

use crate::{call::check_thread, contacts::KeyWarning, errors::NodeError, messages::DeliveryState};
use footpost_core as core;
use footpost_transports::{Events, Missed};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::{runtime::Handle, sync::Notify};

/// Events that may wait to be taken.
const WAITING: usize = 1024;

/// A committed fact. It survives a restart, though its event does not come again.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Event {
    /// A message has come in and is stored.
    Received {
        /// The message.
        message: i64,
        /// Who wrote it.
        contact: i64,
    },
    /// The same from a contact who is muted, or whose request is open: to be shown where somebody
    /// looks, and announced nowhere.
    ReceivedQuietly {
        /// The message.
        message: i64,
        /// Who wrote it.
        contact: i64,
    },
    /// A sent message has come further, or one more neighbour carries it.
    Progress {
        /// The message.
        message: i64,
        /// How far it is now.
        state: DeliveryState,
    },
    /// A received file is whole: see `save_file`.
    AttachmentWhole {
        /// Its message.
        message: i64,
    },
    /// A bulletin of a followed publisher has come, or an SOS.
    Bulletin {
        /// The publisher's address.
        publisher: String,
        /// Its number.
        number: u64,
    },
    /// Any other bulletin: to be shown where somebody looks, and announced nowhere.
    BulletinQuietly {
        /// The publisher's address.
        publisher: String,
        /// Its number.
        number: u64,
    },
    /// A stranger's first message has come, with their card: they wait under a placeholder name.
    Requested {
        /// The request.
        contact: i64,
    },
    /// A contact goes on under a new key.
    IdentityChanged {
        /// The contact.
        contact: i64,
    },
    /// Something is wrong with a contact's key: to be shown prominently.
    KeyWarning {
        /// The contact.
        contact: i64,
        /// What it is.
        warning: KeyWarning,
    },
    /// A neighbour is here.
    NeighbourUp {
        /// Its link.
        link: u64,
    },
    /// A neighbour has proven to be a contact.
    NeighbourProven {
        /// Its link.
        link: u64,
        /// Who it is.
        contact: i64,
    },
    /// A neighbour is gone by this node's doing.
    NeighbourClosed {
        /// Its link.
        link: u64,
        /// Why, in English.
        reason: String,
    },
    /// This identity was restored on a later device: this one only carries mail now.
    Superseded,
    /// One more postmark is minted: messages that waited for it go out.
    PostmarkMinted,
    /// The keys of the day have rotated.
    KeysRotated,
    /// Nobody took events for too long: read anew what is shown.
    Missed {
        /// How many are lost.
        events: u64,
    },
}

impl From<core::Event> for Event {
    fn from(event: core::Event) -> Self {
        use core::Event as Core;
        match event {
            Core::Received { message, contact } => {
                Self::Received { message: message.0, contact: contact.0 }
            }
            Core::ReceivedQuietly { message, contact } => {
                Self::ReceivedQuietly { message: message.0, contact: contact.0 }
            }
            Core::Progress { message, state } => {
                Self::Progress { message: message.0, state: state.into() }
            }
            Core::AttachmentWhole { message } => Self::AttachmentWhole { message: message.0 },
            Core::Bulletin { bulletin } => {
                Self::Bulletin { publisher: bulletin.publisher.address(), number: bulletin.number }
            }
            Core::BulletinQuietly { bulletin } => Self::BulletinQuietly {
                publisher: bulletin.publisher.address(),
                number: bulletin.number,
            },
            Core::Requested { contact } => Self::Requested { contact: contact.0 },
            Core::IdentityChanged { contact } => Self::IdentityChanged { contact: contact.0 },
            Core::KeyWarning { contact, warning } => {
                Self::KeyWarning { contact: contact.0, warning: warning.into() }
            }
            Core::NeighbourUp { link } => Self::NeighbourUp { link: link.0 },
            Core::NeighbourProven { link, contact } => {
                Self::NeighbourProven { link: link.0, contact: contact.0 }
            }
            Core::LinkClosed { link, reason } => {
                Self::NeighbourClosed { link: link.0, reason: reason.to_string() }
            }
            Core::Superseded => Self::Superseded,
            Core::PostmarkMinted => Self::PostmarkMinted,
            Core::EpochRotated => Self::KeysRotated,
        }
    }
}

/// Events that wait, for any number of takers: each goes to one of them.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    missed: u64,
    events: VecDeque<Event>,
    ended: bool,
}

impl Waiting {
    fn push(&mut self, event: Result<core::Event, Missed>) {
        match event {
            Ok(event) => self.events.push_back(event.into()),
            // What was missed is older than what waits.
            Err(Missed(events)) => {
                self.missed += events + self.events.len() as u64;
                self.events.clear();
            }
        }
        if self.events.len() > WAITING {
            self.events.pop_front();
            self.missed += 1;
        }
    }

    fn pop(&mut self) -> Option<Event> {
        match std::mem::take(&mut self.missed) {
            0 => self.events.pop_front(),
            events => Some(Event::Missed { events }),
        }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.missed == 0
    }
}

impl Queue {
    /// A queue that takes in what happens, until nothing happens any more.
    pub(crate) fn fill(mut events: Events, runtime: &Handle) -> Arc<Self> {
        let queue = Arc::new(Self { waiting: Mutex::default(), changed: Notify::new() });
        let filling = Filling(Arc::downgrade(&queue));
        runtime.spawn(async move {
            let filling = filling;
            while let Some(event) = events.next().await {
                let Some(queue) = filling.0.upgrade() else { return };
                queue.lock().push(event);
                queue.changed.notify_waiters();
            }
        });
        queue
    }

    /// Waits for an event; false where none will come. Cancel safe: it takes nothing.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on no change is overlooked.
            changed.as_mut().enable();
            {
                let waiting = self.lock();
                if !waiting.is_empty() {
                    return true;
                }
                if waiting.ended {
                    return false;
                }
            }
            changed.await;
        }
    }

    /// None will come any more.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_waiters();
    }

    pub(crate) fn take(&self) -> Option<Event> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the queue has ended, also where the runtime ends first and with it whoever fills it.
struct Filling(Weak<Queue>);

impl Drop for Filling {
    fn drop(&mut self) {
        if let Some(queue) = self.0.upgrade() {
            queue.end();
        }
    }
}

/// A wait for an event that its caller can give up: for Swift, whose tasks cannot cancel what they wait
/// for in Rust. Its `nextEvent` uses it.
#[derive(uniffi::Object)]
pub struct EventWait {
    queue: Arc<Queue>,
    given_up: Notify,
}

impl EventWait {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, given_up: Notify::new() }
    }
}

#[uniffi::export]
impl EventWait {
    /// Waits as `wait_for_event` does; also true once the wait is given up.
    pub async fn wait(&self) -> Result<bool, NodeError> {
        check_thread()?;
        tokio::select! {
            more = self.queue.wait() => Ok(more),
            () = self.given_up.notified() => Ok(true),
        }
    }

    /// Ends the wait, from any thread, also where it has yet to begin.
    pub fn give_up(&self) {
        self.given_up.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(message: i64) -> core::Event {
        core::Event::Progress { message: core::MessageId(message), state: core::State::Queued }
    }

    #[test]
    fn what_nobody_takes_is_counted_and_the_newest_stay() {
        let mut waiting = Waiting::default();
        for message in 0..WAITING as i64 + 10 {
            waiting.push(Ok(progress(message)));
        }
        assert_eq!(waiting.pop(), Some(Event::Missed { events: 10 }));
        assert_eq!(waiting.pop(), Some(progress(10).into()));
        waiting.push(Err(Missed(5)));
        waiting.push(Ok(progress(1)));
        let lost = 5 + WAITING as u64 - 1;
        assert_eq!(waiting.pop(), Some(Event::Missed { events: lost }));
        assert_eq!(waiting.pop(), Some(progress(1).into()));
        assert!(waiting.pop().is_none() && waiting.is_empty());
    }

    #[tokio::test]
    async fn a_wait_is_given_up_before_it_begins_and_while_it_lasts() {
        let queue = Arc::new(Queue { waiting: Mutex::default(), changed: Notify::new() });
        let wait = Arc::new(EventWait::new(Arc::clone(&queue)));
        wait.give_up();
        assert_eq!(wait.wait().await, Ok(true));
        let (waited, ()) = tokio::join!(wait.wait(), async { wait.give_up() });
        assert_eq!(waited, Ok(true));
        queue.end();
        assert_eq!(wait.wait().await, Ok(false));
    }
}
