use super::format::{COMMITMENT, PRIORITY};
use super::*;
use crate::codec::Reader;
use crate::identity::{
    Card, CardDraft, CardError, IdentityKey, ReplyTarget, SealingTarget, Suite, TargetSecret,
};
use crate::time::{DAY_MS, Timestamp};
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

const NOW: Timestamp = Timestamp(1_780_315_200_000);

/// A writer, a reader, and what the reader gave the writer.
struct World {
    writer: IdentityKey,
    reader: IdentityKey,
    target: TargetSecret,
    postmark: Postmark,
    rng: ChaCha20Rng,
}

impl World {
    fn new(suite: Suite, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        Self {
            writer: IdentityKey::generate(&mut rng),
            reader: IdentityKey::generate(&mut rng),
            target: TargetSecret::generate(suite, 0, Timestamp(NOW.0 + 30 * DAY_MS), &mut rng),
            postmark: Postmark::generate(&mut rng),
            rng,
        }
    }

    fn card(&mut self) -> Card {
        let target =
            TargetSecret::generate(Suite::XWing, 1, Timestamp(NOW.0 + DAY_MS), &mut self.rng);
        let draft = CardDraft {
            sequence: 1,
            issued: NOW,
            expires: Timestamp(NOW.0 + DAY_MS),
            name: Some("Ada".into()),
            target: target.target().clone(),
            presence: Some([3; 32]),
            recovery: Some([4; 32]),
            relays: vec!["relay.example:4433".into()],
        };
        Card::sign(draft, &self.writer)
    }

    fn seal(&mut self, body: &Body, card: Option<&Card>) -> Result<Sealed, SealError> {
        let recipient = self.reader.identity();
        let letter = Letter {
            sender: &self.writer,
            recipient: &recipient,
            target: self.target.target(),
            uuid: [7; 16],
            body,
            card,
            reply: None,
            statements: &[],
            previous: None,
            manifest: None,
            priority: Priority::Normal,
            lifetime_s: 7 * 24 * 3600,
            mailbox: None,
        };
        seal(&letter, &self.postmark, NOW, &mut self.rng)
    }

    fn open(&self, bytes: &[u8]) -> Option<Opened> {
        let envelope = Envelope::parse(bytes).ok()?;
        let is_whole =
            envelope.is_genuine(&envelope.id()) && self.target.recognises(&envelope.hint());
        is_whole.then(|| open(&envelope, &self.target, &self.reader.identity())).flatten()
    }
}

fn text(text: &str) -> Body {
    Body::Text(text.into())
}

fn suites() -> impl Strategy<Value = Suite> {
    prop_oneof![Just(Suite::X25519), Just(Suite::XWing)]
}

fn bodies() -> impl Strategy<Value = Body> {
    prop_oneof![
        "\\PC{1,300}".prop_map(Body::Text),
        proptest::collection::vec(any::<[u8; 16]>(), 0..9).prop_map(Body::Read),
        ("[a-z/]{1,64}", proptest::collection::vec(any::<u8>(), 0..2000))
            .prop_map(|(content_type, bytes)| Body::Application { content_type, bytes }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_for_its_reader_alone(
        suite in suites(), seed: u64, body in bodies(), with_card: bool,
    ) {
        let mut world = World::new(suite, seed);
        let card = with_card.then(|| world.card());
        let sealed = world.seal(&body, card.as_ref()).unwrap();
        let opened = world.open(&sealed.bytes).unwrap();
        prop_assert_eq!(opened.sender, world.writer.identity());
        prop_assert_eq!((opened.uuid, opened.sent, opened.body), ([7; 16], NOW, body));
        prop_assert_eq!((opened.card, opened.ack), (card, sealed.ack));

        let envelope = Envelope::parse(&sealed.bytes).unwrap();
        let stranger = World::new(suite, seed ^ 1);
        prop_assert!(!stranger.target.recognises(&envelope.hint()));
        prop_assert!(open(&envelope, &stranger.target, &stranger.reader.identity()).is_none());
        // A contact who passes the reader's target on as their own gains nothing.
        prop_assert!(open(&envelope, &world.target, &stranger.reader.identity()).is_none());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Envelope::parse(&bytes).map(|envelope| envelope.is_genuine(&envelope.id()));
        let _ = Card::from_bytes(&bytes);
        let _ = Body::parse(u64::from(bytes.first().copied().unwrap_or_default()), &bytes);
    }
}

#[test]
fn no_altered_byte_passes() {
    for suite in [Suite::X25519, Suite::XWing] {
        let mut world = World::new(suite, 1);
        let sealed = world.seal(&text("exactly this"), None).unwrap();
        for position in 0..sealed.bytes.len() {
            let mut altered = sealed.bytes.clone();
            altered[position] ^= 1;
            if let Ok(envelope) = Envelope::parse(&altered) {
                assert!(!envelope.is_genuine(&envelope.id()), "byte {position} can be altered");
            }
            assert!(world.open(&altered).is_none());
        }
    }
}

/// A carrier that puts its own postmark on an altered envelope makes an envelope that every carrier
/// takes; for its reader it is foreign mail.
#[test]
fn what_a_carrier_alters_and_signs_itself_is_foreign_mail() {
    let mut world = World::new(Suite::X25519, 2);
    let sealed = world.seal(&text("hello"), None).unwrap();
    let thief = Postmark::generate(&mut world.rng);
    let resign = |range: std::ops::Range<usize>, bytes: &[u8]| {
        let mut altered = sealed.bytes.clone();
        altered[range].copy_from_slice(bytes);
        altered[59..91].copy_from_slice(&thief.public_key());
        let unsigned = altered.len() - 64;
        let id = Envelope::parse(&altered).unwrap().id();
        altered[unsigned..].copy_from_slice(&thief.sign(&id));
        altered
    };
    let own_commitment = Commitment::to_secret(&[9; 32]).0;
    for altered in [
        resign(COMMITMENT, &own_commitment),
        resign(PRIORITY..PRIORITY + 1, &[2]),
        resign(300..301, &[sealed.bytes[300] ^ 1]),
    ] {
        let envelope = Envelope::parse(&altered).unwrap();
        assert!(envelope.is_genuine(&envelope.id()));
        assert!(!world.target.recognises(&envelope.hint()));
        assert!(open(&envelope, &world.target, &world.reader.identity()).is_none());
    }
}

#[test]
fn an_acknowledgement_is_proven_by_stub_and_secret_alone() {
    let mut world = World::new(Suite::X25519, 3);
    let sealed = world.seal(&text("hello"), None).unwrap();
    let envelope = Envelope::parse(&sealed.bytes).unwrap();
    let proof = AckProof::new(&envelope, &sealed.ack);
    assert_eq!(proof.verify(), Some(sealed.id));
    assert_eq!((proof.created(), proof.lifetime_s()), (envelope.created(), envelope.lifetime_s()));
    for position in 0..AckProof::LEN {
        let mut forged = proof.clone();
        forged.0[position] ^= 1;
        assert_eq!(forged.verify(), None, "byte {position} can be altered");
    }
}

#[test]
fn all_short_texts_are_equally_long() {
    let mut world = World::new(Suite::X25519, 4);
    let len = |world: &mut World, n| world.seal(&text(&"x".repeat(n)), None).unwrap().bytes.len();
    assert_eq!(len(&mut world, 1), len(&mut world, 250));
    assert_eq!(len(&mut world, 250), 99 + 32 + 384 + 16 + 64);
}

#[test]
fn what_cannot_be_sealed_says_why() {
    let mut world = World::new(Suite::XWing, 5);
    assert_eq!(world.seal(&text(""), None).unwrap_err(), SealError::Body(BodyError::Empty));
    let excess = world.seal(&text(&"x".repeat(70_000)), None).unwrap_err();
    assert!(matches!(excess, SealError::TooLong { excess_bytes } if excess_bytes > 4000));
    world.target = TargetSecret::generate(Suite::XWing, 0, NOW, &mut world.rng);
    assert_eq!(world.seal(&text("late"), None).unwrap_err(), SealError::TargetEnded);
}

#[test]
fn a_mailbox_tag_is_the_same_for_a_day_and_hidden_tags_never() {
    let world = World::new(Suite::X25519, 6);
    let target = world.target.target();
    assert_eq!(target.mailbox_tag(NOW.day()), target.mailbox_tag(NOW.day()));
    assert_ne!(target.mailbox_tag(NOW.day()), target.mailbox_tag(NOW.day() + 1));
    let mut world = world;
    let tag = |world: &mut World| {
        let sealed = world.seal(&text("x"), None).unwrap();
        Envelope::parse(&sealed.bytes).unwrap().mailbox_tag()
    };
    assert_ne!(tag(&mut world), tag(&mut world));
}

/// One pinned envelope: every field that the wire fixes, bytes in hex.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct EnvelopeVector {
    writer_key: String,
    reader_key: String,
    target: String,
    target_secret: String,
    now_ms: u64,
    uuid: String,
    text: String,
    envelope: String,
    id: String,
    r: String,
    proof: String,
}

fn pinned_envelope(suite: Suite) -> EnvelopeVector {
    let mut world = World::new(suite, 2026);
    let said = "the bridge is out";
    let sealed = world.seal(&text(said), None).unwrap();
    let proof = AckProof::new(&Envelope::parse(&sealed.bytes).unwrap(), &sealed.ack);
    let mut target = Vec::new();
    world.target.target().encode(&mut target);
    EnvelopeVector {
        writer_key: hex(&*world.writer.to_bytes()),
        reader_key: hex(&*world.reader.to_bytes()),
        target: hex(&target),
        target_secret: hex(&*world.target.kem_secret().to_bytes()),
        now_ms: NOW.0,
        uuid: hex(&[7; 16]),
        text: said.into(),
        envelope: hex(&sealed.bytes),
        id: hex(&sealed.id.0),
        r: hex(&sealed.ack.0),
        proof: hex(&proof.0),
    }
}

#[test]
fn sealing_makes_the_pinned_envelopes() {
    let made: Vec<_> = [Suite::X25519, Suite::XWing].map(pinned_envelope).into();
    let pinned = include_str!("../../../tests/vectors/envelopes.json");
    let is_same = serde_json::from_str::<Vec<EnvelopeVector>>(pinned).is_ok_and(|p| p == made);
    assert!(is_same, "the wire has changed:\n{}", serde_json::to_string_pretty(&made).unwrap());
}

#[test]
fn the_pinned_envelopes_open() {
    let pinned = include_str!("../../../tests/vectors/envelopes.json");
    for vector in serde_json::from_str::<Vec<EnvelopeVector>>(pinned).unwrap() {
        let key = |hex: &str| -> [u8; 32] { bytes(hex).try_into().unwrap() };
        let writer = IdentityKey::from_bytes(&key(&vector.writer_key)).identity();
        let reader = IdentityKey::from_bytes(&key(&vector.reader_key)).identity();
        let target = SealingTarget::decode(&mut Reader::new(&bytes(&vector.target))).unwrap();
        let target = TargetSecret::new(target, &key(&vector.target_secret));
        let sealed = bytes(&vector.envelope);
        let envelope = Envelope::parse(&sealed).unwrap();
        assert_eq!(hex(&envelope.id().0), vector.id);
        assert!(envelope.is_genuine(&envelope.id()) && target.recognises(&envelope.hint()));
        let opened = open(&envelope, &target, &reader).unwrap();
        assert_eq!(opened.sender, writer);
        assert_eq!((hex(&opened.uuid), opened.sent.0), (vector.uuid, vector.now_ms));
        assert_eq!((opened.body, hex(&opened.ack.0)), (Body::Text(vector.text), vector.r));
        let proof = AckProof::new(&envelope, &opened.ack);
        assert_eq!((hex(&proof.0), proof.verify()), (vector.proof, Some(envelope.id())));
    }
}

/// A pinned card: what it says, and its link.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct CardVector {
    identity_key: String,
    address: String,
    sequence: u64,
    name: String,
    presence: String,
    recovery: String,
    relays: Vec<String>,
    link: String,
}

#[test]
fn the_pinned_card_is_what_it_was() {
    let mut world = World::new(Suite::X25519, 2026);
    let made = world.card();
    let pinned = include_str!("../../../tests/vectors/card.json");
    let expected = CardVector {
        identity_key: hex(&*world.writer.to_bytes()),
        address: made.identity().address(),
        sequence: 1,
        name: "Ada".into(),
        presence: hex(&[3; 32]),
        recovery: hex(&[4; 32]),
        relays: vec!["relay.example:4433".into()],
        link: made.to_string(),
    };
    let is_same = serde_json::from_str::<CardVector>(pinned).is_ok_and(|card| card == expected);
    let new = serde_json::to_string_pretty(&expected).unwrap();
    assert!(is_same, "the wire has changed:\n{new}");
    let parsed: Card = expected.link.parse().unwrap();
    assert_eq!(parsed, made);
    assert_eq!((parsed.name(), parsed.relays()), (Some("Ada"), &expected.relays[..]));
}

#[test]
fn a_card_for_a_qr_code_is_short() {
    let world = World::new(Suite::X25519, 9);
    let draft = CardDraft {
        sequence: 100,
        issued: NOW,
        expires: Timestamp(NOW.0 + 30 * DAY_MS),
        name: Some("x".repeat(48)),
        target: world.target.target().clone(),
        presence: Some([3; 32]),
        recovery: Some([4; 32]),
        relays: vec!["relay.example:4433".into()],
    };
    let link = Card::sign(draft, &world.writer).to_string();
    assert!(link.len() < 500, "{} bytes", link.len());
}

#[test]
fn a_damaged_card_says_what_is_wrong() {
    let link = World::new(Suite::X25519, 10).card().to_string();
    let parse = |text: &str| text.parse::<Card>().unwrap_err();
    assert_eq!(parse("hello"), CardError::NotACard);
    assert_eq!(
        parse(&format!("{}*{}", &link[..20], &link[21..])),
        CardError::Character { position: 20 }
    );
    assert!(matches!(parse(&link[..40]), CardError::Damaged(_) | CardError::CutShort));
    let mut bytes = link.parse::<Card>().unwrap().as_bytes().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(Card::from_bytes(&bytes).unwrap_err(), CardError::Signature);
    bytes[0] = 2;
    assert_eq!(Card::from_bytes(&bytes).unwrap_err(), CardError::Version(2));
    let upper = format!("  FOOTPOST:{}\n", &link[9..]);
    assert!(upper.parse::<Card>().is_ok());
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

/// The table of `docs/wire.md` that tells where the bytes around a text of 100 characters go, beside
/// envelopes of a conversation that runs.
#[test]
fn the_documented_overhead_is_what_envelopes_have() {
    const TEXT: usize = 100;
    let wire = include_str!("../../../docs/wire.md");
    let table = wire.split_once("| bytes beside 100 characters |").unwrap().1;
    let rows: Vec<(&str, Vec<usize>)> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let name = cells.next().unwrap();
            (name, cells.map(|cell| cell.replace(',', "").parse().unwrap()).collect())
        })
        .collect();
    let cases = [
        (Suite::X25519, Suite::X25519),
        (Suite::X25519, Suite::XWing),
        (Suite::XWing, Suite::X25519),
    ];
    for (column, (sealed_to, brought)) in cases.into_iter().enumerate() {
        let row = |name: &str| {
            let row = rows.iter().find(|(row, _)| row.contains(name));
            row.unwrap_or_else(|| panic!("no row of {name}")).1[column]
        };
        let mut world = World::new(sealed_to, 7);
        let counter = u64::from(NOW.minutes());
        let end = Timestamp(NOW.0 + 28 * DAY_MS);
        let target = TargetSecret::generate(brought, counter, end, &mut world.rng);
        let reply = ReplyTarget {
            target: target.target().clone(),
            window_s: 7 * 24 * 3600,
            is_post_quantum: true,
        };
        let letter = Letter {
            sender: &world.writer,
            recipient: &world.reader.identity(),
            target: world.target.target(),
            uuid: [7; 16],
            body: &text(&"x".repeat(TEXT)),
            card: None,
            reply: Some(&reply),
            statements: &[],
            previous: Some(Previous { counter, sealed: 1 }),
            manifest: None,
            priority: Priority::Normal,
            lifetime_s: 7 * 24 * 3600,
            mailbox: None,
        };
        let sealed = seal(&letter, &world.postmark, NOW, &mut world.rng).unwrap();
        assert_eq!(row("**all**"), sealed.bytes.len() - TEXT);
        let all: usize = rows.iter().map(|(_, row)| row[column]).sum();
        assert_eq!(all, 2 * row("**all**"));
        assert_eq!(row("encapsulation"), sealed_to.encapsulation_len());
        assert_eq!(row("reply target"), reply.encode().len() + 3);
        // What is sealed is `all` without header, AEAD tag and signature.
        let outside = 99 + sealed_to.encapsulation_len() + 16 + 64;
        let padded = row("**all**") + TEXT - outside;
        assert_eq!(super::seal::padded_len(padded - row("padding")), padded);
    }
}
