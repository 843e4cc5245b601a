//! Kills the engine and cuts its power at random moments, and checks every promise it made.
//!
//! A worker process ([`worker`]) runs a node on a file store amid simulated neighbours
//! ([`World`]), and writes a line on standard output for each promise the node has made to the
//! outside: a message accepted for sending, one shown, one acknowledged. What happens to it then:
//!
//! - [`kill`]: it is killed at a random moment, and begun again on what it left behind;
//! - [`power`]: a preloaded library ([`Recorder`]) has written down all that it did to its files,
//!   and a model of a hostile disk ([`Disk`]) leaves of what was not synced whatever it likes.
//!
//! Either way [`verify`] opens what is left and holds the node to its word.

mod disk;
pub mod kill;
pub mod power;
mod promise;
mod recorder;
mod verify;
pub mod worker;
mod world;

pub use disk::{Disk, Image, Op, read_journal};
pub use promise::{Ledger, Line, Promise};
pub use recorder::{Recorder, scratch};
pub use verify::{Loss, verify};
pub use world::{Outside, START, Who, World, simulated, store_path};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// A generator for one purpose: the same for the same seed and purpose.
pub fn rng(seed: u64, purpose: u64) -> ChaCha20Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose.to_le_bytes());
    ChaCha20Rng::from_seed(key)
}

/// A number below `bound`, which is not zero.
pub fn below(rng: &mut ChaCha20Rng, bound: u64) -> u64 {
    rng.next_u64() % bound
}
