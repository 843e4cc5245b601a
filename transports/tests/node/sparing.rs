//! Nodes that may run for a moment only, or are about to go.

use crate::common::{SOON, config, introduce, send, start};
use footpost_transports::{Conditions, Footpost, Tick};
use std::time::Duration;
use tokio::time::{sleep, timeout};

async fn until(node: &Footpost, condition: impl Fn(&footpost_core::Stats) -> bool) {
    let poll = async {
        while !condition(&node.call(|node, _| node.stats()).await.unwrap()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, poll).await.expect("it did not happen");
}

#[tokio::test]
async fn a_tick_brings_what_waits_and_ends_when_there_is_nothing_more() {
    let (alice, _) = start(config(vec![])).await;
    let (bob, _) = start(config(vec![])).await;
    let bobs = introduce(&alice, &bob).await;
    introduce(&bob, &alice).await;
    for n in 0..100 {
        send(&alice, bobs, format!("message {n}")).await;
    }
    bob.dial(alice.local_addr().unwrap());
    // On a busy machine Alice may be silent for longer than a tick waits.
    let mut all = Tick::default();
    let ticks = async {
        while all.taken < 100 {
            let tick = bob.tick(SOON).await.unwrap();
            assert!(tick.is_done, "{tick:?}");
            all.taken += tick.taken;
            all.received_bytes += tick.received_bytes;
            all.sent_bytes += tick.sent_bytes;
        }
    };
    timeout(SOON, ticks).await.expect("not all came");
    assert_eq!(all.taken, 100);
    assert!(all.received_bytes > 10_000 && all.sent_bytes > 1_000, "{all:?}");
    assert_eq!(bob.tick(Duration::ZERO).await.unwrap(), Tick::default());
    bob.shutdown().await.unwrap();
    alice.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_leaves_hands_over_what_it_carries() {
    let (alice, _) = start(config(vec![])).await;
    let (away, _) = start(config(vec![])).await;
    let to_away = introduce(&alice, &away).await;
    away.shutdown().await.unwrap();
    send(&alice, to_away, "by and by".into()).await;
    let (carrier, _) = start(config(vec![alice.local_addr().unwrap()])).await;
    until(&carrier, |stats| stats.foreign_envelopes == 1).await;
    alice.shutdown().await.unwrap();

    let empty = Conditions { battery_percent: Some(3), ..Conditions::default() };
    carrier.set_conditions(empty).await.unwrap();
    let (other, _) = start(config(vec![carrier.local_addr().unwrap()])).await;
    until(&carrier, |stats| stats.foreign_envelopes == 0).await;
    until(&other, |stats| stats.foreign_envelopes == 1).await;
    carrier.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
}
