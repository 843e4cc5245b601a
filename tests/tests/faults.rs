//! Links that lose, double, delay and break: mail arrives all the same, once.

use footpost_core::{CostClass, State};
use footpost_tests::{Faults, Net, simulated};

const MINUTE_MS: u64 = 60 * 1000;

/// Two friends and a stranger between them, a message each way.
fn busy_net(seed: u64) -> Net {
    let mut net = Net::with_config(seed, 3, simulated().ack_delay_max_ms(1000));
    let (to_c, to_a) = net.befriend(0, 2);
    for n in 0..3 {
        net.send(0, to_c, &format!("a{n}"));
        net.send(2, to_a, &format!("c{n}"));
    }
    net
}

fn assert_all_is_delivered(net: &mut Net) {
    for (node, texts) in [(0, ["c0", "c1", "c2"]), (2, ["a0", "a1", "a2"])] {
        let mut inbox = net.inbox(node);
        inbox.sort();
        assert_eq!(inbox, texts);
        let sent = net.messages(node, None).into_iter().filter(|message| message.outgoing);
        assert!(sent.into_iter().all(|message| message.state == State::Delivered));
    }
    assert_eq!(net.copies(), [0, 0, 0]);
}

/// Meetings by turns until everything must have come through, on links that behave.
fn meet_in_peace(net: &mut Net) {
    net.cut_all();
    for _ in 0..3 {
        for (a, b) in [(0, 1), (1, 2), (2, 1), (1, 0)] {
            let link = net.connect(a, b);
            net.run_for(MINUTE_MS);
            net.cut(link);
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_trace() {
    let trace = |seed| {
        let mut net = busy_net(seed);
        net.faults = Faults { lost: 20, doubled: 20, delayed: 20 };
        for (a, b) in [(0, 1), (1, 2), (0, 2), (2, 0)] {
            net.connect(a, b);
            net.run_for(MINUTE_MS);
        }
        net.trace().join("\n")
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn mail_survives_lost_doubled_and_late_frames() {
    for seed in 0..40 {
        let mut net = busy_net(seed);
        net.faults = Faults { lost: 30, doubled: 30, delayed: 30 };
        for round in 0..6 {
            let (a, b) = [(0, 1), (2, 1), (0, 2)][round % 3];
            let link = net.connect_by(a, b, CostClass::Ble, 512);
            net.run_for(MINUTE_MS);
            if net.is_up(link) {
                net.cut(link);
            }
        }
        net.faults = Faults::default();
        meet_in_peace(&mut net);
        assert_all_is_delivered(&mut net);
    }
}

#[test]
fn mail_survives_a_cut_after_every_frame() {
    // Small frames, so that envelopes are cut in their midst too.
    let mut frames = 0;
    loop {
        let mut net = busy_net(3);
        net.cut_after(frames);
        net.connect_by(0, 1, CostClass::Ble, 400);
        net.run_for(MINUTE_MS);
        net.connect_by(1, 2, CostClass::Ble, 400);
        net.run_for(MINUTE_MS);
        let was_cut = net.was_cut();
        meet_in_peace(&mut net);
        assert_all_is_delivered(&mut net);
        if !was_cut {
            break;
        }
        frames += 1;
    }
    assert!(frames > 60, "only {frames} frames: the cuts did not reach far");
}

#[test]
fn a_neighbour_that_vanishes_while_it_brings_mail_is_replaced_by_another() {
    let mut net = Net::new(5, 4);
    let (to_d, _) = net.befriend(0, 3);
    // 1 and 2 are linked to 3 and to 0; the first to offer loses its link before it delivers.
    for (a, b) in [(1, 3), (2, 3), (0, 1), (0, 2)] {
        net.connect(a, b);
    }
    net.run_until_quiet();
    net.send(0, to_d, "by either way");
    let links_of_1 = footpost_core::LinkId(0);
    for _ in 0..5 {
        net.run_for(net.latency_ms);
    }
    net.cut(links_of_1);
    net.run_until_quiet();
    assert_eq!(net.inbox(3), ["by either way"]);
}
