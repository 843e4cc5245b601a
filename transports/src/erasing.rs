//! Randomness whose past memory does not tell.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use std::convert::Infallible;
use zeroize::Zeroizing;

/// ChaCha20 with fast key erasure (D. J. Bernstein, 2017): each output comes with the next key, and
/// the one before is overwritten. Else whoever reads the memory of a running node could compute every
/// key that it has ever made, the destroyed ones, too.
pub(crate) struct ErasingRng(ChaCha20Rng);

impl ErasingRng {
    pub(crate) fn new(rng: ChaCha20Rng) -> Self {
        Self(rng)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill_bytes(&mut bytes);
        bytes
    }
}

impl TryRng for ErasingRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.array()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(bytes);
        let mut next = Zeroizing::new([0; 32]);
        self.0.fill_bytes(&mut *next);
        self.0 = ChaCha20Rng::from_seed(*next);
        Ok(())
    }
}

impl TryCryptoRng for ErasingRng {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_out_cannot_be_computed_again() {
        let mut rng = ErasingRng::new(ChaCha20Rng::seed_from_u64(1));
        let given: [u8; 64] = rng.array();
        let mut state = rng.0.clone();
        state.set_word_pos(0);
        let mut again = [0; 4096];
        state.fill_bytes(&mut again);
        assert!(again.windows(8).all(|part| given.chunks(8).all(|eight| eight != part)));
        // Without the erasure the same search finds it.
        let mut plain = ChaCha20Rng::seed_from_u64(1);
        let mut first = [0; 64];
        plain.fill_bytes(&mut first);
        assert_eq!(first, given);
        assert_ne!(rng.array::<64>(), given);
    }
}
