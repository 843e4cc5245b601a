//! Flash that forgets nothing, and crashes between vault and store.

use super::*;
use crate::chat::ContactId;
use crate::identity::{Suite, TargetSecret};
use crate::store::{OwnReply, StorePath};
use crate::time::Timestamp;
use crate::vault::{MemoryKeys, StoreKey};
use crate::{Config, Node, OpenError, Work};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::path::Path;
use tempfile::TempDir;

const ALICE: ContactId = ContactId(1);
const DAY: SteadyMs = RENEW_AFTER_MS;

/// A store with a vault, both of which can be opened again.
struct Profile {
    directory: TempDir,
    keys: Arc<MemoryKeys>,
    rng: ChaCha20Rng,
}

impl Profile {
    /// With one contact, and wrapped already.
    fn new() -> (Self, Store) {
        let directory = tempfile::tempdir().unwrap();
        let rng = ChaCha20Rng::seed_from_u64(1);
        let mut profile = Self { directory, keys: Arc::default(), rng };
        let mut store = profile.open().unwrap();
        let sql = "INSERT INTO contacts (id, identity, name, card) VALUES (1, x'', 'Alice', x'')";
        store.connection.execute(sql, []).unwrap();
        assert_eq!(store.next_renewal().unwrap(), Some(SteadyMs::MIN));
        profile.renew(&mut store, 0).unwrap();
        (profile, store)
    }

    fn path(&self, directory: &Path) -> StorePath {
        let key = StoreKey::from_bytes(&[1; 32]);
        StorePath::Encrypted { path: directory.join("store"), key, wrapping: self.keys.clone() }
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.path(self.directory.path()))
    }

    fn renew(&mut self, store: &mut Store, now: SteadyMs) -> Result<(), StoreError> {
        store.renew_wrapping(now, &mut self.rng)?;
        store.commit()
    }

    /// A target of this number, committed; its secret.
    fn give(&mut self, store: &mut Store, counter: u64) -> [u8; 32] {
        let end = Timestamp(1_800_000_000_000);
        let secret = TargetSecret::generate(Suite::X25519, counter, end, &mut self.rng);
        let bytes = *secret.kem_secret().to_bytes();
        let reply =
            OwnReply { contact: ALICE, secret, is_post_quantum: false, received: 0, issued: 0 };
        store.require(Durability::Power).unwrap();
        store.insert_own_reply(&reply, SteadyMs::MAX, &mut self.rng).unwrap();
        store.commit().unwrap();
        bytes
    }

    /// All that flash may keep: the pages as they are now.
    fn remnants(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for name in ["store", "store-wal"] {
            let _ = std::fs::copy(self.directory.path().join(name), copy.path().join(name));
        }
        copy
    }

    fn numbers(&self) -> Vec<u64> {
        self.keys.load().unwrap().iter().map(WrappingKey::number).collect()
    }
}

fn destroy(store: &mut Store, counter: u64) {
    store.require(Durability::Power).unwrap();
    store.delete_own_reply(ALICE, counter).unwrap();
    store.scrub();
    store.commit().unwrap();
}

fn secrets(store: &Store) -> Vec<[u8; 32]> {
    let replies = store.own_replies().unwrap();
    replies.iter().map(|reply| *reply.secret.kem_secret().to_bytes()).collect()
}

#[test]
fn flash_remnants_and_all_keys_that_are_left_open_nothing_destroyed() {
    let (mut profile, mut store) = Profile::new();
    let (first, second) = (profile.give(&mut store, 1), profile.give(&mut store, 2));
    assert_eq!(store.next_renewal().unwrap(), None);
    let remnants = profile.remnants();
    let blob = |directory: &TempDir, counter: u64| -> Vec<u8> {
        let store = Store::open_wrapped(&profile.path(directory.path())).unwrap();
        let sql = "SELECT kem_secret FROM reply_targets WHERE counter = ?1";
        store.connection.query_row(sql, [counter as i64], |row| row.get(0)).unwrap()
    };
    let old = blob(&remnants, 1);
    let open_old = || {
        let keys = profile.keys.load().unwrap();
        keys.iter().find_map(|key| key.unwrap(&old, &place(1, 1))).map(|secret| **secret)
    };
    assert!(old.windows(16).all(|part| part != &first[..16]));
    destroy(&mut store, 1);
    // The key that has wrapped it lives on until the renewal.
    assert_eq!(open_old(), Some(first));
    assert_eq!(store.next_renewal().unwrap(), Some(DAY));
    store.renew_wrapping(DAY, &mut profile.rng.clone()).unwrap();
    assert_eq!(open_old(), Some(first));
    store.commit().unwrap();
    assert_eq!((profile.numbers(), open_old()), (vec![2], None));
    assert_eq!((store.next_renewal().unwrap(), secrets(&store)), (None, vec![second]));
    assert!(matches!(
        Store::open(&profile.path(remnants.path())),
        Err(StoreError::Vault(VaultError::WrappingKeys))
    ));
    drop(store);
    assert_eq!(secrets(&profile.open().unwrap()), [second]);
}

#[test]
fn no_crash_between_vault_and_store_loses_a_secret() {
    let (mut profile, mut store) = Profile::new();
    let live = profile.give(&mut store, 1);
    // The new key is kept, the commit never comes.
    store.renew_wrapping(0, &mut profile.rng).unwrap();
    assert_eq!(profile.numbers(), [1, 2]);
    store.abandon();
    drop(store);
    let mut store = profile.open().unwrap();
    assert_eq!((profile.numbers(), secrets(&store)), (vec![1], vec![live]));
    // The commit comes, the old key is not destroyed.
    *profile.keys.writes_left() = Some(1);
    let failed = profile.renew(&mut store, 0);
    assert!(matches!(failed, Err(StoreError::Vault(VaultError::Io(_)))));
    drop(store);
    *profile.keys.writes_left() = None;
    assert_eq!(profile.numbers(), [1, 2]);
    let mut store = profile.open().unwrap();
    assert_eq!((profile.numbers(), secrets(&store)), (vec![2], vec![live]));
    // The vault takes no new key: nothing was begun.
    *profile.keys.writes_left() = Some(0);
    assert!(profile.renew(&mut store, 0).is_err());
    store.abandon();
    drop(store);
    *profile.keys.writes_left() = None;
    assert_eq!(secrets(&profile.open().unwrap()), [live]);
}

#[test]
fn a_store_from_before_is_wrapped_at_its_next_opening() {
    let (mut profile, mut store) = Profile::new();
    let live = profile.give(&mut store, 1);
    // As such a store was: in the open.
    let sql = "UPDATE reply_targets SET kem_secret = ?1; ";
    store.connection.execute(sql, [live]).unwrap();
    store.connection.execute("UPDATE wrapping SET number = 0", []).unwrap();
    drop(store);
    let mut store = profile.open().unwrap();
    assert_eq!((secrets(&store), store.next_renewal().unwrap()), (vec![live], Some(SteadyMs::MIN)));
    profile.renew(&mut store, 0).unwrap();
    drop(store);
    assert_eq!((profile.numbers(), secrets(&profile.open().unwrap())), (vec![1], vec![live]));
}

#[test]
fn lost_keys_are_an_error_that_changes_nothing_until_what_they_open_is_given_up() {
    let now = Timestamp(1_780_315_200_000);
    let directory = tempfile::tempdir().unwrap();
    let keys: Arc<MemoryKeys> = Arc::default();
    let config = Config::default().work(Work::None).clone();
    let path = StorePath::Encrypted {
        path: directory.path().join("store"),
        key: StoreKey::from_bytes(&[1; 32]),
        wrapping: keys.clone(),
    };
    let open =
        |seed| Node::open(&path, config.clone(), Box::new(ChaCha20Rng::seed_from_u64(seed)), now);
    let mut node = open(1).unwrap();
    node.set_name(now, Some("Alice")).unwrap();
    let card = node.card().clone();
    drop(node);
    let kept = std::mem::take(&mut *keys.keys());
    let error = open(2).err().unwrap();
    assert!(matches!(error, OpenError::Store(StoreError::Vault(VaultError::WrappingKeys))));
    assert!(error.to_string().contains("put them back"), "{error}");
    *keys.keys() = kept;
    assert_eq!(open(2).unwrap().card(), &card);
    keys.keys().clear();
    Node::reset_targets(&path, now).unwrap();
    let node = open(3).unwrap();
    assert_eq!((node.identity(), node.name()), (card.identity(), Some("Alice")));
    assert!(node.card().sequence() > card.sequence());
    assert_eq!(keys.load().unwrap().len(), 1);
}
