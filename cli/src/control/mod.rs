//! How commands reach a profile's node: over a local socket where one runs, else by opening its
//! store themselves. Either way the same [`Request`] goes through the same [`execute`].
//!
//! Requests and replies are lines of JSON. The socket lies in the profile's directory, which nobody
//! else can enter, is the owner's alone, and answers no other user.

mod client;
mod execute;
mod files;
mod host;
mod message;

pub(crate) use client::{Client, Watch, is_running, misunderstood};
use execute::execute;
pub(crate) use host::Host;
pub(crate) use message::{
    AttachmentView, BluetoothView, BulletinView, CardView, CarriedView, Change, ContactView,
    Folder, MessageView, NeighbourView, PublisherChange, Reply, Request, Secret, StatusView,
};
