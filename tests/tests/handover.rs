//! A carrier that leaves takes nobody's mail with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

use footpost_core::{Config, Priority, Router, StorePath};
use footpost_tests::{Net, simulated};
use std::io::Read;

/// Two copies of everything: no carrier makes another.
fn spray() -> Config {
    simulated().router(Router::Spray(2)).clone()
}

/// Writer 0, reader 1, carriers 2 to 4; carrier 2 has taken so many letters to the reader.
fn loaded(seed: u64, letters: usize) -> Net {
    let mut net = Net::with_config(seed, 5, &spray());
    let (to_reader, _) = net.befriend(0, 1);
    for number in 0..letters {
        net.send(0, to_reader, &format!("letter {number}"));
    }
    net.connect(0, 2);
    net.run_until_quiet();
    net.cut_all();
    assert_eq!(net.copies()[2], letters);
    net
}

fn hand_over(net: &mut Net, who: usize) {
    let now = net.now();
    net.node(who).hand_over(now).unwrap();
    net.run_for(60_000);
    net.run_until_quiet();
}

#[test]
fn what_a_leaving_carrier_held_arrives_without_it() {
    let mut net = loaded(1, 10);
    net.connect(2, 3);
    net.run_until_quiet();
    assert_eq!(net.copies()[3], 0, "the copies are spent");
    hand_over(&mut net, 2);
    assert_eq!((net.copies()[2], net.copies()[3]), (0, 10));
    assert_eq!(net.node(2).stats().turnover.handed_over, 10);
    net.cut_all();
    net.connect(3, 1);
    net.run_until_quiet();
    // The copy has moved, and was not halved: at its second carrier it is no nearer to its end.
    assert_eq!(
        net.inbox(1).len(),
        0,
        "spray and wait: to the reader itself, by contact, or nobody"
    );
    assert_eq!(net.copies()[3], 10);
}

#[test]
fn what_is_handed_over_spreads_on_as_before() {
    let mut net = Net::new(2, 4);
    let (to_reader, _) = net.befriend(0, 1);
    net.send(0, to_reader, "by two hands");
    net.connect(0, 2);
    net.run_until_quiet();
    net.cut_all();
    net.connect(2, 3);
    hand_over(&mut net, 2);
    net.cut_all();
    net.connect(3, 1);
    net.run_until_quiet();
    assert_eq!(net.inbox(1), ["by two hands"]);
}

#[test]
fn the_best_carrier_comes_first() {
    let mut net = loaded(3, 10);
    // Carrier 4 is met every day, carrier 3 for the first time.
    for _ in 0..5 {
        net.connect(2, 4);
        net.run_for(1000);
        net.cut_all();
        net.run_for(60 * 60 * 1000);
    }
    net.connect(2, 3);
    net.connect(2, 4);
    hand_over(&mut net, 2);
    assert_eq!(net.copies()[2..], [0, 0, 10]);
}

#[test]
fn what_the_best_does_not_take_is_offered_to_the_next() {
    let mut net = loaded(4, 10);
    let bytes = net.node(2).stats().foreign_bytes;
    // One that keeps what it has taken.
    let mut small = simulated();
    small.max_carried_bytes(bytes / 3);
    let best = net.add(&StorePath::Memory, small);
    for _ in 0..5 {
        net.connect(2, best);
        net.run_for(1000);
        net.cut_all();
        net.run_for(60 * 60 * 1000);
    }
    net.connect(2, 3);
    net.connect(2, best);
    hand_over(&mut net, 2);
    let copies = net.copies();
    assert!(copies[2] == 0 && copies[best] > 0 && copies[3] > copies[best], "{copies:?}");
    assert_eq!(copies[3] + copies[best], 10);
}

#[test]
fn what_nobody_takes_stays() {
    let mut net = loaded(5, 10);
    hand_over(&mut net, 2);
    assert_eq!(net.copies()[2], 10);
    let now = net.now();
    net.node(3).set_max_carried_bytes(now, 0).unwrap();
    net.node(3).commit().unwrap();
    net.connect(2, 3);
    hand_over(&mut net, 2);
    assert_eq!(net.copies()[2], 10);
}

#[test]
fn a_body_in_fragments_goes_along() {
    let mut net = Net::with_config(6, 4, &spray());
    let (to_reader, _) = net.befriend(0, 1);
    let now = net.now();
    let mut content = std::io::repeat(7).take(200_000);
    let what = ("a", "b/c");
    let writer = net.node(0);
    writer.send_attachment(now, to_reader, what, 200_000, &mut content, Priority::Normal).unwrap();
    writer.commit().unwrap();
    net.connect(0, 2);
    net.run_until_quiet();
    net.cut_all();
    let held = net.copies()[2];
    assert!(held > 20, "{held}");
    net.connect(2, 3);
    hand_over(&mut net, 2);
    assert_eq!((net.copies()[2], net.copies()[3]), (0, held));
}

#[test]
fn shrinking_hands_over_before_it_evicts() {
    for is_linked in [true, false] {
        let mut net = loaded(7, 12);
        if is_linked {
            net.connect(2, 3);
            net.run_until_quiet();
        }
        let (now, bytes) = (net.now(), net.node(2).stats().foreign_bytes);
        net.node(2).set_max_carried_bytes(now, bytes / 2).unwrap();
        net.node(2).commit().unwrap();
        net.run_for(30_000);
        let (copies, turnover) = (net.copies(), net.node(2).stats().turnover);
        assert_eq!(copies[2], 6);
        let (moved, evicted) = if is_linked { (6, 0) } else { (0, 6) };
        assert_eq!(
            (copies[3] as u64, turnover.handed_over, turnover.evicted),
            (moved, moved, evicted)
        );
    }
}

#[test]
fn the_store_of_whoever_takes_over_is_a_file_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut net = loaded(8, 3);
    let path = StorePath::File(directory.path().join("store"));
    let heir = net.add(&path, spray());
    net.connect(2, heir);
    hand_over(&mut net, 2);
    assert_eq!((net.copies()[2], net.copies()[heir]), (0, 3));
}
