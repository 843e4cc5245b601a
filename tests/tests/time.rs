//! Expiry, clocks that are wrong, and days that end.

use footpost_core::{Event, State, StorePath, Timestamp};
use footpost_tests::{Net, START, simulated};

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;

#[test]
fn what_is_not_delivered_expires_everywhere() {
    let mut config = simulated();
    config.lifetime_s(3600).unwrap();
    let mut net = Net::with_config(1, 3, &config);
    let (to_c, _) = net.befriend(0, 2);
    let message = net.send(0, to_c, "too late");
    let link = net.connect(0, 1);
    net.run_until_quiet();
    net.cut(link);
    assert_eq!(net.copies(), [1, 1, 0]);
    net.run_for(HOUR_MS + 1000);
    assert_eq!(net.copies(), [0, 0, 0]);
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Expired);
    net.connect(1, 2);
    net.run_until_quiet();
    assert_eq!(net.inbox(2), [""; 0]);
}

#[test]
fn an_age_is_carried_along_and_no_copy_makes_it_younger() {
    let mut config = simulated();
    config.lifetime_s(2 * 3600).unwrap();
    let mut net = Net::with_config(2, 4, &config);
    let (to_d, _) = net.befriend(0, 3);
    net.send(0, to_d, "two hours");
    for hop in [(0, 1), (1, 2)] {
        let link = net.connect(hop.0, hop.1);
        net.run_until_quiet();
        net.cut(link);
        net.run_for(50 * 60 * 1000);
    }
    assert_eq!(net.copies(), [1, 1, 1, 0]);
    // The third carrier has had it for 50 minutes only, yet it is 100 minutes old.
    net.run_for(21 * 60 * 1000);
    assert_eq!(net.copies(), [0, 0, 0, 0]);
}

/// A network whose nodes live at different times: each keeps its own clock.
fn delivers_with_clocks(offsets_ms: [i64; 3]) -> bool {
    let mut nodes = Vec::new();
    for (seed, offset) in offsets_ms.into_iter().enumerate() {
        nodes.push(footpost_tests::Skewed::new(seed as u64, offset));
    }
    footpost_tests::journey_of_skewed(&mut nodes)
}

#[test]
fn clocks_may_be_days_apart_or_never_set() {
    let days = |n: i64| n * DAY_MS as i64;
    let in_1970 = -(START.0 as i64) + days(1);
    assert!(delivers_with_clocks([0, 0, 0]));
    // The sender may be three days behind, and less than one ahead.
    assert!(delivers_with_clocks([days(-3), 0, 0]));
    assert!(delivers_with_clocks([0, days(3), 0]));
    assert!(delivers_with_clocks([0, days(-1), 0]));
    assert!(delivers_with_clocks([0, 0, days(3)]));
    // A carrier without a clock judges nothing by it.
    assert!(delivers_with_clocks([0, in_1970, 0]));
    assert!(delivers_with_clocks([0, 0, in_1970]));
}

#[test]
fn a_new_day_closes_links_and_new_ones_find_each_other_again() {
    let mut net = Net::new(4, 2);
    let (to_b, _) = net.befriend(0, 1);
    let link = net.connect(0, 1);
    net.run_for(DAY_MS);
    assert!(!net.is_up(link));
    assert!(net.events(0).contains(&Event::EpochRotated));
    let message = net.send(0, to_b, "good morning");
    net.connect(0, 1);
    net.run_until_quiet();
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Delivered);
}

#[test]
fn a_clock_set_back_by_a_year_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = StorePath::File(directory.path().join("store"));
    let open = |seed, now| footpost_tests::open_node(&path, seed, now);
    let mut net = Net::new(6, 1);
    let card = net.node(0).card().clone();
    let later = Timestamp(START.0 + 1000);
    let mut node = open(1, START);
    let contact = node.add_contact(START, &card, "other").unwrap();
    let body = footpost_core::Body::Text("still here".into());
    let message = node.send(later, contact, &body, footpost_core::Priority::Normal).unwrap();
    drop(node);

    let year_back = Timestamp(START.0 - 365 * DAY_MS);
    let mut node = open(2, year_back);
    node.handle_timeout(year_back).unwrap();
    node.commit().unwrap();
    assert_eq!(node.message(message).unwrap().unwrap().state, State::Queued);
    assert_eq!(node.carried(10).unwrap().len(), 1);
    // Deadlines run on: seven days of the wrong clock are seven days.
    let week = Timestamp(year_back.0 + 7 * DAY_MS + HOUR_MS);
    node.handle_timeout(week).unwrap();
    node.commit().unwrap();
    assert_eq!(node.message(message).unwrap().unwrap().state, State::Expired);
}
