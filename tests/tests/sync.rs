//! Meetings cost what the difference costs.

use footpost_core::{Router, State, TagMode};
use footpost_tests::{Net, simulated};

/// Two carriers with hundreds of envelopes in common meet again and again, every `gap_ms`: what each meeting
/// costs after the handshake's three messages, both ways, in bytes.
fn meetings_with_nothing_new(tags: TagMode, gap_ms: u64) -> Vec<usize> {
    let mut net = Net::with_config(1, 4, simulated().tag_mode(tags));
    let (to_away, _) = net.befriend(0, 3);
    let (to_away_too, _) = net.befriend(2, 3);
    for n in 0..150 {
        net.send(0, to_away, &format!("message {n}"));
        net.send(2, to_away_too, &format!("message {n}"));
    }
    let costs = [(1, 2), (0, 1), (1, 0), (0, 1), (1, 0), (0, 1)].map(|(a, b)| {
        net.forget();
        let link = net.connect(a, b);
        net.run_for(10_000);
        net.cut(link);
        net.run_for(gap_ms);
        net.frames().iter().skip(3).map(|frame| frame.size_bytes).sum()
    });
    assert_eq!(net.copies()[..2], [300, 300]);
    costs[2..].to_vec()
}

#[test]
fn a_meeting_with_nothing_new_costs_little() {
    for gap_ms in [60_000, 40 * 60_000] {
        let costs = meetings_with_nothing_new(TagMode::Hidden, gap_ms);
        assert!(costs.iter().all(|bytes| *bytes <= 200), "{costs:?}");
    }
    // With shown tags each names its own, and when it last met whose.
    let costs = meetings_with_nothing_new(TagMode::Mailbox, 60_000);
    assert!(costs.iter().all(|bytes| *bytes <= 300), "{costs:?}");
}

#[test]
fn with_routers_that_vaccinate_who_never_had_the_envelope_learns_of_its_end() {
    let mut config = simulated();
    config.router(Router::Epidemic).ack_delay_max_ms(1);
    let mut net = Net::with_config(2, 4, &config);
    let (to_b, _) = net.befriend(0, 1);
    let message = net.send(0, to_b, "direct");
    // 2 takes a copy; then 0 and 1 meet.
    for (a, b) in [(0, 2), (0, 1)] {
        let link = net.connect(a, b);
        net.run_for(1000);
        net.cut(link);
    }
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Delivered);
    assert_eq!(net.copies(), [0, 0, 1, 0]);
    // 3 learns of the acknowledgement before it meets the copy, and never takes it.
    let link = net.connect(3, 0);
    net.run_for(1000);
    net.cut(link);
    assert_eq!(net.node(3).stats().tombstones, 1);
    net.connect(3, 2);
    net.run_for(1000);
    assert_eq!(net.copies(), [0, 0, 0, 0]);
}

#[test]
fn news_runs_through_a_chain_of_open_links() {
    let mut net = Net::with_config(3, 6, simulated().ack_delay_max_ms(10));
    let (to_last, _) = net.befriend(0, 5);
    for n in 0..5 {
        net.connect(n, n + 1);
    }
    net.run_until_quiet();
    let message = net.send(0, to_last, "down the line");
    net.run_for(2000);
    assert_eq!(net.inbox(5), ["down the line"]);
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Delivered);
    assert_eq!(net.copies(), [0; 6]);
}

#[test]
fn in_a_clique_nobody_fetches_a_new_envelope_twice() {
    let mut net = Net::new(4, 6);
    let (to_b, _) = net.befriend(0, 1);
    for a in 0..6 {
        for b in 0..a {
            net.connect(a, b);
        }
    }
    net.run_until_quiet();
    let before: u64 = (0..6).map(|n| net.node(n).stats().sent.envelope_bytes).sum();
    net.send(0, to_b, &"x".repeat(20_000));
    net.run_until_quiet();
    let after: u64 = (0..6).map(|n| net.node(n).stats().sent.envelope_bytes).sum();
    let copies = (after - before) / 20_000;
    assert!(copies <= 5, "{copies} transfers for 5 receivers");
}

#[test]
fn who_has_the_acknowledgement_is_not_sent_the_envelope_again() {
    for carrier_dials in [true, false] {
        let mut net = Net::with_config(5, 3, simulated().ack_delay_max_ms(1));
        let (to_b, _) = net.befriend(0, 1);
        net.send(0, to_b, &"x".repeat(20_000));
        for (a, b) in [(0, 2), (2, 1)] {
            let link = net.connect(a, b);
            net.run_for(1000);
            net.cut(link);
        }
        let before = net.node(0).stats().sent.envelope_bytes;
        if carrier_dials {
            net.connect(2, 0)
        } else {
            net.connect(0, 2)
        };
        net.run_for(1000);
        assert_eq!(net.node(0).stats().sent.envelope_bytes, before);
        assert_eq!(net.copies(), [0, 0, 0]);
    }
}
