//! Who forges mail.

use super::frames::EnvelopeFrame;
use super::{Liar, Lie};
use crate::fleet;
use ed25519_dalek::{Signer, SigningKey};
use footpost_core::{
    Body, Envelope, IdentityKey, Kind, Letter, MAX_ENVELOPES_PER_POSTMARK, Postmark, Priority,
    Timestamp, seal,
};

const POSTMARK_DOMAIN: &[u8] = b"footpost/1 postmark";
/// Where an envelope's parts are: docs/wire.md, section 3.
const POSTMARK_KEY: usize = 59;
const WORK_NONCE: usize = 91;
const HEADER_BYTES: usize = 99;
const SIGNATURE_BYTES: usize = 64;

impl Liar {
    /// No envelope leaves as it came.
    pub(super) fn forge(&mut self, frame: Vec<u8>, now: Timestamp) -> Vec<(Vec<u8>, Option<Lie>)> {
        let Some(said) = EnvelopeFrame::parse(&frame).filter(EnvelopeFrame::is_whole) else {
            return vec![(frame, None)];
        };
        let is_bulletin = Envelope::parse(said.first).is_ok_and(|it| it.kind() == Kind::Bulletin);
        let (forged, lie) = match self.below(6) {
            _ if is_bulletin => (self.reworded(said.first), Lie::Forgery),
            0 => (Some(self.altered(said.first)), Lie::Forgery),
            1 => (self.swapped(said.first), Lie::Forgery),
            2 | 3 => (self.signed_anew(said.first), Lie::Forgery),
            4 => (self.in_another_s_name(now), Lie::Forgery),
            _ => (self.any_loot(), Lie::Replay),
        };
        let forged = forged.filter(|forged| forged != said.first);
        let (forged, lie) = match forged {
            Some(forged) => (forged, lie),
            None => (self.altered(said.first), Lie::Forgery),
        };
        vec![(EnvelopeFrame::whole(0, 0, &forged).encode(), Some(lie))]
    }

    fn altered(&mut self, envelope: &[u8]) -> Vec<u8> {
        let mut bytes = envelope.to_vec();
        let place = self.below(bytes.len());
        bytes[place] ^= 1 << self.below(8);
        bytes
    }

    /// One's header, another's content.
    fn swapped(&mut self, envelope: &[u8]) -> Option<Vec<u8>> {
        let other = self.any_loot()?;
        Some([envelope.get(..HEADER_BYTES)?, other.get(HEADER_BYTES..)?].concat())
    }

    /// Altered, and paid for: carriers cannot know that nobody will ever open it.
    fn signed_anew(&mut self, envelope: &[u8]) -> Option<Vec<u8>> {
        let content = HEADER_BYTES..envelope.len().checked_sub(SIGNATURE_BYTES)?;
        let mut bytes = envelope.to_vec();
        let place = content.start + self.below(content.len());
        *bytes.get_mut(place)? ^= 1;
        self.sign(bytes)
    }

    /// Other words under the publisher's name.
    fn reworded(&mut self, bulletin: &[u8]) -> Option<Vec<u8>> {
        let last_letter = bulletin.len().checked_sub(2 * SIGNATURE_BYTES + 1)?;
        let mut bytes = bulletin.to_vec();
        *bytes.get_mut(last_letter)? ^= 1;
        self.sign(bytes)
    }

    /// Puts a postmark of one's own on it.
    fn sign(&mut self, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.signed += 1;
        if self.signed.is_multiple_of(MAX_ENVELOPES_PER_POSTMARK) {
            self.secret = self.random();
        }
        let key = SigningKey::from_bytes(&self.secret);
        bytes.get_mut(POSTMARK_KEY..WORK_NONCE)?.copy_from_slice(key.verifying_key().as_bytes());
        bytes.get_mut(WORK_NONCE..HEADER_BYTES)?.fill(0);
        let id = Envelope::parse(&bytes).ok()?.id();
        let signature = key.sign(&[POSTMARK_DOMAIN, &id.0].concat()).to_bytes();
        let place = bytes.len().checked_sub(SIGNATURE_BYTES)?;
        bytes.get_mut(place..)?.copy_from_slice(&signature);
        Some(bytes)
    }

    /// A letter to a reader whose card the forger has, with the card of somebody whom the reader knows.
    fn in_another_s_name(&mut self, now: Timestamp) -> Option<Vec<u8>> {
        let place = self.below(self.names.len());
        let names = self.names.get(place)?.clone();
        let body = Body::Application {
            content_type: fleet::content_type(names.number),
            bytes: self.random::<64>().to_vec(),
        };
        let letter = Letter {
            sender: &IdentityKey::generate(&mut self.rng),
            recipient: &names.reader.identity(),
            target: names.reader.target(),
            uuid: self.random(),
            body: &body,
            card: Some(&names.writer),
            reply: None,
            statements: &[],
            previous: None,
            manifest: None,
            priority: Priority::Normal,
            lifetime_s: self.lifetime_s,
            mailbox: None,
        };
        let postmark = Postmark::generate(&mut self.rng);
        seal(&letter, &postmark, now, &mut self.rng).ok().map(|sealed| sealed.bytes)
    }
}
