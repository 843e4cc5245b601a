//! The store: one SQLite database a node, opened by one process at a time.
//!
//! Concrete and synchronous. In-memory SQLite is its test double.

mod contacts;
mod envelopes;
mod messages;
mod own;
mod targets;
mod tombstones;

pub(crate) use contacts::ContactRow;
pub(crate) use envelopes::{Carried, EnvelopeRow, NewEnvelope, Standing};
pub(crate) use messages::{MessageRow, NewMessage};
pub(crate) use own::Own;
pub(crate) use targets::OwnReply;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where a node keeps its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePath {
    /// In this file, made if it is missing; `-wal` stands beside it.
    File(PathBuf),
    /// In memory: for tests and simulations.
    Memory,
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
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/001_foundation.sql"), include_str!("migrations/002_ratchet.sql")];

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
}

impl Store {
    /// Opens the store, takes it for this process alone, and brings its schema up to date.
    pub(crate) fn open(path: &StorePath) -> Result<Self, StoreError> {
        let connection = match path {
            StorePath::File(path) => open_file(path)?,
            StorePath::Memory => Connection::open_in_memory()?,
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
        connection.set_prepared_statement_cache_capacity(64);
        let mut store = Self { connection, open: None, is_abandoned: false, needs_scrub: false };
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
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
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
        self.connection.execute_batch("COMMIT")?;
        self.open = None;
        if durability == Durability::Power {
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
        Ok(())
    }
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

/// Steady times may lie before the node's own beginning: an envelope can be older than its carrier.
pub(crate) type SteadyMs = i64;

/// A column of fixed width; anything else means damage.
fn fixed<const N: usize>(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<[u8; N]> {
    row.get(index)
}
