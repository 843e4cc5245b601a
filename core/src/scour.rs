//! The stack, after secrets were on it.

use zeroize::Zeroize;

/// Deeper than any key generation or opening goes: the deepest is X-Wing's.
const DEPTH_BYTES: usize = 64 * 1024;

/// Overwrites what calls that have returned left below the caller's frame: libraries move keys, and
/// what is moved stays behind, where no destructor wipes it.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "to be as deep is its purpose")]
pub(crate) fn scour_stack() {
    // By words: each is written by itself, whatever the optimiser thinks of it.
    [0_u64; DEPTH_BYTES / 8].zeroize();
}
