//! Wrapping keys: what seals the secrets of targets in the store, and dies apart from it.

use super::{NONCE_LEN, StoreKey, VaultError};
use crate::codec::{Reader, Writer};
use crate::scour::scour_stack;
use aes_gcm::aead::{AeadInOut, Buffer};
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use std::fmt;
use zeroize::{ZeroizeOnDrop, Zeroizing};

const SECRET_LEN: usize = 32;
const TAG_LEN: usize = 16;
const VERSION: u8 = 1;
/// A key in use and its successor are two: more is no work of ours.
const MAX_KEYS: usize = 16;

/// Keeps wrapping keys where they can be destroyed, which flash does not let a store do: a phone's
/// keystore, or a file ([`WrappingKey::seal_all`]).
///
/// A node asks once when it opens, and writes each time it changes its key: what it cannot write is
/// final for it, as a failure of its store is.
pub trait WrappingKeys: fmt::Debug + Send + Sync {
    /// All keys; none where none were ever kept.
    ///
    /// # Errors
    /// [`VaultError::WrappingKeys`] and [`VaultError::Io`].
    fn load(&self) -> Result<Vec<WrappingKey>, VaultError>;

    /// Keeps these keys and no others, whole or not at all. On return the new ones survive a loss of
    /// power, and the others are destroyed as well as the medium lets them be.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    fn replace(&self, keys: &[&WrappingKey]) -> Result<(), VaultError>;
}

/// One of a store's wrapping keys, under the number by which the store knows it.
#[derive(Clone, ZeroizeOnDrop)]
pub struct WrappingKey {
    number: u64,
    /// Where it stays, when the rest is moved.
    key: Box<[u8; 32]>,
}

impl WrappingKey {
    pub(crate) fn generate(number: u64, rng: &mut dyn CryptoRng) -> Self {
        let mut key = Box::new([0; 32]);
        rng.fill_bytes(&mut *key);
        Self { number, key }
    }

    /// For keys that a platform's keystore has kept.
    pub fn from_parts(number: u64, key: &[u8; 32]) -> Self {
        Self { number, key: Box::new(*key) }
    }

    /// Its number in the store.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// For a platform's keystore to keep.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Seals a secret: `nonce | ciphertext | tag`, AES-256-GCM with `place` as AAD, so that no row's
    /// secret passes for another's.
    pub(crate) fn wrap(
        &self,
        secret: &[u8; SECRET_LEN],
        place: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Vec<u8> {
        let sealed = self.seal(secret, place, rng);
        scour_stack();
        sealed
    }

    #[inline(never)]
    fn seal(&self, secret: &[u8; SECRET_LEN], place: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        // Room for the tag: a vector that grows leaves a copy.
        let mut sealed = Zeroizing::new(Vec::with_capacity(SECRET_LEN + TAG_LEN));
        sealed.put(secret);
        self.cipher()
            .encrypt_in_place((&nonce).into(), place, &mut *sealed)
            .expect("32 bytes are few");
        [&nonce[..], &sealed].concat()
    }

    /// What [`WrappingKey::wrap`] has sealed for this place; none if it was for another, or under
    /// another key.
    pub(crate) fn unwrap(
        &self,
        sealed: &[u8],
        place: &[u8],
    ) -> Option<Box<Zeroizing<[u8; SECRET_LEN]>>> {
        let secret = self.open(sealed, place);
        scour_stack();
        secret
    }

    #[inline(never)]
    fn open(&self, sealed: &[u8], place: &[u8]) -> Option<Box<Zeroizing<[u8; SECRET_LEN]>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut secret = Zeroizing::new(sealed.to_vec());
        let buffer = &mut *secret as &mut dyn Buffer;
        self.cipher().decrypt_in_place(nonce.into(), place, buffer).ok()?;
        boxed(&secret)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.key).into())
    }

    /// Keys as they lie in a file, sealed under a key that the store's key gives, so that nobody is
    /// asked for a passphrase when they change: `version | nonce | (number | key) … | tag`.
    pub fn seal_all(keys: &[&Self], store: &StoreKey, rng: &mut dyn CryptoRng) -> Vec<u8> {
        let mut out = vec![VERSION];
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        out.put(&nonce);
        let mut sealed = Zeroizing::new(Vec::with_capacity(keys.len() * 40 + TAG_LEN));
        for key in keys {
            sealed.put_u64(key.number);
            sealed.put(&*key.key);
        }
        file_cipher(store)
            .encrypt_in_place((&nonce).into(), &[VERSION], &mut *sealed)
            .expect("keys are few");
        out.put(&sealed);
        out
    }

    /// What [`WrappingKey::seal_all`] has sealed.
    ///
    /// # Errors
    /// [`VaultError::WrappingKeys`], [`VaultError::Unknown`].
    pub fn open_all(bytes: &[u8], store: &StoreKey) -> Result<Vec<Self>, VaultError> {
        let damaged = |_| VaultError::WrappingKeys;
        let mut reader = Reader::new(bytes);
        match reader.u8("version").map_err(damaged)? {
            VERSION => {}
            version => return Err(VaultError::Unknown(version)),
        }
        let nonce = reader.array::<NONCE_LEN>("nonce").map_err(damaged)?;
        let mut opened = Zeroizing::new(reader.rest().to_vec());
        file_cipher(store)
            .decrypt_in_place((&nonce).into(), &[VERSION], &mut *opened as &mut dyn Buffer)
            .map_err(|_| VaultError::WrappingKeys)?;
        let mut reader = Reader::new(&opened);
        let mut keys = Vec::new();
        while !reader.is_empty() && keys.len() < MAX_KEYS {
            let number = reader.u64("number").map_err(damaged)?;
            let mut key = Box::new([0; 32]);
            key.copy_from_slice(reader.take(32, "key").map_err(damaged)?);
            keys.push(Self { number, key });
        }
        reader.finish("wrapping keys").map_err(damaged)?;
        Ok(keys)
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappingKey(#{}, secret)", self.number)
    }
}

/// In its box at once: what is moved leaves copies.
pub(crate) fn boxed(secret: &[u8]) -> Option<Box<Zeroizing<[u8; SECRET_LEN]>>> {
    let mut boxed = Box::new(Zeroizing::new([0; SECRET_LEN]));
    let is_whole = secret.len() == SECRET_LEN;
    is_whole.then(|| {
        boxed.copy_from_slice(secret);
        boxed
    })
}

fn file_cipher(store: &StoreKey) -> Aes256Gcm {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, store.as_bytes())
        .expand(b"footpost/1 wrapping keys", &mut *key)
        .expect("32 bytes are within HKDF's limit");
    Aes256Gcm::new((&*key).into())
}

/// A vault that fails when it is told to.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct MemoryKeys {
    keys: std::sync::Mutex<Vec<WrappingKey>>,
    /// How many writes still succeed; none: all.
    writes_left: std::sync::Mutex<Option<u32>>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test double")]
impl MemoryKeys {
    pub(crate) fn keys(&self) -> std::sync::MutexGuard<'_, Vec<WrappingKey>> {
        self.keys.lock().unwrap()
    }

    pub(crate) fn writes_left(&self) -> std::sync::MutexGuard<'_, Option<u32>> {
        self.writes_left.lock().unwrap()
    }
}

#[cfg(test)]
impl WrappingKeys for MemoryKeys {
    fn load(&self) -> Result<Vec<WrappingKey>, VaultError> {
        Ok(self.keys().clone())
    }

    fn replace(&self, keys: &[&WrappingKey]) -> Result<(), VaultError> {
        if let Some(left) = &mut *self.writes_left() {
            let failure = || std::io::Error::other("the keystore is locked");
            *left = left.checked_sub(1).ok_or_else(failure)?;
        }
        *self.keys() = keys.iter().map(|key| (*key).clone()).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn a_secret_opens_under_its_key_at_its_place_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [one, other] = [1, 2].map(|number| WrappingKey::generate(number, &mut rng));
        let sealed = one.wrap(&[7; 32], b"here", &mut rng);
        assert_eq!(sealed.len(), 12 + 32 + 16);
        assert_eq!(**one.unwrap(&sealed, b"here").unwrap(), [7; 32]);
        assert!(one.unwrap(&sealed, b"there").is_none());
        assert!(other.unwrap(&sealed, b"here").is_none());
        assert!(one.unwrap(&sealed[..20], b"here").is_none() && one.unwrap(&[], b"here").is_none());
        assert_ne!(one.wrap(&[7; 32], b"here", &mut rng), sealed);
        assert_eq!(format!("{one:?}"), "WrappingKey(#1, secret)");
    }

    #[test]
    fn keys_in_a_file_come_back_whole_or_not_at_all() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let store = StoreKey::generate(&mut rng);
        let [one, other] = [8, 9].map(|number| WrappingKey::generate(number, &mut rng));
        let bytes = WrappingKey::seal_all(&[&one, &other], &store, &mut rng);
        let opened = WrappingKey::open_all(&bytes, &store).unwrap();
        let parts = |key: &WrappingKey| (key.number(), *key.as_bytes());
        assert!(opened.iter().map(parts).eq([parts(&one), parts(&other)]));
        let fails = |bytes: &[u8], store| {
            matches!(WrappingKey::open_all(bytes, store), Err(VaultError::WrappingKeys))
        };
        for len in 0..bytes.len() {
            assert!(fails(&bytes[..len], &store));
        }
        let mut altered = bytes.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert!(fails(&altered, &store));
        assert!(fails(&bytes, &StoreKey::generate(&mut rng)));
        let later = [&[2], &bytes[1..]].concat();
        assert!(matches!(WrappingKey::open_all(&later, &store), Err(VaultError::Unknown(2))));
    }
}
