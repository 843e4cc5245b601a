//! The journey of a message between two who are never online together.

use footpost_core::{Event, State};
use footpost_tests::{Net, simulated};

const HOUR_MS: u64 = 60 * 60 * 1000;

#[test]
fn a_stranger_carries_a_message_and_its_acknowledgement() {
    let mut net = Net::new(1, 3);
    let (alice, carrier, bob) = (0, 1, 2);
    let (to_bob, to_alice) = net.befriend(alice, bob);
    let message = net.send(alice, to_bob, "the bridge is out");
    assert_eq!(net.node(alice).message(message).unwrap().unwrap().state, State::Queued);

    let link = net.connect(alice, carrier);
    net.run_until_quiet();
    net.cut(link);
    let sent = net.node(alice).message(message).unwrap().unwrap();
    assert_eq!((sent.state, sent.carriers, sent.carrier_contacts), (State::Carried, 1, 0));

    net.run_for(HOUR_MS);
    let link = net.connect(carrier, bob);
    net.run_until_quiet();
    assert_eq!(net.inbox(bob), ["the bridge is out"]);
    // Bob hides for a while; then the acknowledgement goes out on the same link.
    assert_eq!(net.copies(), [1, 1, 1]);
    net.run_for(3 * 60 * 1000);
    net.cut(link);
    assert_eq!(net.copies(), [1, 0, 0]);

    net.run_for(HOUR_MS);
    net.connect(carrier, alice);
    net.run_until_quiet();
    assert_eq!(net.node(alice).message(message).unwrap().unwrap().state, State::Delivered);
    assert_eq!(net.copies(), [0, 0, 0]);
    assert_eq!(net.node(carrier).contacts().unwrap(), []);
    assert!(net.messages(bob, Some(to_alice)).iter().all(|message| !message.outgoing));
}

#[test]
fn two_who_are_online_need_one_round_trip() {
    let mut net = Net::new(2, 2);
    let (to_b, _) = net.befriend(0, 1);
    net.connect(0, 1);
    net.run_until_quiet();
    let before = net.now();
    let message = net.send(0, to_b, "hello");
    net.run_until_quiet();
    assert_eq!(net.now().since(before), 2 * net.latency_ms);
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Delivered);
    let proven = |event: &Event| matches!(event, Event::NeighbourProven { .. });
    assert!(net.events(0).iter().any(proven) && net.events(1).iter().any(proven));
}

#[test]
fn an_answer_to_a_strangers_message_is_sealed_post_quantum() {
    let mut net = Net::with_config(3, 2, simulated().ack_delay_max_ms(0));
    // Only the writer holds a card.
    let to_b = net.introduce(0, 1);
    net.send(0, to_b, "you do not know me");
    net.connect(0, 1);
    net.run_for(1000);
    let stranger = net.node(1).contacts().unwrap().remove(0);
    let now = net.now();
    net.node(1).accept_request(now, stranger.id).unwrap();
    assert_eq!(net.inbox(1), ["you do not know me"]);
    assert!(stranger.name.starts_with("stranger-"));
    net.send(1, stranger.id, "now I do");
    net.run_for(1000);
    net.send(0, to_b, "and post-quantum both ways");
    net.run_for(1000);
    assert_eq!(net.inbox(0), ["now I do"]);
    assert_eq!(net.inbox(1).len(), 2);
    for node in [0, 1] {
        let contact = net.node(node).contacts().unwrap().remove(0);
        assert!(contact.protection.is_post_quantum());
    }
}

#[test]
fn a_read_receipt_tells_the_writer_and_nobody_else_shows_it() {
    let mut config = simulated();
    config.ack_delay_max_ms(0).read_receipts(true);
    let mut net = Net::with_config(4, 2, &config);
    let (to_b, _) = net.befriend(0, 1);
    let message = net.send(0, to_b, "seen?");
    net.connect(0, 1);
    net.run_for(1000);
    let now = net.now();
    let received = net.messages(1, None)[0].id;
    // Own messages and repeated calls change nothing.
    for (node, id) in [(0, message), (1, received), (1, received)] {
        net.node(node).mark_seen(now, id).unwrap();
    }
    net.run_for(1000);
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Read);
    assert_eq!(net.node(1).message(received).unwrap().unwrap().state, State::Seen);
    assert_eq!((net.messages(0, None).len(), net.messages(1, None).len()), (1, 1));
    assert_eq!(net.copies(), [0, 0]);
}
