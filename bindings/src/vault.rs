//! Who keeps the key of a node's store.

use crate::{call::foreign, errors::OpenError};
use footpost_core::{StoreKey, StorePath, Vault as _, VaultError, WrappingKey, WrappingKeys};
use footpost_transports::{FileVault, FileWrappingKeys};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    fmt,
    fs::{self, DirBuilder},
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use zeroize::Zeroizing;

const DATABASE: &str = "footpost.db";
const VAULT: &str = "vault";
const WRAPPING_KEYS: &str = "vault.keys";
const KEY_LEN: usize = 32;

/// Who keeps the key that a node's store is encrypted under. A store opens with the vault that it was
/// made with.
#[derive(Clone, uniffi::Enum)]
pub enum Vault {
    /// A file beside the store, under a passphrase.
    Passphrase {
        /// As the user gave it.
        passphrase: String,
    },
    /// The phone's own keystore: the best, as it forgets for certain what it is told to.
    Keystore {
        /// The application's way to it.
        keystore: Arc<dyn Keystore>,
    },
    /// A file beside the store, open to whoever reads it: for devices whose disks are encrypted
    /// anyway, or which nobody unlocks.
    Open,
}

/// Puts the key of the node in `directory`, which lies in a file, under another passphrase; none leaves
/// it open. The node may be running. A copy of the directory made before opens by the old one still.
///
/// Takes a second: not to be called on a thread that draws.
#[uniffi::export]
pub fn change_passphrase(
    directory: String,
    old: Option<String>,
    new: Option<String>,
) -> Result<(), OpenError> {
    let mut vault = FileVault::open(&Path::new(&directory).join(VAULT))?;
    if let Some(old) = old {
        vault.set_passphrase(Zeroizing::new(old));
    }
    let new = new.map(Zeroizing::new);
    Ok(vault.change(new.as_ref().map(|text| text.as_str()), &mut rng()?)?)
}

/// A place for one small secret, such as a file encrypted under a key of Android's Keystore, or an item
/// of Apple's keychain that stays on this device and out of backups.
///
/// It is called on threads of Footpost's, which wait for it: it must not call Footpost.
#[uniffi::export(foreign)]
pub trait Keystore: Send + Sync {
    /// The secret that was stored last; none where there never was one.
    fn load(&self) -> Result<Option<Vec<u8>>, KeystoreError>;

    /// Keeps this secret, whole or not at all, in the place of the one before, of which nothing may
    /// stay. On return it survives a loss of power.
    fn store(&self, secret: Vec<u8>) -> Result<(), KeystoreError>;
}

/// A keystore's failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum KeystoreError {
    /// It could not do what it was asked.
    #[error("{details}")]
    Failed {
        /// What it says.
        details: String,
    },
}

/// Whatever else the application's code throws.
impl From<uniffi::UnexpectedUniFFICallbackError> for KeystoreError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { details: error.reason }
    }
}

impl From<KeystoreError> for VaultError {
    fn from(error: KeystoreError) -> Self {
        Self::Io(io::Error::other(error))
    }
}

/// The store in `directory`, which is made if it is missing, as are store and key.
pub(crate) fn open(directory: &Path, vault: Vault) -> Result<StorePath, OpenError> {
    let unusable = |error: io::Error| OpenError::Directory { details: error.to_string() };
    make(directory).map_err(unusable)?;
    let path = directory.join(DATABASE);
    let is_new = !exists(directory);
    let (key, wrapping) = match vault {
        Vault::Passphrase { passphrase } => {
            in_file(directory, Some(Zeroizing::new(passphrase)), is_new)?
        }
        Vault::Open => in_file(directory, None, is_new)?,
        Vault::Keystore { keystore } => in_keystore(keystore, is_new)?,
    };
    Ok(StorePath::Encrypted { path, key, wrapping })
}

/// Whether there is a store. An empty file is none: the process died that was to make it.
pub(crate) fn exists(directory: &Path) -> bool {
    fs::metadata(directory.join(DATABASE)).is_ok_and(|file| file.len() > 0)
}

/// Deletes a store in which nothing is yet.
pub(crate) fn discard(directory: &Path) {
    for name in [DATABASE.to_owned(), format!("{DATABASE}-wal"), VAULT.into(), WRAPPING_KEYS.into()]
    {
        let _ = fs::remove_file(directory.join(name));
    }
}

type Keys = (StoreKey, Arc<dyn WrappingKeys>);

fn in_file(
    directory: &Path,
    passphrase: Option<Zeroizing<String>>,
    is_new: bool,
) -> Result<Keys, OpenError> {
    let (vault, keys) = (directory.join(VAULT), directory.join(WRAPPING_KEYS));
    let key = if is_new {
        for left_over in [&vault, &keys] {
            match fs::remove_file(left_over) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(VaultError::from(error).into());
                }
                _ => {}
            }
        }
        let passphrase = passphrase.as_ref().map(|text| text.as_str());
        FileVault::create(&vault, passphrase, &mut rng()?)?
    } else {
        let mut vault = FileVault::open(&vault)?;
        if let Some(passphrase) = passphrase {
            vault.set_passphrase(passphrase);
        }
        vault.unlock()?
    };
    let wrapping = Arc::new(FileWrappingKeys::new(keys, key.clone()));
    Ok((key, wrapping))
}

fn in_keystore(keystore: Arc<dyn Keystore>, is_new: bool) -> Result<Keys, OpenError> {
    let key = if is_new {
        let key = StoreKey::generate(&mut rng()?);
        let secret = key.as_bytes().to_vec();
        foreign(|| keystore.store(secret)).map_err(VaultError::from)?;
        key
    } else {
        let secret = Zeroizing::new(load(&*keystore)?.ok_or(OpenError::KeyMissing)?);
        let (key, _) = split(&secret)?;
        key
    };
    Ok((key.clone(), Arc::new(KeystoreKeys { keystore, key, turn: Mutex::new(()) })))
}

/// The store's key, and the wrapping keys sealed under it, as one secret.
struct KeystoreKeys {
    keystore: Arc<dyn Keystore>,
    key: StoreKey,
    /// The application's code is asked one thing at a time.
    turn: Mutex<()>,
}

impl fmt::Debug for KeystoreKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeystoreKeys")
    }
}

impl WrappingKeys for KeystoreKeys {
    fn load(&self) -> Result<Vec<WrappingKey>, VaultError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = Zeroizing::new(load(&*self.keystore)?.ok_or(VaultError::WrappingKeys)?);
        match split(&secret)? {
            (_, []) => Ok(Vec::new()),
            (key, sealed) => WrappingKey::open_all(sealed, &key),
        }
    }

    fn replace(&self, keys: &[&WrappingKey]) -> Result<(), VaultError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rng = rng().map_err(io::Error::other)?;
        let sealed = WrappingKey::seal_all(keys, &self.key, &mut rng);
        let secret = [self.key.as_bytes(), sealed.as_slice()].concat();
        Ok(foreign(|| self.keystore.store(secret))?)
    }
}

fn load(keystore: &dyn Keystore) -> Result<Option<Vec<u8>>, VaultError> {
    Ok(foreign(|| keystore.load())?)
}

fn split(secret: &[u8]) -> Result<(StoreKey, &[u8]), VaultError> {
    let (key, sealed) = secret.split_first_chunk::<KEY_LEN>().ok_or(VaultError::Damaged)?;
    Ok((StoreKey::from_bytes(key), sealed))
}

fn make(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

pub(crate) fn rng() -> Result<ChaCha20Rng, OpenError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|error| OpenError::System { details: error.to_string() })?;
    Ok(ChaCha20Rng::from_seed(*seed))
}
