//! Two nodes over QUIC deliver a message to each other.

use crate::common::{config, delivered, introduce, send, start, wait_for};
use footpost_core::{Event, StorePath};
use footpost_transports::Config;

#[tokio::test]
async fn a_message_reaches_its_recipient_and_the_sender_knows() {
    let (alice, mut to_alice) = start(config(vec![])).await;
    let (bob, mut to_bob) = start(config(vec![alice.local_addr().unwrap()])).await;
    let (bobs, alices) = (introduce(&alice, &bob).await, introduce(&bob, &alice).await);

    let message = send(&alice, bobs, "the bridge is out".into()).await;
    let received = wait_for(&mut to_bob, |event| matches!(event, Event::Received { .. })).await;
    let Event::Received { message: received, contact } = received else { unreachable!() };
    assert_eq!(contact, alices);
    let received = bob.call(move |node, _| node.message(received)).await.unwrap().unwrap();
    assert_eq!(received.unwrap().body.as_text(), Some("the bridge is out"));
    delivered(&mut to_alice, message).await;

    let answer = send(&bob, alices, "then by boat".into()).await;
    delivered(&mut to_bob, answer).await;
    bob.shutdown().await.unwrap();
    alice.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_message_waits_in_the_store_until_the_recipient_is_dialled() {
    let directory = tempfile::tempdir().unwrap();
    let (bob, _) = start(config(vec![])).await;
    let store = StorePath::File(directory.path().join("alice"));
    let config = Config { store, ..config(vec![]) };

    let (alice, _) = start(config.clone()).await;
    let bobs = introduce(&alice, &bob).await;
    let message = send(&alice, bobs, "are you there?".into()).await;
    alice.shutdown().await.unwrap();

    let (alice, mut to_alice) = start(config).await;
    alice.dial(bob.local_addr().unwrap());
    delivered(&mut to_alice, message).await;
}
