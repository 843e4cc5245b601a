//! Who loses what it takes soon gets nothing more; and what it took counts for no copy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

use footpost_tests::{Net, simulated};

const MEETINGS: usize = 12;
const HALF_AN_HOUR_MS: u64 = 30 * 60 * 1000;

/// Writer 0 meets carrier 1 again and again, with a few new letters each time. Says how many
/// envelopes the carrier took at each meeting.
fn taken(net: &mut Net, drops: bool) -> Vec<u64> {
    let (to_reader, _) = net.befriend(0, 2);
    let mut all = Vec::new();
    for meeting in 0..MEETINGS {
        for letter in 0..3 {
            net.send(0, to_reader, &format!("{meeting}, {letter}"));
        }
        let before = net.node(1).stats().turnover.taken;
        net.connect(0, 1);
        net.run_until_quiet();
        net.cut_all();
        all.push(net.node(1).stats().turnover.taken - before);
        if drops {
            let (now, carrier) = (net.now(), net.node(1));
            let room = carrier.stats().max_foreign_bytes;
            carrier.set_max_carried_bytes(now, 0).unwrap();
            carrier.set_max_carried_bytes(now, room).unwrap();
            carrier.commit().unwrap();
            assert_eq!(net.copies()[1], 0);
        }
        net.run_for(HALF_AN_HOUR_MS);
    }
    all
}

#[test]
fn who_keeps_what_it_takes_is_handed_all() {
    let mut net = Net::new(1, 3);
    assert_eq!(taken(&mut net, false), [3; MEETINGS]);
}

#[test]
fn who_drops_mail_is_soon_handed_none() {
    let mut net = Net::new(1, 3);
    let taken = taken(&mut net, true);
    // It asks for everything anew each time, and would have had 234 in all.
    let idle = taken[2..].iter().filter(|taken| **taken == 0).count();
    assert!(taken[0] == 3 && idle >= 7, "{taken:?}");
}

#[test]
fn what_a_dropper_took_is_left_for_others() {
    let mut net = Net::with_config(2, 4, &simulated());
    taken(&mut net, true);
    net.connect(0, 3);
    net.run_until_quiet();
    assert_eq!(net.copies()[3], 3 * MEETINGS);
}
