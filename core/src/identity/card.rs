//! The contact card: how somebody is reached, signed by their identity key.

use super::keys::{Identity, IdentityKey};
use super::target::SealingTarget;
use crate::codec::{DecodeError, Reader, Writer};
use crate::time::{DAY_MS, Timestamp};
use data_encoding::BASE64URL_NOPAD;
use std::{fmt, str::FromStr};
use thiserror::Error;

/// How long a card is usable after its issue, in days.
pub const CARD_LIFE_DAYS: u64 = 30;
/// The longest name on a card, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 48;
/// The most home relays on a card.
pub const MAX_RELAYS: usize = 3;
/// The longest address of a home relay, in bytes.
pub const MAX_RELAY_BYTES: usize = 32;

const VERSION: u8 = 1;
const DOMAIN: &[u8] = b"footpost/1 card";
const SCHEME: &str = "footpost:";
/// The longest card, with an X-Wing target and every optional field: bounds what a link may decode
/// to.
const MAX_CARD_BYTES: usize = 2048;

const HAS_NAME: u8 = 1;
const HAS_PRESENCE: u8 = 2;
const HAS_RECOVERY: u8 = 4;

/// A contact card, its signature verified.
///
/// Travels as a `footpost:` link (base64url), as a QR code of that link, or inside a sealed
/// message. Whoever holds it can write to its owner and recognise the owner's mail and presence
/// until the owner's next card: it is passed privately.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    draft: CardDraft,
    identity: Identity,
    bytes: Vec<u8>,
}

/// What a card says, before its owner signs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CardDraft {
    pub(crate) sequence: u64,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) name: Option<String>,
    pub(crate) target: SealingTarget,
    pub(crate) presence: Option<[u8; 32]>,
    pub(crate) recovery: Option<[u8; 32]>,
    pub(crate) relays: Vec<String>,
}

/// Why a text is not a usable card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CardError {
    /// The text does not begin with `footpost:`.
    #[error("this is not a contact card: a card begins with “footpost:”")]
    NotACard,
    /// The text has characters that no card has.
    #[error("the card has a wrong character at position {position}: copy it again, whole")]
    Character {
        /// Where, counted in bytes from the start of the text.
        position: usize,
    },
    /// The length is impossible: the end was lost in copying.
    #[error("the card is cut short: copy it again, whole")]
    CutShort,
    /// A later version of Footpost made it.
    #[error("the card is of version {0}, which this Footpost does not know: update Footpost")]
    Version(u8),
    /// The contents do not parse.
    #[error("the card is damaged: {0}")]
    Damaged(#[from] DecodeError),
    /// The signature is not by the key on the card.
    #[error("the card was altered: its signature does not fit its key")]
    Signature,
}

impl Card {
    pub(crate) fn sign(draft: CardDraft, key: &IdentityKey) -> Self {
        let identity = key.identity();
        let mut bytes = draft.encode(&identity);
        let signature = key.sign(DOMAIN, &[&bytes]);
        bytes.put(&signature);
        Self { draft, identity, bytes }
    }

    /// Parses and verifies the binary form.
    ///
    /// # Errors
    /// See [`CardError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CardError> {
        let card = Self::from_store(bytes)?;
        Identity::from_bytes(*card.identity.as_bytes())?;
        let (content, signature) = bytes.split_last_chunk::<64>().ok_or(CardError::CutShort)?;
        if !card.identity.verify(DOMAIN, &[content], signature) {
            return Err(CardError::Signature);
        }
        if !card.draft.target.is_valid() {
            return Err(DecodeError::Invalid { what: "target key" }.into());
        }
        Ok(card)
    }

    /// Parses a card that was verified before it was stored.
    pub(crate) fn from_store(bytes: &[u8]) -> Result<Self, CardError> {
        if bytes.len() > MAX_CARD_BYTES {
            return Err(DecodeError::TooLong { what: "card", max: MAX_CARD_BYTES }.into());
        }
        if let Some(&version) = bytes.first().filter(|&&version| version != VERSION) {
            return Err(CardError::Version(version));
        }
        let (content, _) = bytes.split_last_chunk::<64>().ok_or(CardError::CutShort)?;
        let (draft, identity) = CardDraft::decode(content)?;
        Ok(Self { draft, identity, bytes: bytes.to_vec() })
    }

    /// The binary form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whose card it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Later cards of one identity have higher numbers.
    pub fn sequence(&self) -> u64 {
        self.draft.sequence
    }

    /// The name the owner goes by; the user's own name for a contact comes first.
    pub fn name(&self) -> Option<&str> {
        self.draft.name.as_deref()
    }

    /// Where mail to the owner is sealed to.
    pub fn target(&self) -> &SealingTarget {
        &self.draft.target
    }

    /// When the card was made.
    pub fn issued(&self) -> Timestamp {
        self.draft.issued
    }

    /// When the card stops being usable.
    pub fn expires(&self) -> Timestamp {
        self.draft.expires
    }

    /// Whether the card is past its time. Where either side's clock was never set, the calendar
    /// says nothing, and the card is taken.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now.is_plausible() && self.draft.issued.is_plausible() && self.draft.expires <= now
    }

    /// The key whose word counts more than the identity's own: see [`crate::Node::create_words`].
    /// Bytes that are no key name none.
    pub fn recovery(&self) -> Option<Identity> {
        self.draft.recovery.and_then(|key| Identity::from_bytes(key).ok())
    }

    /// The relays that hold the owner's mail, as `host:port`.
    pub fn relays(&self) -> &[String] {
        &self.draft.relays
    }
}

impl FromStr for Card {
    type Err = CardError;

    fn from_str(text: &str) -> Result<Self, CardError> {
        let text = text.trim();
        let is_link = text.get(..SCHEME.len()).is_some_and(|s| s.eq_ignore_ascii_case(SCHEME));
        let code = if is_link { &text[SCHEME.len()..] } else { return Err(CardError::NotACard) };
        if code.len() > MAX_CARD_BYTES * 4 / 3 + 3 {
            return Err(DecodeError::TooLong { what: "card", max: MAX_CARD_BYTES }.into());
        }
        let bytes = BASE64URL_NOPAD.decode(code.as_bytes()).map_err(|error| match error.kind {
            data_encoding::DecodeKind::Length | data_encoding::DecodeKind::Trailing => {
                CardError::CutShort
            }
            _ => CardError::Character { position: SCHEME.len() + error.position },
        })?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", BASE64URL_NOPAD.encode(&self.bytes))
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Card(#{}, {:?})", self.draft.sequence, self.draft.target)
    }
}

impl CardDraft {
    fn encode(&self, identity: &Identity) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.put_varint(self.sequence);
        out.put(identity.as_bytes());
        out.put_u32(self.issued.minutes());
        out.put_u32(self.expires.minutes());
        self.target.encode(&mut out);
        let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
        out.put_u8(
            flag(self.name.is_some(), HAS_NAME)
                | flag(self.presence.is_some(), HAS_PRESENCE)
                | flag(self.recovery.is_some(), HAS_RECOVERY),
        );
        if let Some(name) = &self.name {
            out.put_bytes(name.as_bytes());
        }
        for key in [&self.presence, &self.recovery].into_iter().flatten() {
            out.put(key);
        }
        out.put_varint(self.relays.len() as u64);
        for relay in &self.relays {
            out.put_bytes(relay.as_bytes());
        }
        out
    }

    fn decode(content: &[u8]) -> Result<(Self, Identity), DecodeError> {
        let mut reader = Reader::new(content);
        reader.u8("version")?;
        let sequence = reader.varint("sequence")?;
        let identity = Identity::from_store(reader.array("identity key")?);
        let issued = Timestamp(u64::from(reader.u32("issue time")?) * 60_000);
        let expires = Timestamp(u64::from(reader.u32("expiry")?) * 60_000);
        let target = SealingTarget::decode(&mut reader)?;
        let flags = reader.u8("flags")?;
        if flags & !(HAS_NAME | HAS_PRESENCE | HAS_RECOVERY) != 0 {
            return Err(DecodeError::Invalid { what: "flags" });
        }
        let name = match flags & HAS_NAME {
            0 => None,
            _ => Some(text(&mut reader, MAX_NAME_BYTES, "name")?),
        };
        let mut key = |flag, what| (flags & flag != 0).then(|| reader.array(what)).transpose();
        let presence = key(HAS_PRESENCE, "presence key")?;
        let recovery = key(HAS_RECOVERY, "recovery key")?;
        let relays = (0..reader.bounded(MAX_RELAYS, "relay count")?)
            .map(|_| text(&mut reader, MAX_RELAY_BYTES, "relay"))
            .collect::<Result<_, _>>()?;
        reader.finish("card")?;
        let lifetime_ms = expires.since(issued);
        if lifetime_ms == 0 || lifetime_ms > CARD_LIFE_DAYS * DAY_MS || target.end < expires {
            return Err(DecodeError::Invalid { what: "expiry" });
        }
        let draft = Self { sequence, issued, expires, name, target, presence, recovery, relays };
        Ok((draft, identity))
    }
}

/// Text from outside: bounded, UTF-8, and free of control characters that could disturb a display.
fn text(reader: &mut Reader<'_>, max: usize, what: &'static str) -> Result<String, DecodeError> {
    let bytes = reader.bytes(max, what)?;
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err(DecodeError::Invalid { what }),
    }
}
