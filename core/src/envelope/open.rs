//! Opening: the recipient's half of sealing.

use super::seal::{
    PART_BODY, PART_CARD, PART_MANIFEST, PART_PREVIOUS, PART_REPLY, PART_STATEMENTS,
};
use super::{
    AUTH_DOMAIN, Ack, Body, EXPORT_ACK, EXPORT_AUTH, Envelope, Hint, Manifest, PSK_ID, Previous,
    auth_message, info,
};
use crate::codec::{DecodeError, Reader};
use crate::identity::{
    Card, Identity, KemSecret, MAX_STATEMENT_BYTES, MAX_STATEMENTS, ReplyTarget, Statement, Suite,
    TargetSecret,
};
use crate::scour::scour_stack;
use crate::time::Timestamp;
use hpke::aead::{AeadCtxR, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, HpkeError, Kem, OpModeR, PskBundle};
use zeroize::Zeroizing;

/// A message out of its envelope: who wrote it is proven.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Who wrote it.
    pub sender: Identity,
    /// Names the message across re-sendings.
    pub uuid: [u8; 16],
    /// When it was written, by the writer's clock.
    pub sent: Timestamp,
    /// What it says.
    pub body: Body,
    /// The writer's own card, if it came along: its key is the sender's.
    pub card: Option<Card>,
    /// The writer's newest target for answers.
    pub reply: Option<ReplyTarget>,
    /// What the writer has said of their keys.
    pub statements: Vec<Statement>,
    /// How much the writer sealed to the reply target before the one this is sealed to.
    pub previous: Option<Previous>,
    /// What opens the body that follows in fragments.
    pub manifest: Option<Manifest>,
    /// What acknowledges the envelope.
    pub ack: Ack,
}

impl TargetSecret {
    /// Whether the hint says that its envelope was sealed to this target: one short MAC, and none
    /// where the suites differ.
    pub fn recognises(&self, hint: &Hint) -> bool {
        hint.suite == Some(self.target.suite) && self.hint_key.hint(&hint.digest) == hint.mac
    }
}

/// Opens `envelope` as `me` with `secret`, which recognises it.
///
/// `None` for everything that is not a whole, honest message to `me`: foreign mail with a colliding
/// hint, a wrong commitment, a misdirected or malformed inside. From outside all of these look
/// alike, and like foreign mail.
pub fn open(envelope: &Envelope<'_>, secret: &TargetSecret, me: &Identity) -> Option<Opened> {
    let opened = match (envelope.suite(), secret.kem_secret()) {
        (Some(Suite::X25519), KemSecret::X25519(key)) => {
            open_with::<X25519HkdfSha256>(envelope, secret, key, me)
        }
        (Some(Suite::XWing), KemSecret::XWing(key)) => {
            open_with::<XWing>(envelope, secret, key, me)
        }
        _ => None,
    };
    scour_stack();
    opened
}

#[inline(never)]
fn open_with<K: Kem>(
    envelope: &Envelope<'_>,
    secret: &TargetSecret,
    key: &K::PrivateKey,
    me: &Identity,
) -> Option<Opened> {
    let mut context = decapsulate::<K>(envelope, secret, key, me).ok()?;
    let ack = Ack(export(&context, EXPORT_ACK));
    if ack.commitment() != envelope.commitment() {
        return None;
    }
    let plaintext = context.open(envelope.ciphertext(), envelope.header()).ok()?;
    let auth = export(&context, EXPORT_AUTH);
    parse(&Zeroizing::new(plaintext), secret, me, &auth, ack)
}

type Context<K> = AeadCtxR<AesGcm256, HkdfSha256, K>;

fn decapsulate<K: Kem>(
    envelope: &Envelope<'_>,
    secret: &TargetSecret,
    key: &K::PrivateKey,
    me: &Identity,
) -> Result<Context<K>, HpkeError> {
    let psk = secret.target.psk();
    let mode = OpModeR::Psk(PskBundle::new(&*psk, PSK_ID)?);
    let encapsulation = K::EncappedKey::from_bytes(envelope.encapsulation())?;
    let info = info(&secret.target, me);
    hpke::setup_receiver::<AesGcm256, HkdfSha256, K>(&mode, key, &encapsulation, &info)
}

fn export<K: Kem>(context: &Context<K>, label: &[u8]) -> [u8; 32] {
    let mut secret = [0; 32];
    context.export(label, &mut secret).expect("32 bytes are within HKDF's limit");
    secret
}

fn parse(
    plaintext: &[u8],
    secret: &TargetSecret,
    me: &Identity,
    auth: &[u8; 32],
    ack: Ack,
) -> Option<Opened> {
    let mut reader = Reader::new(plaintext);
    let sender = Identity::from_bytes(reader.array("sender").ok()?).ok()?;
    let uuid = reader.array("uuid").ok()?;
    let sent = Timestamp(reader.u64("time").ok()?);
    let signature = reader.array("signature").ok()?;
    let message = auth_message(&secret.target, &sender, me, auth);
    if !sender.verify(AUTH_DOMAIN, &[&message], &signature) {
        return None;
    }
    let Parts { body, card, reply, statements, previous, manifest } =
        Parts::read(&mut reader).ok()?;
    let (body, card) = (body?, card.filter(|card| card.identity() == sender));
    Some(Opened { sender, uuid, sent, body, card, reply, statements, previous, manifest, ack })
}

#[derive(Default)]
struct Parts {
    body: Option<Body>,
    card: Option<Card>,
    reply: Option<ReplyTarget>,
    statements: Vec<Statement>,
    previous: Option<Previous>,
    manifest: Option<Manifest>,
}

impl Parts {
    /// The parts up to the padding, which is zeros. Unknown parts are skipped, so that later
    /// versions can add some.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut parts = Self::default();
        while !reader.is_empty() {
            let kind = reader.varint("part kind")?;
            if kind == 0 {
                break;
            }
            let bytes = reader.bytes(super::MAX_ENVELOPE_BYTES, "part")?;
            let mut part = Reader::new(bytes);
            match kind {
                PART_BODY => {
                    let kind = part.varint("body kind")?;
                    parts.body = Some(Body::parse(kind, part.rest())?);
                }
                PART_CARD => parts.card = Card::from_bytes(bytes).ok(),
                PART_REPLY => parts.reply = Some(ReplyTarget::decode(&mut part)?),
                PART_STATEMENTS => parts.statements = statements(&mut part)?,
                PART_PREVIOUS => parts.previous = Some(Previous::decode(&mut part)?),
                PART_MANIFEST => parts.manifest = Some(Manifest::decode(&mut part)?),
                _ => {}
            }
        }
        if reader.rest().iter().any(|&byte| byte != 0) {
            return Err(DecodeError::Invalid { what: "padding" });
        }
        Ok(parts)
    }
}

/// Those that verify; of kinds to come nothing is known.
fn statements(part: &mut Reader<'_>) -> Result<Vec<Statement>, DecodeError> {
    let mut statements = Vec::new();
    for _ in 0..MAX_STATEMENTS {
        if part.is_empty() {
            break;
        }
        statements
            .extend(Statement::from_bytes(part.bytes(MAX_STATEMENT_BYTES, "statement")?).ok());
    }
    Ok(statements)
}
