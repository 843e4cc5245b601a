//! Who invents acknowledgements.

use super::frames::{self, HELLO, HoldingFrame};
use super::{Liar, Lie};
use footpost_core::{Ack, AckProof, Envelope};

/// So many fragments of each body are acknowledged.
const FRAGMENTS: u32 = 64;
/// A forged proof ends the link: one in so many meetings shows some.
const MEETINGS_PER_PROOF: usize = 4;
/// So many acknowledgements that came by are kept, for other envelopes.
const KNOWN: usize = 64;
const STUB_BYTES: usize = 80;

impl Liar {
    pub(super) fn invent(&mut self, frame: Vec<u8>) -> Vec<(Vec<u8>, Option<Lie>)> {
        let mut invented = Vec::new();
        if frame.first() == Some(&HELLO) {
            let held = self.invented_acks();
            invented.push(frames::acks(&held, &[]));
            if self.below(MEETINGS_PER_PROOF) == 0 {
                invented.extend(self.invented_proof());
            }
        } else if let Some(holding) = HoldingFrame::parse(&frame) {
            let acks: Vec<_> = (0..FRAGMENTS).map(|number| (number, self.random())).collect();
            invented.push(frames::fragment_acks(holding.body(), &acks));
        } else if let Some(held) = frames::held_acks(&frame) {
            self.known.extend(held.iter().take(KNOWN));
            self.known.drain(..self.known.len().saturating_sub(KNOWN));
        }
        let invented = invented.into_iter().map(|frame| (frame, Some(Lie::Ack)));
        std::iter::once((frame, None)).chain(invented).collect()
    }

    /// For each envelope that came by: chance, what it commits to, and what is true of another.
    fn invented_acks(&mut self) -> Vec<[u8; 32]> {
        let loot = self.loot.iter().filter_map(|envelope| Envelope::parse(envelope).ok());
        let mut acks: Vec<[u8; 32]> = loot.map(|envelope| envelope.commitment().0).collect();
        for _ in 0..acks.len() {
            acks.push(self.random());
        }
        acks
    }

    /// The proof, or the end, of some envelope that came by, with the secret of another or of none.
    fn invented_proof(&mut self) -> Option<Vec<u8>> {
        let loot = self.any_loot()?;
        let envelope = Envelope::parse(&loot).ok()?;
        let place = self.below(self.known.len() + 1);
        let of_another =
            self.known.get(place).filter(|r| Ack(**r).commitment() != envelope.commitment());
        let mut r = of_another.copied().unwrap_or_else(|| self.random());
        let AckProof(proof) = AckProof::new(&envelope, &Ack(r));
        if self.below(2) == 0 {
            return Some(frames::acks(&[], &[proof]));
        }
        // What is true of a body is true whatever stands beside it.
        r[0] ^= 1;
        let (stub, signature) = (proof.get(..STUB_BYTES)?, proof.get(STUB_BYTES + 32..)?);
        Some(frames::release([&r, envelope.commitment().0.get(16..)?, stub, signature]))
    }
}
