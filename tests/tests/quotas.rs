//! Space for others is bounded, and one's own mail never pays for it.

use footpost_core::{Body, Priority, State};
use footpost_tests::{Net, simulated};

#[test]
fn a_full_carrier_keeps_the_urgent_and_the_long_lived() {
    let mut net = Net::new(1, 2);
    let mut config = simulated();
    config.max_carried_envelopes(4);
    let carrier = net.add(&footpost_core::StorePath::Memory, config);
    let (to_b, _) = net.befriend(0, 1);
    for n in 0..6 {
        net.send(0, to_b, &format!("ordinary {n}"));
    }
    let now = net.now();
    let urgent = Body::Text("urgent".into());
    let urgent = net.node(0).send(now, to_b, &urgent, Priority::Urgent).unwrap();
    net.connect(0, carrier);
    net.run_until_quiet();
    assert_eq!(net.copies()[carrier], 4);
    let carried = net.node(carrier).carried(10).unwrap();
    assert!(carried.iter().any(|envelope| envelope.priority == Priority::Urgent));
    assert_eq!(net.node(0).message(urgent).unwrap().unwrap().state, State::Carried);
    let stats = net.node(carrier).stats();
    assert_eq!(stats.foreign_envelopes, 4);
    assert_eq!(
        stats.foreign_bytes,
        carried.iter().map(|envelope| envelope.size_bytes as u64).sum::<u64>()
    );
}

#[test]
fn bytes_are_bounded_too_and_own_mail_is_not_counted() {
    let mut net = Net::new(2, 2);
    let mut config = simulated();
    config.max_carried_bytes(20_000);
    let carrier = net.add(&footpost_core::StorePath::Memory, config);
    let (to_b, _) = net.befriend(0, 1);
    let (to_a, _) = net.befriend(carrier, 0);
    for _ in 0..10 {
        net.send(carrier, to_a, &"mine ".repeat(1000));
        net.send(0, to_b, &"yours ".repeat(500));
    }
    net.connect(0, carrier);
    net.run_until_quiet();
    let stats = net.node(carrier).stats();
    assert!(stats.foreign_bytes <= 20_000 && stats.foreign_envelopes >= 3);
    assert_eq!(net.inbox(0).len(), 10);
}

#[test]
fn a_node_may_carry_for_nobody_and_still_gets_its_mail() {
    let mut net = Net::new(3, 2);
    let mut config = simulated();
    config.max_carried_bytes(0);
    let leaf = net.add(&footpost_core::StorePath::Memory, config);
    let (to_b, _) = net.befriend(0, 1);
    let (to_leaf, _) = net.befriend(0, leaf);
    net.send(0, to_b, "for another");
    net.send(0, to_leaf, "for you");
    net.connect(0, leaf);
    net.run_until_quiet();
    assert_eq!(net.inbox(leaf), ["for you"]);
    assert_eq!(net.node(leaf).stats().foreign_envelopes, 0);
}
