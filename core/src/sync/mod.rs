//! Set reconciliation: what does each side of a link lack?

mod riblt;
mod sketch;
