//! A running node.

use crate::{
    call::{Line, Threads, check_thread},
    config::Config,
    errors::{ContactError, NodeError, OpenError},
    events::{Event, EventWait, Queue},
    vault::{self, Vault},
};
use footpost_core::StorePath;
use footpost_transports as transports;
use std::{net::SocketAddr, sync::Arc};

/// A running node: one identity, its contacts and messages, and other people's mail.
///
/// Every method may be called from any thread, also several at once. Those that wait do so without
/// holding up the caller's thread. A call that nobody waits for any more is carried out all the same.
/// `shutdown` ends the node in order; an object that is merely dropped says goodbye to no neighbour.
#[derive(uniffi::Object)]
pub struct Footpost {
    pub(crate) line: Line,
    events: Arc<Queue>,
    listen_address: String,
    threads: Threads,
}

#[uniffi::export]
impl Footpost {
    /// Opens the node in the configuration's directory; an empty one gets a new identity.
    ///
    /// Waits for the disk, and under a passphrase half a second for its key: not to be called on a
    /// thread that draws.
    #[uniffi::constructor]
    pub fn open(config: Config, vault: Vault) -> Result<Arc<Self>, OpenError> {
        check_thread().map_err(|_| OpenError::InCallback)?;
        let store = vault::open(&config.directory()?, vault)?;
        Self::start(&config, store).map(Arc::new)
    }
}

impl Footpost {
    pub(crate) fn start(config: &Config, store: StorePath) -> Result<Self, OpenError> {
        let config = transports::Config {
            store,
            node: config.node()?,
            listen: config.listen()?,
            peers: config.peers()?,
            lan: config.lan,
        };
        let system = |details: String| OpenError::System { details };
        let (threads, runtime) = Threads::start().map_err(|error| system(error.to_string()))?;
        let node = runtime.block_on(transports::Footpost::start(config))?;
        let listen_address = node.local_addr().map(|address| address.to_string());
        let listen_address = listen_address.map_err(|error| system(error.to_string()))?;
        let events = Queue::fill(node.subscribe(), &runtime);
        Ok(Self { line: Line::new(node, runtime), events, listen_address, threads })
    }
}

#[uniffi::export]
impl Footpost {
    /// Stops the node in order: what it was told before is durable, what is queued for neighbours
    /// leaves as far as they take it within a moment, and the store is closed. Calls after this are
    /// refused. A second time does nothing.
    ///
    /// An error says that the node had stopped before, and why.
    pub async fn shutdown(&self) -> Result<(), NodeError> {
        match self.line.shutdown().await {
            // After `halt` too there is nothing left to stop.
            Err(NodeError::Closed) => Ok(()),
            ended => ended,
        }
    }

    /// Stops the node where it stands, as the end of its process would: nothing accepted is lost, and
    /// nobody is told. On return Footpost's threads call nobody any more. `shutdown` is better, where
    /// there is time for it.
    pub fn halt(&self) {
        self.threads.end();
        self.line.drop_node();
        self.events.end();
    }

    /// Waits until there is an event for `take_event`; false once the node has stopped and all were
    /// taken. Half of `next_event`, which every language has: in two steps, so that a caller who
    /// is cancelled between them loses nothing.
    pub async fn wait_for_event(&self) -> Result<bool, NodeError> {
        check_thread()?;
        Ok(self.events.wait().await)
    }

    /// A wait like `wait_for_event`, to be given up at will.
    pub fn event_wait(&self) -> Arc<EventWait> {
        Arc::new(EventWait::new(Arc::clone(&self.events)))
    }

    /// The next event, if there is one already.
    pub fn take_event(&self) -> Option<Event> {
        self.events.take()
    }

    /// Where this node listens for QUIC, as `address:port`.
    pub fn listen_address(&self) -> String {
        self.listen_address.clone()
    }

    /// Keeps the neighbour at `address:port` connected, from now on.
    pub async fn dial(&self, address: String) -> Result<(), DialError> {
        let address: SocketAddr = address.parse().map_err(|_| DialError::Address)?;
        Ok(self.line.with(move |node| node.dial(address)).await?)
    }

    /// The name on one's own card, if any.
    pub async fn name(&self) -> Result<Option<String>, NodeError> {
        self.line.ask(|node| Ok(node.name().map(ToOwned::to_owned))).await
    }

    /// Puts a name on one's own card, for people to recognise; none takes it off.
    pub async fn set_name(&self, name: Option<String>) -> Result<(), ContactError> {
        self.line.call(move |node, now| node.set_name(now, name.as_deref())).await
    }
}

/// A neighbour cannot be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum DialError {
    /// The text is no address.
    #[error("this is no address: write 192.0.2.1:7000")]
    Address,
    /// The node does not answer.
    #[error("{reason}")]
    Node {
        /// Why.
        reason: NodeError,
    },
}
