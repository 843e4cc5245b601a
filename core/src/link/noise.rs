//! The Noise session inside every link: `Noise_XX_25519_AESGCM_SHA256` (Noise Protocol Framework,
//! revision 34), with randomness from a seed so that a link replays byte for byte.

mod crypto;

use self::crypto::{Primitives, TAG_BYTES};
use super::{Role, Violation};
use sha2::{Digest, Sha256};
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState, TransportState};
use std::{fmt, mem};
use x25519_dalek::{PublicKey, StaticSecret};

/// The longest payload of one established frame, in bytes: Noise bounds a message to 65,535.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 65_535 - TAG_BYTES;

/// The longest payload of the third handshake message, in bytes: the reconciliation sketch.
pub(crate) const MAX_SKETCH_BYTES: usize = 96;

const PATTERN: &str = "Noise_XX_25519_AESGCM_SHA256";
const PROLOGUE: &[u8] = b"footpost/1 link";
const SYNC_KEY_DOMAIN: &[u8] = b"footpost/1 link sync key";

const KEY_BYTES: usize = 32;

/// One side of a session with a neighbour.
///
/// The first failure is final: every later call repeats its [`Violation`], so nothing is ever
/// sent or believed under a state that a neighbour has disturbed.
pub(crate) struct Noise {
    state: State,
    sync_key: Option<[u8; 32]>,
    handshake_hash: Option<[u8; 32]>,
    neighbour: Option<[u8; 32]>,
}

enum State {
    /// The handshake, and how many of its three messages have passed.
    Handshake(Box<HandshakeState>, u8),
    Established(TransportState),
    Failed(Violation),
}

/// What the next message may measure, in bytes.
struct Limits {
    overhead: usize,
    payload_max: usize,
}

impl Noise {
    /// `seed` must be fresh and secret for every session: the ephemeral key follows from it.
    pub(crate) fn new(role: Role, static_secret: &[u8; 32], seed: [u8; 32]) -> Self {
        let state = match handshake(role, static_secret, seed) {
            Ok(handshake) => State::Handshake(Box::new(handshake), 0),
            Err(_) => State::Failed(Violation::Handshake),
        };
        Self { state, sync_key: None, handshake_hash: None, neighbour: None }
    }

    /// Whether the handshake waits for this side's [`Noise::write`].
    #[cfg(test)]
    pub(crate) fn is_my_turn(&self) -> bool {
        matches!(&self.state, State::Handshake(handshake, _) if handshake.is_my_turn())
    }

    /// Whether the handshake is over and frames flow both ways.
    pub(crate) fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// The next handshake message, or the next frame, around `payload`.
    ///
    /// A payload over its limit is refused with [`Violation::Flood`] and leaves the session
    /// whole. During the handshake only the third message has room for one:
    /// [`MAX_SKETCH_BYTES`]; later it is [`MAX_PAYLOAD_BYTES`].
    pub(crate) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, Violation> {
        let limits = self.limits();
        if payload.len() > limits.payload_max {
            return Err(Violation::Flood("link payload"));
        }
        // snow wants room for a tag even where the first message has none.
        let mut frame = vec![0; limits.overhead + payload.len() + TAG_BYTES];
        let written = match &mut self.state {
            State::Handshake(handshake, _) => handshake.write_message(payload, &mut frame),
            State::Established(transport) => transport.write_message(payload, &mut frame),
            State::Failed(violation) => return Err(*violation),
        };
        self.conclude(written.ok(), frame)
    }

    /// The payload of the neighbour's next handshake message ([`Violation::Handshake`] if it is
    /// not one) or next frame ([`Violation::Decrypt`] if it is altered, repeated or out of order).
    pub(crate) fn read(&mut self, frame: &[u8]) -> Result<Vec<u8>, Violation> {
        let Limits { overhead, payload_max } = self.limits();
        let payload_bytes = frame.len().checked_sub(overhead).filter(|&n| n <= payload_max);
        let mut payload = vec![0; payload_bytes.unwrap_or_default()];
        let read = match &mut self.state {
            State::Failed(violation) => return Err(*violation),
            _ if payload_bytes.is_none() => Err(snow::Error::Input),
            State::Handshake(handshake, _) => handshake.read_message(frame, &mut payload),
            State::Established(transport) => transport.read_message(frame, &mut payload),
        };
        self.conclude(read.ok(), payload)
    }

    /// The key of this link's reconciliation, once the second message has passed: no third party
    /// can foresee it, and so aim colliding ids at it. It is not secret: it follows from what a
    /// wiretapper sees.
    pub(crate) fn sync_key(&self) -> Option<[u8; 32]> {
        self.sync_key
    }

    /// The hash of the whole handshake (Noise, section 11.2): what identity proofs are bound to.
    pub(crate) fn handshake_hash(&self) -> Option<[u8; 32]> {
        self.handshake_hash
    }

    /// The neighbour's static public key, once it has proven to hold the secret.
    pub(crate) fn neighbour(&self) -> Option<[u8; 32]> {
        self.neighbour
    }

    fn limits(&self) -> Limits {
        let sealed_key = KEY_BYTES + TAG_BYTES;
        let (overhead, payload_max) = match self.state {
            State::Handshake(_, 0) => (KEY_BYTES, 0),
            State::Handshake(_, 1) => (KEY_BYTES + sealed_key + TAG_BYTES, 0),
            State::Handshake(..) => (sealed_key + TAG_BYTES, MAX_SKETCH_BYTES),
            State::Established(_) | State::Failed(_) => (TAG_BYTES, MAX_PAYLOAD_BYTES),
        };
        Limits { overhead, payload_max }
    }

    fn conclude(&mut self, len: Option<usize>, mut bytes: Vec<u8>) -> Result<Vec<u8>, Violation> {
        let Some(len) = len else {
            let violation = match self.state {
                State::Established(_) => Violation::Decrypt,
                _ => Violation::Handshake,
            };
            self.state = State::Failed(violation);
            return Err(violation);
        };
        bytes.truncate(len);
        if let State::Handshake(handshake, passed) = &mut self.state {
            *passed += 1;
            self.neighbour = handshake.get_remote_static().and_then(|key| key.try_into().ok());
            let hash = handshake.get_handshake_hash();
            if *passed == 2 {
                self.sync_key = Some(
                    Sha256::new()
                        .chain_update(SYNC_KEY_DOMAIN)
                        .chain_update(hash)
                        .finalize()
                        .into(),
                );
            }
            if handshake.is_handshake_finished() {
                self.handshake_hash = hash.try_into().ok();
                self.establish()?;
            }
        }
        Ok(bytes)
    }

    fn establish(&mut self) -> Result<(), Violation> {
        let failed = State::Failed(Violation::Handshake);
        if let State::Handshake(handshake, _) = mem::replace(&mut self.state, failed) {
            let transport = handshake.into_transport_mode().map_err(|_| Violation::Handshake)?;
            self.state = State::Established(transport);
        }
        Ok(())
    }
}

impl fmt::Debug for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Handshake(..) => "handshake",
            State::Established(_) => "established",
            State::Failed(_) => "failed",
        };
        f.debug_struct("Noise").field("state", &state).finish_non_exhaustive()
    }
}

/// The X25519 public key (RFC 7748) of a link's static secret.
pub(crate) fn public_key(static_secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*static_secret)).to_bytes()
}

fn handshake(
    role: Role,
    static_secret: &[u8; 32],
    seed: [u8; 32],
) -> Result<HandshakeState, snow::Error> {
    let params: NoiseParams = PATTERN.parse()?;
    let builder = Builder::with_resolver(params, Box::new(Primitives::new(seed)))
        .prologue(PROLOGUE)?
        .local_private_key(static_secret)?;
    match role {
        Role::Initiator => builder.build_initiator(),
        Role::Responder => builder.build_responder(),
    }
}

#[cfg(test)]
mod tests;
