//! One UDP socket that dials and accepts.

use super::{
    admission::{Admission, Permit, Verdict},
    group::{Group, Groups},
    link::QuicLink,
    tls,
};
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, Incoming, TokioRuntime, TransportConfig, VarInt,
};
use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::timeout};
use tracing::{debug, trace};

/// Silence after which a link is given up: most address translators have forgotten it by then.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take from its first packet to its first frame.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a closing endpoint waits for its neighbours to hear of it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A QUIC endpoint. Clones are the same endpoint.
#[derive(Debug, Clone)]
pub(crate) struct QuicEndpoint {
    pub(super) endpoint: Endpoint,
    client: ClientConfig,
    transport: Arc<TransportConfig>,
    admission: Admission,
    groups: Groups,
}

impl QuicEndpoint {
    /// Binds to `addr`; port 0 lets the system choose one. To be called within a tokio runtime.
    pub(crate) fn bind(addr: SocketAddr) -> io::Result<Self> {
        Self::with_idle_timeout(addr, IDLE_TIMEOUT)
    }

    pub(super) fn with_idle_timeout(addr: SocketAddr, idle: Duration) -> io::Result<Self> {
        let transport = tls::transport_config(idle)?;
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(tls::server_config(Arc::clone(&transport))?),
            UdpSocket::bind(addr)?,
            Arc::new(TokioRuntime),
        )?;
        let client = tls::client_config(Arc::clone(&transport))?;
        let (admission, groups) = (Admission::default(), Groups::default());
        Ok(Self { endpoint, client, transport, admission, groups })
    }

    /// The address this endpoint is bound to.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Makes a link to the neighbour that listens on `addr`.
    pub(super) async fn dial(&self, addr: SocketAddr) -> io::Result<QuicLink> {
        // An address as a server name is never sent (RFC 6066, section 3), nor is it checked.
        let name = addr.ip().to_string();
        let connecting = self
            .endpoint
            .connect_with(self.client.clone(), addr, &name)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let dialled = async { QuicLink::dialled(connecting.await?, &self.groups).await };
        timeout(HANDSHAKE_TIMEOUT, dialled).await?
    }

    /// Hands on the links that neighbours dial, until the endpoint is closed or nobody takes them.
    pub(crate) async fn accept(&self, links: mpsc::Sender<QuicLink>) {
        while let Some(incoming) = self.endpoint.accept().await {
            let ip = incoming.remote_address().ip();
            let validated = incoming.remote_address_validated();
            match self.admission.judge(Instant::now(), ip, validated) {
                Verdict::Accept(permit) => {
                    let groups = self.groups.clone();
                    tokio::spawn(greet(incoming, permit, groups, links.clone()));
                }
                // Only a validated address cannot be asked again, and that is not asked.
                Verdict::Validate => drop(incoming.retry()),
                Verdict::Refuse => incoming.refuse(),
                Verdict::Ignore => incoming.ignore(),
            }
            if links.is_closed() {
                return;
            }
        }
    }

    /// Takes a new certificate, so that a neighbour from before the epoch's end cannot be told by
    /// the old one. Links that are up keep theirs.
    pub(crate) fn rotate(&self) -> io::Result<()> {
        let server = tls::server_config(Arc::clone(&self.transport))?;
        self.endpoint.set_server_config(Some(server));
        Ok(())
    }

    /// Links in this Wi-Fi Direct group count as such from now on.
    pub(crate) fn enter(&self, group: Group) {
        self.groups.enter(group);
    }

    /// Closes the links in the group: it is gone.
    pub(crate) fn leave(&self) {
        self.groups.leave();
    }

    /// Closes all links and stops accepting.
    pub(crate) async fn close(&self) {
        self.endpoint.close(VarInt::from_u32(0), b"");
        let _ = timeout(CLOSE_TIMEOUT, self.endpoint.wait_idle()).await;
    }
}

async fn greet(incoming: Incoming, permit: Permit, groups: Groups, links: mpsc::Sender<QuicLink>) {
    let handshake = async { QuicLink::accepted(incoming.accept()?.await?, permit, &groups).await };
    match timeout(HANDSHAKE_TIMEOUT, handshake).await.map_err(io::Error::from).flatten() {
        Ok(link) => {
            if links.send(link).await.is_err() {
                debug!("a link came up too late");
            }
        }
        Err(error) => trace!(%error, "a neighbour did not complete its handshake"),
    }
}
