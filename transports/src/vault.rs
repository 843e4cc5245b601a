//! A vault in a file: for desktops and services, which have no keystore of their own.

use footpost_core::{StoreKey, Vault, VaultError, WrappedKey, WrappingKey, WrappingKeys};
use rand_core::CryptoRng;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longer than any vault.
const MAX_BYTES: u64 = 4096;

/// A store's key in a file that only its owner can read, under a passphrase or open.
#[derive(Debug)]
pub struct FileVault {
    path: PathBuf,
    wrapped: WrappedKey,
    passphrase: Option<Zeroizing<String>>,
}

impl FileVault {
    /// Makes the file, with a fresh key in it. Without a passphrase the key lies there open: then
    /// the store is as safe as the file is.
    ///
    /// # Errors
    /// [`VaultError::Io`], also where there is a file already.
    pub fn create(
        path: &Path,
        passphrase: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<StoreKey, VaultError> {
        let key = StoreKey::generate(rng);
        let mut file = private().create_new(true).open(path)?;
        write(&mut file, wrap(&key, passphrase, rng).as_bytes())?;
        sync_directory(path)?;
        Ok(key)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let bytes = read(path)?;
        Ok(Self { path: path.into(), wrapped: WrappedKey::from_bytes(bytes), passphrase: None })
    }

    /// Whether it takes a passphrase to unlock it.
    pub fn is_locked(&self) -> bool {
        self.wrapped.is_locked()
    }

    /// What [`Vault::unlock`] shall try.
    pub fn set_passphrase(&mut self, passphrase: Zeroizing<String>) {
        self.passphrase = Some(passphrase);
    }

    /// Puts the same key under another passphrase, or none; the file is replaced whole or not at
    /// all. A copy of the old file still opens by the old passphrase.
    ///
    /// # Errors
    /// As [`Vault::unlock`]; the file is as before then.
    pub fn change(
        &mut self,
        passphrase: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        let wrapped = wrap(&self.unlock()?, passphrase, rng);
        replace(&self.path, wrapped.as_bytes())?;
        self.wrapped = wrapped;
        self.passphrase = None;
        Ok(())
    }
}

impl Vault for FileVault {
    fn unlock(&mut self) -> Result<StoreKey, VaultError> {
        self.wrapped.unlock(self.passphrase.as_ref().map(|passphrase| passphrase.as_str()))
    }
}

/// Wrapping keys in a file, sealed under the store's key: they change without anybody being asked for
/// the passphrase.
///
/// A file that is replaced is overwritten first, which destroys it on a magnetic disk. Flash, and file
/// systems that copy on write, may keep the old blocks until they need the space: there only a
/// keystore destroys keys for certain.
#[derive(Debug)]
pub struct FileWrappingKeys {
    path: PathBuf,
    store: StoreKey,
}

impl FileWrappingKeys {
    /// For the store with this key. The file is made when the first key is kept.
    pub fn new(path: PathBuf, store: StoreKey) -> Self {
        Self { path, store }
    }
}

impl WrappingKeys for FileWrappingKeys {
    fn load(&self) -> Result<Vec<WrappingKey>, VaultError> {
        match read(&self.path) {
            Ok(bytes) => WrappingKey::open_all(&bytes, &self.store),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn replace(&self, keys: &[&WrappingKey]) -> Result<(), VaultError> {
        let mut rng = crate::footpost::rng().map_err(io::Error::other)?;
        Ok(replace(&self.path, &WrappingKey::seal_all(keys, &self.store, &mut rng))?)
    }
}

fn wrap(key: &StoreKey, passphrase: Option<&str>, rng: &mut dyn CryptoRng) -> WrappedKey {
    passphrase.map_or_else(|| WrappedKey::open(key), |words| WrappedKey::new(key, words, rng))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Puts another file in this one's place, whole or not at all, and overwrites the one that was there:
/// only after nothing needs it any more.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut old = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        old => Some(old?),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    write(&mut private().create(true).truncate(true).open(&new)?, bytes)?;
    fs::rename(new, path)?;
    sync_directory(path)?;
    if let Some(old) = &mut old {
        let len = old.metadata()?.len().min(MAX_BYTES);
        write(old, &vec![0; len as usize])?;
    }
    Ok(())
}

/// The name, too, must survive a loss of power.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn wrapping_keys_replace_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let key = |byte| StoreKey::from_bytes(&[byte; 32]);
        let keys = FileWrappingKeys::new(path.clone(), key(1));
        assert!(keys.load().unwrap().is_empty());
        let [one, two] = [1, 2].map(|n| WrappingKey::from_parts(n, &[n as u8; 32]));
        let numbers = |keys: &FileWrappingKeys| -> Vec<_> {
            keys.load().unwrap().iter().map(WrappingKey::number).collect()
        };
        keys.replace(&[&one, &two]).unwrap();
        assert_eq!(numbers(&keys), [1, 2]);
        // What was in the old file's place, as another name for it shows, is overwritten.
        let remnant = directory.path().join("remnant");
        fs::hard_link(&path, &remnant).unwrap();
        keys.replace(&[&two]).unwrap();
        assert_eq!(numbers(&keys), [2]);
        assert!(fs::read(remnant).unwrap().iter().all(|&byte| byte == 0));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        let others = FileWrappingKeys::new(path.clone(), key(2));
        assert!(matches!(others.load(), Err(VaultError::WrappingKeys)));
        fs::write(&path, b"").unwrap();
        assert!(matches!(keys.load(), Err(VaultError::WrappingKeys)));
    }

    #[test]
    fn the_key_stays_the_same_through_changes_of_passphrase() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault");
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = FileVault::create(&path, None, &mut rng).unwrap();
        assert!(FileVault::create(&path, None, &mut rng).is_err());
        let mut vault = FileVault::open(&path).unwrap();
        assert!(!vault.is_locked() && vault.unlock().unwrap() == key);
        vault.change(Some("one"), &mut rng).unwrap();
        let with = |passphrase: &str| {
            let mut vault = FileVault::open(&path).unwrap();
            vault.set_passphrase(Zeroizing::new(passphrase.into()));
            vault
        };
        assert!(vault.is_locked() && matches!(vault.unlock(), Err(VaultError::Locked)));
        let before = fs::read(&path).unwrap();
        assert!(with("two").change(None, &mut rng).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
        with("one").change(Some("two"), &mut rng).unwrap();
        assert!(with("two").unlock().unwrap() == key);
        assert!(matches!(with("one").unlock(), Err(VaultError::WrongPassphrase)));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        fs::write(&path, b"").unwrap();
        assert!(matches!(with("two").unlock(), Err(VaultError::Damaged)));
    }
}
