//! Noise's primitives for `snow`, from the crates that the rest of the core uses: a phone then
//! carries one implementation of each.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

pub(super) const TAG_BYTES: usize = 16;

const RANDOM_DOMAIN: &[u8] = b"footpost/1 link random";

/// The one cipher suite that links speak.
pub(super) struct Primitives {
    seed: Zeroizing<[u8; 32]>,
}

impl Primitives {
    /// One session a seed: each resolved generator starts the same stream.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed) }
    }
}

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom { seed: self.seed.clone(), counter: 0 }))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(X25519::none()) as _)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(HashSha256::default()) as _)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::AESGCM).then(|| Box::new(AesGcm::default()) as _)
    }
}

/// The stream of HMAC-SHA-256(seed, domain | counter) for a 64-bit counter from 0: a
/// pseudorandom function in counter mode, as in NIST SP 800-108.
struct SeededRandom {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        for chunk in dest.chunks_mut(32) {
            let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*self.seed)
                .map_err(|_| Error::Rng)?
                .chain_update(RANDOM_DOMAIN)
                .chain_update(self.counter.to_be_bytes());
            let block = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
            self.counter = self.counter.checked_add(1).ok_or(Error::Rng)?;
            for (to, from) in chunk.iter_mut().zip(*block) {
                *to = from;
            }
        }
        Ok(())
    }
}

struct X25519 {
    secret: StaticSecret,
    public: PublicKey,
}

impl X25519 {
    /// Before there is a key: what belongs to nobody need not be computed, twice a link.
    fn none() -> Self {
        Self { secret: StaticSecret::from([0; 32]), public: PublicKey::from([0; 32]) }
    }
}

impl From<[u8; 32]> for X25519 {
    fn from(secret: [u8; 32]) -> Self {
        let secret = StaticSecret::from(secret);
        let public = PublicKey::from(&secret);
        Self { secret, public }
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, privkey: &[u8]) {
        if let Ok(secret) = <[u8; 32]>::try_from(privkey) {
            *self = secret.into();
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut *secret)?;
        *self = (*secret).into();
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    /// Refuses points of small order: Noise leaves that open (section 12.1), but a link whose
    /// keys one side alone can fix is not between two.
    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let theirs = *pubkey.first_chunk::<32>().ok_or(Error::Dh)?;
        let out = out.first_chunk_mut::<32>().ok_or(Error::Dh)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(theirs));
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        *out = *shared.as_bytes();
        Ok(())
    }
}

#[derive(Default)]
struct HashSha256(Sha256);

impl Hash for HashSha256 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        Digest::reset(&mut self.0);
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        if let Some(out) = out.first_chunk_mut::<32>() {
            *out = self.0.finalize_reset().into();
        }
    }
}

/// Holds the expanded key, so that a small frame does not pay for the key schedule.
#[derive(Default)]
struct AesGcm(Option<Aes256Gcm>);

impl AesGcm {
    fn seal(&self, nonce: u64, ad: &[u8], plaintext: &[u8], out: &mut [u8]) -> Option<usize> {
        let (body, rest) = out.split_at_mut_checked(plaintext.len())?;
        let tag = rest.first_chunk_mut::<TAG_BYTES>()?;
        let buffer = InOutBuf::new(plaintext, body).ok()?;
        let sealed = self.0.as_ref()?.encrypt_inout_detached(&gcm_nonce(nonce), ad, buffer);
        *tag = sealed.ok()?.into();
        Some(plaintext.len() + TAG_BYTES)
    }

    fn open(&self, nonce: u64, ad: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Option<usize> {
        let (body, tag) = ciphertext.split_last_chunk::<TAG_BYTES>()?;
        let buffer = InOutBuf::new(body, out.get_mut(..body.len())?).ok()?;
        let tag = (*tag).into();
        self.0.as_ref()?.decrypt_inout_detached(&gcm_nonce(nonce), ad, buffer, &tag).ok()?;
        Some(body.len())
    }
}

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = Some(Aes256Gcm::new(key.into()));
    }

    /// Nothing at all, rather than anything unsealed, where sealing is impossible.
    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        self.seal(nonce, authtext, plaintext, out).unwrap_or(0)
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        self.open(nonce, authtext, ciphertext, out).ok_or(Error::Decrypt)
    }
}

/// Noise, section 12.3: 32 zero bits, then the counter in big-endian.
fn gcm_nonce(counter: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = Nonce::default();
    for (to, from) in nonce.iter_mut().skip(4).zip(counter.to_be_bytes()) {
        *to = from;
    }
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use serde::Deserialize;
    use snow::{Builder, HandshakeState};

    #[derive(Deserialize)]
    struct Vector {
        protocol_name: String,
        init_prologue: String,
        init_static: String,
        init_ephemeral: String,
        resp_prologue: String,
        resp_static: String,
        resp_ephemeral: String,
        handshake_hash: String,
        messages: Vec<Message>,
    }

    #[derive(Deserialize)]
    struct Message {
        payload: String,
        ciphertext: String,
    }

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn official_vector_of_the_suite() {
        let vector: Vector =
            serde_json::from_str(include_str!("../../../../tests/vectors/noise-xx.json")).unwrap();
        let side = |prologue: &str, secret: &str, ephemeral: &str, initiator| -> HandshakeState {
            let (prologue, secret, ephemeral) = (hex(prologue), hex(secret), hex(ephemeral));
            let params = vector.protocol_name.parse().unwrap();
            let builder = Builder::with_resolver(params, Box::new(Primitives::new([0; 32])))
                .prologue(&prologue)
                .unwrap()
                .local_private_key(&secret)
                .unwrap()
                .fixed_ephemeral_key_for_testing_only(&ephemeral);
            if initiator { builder.build_initiator() } else { builder.build_responder() }.unwrap()
        };
        let mut writer =
            side(&vector.init_prologue, &vector.init_static, &vector.init_ephemeral, true);
        let mut reader =
            side(&vector.resp_prologue, &vector.resp_static, &vector.resp_ephemeral, false);

        let (mut out, mut back) = ([0; 256], [0; 256]);
        let (handshake, transport) = vector.messages.split_at(3);
        for message in handshake {
            let len = writer.write_message(&hex(&message.payload), &mut out).unwrap();
            assert_eq!(out[..len], hex(&message.ciphertext));
            let len = reader.read_message(&out[..len], &mut back).unwrap();
            assert_eq!(back[..len], hex(&message.payload));
            std::mem::swap(&mut writer, &mut reader);
        }
        for side in [&writer, &reader] {
            assert_eq!(side.get_handshake_hash(), hex(&vector.handshake_hash));
        }
        let mut writer = writer.into_transport_mode().unwrap();
        let mut reader = reader.into_transport_mode().unwrap();
        for message in transport {
            let len = writer.write_message(&hex(&message.payload), &mut out).unwrap();
            assert_eq!(out[..len], hex(&message.ciphertext));
            let len = reader.read_message(&out[..len], &mut back).unwrap();
            assert_eq!(back[..len], hex(&message.payload));
            std::mem::swap(&mut writer, &mut reader);
        }
    }

    #[test]
    fn points_of_small_order_are_refused() {
        let ours = X25519::from([7; 32]);
        let mut order_four = [0; 32];
        order_four[0] = 1;
        for point in [[0; 32], order_four] {
            assert_eq!(ours.dh(&point, &mut [0; 32]), Err(Error::Dh));
        }
    }

    #[test]
    fn the_random_stream_does_not_repeat_itself() {
        let mut random = SeededRandom { seed: Zeroizing::new([1; 32]), counter: 0 };
        let mut bytes = [0; 72];
        random.try_fill_bytes(&mut bytes).unwrap();
        let (blocks, _) = bytes.as_chunks::<32>();
        assert_ne!(blocks[0], blocks[1]);
        let mut more = [0; 32];
        random.try_fill_bytes(&mut more).unwrap();
        assert!(!blocks.contains(&more));
    }
}
