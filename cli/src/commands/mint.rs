//! The first postmark of a new profile: minted while its owner watches.

use crate::{
    failure::Failure,
    output,
    profile::{self, Profile},
};

/// Evaluations between two looks at the progress bar.
const SLICE: u32 = 8;

/// Mints one postmark, so that the first message need not wait for it.
pub(super) fn mint(profile: &Profile) -> Result<(), Failure> {
    let mut node = profile.open(&profile.store()?, profile::rng()?)?;
    let Some(mut minting) = node.next_minting(profile::now())? else { return Ok(()) };
    let (_, expected) = minting.progress();
    let bar = output::bar("Minting the first postmark: work that keeps floods out", expected);
    while !minting.advance(SLICE) {
        bar.set_position(minting.progress().0.min(expected));
    }
    bar.finish_and_clear();
    node.handle_minting(profile::now(), &minting)?;
    Ok(node.commit()?)
}
