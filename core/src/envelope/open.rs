//! Opening: the recipient's half of sealing.

use super::format::HINT;
use super::seal::{PART_BODY, PART_CARD};
use super::{
    AUTH_DOMAIN, Ack, Body, EXPORT_ACK, EXPORT_AUTH, Envelope, PSK_ID, auth_message, info,
};
use crate::codec::{DecodeError, Reader};
use crate::identity::{Card, Identity, KemSecret, Suite, TargetSecret, mac8};
use crate::time::Timestamp;
use hpke::aead::{AeadCtxR, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, HpkeError, Kem, OpModeR, PskBundle};
use subtle::ConstantTimeEq;
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
    /// What acknowledges the envelope.
    pub ack: Ack,
}

impl TargetSecret {
    /// Whether the envelope's hint says that it was sealed to this target: one MAC.
    pub fn recognises(&self, envelope: &Envelope<'_>) -> bool {
        let header = envelope.header();
        let hint = mac8(&self.hint_key, &[&header[..HINT.start], &[0; 8], &header[HINT.end..]]);
        hint.ct_eq(&envelope.hint()).into()
    }
}

/// Opens `envelope` as `me` with `secret`, which recognises it.
///
/// `None` for everything that is not a whole, honest message to `me`: foreign mail with a colliding
/// hint, a wrong commitment, a misdirected or malformed inside. From outside all of these look
/// alike, and like foreign mail.
pub fn open(envelope: &Envelope<'_>, secret: &TargetSecret, me: &Identity) -> Option<Opened> {
    match (envelope.suite(), &secret.kem_secret) {
        (Suite::X25519, KemSecret::X25519(key)) => {
            open_with::<X25519HkdfSha256>(envelope, secret, key, me)
        }
        (Suite::XWing, KemSecret::XWing(key)) => open_with::<XWing>(envelope, secret, key, me),
        _ => None,
    }
}

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
    let (body, card) = parts(&mut reader).ok()?;
    let card = card.filter(|card| card.identity() == sender);
    Some(Opened { sender, uuid, sent, body, card, ack })
}

/// The parts up to the padding, which is zeros. Unknown parts are skipped, so that later versions
/// can add some.
fn parts(reader: &mut Reader<'_>) -> Result<(Body, Option<Card>), DecodeError> {
    let (mut body, mut card) = (None, None);
    while !reader.is_empty() {
        let kind = reader.varint("part kind")?;
        if kind == 0 {
            break;
        }
        let bytes = reader.bytes(super::MAX_ENVELOPE_BYTES, "part")?;
        match kind {
            PART_BODY => {
                let mut content = Reader::new(bytes);
                let kind = content.varint("body kind")?;
                body = Some(Body::parse(kind, content.rest())?);
            }
            PART_CARD => card = Card::from_bytes(bytes).ok(),
            _ => {}
        }
    }
    if reader.rest().iter().any(|&byte| byte != 0) {
        return Err(DecodeError::Invalid { what: "padding" });
    }
    Ok((body.ok_or(DecodeError::Truncated { what: "body" })?, card))
}
