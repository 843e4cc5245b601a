//! Floods: what was not paid for goes nowhere, and what was stays within its quota.

use footpost_core::{CloseReason, Config, Event, State, StorePath, Violation};
use footpost_tests::{Net, simulated};

#[test]
fn a_flood_of_unpaid_mail_ends_its_links_and_leaves_nothing_behind() {
    let mut net = Net::with_config(1, 3, &Config::default());
    let mallory = net.add(&StorePath::Memory, simulated());
    let to_b = net.introduce(mallory, 1);
    for n in 0..50 {
        net.send(mallory, to_b, &format!("buy {n}"));
    }
    net.connect(0, 1);
    for _ in 0..5 {
        for victim in 0..3 {
            let link = net.connect(mallory, victim);
            net.run_until_quiet();
            assert!(!net.is_up(link));
        }
    }
    for victim in 0..3 {
        let stats = net.node(victim).stats();
        assert_eq!((stats.foreign_envelopes, stats.tombstones), (0, 0));
        assert!(net.inbox(victim).is_empty());
        let forged = |event: &Event| {
            let reason = CloseReason::Violation(Violation::Forged("postmark"));
            matches!(event, Event::LinkClosed { reason: why, .. } if *why == reason)
        };
        assert_eq!(net.events(victim).iter().filter(|event| forged(event)).count(), 5);
    }
}

#[test]
fn who_writes_much_pays_more_often_and_all_of_it_arrives() {
    let mut net = Net::with_config(2, 3, simulated().ack_delay_max_ms(1));
    let (to_c, _) = net.befriend(0, 2);
    let sent: Vec<_> = (0..900).map(|n| net.send(0, to_c, &format!("message {n}"))).collect();
    let link = net.connect(0, 1);
    net.run_until_quiet();
    net.cut(link);
    let carried = net.node(1).carried(1000).unwrap();
    let mut keys: Vec<_> = carried.iter().map(|envelope| envelope.postmark_key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((carried.len(), keys.len()), (900, 4));
    net.connect(1, 2);
    net.connect(0, 1);
    net.run_for(60_000);
    for id in sent {
        assert_eq!(net.node(0).message(id).unwrap().unwrap().state, State::Delivered);
    }
}

#[test]
fn a_message_without_a_postmark_waits_and_says_so() {
    let mut net = Net::with_config(3, 2, &Config::default());
    let (to_b, _) = net.befriend(0, 1);
    let message = net.send(0, to_b, "soon");
    net.connect(0, 1);
    net.run_until_quiet();
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Queued);
    assert!(net.inbox(1).is_empty());
    let now = net.now();
    let mut minting = net.node(0).next_minting(now).unwrap().unwrap();
    while !minting.advance(16) {}
    net.node(0).handle_minting(now, &minting).unwrap();
    net.run_until_quiet();
    assert_eq!(net.inbox(1), ["soon"]);
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Delivered);
}
