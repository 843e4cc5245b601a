//! Strangers knock, and whoever is let in can be shown out again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

use footpost_core::{
    Body, Config, Contact, ContactError, ContactId, DAY_MS, Event, Priority, Relation, SendError,
    State, StorePath,
};
use footpost_tests::{Net, simulated};

const SECOND_MS: u64 = 1000;

/// Acknowledgements come at once.
fn prompt() -> Config {
    let mut config = simulated();
    config.ack_delay_max_ms(0);
    config
}

fn contact(net: &mut Net, who: usize) -> Contact {
    let mut contacts = net.node(who).contacts().unwrap();
    assert_eq!(contacts.len(), 1);
    contacts.remove(0)
}

/// Texts in one conversation, whoever wrote them.
fn texts(net: &Net, who: usize, with: ContactId) -> Vec<String> {
    let messages = net.messages(who, Some(with)).into_iter();
    messages.filter_map(|message| message.body.as_text().map(ToOwned::to_owned)).collect()
}

/// Node 0 has node 1's card, is unknown to it, and has written once.
fn knocked(seed: u64) -> (Net, ContactId, Contact) {
    let mut net = Net::with_config(seed, 2, &prompt());
    let now = net.now();
    net.node(0).set_name(now, Some("Mum")).unwrap();
    let to_b = net.introduce(0, 1);
    net.send(0, to_b, "it is me");
    net.connect(0, 1);
    net.run_for(SECOND_MS);
    let stranger = contact(&mut net, 1);
    (net, to_b, stranger)
}

#[test]
fn a_stranger_waits_apart_under_no_name_of_their_own() {
    let (mut net, to_b, stranger) = knocked(1);
    assert_eq!((stranger.relation, stranger.verified), (Relation::Request, false));
    assert!(stranger.name.starts_with("stranger-"));
    assert_eq!(stranger.claimed_name.as_deref(), Some("Mum"));
    assert!(net.inbox(1).is_empty());
    assert_eq!(texts(&net, 1, stranger.id), ["it is me"]);
    let told = net.events(1);
    assert!(told.contains(&Event::Requested { contact: stranger.id }));
    assert!(!told.iter().any(|event| matches!(event, Event::Received { .. })));
    // The engine says nothing to them, and knows them on no link.
    let now = net.now();
    let answer = net.node(1).send(now, stranger.id, &Body::Text("who?".into()), Priority::Normal);
    assert!(matches!(answer, Err(SendError::NotAccepted)));
    net.run_for(10 * DAY_MS);
    assert!(net.messages(1, None).is_empty() && net.inbox(0).is_empty());

    let now = net.now();
    net.node(1).accept_request(now, stranger.id).unwrap();
    net.node(1).rename_contact(now, stranger.id, "Eve").unwrap();
    assert_eq!(net.inbox(1), ["it is me"]);
    net.connect(0, 1);
    net.send(1, stranger.id, "come in");
    net.send(0, to_b, "thank you");
    net.run_for(SECOND_MS);
    assert_eq!((net.inbox(0), net.inbox(1).len()), (vec!["come in".to_owned()], 2));
    assert_eq!(contact(&mut net, 1).name, "Eve");
    let now = net.now();
    let again = net.node(1).accept_request(now, stranger.id);
    assert!(matches!(again, Err(ContactError::NoRequest)));
}

#[test]
fn a_declined_stranger_stays_away_for_a_while() {
    let (mut net, to_b, stranger) = knocked(2);
    let now = net.now();
    net.node(1).decline_request(now, stranger.id).unwrap();
    let refused = net.send(0, to_b, "please");
    net.run_for(SECOND_MS);
    assert!(net.node(1).contacts().unwrap().is_empty());
    // From outside the mail is foreign: carried, not acknowledged.
    assert_eq!(net.node(0).message(refused).unwrap().unwrap().state, State::Carried);
    net.run_for(31 * DAY_MS);
    net.cut_all();
    let card = net.node(1).card().clone();
    let now = net.now();
    net.node(0).add_contact(now, &card, "node 1").unwrap();
    net.send(0, to_b, "a month later");
    net.connect(0, 1);
    net.run_for(SECOND_MS);
    let again = contact(&mut net, 1);
    assert_eq!(texts(&net, 1, again.id), ["a month later"]);
    assert_ne!(again.id, stranger.id, "a number is never given twice");
}

#[test]
fn requests_and_their_messages_are_limited() {
    let mut net = Net::with_config(3, 1, &prompt());
    let mut strangers = Vec::new();
    for _ in 0..21 {
        let stranger = net.add(&StorePath::Memory, prompt());
        let to = net.introduce(stranger, 0);
        for n in 0..12 {
            net.send(stranger, to, &format!("{stranger}/{n}"));
        }
        let link = net.connect(stranger, 0);
        net.run_for(SECOND_MS);
        net.cut(link);
        strangers.push((stranger, to));
    }
    let open = net.node(0).contacts().unwrap();
    assert_eq!(open.len(), 20);
    assert!(open.iter().all(|request| texts(&net, 0, request.id).len() == 10));
    // After two weeks the oldest makes way.
    net.run_for(15 * DAY_MS);
    let (last, to) = strangers[20];
    let (now, card) = (net.now(), net.node(0).card().clone());
    net.node(last).add_contact(now, &card, "node 0").unwrap();
    net.send(last, to, "now?");
    net.connect(last, 0);
    net.run_for(SECOND_MS);
    let still = net.node(0).contacts().unwrap();
    assert_eq!(still.len(), 20);
    assert!(!still.iter().any(|request| request.id == open[0].id));
    assert_eq!(texts(&net, 0, still[19].id), ["now?"]);
}

#[test]
fn a_removed_contact_is_forgotten_with_all_that_was_said() {
    let mut net = Net::with_config(4, 2, &prompt());
    let (to_b, to_a) = net.befriend(0, 1);
    let link = net.connect(0, 1);
    net.send(0, to_b, "one");
    net.send(1, to_a, "two");
    net.run_for(SECOND_MS);
    net.cut(link);
    net.send(1, to_a, "never to arrive");
    let now = net.now();
    net.node(1).remove_contact(now, to_a).unwrap();
    assert!(net.node(1).contacts().unwrap().is_empty() && net.messages(1, Some(to_a)).is_empty());
    assert_eq!(net.copies()[1], 0);
    assert!(matches!(net.node(1).remove_contact(now, to_a), Err(ContactError::Unknown)));
    // What was sealed to a reply target opens for nobody: its secret is gone.
    net.send(0, to_b, "three");
    net.connect(0, 1);
    net.run_for(SECOND_MS);
    assert!(net.node(1).contacts().unwrap().is_empty());
}

#[test]
fn a_blocked_contact_loses_sight_and_the_others_do_not() {
    let mut net = Net::with_config(5, 3, &prompt());
    let (alice, bob, mallory) = (0, 1, 2);
    let (to_bob, _) = net.befriend(alice, bob);
    let (to_mallory, mallory_to_alice) = net.befriend(alice, mallory);
    net.connect(alice, mallory);
    net.send(mallory, mallory_to_alice, "hello");
    net.run_for(SECOND_MS);
    net.cut_all();
    net.events(mallory);
    let old = net.node(alice).card().clone();
    let now = net.now();
    net.node(alice).block_contact(now, to_mallory).unwrap();
    assert!(net.node(alice).card().sequence() > old.sequence());
    let proven = |events: Vec<Event>| {
        events.iter().any(|event| matches!(event, Event::NeighbourProven { .. }))
    };
    // No mark of an old card is shown, and mail is foreign mail.
    let refused = net.send(mallory, mallory_to_alice, "why?");
    net.events(alice);
    net.connect(mallory, alice);
    net.run_for(SECOND_MS);
    assert!(!proven(net.events(mallory)) && !proven(net.events(alice)));
    assert_eq!(net.node(mallory).message(refused).unwrap().unwrap().state, State::Carried);
    assert_eq!(texts(&net, alice, to_mallory), ["hello"]);
    assert!(net.inbox(alice).is_empty());
    net.cut_all();
    // The others are told, sealed, and recognise Alice again.
    net.connect(alice, bob);
    net.run_for(SECOND_MS);
    net.cut_all();
    net.events(bob);
    net.connect(alice, bob);
    net.run_for(SECOND_MS);
    assert!(proven(net.events(bob)));
    // Let in again by hand.
    let (now, card) = (net.now(), net.node(mallory).card().clone());
    net.node(alice).add_contact(now, &card, "Mallory").unwrap();
    let back = net.node(alice).contacts().unwrap();
    assert!(back.iter().all(|contact| contact.relation == Relation::Accepted));
    net.send(alice, to_bob, "still here");
    net.run_for(SECOND_MS);
    assert_eq!(net.inbox(bob), ["still here"]);
}

#[test]
fn a_muted_contact_is_heard_by_who_looks() {
    let mut net = Net::with_config(6, 2, &prompt());
    let (to_b, to_a) = net.befriend(0, 1);
    net.connect(0, 1);
    for (muted, count) in [(true, 0), (false, 1)] {
        let now = net.now();
        net.node(1).mute_contact(now, to_a, muted).unwrap();
        assert_eq!(contact(&mut net, 1).muted, muted);
        net.send(0, to_b, "psst");
        net.run_for(SECOND_MS);
        let loud = |event: &&Event| matches!(event, Event::Received { .. });
        assert_eq!(net.events(1).iter().filter(loud).count(), count);
    }
    assert_eq!(net.inbox(1).len(), 2);
}

#[test]
fn names_are_unique_and_nobody_can_take_a_placeholder_first() {
    let mut net = Net::with_config(7, 3, &prompt());
    let stranger = net.node(2).identity().address();
    let now = net.now();
    let first = net.introduce(0, 1);
    let placeholder = format!("stranger-{}", &stranger[..16]);
    net.node(0).rename_contact(now, first, &placeholder).unwrap();
    let to = net.introduce(2, 0);
    net.send(2, to, "hello");
    net.connect(2, 0);
    net.run_for(SECOND_MS);
    let second = net.node(0).contacts().unwrap().remove(1);
    assert_eq!(second.name, format!("stranger-{stranger}"));
    let taken = net.node(0).rename_contact(now, second.id, &placeholder);
    assert!(matches!(taken, Err(ContactError::NameTaken)));
    for bad in ["", "a\nb"] {
        let refused = net.node(0).rename_contact(now, second.id, bad);
        assert!(matches!(refused, Err(ContactError::Name)));
    }
}
