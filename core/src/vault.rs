//! The vault: who keeps the key of the store, and the keys that its targets' secrets are wrapped under.

mod wrapping;

#[cfg(test)]
pub(crate) use wrapping::MemoryKeys;
pub(crate) use wrapping::boxed;
pub use wrapping::{WrappingKey, WrappingKeys};

use crate::codec::{Reader, Writer};
use aes_gcm::aead::{AeadInOut, Buffer};
use aes_gcm::{Aes256Gcm, KeyInit};
use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use std::{fmt, io};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// The key that a store is encrypted under. It is random, so nothing has to slow a guesser down.
#[derive(Clone, ZeroizeOnDrop)]
pub struct StoreKey(Box<[u8; 32]>);

impl StoreKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut key = Self(Box::new([0; 32]));
        rng.fill_bytes(&mut *key.0);
        key
    }

    /// For keys that a platform's keystore has kept.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Box::new(*bytes))
    }

    /// For a platform's keystore to keep.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for StoreKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for StoreKey {}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(secret)")
    }
}

/// Keeps the store's key while no node runs: a phone's keystore, or a file under a passphrase.
pub trait Vault {
    /// The store's key, if the vault lets it go.
    ///
    /// # Errors
    /// See [`VaultError`].
    fn unlock(&mut self) -> Result<StoreKey, VaultError>;
}

/// Why a vault does not open.
#[derive(Debug, Error)]
pub enum VaultError {
    /// It is under a passphrase, and none was given.
    #[error("the vault is locked: give its passphrase")]
    Locked,
    /// The passphrase is another, or the vault was altered: the two look the same.
    #[error("this is not the vault's passphrase: try again")]
    WrongPassphrase,
    /// It does not parse.
    #[error("the vault is damaged: restore the profile from a backup")]
    Damaged,
    /// The keys that targets' secrets are wrapped under are not there, do not parse, or are another
    /// profile's.
    #[error(
        "the vault's wrapping keys are missing or damaged: put them back from a copy, or give up \
         what they open (`vault reset`); contacts and messages stay"
    )]
    WrappingKeys,
    /// A later version of Footpost made it.
    #[error("the vault is of a kind ({0}) that this Footpost does not know: update Footpost")]
    Unknown(u8),
    /// It cannot be read or written.
    #[error("the vault cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// The kinds of sealed key; the first byte tells.
const OPEN: u8 = 0;
const ARGON2ID: u8 = 1;

const SALT_LEN: usize = 16;
const NONCE_LEN: usize = 12;
/// Limits to what a file may ask for: an altered one must not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 64;

/// What Argon2id (RFC 9106) costs per guess: 64 MiB and 3 passes, its section 4's second choice.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

/// A store key as it lies in a file: wrapped under a passphrase (Argon2id, AES-256-GCM), or open.
#[derive(Clone)]
pub struct WrappedKey(Zeroizing<Vec<u8>>);

impl WrappedKey {
    /// Wraps `key` under a passphrase. Takes a fraction of a second, and 64 MiB.
    pub fn new(key: &StoreKey, passphrase: &str, rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = vec![ARGON2ID];
        bytes.put_u32(MEMORY_KIB);
        bytes.put_u32(PASSES);
        let mut random = [0; SALT_LEN + NONCE_LEN];
        rng.fill_bytes(&mut random);
        bytes.put(&random);
        let mut secret = Zeroizing::new(key.0.to_vec());
        let (salt, nonce) = random.split_first_chunk().expect("the salt is the shorter part");
        let nonce: &[u8; NONCE_LEN] = nonce.try_into().expect("the rest is the nonce");
        cipher(passphrase, salt, MEMORY_KIB, PASSES)
            .and_then(|cipher| cipher.encrypt_in_place(nonce.into(), &bytes, &mut *secret).ok())
            .expect("the parameters are valid, and 32 bytes are few");
        bytes.put(&secret);
        Self(Zeroizing::new(bytes))
    }

    /// Leaves `key` open to whoever reads the file: for demonstrations, and for services on disks
    /// that are encrypted anyway.
    pub fn open(key: &StoreKey) -> Self {
        Self(Zeroizing::new([&[OPEN][..], &*key.0].concat()))
    }

    /// As it was read.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// To be written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it takes a passphrase to unlock it.
    pub fn is_locked(&self) -> bool {
        self.0.first() != Some(&OPEN)
    }

    /// The key. A passphrase that is not needed is not looked at.
    ///
    /// # Errors
    /// All but [`VaultError::Io`].
    pub fn unlock(&self, passphrase: Option<&str>) -> Result<StoreKey, VaultError> {
        let damaged = |_| VaultError::Damaged;
        let mut reader = Reader::new(&self.0);
        match reader.u8("kind").map_err(damaged)? {
            OPEN => {
                let key = Self::key(reader.take(32, "key").map_err(damaged)?)?;
                reader.finish("vault").map_err(damaged)?;
                return Ok(key);
            }
            ARGON2ID => {}
            kind => return Err(VaultError::Unknown(kind)),
        }
        let memory_kib = reader.u32("memory").map_err(damaged)?;
        let passes = reader.u32("passes").map_err(damaged)?;
        let salt = reader.array("salt").map_err(damaged)?;
        let nonce = reader.array::<NONCE_LEN>("nonce").map_err(damaged)?;
        let mut secret = Zeroizing::new(reader.rest().to_vec());
        let header_len = self.0.len() - secret.len();
        if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES {
            return Err(VaultError::Damaged);
        }
        let passphrase = passphrase.ok_or(VaultError::Locked)?;
        let cipher = cipher(passphrase, &salt, memory_kib, passes).ok_or(VaultError::Damaged)?;
        let header = self.0.get(..header_len).unwrap_or_default();
        cipher
            .decrypt_in_place((&nonce).into(), header, &mut *secret as &mut dyn Buffer)
            .map_err(|_| VaultError::WrongPassphrase)?;
        Self::key(&secret)
    }

    fn key(bytes: &[u8]) -> Result<StoreKey, VaultError> {
        bytes.try_into().map(StoreKey::from_bytes).map_err(|_| VaultError::Damaged)
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey(locked: {})", self.is_locked())
    }
}

fn cipher(
    passphrase: &str,
    salt: &[u8; SALT_LEN],
    memory_kib: u32,
    passes: u32,
) -> Option<Aes256Gcm> {
    let params = Params::new(memory_kib, passes, 1, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .ok()?;
    Some(Aes256Gcm::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn a_wrapped_key_needs_its_passphrase() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = StoreKey::generate(&mut rng);
        let wrapped = WrappedKey::new(&key, "correct horse", &mut rng);
        assert!(wrapped.is_locked() && wrapped.as_bytes().len() == 1 + 8 + 28 + 48);
        assert_eq!(wrapped.unlock(Some("correct horse")).unwrap(), key);
        assert!(matches!(wrapped.unlock(Some("battery")), Err(VaultError::WrongPassphrase)));
        assert!(matches!(wrapped.unlock(None), Err(VaultError::Locked)));
        let shown = format!("{key:?} {wrapped:?}");
        assert_eq!(shown, "StoreKey(secret) WrappedKey(locked: true)");
    }

    #[test]
    fn what_is_damaged_says_so_and_asks_for_nothing_big() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let key = StoreKey::generate(&mut rng);
        let open = WrappedKey::open(&key);
        assert_eq!(open.unlock(None).unwrap(), key);
        let unlock = |bytes: &[u8]| WrappedKey::from_bytes(bytes.to_vec()).unlock(Some("a"));
        assert!(matches!(unlock(&[]), Err(VaultError::Damaged)));
        assert!(matches!(unlock(&open.as_bytes()[..32]), Err(VaultError::Damaged)));
        assert!(matches!(unlock(&[7; 85]), Err(VaultError::Unknown(7))));
        let mut greedy = WrappedKey::new(&key, "a", &mut rng).as_bytes().to_vec();
        greedy[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(unlock(&greedy), Err(VaultError::Damaged)));
        let mut altered = WrappedKey::new(&key, "a", &mut rng).as_bytes().to_vec();
        altered[8] = 2;
        assert!(matches!(unlock(&altered), Err(VaultError::WrongPassphrase)));
    }
}
