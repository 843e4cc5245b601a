//! What a carrier's disk does not hold.

use super::actor::Trouble;
use std::{collections::HashSet, fs, path::Path};

/// So many bytes in a row betray a secret. By chance they occur nowhere.
const WINDOW: usize = 12;

/// Something that must not be on a disk, in whole or in part.
pub(super) struct Secret {
    pub(super) what: String,
    pub(super) bytes: Vec<u8>,
}

impl Secret {
    pub(super) fn new(what: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { what: what.into(), bytes: bytes.into() }
    }

    /// Whether any [`WINDOW`] bytes of it occur.
    fn shows_in(&self, disk: &Disk) -> bool {
        let parts: HashSet<&[u8]> = self.bytes.windows(WINDOW).collect();
        disk.files.iter().any(|file| file.windows(WINDOW).any(|part| parts.contains(part)))
    }
}

/// All that is in the files of a directory.
pub(super) struct Disk {
    files: Vec<Vec<u8>>,
}

impl Disk {
    pub(super) fn read(dir: &Path) -> Result<Self, Trouble> {
        let read = || {
            let mut files = Vec::new();
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    files.push(fs::read(entry.path())?);
                }
            }
            Ok::<_, std::io::Error>(files)
        };
        let files = read().map_err(|error| format!("cannot read {}: {error}", dir.display()))?;
        Ok(Self { files })
    }

    /// Writes a secret into the midst of every file.
    pub(super) fn plant(&mut self, secret: &Secret) {
        for file in &mut self.files {
            let middle = file.len() / 2;
            file.splice(middle..middle, secret.bytes.iter().copied());
        }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.len() as u64).sum()
    }

    /// The secrets of which a part is there.
    pub(super) fn betrays<'a>(&self, secrets: &'a [Secret]) -> Vec<&'a str> {
        let shown = secrets.iter().filter(|secret| secret.shows_in(self));
        shown.map(|secret| secret.what.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_secret_is_enough() {
        let secrets = [Secret::new("text", "the bridge is out"), Secret::new("key", [7; 32])];
        let betrayed = |file: &[u8]| {
            let disk = Disk { files: vec![vec![0; 100], file.to_vec()] };
            disk.betrays(&secrets).join(" ")
        };
        assert_eq!(betrayed(b"xx bridge is out xx"), "text");
        assert_eq!(betrayed(&[7; 12]), "key");
        assert_eq!(betrayed(&[7; 11]), "");
        assert_eq!(betrayed(b"the bridge"), "");
    }
}
