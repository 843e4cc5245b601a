//! Attachments: whole at the other end, by whatever carriers, and gone from all of them.

use footpost_core::{AttachmentError, Body, Event, MessageId, Priority, SendError, State};
use footpost_tests::Net;

fn content(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn send(net: &mut Net, from: usize, to: footpost_core::ContactId, bytes: &[u8]) -> MessageId {
    let now = net.now();
    let size = bytes.len() as u64;
    let what = ("photo.jpg", "image/jpeg");
    let sent = net.node(from).send_attachment(now, to, what, size, &mut &*bytes, Priority::Normal);
    net.run_for(0);
    sent.expect("the attachment can be sent")
}

fn received(net: &mut Net, who: usize) -> Vec<u8> {
    let message = net.messages(who, None).into_iter().find(|message| !message.outgoing).unwrap();
    let mut out = Vec::new();
    net.node(who).write_attachment(message.id, &mut out).expect("it is whole");
    out
}

/// Meets, and parts once nothing more is on the way.
fn meet(net: &mut Net, a: usize, b: usize) {
    let link = net.connect(a, b);
    net.run_until_quiet();
    net.cut(link);
}

#[test]
fn a_carrier_brings_it_and_the_acknowledgement_clears_every_copy() {
    let mut net = Net::new(1, 3);
    let (to, _) = net.befriend(0, 2);
    let photo = content(100_000);
    let message = send(&mut net, 0, to, &photo);
    meet(&mut net, 0, 1);
    assert_eq!(net.messages(0, None)[0].state, State::Carried);
    meet(&mut net, 1, 2);
    assert_eq!(received(&mut net, 2), photo);
    assert!(net.events(2).iter().any(|event| matches!(event, Event::AttachmentWhole { .. })));
    net.run_for(3 * 60_000);
    meet(&mut net, 2, 1);
    meet(&mut net, 1, 0);
    let sent = net.node(0).message(message).unwrap().unwrap();
    assert_eq!(sent.state, State::Delivered);
    assert!(sent.transfer.unwrap().is_whole);
    assert_eq!(net.copies(), [0, 0, 0]);
}

#[test]
fn between_the_two_themselves_it_takes_one_meeting() {
    let mut net = Net::new(2, 2);
    let (to, _) = net.befriend(0, 1);
    let message = send(&mut net, 0, to, &content(300_000));
    meet(&mut net, 0, 1);
    assert_eq!(received(&mut net, 1), content(300_000));
    assert_eq!(net.node(0).message(message).unwrap().unwrap().state, State::Delivered);
    net.run_for(3 * 60_000);
    assert_eq!(net.copies(), [0, 0]);
}

/// Every meeting is cut short; different carriers bring different pieces.
#[test]
fn pieces_from_many_interrupted_meetings_make_it_whole() {
    let mut net = Net::new(3, 8);
    let (to, _) = net.befriend(0, 7);
    let photo = content(400_000);
    let message = send(&mut net, 0, to, &photo);
    for round in 0..60 {
        let carrier = 1 + round % 6;
        for (a, b) in [(0, carrier), (carrier, 7)] {
            net.connect(a, b);
            net.cut_after(16 + round as u64 % 5);
            net.run_for(10_000);
            net.was_cut();
            net.cut_all();
        }
        if net.node(0).message(message).unwrap().unwrap().state == State::Delivered {
            break;
        }
        net.run_for(60_000);
    }
    assert_eq!(received(&mut net, 7), photo);
}

/// A single carrier may have brought the letter long after the pieces.
#[test]
fn pieces_that_came_before_their_letter_are_not_lost() {
    let mut net = Net::new(4, 3);
    let (to, _) = net.befriend(0, 2);
    let photo = content(50_000);
    send(&mut net, 0, to, &photo);
    meet(&mut net, 0, 1);
    // The recipient does not know the sender's card mark yet: nothing distinguishes pieces from mail
    // for others until the letter is there. Letters go first; so the first frames are cut away.
    net.connect(1, 2);
    net.faults.lost = 150;
    net.run_for(30_000);
    net.cut_all();
    net.faults.lost = 0;
    meet(&mut net, 1, 2);
    assert_eq!(received(&mut net, 2), photo);
}

#[test]
fn many_neighbours_at_once_bring_no_piece_twice() {
    let mut net = Net::new(5, 6);
    let (to, _) = net.befriend(0, 5);
    send(&mut net, 0, to, &content(200_000));
    for carrier in 1..5 {
        meet(&mut net, 0, carrier);
    }
    let before: u64 = (1..5).map(|n| net.node(n).stats().sent.envelope_bytes).sum();
    for carrier in 1..5 {
        net.connect(carrier, 5);
    }
    net.run_until_quiet();
    let after: u64 = (1..5).map(|n| net.node(n).stats().sent.envelope_bytes).sum();
    assert_eq!(received(&mut net, 5), content(200_000));
    // 25 fragments and 2 to be sure, and the letter from each.
    let most = 27 * 8192 + 4 * 3 * 1024;
    assert!(after - before < most, "{} bytes, and {most} at most", after - before);
}

#[test]
fn what_cannot_be_read_leaves_nothing_behind() {
    let mut net = Net::new(6, 2);
    let (to, _) = net.befriend(0, 1);
    let now = net.now();
    let short = content(1000);
    let node = net.node(0);
    let what = ("a", "b/c");
    let sent = node.send_attachment(now, to, what, 5000, &mut &*short, Priority::Normal);
    assert!(matches!(sent, Err(SendError::Unreadable(_))));
    let sent = node.send_attachment(now, to, what, 0, &mut &*short, Priority::Normal);
    assert!(matches!(sent, Err(SendError::AttachmentSize { .. })));
    let sent = node.send_attachment(now, to, what, u64::MAX, &mut &*short, Priority::Normal);
    assert!(matches!(sent, Err(SendError::AttachmentSize { .. })));
    let sent = node.send_attachment(now, to, ("", "b/c"), 9, &mut &*short, Priority::Normal);
    assert!(matches!(sent, Err(SendError::Seal(_))));
    assert!(net.messages(0, None).is_empty());
    assert_eq!(net.copies(), [0, 0]);
    let text = net.send(0, to, "still here");
    let node = net.node(0);
    assert!(matches!(node.write_attachment(text, &mut Vec::new()), Err(AttachmentError::None)));
}

#[test]
fn half_an_attachment_says_how_much_is_missing() {
    let mut net = Net::new(7, 2);
    let (to, _) = net.befriend(0, 1);
    send(&mut net, 0, to, &content(200_000));
    net.connect(0, 1);
    net.cut_after(20);
    net.run_for(10_000);
    let message = net.messages(1, None).pop().expect("the letter goes first");
    assert!(matches!(&message.body, Body::Attachment { size_bytes: 200_000, .. }));
    let transfer = message.transfer.unwrap();
    assert!(transfer.arrived > 0 && !transfer.is_whole && transfer.needed == 25);
    let incomplete = net.node(1).write_attachment(message.id, &mut Vec::new());
    assert!(matches!(incomplete, Err(AttachmentError::Incomplete { .. })));
}
