//! Nodes whose shells carry bytes between them, in whatever pieces.

use crate::common::{SOON, config, delivered, introduce, send, start, wait_for};
use footpost_core::{CostClass, Event, LinkInfo, Role};
use footpost_transports::{ByteLink, Footpost, LinkEnded, byte_link};
use std::sync::Arc;
use tokio::time::timeout;

fn attach(node: &Footpost, role: Role) -> Arc<ByteLink> {
    let (host, stream) = byte_link(LinkInfo { role, cost: CostClass::Ble, max_frame_bytes: 512 });
    node.attach(stream);
    Arc::new(host)
}

/// A shell: writes what it is given to the other side, a few bytes at a time.
async fn carry(from: Arc<ByteLink>, to: Arc<ByteLink>, piece_bytes: usize) {
    while let Some(bytes) = from.next_write().await {
        for piece in bytes.chunks(piece_bytes) {
            if to.received(piece.to_vec()).await == Err(LinkEnded) {
                return;
            }
        }
    }
    to.disconnected();
}

#[tokio::test]
async fn a_message_crosses_a_stream_that_is_cut_anywhere() {
    let (alice, mut to_alice) = start(config(vec![])).await;
    let (bob, _) = start(config(vec![])).await;
    let bobs = introduce(&alice, &bob).await;
    introduce(&bob, &alice).await;
    let hosts = (attach(&alice, Role::Initiator), attach(&bob, Role::Responder));
    tokio::spawn(carry(hosts.0.clone(), hosts.1.clone(), 23));
    let back = tokio::spawn(carry(hosts.1, hosts.0, 1));
    let message = send(&alice, bobs, "by radio".into()).await;
    delivered(&mut to_alice, message).await;
    bob.shutdown().await.unwrap();
    // The shell is told that the link is over.
    timeout(SOON, back).await.unwrap().unwrap();
    alice.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_no_frame_ends_the_link_alone() {
    let (node, mut events) = start(config(vec![])).await;
    let host = attach(&node, Role::Responder);
    host.received(vec![0xff; 100]).await.unwrap();
    while host.next_write().await.is_some() {}
    assert_eq!(host.received(vec![0]).await, Err(LinkEnded));
    let host = attach(&node, Role::Responder);
    // A frame that is no handshake.
    host.received([&[0, 32][..], &[7; 32]].concat()).await.unwrap();
    wait_for(&mut events, |event| matches!(event, Event::LinkClosed { .. })).await;
    node.shutdown().await.unwrap();
}
