//! How a call from any thread, in any language, comes to the engine's own.
//!
//! Foreign languages poll Rust's futures from threads of theirs and are woken from ours. The wake-up
//! may wait for an interpreter's lock or a virtual machine: that is for the runtime's threads, never for
//! the engine's, which so waits for nobody.

use crate::errors::NodeError;
use footpost_core::{Node, StoreError, Timestamp};
use footpost_transports::{self as transports, Stopped};
use std::{
    cell::Cell,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::RwLock,
};

/// What carries links and wakes callers: two, so that one caller's slow wake-up stops no link.
const THREADS: usize = 2;
/// How long a caller's wake-up may take when the threads end.
const PATIENCE: Duration = Duration::from_secs(1);

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Runs foreign code on a thread that Footpost needs back.
pub(crate) fn foreign<R>(callback: impl FnOnce() -> R) -> R {
    let before = IN_CALLBACK.replace(true);
    let result = callback();
    IN_CALLBACK.set(before);
    result
}

/// An error within a callback: whoever waits here holds up what it waits for.
pub(crate) fn check_thread() -> Result<(), NodeError> {
    if IN_CALLBACK.get() { Err(NodeError::InCallback) } else { Ok(()) }
}

/// The threads that carry links and wake callers.
pub(crate) struct Threads(Mutex<Option<Runtime>>);

impl Threads {
    pub(crate) fn start() -> io::Result<(Self, Handle)> {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(THREADS).thread_name("footpost io").enable_all();
        let runtime = builder.build()?;
        let handle = runtime.handle().clone();
        Ok((Self(Mutex::new(Some(runtime))), handle))
    }

    /// Waits until they call nobody any more: an interpreter that ends must not be called.
    pub(crate) fn end(&self) {
        let runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match runtime {
            // One of them is here, and cannot wait for itself.
            Some(runtime) if Handle::try_current().is_ok() => runtime.shutdown_background(),
            Some(runtime) => runtime.shutdown_timeout(PATIENCE),
            None => {}
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a running node is doing.
pub(crate) type Work<'a, R> = Pin<Box<dyn Future<Output = Result<R, Stopped>> + Send + 'a>>;

/// A node that can be called until it is shut down.
#[derive(Clone)]
pub(crate) struct Line {
    node: Arc<RwLock<Option<transports::Footpost>>>,
    runtime: Handle,
}

impl Line {
    pub(crate) fn new(node: transports::Footpost, runtime: Handle) -> Self {
        Self { node: Arc::new(RwLock::new(Some(node))), runtime }
    }

    /// Runs `f` on the engine's thread; what it did is durable then. A caller that waits no longer
    /// changes nothing: what was asked is done all the same.
    pub(crate) async fn call<R, E, F>(
        &self,
        f: impl FnOnce(&mut Node, Timestamp) -> Result<R, E> + Send + 'static,
    ) -> Result<R, F>
    where
        R: Send + 'static,
        E: Send + 'static,
        F: From<NodeError> + From<E>,
    {
        let node = Arc::clone(&self.node);
        let called = self.spawn(async move {
            let node = node.read().await;
            let node = node.as_ref().ok_or(NodeError::Closed)?;
            Ok(node.call(f).await?)
        });
        Ok(called.await??)
    }

    /// Asks the engine for something that only its store could fail to say.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Node) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, NodeError> {
        self.call(|node, _| f(node)).await
    }

    /// Asks the handle of the running node.
    pub(crate) async fn with<R: Send + 'static>(
        &self,
        ask: impl FnOnce(&transports::Footpost) -> R + Send + 'static,
    ) -> Result<R, NodeError> {
        let node = Arc::clone(&self.node);
        self.spawn(async move {
            let node = node.read().await;
            node.as_ref().map(ask).ok_or(NodeError::Closed)
        })
        .await
    }

    /// Lets the handle of the running node do something that takes a while.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&transports::Footpost) -> Work<'_, R> + Send + 'static,
    ) -> Result<R, NodeError> {
        let node = Arc::clone(&self.node);
        self.spawn(async move {
            let node = node.read().await;
            let node = node.as_ref().ok_or(NodeError::Closed)?;
            Ok(work(node).await?)
        })
        .await
    }

    /// Shuts the node down once the calls under way are over; where that was done before, or is being
    /// done, waits for it.
    pub(crate) async fn shutdown(&self) -> Result<(), NodeError> {
        let node = Arc::clone(&self.node);
        self.spawn(async move {
            // Held to the end: whoever asks next waits for it.
            let mut held = node.write().await;
            let Some(node) = held.take() else { return Ok(()) };
            Ok(node.shutdown().await?)
        })
        .await
    }

    /// Lets go of the node, once nothing runs any more.
    pub(crate) fn drop_node(&self) {
        if let Ok(mut node) = self.node.try_write() {
            node.take();
        }
    }

    /// Runs to its end, whether or not anybody waits for it.
    async fn spawn<R: Send + 'static>(
        &self,
        work: impl Future<Output = Result<R, NodeError>> + Send + 'static,
    ) -> Result<R, NodeError> {
        check_thread()?;
        self.runtime.spawn(work).await.unwrap_or(Err(NodeError::Closed))
    }
}
