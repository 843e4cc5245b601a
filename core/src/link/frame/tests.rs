use super::*;
use crate::link::{Credentials, Side};
use crate::routing::{MAX_MEETINGS, Vector};
use data_encoding::HEXLOWER;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

/// Checks that `frame` comes back whole, that no part of it alone is a frame, and that nothing
/// may follow it.
fn check(frame: &Frame<'_>) {
    let mut bytes = encoded(frame);
    assert!(bytes.len() <= MAX_PAYLOAD_BYTES);
    assert_eq!(Frame::decode(&bytes).as_ref(), Ok(frame));
    for len in 0..bytes.len() {
        assert!(matches!(Frame::decode(&bytes[..len]), Err(DecodeError::Truncated { .. })));
    }
    bytes.push(0);
    assert_eq!(Frame::decode(&bytes), Err(DecodeError::Trailing { what: "frame" }));
}

fn hello() -> impl Strategy<Value = Hello> {
    (
        1..=u8::MAX,
        any::<bool>(),
        0..=VARINT_MAX,
        0..=BATTERY_MAX,
        vec(any::<[u8; 4]>(), 0..=MAX_MARKS),
    )
        .prop_map(|(version, accepts_foreign, free_kib, battery, marks)| Hello {
            version,
            accepts_foreign,
            free_kib,
            battery,
            marks,
        })
}

fn array<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    vec(any::<u8>(), N).prop_map(|bytes| bytes.try_into().unwrap())
}

fn values(most: usize) -> impl Strategy<Value = Vec<(Tag, u16)>> {
    vec((any::<u32>().prop_map(Tag), any::<u16>()), 0..=most)
}

proptest! {
    #[test]
    fn gossip_round_trips(
        of in vec(any::<u32>().prop_map(Tag), 0..=9), as_of_s: u32, values in values(MAX_MEETINGS),
    ) {
        check(&Frame::Gossip(Gossip::Own(of.clone())));
        check(&Frame::Gossip(Gossip::Met(values.clone())));
        check(&Frame::Gossip(Gossip::Predictabilities(values.clone())));
        check(&Frame::Gossip(Gossip::Meetings(Vector { of, as_of_s, meetings: values })));
    }

    #[test]
    fn gossip_that_is_split_fits(tags in 0..300_u32, payload in 240..2_000_usize) {
        let own: Vec<Tag> = (0..tags).map(Tag).collect();
        let met: Vec<(Tag, u16)> = own.iter().map(|tag| (*tag, 1)).collect();
        for gossip in [Gossip::Own(own.clone()), Gossip::Met(met)] {
            let mut all = Vec::new();
            for part in gossip.split(payload) {
                prop_assert!(encoded(&Frame::Gossip(part.clone())).len() <= payload);
                match part {
                    Gossip::Own(tags) => all.extend(tags),
                    Gossip::Met(values) => all.extend(values.iter().map(|(tag, _)| *tag)),
                    _ => prop_assert!(false),
                }
            }
            prop_assert_eq!(&all, &own);
        }
    }

    #[test]
    fn hello_round_trips(hello in hello()) {
        check(&Frame::Hello(hello));
    }

    #[test]
    fn bytes_round_trip(bytes in vec(any::<u8>(), 1..300), age_s: u32, more in 0..65_236_u32) {
        check(&Frame::Sync(&bytes));
        check(&Frame::EnvelopePart { bytes: &bytes });
        let total_bytes = bytes.len() as u32 + more;
        check(&Frame::Envelope { passage: Passage { age_s, generation: 3 }, total_bytes, first: &bytes });
    }

    #[test]
    fn lists_round_trip(
        heads in vec(any::<u64>(), 0..100),
        held in vec(array(), 0..20),
        proofs in vec(array(), 0..5),
    ) {
        check(&Frame::Taken { heads: heads.clone() });
        check(&Frame::Offer { heads: heads.clone() });
        check(&Frame::Want { heads });
        check(&Frame::Acks { held, proofs });
    }

    #[test]
    fn small_frames_round_trip(mac in array(), reason: u8) {
        check(&Frame::Proof { mac });
        check(&Frame::Bye { reason });
    }

    #[test]
    fn extensions_are_passed_over_whole(kind in kind::WIFI_DIRECT + 1.., body in vec(any::<u8>(), 0..99)) {
        let frame = Frame::Unknown { kind, body: &body };
        let bytes = encoded(&frame);
        prop_assert_eq!(Frame::decode(&bytes), Ok(frame));
    }

    /// Whatever parses is in its only encoding.
    #[test]
    fn arbitrary_bytes_never_panic(kind in 0..0x48_u8, body in vec(any::<u8>(), 0..600)) {
        let bytes = [&[kind], &body[..]].concat();
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert_eq!(encoded(&frame), bytes);
        }
    }

    #[test]
    fn what_is_said_to_fit_fits(payload in 0..65_519_usize, held in 0..2_000_usize, proofs in 0..500_usize) {
        let ids = heads_that_fit(payload);
        let want = encoded(&Frame::Want { heads: vec![0; ids] });
        prop_assert!(ids == 0 || want.len() <= payload);
        let (held, proofs) = acks_that_fit(payload, held, proofs);
        let acks = Frame::Acks { held: vec![[0; 32]; held], proofs: vec![[0; 176]; proofs] };
        prop_assert!(held + proofs == 0 || encoded(&acks).len() <= payload);
    }
}

#[test]
fn full_lists_fit_the_largest_message() {
    let full = MAX_PAYLOAD_BYTES;
    assert_eq!(heads_that_fit(full), MAX_HEADS);
    assert_eq!(acks_that_fit(full, 9_999, 9_999), (MAX_HELD_ACKS, MAX_PROVEN_ACKS));
    let acks = Frame::Acks {
        held: vec![[1; 32]; MAX_HELD_ACKS],
        proofs: vec![[2; AckProof::LEN]; MAX_PROVEN_ACKS],
    };
    assert!(encoded(&acks).len() <= full);
    assert_eq!(Frame::decode(&encoded(&acks)), Ok(acks));
}

#[test]
fn free_space_saturates() {
    let hello = |free_kib| {
        Frame::Hello(Hello {
            version: VERSION,
            accepts_foreign: true,
            free_kib,
            battery: 0,
            marks: vec![],
        })
    };
    assert_eq!(Frame::decode(&encoded(&hello(u64::MAX))), Ok(hello(VARINT_MAX)));
}

#[derive(Deserialize)]
struct Vectors {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
struct Valid {
    frame: Value,
    bytes: String,
}

#[derive(Deserialize)]
struct Invalid {
    why: String,
    bytes: String,
    error: String,
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn arrays<const N: usize>(value: &Value) -> Vec<[u8; N]> {
    value.as_array().unwrap().iter().map(|item| hex(item).try_into().unwrap()).collect()
}

/// The frame that a vector describes; `bytes` holds its byte strings.
fn described<'a>(frame: &Value, bytes: &'a [u8]) -> Frame<'a> {
    let number = |field: &str| frame[field].as_u64().unwrap();
    let body = || BodyKey(hex(&frame["body"]).try_into().unwrap());
    let numbers = || {
        let runs = frame["numbers"].as_array().unwrap().iter();
        let end = |value: &Value| value.as_u64().unwrap() as u32;
        runs.flat_map(|run| end(&run[0])..=end(&run[1])).collect()
    };
    let heads = || arrays(&frame["heads"]).into_iter().map(u64::from_be_bytes).collect();
    let tag = |value: &Value| Tag(u32::from_be_bytes(hex(value).try_into().unwrap()));
    let tags = |value: &Value| value.as_array().unwrap().iter().map(tag).collect();
    let values = || {
        let values = frame["values"].as_array().unwrap().iter();
        values.map(|it| (tag(&it[0]), it[1].as_u64().unwrap() as u16)).collect()
    };
    match frame["kind"].as_str().unwrap() {
        "hello" => Frame::Hello(Hello {
            version: number("version") as u8,
            accepts_foreign: frame["accepts_foreign"].as_bool().unwrap(),
            free_kib: number("free_kib"),
            battery: number("battery") as u8,
            marks: arrays(&frame["marks"]),
        }),
        "proof" => Frame::Proof { mac: hex(&frame["mac"]).try_into().unwrap() },
        "sync" => Frame::Sync(bytes),
        "envelope" => Frame::Envelope {
            passage: Passage {
                age_s: number("age_s") as u32,
                generation: number("generation") as u8,
            },
            total_bytes: number("total_bytes") as u32,
            first: bytes,
        },
        "envelope_part" => Frame::EnvelopePart { bytes },
        "taken" => Frame::Taken { heads: heads() },
        "acks" => Frame::Acks { held: arrays(&frame["held"]), proofs: arrays(&frame["proofs"]) },
        "offer" => Frame::Offer { heads: heads() },
        "want" => Frame::Want { heads: heads() },
        "holding" => Frame::Holding {
            body: body(),
            traits: BodyTraits {
                priority: Priority::from_byte(number("priority") as u8).unwrap(),
                needed: number("needed") as u32,
                fragment_bytes: number("fragment_bytes") as u32,
                age_s: number("age_s") as u32,
                left_s: number("left_s") as u32,
                tag: frame.get("tag").map(tag),
            },
            shelves: vec![Shelf {
                generation: number("generation") as u8,
                is_offered: frame["is_offered"].as_bool().unwrap(),
                numbers: numbers(),
            }],
        },
        "fetch" => {
            let is_pull = frame["is_pull"].as_bool().unwrap();
            Frame::Fetch { body: body(), is_pull, numbers: numbers() }
        }
        "lack" => Frame::Lack { body: body(), numbers: numbers() },
        "fragment_acks" => {
            let acks = frame["acks"].as_array().unwrap().iter();
            let ack = |ack: &Value| FragmentAck(hex(&ack["r"]).try_into().unwrap());
            let acks = acks.map(|it| (it["number"].as_u64().unwrap() as u32, ack(it)));
            Frame::FragmentAcks { body: body(), acks: acks.collect() }
        }
        "release" => Frame::Release(Release(bytes.try_into().unwrap())),
        "challenge" => {
            let pieces = frame["pieces"].as_array().unwrap().iter();
            let piece = |it: &Value| {
                (
                    BodyKey(hex(&it["body"]).try_into().unwrap()),
                    it["number"].as_u64().unwrap() as u32,
                )
            };
            let letters = arrays(&frame["letters"]).into_iter().map(u64::from_be_bytes).collect();
            let nonce = hex(&frame["nonce"]).try_into().unwrap();
            Frame::Challenge(Challenge { nonce, letters, pieces: pieces.map(piece).collect() })
        }
        "custody" => {
            Frame::Custody(frame["answers"].as_array().unwrap().iter().map(answer).collect())
        }
        "handover" => Frame::Handover,
        "own_tags" => Frame::Gossip(Gossip::Own(tags(&frame["tags"]))),
        "met" => Frame::Gossip(Gossip::Met(values())),
        "predictabilities" => Frame::Gossip(Gossip::Predictabilities(values())),
        "meetings" => Frame::Gossip(Gossip::Meetings(Vector {
            of: tags(&frame["tags"]),
            as_of_s: number("as_of_s") as u32,
            meetings: values(),
        })),
        "wifi_direct" => Frame::WifiDirect(note(frame)),
        "bye" => Frame::Bye { reason: number("reason") as u8 },
        "unknown" => Frame::Unknown { kind: number("kind_byte") as u8, body: bytes },
        other => panic!("no such kind: {other}"),
    }
}

fn note(note: &Value) -> WifiDirectNote {
    let number = |field: &str| note["side"][field].as_u64().unwrap();
    let side = || Side {
        battery: number("battery") as u8,
        neighbours: number("neighbours") as u8,
        channel_mhz: number("channel_mhz") as u16,
    };
    let text = |field: &str| note[field].as_str().unwrap();
    let credentials = || Credentials::pinned(text("name"), text("passphrase"));
    match text("note") {
        "offer" => WifiDirectNote::Offer { side: side(), credentials: credentials() },
        "accept" => WifiDirectNote::Accept { name: text("name").to_owned(), side: side() },
        "ready" => WifiDirectNote::Ready {
            credentials: credentials(),
            listens_on: text("listens_on").parse().unwrap(),
        },
        "decline" => WifiDirectNote::Decline { name: text("name").to_owned() },
        other => panic!("no such note: {other}"),
    }
}

fn answer(answer: &Value) -> Answer {
    let value = || hex(&answer["value"]);
    match answer["answer"].as_str().unwrap() {
        "gone" => Answer::Gone,
        "proof" => Answer::Proof(value().try_into().unwrap()),
        "ended" => Answer::Ended(value().try_into().unwrap()),
        "arrived" => Answer::Arrived(FragmentAck(value().try_into().unwrap())),
        other => panic!("no such answer: {other}"),
    }
}

#[test]
fn vectors_hold_both_ways() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../../tests/vectors/frames.json")).unwrap();
    for Valid { frame, bytes } in &vectors.valid {
        let field = frame.get("bytes").map(hex).unwrap_or_default();
        let frame = described(frame, &field);
        assert_eq!(HEXLOWER.encode(&encoded(&frame)), *bytes);
        assert_eq!(Frame::decode(&HEXLOWER.decode(bytes.as_bytes()).unwrap()), Ok(frame));
    }
    for Invalid { why, bytes, error } in &vectors.invalid {
        let outcome = Frame::decode(&HEXLOWER.decode(bytes.as_bytes()).unwrap())
            .map_err(|error| error.to_string())
            .map(|frame| format!("{frame:?}"));
        assert_eq!(outcome, Err(error.clone()), "{why}");
    }
}
