//! The Bluetooth LE radio of Linux: BlueZ, by its D-Bus interface and by L2CAP sockets.
//!
//! - `radio`: what must be there, and what is missing where it is not.
//! - `shell`: executes the controller's commands, and reports.
//! - `server`: what others find here: the GATT service, and the socket for L2CAP channels.
//! - `line`: one connection, either side's.
//!
//! BlueZ keeps one connection between two devices, whoever has made it, and tells nobody which side it
//! is. So a link of either side may run on it, and for a moment one of each; it ends with the last.

mod line;
mod radio;
mod server;
mod shell;

pub use radio::{BluezError, examine};

use super::{command::Fact, host::Ble};
use radio::Radio;
use shell::Shell;
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Builder, task::spawn_blocking, time::timeout};
use tracing::{info, warn};

/// After a failure, until adapter and service are looked for again.
const RETRY: Duration = Duration::from_secs(3);

/// Executes what `ble` commands, on the adapter of this name or else the default one. Ends with the
/// node; where there is no radio, or none any more, it looks again from time to time.
pub async fn run_on_bluez(ble: Arc<Ble>, adapter: Option<String>) {
    // One thread of its own: writes reach the library as calls, each answered by a task, and tasks of
    // one thread run in the order in which they were spawned.
    let run = move || match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve(&ble, adapter.as_deref())),
        Err(error) => warn!(%error, "no thread for Bluetooth LE"),
    };
    // It fails where the runtime ends, and this with it.
    let _ = spawn_blocking(run).await;
}

async fn serve(ble: &Arc<Ble>, adapter: Option<&str>) {
    let mut told = None;
    loop {
        match Radio::open(adapter).await {
            Ok(radio) => {
                info!(adapter = radio.adapter.name(), "Bluetooth LE is ready");
                told = None;
                if Shell::run(ble, radio).await {
                    return;
                }
                info!("the Bluetooth adapter is gone, or bluetoothd");
            }
            // One line, however long it lasts.
            Err(error) => {
                let error = error.to_string();
                if told.as_ref() != Some(&error) {
                    warn!("no Bluetooth LE for now: {error}");
                    told = Some(error);
                }
            }
        }
        ble.report(Fact::AdapterOff);
        // Without an adapter there are no commands, so what comes is the end.
        if let Ok(None) = timeout(RETRY, ble.next_command()).await {
            return;
        }
    }
}
