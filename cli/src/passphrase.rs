//! The vault's passphrase: typed unseen, or handed over by whoever starts a service.

use crate::failure::{Exit, Failure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Read, Write},
    os::fd::AsFd,
    sync::{Arc, OnceLock},
};
use zeroize::Zeroizing;

/// The longest passphrase, in bytes.
const MAX_BYTES: usize = 4096;
const CURRENT: &str = "FOOTPOST_PASSPHRASE";
const NEW: &str = "FOOTPOST_NEW_PASSPHRASE";
const WORDS: &str = "FOOTPOST_WORDS";

/// Where passphrases come from: the lines of a file descriptor, variables, or the terminal.
#[derive(Debug, Clone)]
pub(crate) struct Passphrases {
    lines: Option<Arc<File>>,
    /// That of a vault just made: nobody is asked for it again.
    made: Arc<OnceLock<Zeroizing<String>>>,
}

impl Passphrases {
    pub(crate) fn new(fd: Option<u32>) -> Result<Self, Failure> {
        let open = |fd| {
            File::open(format!("/dev/fd/{fd}")).map(Arc::new).map_err(|error| {
                let message = format!("cannot read file descriptor {fd}: {error}");
                Failure::new(Exit::Usage, message)
            })
        };
        Ok(Self { lines: fd.map(open).transpose()?, made: Arc::default() })
    }

    /// The passphrase of the vault that is there; none where nobody gives one.
    pub(crate) fn current(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(made) = self.made.get() {
            return Ok(Some(made.clone()));
        }
        match self.given(CURRENT)? {
            None => typed("Passphrase: "),
            given => Ok(given),
        }
    }

    /// The passphrase of a vault to be made.
    pub(crate) fn first(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let first = self.chosen(CURRENT)?;
        if let Some(first) = &first {
            // Only one vault is made in a process.
            let _ = self.made.set(first.clone());
        }
        Ok(first)
    }

    /// The passphrase to come after the current one.
    pub(crate) fn next(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        self.chosen(NEW)
    }

    /// The recovery words; none where nobody gives them.
    pub(crate) fn words(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        match self.given(WORDS)? {
            None => typed("Recovery words: "),
            given => Ok(given),
        }
    }

    /// Typed twice where it is typed; none where it is empty or nobody gives one.
    fn chosen(&self, variable: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        let chosen = match self.given(variable)? {
            None => {
                let chosen = typed("New passphrase (empty: none): ")?;
                let is_some = chosen.as_ref().is_some_and(|chosen| !chosen.is_empty());
                if is_some && chosen != typed("The same again: ")? {
                    return Err(Failure::new(Exit::Usage, "the two differ: try again"));
                }
                chosen
            }
            given => given,
        };
        Ok(chosen.filter(|chosen| !chosen.is_empty()))
    }

    fn given(&self, variable: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        match &self.lines {
            Some(lines) => Ok(Some(line(lines).map_err(|error| unreadable(&error))?)),
            None => Ok(env::var(variable).ok().map(Zeroizing::new)),
        }
    }
}

/// Asks on the terminal, where there is one, without showing what is typed.
pub(crate) fn typed(prompt: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(None);
    }
    let ask = || {
        let terminal = File::from(stdin.as_fd().try_clone_to_owned()?);
        let _quiet = Quiet::new(&terminal)?;
        io::stderr().write_all(prompt.as_bytes())?;
        let typed = line(&terminal);
        io::stderr().write_all(b"\n")?;
        typed
    };
    ask().map(Some).map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("cannot read the passphrase: {error}"))
}

/// The next line, read byte by byte: what comes after it is somebody else's, and no buffer keeps a
/// copy.
pub(crate) fn line(mut file: &File) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    let mut byte = Zeroizing::new([0]);
    while file.read(&mut *byte)? == 1 && *byte != *b"\n" {
        if line.len() == MAX_BYTES {
            return Err(io::Error::other("it is too long"));
        }
        line.extend_from_slice(&*byte);
    }
    let text = str::from_utf8(&line).map_err(|_| io::Error::other("it is not text (UTF-8)"))?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
