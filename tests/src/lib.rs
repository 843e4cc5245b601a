//! What Footpost's tests stand on: networks of real nodes on a virtual clock, over the public API
//! alone. Everything follows from one seed.

mod net;

pub use net::{Faults, Net, START};
