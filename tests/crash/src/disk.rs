//! A disk that loses power: from the journal of what a process did to its files, what may be left.

use crate::{Line, below};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;

/// Disks write sectors whole, and nothing larger.
const SECTOR_BYTES: usize = 512;
const RECORD_HEAD_BYTES: usize = 17;

/// The files of a directory, by name.
pub type Image = BTreeMap<String, Vec<u8>>;

/// One thing that the process did. Files are numbered by their creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Made an empty file.
    Create(u32, String),
    /// Wrote bytes at an offset.
    Write(u32, usize, Vec<u8>),
    /// Cut or extended a file to a length.
    Truncate(u32, usize),
    /// Synced a file's content and length.
    Sync(u32),
    /// Synced the directory: which names there are.
    SyncDirectory,
    /// Took a name away.
    Unlink(String),
    /// Promised something to the outside.
    Promise(Line),
}

/// Reads what the recorder wrote; a record that was cut off by the end of the process is left out.
///
/// # Panics
/// If the process did what the model does not know: its journal proves nothing.
pub fn read_journal(mut bytes: &[u8]) -> Vec<Op> {
    let mut ops = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<RECORD_HEAD_BYTES>() {
        let number = |from, to| {
            head[from..to].iter().rev().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte))
        };
        let (file, offset, len) = (number(1, 5) as u32, number(5, 13), number(13, 17));
        let Some((content, rest)) = rest.split_at_checked(len) else { break };
        let text = || String::from_utf8_lossy(content).into_owned();
        bytes = rest;
        ops.push(match head[0] {
            b'C' => Op::Create(file, text()),
            b'W' => Op::Write(file, offset, content.to_vec()),
            b'T' => Op::Truncate(file, offset),
            b'S' => Op::Sync(file),
            b'D' => Op::SyncDirectory,
            b'U' => Op::Unlink(text()),
            b'P' => Op::Promise(serde_json::from_slice(content).expect("the worker writes lines")),
            kind => panic!("the worker's files changed by a way unknown: {kind} {}", text()),
        });
    }
    ops
}

/// A disk with a cache: what is synced stays, of the rest a crash leaves what it likes.
#[derive(Debug, Default)]
pub struct Disk {
    files: BTreeMap<u32, File>,
    names: BTreeMap<String, u32>,
    unsynced_names: Vec<(String, Option<u32>)>,
    /// Says that it has synced, and has not.
    is_lying: bool,
}

#[derive(Debug, Default)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => write_at(content, *offset, bytes),
            Self::Truncate(len) => content.resize(*len, 0),
        }
    }
}

impl Disk {
    /// One whose syncs do nothing: no engine can keep its word on it.
    pub fn lying() -> Self {
        Self { is_lying: true, ..Self::default() }
    }

    /// What the process does next.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Create(file, name) => {
                self.files.insert(*file, File::default());
                self.unsynced_names.push((name.clone(), Some(*file)));
            }
            Op::Unlink(name) => self.unsynced_names.push((name.clone(), None)),
            Op::Write(file, offset, bytes) => {
                self.change(*file, Change::Write(*offset, bytes.clone()));
            }
            Op::Truncate(file, len) => self.change(*file, Change::Truncate(*len)),
            Op::Sync(file) if !self.is_lying => {
                if let Some(File { synced, unsynced }) = self.files.get_mut(file) {
                    unsynced.drain(..).for_each(|change| change.apply(synced));
                }
            }
            Op::SyncDirectory if !self.is_lying => {
                for (name, file) in std::mem::take(&mut self.unsynced_names) {
                    set_name(&mut self.names, name, file);
                }
            }
            Op::Sync(_) | Op::SyncDirectory | Op::Promise(_) => {}
        }
    }

    fn change(&mut self, file: u32, change: Change) {
        self.files.entry(file).or_default().unsynced.push(change);
    }

    /// What the running system sees.
    pub fn contents(&self) -> Image {
        let mut all = |_: &Unit| Fate::Kept;
        self.image(&mut all)
    }

    /// What is found after the power was cut: all that was synced; of the rest each write is kept,
    /// lost or torn between sectors, each change of length and each name kept or lost, in no order.
    pub fn crash(&self, rng: &mut ChaCha20Rng) -> Image {
        // From a disk that had written nearly all of it to one that had written nearly nothing.
        let kept_percent = [0, 5, 30, 50, 70, 95, 100][below(rng, 7) as usize];
        let torn_percent = [0, 10, 50][below(rng, 3) as usize];
        let mut choose = |unit: &Unit| match unit {
            Unit::Tearable if below(rng, 100) < torn_percent => Fate::Torn,
            Unit::Tearable | Unit::Single if below(rng, 100) < kept_percent => Fate::Kept,
            Unit::Tearable | Unit::Single => Fate::Lost,
        };
        self.image(&mut choose)
    }

    fn image(&self, choose: &mut dyn FnMut(&Unit) -> Fate) -> Image {
        let mut names = self.names.clone();
        for (name, file) in &self.unsynced_names {
            if choose(&Unit::Single) == Fate::Kept {
                set_name(&mut names, name.clone(), *file);
            }
        }
        let mut content = |file: u32| {
            self.files.get(&file).map(|file| file.survivors(choose)).unwrap_or_default()
        };
        names.into_iter().map(|(name, file)| (name, content(file))).collect()
    }
}

/// What a crash decides on: something that can be torn, or that cannot.
enum Unit {
    Tearable,
    Single,
}

#[derive(PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    Torn,
}

impl File {
    fn survivors(&self, choose: &mut dyn FnMut(&Unit) -> Fate) -> Vec<u8> {
        let mut content = self.synced.clone();
        for change in &self.unsynced {
            match (choose(&Unit::Tearable), change) {
                (Fate::Kept, change) => change.apply(&mut content),
                (Fate::Torn, Change::Write(offset, bytes)) => {
                    for (at, sector) in sectors(*offset, bytes) {
                        if choose(&Unit::Single) == Fate::Kept {
                            write_at(&mut content, at, sector);
                        }
                    }
                }
                // The length can have reached the disk without the bytes.
                (Fate::Lost, Change::Write(offset, bytes))
                    if offset + bytes.len() > content.len()
                        && choose(&Unit::Single) == Fate::Kept =>
                {
                    content.resize(offset + bytes.len(), 0);
                }
                (Fate::Lost | Fate::Torn, _) => {}
            }
        }
        content
    }
}

fn set_name(names: &mut BTreeMap<String, u32>, name: String, file: Option<u32>) {
    match file {
        Some(file) => drop(names.insert(name, file)),
        None => drop(names.remove(&name)),
    }
}

fn write_at(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(bytes);
}

/// The pieces of a write that lie in one sector of the file each.
fn sectors(mut offset: usize, mut bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let len = bytes.len().min(SECTOR_BYTES - offset % SECTOR_BYTES);
        let (piece, rest) = bytes.split_at(len);
        pieces.push((offset, piece));
        (offset, bytes) = (offset + len, rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        let mut disk = Disk::default();
        disk.apply(&Op::Create(1, "a".to_owned()));
        disk.apply(&Op::Write(1, 0, vec![1; 1000]));
        disk
    }

    #[test]
    fn what_is_synced_survives_and_what_is_not_may_be_lost_or_torn() {
        let mut disk = disk();
        disk.apply(&Op::Sync(1));
        disk.apply(&Op::SyncDirectory);
        disk.apply(&Op::Write(1, 500, vec![2; 1000]));
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let image = disk.crash(&mut crate::rng(seed, 0));
            assert_eq!(image["a"][..500], [1; 500]);
            found.insert(image["a"].clone());
        }
        assert!(found.contains(&vec![1; 1000]), "all lost");
        assert!(found.contains(&disk.contents()["a"]), "all kept");
        assert!(found.iter().any(|content| content[500..520] != content[600..620]), "torn");
    }

    #[test]
    fn a_file_whose_directory_was_not_synced_may_be_gone() {
        let mut disk = disk();
        disk.apply(&Op::Sync(1));
        let images: Vec<_> = (0..100).map(|seed| disk.crash(&mut crate::rng(seed, 0))).collect();
        assert!(images.iter().any(Image::is_empty) && images.iter().any(|image| !image.is_empty()));
    }

    #[test]
    fn writes_are_cut_at_the_files_own_sectors() {
        let at: Vec<_> =
            sectors(500, &[0; 1100]).iter().map(|(at, piece)| (*at, piece.len())).collect();
        assert_eq!(at, [(500, 12), (512, 512), (1024, 512), (1536, 64)]);
    }
}
