//! Mints postmarks where nobody waits: on a thread of its own, of the lowest priority.

use crate::driver::Input;
use footpost_core::Minting;
use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};
use tokio::sync::mpsc::WeakSender;

/// Evaluations between two reports: some tenths of a second, which a restart may lose.
const SLICE: u32 = 32;
/// The priority of the idle, by setpriority(2).
#[cfg(any(target_os = "linux", target_os = "android"))]
const IDLE: i32 = 19;

/// The thread as the engine sees it. Dropping it ends the thread after its slice.
#[derive(Debug)]
pub(crate) struct Minter {
    work: SyncSender<Minting>,
    is_busy: bool,
}

impl Minter {
    /// Starts the thread, which reports to `inputs`.
    pub(crate) fn start(inputs: WeakSender<Input>) -> io::Result<Self> {
        let (work, waiting) = sync_channel(1);
        let run = move || mint(&waiting, &inputs);
        thread::Builder::new().name("footpost mint".into()).spawn(run)?;
        Ok(Self { work, is_busy: false })
    }

    /// Whether it waits for work.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_busy
    }

    /// Works a slice; the result comes as [`Input::Minted`].
    pub(crate) fn work(&mut self, minting: Minting) {
        self.is_busy = self.work.try_send(minting).is_ok();
    }

    /// The slice is back.
    pub(crate) fn rest(&mut self) {
        self.is_busy = false;
    }
}

fn mint(waiting: &Receiver<Minting>, inputs: &WeakSender<Input>) {
    // On Linux and Android a thread has a priority of its own. Where there is none, mail still comes
    // first on any machine with a second core.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::process::setpriority_process(None, IDLE);
    for mut minting in waiting {
        minting.advance(SLICE);
        let Some(inputs) = inputs.upgrade() else { return };
        if inputs.blocking_send(Input::Minted(Box::new(minting))).is_err() {
            return;
        }
    }
}
