//! What Footpost's tests stand on: networks of real nodes on a virtual clock, over the public API
//! alone. Everything follows from one seed.

mod net;
mod skewed;

pub use net::{Faults, FrameSeen, Net, START, simulated};
pub use skewed::{Skewed, journey_of_skewed, open_node};
