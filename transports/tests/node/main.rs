//! A running node, through the public API: one behaviour a module.

#![allow(clippy::unwrap_used, reason = "what the tests share is test code too")]

mod backpressure;
mod bluetooth;
mod common;
mod delivery;
mod ending;
mod sparing;
mod streams;
mod vanishing;
mod wifi_direct;
