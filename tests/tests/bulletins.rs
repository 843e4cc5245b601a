//! Bulletins: to everybody in reach, as their publisher said it, and at nobody's expense.

use footpost_core::{
    Bulletin, BulletinDraft, BulletinFilter, BulletinId, BulletinKind, Event, FollowError, Kind,
    PublishError, Stance,
};
use footpost_tests::{Net, simulated};

const HOUR_MS: u64 = 60 * 60 * 1000;

fn draft(kind: BulletinKind, text: &str) -> BulletinDraft {
    BulletinDraft {
        kind,
        region: "u33d".into(),
        topic: "water".into(),
        text: text.into(),
        lifetime_s: 3 * 24 * 3600,
        replaces: None,
    }
}

fn publish(net: &mut Net, who: usize, draft: &BulletinDraft) -> BulletinId {
    let now = net.now();
    let id = net.node(who).publish(now, draft);
    net.run_for(0);
    id.expect("the draft can be published")
}

fn alert(net: &mut Net, who: usize, text: &str) -> BulletinId {
    publish(net, who, &draft(BulletinKind::Alert, text))
}

fn replace(net: &mut Net, who: usize, old: BulletinId, text: &str) -> BulletinId {
    let replaces = Some(old.number);
    publish(net, who, &BulletinDraft { replaces, ..draft(BulletinKind::Alert, text) })
}

fn bulletins(net: &mut Net, who: usize) -> Vec<Bulletin> {
    net.node(who).bulletins(&BulletinFilter::default()).expect("the store works")
}

/// What somebody reads, the youngest first.
fn texts(net: &mut Net, who: usize) -> Vec<String> {
    bulletins(net, who).into_iter().map(|bulletin| bulletin.text).collect()
}

/// Whether each bulletin that was told was told loudly.
fn told(net: &mut Net, who: usize) -> Vec<bool> {
    let loud = |event| match event {
        Event::Bulletin { .. } => Some(true),
        Event::BulletinQuietly { .. } => Some(false),
        _ => None,
    };
    net.events(who).into_iter().filter_map(loud).collect()
}

/// Meets, and parts once nothing more is on the way.
fn meet(net: &mut Net, a: usize, b: usize) {
    let link = net.connect(a, b);
    net.run_until_quiet();
    assert!(net.is_up(link));
    net.cut(link);
}

#[test]
fn it_reaches_strangers_from_phone_to_phone() {
    let mut net = Net::new(1, 5);
    let id = alert(&mut net, 0, "Boil the water");
    for carrier in 0..4 {
        meet(&mut net, carrier, carrier + 1);
    }
    let publisher = net.node(0).identity();
    for reader in 1..5 {
        let read = bulletins(&mut net, reader).remove(0);
        assert_eq!((read.id, id.publisher), (id, publisher));
        assert_eq!((read.text.as_str(), read.region.as_str()), ("Boil the water", "u33d"));
        assert_eq!(told(&mut net, reader), [false]);
    }
    net.run_for(4 * 24 * HOUR_MS);
    assert_eq!(net.copies(), [0; 5]);
}

#[test]
fn followed_publishers_and_sos_are_announced() {
    let mut net = Net::new(2, 3);
    let id = alert(&mut net, 0, "one");
    let now = net.now();
    net.node(2).follow(now, id.publisher).unwrap();
    let own = net.node(2).identity();
    assert!(matches!(net.node(2).follow(now, own), Err(FollowError::Own)));
    meet(&mut net, 0, 1);
    meet(&mut net, 1, 2);
    assert_eq!((told(&mut net, 1), told(&mut net, 2)), (vec![false], vec![true]));
    publish(&mut net, 0, &draft(BulletinKind::Sos, "help"));
    meet(&mut net, 0, 1);
    assert_eq!(told(&mut net, 1), [true]);
    let followed = BulletinFilter { only_followed: true, ..BulletinFilter::default() };
    assert!(net.node(1).bulletins(&followed).unwrap().is_empty());
    assert_eq!(net.node(2).bulletins(&followed).unwrap().len(), 1);
    net.node(2).unfollow(now, id.publisher).unwrap();
    assert!(net.node(2).bulletins(&followed).unwrap().is_empty());
}

#[test]
fn the_older_does_not_return_after_the_newer() {
    let mut net = Net::new(3, 4);
    let first = alert(&mut net, 0, "Boil the water");
    meet(&mut net, 0, 1);
    let second = replace(&mut net, 0, first, "The water is fine");
    assert!(second.number > first.number);
    meet(&mut net, 0, 2);
    // One who never had the first, and one who has not heard of the second.
    meet(&mut net, 1, 2);
    assert_eq!(texts(&mut net, 1), ["The water is fine"]);
    assert_eq!(texts(&mut net, 2), ["The water is fine"]);
    let read = bulletins(&mut net, 2).remove(0);
    assert_eq!((read.id, read.thread), (second, first.number));
    meet(&mut net, 2, 3);
    meet(&mut net, 1, 3);
    assert_eq!(texts(&mut net, 3), ["The water is fine"]);

    let unknown = BulletinDraft { replaces: Some(1), ..draft(BulletinKind::Alert, "x") };
    let now = net.now();
    assert!(matches!(net.node(0).publish(now, &unknown), Err(PublishError::UnknownThread)));
}

#[test]
fn a_newer_one_that_has_ended_still_keeps_the_older_out() {
    let mut net = Net::new(4, 3);
    let first = alert(&mut net, 0, "Boil the water");
    meet(&mut net, 0, 1);
    let replaces = Some(first.number);
    let short = BulletinDraft { lifetime_s: 3600, replaces, ..draft(BulletinKind::Alert, "Fine") };
    publish(&mut net, 0, &short);
    meet(&mut net, 0, 2);
    net.run_for(2 * HOUR_MS);
    assert!(texts(&mut net, 2).is_empty());
    meet(&mut net, 1, 2);
    assert!(texts(&mut net, 2).is_empty());
    assert_eq!(texts(&mut net, 1), ["Boil the water"]);
}

#[test]
fn the_muted_are_neither_shown_nor_carried() {
    let mut net = Net::new(5, 4);
    let id = alert(&mut net, 0, "spam");
    meet(&mut net, 0, 1);
    assert_eq!(texts(&mut net, 1), ["spam"]);
    let now = net.now();
    net.node(1).mute(now, id.publisher).unwrap();
    assert_eq!(net.copies()[1], 0);
    alert(&mut net, 0, "more spam");
    meet(&mut net, 0, 1);
    meet(&mut net, 1, 2);
    assert_eq!(net.copies(), [2, 0, 0, 0]);
    // What was refused once is not asked for again.
    let before = net.node(0).stats().sent.envelope_bytes;
    meet(&mut net, 1, 0);
    assert_eq!(net.node(0).stats().sent.envelope_bytes, before);
    net.node(1).unfollow(now, id.publisher).unwrap();
    alert(&mut net, 0, "sorry");
    meet(&mut net, 0, 1);
    assert_eq!(texts(&mut net, 1), ["sorry"]);
}

#[test]
fn the_blocked_are_not_shown_and_cannot_tell() {
    let mut net = Net::new(6, 3);
    let (to, _) = net.befriend(1, 0);
    let now = net.now();
    let publisher = alert(&mut net, 0, "hello").publisher;
    net.node(1).follow(now, publisher).unwrap();
    net.node(1).block_contact(now, to).unwrap();
    meet(&mut net, 0, 1);
    assert!(told(&mut net, 1).is_empty() && texts(&mut net, 1).is_empty());
    // Carried like a stranger's: whoever looks from outside sees no difference.
    meet(&mut net, 1, 2);
    assert_eq!(texts(&mut net, 2), ["hello"]);
}

/// As many SOS as carriers take of one publisher.
fn flood(net: &mut Net, publisher: usize) {
    for n in 0..16 {
        publish(net, publisher, &draft(BulletinKind::Sos, &format!("{publisher}, {n}")));
    }
}

#[test]
fn bulletins_and_private_mail_do_not_displace_each_other() {
    let mut config = simulated();
    config.max_carried_envelopes(20);
    let mut net = Net::with_config(7, 21, &config);
    let (to, _) = net.befriend(0, 20);
    for n in 0..20 {
        net.send(0, to, &format!("letter {n}"));
    }
    meet(&mut net, 0, 1);
    assert_eq!(net.node(1).stats().foreign_envelopes, 20);
    // More than there are places for SOS; of each publisher as many as carriers take of one.
    for publisher in 2..19 {
        flood(&mut net, publisher);
        net.run_for(60_000);
        meet(&mut net, publisher, 1);
    }
    assert_eq!(net.node(1).stats().foreign_envelopes, 20);
    let seen = texts(&mut net, 1);
    assert_eq!(seen.len(), 256);
    assert!(seen.contains(&"18, 15".to_owned()) && !seen.contains(&"2, 0".to_owned()));

    let other = alert(&mut net, 19, "of another kind");
    meet(&mut net, 19, 1);
    assert_eq!(texts(&mut net, 1).len(), 257);
    for n in 0..20 {
        net.send(0, to, &format!("more {n}"));
    }
    meet(&mut net, 0, 1);
    assert_eq!(texts(&mut net, 1).len(), 257);
    meet(&mut net, 1, 20);
    assert_eq!(net.inbox(20).len(), 20);
    assert_eq!(bulletins(&mut net, 20)[0].id, other);
}

#[test]
fn followed_publishers_are_the_last_to_go() {
    let mut net = Net::new(8, 19);
    let followed = publish(&mut net, 0, &draft(BulletinKind::Sos, "the old one"));
    let now = net.now();
    net.node(1).follow(now, followed.publisher).unwrap();
    meet(&mut net, 0, 1);
    for publisher in 2..19 {
        net.run_for(60_000);
        flood(&mut net, publisher);
        meet(&mut net, publisher, 1);
    }
    let seen = texts(&mut net, 1);
    assert_eq!((seen.len(), seen.last().unwrap().as_str()), (256, "the old one"));
}

#[test]
fn one_publisher_has_so_many_places() {
    let mut net = Net::new(9, 2);
    let first = alert(&mut net, 0, "0");
    for n in 1..16 {
        alert(&mut net, 0, &n.to_string());
    }
    let now = net.now();
    let more = net.node(0).publish(now, &draft(BulletinKind::Sos, "x"));
    assert!(matches!(more, Err(PublishError::TooMany { max: 16 })));
    replace(&mut net, 0, first, "0 again");
    meet(&mut net, 0, 1);
    assert_eq!(texts(&mut net, 1).len(), 16);
}

#[test]
fn publishing_does_not_show_who_wrote_the_letters() {
    let mut net = Net::new(10, 5);
    let contacts: Vec<_> = (1..4).map(|other| net.befriend(0, other).0).collect();
    for &to in &contacts {
        net.send(0, to, "before");
    }
    let number = alert(&mut net, 0, "to all").number;
    for &to in &contacts {
        net.send(0, to, "after");
    }
    let carried = net.node(0).carried(100).unwrap();
    assert_eq!(carried.len(), 7);
    let is_public = |kind: Kind| kind == Kind::Bulletin;
    let public = carried.iter().find(|it| is_public(it.kind)).unwrap();
    assert!(public.is_own && number > 0);
    let letters = carried.iter().filter(|it| !is_public(it.kind));
    assert!(letters.clone().all(|letter| letter.postmark_key != public.postmark_key));
    // Nothing in a bulletin but what its publisher has said.
    assert_eq!(public.mailbox_tag, [0; 8]);
}

#[test]
fn an_sos_goes_before_all_mail() {
    let mut net = Net::new(11, 3);
    let (to, _) = net.befriend(0, 1);
    for n in 0..30 {
        net.send(0, to, &format!("{n} {}", "x".repeat(10_000)));
    }
    publish(&mut net, 0, &draft(BulletinKind::Sos, "help"));
    net.connect(0, 1);
    let mut is_told = false;
    for _ in 0..1000 {
        net.run_for(1);
        let events = net.events(1);
        is_told |= events.iter().any(|event| matches!(event, Event::Bulletin { .. }));
        if events.iter().any(|event| matches!(event, Event::Received { .. })) {
            break;
        }
    }
    assert!(is_told);
}

#[test]
fn who_follows_a_contact_follows_their_new_key() {
    let mut net = Net::new(12, 2);
    net.befriend(0, 1);
    let (old, now) = (net.node(0).identity(), net.now());
    net.node(1).follow(now, old).unwrap();
    net.node(0).rotate_identity(now, None).unwrap();
    meet(&mut net, 0, 1);
    let new = net.node(0).identity();
    assert_eq!(net.node(1).publishers().unwrap(), [(new, Stance::Followed)]);
    alert(&mut net, 0, "still me");
    meet(&mut net, 0, 1);
    assert_eq!((told(&mut net, 1), old == new), (vec![true], false));
}
