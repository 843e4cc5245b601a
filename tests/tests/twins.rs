//! One neighbour by several links: what goes by which, and what happens when one of them ends.

use footpost_core::{
    ContactId, CostClass, LinkId, MessageId, Priority, Side, State, WifiDirectNote,
};
use footpost_tests::Net;

/// As a Bluetooth link has it: what a GATT notification holds.
const BLE_FRAME_BYTES: usize = 509;

fn content(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn attach(net: &mut Net, to: ContactId, bytes: usize) -> MessageId {
    let (now, content) = (net.now(), content(bytes));
    let what = ("photo.jpg", "image/jpeg");
    let node = net.node(0);
    let sent = node.send_attachment(now, to, what, bytes as u64, &mut &*content, Priority::Normal);
    sent.expect("the attachment can be sent")
}

fn state(net: &mut Net, message: MessageId) -> State {
    let message = net.node(0).message(message).expect("the store works");
    message.expect("the message is there").state
}

/// Bytes that a node has sent on each link.
fn sent(net: &Net, from: usize, link: LinkId) -> usize {
    let frames = net.frames().iter().filter(|frame| frame.from == from && frame.link == link);
    frames.map(|frame| frame.size_bytes).sum()
}

/// Two contacts who meet over Bluetooth.
fn met() -> (Net, ContactId, LinkId) {
    let mut net = Net::new(1, 2);
    let (to, _) = net.befriend(0, 1);
    let ble = net.connect_by(0, 1, CostClass::Ble, BLE_FRAME_BYTES);
    net.run_for(5_000);
    net.forget();
    (net, to, ble)
}

/// Sends a photo and letters; bytes of envelopes that it took.
fn send_much(net: &mut Net, to: ContactId) -> u64 {
    net.forget();
    let before = net.node(0).stats().sent.envelope_bytes;
    let photo = attach(net, to, 400_000);
    let letters: Vec<_> = (0..50).map(|n| net.send(0, to, &format!("{n}"))).collect();
    net.run_for(60_000);
    for message in letters.into_iter().chain([photo]) {
        assert_eq!(state(net, message), State::Delivered);
    }
    net.node(0).stats().sent.envelope_bytes - before
}

#[test]
fn letters_and_pieces_go_by_the_fast_link_and_each_once() {
    let (mut alone, to, _) = met();
    let by_one_link = send_much(&mut alone, to);
    let (mut net, to, ble) = met();
    let fast = net.connect_by(1, 0, CostClass::Wifi, 65_535);
    net.run_for(5_000);
    let bytes = send_much(&mut net, to);
    let (by_ble, by_wifi) = (sent(&net, 0, ble), sent(&net, 0, fast));
    assert!(by_ble < 10_000 && by_wifi > 400_000, "{by_ble} by Bluetooth, {by_wifi} by Wi-Fi");
    assert!(bytes <= by_one_link, "{bytes} bytes of envelopes, {by_one_link} by one link");
}

/// What was asked for on the slow link goes by the fast one as soon as that is there.
#[test]
fn a_fast_link_takes_over_what_waits_on_a_slow_one() {
    let (mut net, to, ble) = met();
    net.latency_ms = 200;
    let photo = attach(&mut net, to, 400_000);
    net.run_for(1_000);
    let slowly = sent(&net, 0, ble);
    assert!(slowly > 20_000, "the window was asked for: {slowly}");
    net.connect_by(0, 1, CostClass::Wifi, 65_535);
    net.run_for(60_000);
    assert_eq!(state(&mut net, photo), State::Delivered);
    let bytes = net.node(0).stats().sent.envelope_bytes;
    assert!(bytes < 470_000, "{bytes} bytes of envelopes");
}

#[test]
fn news_goes_by_the_cheap_link_once() {
    let (mut net, _, ble) = met();
    let stranger = net.add(&footpost_core::StorePath::Memory, footpost_tests::simulated());
    let far = net.introduce(0, stranger);
    let fast = net.connect_by(0, 1, CostClass::Wifi, 65_535);
    net.run_for(5_000);
    net.forget();
    net.send(0, far, "by way of 1");
    net.run_for(5_000);
    assert_eq!(net.copies()[1], 1);
    let frames =
        |from, link| net.frames().iter().filter(move |it| it.from == from && it.link == link);
    // Offer and wish on one, the letter and its receipt on the other.
    let all =
        [(0, ble), (1, ble), (0, fast), (1, fast)].map(|(from, link)| frames(from, link).count());
    assert_eq!(all, [1, 1, 1, 1]);
    assert!(frames(0, ble).all(|frame| frame.size_bytes < 100));
}

/// Wherever the fast link breaks, and whichever side had dialled it, the slow one goes on; what had
/// arrived is not sent again.
#[test]
fn when_the_fast_link_breaks_the_slow_one_goes_on() {
    for after_ms in (100..2_500).step_by(150) {
        let (mut net, to, ble) = met();
        net.latency_ms = 100;
        let fast = net.connect_by(0, 1, CostClass::Wifi, 65_535);
        let photo = attach(&mut net, to, 1_000_000);
        let letters: Vec<_> = (0..20).map(|n| net.send(0, to, &format!("{n}"))).collect();
        net.run_for(after_ms);
        net.cut(fast);
        net.run_for(90_000);
        for message in letters.into_iter().chain([photo]) {
            assert_eq!(state(&mut net, message), State::Delivered, "cut after {after_ms} ms");
        }
        assert!(net.is_up(ble));
        assert_eq!(net.inbox(1).len(), 20);
        // What was under way when it broke may come twice: a window each way at most.
        let bytes = net.node(0).stats().sent.envelope_bytes;
        assert!(bytes < 1_100_000 + 2 * 256 * 1024, "{bytes} after {after_ms} ms");
    }
}

#[test]
fn when_the_slow_link_breaks_the_fast_one_goes_on() {
    let (mut net, to, ble) = met();
    net.latency_ms = 100;
    net.connect_by(0, 1, CostClass::Wifi, 65_535);
    let photo = attach(&mut net, to, 1_000_000);
    net.run_for(700);
    net.cut(ble);
    net.run_for(60_000);
    assert_eq!(state(&mut net, photo), State::Delivered);
}

/// A neighbour is another one if its key is.
#[test]
fn links_to_two_neighbours_are_not_taken_for_one() {
    let mut net = Net::new(1, 3);
    let (to, _) = net.befriend(0, 1);
    net.connect_by(0, 1, CostClass::Ble, BLE_FRAME_BYTES);
    net.connect_by(0, 2, CostClass::Wifi, 65_535);
    net.run_for(5_000);
    let message = net.send(0, to, "to 1 alone");
    net.run_for(1_000);
    assert_eq!(state(&mut net, message), State::Delivered);
    assert_eq!(net.node(0).loads().len(), 2);
}

#[test]
fn a_load_tells_what_waits_both_ways_and_of_whom() {
    let (mut net, to, _) = met();
    let idle = net.node(0).loads();
    assert_eq!((idle.len(), idle[0].waiting_bytes, idle[0].is_contact), (1, 0, true));
    net.latency_ms = 2_000;
    attach(&mut net, to, 1_000_000);
    net.run_for(8_000);
    let [theirs, own] = [1, 0].map(|node| net.node(node).loads()[0].waiting_bytes);
    assert!(theirs > 700_000, "{theirs} bytes to fetch");
    assert!(own < 300_000, "a window is asked for at once: {own}");
}

#[test]
fn notes_of_wifi_direct_pass_between_neighbours_and_a_flood_of_them_does_not_wait() {
    let (mut net, _, ble) = met();
    let side = |n| Side { battery: 3, neighbours: n, channel_mhz: 0 };
    let note = |n| WifiDirectNote::Accept { name: "DIRECT-ab".into(), side: side(n) };
    assert!(net.node(0).send_note(ble, note(1)));
    assert!(!net.node(0).send_note(LinkId(99), note(1)), "there is no such link");
    net.run_for(1_000);
    let heard = net.node(1).poll_note().expect("it has arrived");
    assert_eq!((heard.link, heard.said), (ble, note(1)));
    assert_eq!(net.node(1).loads()[0].neighbour, heard.neighbour);
    for n in 0..=255 {
        net.node(0).send_note(ble, note(n));
    }
    net.run_for(10_000);
    let heard = std::iter::from_fn(|| net.node(1).poll_note()).count();
    assert!((1..=64).contains(&heard), "{heard} notes wait");
    assert!(net.is_up(ble));
}
