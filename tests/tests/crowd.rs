//! In a crowd, what a node says is bounded by the mail that it brings about, not by how many listen.

use footpost_core::{State, Traffic};
use footpost_tests::{Net, simulated};

/// Letters that are written while everybody listens.
const LETTERS: usize = 2;

/// Everybody in reach of everybody; the writers' contacts are elsewhere. Announcements, requests and
/// receipts per node and letter, in bytes; everybody has all letters in the end.
fn chatter_in_a_clique(people: usize) -> usize {
    let mut net = Net::new(1, people + 1);
    let away = people;
    for a in 0..people {
        for b in 0..a {
            net.connect(a, b);
        }
    }
    net.run_until_quiet();
    let before = sent(&mut net, people);
    for writer in 0..LETTERS {
        let (to, _) = net.befriend(writer, away);
        net.send(writer, to, "somewhere else");
        net.run_until_quiet();
    }
    assert!(net.copies()[..people].iter().all(|copies| *copies == LETTERS), "{:?}", net.copies());
    let after = sent(&mut net, people);
    (after.other_bytes - before.other_bytes) as usize / people / LETTERS
}

fn sent(net: &mut Net, people: usize) -> Traffic {
    (0..people).map(|n| net.node(n).stats().sent).fold(Traffic::default(), |mut sum, sent| {
        sum.other_bytes += sent.other_bytes;
        sum.ack_bytes += sent.ack_bytes;
        sum
    })
}

#[test]
fn what_a_letter_costs_each_node_does_not_grow_with_the_crowd() {
    let [few, many] = [12, 24].map(chatter_in_a_clique);
    assert!(many <= 350 && many * 2 <= few * 3, "{few} and {many} bytes");
}

#[test]
fn a_letter_reaches_all_who_depend_on_one_node_and_so_does_its_end() {
    const LEAVES: usize = 30;
    let mut net = Net::with_config(2, LEAVES + 1, simulated().ack_delay_max_ms(10));
    let (writer, reader) = (3, LEAVES);
    let (to, _) = net.befriend(writer, reader);
    for leaf in 1..LEAVES {
        net.connect(0, leaf);
    }
    net.run_until_quiet();
    let message = net.send(writer, to, "to who is not there yet");
    net.run_until_quiet();
    assert_eq!(net.copies()[..LEAVES], [1; LEAVES]);
    net.connect(7, reader);
    net.run_for(2000);
    assert_eq!(net.node(writer).message(message).unwrap().unwrap().state, State::Delivered);
    assert_eq!(net.copies(), [0; LEAVES + 1]);
}

#[test]
fn the_end_of_a_letter_is_told_to_few() {
    const PEOPLE: usize = 24;
    let mut net = Net::with_config(3, PEOPLE + 1, simulated().ack_delay_max_ms(10));
    let reader = PEOPLE;
    let (to, _) = net.befriend(0, reader);
    for a in 0..PEOPLE {
        for b in 0..a {
            net.connect(a, b);
        }
    }
    net.run_until_quiet();
    net.send(0, to, "to who is not there yet");
    net.run_until_quiet();
    assert_eq!(net.copies()[..PEOPLE], [1; PEOPLE]);
    let before = sent(&mut net, PEOPLE).ack_bytes;
    net.connect(7, reader);
    net.run_for(2000);
    assert_eq!(net.copies(), [0; PEOPLE + 1]);
    let each = (sent(&mut net, PEOPLE).ack_bytes - before) as usize / PEOPLE;
    assert!(each <= 600, "{each} bytes");
}
