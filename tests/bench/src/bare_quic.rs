//! Bare QUIC: quinn and one stream, with the settings of Footpost's own transport.

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig, VarInt};
use quinn::{IdleTimeout, TransportConfig};
use rcgen::CertifiedKey;
use rustls::RootCertStore;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

const NAME: &str = "localhost";
const WINDOW_BYTES: u32 = 512 * 1024;
/// Frames handed to the stream at once, and bytes taken from it at once.
const BATCH_FRAMES: usize = 64;
const READ_BYTES: usize = 64 * 1024;

/// Two endpoints on loopback and a connection between them.
pub(crate) struct BareQuic {
    _endpoints: [Endpoint; 2],
    dialled: Connection,
    accepted: Connection,
}

impl BareQuic {
    pub(crate) async fn connect() -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a key can be made");
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("the certificate is good");
        let transport = transport_config();
        let tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider knows TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], signing_key.into())
            .expect("key and certificate fit");
        let tls = QuicServerConfig::try_from(tls).expect("the provider has QUIC's ciphers");
        let mut server = ServerConfig::with_crypto(Arc::new(tls));
        server.transport_config(Arc::clone(&transport));
        let mut client = ClientConfig::with_root_certificates(Arc::new(roots))
            .expect("the provider has QUIC's ciphers");
        client.transport_config(transport);

        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Endpoint::server(server, any_port).expect("loopback is there");
        let mut dialler = Endpoint::client(any_port).expect("loopback is there");
        dialler.set_default_client_config(client);
        let addr = server.local_addr().expect("the socket is bound");
        let dialling = dialler.connect(addr, NAME).expect("the address is good");
        let accepting = async { server.accept().await.expect("the endpoint is open").await };
        let (dialled, accepted) = tokio::join!(dialling, accepting);
        let up = "loopback loses nothing for long";
        Self {
            _endpoints: [dialler, server],
            dialled: dialled.expect(up),
            accepted: accepted.expect(up),
        }
    }

    /// Sends frames with their lengths in front over one stream, until the other side has them all.
    pub(crate) async fn transfer(&self, frames: &[Vec<u8>]) {
        let (send, _) = self.dialled.open_bi().await.expect("the connection is up");
        let sending = send_frames(send, frames);
        let receiving = async {
            let (_, receive) = self.accepted.accept_bi().await.expect("the connection is up");
            receive_frames(receive).await
        };
        let ((), received) = tokio::join!(tokio::task::unconstrained(sending), receiving);
        assert_eq!(received, frames.len(), "a stream loses nothing");
    }

    /// A stream on which whatever is sent comes back in pieces of `len`.
    pub(crate) async fn echo(&self, len: usize) -> (SendStream, RecvStream) {
        let accepted = self.accepted.clone();
        tokio::spawn(async move {
            let (mut send, mut receive) = accepted.accept_bi().await.expect("the connection is up");
            let mut bytes = vec![0; len];
            while receive.read_exact(&mut bytes).await.is_ok()
                && send.write_all(&bytes).await.is_ok()
            {}
        });
        self.dialled.open_bi().await.expect("the connection is up")
    }
}

async fn send_frames(mut stream: SendStream, frames: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for batch in frames.chunks(BATCH_FRAMES) {
        bytes.clear();
        for frame in batch {
            let len = u16::try_from(frame.len()).expect("frames are shorter than 64 KiB");
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(frame);
        }
        stream.write_all(&bytes).await.expect("the connection is up");
    }
    stream.finish().expect("the stream is open");
}

async fn receive_frames(stream: RecvStream) -> usize {
    let mut stream = BufReader::with_capacity(READ_BYTES, stream);
    let mut count = 0;
    while !stream.fill_buf().await.expect("the connection is up").is_empty() {
        let len = stream.read_u16().await.expect("the connection is up");
        let mut frame = vec![0; usize::from(len)];
        stream.read_exact(&mut frame).await.expect("the connection is up");
        count += 1;
    }
    count
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn transport_config() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let idle = Duration::from_secs(30);
    config
        .max_idle_timeout(IdleTimeout::try_from(idle).ok())
        .keep_alive_interval(Some(idle / 3))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(u64::from(WINDOW_BYTES));
    Arc::new(config)
}
