//! Controllers that meet in the air.

mod air;
mod meeting;
mod rules;
