//! Two nodes over Bluetooth LE, whose shells do as they are told in memory.

use crate::common::{SOON, config, delivered, introduce, send, start};
use footpost_transports::{
    Footpost,
    ble::{Attempt, Bearer, Ble, Command, Config, Connection, Device, Duty, Fact, Platform, Side},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// What a device in memory is to the other.
const OTHER: Device = Device(1);

fn back(connection: Connection) -> Connection {
    match connection.side {
        Side::Central => Connection::from(OTHER),
        Side::Peripheral => Connection::to(OTHER),
    }
}

/// Executes one's commands, as a shell and its stack do.
async fn run(own: Arc<Ble>, other: Arc<Ble>, mtu: u16, with_channels: bool) {
    let mut info = Vec::new();
    own.report(Fact::AdapterOn);
    if with_channels {
        own.report(Fact::Listening { psm: 192 });
    }
    while let Some(command) = own.next_command().await {
        let (here, there) = match command {
            Command::Serve { info: value } => {
                info = value;
                continue;
            }
            Command::Scan { .. } | Command::StopScan => continue,
            // The other scans.
            Command::Advertise { tag, .. } => {
                other.report(Fact::Seen { device: OTHER, rssi: -40, tag });
                continue;
            }
            Command::Connect { device } => {
                let connection = Connection::to(device);
                let connected = |connection| Fact::Connected { connection, mtu: 23 };
                (connected(connection), Some(connected(back(connection))))
            }
            Command::Disconnect { connection } => {
                let gone = |connection| Fact::Disconnected { connection };
                (gone(connection), Some(gone(back(connection))))
            }
            Command::ExchangeMtu { connection, .. } => {
                let agreed = |connection| Fact::Mtu { connection, mtu };
                (agreed(connection), Some(agreed(back(connection))))
            }
            // Both serve the same, but for what this test does not look at.
            Command::ReadInfo { connection } => {
                (Fact::Info { connection, value: info.clone() }, None)
            }
            Command::OpenChannel { connection, .. } if with_channels => {
                let open = |connection| Fact::ChannelOpen { connection };
                (open(connection), Some(open(back(connection))))
            }
            Command::OpenChannel { connection, .. } => {
                (Fact::Failed { what: Attempt::Channel(connection) }, None)
            }
            Command::Subscribe { connection } => {
                let subscribed = |connection| Fact::Subscribed { connection };
                (subscribed(connection), Some(subscribed(back(connection))))
            }
            Command::Write { connection, value: bytes }
            | Command::Notify { connection, value: bytes } => {
                let connection_there = back(connection);
                let received =
                    Fact::Received { connection: connection_there, bearer: Bearer::Gatt, bytes };
                (Fact::Writable { connection }, Some(received))
            }
            Command::Send { connection, bytes } => {
                let connection_there = back(connection);
                other.readable(connection_there).await;
                let received =
                    Fact::Received { connection: connection_there, bearer: Bearer::L2cap, bytes };
                (Fact::Writable { connection }, Some(received))
            }
        };
        if let Some(there) = there {
            other.report(there);
        }
        own.report(here);
        tokio::task::yield_now().await;
    }
}

fn bluetooth(node: &Footpost) -> Arc<Ble> {
    let ble = node.bluetooth(Config::new(Platform::Bluez));
    ble.set_duty(Duty::Performance);
    Arc::new(ble)
}

#[tokio::test]
async fn mail_goes_over_either_bearer_at_any_mtu_on_one_link() {
    for (mtu, with_channels) in [(23, false), (185, false), (517, false), (517, true)] {
        let (alice, mut to_alice) = start(config(vec![])).await;
        let (bob, mut to_bob) = start(config(vec![])).await;
        let (bobs, alices) = (introduce(&alice, &bob).await, introduce(&bob, &alice).await);
        let (hers, his) = (bluetooth(&alice), bluetooth(&bob));
        let mut shells = JoinSet::new();
        shells.spawn(run(Arc::clone(&hers), Arc::clone(&his), mtu, with_channels));
        shells.spawn(run(Arc::clone(&his), Arc::clone(&hers), mtu, with_channels));

        let short = send(&alice, bobs, "over the air".into()).await;
        delivered(&mut to_alice, short).await;
        let long = send(&bob, alices, "x".repeat(30_000)).await;
        delivered(&mut to_bob, long).await;

        // Whoever crossed has settled to one link.
        let settled = async {
            while hers.stats().links != 1 || his.stats().links != 1 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, settled).await.expect("not one link");
        alice.shutdown().await.unwrap();
        bob.shutdown().await.unwrap();
        drop((hers, his));
        timeout(SOON, async { while shells.join_next().await.is_some() {} }).await.unwrap();
    }
}
