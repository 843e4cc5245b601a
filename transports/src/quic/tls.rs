//! TLS for QUIC: it hides the traffic, and vouches for nobody.
//!
//! - Certificates are random and self-signed, and whatever is presented is accepted. The Noise
//!   session inside the link settles whom one speaks to; a man in the middle of the TLS session
//!   carries Noise messages that he can neither read nor alter. The handshake signature is
//!   verified all the same: TLS is then sound against onlookers, as its proofs assume.
//! - The protocol name (ALPN) is that of HTTP/3, and no server name is sent: the first packets are
//!   readable by every onlooker, and a name of its own would be a censor's handle on Footpost. He
//!   who connects learns at once that no web server answers here; this hides from lists, not from
//!   probes.
//! - Nothing outlives a connection: no session tickets, no resumption, no address tokens, each of
//!   which would let the other side know a neighbour again after its keys have rotated.

use quinn::{
    ClientConfig, IdleTimeout, NoneTokenStore, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};
use std::{io, sync::Arc, time::Duration};

const ALPN: &[u8] = b"h3";
/// What one connection may have in flight or unread, each way: 4 MiB/s at 125 ms.
const WINDOW_BYTES: u32 = 512 * 1024;
/// Attempts that wait for admission, and the bytes that they may have sent ahead.
const MAX_WAITING: usize = 64;
const MAX_WAITING_BYTES: u64 = 64 * 1024;

/// What both sides of a connection agree on. A link is given up after `idle_timeout` of silence;
/// keep-alives at a third of that hold it, and the bindings of most address translators, open.
pub(super) fn transport_config(idle_timeout: Duration) -> io::Result<Arc<TransportConfig>> {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(IdleTimeout::try_from(idle_timeout).map_err(io::Error::other)?))
        .keep_alive_interval(Some(idle_timeout / 3))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(u64::from(WINDOW_BYTES));
    Ok(Arc::new(config))
}

/// The listening side, with a certificate made for this call.
pub(super) fn server_config(transport: Arc<TransportConfig>) -> io::Result<ServerConfig> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;

    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .map_err(io::Error::other)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.send_tls13_tickets = 0;

    let tls = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config
        .transport_config(transport)
        .max_incoming(MAX_WAITING)
        .incoming_buffer_size(MAX_WAITING_BYTES)
        .incoming_buffer_size_total(MAX_WAITING_BYTES * 4);
    Ok(config)
}

/// The dialling side.
pub(super) fn client_config(transport: Arc<TransportConfig>) -> io::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.enable_sni = false;
    tls.resumption = Resumption::disabled();

    let tls = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport).token_store(Arc::new(NoneTokenStore));
    Ok(config)
}

/// Accepts any certificate, and checks that the other side holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
