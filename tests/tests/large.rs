//! A large attachment over interrupted contacts: whole at the other end, in memory that does not grow
//! with it.

use footpost_core::{MessageId, Node, Priority, State, StorePath};
use footpost_tests::{Net, simulated};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

/// What either end may take above what it takes idle; here are both, and the carriers, in one process.
const MAX_MEMORY_KIB: u64 = 32 * 1024;
const CARRIERS: usize = 2;

#[test]
fn four_megabytes_take_eighty_interrupted_contacts() {
    transfer(4_000_000, 80);
}

#[test]
#[ignore = "minutes; `tests/run --all` has it"]
fn a_hundred_megabytes_take_two_thousand_interrupted_contacts() {
    transfer(100_000_000, 2000);
}

/// Sends so many bytes by carriers that meet either end for about as many frames as it takes to need
/// so many contacts.
fn transfer(size_bytes: u64, contacts: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut net = Net::new(1, 0);
    for index in 0..CARRIERS + 2 {
        let path = dir.path().join(index.to_string());
        let mut config = simulated();
        config.max_carried_bytes(256 << 20);
        net.add(&StorePath::File(path), config);
    }
    let (sender, recipient) = (CARRIERS, CARRIERS + 1);
    let (to, _) = net.befriend(sender, recipient);
    net.send(sender, to, "a word before");
    net.connect(sender, recipient);
    net.run_until_quiet();
    net.cut_all();
    let report = |what: &str, since: Instant, idle_kib: u64| {
        let kib = peak_kib() - idle_kib;
        println!("{what}: {:.1} s, peak {kib} KiB above idle", since.elapsed().as_secs_f64());
        assert!(kib <= MAX_MEMORY_KIB, "{what} took {kib} KiB");
    };

    let (idle_kib, started) = (forget_peak(), Instant::now());
    let now = net.now();
    let mut content = Content { at: 0 };
    let what = ("film.mp4", "video/mp4");
    let message = net
        .node(sender)
        .send_attachment(now, to, what, size_bytes, &mut content, Priority::Normal)
        .unwrap();
    report("sending", started, idle_kib);

    let started = Instant::now();
    forget_peak();
    let frames = 30 + size_bytes / 2_000_000;
    let mut taken = 0;
    for round in 0.. {
        assert!(round < contacts * 2, "not whole after {round} rounds");
        for (a, b) in [(sender, round as usize % CARRIERS), (round as usize % CARRIERS, recipient)]
        {
            net.connect(a, b);
            net.cut_after(frames + round % 5);
            net.run_for(2_000);
            taken += u64::from(net.was_cut());
            net.cut_all();
        }
        net.run_for(20_000);
        net.forget();
        if is_whole(net.node(recipient)) {
            break;
        }
    }
    println!("interrupted contacts: {taken}");
    report("contacts", started, idle_kib);

    let started = Instant::now();
    forget_peak();
    let received =
        net.messages(recipient, None).into_iter().find(|m| m.transfer.is_some()).unwrap();
    let mut check = Content { at: 0 };
    net.node(recipient).write_attachment(received.id, &mut check).unwrap();
    assert_eq!(check.at, size_bytes);
    report("reading", started, idle_kib);

    let started = Instant::now();
    forget_peak();
    net.run_for(3 * 60_000);
    for carrier in 0..CARRIERS {
        for (a, b) in [(recipient, carrier), (carrier, sender)] {
            let link = net.connect(a, b);
            net.run_until_quiet();
            net.cut(link);
            net.forget();
        }
    }
    let state = |net: &mut Net, message: MessageId| {
        net.node(sender).message(message).unwrap().unwrap().state
    };
    assert_eq!(state(&mut net, message), State::Delivered);
    assert_eq!(net.copies(), [0; CARRIERS + 2]);
    report("clearing", started, idle_kib);
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

/// The most memory that this process has had since [`forget_peak`] (Linux: proc(5), `VmHWM`).
fn peak_kib() -> u64 {
    status_kib("VmHWM:")
}

/// Says how much there is now.
fn forget_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").expect("the kernel lets a process do so");
    status_kib("VmRSS:")
}

fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
