//! The bare primitives that sealing and carrying share.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::Rng;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::path::Path;

pub(crate) const SIGNATURE_LEN: usize = 64;
const STUB_LEN: usize = 80;

/// What a postmark signs: domain and id, which covers the whole envelope.
pub(crate) fn postmark_message(unsigned: &[u8], commitment: &[u8]) -> Vec<u8> {
    id_message(&id(unsigned, commitment))
}

fn id(unsigned: &[u8], commitment: &[u8]) -> [u8; 32] {
    let mut stub = [0; STUB_LEN];
    let everything_else = &unsigned[STUB_LEN..];
    stub[48..].copy_from_slice(&Sha256::digest(everything_else));
    Sha256::new()
        .chain_update(b"footpost/1 envelope id")
        .chain_update(commitment)
        .chain_update(Sha256::digest(stub))
        .finalize()
        .into()
}

fn id_message(id: &[u8; 32]) -> Vec<u8> {
    [b"footpost/1 postmark", &id[..]].concat()
}

pub(crate) fn mac(key: &[u8; 32], header: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(header);
    mac.finalize().into_bytes().into()
}

pub(crate) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// Verification, hashing and insertion, and nothing else: what carrying cannot do without.
pub(crate) struct BareRelay {
    connection: Connection,
    key: [u8; 32],
}

impl BareRelay {
    /// A table with rowids and a unique index, under the settings of a node's store.
    pub(crate) fn new(path: &Path, key: &SigningKey) -> Self {
        let connection = Connection::open(path).expect("the file can be made");
        connection
            .execute_batch(
                "PRAGMA locking_mode = EXCLUSIVE;
                 PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = NORMAL;
                 PRAGMA journal_size_limit = 8388608;
                 PRAGMA secure_delete = FAST;
                 PRAGMA temp_store = MEMORY;
                 CREATE TABLE envelopes
                     (row INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL);",
            )
            .expect("the table can be made");
        Self { connection, key: key.verifying_key().to_bytes() }
    }

    /// Takes in a batch, in one transaction.
    pub(crate) fn take(&self, envelopes: &[Vec<u8>]) {
        let run = |sql: &str| self.connection.execute_batch(sql).expect("the store works");
        run("BEGIN IMMEDIATE");
        for envelope in envelopes {
            let (unsigned, signature) =
                envelope.split_last_chunk::<SIGNATURE_LEN>().expect("the envelope is whole");
            let id = id(unsigned, &unsigned[..32]);
            assert!(verify(&self.key, &id_message(&id), signature));
            self.connection
                .prepare_cached("INSERT INTO envelopes (id, bytes) VALUES (?1, ?2)")
                .and_then(|mut insert| insert.execute((id, envelope)))
                .expect("the store works");
        }
        run("COMMIT");
    }
}

/// As many random envelopes of this length, signed as [`BareRelay::take`] expects.
pub(crate) fn signed_envelopes(
    rng: &mut impl Rng,
    key: &SigningKey,
    envelope_bytes: usize,
    count: usize,
) -> Vec<Vec<u8>> {
    let mut signed = || {
        let mut envelope = vec![0; envelope_bytes - SIGNATURE_LEN];
        rng.fill_bytes(&mut envelope);
        let signature = key.sign(&postmark_message(&envelope, &envelope[..32]));
        envelope.extend_from_slice(&signature.to_bytes());
        envelope
    };
    std::iter::repeat_with(&mut signed).take(count).collect()
}
