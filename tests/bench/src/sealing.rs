//! Sealing and opening against the bare primitives: HPKE, signatures, hashes.

use crate::bare::{SIGNATURE_LEN, mac, postmark_message, verify};
use crate::figure::{Figure, Goal, Unit};
use crate::harness::{Comparison, cpu_time, interleave};
use crate::world::{START, rng, text};
use ed25519_dalek::{Signature, Signer, SigningKey};
use footpost_core::{
    Body, Envelope, Identity, IdentityKey, Letter, Postmark, Priority, Sealed, Suite, TargetSecret,
    Timestamp, open, seal,
};
use hkdf::Hkdf;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable, setup_receiver,
    setup_sender_with_rng,
};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use sha2::{Digest, Sha256};
use std::hint::black_box;

const TEXT_BYTES: usize = 1024;
/// Operations in one measured portion.
const PORTION: u32 = 10;
const GOAL: Goal = Goal::AtMost(1.15);

/// `seal_ratio.*` and `open_ratio.*`.
pub(crate) fn figures(n: usize) -> Vec<Figure> {
    let x25519 = suite::<X25519HkdfSha256>(Suite::X25519, "x25519", n);
    let xwing = suite::<XWing>(Suite::XWing, "xwing", n);
    x25519.into_iter().chain(xwing).collect()
}

fn suite<K: Kem>(suite: Suite, name: &str, n: usize) -> [Figure; 2] {
    let mut ours = Ours::new(suite);
    let mut bare = Bare::<K>::new(suite);
    let sealed = ours.seal();
    let bare_sealed = bare.seal();
    assert_eq!(sealed.bytes.len(), bare_sealed.bytes.len(), "both sides make the same envelope");

    let opening = Comparison::of(&interleave(
        n,
        cpu_time,
        portion(|| assert!(black_box(ours.open(&sealed.bytes)))),
        portion(|| assert!(black_box(bare.open(&bare_sealed)))),
    ));
    let sealing = Comparison::of(&interleave(
        n,
        cpu_time,
        portion(|| drop(black_box(ours.seal()))),
        portion(|| drop(black_box(bare.seal()))),
    ));
    [("seal_ratio", sealing), ("open_ratio", opening)].map(|(figure, comparison)| Figure {
        name: format!("{figure}.{name}"),
        note: comparison.note(PORTION),
        summary: comparison.ratio,
        unit: Unit::Ratio,
        goal: GOAL,
    })
}

fn portion(mut work: impl FnMut()) -> impl FnMut() {
    move || (0..PORTION).for_each(|_| work())
}

/// Footpost's own functions, from a text to an envelope and back.
struct Ours {
    rng: ChaCha20Rng,
    sender: IdentityKey,
    recipient: Identity,
    secret: TargetSecret,
    postmark: Postmark,
    body: Body,
}

impl Ours {
    fn new(suite: Suite) -> Self {
        let mut rng = rng(1);
        let end = Timestamp(START.0 + 30 * 86_400_000);
        Self {
            sender: IdentityKey::generate(&mut rng),
            recipient: IdentityKey::generate(&mut rng).identity(),
            secret: TargetSecret::generate(suite, 1, end, &mut rng),
            postmark: Postmark::generate(&mut rng),
            body: text(TEXT_BYTES),
            rng,
        }
    }

    fn seal(&mut self) -> Sealed {
        let letter = Letter {
            sender: &self.sender,
            recipient: &self.recipient,
            target: self.secret.target(),
            uuid: [7; 16],
            body: &self.body,
            card: None,
            reply: None,
            statements: &[],
            previous: None,
            manifest: None,
            priority: Priority::Normal,
            lifetime_s: 7 * 86_400,
            mailbox: None,
        };
        seal(&letter, &self.postmark, START, &mut self.rng).expect("the letter can be sealed")
    }

    /// All that a recipient does with an envelope from a stranger's hands.
    fn open(&self, bytes: &[u8]) -> bool {
        let envelope = Envelope::parse(bytes).expect("the envelope is whole");
        envelope.is_genuine(&envelope.id())
            && self.secret.recognises(&envelope.hint())
            && open(&envelope, &self.secret, &self.recipient).is_some()
    }
}

/// The same primitives on buffers of the same lengths, with nothing around them.
struct Bare<K: Kem> {
    rng: ChaCha20Rng,
    identity: SigningKey,
    postmark: SigningKey,
    secret: K::PrivateKey,
    public: Vec<u8>,
    seed: [u8; 32],
    header: Vec<u8>,
    plaintext: Vec<u8>,
}

struct BareSealed {
    bytes: Vec<u8>,
    header_len: usize,
    encapsulation: Vec<u8>,
    auth: Signature,
    postmark: Signature,
}

const PSK_ID: &[u8] = b"footpost/1";

impl<K: Kem> Bare<K> {
    fn new(suite: Suite) -> Self {
        let mut rng = rng(2);
        let mut key = || {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            SigningKey::from_bytes(&seed)
        };
        let (identity, postmark) = (key(), key());
        let (secret, public) = K::gen_keypair_with_rng(&mut rng);
        let header_len = 99 + suite.encapsulation_len();
        // Sender, uuid, time, signature and the part's head, as Padmé rounds them up.
        let plaintext_len = (32 + 16 + 8 + SIGNATURE_LEN + 4 + TEXT_BYTES).next_multiple_of(64);
        Self {
            rng,
            identity,
            postmark,
            secret,
            public: public.to_bytes().to_vec(),
            seed: [3; 32],
            header: vec![1; header_len],
            plaintext: vec![2; plaintext_len],
        }
    }

    fn seal(&mut self) -> BareSealed {
        let (psk, hint_key) = self.derive();
        let public = K::PublicKey::from_bytes(&self.public).expect("the key is valid");
        let info = self.info();
        let mode = OpModeS::Psk(PskBundle::new(&psk, PSK_ID).expect("the PSK is long enough"));
        let (encapsulation, mut context) =
            setup_sender_with_rng::<AesGcm256, HkdfSha256, K>(&mode, &public, &info, &mut self.rng)
                .expect("HPKE takes the key");
        let (mut ack, mut auth) = ([0; 32], [0; 32]);
        context.export(b"ack", &mut ack).expect("32 bytes are within HKDF's limit");
        context.export(b"auth", &mut auth).expect("32 bytes are within HKDF's limit");
        let auth = self.identity.sign(&self.auth_message(&info, &auth));
        let commitment = Sha256::digest(ack);
        black_box(mac(&hint_key, &self.header));
        let ciphertext = context.seal(&self.plaintext, &self.header).expect("AES-GCM seals");
        let mut bytes = Vec::with_capacity(self.header.len() + ciphertext.len() + SIGNATURE_LEN);
        bytes.extend_from_slice(&self.header);
        bytes.extend_from_slice(&ciphertext);
        let postmark = self.postmark.sign(&postmark_message(&bytes, &commitment));
        bytes.extend_from_slice(&postmark.to_bytes());
        BareSealed {
            bytes,
            header_len: self.header.len(),
            encapsulation: encapsulation.to_bytes().to_vec(),
            auth,
            postmark,
        }
    }

    fn open(&self, sealed: &BareSealed) -> bool {
        let (psk, hint_key) = self.derive();
        let (unsigned, _) = sealed.bytes.split_at(sealed.bytes.len() - SIGNATURE_LEN);
        let (header, ciphertext) = unsigned.split_at(sealed.header_len);
        let info = self.info();
        let encapsulation =
            K::EncappedKey::from_bytes(&sealed.encapsulation).expect("the encapsulation is valid");
        let mode = OpModeR::Psk(PskBundle::new(&psk, PSK_ID).expect("the PSK is long enough"));
        let mut context =
            setup_receiver::<AesGcm256, HkdfSha256, K>(&mode, &self.secret, &encapsulation, &info)
                .expect("HPKE takes the encapsulation");
        let (mut ack, mut auth) = ([0; 32], [0; 32]);
        context.export(b"ack", &mut ack).expect("32 bytes are within HKDF's limit");
        context.export(b"auth", &mut auth).expect("32 bytes are within HKDF's limit");
        let commitment = Sha256::digest(ack);
        let is_genuine = verify(
            &self.postmark.verifying_key().to_bytes(),
            &postmark_message(unsigned, &commitment),
            &sealed.postmark.to_bytes(),
        );
        black_box(mac(&hint_key, header));
        let plaintext = context.open(ciphertext, header).expect("AES-GCM opens");
        let by_sender = verify(
            &self.identity.verifying_key().to_bytes(),
            &self.auth_message(&info, &auth),
            &sealed.auth.to_bytes(),
        );
        is_genuine && by_sender && plaintext == self.plaintext
    }

    /// PSK and hint key from the target's seed.
    fn derive(&self) -> ([u8; 32], [u8; 32]) {
        let hkdf = Hkdf::<Sha256>::new(None, &self.seed);
        let (mut psk, mut hint_key) = ([0; 32], [0; 32]);
        hkdf.expand(b"footpost/1 psk", &mut psk).expect("32 bytes are within HKDF's limit");
        hkdf.expand(b"footpost/1 hint", &mut hint_key).expect("32 bytes are within HKDF's limit");
        (psk, hint_key)
    }

    /// Domain, suite, hash of the target's key, recipient.
    fn info(&self) -> Vec<u8> {
        [&[0; 21], &Sha256::digest(&self.public)[..], &[5; 32]].concat()
    }

    /// Domain, suite, sender, recipient, target, export.
    fn auth_message(&self, info: &[u8], export: &[u8; 32]) -> Vec<u8> {
        [&[0; 19][..], self.identity.verifying_key().as_bytes(), &info[21..], export].concat()
    }
}
