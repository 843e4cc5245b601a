//! The sealed file: chunks under a key of its own, in order and whole or not at all.

use super::BackupError;
use crate::codec::Writer;
use crate::envelope::MAX_ENVELOPE_BYTES;
use crate::identity::RecoveryWords;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

pub(super) const MAGIC: &[u8; 16] = b"footpost/backup\n";
pub(super) const VERSION: u8 = 2;
pub(super) const HEADER_LEN: usize = MAGIC.len() + 1 + 16;
/// A chunk ends with the record that makes it so long.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;
const TAG_LEN: usize = 16;
pub(super) const MAX_RECORD_BYTES: usize = MAX_ENVELOPE_BYTES + 4096;
const MAX_CHUNK_BYTES: usize = CHUNK_BYTES + MAX_RECORD_BYTES + 16 + TAG_LEN;

/// The cipher of one file, and its count of chunks.
struct Stream {
    cipher: Aes256Gcm,
    header: [u8; HEADER_LEN],
    chunks: u64,
}

impl Stream {
    fn new(words: &RecoveryWords, header: [u8; HEADER_LEN]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(&header), &*words.backup_key())
            .expand(b"footpost/1 backup", &mut *key)
            .expect("32 bytes are within HKDF's limit");
        Self { cipher: Aes256Gcm::new((&*key).into()), header, chunks: 0 }
    }

    /// The nonce of the next chunk.
    fn nonce(&mut self, is_last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.chunks.to_be_bytes());
        nonce[11] = is_last.into();
        self.chunks += 1;
        nonce
    }
}

pub(super) struct Sealer<'a> {
    stream: Stream,
    chunk: Zeroizing<Vec<u8>>,
    out: &'a mut dyn Write,
}

impl<'a> Sealer<'a> {
    pub(super) fn new(
        words: &RecoveryWords,
        random: [u8; 16],
        out: &'a mut dyn Write,
    ) -> Result<Self, BackupError> {
        let mut header = [VERSION; HEADER_LEN];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        header[MAGIC.len() + 1..].copy_from_slice(&random);
        out.write_all(&header)?;
        Ok(Self { stream: Stream::new(words, header), chunk: Zeroizing::default(), out })
    }

    pub(super) fn record(&mut self, kind: u8, record: &[u8]) -> Result<(), BackupError> {
        self.chunk.put_u8(kind);
        self.chunk.put_bytes(record);
        if self.chunk.len() >= CHUNK_BYTES { self.write(false) } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        self.write(true)?;
        Ok(self.out.flush()?)
    }

    fn write(&mut self, is_last: bool) -> Result<(), BackupError> {
        let nonce = self.stream.nonce(is_last);
        let mut chunk = std::mem::take(&mut self.chunk);
        self.stream
            .cipher
            .encrypt_in_place((&nonce).into(), &self.stream.header, &mut *chunk)
            .map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        self.out.write_all(&(chunk.len() as u32).to_be_bytes())?;
        Ok(self.out.write_all(&chunk)?)
    }
}

pub(super) struct Opener<'a> {
    stream: Stream,
    backup: &'a mut dyn Read,
    has_ended: bool,
}

impl<'a> Opener<'a> {
    pub(super) fn new(
        words: &RecoveryWords,
        backup: &'a mut dyn Read,
    ) -> Result<Self, BackupError> {
        let mut header = [0; HEADER_LEN];
        backup.read_exact(&mut header).map_err(|error| ended(error, BackupError::Foreign))?;
        if !header.starts_with(MAGIC) {
            return Err(BackupError::Foreign);
        }
        match header[MAGIC.len()] {
            VERSION => Ok(Self { stream: Stream::new(words, header), backup, has_ended: false }),
            other => Err(BackupError::Version(other)),
        }
    }

    /// The next chunk, opened; none after the one that was sealed as the last.
    pub(super) fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, BackupError> {
        if self.has_ended {
            let is_whole = self.backup.read(&mut [0])? == 0;
            return if is_whole { Ok(None) } else { Err(BackupError::Damaged) };
        }
        let is_first = self.stream.chunks == 0;
        let mut len = [0; 4];
        self.backup.read_exact(&mut len).map_err(|error| ended(error, BackupError::Damaged))?;
        let len = u32::from_be_bytes(len) as usize;
        if !(TAG_LEN..=MAX_CHUNK_BYTES).contains(&len) {
            return Err(BackupError::Damaged);
        }
        let mut sealed = vec![0; len];
        self.backup.read_exact(&mut sealed).map_err(|error| ended(error, BackupError::Damaged))?;
        let chunks = self.stream.chunks;
        for is_last in [false, true] {
            self.stream.chunks = chunks;
            let nonce = self.stream.nonce(is_last);
            let mut chunk = Zeroizing::new(sealed.clone());
            let opened = self.stream.cipher.decrypt_in_place(
                (&nonce).into(),
                &self.stream.header,
                &mut *chunk,
            );
            if opened.is_ok() {
                self.has_ended = is_last;
                return Ok(Some(chunk));
            }
        }
        Err(if is_first { BackupError::Words } else { BackupError::Damaged })
    }
}

/// An early end is about the backup, not about the disk.
fn ended(error: io::Error, early: BackupError) -> BackupError {
    if error.kind() == io::ErrorKind::UnexpectedEof { early } else { error.into() }
}
