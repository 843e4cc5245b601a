//! A large attachment over interrupted contacts: whole at the other end, in memory that does not grow
//! with it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

use footpost_core::{ContactId, MessageId, Node, Priority, State, StorePath};
use footpost_tests::{Net, simulated};
use std::io::{self, Read, Write};
use std::time::Instant;

/// What either end may take above what it takes idle. Here are both in one process, and the carriers.
const MAX_MEMORY_KIB: u64 = 32 * 1024;
const CARRIERS: usize = 2;
const SENDER: usize = CARRIERS;
const RECIPIENT: usize = CARRIERS + 1;

#[test]
fn four_megabytes_take_fifty_interrupted_contacts() {
    travel(4_000_000, 50);
}

#[test]
#[ignore = "minutes of disk; tests/run --all has it"]
fn a_hundred_megabytes_take_two_thousand_interrupted_contacts() {
    travel(100_000_000, 2000);
}

/// Carriers meet the two ends in turn, and each meeting is cut short: at least `contacts` of them.
fn travel(size_bytes: u64, contacts: u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut net = Net::new(1, 0);
    for index in 0..CARRIERS + 2 {
        let mut config = simulated();
        config.max_carried_bytes(256 << 20);
        net.add(&StorePath::File(directory.path().join(index.to_string())), config);
    }
    let (to, _) = net.befriend(SENDER, RECIPIENT);
    net.send(SENDER, to, "a word before");
    let link = net.connect(SENDER, RECIPIENT);
    net.run_until_quiet();
    net.cut(link);

    let idle_kib = forget_peak();
    let message = measured("sending", idle_kib, || send(&mut net, to, size_bytes));
    let cut = measured("carrying", idle_kib, || carry(&mut net, size_bytes));
    println!("{cut} contacts were interrupted");
    assert!(cut >= contacts, "{cut}");
    measured("reading", idle_kib, || read(&mut net, size_bytes));
    measured("clearing", idle_kib, || clear(&mut net));
    assert_eq!(net.node(SENDER).message(message).unwrap().unwrap().state, State::Delivered);
    assert_eq!(net.copies(), [0; CARRIERS + 2]);
}

fn measured<T>(what: &str, idle_kib: u64, act: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    forget_peak();
    let result = act();
    let kib = status_kib("VmHWM:").saturating_sub(idle_kib);
    println!("{what}: {:.1} s, {kib} KiB above idle", started.elapsed().as_secs_f64());
    assert!(kib <= MAX_MEMORY_KIB, "{what} took {kib} KiB");
    result
}

fn send(net: &mut Net, to: ContactId, size_bytes: u64) -> MessageId {
    let now = net.now();
    let (what, content) = (("film.mp4", "video/mp4"), &mut Content { at: 0 });
    let node = net.node(SENDER);
    node.send_attachment(now, to, what, size_bytes, content, Priority::Normal).unwrap()
}

/// Says how many contacts were interrupted until all was there.
fn carry(net: &mut Net, size_bytes: u64) -> u64 {
    // Handshake, reconciliation and announcements come first, one of these a postmark.
    let frames = 26 + size_bytes / 2_000_000;
    let mut cut = 0;
    for round in 0.. {
        let carrier = round as usize % CARRIERS;
        for (a, b) in [(SENDER, carrier), (carrier, RECIPIENT)] {
            net.connect(a, b);
            net.cut_after(frames + round % 5);
            net.run_for(2_000);
            cut += u64::from(net.was_cut());
            net.cut_all();
        }
        net.run_for(20_000);
        net.forget();
        if is_whole(net.node(RECIPIENT)) {
            return cut;
        }
        assert!(round < 10_000, "it does not arrive");
    }
    unreachable!("rounds do not end")
}

fn read(net: &mut Net, size_bytes: u64) {
    let received = net.messages(RECIPIENT, None);
    let message = received.into_iter().find(|message| message.transfer.is_some()).unwrap();
    let mut content = Content { at: 0 };
    net.node(RECIPIENT).write_attachment(message.id, &mut content).unwrap();
    assert_eq!(content.at, size_bytes);
}

/// The word of the end goes round.
fn clear(net: &mut Net) {
    net.run_for(3 * 60_000);
    for carrier in 0..CARRIERS {
        for (a, b) in [(RECIPIENT, carrier), (carrier, SENDER)] {
            let link = net.connect(a, b);
            net.run_until_quiet();
            net.cut(link);
            net.forget();
        }
    }
}

fn is_whole(node: &Node) -> bool {
    let messages = node.messages(None, None, 10).unwrap();
    messages.iter().any(|message| message.transfer.is_some_and(|transfer| transfer.is_whole))
}

/// Bytes that do not repeat, and are nowhere in memory: read for sending, written for comparing.
struct Content {
    at: u64,
}

fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for (at, slot) in (self.at..).zip(&mut *buffer) {
            *slot = byte(at);
        }
        self.at += buffer.len() as u64;
        Ok(buffer.len())
    }
}

impl Write for Content {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!((self.at..).zip(bytes).all(|(at, found)| byte(at) == *found));
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The peak of this process's memory (Linux: proc(5), `VmHWM`) is what it has now.
fn forget_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").expect("a process may do so");
    status_kib("VmRSS:")
}

fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
