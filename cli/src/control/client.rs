//! A command's side of the conversation with a node.

use super::{
    execute,
    message::{Folder, MAX_LINE_BYTES, MessageView, Reply, Request},
};
use crate::{
    failure::{Exit, Failure},
    profile::{self, Patience, Profile},
};
use footpost_core::{Node, OpenError, StoreError};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

/// How long a node may take for one answer: the largest store, the slowest disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A profile's node, wherever it runs.
pub(crate) enum Client {
    /// In another process, behind its socket.
    Running(Line),
    /// Here, opened for one command.
    Opened(Box<Node>),
}

impl Client {
    /// Reaches the profile's node. Where another command has the store at this moment, waits a bit.
    pub(crate) fn reach(profile: &Profile) -> Result<Self, Failure> {
        profile.check()?;
        if let Some(line) = Line::dial(profile)? {
            return Ok(Self::Running(line));
        }
        let store = profile.store()?;
        let patience = Patience::new();
        loop {
            if let Some(line) = Line::dial(profile)? {
                return Ok(Self::Running(line));
            }
            match profile.open(&store, profile::rng()?) {
                Ok(node) => return Ok(Self::Opened(Box::new(node))),
                Err(OpenError::Store(StoreError::InUse)) if patience.again() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The answer to `request`; never [`Reply::Failed`].
    pub(crate) fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        let reply = match self {
            Self::Running(line) => {
                if let Request::BackUp { .. } | Request::SendFile { .. } | Request::Save { .. } =
                    request
                {
                    // Large files, from and to any disk: it takes what it takes.
                    line.stream.get_ref().set_read_timeout(None).map_err(unreachable)?;
                }
                line.say(&request)?;
                line.hear()?
            }
            Self::Opened(node) => execute(node, profile::now(), None, request),
        };
        match reply {
            Reply::Failed(failure) => Err(failure),
            reply => Ok(reply),
        }
    }

    /// The newest `limit` messages (none: all), the oldest first.
    pub(crate) fn messages(
        &mut self,
        folder: Folder,
        contact: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<MessageView>, Failure> {
        let (mut messages, mut before) = (Vec::new(), None);
        loop {
            let missing = limit.map_or(usize::MAX, |limit| limit - messages.len());
            let request = Request::Messages {
                folder,
                contact: contact.map(ToOwned::to_owned),
                before,
                limit: u32::try_from(missing).unwrap_or(u32::MAX),
            };
            let Reply::Messages(page) = self.ask(request)? else { return Err(misunderstood()) };
            messages.extend(page.messages.into_iter().take(missing));
            before = page.before;
            if before.is_none() || limit.is_some_and(|limit| messages.len() >= limit) {
                messages.reverse();
                return Ok(messages);
            }
        }
    }
}

/// The failure of a reply of the wrong kind, as a node of another version would give.
pub(crate) fn misunderstood() -> Failure {
    let message = "the running node answers in another way: is it of another version? restart it";
    Failure::new(Exit::Unreachable, message)
}

/// Word from a running node whenever something has happened.
pub(crate) struct Watch(Line);

impl Watch {
    pub(crate) fn start(profile: &Profile) -> Result<Self, Failure> {
        let mut line = Line::dial(profile)?.ok_or_else(|| unreachable("no node runs"))?;
        line.stream.get_ref().set_read_timeout(None).map_err(unreachable)?;
        line.say(&Request::Watch)?;
        Ok(Self(line))
    }

    /// Waits until something has happened.
    pub(crate) fn changed(&mut self) -> Result<(), Failure> {
        match self.0.hear()? {
            Reply::Changed => Ok(()),
            Reply::Failed(failure) => Err(failure),
            _ => Err(misunderstood()),
        }
    }
}

/// Whether a node runs on this profile.
pub(crate) fn is_running(profile: &Profile) -> Result<bool, Failure> {
    Ok(Line::dial(profile)?.is_some())
}

/// Lines of JSON, both ways.
pub(crate) struct Line {
    stream: BufReader<UnixStream>,
}

impl Line {
    /// None where no node runs: no socket is there, or one that nobody listens on.
    pub(crate) fn dial(profile: &Profile) -> Result<Option<Self>, Failure> {
        use io::ErrorKind::{ConnectionRefused, InvalidInput, NotFound};
        match UnixStream::connect(profile.socket()) {
            Ok(stream) => {
                let both = [
                    stream.set_read_timeout(Some(ANSWER_WITHIN)),
                    stream.set_write_timeout(Some(ANSWER_WITHIN)),
                ];
                both.into_iter().collect::<io::Result<()>>().map_err(unreachable)?;
                Ok(Some(Self { stream: BufReader::new(stream) }))
            }
            // A path too long for a socket: no node can run there.
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused | InvalidInput) => {
                Ok(None)
            }
            Err(error) => Err(unreachable(error)),
        }
    }

    fn say(&mut self, request: &Request) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(request).map_err(unreachable)?;
        line.push(b'\n');
        if line.len() as u64 > MAX_LINE_BYTES {
            return Err(Failure::new(Exit::Usage, "this is too long for one message: shorten it"));
        }
        self.stream.get_mut().write_all(&line).map_err(unreachable)
    }

    fn hear(&mut self) -> Result<Reply, Failure> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        read.map_err(unreachable)?;
        if line.is_empty() {
            return Err(unreachable("it stopped before it answered"));
        }
        serde_json::from_slice(&line).map_err(|_| misunderstood())
    }
}

fn unreachable(why: impl std::fmt::Display) -> Failure {
    let message = format!("cannot talk to the running node: {why}; see `footpost status`");
    Failure::new(Exit::Unreachable, message)
}
