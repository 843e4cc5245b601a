//! Files, which travel in pieces.

use crate::{
    Footpost,
    errors::{AttachmentError, SendError},
    messages::{Priority, priority_of},
};
use footpost_core::{self as core, ContactId, MessageId};
use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

#[uniffi::export]
impl Footpost {
    /// Sends a file to a contact, under a name and a media type for them to see: copied, and durable
    /// when this returns. How far it has come is in the message's `transfer`.
    #[uniffi::method(default(priority = None))]
    pub async fn send_file(
        &self,
        contact: i64,
        path: String,
        name: String,
        content_type: String,
        priority: Option<Priority>,
    ) -> Result<i64, SendError> {
        let unreadable =
            |error: std::io::Error| SendError::Unreadable { details: error.to_string() };
        // Opened on the caller's account: a pipe must not hold up the engine.
        let file = regular(Path::new(&path)).map_err(unreadable)?;
        let size_bytes = file.metadata().map_err(unreadable)?.len();
        let (to, priority) = (ContactId(contact), priority_of(priority));
        self.line
            .call(move |node, now| {
                let names = (name.as_str(), content_type.as_str());
                let sent =
                    node.send_attachment(now, to, names, size_bytes, &mut &file, priority)?;
                Ok::<_, core::SendError>(sent.0)
            })
            .await
    }

    /// Writes the file of a received message, once it is whole, to a path where there is none yet.
    pub async fn save_file(&self, message: i64, path: String) -> Result<(), AttachmentError> {
        let path = PathBuf::from(path);
        self.line
            .call(move |node, _| {
                let failed = core::AttachmentError::Unwritable;
                let file = private().open(&path).map_err(failed)?;
                let write = || {
                    let mut writer = BufWriter::new(&file);
                    node.write_attachment(MessageId(message), &mut writer)?;
                    writer.flush().and_then(|()| file.sync_all()).map_err(failed)
                };
                write().inspect_err(|_| {
                    // Half a file is none.
                    let _ = fs::remove_file(&path);
                })
            })
            .await
    }
}

fn regular(path: &Path) -> std::io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    File::open(path)
}

/// A new file, for its owner alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
