//! A node survives links that vanish, at any moment, and its mail takes another way.

use crate::common::{Gate, SOON, config, delivered, introduce, memory_link, send, start, wait_for};
use footpost_core::Event;
use footpost_transports::{Config, Footpost, StartError};
use std::{net::SocketAddr, time::Duration};
use tokio::time::{sleep, timeout};

async fn until_linkless(node: &Footpost) {
    let gone = async {
        while node.call(|node, _| node.stats().links).await.unwrap() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, gone).await.expect("the link is still there");
}

/// The socket of a dropped node is free once its connections have drained.
async fn restart(addr: SocketAddr) -> Footpost {
    loop {
        let config = Config { listen: Some(addr), ..config(vec![]) };
        match Footpost::start(config).await {
            Err(StartError::AddressInUse(_)) => sleep(Duration::from_millis(10)).await,
            started => return started.unwrap(),
        }
    }
}

#[tokio::test]
async fn a_link_that_breaks_is_gone_on_both_sides_and_the_next_one_delivers() {
    let (alice, mut to_alice) = start(config(vec![])).await;
    let (bob, _) = start(config(vec![])).await;
    let bobs = introduce(&alice, &bob).await;

    let (here, there, gate) = memory_link();
    alice.attach(here);
    bob.attach(there);
    wait_for(&mut to_alice, |event| matches!(event, Event::NeighbourUp { .. })).await;
    gate.send_replace(Gate::UpTo(0));
    let message = send(&alice, bobs, "lost on the way".into()).await;
    gate.send_replace(Gate::Broken);
    until_linkless(&alice).await;
    until_linkless(&bob).await;

    alice.dial(bob.local_addr().unwrap());
    delivered(&mut to_alice, message).await;
}

#[tokio::test]
async fn a_neighbour_that_is_dropped_without_a_word_is_dialled_again() {
    let (alice, mut to_alice) = start(config(vec![])).await;
    let (bob, mut to_bob) = start(config(vec![])).await;
    let addr = bob.local_addr().unwrap();
    alice.dial(addr);
    wait_for(&mut to_bob, |event| matches!(event, Event::NeighbourUp { .. })).await;
    drop(bob);
    until_linkless(&alice).await;

    let bob = restart(addr).await;
    let bobs = introduce(&alice, &bob).await;
    let message = send(&alice, bobs, "welcome back".into()).await;
    delivered(&mut to_alice, message).await;
}
