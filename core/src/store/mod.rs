//! The store: one SQLite database a node, opened by one process at a time.
//!
//! Concrete and synchronous. In-memory SQLite is its test double.

mod attachments;
mod bulletins;
mod contacts;
mod custody;
mod devices;
mod due;
mod envelopes;
mod fragments;
mod messages;
mod neighbours;
mod own;
mod pool;
mod postmarks;
mod relations;
mod targets;
mod tombstones;
mod trust;
mod wrapping;

pub(crate) use attachments::Attachment;
pub(crate) use bulletins::Unpublished;
pub(crate) use contacts::ContactRow;
pub(crate) use custody::{Handed, MAX_HANDED};
use due::Due;
pub(crate) use envelopes::{Carried, EnvelopeRow, NewEnvelope, Standing};
pub(crate) use messages::{MessageRow, NewMessage};
pub(crate) use own::Own;
pub use pool::EnvelopePool;
pub(crate) use postmarks::{OwnPostmark, PostmarkRow, Verdict};
pub(crate) use targets::OwnReply;
pub(crate) use tombstones::{Proof, Tombstone};

use crate::vault::{StoreKey, VaultError, WrappingKeys};
use data_encoding::HEXLOWER;
use pool::Pooled;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::cell::{Cell, RefCell};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error;
use wrapping::Wrapping;
use zeroize::Zeroizing;

/// Where a node keeps its database.
#[derive(Debug, Clone)]
pub enum StorePath {
    /// In this file, made if it is missing, encrypted under this key; `-wal` stands beside it,
    /// encrypted too.
    Encrypted {
        /// The file.
        path: PathBuf,
        /// Its key: see [`crate::Vault`].
        key: StoreKey,
        /// What the secrets of targets are wrapped under inside.
        wrapping: Arc<dyn WrappingKeys>,
    },
    /// The same in the clear: for tests and measurements.
    File(PathBuf),
    /// In memory: for tests.
    Memory,
    /// In memory, with others' envelopes in a pool that it shares with other stores: for simulations.
    Pooled(EnvelopePool),
}

impl StorePath {
    pub(crate) fn wrapping(&self) -> Option<&Arc<dyn WrappingKeys>> {
        match self {
            Self::Encrypted { wrapping, .. } => Some(wrapping),
            Self::File(_) | Self::Memory | Self::Pooled(_) => None,
        }
    }
}

/// The store cannot go on. The node that met it is dropped and opened again once the cause is gone;
/// everything committed is there.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("the store is in use by another process: stop that one first")]
    InUse,
    /// No space is left.
    #[error("the disk is full: free some space, then start again; nothing accepted was lost")]
    Full,
    /// The file is not writable.
    #[error("the store cannot be written: check owner and permissions of the data directory")]
    ReadOnly,
    /// The file cannot be opened or made.
    #[error("the store cannot be opened: does its directory exist, and is it accessible?")]
    CannotOpen,
    /// The file is damaged or no store.
    #[error("the store is damaged, or not a Footpost store: restore it, or begin a new profile")]
    Corrupt,
    /// The file is encrypted under another key, or is no store.
    #[error("the vault's key does not fit this store: are both whole, and of one profile?")]
    WrongKey,
    /// The vault does not give or keep the wrapping keys; nothing in the store has changed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A later version of Footpost wrote it.
    #[error("the store is of version {found}, this Footpost knows {known}: update Footpost")]
    TooNew {
        /// The store's version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// An earlier failure left a transaction half done; nothing of it was kept.
    #[error("the store has failed before: open the node again")]
    Abandoned,
    /// Reading or writing failed.
    #[error("the store failed: {0}")]
    Sqlite(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(ErrorCode::CannotOpen) => Self::CannotOpen,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt,
            _ => Self::Sqlite(error),
        }
    }
}

/// How much a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Durability {
    /// The end of the process. Enough for copies that others hold too.
    Process,
    /// The loss of power.
    Power,
}

/// Numbered migrations, applied in order, each in a transaction of its own.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001_foundation.sql"),
    include_str!("migrations/002_ratchet.sql"),
    include_str!("migrations/003_people.sql"),
    include_str!("migrations/004_vault.sql"),
    include_str!("migrations/005_postmarks.sql"),
    include_str!("migrations/006_wrapping.sql"),
    include_str!("migrations/007_settlements.sql"),
    include_str!("migrations/008_fragments.sql"),
    include_str!("migrations/009_bulletins.sql"),
    include_str!("migrations/010_custody.sql"),
    include_str!("migrations/011_tags.sql"),
    include_str!("migrations/012_ack_ages.sql"),
    include_str!("migrations/013_scans.sql"),
    include_str!("migrations/014_repair.sql"),
    include_str!("migrations/015_remembered_letters.sql"),
    include_str!("migrations/016_told.sql"),
];

/// `Footpost` in the database header marks the file as ours.
const APPLICATION_ID: u32 = 0x4670_7374;

pub(crate) struct Store {
    connection: Connection,
    /// What the open transaction needs; `None` while none is open.
    open: Option<Durability>,
    /// Whether a transaction was given up: memory and database may disagree from then on.
    is_abandoned: bool,
    /// Whether a secret was deleted since the last commit: the log forgets it too.
    needs_scrub: bool,
    /// None where there is no vault.
    wrapping: Option<Wrapping>,
    /// Memory outlives nothing.
    is_file: bool,
    /// Where others' envelopes are, if not in the database.
    pooled: Option<RefCell<Pooled>>,
    /// As looked up after so many changes.
    due: Cell<Option<(u64, Due)>>,
}

impl Store {
    /// Opens the store, takes it for this process alone, and brings its schema up to date.
    pub(crate) fn open(path: &StorePath) -> Result<Self, StoreError> {
        let mut store = Self::open_wrapped(path)?;
        store.find_wrapping_key(path.wrapping())?;
        Ok(store)
    }

    /// The same without the key that secrets are wrapped under: none of them can be read.
    pub(crate) fn open_wrapped(path: &StorePath) -> Result<Self, StoreError> {
        let connection = match path {
            StorePath::Encrypted { path, key, .. } => open_encrypted(path, key)?,
            StorePath::File(path) => open_file(path)?,
            StorePath::Memory | StorePath::Pooled(_) => open_in_memory()?,
        };
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             PRAGMA journal_size_limit = 8388608;
             PRAGMA secure_delete = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA foreign_keys = ON;",
        )?;
        let is_file = matches!(path, StorePath::Encrypted { .. } | StorePath::File(_));
        // In memory the statements would be half of an idle node. These hold what is asked every minute.
        connection.set_prepared_statement_cache_capacity(if is_file { 256 } else { 32 });
        let mut store = Self {
            connection,
            open: None,
            is_abandoned: false,
            needs_scrub: false,
            wrapping: None,
            is_file,
            pooled: None,
            due: Cell::new(None),
        };
        if let StorePath::Pooled(pool) = path {
            store.pooled = Some(RefCell::new(Pooled::new(pool.clone())));
        }
        store.migrate()?;
        Ok(store)
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        // The first write takes the lock that keeps every other process out until this one ends.
        self.connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
        let pragma =
            |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
        let (found, application) = (pragma("user_version")?, pragma("application_id")?);
        let has_tables: bool = self.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema)",
            [],
            |row| row.get(0),
        )?;
        // Some other program's database: no table of ours goes into it.
        if application != APPLICATION_ID && (found > 0 || has_tables) {
            return Err(StoreError::Corrupt);
        }
        let known = MIGRATIONS.len() as u32;
        if found > known {
            return Err(StoreError::TooNew { found, known });
        }
        for (version, migration) in (1..=known).zip(MIGRATIONS).skip(found as usize) {
            self.connection.execute_batch(&format!(
                "PRAGMA synchronous = FULL;
                 BEGIN;
                 {migration}
                 PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {version};
                 COMMIT;
                 PRAGMA synchronous = NORMAL;"
            ))?;
        }
        Ok(())
    }

    /// Opens a transaction unless one is open, and asks that its commit be at least so durable.
    pub(crate) fn require(&mut self, durability: Durability) -> Result<(), StoreError> {
        if self.is_abandoned {
            return Err(StoreError::Abandoned);
        }
        if self.open.is_none() {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        }
        self.open = self.open.max(Some(durability));
        Ok(())
    }

    /// Whether inputs are waiting for [`Store::commit`], or were given up: nothing that they brought
    /// about may get out.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some() || self.is_abandoned
    }

    /// A secret is being destroyed: after the commit no older copy of it stays in the log.
    pub(crate) fn scrub(&mut self) {
        self.needs_scrub = true;
    }

    /// Gives up the open transaction, and with it the store: half of an input is never kept.
    pub(crate) fn abandon(&mut self) {
        self.is_abandoned = true;
        if self.open.take().is_some() {
            // SQLite may have rolled back already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        if self.is_abandoned {
            return Err(StoreError::Abandoned);
        }
        let Some(durability) = self.open else { return Ok(()) };
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.open = None;
        if durability == Durability::Power && self.is_file {
            // How durable a batch must be is known only once its envelopes are opened, and SQLite
            // does not let a running transaction choose. A small FULL commit syncs the log with
            // all that stands before it.
            self.connection.execute_batch(
                "PRAGMA synchronous = FULL;
                 UPDATE own SET id = id;
                 PRAGMA synchronous = NORMAL;",
            )?;
        }
        if std::mem::take(&mut self.needs_scrub) {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        self.retire_wrapping_keys()
    }
}

/// Most tables have a few rows: in small pages, thousands of stores fit one machine.
fn open_in_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch("PRAGMA page_size = 1024")?;
    Ok(connection)
}

fn open_file(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // SQLite falls back to reading, and would stumble over the first lock.
    if connection.is_readonly(rusqlite::MAIN_DB)? {
        return Err(StoreError::ReadOnly);
    }
    connection.busy_timeout(std::time::Duration::ZERO)?;
    Ok(connection)
}

/// SQLCipher, under the key itself: no passphrase is stretched here.
fn open_encrypted(path: &Path, key: &StoreKey) -> Result<Connection, StoreError> {
    let connection = open_file(path)?;
    // Room for all of it: a string that grows leaves copies.
    let mut sql = Zeroizing::new(String::with_capacity(128));
    sql.push_str("PRAGMA key = \"x'");
    HEXLOWER.encode_append(key.as_bytes(), &mut sql);
    sql.push_str("'\"");
    connection.execute_batch("PRAGMA cipher_log_level = NONE")?;
    connection.execute_batch(&sql)?;
    // SQLite frees its copies of that as they are; what is of the same shape, and longer in each part,
    // takes their places. SQLCipher's memory security would wipe them, but is never off again, and locks
    // and unlocks memory at each allocation of the process from then on.
    for _ in 0..8 {
        connection.execute_batch(&format!("PRAGMA \"{0}\" = \"{0}\"", "0".repeat(128)))?;
    }
    let read = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    match read {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(StoreError::WrongKey)
        }
        read => Ok(read.map(|()| connection)?),
    }
}

/// Steady times may lie before the node's own beginning: an envelope can be older than its carrier.
pub(crate) type SteadyMs = i64;

/// A column of fixed width; anything else means damage.
fn fixed<const N: usize>(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<[u8; N]> {
    row.get(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::MemoryKeys;

    #[test]
    fn an_encrypted_store_needs_its_key_and_shows_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = |key| StorePath::Encrypted {
            path: path.clone(),
            key: StoreKey::from_bytes(&[key; 32]),
            wrapping: Arc::default() as Arc<MemoryKeys>,
        };
        let open = Store::open(&store(1)).unwrap();
        let needle = "a name to be found nowhere";
        open.connection
            .execute(
                "INSERT INTO contacts (identity, name, card) VALUES (x'00', ?1, x'')",
                [needle],
            )
            .unwrap();
        assert!(matches!(Store::open(&store(1)), Err(StoreError::InUse)));
        let shows = |path: &Path| {
            let bytes = std::fs::read(path).unwrap();
            let finds = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
            finds(needle.as_bytes()) || finds(b"contacts") || finds(b"SQLite format 3")
        };
        assert!(!shows(&path) && !shows(&directory.path().join("store-wal")));
        drop(open);
        assert!(!shows(&path));
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(Store::open(&store(2)), Err(StoreError::WrongKey)));
        assert!(Store::open(&StorePath::File(path.clone())).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let again = Store::open(&store(1)).unwrap();
        assert!(again.contact_by_name(needle).unwrap().is_some());
        let plain = directory.path().join("plain");
        drop(Store::open(&StorePath::File(plain.clone())).unwrap());
        let key = StoreKey::from_bytes(&[1; 32]);
        let wrapping: Arc<MemoryKeys> = Arc::default();
        let path = StorePath::Encrypted { path: plain.clone(), key, wrapping };
        assert!(matches!(Store::open(&path), Err(StoreError::WrongKey)));
        assert!(shows_plain(&plain));
    }

    /// That the search would find what is there.
    fn shows_plain(path: &Path) -> bool {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(8).any(|part| part == b"contacts")
    }
}
