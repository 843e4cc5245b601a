//! The work behind a postmark: what a sender pays once, and every carrier checks once.
//!
//! Two puzzles, one inside the other. A nonce must first pass the **gate**, a hash with leading
//! zero bits (Back, Hashcash, 2002); only then is it worth one evaluation of Argon2id (RFC 9106),
//! whose output must have leading zero bits too. Who sends a bogus proof has either failed at the
//! gate, which costs a carrier one hash, or has paid for passing it about what it costs the
//! carrier to find out.

use super::Postmark;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

const DOMAIN: &[u8] = b"footpost/1 postmark work";

/// What a network asks for a postmark. All its nodes must agree: a node closes the links that bring
/// postmarks which paid less than it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// What version 1 of the protocol asks.
    #[default]
    Standard,
    /// Nothing: for simulations, whose virtual days would take real hours of work. Quotas stay.
    None,
}

/// How hard the two puzzles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Difficulty {
    pub(crate) gate_bits: u32,
    /// At least 8.
    pub(crate) memory_kib: u32,
    pub(crate) work_bits: u32,
}

impl Difficulty {
    const STANDARD: Self = Self { gate_bits: 17, memory_kib: 8192, work_bits: 7 };
    const NONE: Self = Self { gate_bits: 0, memory_kib: 0, work_bits: 0 };

    pub(crate) fn of(work: Work) -> Self {
        match work {
            Work::Standard => Self::STANDARD,
            Work::None => Self::NONE,
        }
    }

    pub(crate) fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// Names a paid postmark: the hash of key, day and nonce. Its leading bits are the gate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkProof(pub(crate) [u8; 32]);

impl WorkProof {
    /// What `nonce` proves for the postmark `key` on the UTC day `day`.
    pub fn new(key: &[u8; 32], day: u32, nonce: [u8; 8]) -> Self {
        Self::at(&stake(key, day), nonce)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn at(stake: &[u8; 32], nonce: [u8; 8]) -> Self {
        Self(Sha256::new().chain_update(stake).chain_update(nonce).finalize().into())
    }
}

impl fmt::Debug for WorkProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkProof(…)")
    }
}

/// Hashed apart from the nonce, so that minting hashes one block a try.
fn stake(key: &[u8; 32], day: u32) -> [u8; 32] {
    let day = day.to_be_bytes();
    Sha256::new().chain_update(DOMAIN).chain_update(key).chain_update(day).finalize().into()
}

/// Evaluates work. It owns the memory that Argon2id needs, taken at the first evaluation.
pub struct Workbench {
    difficulty: Difficulty,
    memory: Vec<Block>,
}

impl Workbench {
    /// For a network that asks this `work`.
    pub fn new(work: Work) -> Self {
        Self::with(Difficulty::of(work))
    }

    pub(crate) fn with(difficulty: Difficulty) -> Self {
        Self { difficulty, memory: Vec::new() }
    }

    pub(crate) fn difficulty(&self) -> Difficulty {
        self.difficulty
    }

    /// Whether `proof` passes the gate: the cheap half of a check, and to come first.
    pub fn passes_gate(&self, proof: &WorkProof) -> bool {
        leading_zeros(&proof.0) >= self.difficulty.gate_bits
    }

    /// Whether `proof`, which has passed the gate, is paid in full: the dear half, milliseconds.
    pub fn is_paid(&mut self, proof: &WorkProof) -> bool {
        if self.difficulty.work_bits == 0 {
            return true;
        }
        self.evaluate(proof).is_some_and(|hash| leading_zeros(&hash) >= self.difficulty.work_bits)
    }

    /// `None` never comes: the parameters are fixed, and within Argon2's limits.
    fn evaluate(&mut self, proof: &WorkProof) -> Option<[u8; 32]> {
        let params = Params::new(self.difficulty.memory_kib, 1, 1, Some(32)).ok()?;
        self.memory.resize(params.block_count(), Block::new());
        let mut hash = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(&proof.0, DOMAIN, &mut hash, &mut self.memory)
            .ok()?;
        Some(hash)
    }
}

impl fmt::Debug for Workbench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workbench({:?})", self.difficulty)
    }
}

/// A postmark in the making: a search that runs in slices, on whatever thread has time, and can be
/// put aside at any point. See [`crate::Node::next_minting`].
pub struct Minting {
    pub(crate) postmark: Postmark,
    pub(crate) day: u32,
    pub(crate) next: u64,
    pub(crate) is_done: bool,
    bench: Workbench,
}

impl Minting {
    /// Begins to mint `postmark` for the UTC day `day`.
    pub fn new(work: Work, postmark: Postmark, day: u32) -> Self {
        Self::resume(Difficulty::of(work), postmark, day, 0)
    }

    pub(crate) fn resume(difficulty: Difficulty, postmark: Postmark, day: u32, next: u64) -> Self {
        Self { postmark, day, next, is_done: false, bench: Workbench::with(difficulty) }
    }

    /// Works for up to so many `evaluations` of Argon2id, some milliseconds each together with the
    /// search for what passes the gate. Says whether the postmark is minted.
    pub fn advance(&mut self, evaluations: u32) -> bool {
        let stake = stake(&self.postmark.public_key(), self.day);
        let mut left = evaluations;
        while left > 0 && !self.is_done {
            let nonce = self.next.to_be_bytes();
            self.next += 1;
            let proof = WorkProof::at(&stake, nonce);
            if !self.bench.passes_gate(&proof) {
                continue;
            }
            left -= 1;
            if self.bench.is_paid(&proof) {
                self.postmark.nonce = nonce;
                self.is_done = true;
            }
        }
        self.is_done
    }

    /// Whether the postmark is minted.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The postmark; worth its work once [`Minting::is_done`].
    pub fn postmark(&self) -> &Postmark {
        &self.postmark
    }

    /// How many evaluations are done, and how many it takes on average. No number of them is
    /// certain to be enough: each has the same small chance.
    pub fn progress(&self) -> (u64, u64) {
        let Difficulty { gate_bits, work_bits, .. } = self.bench.difficulty;
        (self.next >> gate_bits, 1 << work_bits)
    }
}

impl fmt::Debug for Minting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Minting(day {}, {} tried)", self.day, self.next)
    }
}

fn leading_zeros(hash: &[u8; 32]) -> u32 {
    u64::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes")).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// Real puzzles, solved in no time.
    const EASY: Difficulty = Difficulty { gate_bits: 4, memory_kib: 8, work_bits: 3 };

    fn minted(difficulty: Difficulty, day: u32) -> Postmark {
        let postmark = Postmark::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let mut minting = Minting::resume(difficulty, postmark, day, 0);
        assert!(minting.advance(u32::MAX));
        minting.postmark
    }

    fn is_good(key: &[u8; 32], day: u32, nonce: [u8; 8]) -> bool {
        let (mut bench, proof) = (Workbench::with(EASY), WorkProof::new(key, day, nonce));
        bench.passes_gate(&proof) && bench.is_paid(&proof)
    }

    #[test]
    fn work_is_good_for_its_key_and_day_alone() {
        let postmark = minted(EASY, 20_000);
        let (key, nonce) = (postmark.public_key(), postmark.nonce());
        assert!(is_good(&key, 20_000, nonce));
        let goods = |tries: &mut dyn Iterator<Item = bool>| tries.filter(|good| *good).count();
        // By chance one in 128 holds where none should.
        assert!(goods(&mut (1..100).map(|ahead| is_good(&key, 20_000 + ahead, nonce))) < 8);
        let mut others = (0..64).map(|bit| {
            let nonce = u64::from_be_bytes(nonce) ^ (1 << bit);
            is_good(&key, 20_000, nonce.to_be_bytes())
        });
        assert!(goods(&mut others) < 8);
        let mut keys = (0..32).map(|byte| {
            let mut key = key;
            key[byte] ^= 1;
            is_good(&key, 20_000, nonce)
        });
        assert!(goods(&mut keys) < 8);
    }

    #[test]
    fn slices_find_what_one_run_finds() {
        let whole = minted(EASY, 7);
        let mut sliced = Minting::resume(EASY, whole.clone(), 7, 0);
        while !sliced.advance(1) {
            let Minting { postmark, day, next, .. } = sliced;
            sliced = Minting::resume(EASY, postmark, day, next);
        }
        assert_eq!(sliced.postmark.nonce(), whole.nonce());
    }

    #[derive(Deserialize)]
    struct Vector {
        key: String,
        day: u32,
        nonce: String,
        proof: String,
        passes_gate: bool,
        is_paid: bool,
    }

    #[test]
    fn the_standard_is_what_it_was() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../../tests/vectors/postmarks.json")).unwrap();
        let mut bench = Workbench::new(Work::Standard);
        for vector in vectors {
            let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
            let [key, nonce] = [&vector.key, &vector.nonce].map(|text| hex(text));
            let proof =
                WorkProof::new(&key.try_into().unwrap(), vector.day, nonce.try_into().unwrap());
            assert_eq!(proof.0[..], hex(&vector.proof));
            assert_eq!(bench.passes_gate(&proof), vector.passes_gate);
            if vector.passes_gate {
                assert_eq!(bench.is_paid(&proof), vector.is_paid);
            }
        }
    }
}
