//! What a running node leaves in its log and in its memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use bip39::Mnemonic;
use common::{Person, until};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use footpost_core::{Card, RecoveryWords, StoreKey, WrappedKey, WrappingKeys};
use footpost_transports::FileWrappingKeys;
use hkdf::Hkdf;
use rusqlite::Connection;
use sha2::Sha256;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    ops::RangeInclusive,
    os::unix::fs::FileExt,
    process::{Child, Command, Stdio},
};

const PASSPHRASE: &str = "correct horse battery staple";
const TEXT: &str = "The bridge is out. Take the ford, before dark.";
/// So many bytes in a row betray a secret.
const PART: usize = 12;

/// Alice, whose profile is under the passphrase.
fn alice() -> Person {
    let alice = Person::without_profile();
    let mut init = alice.command(&["init", "--name", "Alice"]);
    assert!(init.env("FOOTPOST_PASSPHRASE", PASSPHRASE).status().unwrap().success());
    alice
}

/// Her node, which got the passphrase by descriptor, and logs all that it can.
fn run(alice: &Person) -> (Child, String) {
    let dir = alice.dir();
    let line = format!(
        "exec {} --simulated --dir {} --json --passphrase-fd 3 run --no-lan --listen 127.0.0.1:0 \
         --ack-delay-s 0 3<<E\n{PASSPHRASE}\nE",
        env!("CARGO_BIN_EXE_footpost"),
        dir.display()
    );
    let log = File::create(dir.join("log")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).env("RUST_LOG", "trace").stdin(Stdio::null());
    let mut child = shell.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut started = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut started).unwrap();
    let started: serde_json::Value = serde_json::from_str(&started).unwrap();
    (child, started["listen"].as_str().unwrap().to_owned())
}

fn store_key(person: &Person, passphrase: Option<&str>) -> [u8; 32] {
    let wrapped = WrappedKey::from_bytes(std::fs::read(person.dir().join("vault")).unwrap());
    *wrapped.unlock(passphrase).unwrap().as_bytes()
}

fn card(link: &str) -> Card {
    link.parse().unwrap()
}

/// Whether any part of the secret is there, as it is or in a usual notation.
fn betrays(place: &[u8], secret: &[u8]) -> bool {
    let holds = |needle: &[u8]| place.windows(needle.len()).any(|window| window == needle);
    secret.windows(PART).step_by(PART / 2).any(|part| {
        holds(part)
            || holds(HEXLOWER.encode(part).as_bytes())
            || holds(HEXUPPER.encode(part).as_bytes())
            || holds(format!("{part:?}").trim_matches(['[', ']']).as_bytes())
    }) || holds(BASE64.encode(secret).as_bytes())
        || holds(BASE64URL_NOPAD.encode(secret).as_bytes())
}

#[test]
fn a_full_log_says_nothing_secret() {
    let (alice, bob) = (alice(), Person::new("Bob"));
    let (mut node, listen) = run(&alice);
    let link = alice.link();
    bob.fact(&["contact", "add", &link]);
    alice.fact(&["contact", "add", &bob.link()]);
    let mut bobs = bob.command(&["run", "--no-lan", "--listen", "127.0.0.1:0", "--peer", &listen]);
    let mut bobs = bobs.stdout(Stdio::null()).spawn().unwrap();
    alice.fact(&["send", "Bob", TEXT]);
    until("Bob has the message", || !bob.facts(&["inbox", "--all"]).is_empty());
    bob.fact(&["send", "Alice", TEXT]);
    until("Alice has the answer", || !alice.facts(&["inbox", "--all"]).is_empty());
    for child in [&mut bobs, &mut node] {
        let _ = child.kill();
        let _ = child.wait();
    }
    let log = std::fs::read(alice.dir().join("log")).unwrap();
    assert!(log.len() > 10_000, "a trace of {} bytes", log.len());
    let key = store_key(&alice, Some(PASSPHRASE));
    let (alices, bobs) = (card(&link), card(&bob.link()));
    let identities = [alices.identity(), bobs.identity()];
    let secrets: [(&str, &[u8]); 7] = [
        ("passphrase", PASSPHRASE.as_bytes()),
        ("store key", &key),
        ("text", TEXT.as_bytes()),
        ("Alice's card", alices.as_bytes()),
        ("Bob's card", bobs.as_bytes()),
        ("Alice's key", identities[0].as_bytes()),
        ("Bob's key", identities[1].as_bytes()),
    ];
    for (what, secret) in secrets {
        assert!(!betrays(&log, secret), "the log betrays: {what}");
        // That the search finds what is there.
        for planted in [secret.to_vec(), HEXLOWER.encode(secret).into_bytes()] {
            assert!(betrays(&[&log[..1000], &planted].concat(), secret), "{what}");
        }
    }
}

#[test]
fn a_dump_of_a_running_node_has_what_it_needs_and_nothing_else() {
    let (alice, bob) = (alice(), Person::new("Bob"));
    let key = StoreKey::from_bytes(&store_key(&alice, Some(PASSPHRASE)));
    let mut seen = BTreeMap::new();
    // Each round overtakes the target of the one before, in X-Wing at first, then in X25519; after
    // the second start one that was read from the store.
    let mut talk = |rounds: RangeInclusive<usize>| {
        let (node, listen) = run(&alice);
        if *rounds.start() == 1 {
            let bobs = bob.link();
            bob.fact(&["contact", "add", &alice.link()]);
            alice.fact(&["contact", "add", &bobs]);
        }
        let mut bobs = bob.command(&["run", "--no-lan", "--listen", "127.0.0.1:0"]);
        let bobs = bobs.args(["--peer", &listen]).stdout(Stdio::null()).spawn().unwrap();
        for round in rounds {
            alice.fact(&["send", "Bob", &format!("{TEXT} {round}")]);
            until("Bob has the message", || bob.facts(&["inbox", "--all"]).len() == round);
            seen.extend(secrets(&alice, &key).replies);
            bob.fact(&["send", "Alice", &format!("{TEXT} {round}")]);
            until("Alice has the answer", || alice.facts(&["inbox", "--all"]).len() == round);
            let live = secrets(&alice, &key).replies;
            let memory = memory(node.id());
            for (counter, secret) in seen.iter().filter(|(counter, _)| !live.contains_key(counter))
            {
                assert_eq!(places(&memory, secret), 0, "destroyed target {counter}, round {round}");
            }
        }
        [node, bobs]
    };
    talk(1..=3).into_iter().for_each(end);
    let [node, bobs] = talk(4..=6);
    let given_up = secrets(&alice, &key).identity;
    let words = alice.fact(&["identity", "words"])["words"].clone();
    let words: Vec<_> =
        words.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let rotated = alice.with_stdin(&["identity", "rotate", "--words"], words.join(" ").as_bytes());
    assert!(rotated.status.success());
    let live = secrets(&alice, &key);
    assert_ne!(live.identity, given_up);
    let dead: Vec<_> =
        seen.iter().filter(|(counter, _)| !live.replies.contains_key(counter)).collect();
    assert!(dead.len() >= 4, "{} targets were overtaken", dead.len());
    let memory = memory(node.id());
    let log = std::fs::read(alice.dir().join("log")).unwrap();
    [node, bobs].into_iter().for_each(end);
    // What an open store needs is there, as the search finds: so it would find the others.
    for (what, secret) in [("store key", key.as_bytes()), ("identity key", &live.identity)] {
        assert!(places(&memory, secret) > 0, "the search misses: {what}");
        assert!(!betrays(&log, secret), "the log betrays: {what}");
    }
    for (counter, secret) in &live.replies {
        assert!(places(&memory, secret) > 0, "the search misses the live target {counter}");
        assert!(!betrays(&log, secret), "the log betrays a target");
    }
    let hex = HEXLOWER.encode(key.as_bytes());
    let mut gone = vec![
        ("passphrase", PASSPHRASE.as_bytes().to_vec()),
        ("store key in hex", hex.into_bytes()),
        ("identity key that was given up", given_up.to_vec()),
    ];
    gone.extend(of_words(&words));
    for (what, secret) in gone {
        assert_eq!(places(&memory, &secret), 0, "in memory: {what}");
        assert!(!betrays(&log, &secret), "the log betrays: {what}");
    }
    for (counter, secret) in dead {
        assert_eq!(places(&memory, secret), 0, "destroyed target {counter} is in memory");
        assert!(!betrays(&log, secret), "the log betrays a destroyed target");
    }
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Recovery words as they were sent and shown, and all that comes from them.
fn of_words(words: &[&str]) -> Vec<(&'static str, Vec<u8>)> {
    let entropy = Mnemonic::parse_normalized(&words.join(" ")).unwrap().to_entropy();
    let derived = |label: &[u8]| {
        let mut key = vec![0; 32];
        Hkdf::<Sha256>::new(None, &entropy).expand(label, &mut key).unwrap();
        key
    };
    let recovery_words: RecoveryWords = words.join(" ").parse().unwrap();
    assert_eq!(derived(b"footpost/1 backup key"), *recovery_words.backup_key());
    vec![
        ("recovery words", words.join(" ").into_bytes()),
        ("recovery words in JSON", words.join("\",\"").into_bytes()),
        ("recovery key", derived(b"footpost/1 recovery key")),
        ("backup key", derived(b"footpost/1 backup key")),
        ("what the words stand for", entropy.clone()),
    ]
}

/// How often the first part of the secret is there.
fn places(memory: &[Vec<u8>], secret: &[u8]) -> usize {
    let found =
        |region: &Vec<u8>| region.windows(PART).filter(|part| *part == &secret[..PART]).count();
    memory.iter().map(found).sum()
}

/// What a store holds, read as a thief would who has its keys.
struct Secrets {
    identity: [u8; 32],
    /// KEM secrets of reply targets, by counter.
    replies: BTreeMap<i64, [u8; 32]>,
}

fn secrets(person: &Person, key: &StoreKey) -> Secrets {
    let (dir, copy) = (person.dir(), tempfile::tempdir().unwrap());
    for name in ["footpost.db", "footpost.db-wal"] {
        std::fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    let keys = FileWrappingKeys::new(dir.join("vault.keys"), key.clone()).load().unwrap();
    let store = Connection::open(copy.path().join("footpost.db")).unwrap();
    let pragma = format!("PRAGMA key = \"x'{}'\"", HEXLOWER.encode(key.as_bytes()));
    store.execute_batch(&pragma).unwrap();
    let identity = store.query_row("SELECT identity_key FROM own", [], |row| row.get(0)).unwrap();
    let mut rows = store.prepare("SELECT contact, counter, kem_secret FROM reply_targets").unwrap();
    let replies = rows.query_map([], |row| {
        let (contact, counter): (i64, i64) = (row.get(0)?, row.get(1)?);
        let wrapped: Vec<u8> = row.get(2)?;
        let (nonce, sealed) = wrapped.split_first_chunk::<12>().unwrap();
        let place = [contact.to_be_bytes(), counter.to_be_bytes()].concat();
        let place = [&b"footpost/1 target"[..], &place].concat();
        let secret = keys.iter().find_map(|key| {
            let mut secret = sealed.to_vec();
            let cipher = Aes256Gcm::new(key.as_bytes().into());
            cipher.decrypt_in_place(nonce.into(), &place, &mut secret).ok()?;
            secret.try_into().ok()
        });
        Ok((counter, secret.unwrap()))
    });
    let replies = replies.unwrap().collect::<Result<_, _>>().unwrap();
    Secrets { identity, replies }
}

/// All that a process could write: its heap, stacks and data.
fn memory(process: u32) -> Vec<Vec<u8>> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let regions = maps.lines().filter_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let from = u64::from_str_radix(from, 16).ok()?;
        let to = u64::from_str_radix(to, 16).ok()?;
        let mut region = vec![0; usize::try_from(to - from).ok()?];
        let is_read = rest.starts_with("rw") && memory.read_exact_at(&mut region, from).is_ok();
        is_read.then_some(region)
    });
    // Most of it was never used.
    let pages = |region: Vec<u8>| -> Vec<Vec<u8>> {
        let is_used = |page: &[u8]| page != &[0; 4096][..page.len()];
        let pages: Vec<_> = region.chunks(4096).collect();
        let runs = pages.chunk_by(|one, other| is_used(one) == is_used(other));
        runs.filter(|run| is_used(run[0])).map(<[&[u8]]>::concat).collect()
    };
    regions.flat_map(pages).collect()
}
