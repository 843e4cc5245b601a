//! Files that go into messages, and come out of them.

use super::message::Reply;
use crate::failure::{Exit, Failure};
use footpost_core::{
    AttachmentError, ContactId, MAX_ATTACHMENT_NAME_BYTES, MessageId, Node, Priority, State,
    Timestamp,
};
use std::{
    ffi::OsStr,
    fmt::Display,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write},
    path::Path,
};
use tempfile::NamedTempFile;

/// What a file is by the end of its name; what is not here is opaque.
const CONTENT_TYPES: [(&str, &str); 14] = [
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("webp", "image/webp"),
    ("zip", "application/zip"),
];

/// Sends the file at `path` under its own name.
pub(super) fn send(
    node: &mut Node,
    now: Timestamp,
    to: ContactId,
    path: &Path,
    priority: Priority,
) -> Result<Reply, Failure> {
    let fail = |why: &dyn Display| {
        Failure::new(Exit::Usage, format!("cannot send {}: {why}", path.display()))
    };
    // Asked before it is opened: a pipe would hold the node up until somebody writes to it.
    if !fs::metadata(path).map_err(|error| fail(&error))?.is_file() {
        return Err(fail(&"it is no regular file"));
    }
    let name = path
        .file_name()
        .and_then(OsStr::to_str)
        .ok_or_else(|| fail(&"its name is not text (UTF-8): give it another"))?;
    if name.len() > MAX_ATTACHMENT_NAME_BYTES {
        return Err(fail(&"its name is too long: shorten it"));
    }
    let file = File::open(path).map_err(|error| fail(&error))?;
    let size_bytes = file.metadata().map_err(|error| fail(&error))?.len();
    let what = (name, content_type(name));
    let mut content = BufReader::new(file);
    let id = node.send_attachment(now, to, what, size_bytes, &mut content, priority)?;
    Ok(Reply::Sent { id: id.0, state: State::Queued })
}

/// Writes an attachment to a new file for its owner alone. The name appears once the file is whole,
/// and what has it already is left alone.
pub(super) fn save(node: &Node, message: MessageId, path: &Path) -> Result<Reply, Failure> {
    let fail = |error: &io::Error| {
        Failure::new(Exit::Failed, format!("cannot make {}: {error}", path.display()))
    };
    // Told before anything large is written for nothing.
    if path.symlink_metadata().is_ok() {
        return Err(fail(&io::ErrorKind::AlreadyExists.into()));
    }
    let beside = path.parent().ok_or_else(|| fail(&io::ErrorKind::IsADirectory.into()))?;
    let mut part = NamedTempFile::new_in(beside).map_err(|error| fail(&error))?;
    let mut writer = BufWriter::new(&mut part);
    node.write_attachment(message, &mut writer)?;
    writer.flush().map_err(AttachmentError::Unwritable)?;
    drop(writer);
    part.as_file().sync_all().map_err(AttachmentError::Unwritable)?;
    let file = part.persist_noclobber(path).map_err(|error| fail(&error.error))?;
    let size_bytes = file.metadata().map_err(|error| fail(&error))?.len();
    Ok(Reply::Saved { size_bytes })
}

fn content_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let known = CONTENT_TYPES.iter().find(|(known, _)| end.eq_ignore_ascii_case(known));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_tells_what_a_file_is() {
        for (name, expected) in [
            ("photo.JPG", "image/jpeg"),
            ("a.tar.zip", "application/zip"),
            ("zip", "application/octet-stream"),
            ("notes.", "application/octet-stream"),
            (".png", "image/png"),
            ("a.exe", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }
}
