use super::*;
use data_encoding::HEXLOWER;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

const ALICE: [u8; 32] = [0xa1; 32];
const BOB: [u8; 32] = [0xb0; 32];

fn pair() -> (Noise, Noise) {
    (Noise::new(Role::Initiator, &ALICE, [1; 32]), Noise::new(Role::Responder, &BOB, [2; 32]))
}

fn established() -> (Noise, Noise) {
    let (mut alice, mut bob) = pair();
    bob.read(&alice.write(b"").unwrap()).unwrap();
    alice.read(&bob.write(b"").unwrap()).unwrap();
    bob.read(&alice.write(b"sketch").unwrap()).unwrap();
    (alice, bob)
}

/// A session in which `passed` handshake messages have gone, with the next message, and the side
/// that shall read it.
fn before_message(passed: usize) -> (Vec<u8>, Noise) {
    let (mut writer, mut reader) = pair();
    for _ in 0..passed {
        reader.read(&writer.write(b"").unwrap()).unwrap();
        mem::swap(&mut writer, &mut reader);
    }
    let payload: &[u8] = if passed == 2 { b"sketch" } else { b"" };
    (writer.write(payload).unwrap(), reader)
}

#[test]
fn both_sides_agree_step_by_step() {
    let (mut alice, mut bob) = pair();
    assert!(alice.is_my_turn() && !bob.is_my_turn());

    assert_eq!(bob.read(&alice.write(b"").unwrap()).unwrap(), b"");
    assert!(bob.is_my_turn() && !alice.is_my_turn());
    assert_eq!((alice.sync_key(), bob.sync_key(), alice.neighbour()), (None, None, None));

    assert_eq!(alice.read(&bob.write(b"").unwrap()).unwrap(), b"");
    assert!(alice.sync_key().is_some());
    assert_eq!(alice.sync_key(), bob.sync_key());
    assert_eq!(alice.neighbour(), Some(public_key(&BOB)));
    assert_eq!((bob.neighbour(), alice.handshake_hash()), (None, None));

    assert_eq!(bob.read(&alice.write(&[7; MAX_SKETCH_BYTES]).unwrap()).unwrap(), [7; 96]);
    assert!(alice.is_established() && bob.is_established());
    assert!(!alice.is_my_turn() && !bob.is_my_turn());
    assert_eq!(bob.neighbour(), Some(public_key(&ALICE)));
    assert!(alice.handshake_hash().is_some());
    assert_eq!(alice.handshake_hash(), bob.handshake_hash());
    assert_ne!(alice.handshake_hash(), alice.sync_key());

    for payload in [&b""[..], b"x", &[3; 1_000], &vec![4; MAX_PAYLOAD_BYTES]] {
        let frame = alice.write(payload).unwrap();
        assert_eq!(frame.len(), payload.len() + TAG_BYTES);
        assert_eq!(bob.read(&frame).unwrap(), payload);
        assert_eq!(alice.read(&bob.write(payload).unwrap()).unwrap(), payload);
    }
}

#[test]
fn the_same_seeds_give_the_pinned_bytes() {
    #[derive(Deserialize)]
    struct Vector {
        initiator_secret: String,
        initiator_seed: String,
        responder_secret: String,
        responder_seed: String,
        messages: Vec<Message>,
        sync_key: String,
        handshake_hash: String,
    }
    #[derive(Deserialize)]
    struct Message {
        payload: String,
        frame: String,
    }
    let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
    let key = |text: &str| <[u8; 32]>::try_from(hex(text)).unwrap();

    let vector: Vector =
        serde_json::from_str(include_str!("../../../../tests/vectors/link-handshake.json"))
            .unwrap();
    let side = |role, secret, seed| Noise::new(role, &key(secret), key(seed));
    let mut writer = side(Role::Initiator, &vector.initiator_secret, &vector.initiator_seed);
    let mut reader = side(Role::Responder, &vector.responder_secret, &vector.responder_seed);
    for message in &vector.messages {
        let frame = writer.write(&hex(&message.payload)).unwrap();
        assert_eq!(HEXLOWER.encode(&frame), message.frame);
        assert_eq!(reader.read(&frame).unwrap(), hex(&message.payload));
        mem::swap(&mut writer, &mut reader);
    }
    for side in [&writer, &reader] {
        assert_eq!(side.sync_key(), Some(key(&vector.sync_key)));
        assert_eq!(side.handshake_hash(), Some(key(&vector.handshake_hash)));
    }
}

#[test]
fn an_altered_handshake_fails_at_any_byte() {
    // The first message is a bare public key: altering it shows when the second is read.
    let (first, _) = before_message(0);
    for at in 0..first.len() {
        let (mut alice, mut bob) = pair();
        let mut message = alice.write(b"").unwrap();
        message[at] ^= 1;
        bob.read(&message).unwrap();
        assert_eq!(alice.read(&bob.write(b"").unwrap()), Err(Violation::Handshake));
    }
    for passed in [1, 2] {
        let (message, _) = before_message(passed);
        for at in 0..message.len() {
            let (mut message, mut reader) = before_message(passed);
            message[at] ^= 1;
            assert_eq!(reader.read(&message), Err(Violation::Handshake));
            assert!(!reader.is_established());
        }
    }
}

#[test]
fn cut_and_stretched_messages_fail() {
    for passed in 0..3 {
        let (message, _) = before_message(passed);
        for len in 0..message.len() {
            let (message, mut reader) = before_message(passed);
            assert_eq!(reader.read(&message[..len]), Err(Violation::Handshake));
        }
        for extra in [1, TAG_BYTES, 97, 65_535] {
            let (mut message, mut reader) = before_message(passed);
            message.resize(message.len() + extra, 0);
            assert_eq!(reader.read(&message), Err(Violation::Handshake));
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(passed in 0..4_usize, bytes in vec(any::<u8>(), 0..200)) {
        let mut reader = if passed == 3 { established().1 } else { before_message(passed).1 };
        // Any 32 bytes are an opening.
        prop_assume!(passed > 0 || bytes.len() != 32);
        prop_assert!(reader.read(&bytes).is_err());
    }
}

#[test]
fn turns_are_kept() {
    let (mut alice, mut bob) = pair();
    assert_eq!(bob.write(b""), Err(Violation::Handshake));
    let first = alice.write(b"").unwrap();
    assert_eq!(alice.write(b""), Err(Violation::Handshake));

    let (_, mut bob) = pair();
    bob.read(&first).unwrap();
    assert_eq!(bob.read(&first), Err(Violation::Handshake), "a second opening");
    assert_eq!(bob.write(b""), Err(Violation::Handshake), "failure is final");

    let (mut alice, _) = pair();
    assert_eq!(alice.read(&first), Err(Violation::Handshake), "two initiators");
}

#[test]
fn an_altered_frame_fails_at_any_byte_and_for_good() {
    let (mut alice, _) = established();
    let frame = alice.write(b"frame").unwrap();
    for at in 0..frame.len() {
        let (_, mut bob) = established();
        let mut altered = frame.clone();
        altered[at] ^= 0x80;
        assert_eq!(bob.read(&altered), Err(Violation::Decrypt));
        assert_eq!(bob.read(&frame), Err(Violation::Decrypt));
        assert_eq!(bob.write(b""), Err(Violation::Decrypt));
    }
}

#[test]
fn replayed_reflected_and_reordered_frames_fail() {
    let (mut alice, mut bob) = established();
    let frame = alice.write(b"once").unwrap();
    bob.read(&frame).unwrap();
    assert_eq!(bob.read(&frame), Err(Violation::Decrypt));
    assert_eq!(alice.read(&frame), Err(Violation::Decrypt));

    let (mut alice, mut bob) = established();
    let _lost = alice.write(b"first").unwrap();
    assert_eq!(bob.read(&alice.write(b"second").unwrap()), Err(Violation::Decrypt));
}

#[test]
fn oversized_payloads_are_refused() {
    let (mut alice, mut bob) = pair();
    assert_eq!(alice.write(b"x"), Err(Violation::Flood("link payload")));
    bob.read(&alice.write(b"").unwrap()).unwrap();
    assert_eq!(bob.write(b"x"), Err(Violation::Flood("link payload")));
    alice.read(&bob.write(b"").unwrap()).unwrap();
    assert_eq!(alice.write(&[0; MAX_SKETCH_BYTES + 1]), Err(Violation::Flood("link payload")));

    let (mut alice, mut bob) = established();
    let oversized = vec![0; MAX_PAYLOAD_BYTES + 1];
    assert_eq!(alice.write(&oversized), Err(Violation::Flood("link payload")));
    assert_eq!(bob.read(&alice.write(b"still whole").unwrap()).unwrap(), b"still whole");
    assert_eq!(bob.read(&vec![0; 65_536]), Err(Violation::Decrypt));
    let (_, mut bob) = established();
    assert_eq!(bob.read(&[0; TAG_BYTES - 1]), Err(Violation::Decrypt));
}

#[test]
fn handshake_payloads_that_snow_would_take_are_refused() {
    // A neighbour that sends the sketch one byte too long, correctly encrypted.
    let (mut alice, mut bob) = pair();
    bob.read(&alice.write(b"").unwrap()).unwrap();
    alice.read(&bob.write(b"").unwrap()).unwrap();
    let State::Handshake(handshake, _) = &mut alice.state else { panic!("still a handshake") };
    let mut message = [0; 256];
    let len = handshake.write_message(&[0; MAX_SKETCH_BYTES + 1], &mut message).unwrap();
    assert_eq!(bob.read(&message[..len]), Err(Violation::Handshake));

    // And one that puts a payload into the first message.
    let (mut alice, mut bob) = pair();
    let State::Handshake(handshake, _) = &mut alice.state else { panic!("still a handshake") };
    let len = handshake.write_message(b"x", &mut message).unwrap();
    assert_eq!(bob.read(&message[..len]), Err(Violation::Handshake));
}

#[test]
fn an_ephemeral_key_of_small_order_ends_the_handshake() {
    let (_, mut bob) = pair();
    bob.read(&[0; 32]).unwrap();
    assert_eq!(bob.write(b""), Err(Violation::Handshake));
}

#[test]
fn debug_tells_the_state_alone() {
    let (alice, _) = established();
    assert_eq!(format!("{alice:?}"), r#"Noise { state: "established", .. }"#);
}
