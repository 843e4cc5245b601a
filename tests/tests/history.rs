//! Conversations and search show what was said, and to whom.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

use footpost_core::{Found, MessageId};
use footpost_tests::Net;

const SECOND_MS: u64 = 1000;

fn texts(found: &Found) -> Vec<&str> {
    found.messages.iter().filter_map(|message| message.body.as_text()).collect()
}

#[test]
fn conversations_come_newest_first_with_what_is_unseen() {
    let mut net = Net::new(1, 3);
    let (to_b, to_a) = net.befriend(0, 1);
    let (to_c, _) = net.befriend(0, 2);
    assert!(net.node(0).conversations().unwrap().is_empty());
    net.send(0, to_c, "first");
    net.send(0, to_b, "second");
    net.send(0, to_b, "third");
    net.connect(0, 1);
    net.run_for(SECOND_MS);

    let own = net.node(0).conversations().unwrap();
    let shown: Vec<_> = own.iter().map(|it| (it.contact, it.last.body.as_text())).collect();
    assert_eq!(shown, [(to_b, Some("third")), (to_c, Some("first"))]);
    assert!(own.iter().all(|it| it.unseen == 0));

    let [theirs] = &net.node(1).conversations().unwrap()[..] else { panic!("one conversation") };
    assert_eq!((theirs.contact, theirs.unseen), (to_a, 2));
    let (now, last) = (net.now(), theirs.last.id);
    net.node(1).mark_seen(now, last).unwrap();
    assert_eq!(net.node(1).conversations().unwrap()[0].unseen, 1);
    net.node(1).block_contact(now, to_a).unwrap();
    assert!(net.node(1).conversations().unwrap().is_empty());
}

#[test]
fn a_search_finds_whatever_the_case_and_goes_on_where_it_stopped() {
    let mut net = Net::new(2, 3);
    let (to_b, _) = net.befriend(0, 1);
    let (to_c, _) = net.befriend(0, 2);
    for text in ["Die BRÜCKE ist weg", "take the ford", "über die Brücke", "a bridge"] {
        net.send(0, to_b, text);
    }
    net.send(0, to_c, "welche brücke?");
    let node = net.node(0);
    let all = node.search("brücke", None, None, 10).unwrap();
    assert_eq!(texts(&all), ["welche brücke?", "über die Brücke", "Die BRÜCKE ist weg"]);
    assert_eq!(all.before, None);
    let one = node.search("Brücke", Some(to_b), None, 1).unwrap();
    assert_eq!(texts(&one), ["über die Brücke"]);
    let next = node.search("Brücke", Some(to_b), one.before, 1).unwrap();
    assert_eq!((texts(&next), next.before), (vec!["Die BRÜCKE ist weg"], None));
    assert!(node.search("nowhere", None, None, 10).unwrap().messages.is_empty());
}

#[test]
fn a_search_through_many_messages_stops_and_says_where() {
    let mut net = Net::new(3, 2);
    let (to_b, _) = net.befriend(0, 1);
    net.send(0, to_b, "needle");
    for _ in 0..2100 {
        net.send(0, to_b, "hay");
    }
    let node = net.node(0);
    let first = node.search("needle", None, None, 10).unwrap();
    assert!(first.messages.is_empty() && first.before > Some(MessageId(1)));
    let second = node.search("needle", None, first.before, 10).unwrap();
    assert_eq!((texts(&second), second.before), (vec!["needle"], None));
}
