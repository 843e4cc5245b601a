//! The published vectors of what sealing calls: RFC 9180 in exactly suite 1's choice, and X-Wing.

use crate::identity::SealingTarget;
use crate::time::Timestamp;
use data_encoding::HEXLOWER;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable};
use rand_core::{TryCryptoRng, TryRng, utils};
use serde_json::Value;
use std::convert::Infallible;

#[test]
fn suite_1_makes_and_opens_what_the_rfc_has() {
    let vector = parse(include_str!("../../../tests/vectors/hpke-rfc9180.json"));
    let field = |name: &str| hex(&vector[name]);
    let (psk, psk_id, info, enc) = (field("psk"), field("psk_id"), field("info"), field("enc"));
    let bundle = || PskBundle::new(&psk, &psk_id).unwrap();
    let (secret, public) = X25519HkdfSha256::derive_keypair(&field("ikmR"));
    // The vector's secret is not clamped, the crate's is: the same key.
    let written = Deserializable::from_bytes(&field("skRm")).unwrap();
    assert_eq!(X25519HkdfSha256::sk_to_pk(&written), public);
    assert_eq!(public.to_bytes()[..], field("pkRm"));

    let (encapsulation, mut sender) =
        hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Psk(bundle()),
            &public,
            &info,
            &mut Recorded(field("ikmE")),
        )
        .unwrap();
    assert_eq!(encapsulation.to_bytes()[..], enc);
    let mut reader = hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Psk(bundle()),
        &secret,
        &Deserializable::from_bytes(&enc).unwrap(),
        &info,
    )
    .unwrap();
    for message in list(&vector["encryptions"]) {
        let [aad, plain, cipher] = ["aad", "pt", "ct"].map(|name| hex(&message[name]));
        assert_eq!(sender.seal(&plain, &aad).unwrap(), cipher);
        assert_eq!(reader.open(&cipher, &aad).unwrap(), plain);
    }
    for export in list(&vector["exports"]) {
        let mut exported = [0; 32];
        sender.export(&hex(&export["exporter_context"]), &mut exported).unwrap();
        assert_eq!(exported[..], hex(&export["exported_value"]));
        reader.export(&hex(&export["exporter_context"]), &mut exported).unwrap();
        assert_eq!(exported[..], hex(&export["exported_value"]));
    }
}

#[test]
fn suite_2_is_the_drafts_x_wing() {
    let vectors = parse(include_str!("../../../tests/vectors/x-wing.json"));
    for vector in list(&vectors["kem"]) {
        let [secret, seed, public, cipher, shared] =
            ["sk", "eseed", "pk", "ct", "ss"].map(|name| hex(&vector[name]));
        encapsulates(&secret, &public, seed, &cipher, &shared);
    }
    let vector = &vectors["hpke"];
    let [ikm, secret, public, seed, cipher, shared] =
        ["ikmR", "skRm", "pkRm", "ikmE", "enc", "shared_secret"].map(|name| hex(&vector[name]));
    let (derived, _) = XWing::derive_keypair(&ikm);
    assert_eq!(derived.to_bytes()[..], secret);
    encapsulates(&secret, &public, seed, &cipher, &shared);
}

fn encapsulates(secret: &[u8], public: &[u8], seed: Vec<u8>, cipher: &[u8], shared: &[u8]) {
    let secret = <XWing as Kem>::PrivateKey::from_bytes(secret).unwrap();
    let key = XWing::sk_to_pk(&secret);
    assert_eq!(key.to_bytes()[..], *public);
    let (made, encapsulation) = XWing::encap_with_rng(&key, None, &mut Recorded(seed)).unwrap();
    assert_eq!((&made.0[..], &encapsulation.to_bytes()[..]), (shared, cipher));
    let opened = XWing::decap(&secret, None, &Deserializable::from_bytes(cipher).unwrap()).unwrap();
    assert_eq!(opened.0[..], *shared);
}

#[test]
fn targets_with_a_key_that_gives_no_secret_are_refused() {
    let vectors = parse(include_str!("../../../tests/vectors/x25519-keys.json"));
    let is_valid = |key: &Value| {
        let target = SealingTarget {
            suite: crate::Suite::X25519,
            public_key: hex(key),
            seed: [1; 32],
            counter: 0,
            end: Timestamp(0),
        };
        target.is_valid()
    };
    assert!(!list(&vectors["refused"]).iter().any(is_valid));
    assert!(list(&vectors["accepted"]).iter().all(is_valid));
}

/// Gives recorded bytes instead of random ones.
struct Recorded(Vec<u8>);

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0[..out.len()]);
        self.0.drain(..out.len());
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}
