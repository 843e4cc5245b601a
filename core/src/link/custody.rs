//! Custody on one link: what a neighbour was handed, what it is asked for, what it answers.

use crate::codec::{DecodeError, Reader, Writer};
use crate::envelope::{BodyKey, FragmentAck, MAX_FRAGMENTS};
use crate::link::Role;
use crate::link::bodies::Piece;
use crate::store::MAX_HANDED;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, VecDeque};

/// The most envelopes in one challenge: their answers fit the smallest frame.
pub(crate) const MAX_ASKED: usize = 7;
/// Challenges that are answered on one link. Each may cost the answering side seven envelopes' hashes.
pub(crate) const MAX_CHALLENGES: u8 = 4;
/// So much of a hash is too much to guess, and a link is over long before a collision is found.
const PROOF_BYTES: usize = 16;
const PROOF_DOMAIN: &[u8] = b"footpost/1 custody";

const GONE: u8 = 0;
const PROOF: u8 = 1;
const ENDED: u8 = 2;
const ARRIVED: u8 = 3;

/// Asks for envelopes that the neighbour was handed: letters by the head of their id, fragments by
/// body and number, so that a carrier that knows the end of the body can say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) nonce: [u8; 16],
    pub(crate) letters: Vec<u64>,
    pub(crate) pieces: Vec<Piece>,
}

/// What became of one envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is not on board, and no acknowledgement of it is known.
    Gone,
    /// What [`proof`] gives.
    Proof([u8; PROOF_BYTES]),
    /// A letter, or the whole body, has arrived: `r` or `s`.
    Ended([u8; 32]),
    /// A fragment has arrived.
    Arrived(FragmentAck),
}

/// One side's part in asking.
#[derive(Default)]
pub(crate) struct Custody {
    /// Heads of what the neighbour has taken on this link and is to be asked for another time.
    pub(crate) handed: VecDeque<u64>,
    pub(crate) asked: Option<Asked>,
    /// Whether the neighbour is to be asked before it is handed anything: as a stranger, and once more
    /// when it turns out to be a contact.
    pub(crate) is_due: bool,
    /// Challenges answered.
    pub(crate) answered: u8,
    /// Whether the neighbour deletes what this side has taken.
    pub(crate) takes_over: bool,
}

impl Custody {
    /// Of more than are remembered from link to link, the latest stay.
    pub(crate) fn note_handed(&mut self, head: u64) {
        if self.handed.len() == MAX_HANDED {
            self.handed.pop_front();
        }
        self.handed.push_back(head);
    }
}

/// An open challenge.
pub(crate) struct Asked {
    pub(crate) questions: Vec<Question>,
    /// What was under way before: an honest neighbour may say «taken» to this before it answers.
    pub(crate) in_flight: BTreeSet<u64>,
}

/// One envelope that was asked for, in the order of the challenge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) head: u64,
    pub(crate) piece: Option<Piece>,
    /// The only true proof.
    pub(crate) proof: [u8; PROOF_BYTES],
    /// Whether the neighbour has proven to have it before.
    pub(crate) again: bool,
}

/// What only who has the envelope can tell, on this link and in this role: a proof that was overheard,
/// or asked of somebody else, or of the very neighbour that asks, is of no use.
pub(crate) fn proof(
    handshake_hash: &[u8; 32],
    holder: Role,
    nonce: &[u8; 16],
    envelope: &[u8],
) -> [u8; PROOF_BYTES] {
    let hash = Sha256::new()
        .chain_update(PROOF_DOMAIN)
        .chain_update(handshake_hash)
        .chain_update([holder as u8])
        .chain_update(nonce)
        .chain_update(envelope)
        .finalize();
    let mut proof = [0; PROOF_BYTES];
    proof.copy_from_slice(&hash[..PROOF_BYTES]);
    proof
}

impl Challenge {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        debug_assert!((1..=MAX_ASKED).contains(&(self.letters.len() + self.pieces.len())));
        out.put(&self.nonce);
        out.put_varint(self.letters.len() as u64);
        for head in &self.letters {
            out.put_u64(*head);
        }
        out.put_varint(self.pieces.len() as u64);
        for (body, number) in &self.pieces {
            out.put(&body.0);
            out.put_varint((*number).into());
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "challenged envelopes";
        let nonce = reader.array("nonce")?;
        let mut letters = Vec::with_capacity(MAX_ASKED);
        for _ in 0..reader.bounded(MAX_ASKED, what)? {
            letters.push(u64::from_be_bytes(reader.array(what)?));
        }
        let mut pieces = Vec::with_capacity(MAX_ASKED);
        for _ in 0..reader.bounded(MAX_ASKED - letters.len(), what)? {
            let body = BodyKey(reader.array(what)?);
            pieces.push((body, reader.bounded(MAX_FRAGMENTS as usize, what)? as u32));
        }
        if letters.is_empty() && pieces.is_empty() {
            return Err(DecodeError::Invalid { what });
        }
        Ok(Self { nonce, letters, pieces })
    }
}

pub(super) fn encode_answers(answers: &[Answer], out: &mut Vec<u8>) {
    debug_assert!(answers.len() <= MAX_ASKED);
    out.put_varint(answers.len() as u64);
    for answer in answers {
        match answer {
            Answer::Gone => out.put_u8(GONE),
            Answer::Proof(proof) => {
                out.put_u8(PROOF);
                out.put(proof);
            }
            Answer::Ended(secret) => {
                out.put_u8(ENDED);
                out.put(secret);
            }
            Answer::Arrived(ack) => {
                out.put_u8(ARRIVED);
                out.put(&ack.0);
            }
        }
    }
}

pub(super) fn decode_answers(reader: &mut Reader<'_>) -> Result<Vec<Answer>, DecodeError> {
    let what = "custody answers";
    let mut answers = Vec::with_capacity(MAX_ASKED);
    for _ in 0..reader.bounded(MAX_ASKED, what)? {
        answers.push(match reader.u8(what)? {
            GONE => Answer::Gone,
            PROOF => Answer::Proof(reader.array(what)?),
            ENDED => Answer::Ended(reader.array(what)?),
            ARRIVED => Answer::Arrived(FragmentAck(reader.array(what)?)),
            _ => return Err(DecodeError::Invalid { what }),
        });
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::MIN_FRAME_BYTES;

    #[test]
    fn the_longest_challenge_and_answer_fit_the_smallest_frame() {
        let room = MIN_FRAME_BYTES - 16 - 1;
        let piece = (BodyKey([1; 24]), MAX_FRAGMENTS);
        let challenge =
            Challenge { nonce: [2; 16], letters: Vec::new(), pieces: vec![piece; MAX_ASKED] };
        let mut bytes = Vec::new();
        challenge.encode(&mut bytes);
        assert!(bytes.len() <= room, "{}", bytes.len());
        let mut bytes = Vec::new();
        encode_answers(&[Answer::Ended([3; 32]); MAX_ASKED], &mut bytes);
        assert!(bytes.len() <= room, "{}", bytes.len());
    }

    #[test]
    fn a_proof_is_of_one_link_side_question_and_envelope() {
        let proofs = [
            proof(&[1; 32], Role::Initiator, &[2; 16], b"mail"),
            proof(&[1; 32], Role::Responder, &[2; 16], b"mail"),
            proof(&[0; 32], Role::Initiator, &[2; 16], b"mail"),
            proof(&[1; 32], Role::Initiator, &[0; 16], b"mail"),
            proof(&[1; 32], Role::Initiator, &[2; 16], b"nail"),
        ];
        assert_eq!(proofs.iter().collect::<BTreeSet<_>>().len(), proofs.len());
    }
}
