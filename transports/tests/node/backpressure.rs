//! A neighbour that does not read holds up nothing and fills nothing.

use crate::common::{Gate, SOON, config, delivered, introduce, memory_link, send, start};
use footpost_transports::Footpost;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const MESSAGES: usize = 100;
const MESSAGE_BYTES: usize = 16 * 1024;
/// What the link carries before it is stuck.
const PASSING_BYTES: usize = 64 * 1024;
/// What a link's queue holds, and a frame more.
const QUEUE_BYTES: usize = 256 * 1024 + 4096;

async fn sent_bytes(node: &Footpost) -> u64 {
    node.call(|node, _| node.stats().sent.total_bytes()).await.unwrap()
}

#[tokio::test]
async fn frames_stay_in_the_store_while_a_link_is_stuck() {
    let (alice, mut to_alice) = start(config(vec![])).await;
    let (bob, _) = start(config(vec![])).await;
    let (bobs, _) = (introduce(&alice, &bob).await, introduce(&bob, &alice).await);
    let mut last = None;
    for n in 0..MESSAGES {
        last = Some(send(&alice, bobs, format!("{n:0MESSAGE_BYTES$}")).await);
    }

    let (here, there, gate) = memory_link();
    gate.send_replace(Gate::UpTo(PASSING_BYTES));
    alice.attach(here);
    bob.attach(there);
    let filled = async {
        while sent_bytes(&alice).await < (PASSING_BYTES + QUEUE_BYTES / 2) as u64 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, filled).await.expect("the queue is not used");
    sleep(Duration::from_millis(200)).await;
    let sent = sent_bytes(&alice).await;
    assert!(sent <= (PASSING_BYTES + QUEUE_BYTES) as u64, "{sent} bytes left the store");

    let prompt = timeout(Duration::from_secs(1), alice.call(|node, _| node.stats())).await;
    assert_eq!(prompt.unwrap().unwrap().links, 1);

    gate.send_replace(Gate::UpTo(usize::MAX));
    delivered(&mut to_alice, last.unwrap()).await;
}
