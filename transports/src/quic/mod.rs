//! Links over QUIC: one connection a neighbour, one bidirectional stream in it, and on the stream
//! frames with a 16-bit big-endian length in front.
//!
//! QUIC brings reliability, congestion control, loss recovery and migration between networks; its
//! TLS hides the traffic from onlookers and proves nothing about anybody (see `tls`). Whom one
//! speaks to is settled by the Noise session inside the link.

mod address;
mod admission;
mod dialler;
mod endpoint;
mod group;
mod link;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use address::is_local;
pub(crate) use dialler::{Dialler, Wanted};
pub(crate) use endpoint::QuicEndpoint;
pub(crate) use group::Group;
pub(crate) use link::QuicLink;
