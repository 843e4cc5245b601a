//! Where a profile lives: one directory that nobody else can enter.

use crate::{
    failure::{Exit, Failure},
    passphrase::Passphrases,
};
use footpost_core::{Config, Node, OpenError, StorePath, Timestamp, Vault, VaultError, Work};
use footpost_transports::{FileVault, FileWrappingKeys};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    env,
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

const DATABASE: &str = "footpost.db";
const VAULT: &str = "vault";
const WRAPPING_KEYS: &str = "vault.keys";
const SOCKET: &str = "footpost.sock";
const DEFAULT_NAME: &str = "default";
/// Other commands hold a store for a moment only; a node that holds it for longer answers.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(15);

/// The directory of a profile, which need not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    dir: PathBuf,
    /// How the user has to say it, to name it in advice.
    option: String,
    passphrases: Passphrases,
    work: Work,
}

impl Profile {
    pub(crate) fn locate(
        name: Option<&str>,
        dir: Option<&Path>,
        passphrases: Passphrases,
        work: Work,
    ) -> Result<Self, Failure> {
        let given = env::var_os("FOOTPOST_DIR").filter(|dir| !dir.is_empty() && name.is_none());
        if let Some(dir) = dir {
            let option = format!(" --dir {}", dir.display());
            return Ok(Self { dir: dir.into(), option, passphrases, work });
        }
        if let Some(dir) = given {
            return Ok(Self { dir: dir.into(), option: String::new(), passphrases, work });
        }
        let option = name.map(|name| format!(" --profile {name}")).unwrap_or_default();
        let name = name.unwrap_or(DEFAULT_NAME);
        if !is_plain(name) {
            let rule = "a profile's name has letters, digits, “-” and “_” only";
            return Err(Failure::new(Exit::Usage, rule));
        }
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        let data = absolute("XDG_DATA_HOME")
            .or_else(|| Some(absolute("HOME")?.join(".local/share")))
            .ok_or_else(|| {
                Failure::new(Exit::Profile, "there is no home directory: name one with --dir")
            })?;
        Ok(Self { dir: data.join("footpost").join(name), option, passphrases, work })
    }

    /// Makes the directory, the vault and an empty store, all for their owner alone. Says whether
    /// the vault is under a passphrase.
    pub(crate) fn create(&self) -> Result<bool, Failure> {
        if self.database().exists() {
            let dir = self.dir.display();
            let message = format!("there is a profile in {dir} already: choose another --profile");
            return Err(Failure::new(Exit::Failed, message));
        }
        let passphrase = self.passphrases.first()?;
        let mut rng = rng()?;
        let mut make = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
            // The store comes last: it is what makes a profile of a directory.
            for file in [self.vault_file(), self.dir.join(WRAPPING_KEYS)] {
                match fs::remove_file(file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    _ => {}
                }
            }
            let passphrase = passphrase.as_ref().map(|text| text.as_str());
            FileVault::create(&self.vault_file(), passphrase, &mut rng)?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.database())?;
            Ok(())
        };
        let made: Result<(), VaultError> = make();
        made.map_err(|error| {
            let message = format!("cannot make a profile in {}: {error}", self.dir.display());
            Failure::new(Exit::Profile, message)
        })?;
        self.check()?;
        Ok(passphrase.is_some())
    }

    /// Undoes [`Profile::create`], as far as the system lets it.
    pub(crate) fn discard(&self) {
        let log = self.dir.join(format!("{DATABASE}-wal"));
        for file in [self.database(), log, self.vault_file(), self.dir.join(WRAPPING_KEYS)] {
            let _ = fs::remove_file(file);
        }
    }

    /// Whether there is a profile that nobody else can look into.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let missing = || {
            let (dir, footpost) = (self.dir.display(), self.invocation());
            format!("there is no profile in {dir}: run `{footpost} init` first")
        };
        let cannot = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => missing(),
            _ => format!("cannot use the profile in {}: {error}", self.dir.display()),
        };
        let fail = |message| Failure::new(Exit::Profile, message);
        let dir = fs::metadata(&self.dir).map_err(|error| fail(cannot(&error)))?;
        fs::metadata(self.database()).map_err(|error| fail(cannot(&error)))?;
        if dir.mode() & 0o077 != 0 {
            let dir = self.dir.display();
            return Err(fail(format!("others can look into {dir}: run `chmod 700 {dir}`")));
        }
        Ok(())
    }

    /// Whose it is: who else may talk to its node.
    pub(crate) fn owner(&self) -> io::Result<u32> {
        Ok(fs::metadata(&self.dir)?.uid())
    }

    /// How the user begins a command on this profile.
    pub(crate) fn invocation(&self) -> String {
        format!("footpost{}", self.option)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }

    /// What every node on this profile has in common.
    pub(crate) fn settings(&self) -> Config {
        Config::default().work(self.work).clone()
    }

    /// The store and its key; asks for the passphrase if the vault is under one.
    pub(crate) fn store(&self) -> Result<StorePath, Failure> {
        self.check()?;
        let key = self.vault()?.unlock()?;
        let wrapping = Arc::new(FileWrappingKeys::new(self.dir.join(WRAPPING_KEYS), key.clone()));
        Ok(StorePath::Encrypted { path: self.database(), key, wrapping })
    }

    /// The vault, and with it the passphrase that was given.
    pub(crate) fn vault(&self) -> Result<FileVault, Failure> {
        let mut vault = FileVault::open(&self.vault_file())?;
        if vault.is_locked()
            && let Some(passphrase) = self.passphrases.current()?
        {
            vault.set_passphrase(passphrase);
        }
        Ok(vault)
    }

    pub(crate) fn passphrases(&self) -> &Passphrases {
        &self.passphrases
    }

    fn vault_file(&self) -> PathBuf {
        self.dir.join(VAULT)
    }

    fn database(&self) -> PathBuf {
        self.dir.join(DATABASE)
    }

    /// Opens the node in this process; what has fallen due since it last ran is done.
    pub(crate) fn open(&self, store: &StorePath, rng: ChaCha20Rng) -> Result<Node, OpenError> {
        let mut node = Node::open(store, self.settings(), Box::new(rng), now())?;
        node.handle_timeout(now())?;
        node.commit()?;
        Ok(node)
    }
}

/// Randomness for keys, from the system.
pub(crate) fn rng() -> Result<ChaCha20Rng, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        Failure::new(Exit::Failed, format!("the system gives no randomness: {error}"))
    })?;
    Ok(ChaCha20Rng::from_seed(seed))
}

/// Tries again for a while where another process has the store.
pub(crate) struct Patience(Instant);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    /// Whether to try again, after a pause.
    pub(crate) fn again(&self) -> bool {
        thread::sleep(PAUSE);
        Instant::now() < self.0
    }
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn is_plain(name: &str) -> bool {
    let is_plain = |char: char| char.is_alphanumeric() || "-_".contains(char);
    !name.is_empty() && name.len() <= 64 && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profiles_name_is_no_path() {
        assert!(is_plain("alice-2") && is_plain("müller_1"));
        for bad in ["", ".", "..", "a/b", "/etc", "a b", "a\0b"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
