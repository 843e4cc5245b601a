//! How a node is run.

use crate::errors::OpenError;
use footpost_core::Work;
use std::{net::SocketAddr, path::PathBuf};

/// How to run a node. All but the directory has a value that suits a phone.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Config {
    /// Where everything is kept that must outlast the process: a directory of this node's own, made
    /// if it is missing. Back it up by no other way than `back_up`.
    pub directory: String,
    /// Where to listen for QUIC, over UDP, as `address:port`. None leaves both to the system.
    #[uniffi(default = None)]
    pub listen: Option<String>,
    /// Neighbours to keep connected, as `address:port`.
    #[uniffi(default = [])]
    pub peers: Vec<String>,
    /// Whether to find neighbours on the local network, and be found.
    #[uniffi(default = true)]
    pub lan: bool,
    /// Whether writers learn that their messages were read: see `mark_seen`.
    #[uniffi(default = false)]
    pub read_receipts: bool,
    /// How long one's own messages live, in seconds: 7 days unless set.
    #[uniffi(default = None)]
    pub lifetime_s: Option<u32>,
    /// The space for other people's mail, in bytes: 64 MiB unless set.
    #[uniffi(default = None)]
    pub max_carried_bytes: Option<u64>,
    /// The number of other people's envelopes: 50,000 unless set.
    #[uniffi(default = None)]
    pub max_carried_envelopes: Option<u64>,
    /// The longest file that is taken from a contact, in bytes: 128 MiB unless set.
    #[uniffi(default = None)]
    pub max_attachment_bytes: Option<u64>,
    /// Acknowledgements that strangers would see leave after a random delay of up to this many
    /// milliseconds: 2 minutes unless set. It hides who the recipient was.
    #[uniffi(default = None)]
    pub ack_delay_max_ms: Option<u64>,
    /// Ask and pay no work for postmarks: for tests, among nodes that all do.
    #[uniffi(default = false)]
    pub simulated: bool,
}

impl Config {
    pub(crate) fn directory(&self) -> Result<PathBuf, OpenError> {
        match self.directory.as_str() {
            // Not whatever directory the process happens to be in.
            "" => Err(OpenError::Directory { details: "it has no name".into() }),
            name => Ok(name.into()),
        }
    }

    pub(crate) fn listen(&self) -> Result<Option<SocketAddr>, OpenError> {
        self.listen.as_deref().map(address).transpose()
    }

    pub(crate) fn peers(&self) -> Result<Vec<SocketAddr>, OpenError> {
        self.peers.iter().map(|peer| address(peer)).collect()
    }

    pub(crate) fn node(&self) -> Result<footpost_core::Config, OpenError> {
        let mut node = footpost_core::Config::default();
        let invalid =
            |error: footpost_core::ConfigError| OpenError::Config { details: error.to_string() };
        node.read_receipts(self.read_receipts);
        if let Some(seconds) = self.lifetime_s {
            node.lifetime_s(seconds).map_err(invalid)?;
        }
        if let Some(bytes) = self.max_carried_bytes {
            node.max_carried_bytes(bytes);
        }
        if let Some(count) = self.max_carried_envelopes {
            node.max_carried_envelopes(count);
        }
        if let Some(bytes) = self.max_attachment_bytes {
            node.max_attachment_bytes(bytes);
        }
        if let Some(ms) = self.ack_delay_max_ms {
            node.ack_delay_max_ms(ms);
        }
        if self.simulated {
            node.work(Work::None);
        }
        Ok(node)
    }
}

fn address(text: &str) -> Result<SocketAddr, OpenError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(100).collect();
        OpenError::Config { details: format!("“{shown}” is no address: write 192.0.2.1:7000") }
    })
}
