//! Input files: lines of words, plain or gzip.

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::str::{FromStr, SplitWhitespace};
use std::sync::Arc;
use thiserror::Error;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is wrong with an input file.
#[derive(Debug, Error)]
pub enum InputError {
    /// It cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says nothing that was looked for.
    #[error("{}: there is no {what} in it", file.display())]
    Nothing {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A line makes no sense.
    #[error("{place}: {what}")]
    Line {
        /// Where.
        place: Place,
        /// What is wrong.
        what: String,
    },
}

impl InputError {
    pub(crate) fn at(place: &Place, what: impl Into<String>) -> Self {
        Self::Line { place: place.clone(), what: what.into() }
    }
}

/// A line of an input file.
#[derive(Debug, Clone, Error)]
#[error("{}:{line}", file.display())]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line, counted from 1.
    pub line: usize,
}

/// The words of a line, taken one after the other.
pub(crate) struct Line<'a> {
    pub(crate) place: &'a Place,
    words: SplitWhitespace<'a>,
}

impl<'a> Line<'a> {
    pub(crate) fn error(&self, what: impl Into<String>) -> InputError {
        InputError::at(self.place, what)
    }

    /// The next word, which is to be a `what`.
    pub(crate) fn word(&mut self, what: &str) -> Result<&'a str, InputError> {
        self.words.next().ok_or_else(|| self.error(format!("the line ends before its {what}")))
    }

    /// The same, as a number.
    pub(crate) fn number<T: FromStr>(&mut self, what: &str) -> Result<T, InputError> {
        let word = self.word(what)?;
        word.parse().map_err(|_| self.error(format!("“{word}” is no {what}")))
    }

    /// There must be no word left.
    pub(crate) fn finish(&mut self) -> Result<(), InputError> {
        match self.words.next() {
            Some(word) => Err(self.error(format!("“{word}” is one word too many"))),
            None => Ok(()),
        }
    }
}

/// Gives every line that says something to `each`. `#` begins a comment.
pub(crate) fn read_lines(
    file: &Path,
    mut each: impl FnMut(&mut Line<'_>) -> Result<(), InputError>,
) -> Result<(), InputError> {
    let unreadable = |source| InputError::Unreadable { file: file.to_owned(), source };
    let mut plain = BufReader::new(File::open(file).map_err(unreadable)?);
    let is_gzip = plain.fill_buf().map_err(unreadable)?.starts_with(&GZIP_MAGIC);
    let mut reader: Box<dyn BufRead> = if is_gzip {
        Box::new(BufReader::new(MultiGzDecoder::new(plain)))
    } else {
        Box::new(plain)
    };
    let mut place = Place { file: file.into(), line: 0 };
    let mut line = String::new();
    loop {
        line.clear();
        place.line += 1;
        let length = reader.read_line(&mut line).map_err(|error| {
            InputError::at(&place, format!("the file is cut off or damaged here: {error}"))
        })?;
        if length == 0 {
            return Ok(());
        }
        // Half a line can look like a whole one.
        if !line.ends_with('\n') {
            return Err(InputError::at(&place, "the file stops in the middle of this line"));
        }
        let said = line.split('#').next().unwrap_or_default();
        if !said.trim().is_empty() {
            each(&mut Line { place: &place, words: said.split_whitespace() })?;
        }
    }
}
