//! Meeting, passing mail on, and what can go wrong meanwhile.

use super::super::{Command, Connection, Device, Duty, Fact, Platform, Side};
use super::air::{Air, Channels, Fate, node_id};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

const ANDROIDS: [Platform; 2] = [Platform::Android; 2];

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn letter(number: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![number; length];
    bytes.iter_mut().zip(0..).for_each(|(byte, at): (&mut u8, usize)| *byte ^= at as u8);
    bytes
}

fn is_channel(command: &Command) -> bool {
    matches!(command, Command::Send { .. })
}

fn is_bearer(command: &Command) -> bool {
    matches!(command, Command::OpenChannel { .. } | Command::Subscribe { .. })
}

#[test]
fn two_meet_settle_to_one_link_and_pass_mail() {
    for seed in 0..20 {
        for mtu in [23, 185, 517] {
            let mut air = Air::new(&ANDROIDS, seed);
            air.mtu = mtu;
            let lengths = [1, 2, 300, 4096, 4095];
            let letters = lengths.map(|length| letter(7, length));
            air.nodes[0].mail.extend(letters.clone());
            air.nodes[1].mail.insert(letter(8, 4096));
            air.all_on();
            assert!(air.run_until(s(60), |air| air.nodes[1].mail.len() == 6), "{seed} {mtu}");
            assert!(air.run_until(s(60), |air| air.nodes[0].mail.len() == 6), "{seed} {mtu}");
            air.run(s(20));
            assert_eq!(air.pairs(), [(0, 1), (1, 0)], "one link: {seed} {mtu}");
        }
    }
}

#[test]
fn of_two_links_that_stays_whose_central_has_the_smaller_id() {
    let mut air = Air::new(&ANDROIDS, 1);
    air.all_on();
    // Both connect before either knows.
    for (index, other) in [(0, 1), (1, 0)] {
        let seen = Fact::Seen { device: Device(other), rssi: -50, tag: None };
        air.fact(index, Duration::from_millis(300), seen);
    }
    air.run(s(20));
    let duplicates = air.nodes.iter().map(|it| it.controller.stats().duplicates).sum::<u64>();
    assert!(duplicates > 0, "they did not cross");
    let sides = |index: usize| {
        air.nodes[index].links.keys().map(|link| link.connection.side).collect::<Vec<_>>()
    };
    assert_eq!((sides(0), sides(1)), (vec![Side::Central], vec![Side::Peripheral]));
}

#[test]
fn l2cap_where_it_works_and_gatt_where_it_does_not() {
    for (channels, expected) in [
        (Channels::Work, true),
        (Channels::None, false),
        (Channels::Refused, false),
        (Channels::Late(s(9)), false),
        (Channels::Late(Duration::from_millis(1520)), false),
    ] {
        let mut air = Air::new(&ANDROIDS, 3);
        air.channels = channels;
        air.nodes[0].mail.insert(letter(1, 4096));
        air.nodes[1].mail.insert(letter(2, 4000));
        air.all_on();
        assert!(air.run_until(s(30), |air| air.nodes.iter().all(|it| it.mail.len() == 2)));
        air.run(s(30));
        let has = air.log.iter().any(|(.., command)| is_channel(command));
        assert_eq!(has, expected, "{channels:?}");
        assert_eq!(air.pairs(), [(0, 1), (1, 0)], "{channels:?}");
        let once = air.nodes.iter().all(|it| it.came.values().all(|count| *count == 1));
        assert!(once, "{channels:?}: no frame lost or sent again");
    }
}

#[test]
fn a_lost_packet_ends_the_link_and_the_next_brings_the_mail() {
    let mut air = Air::new(&ANDROIDS, 5);
    let packets = Rc::new(Cell::new(0));
    let count = Rc::clone(&packets);
    air.tamper = Box::new(move |_, command| {
        let is_data = matches!(command, Command::Write { value, .. } if value.len() > 40);
        count.set(count.get() + u32::from(is_data));
        if is_data && count.get() == 5 { Fate::Lost } else { Fate::Arrives }
    });
    air.nodes[0].mail.extend([letter(1, 4096), letter(2, 4096)]);
    air.nodes[1].mail.extend([letter(3, 4096), letter(4, 4096)]);
    air.all_on();
    assert!(air.run_until(s(90), |air| air.nodes.iter().all(|it| it.mail.len() == 4)));
    assert!(packets.get() > 5, "nothing was lost");
    let disconnects =
        |(.., command): &&(_, _, Command)| matches!(command, Command::Disconnect { .. });
    assert!(air.log.iter().filter(disconnects).count() > 0);
}

#[test]
fn an_adapter_off_in_the_middle_loses_nothing() {
    let mut air = Air::new(&ANDROIDS, 6);
    for number in 0..20 {
        air.nodes[0].mail.insert(letter(number, 4096));
    }
    air.all_on();
    assert!(air.run_until(s(60), |air| air.nodes[1].mail.len() > 3));
    for index in [0, 1] {
        air.power_off(index);
        air.run(s(5));
        assert!(air.nodes.iter().all(|it| it.links.is_empty()));
        assert!(air.nodes[1].mail.len() < 20);
        air.power_on(index);
        assert!(air.run_until(s(60), |air| !air.pairs().is_empty()), "they meet again");
    }
    assert!(air.run_until(s(60), |air| air.nodes[1].mail.len() == 20));
}

#[test]
fn an_mtu_that_shrinks_in_mid_frame_costs_nothing() {
    let mut air = Air::new(&ANDROIDS, 13);
    let letters = (0..20).map(|number| letter(number, 4096));
    air.nodes[0].mail.extend(letters);
    air.all_on();
    assert!(air.run_until(s(60), |air| air.nodes[1].mail.len() > 2));
    let begun = air.log.len();
    for mtu in [185, 23, 0] {
        let before = air.nodes[1].mail.len();
        assert!(air.run_until(s(60), |air| air.nodes[1].mail.len() > before));
        air.change_mtu(mtu);
    }
    assert!(air.run_until(s(60), |air| air.nodes[1].mail.len() == 20));
    assert!(air.nodes[1].came.values().all(|count| *count == 1));
    let ends = |(.., it): &(_, _, Command)| matches!(it, Command::Disconnect { .. });
    assert!(!air.log[begun..].iter().any(ends), "the link stands");
}

#[test]
fn who_grants_nothing_is_left_and_who_sends_garbage_too() {
    let mut air = Air::new(&ANDROIDS, 7);
    let mails = (0..20).map(|number| letter(number, 4096));
    air.nodes[0].mail.extend(mails);
    air.nodes[1].fetches = false;
    air.all_on();
    assert!(air.run_until(s(30), |air| air.pairs().len() == 2));
    assert!(air.run_until(s(90), |air| air.pairs().is_empty()), "it stalls, and ends");

    for garbage in [vec![], vec![0], vec![0, 0, 0], vec![0, 255, 255, 1], vec![9; 20], vec![0xff]] {
        let mut air = Air::new(&ANDROIDS, 8);
        let replaced = garbage.clone();
        air.tamper = Box::new(move |_, _| Fate::Becomes(replaced.clone()));
        air.all_on();
        air.run(s(120));
        assert!(air.pairs().is_empty());
        let connects = air.nodes.iter().map(|it| it.controller.stats().usage.connects).sum::<u64>();
        assert!((2..40).contains(&connects), "{connects} connects with {garbage:?}: back-off");
    }
}

#[test]
fn a_flood_of_connections_leaves_room_for_others() {
    let mut air = Air::new(&ANDROIDS, 9);
    air.all_on();
    for wave in 0..50u64 {
        for device in 0..40 {
            let connection = Connection::from(Device(1000 + wave * 100 + device));
            air.fact(0, s(wave), Fact::Connected { connection, mtu: 23 });
        }
    }
    assert!(air.run_until(s(60), |air| air.pairs().len() == 2), "the honest one gets through");
    let connections = air.nodes[0].controller.stats().connections;
    assert!(connections <= 32, "{connections}");
}

#[test]
fn twenty_neighbours_take_turns_on_few_places() {
    let mut air = Air::new(&[Platform::Bluez; 21], 10);
    air.nodes[20].mail.insert(letter(1, 500));
    air.all_on();
    let mut met = BTreeSet::new();
    for _ in 0..3000 {
        air.run(Duration::from_millis(100));
        met.extend(air.pairs());
        for phone in &air.nodes {
            assert!(phone.controller.stats().links <= 6);
        }
    }
    assert!(air.all_have(&letter(1, 500)));
    let of_one = met.iter().filter(|(index, _)| *index == 0).count();
    assert!(of_one >= 12, "{of_one} of 20 neighbours in 5 minutes");
}

#[test]
fn nothing_new_is_no_reason_to_connect() {
    let tag = |index: usize| [index as u8 + 1; 4];
    for platform in [Platform::Android, Platform::Ios] {
        let mut air = Air::new(&[platform; 2], 11);
        for index in [0, 1] {
            air.duty(index, Duty::Saver);
        }
        air.all_on();
        assert!(air.run_until(s(120), |air| air.pairs().len() == 2), "{platform:?}");
        for index in [0, 1] {
            let known = BTreeMap::from([(tag(1 - index), node_id(1 - index))]);
            let now = air.now;
            air.nodes[index].controller.set_news(now, [1; 32], Some(tag(index)), known);
        }
        assert!(
            air.run_until(s(120), |air| air.pairs().is_empty()),
            "idle links end in saver mode"
        );
        let links = |air: &Air| air.log.iter().filter(|(.., it)| is_bearer(it)).count();
        let before = links(&air);
        air.run(s(3600));
        assert_eq!(links(&air), before, "{platform:?}");

        // News at one of them: its tag is another.
        let now = air.now;
        let controller = &mut air.nodes[0].controller;
        controller.set_news(now, [2; 32], Some([99; 4]), BTreeMap::new());
        assert!(air.run_until(s(1000), |air| air.pairs().len() == 2), "{platform:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_commands() {
    let log = |seed| {
        let mut air = Air::new(&[Platform::Android, Platform::Ios, Platform::Bluez], seed);
        air.nodes[0].mail.insert(letter(1, 2000));
        air.all_on();
        air.run(s(100));
        air.log
    };
    assert!(log(12) == log(12));
    assert!(log(12) != log(13));
}
