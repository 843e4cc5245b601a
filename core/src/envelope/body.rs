//! What a message says.

use crate::codec::{DecodeError, Reader, Writer};
use thiserror::Error;

/// The longest content type, in bytes.
pub const MAX_CONTENT_TYPE_BYTES: usize = 64;

/// Kinds of messages to the engine, not to people.
pub(crate) const BETWEEN_ENGINES: [u64; 2] = [READ, REFRESH];

const TEXT: u64 = 1;
const READ: u64 = 2;
const APPLICATION: u64 = 3;
const REFRESH: u64 = 4;
const ATTACHMENT: u64 = 5;

/// The longest name of an attachment, in bytes.
pub const MAX_ATTACHMENT_NAME_BYTES: usize = 255;

/// The body of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text for people.
    Text(String),
    /// The reader has seen the messages with these uuids; optional, off by default.
    Read(Vec<[u8; 16]>),
    /// Opaque bytes of an application, for example a sensor's readings.
    Application {
        /// A media type such as `application/cbor`.
        content_type: String,
        /// The content, as it is.
        bytes: Vec<u8>,
    },
    /// A file, or anything else too large for one envelope, which follows in fragments: see
    /// [`crate::Node::send_attachment`].
    Attachment {
        /// What the sender calls it: for people to read, never a path to write to.
        name: String,
        /// A media type such as `image/jpeg`.
        content_type: String,
        /// Its length in bytes.
        size_bytes: u64,
    },
    /// Nothing to say: it brings a fresh reply target to a writer who is only ever read.
    Refresh,
    /// A kind that this version does not know: kept, and shown as unsupported.
    Unsupported {
        /// The kind's number on the wire.
        kind: u64,
        /// The content, as it came.
        bytes: Vec<u8>,
    },
}

/// Why a body cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Text is empty.
    #[error("the message is empty: write something")]
    Empty,
    /// The content type is empty, or longer than [`MAX_CONTENT_TYPE_BYTES`].
    #[error("the content type must have 1 to {MAX_CONTENT_TYPE_BYTES} bytes")]
    ContentType,
    /// The attachment's name is empty, or longer than [`MAX_ATTACHMENT_NAME_BYTES`].
    #[error("the attachment's name must have 1 to {MAX_ATTACHMENT_NAME_BYTES} bytes")]
    Name,
    /// Only what this version knows can be sent.
    #[error("a body of an unsupported kind cannot be sent")]
    Unsupported,
}

impl Body {
    /// The kind's number on the wire.
    pub fn kind(&self) -> u64 {
        match self {
            Self::Text(_) => TEXT,
            Self::Read(_) => READ,
            Self::Application { .. } => APPLICATION,
            Self::Refresh => REFRESH,
            Self::Attachment { .. } => ATTACHMENT,
            Self::Unsupported { kind, .. } => *kind,
        }
    }

    /// Whether people are meant to see it; the rest is between engines.
    pub fn is_for_people(&self) -> bool {
        !BETWEEN_ENGINES.contains(&self.kind())
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// # Errors
    /// See [`BodyError`].
    pub(crate) fn validate(&self) -> Result<(), BodyError> {
        match self {
            Self::Text(text) if text.is_empty() => Err(BodyError::Empty),
            Self::Application { content_type, .. } | Self::Attachment { content_type, .. }
                if !(1..=MAX_CONTENT_TYPE_BYTES).contains(&content_type.len()) =>
            {
                Err(BodyError::ContentType)
            }
            Self::Attachment { name, .. }
                if !(1..=MAX_ATTACHMENT_NAME_BYTES).contains(&name.len()) =>
            {
                Err(BodyError::Name)
            }
            Self::Unsupported { .. } => Err(BodyError::Unsupported),
            Self::Text(_)
            | Self::Read(_)
            | Self::Application { .. }
            | Self::Attachment { .. }
            | Self::Refresh => Ok(()),
        }
    }

    /// The content alone; its kind stands beside it, on the wire and in the store.
    pub(crate) fn content(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Read(uuids) => uuids.concat(),
            Self::Application { content_type, bytes } => {
                let mut out = Vec::with_capacity(content_type.len() + bytes.len() + 2);
                out.put_bytes(content_type.as_bytes());
                out.put(bytes);
                out
            }
            Self::Attachment { name, content_type, size_bytes } => {
                let mut out = Vec::with_capacity(name.len() + content_type.len() + 12);
                out.put_bytes(name.as_bytes());
                out.put_bytes(content_type.as_bytes());
                out.put_u64(*size_bytes);
                out
            }
            Self::Refresh => Vec::new(),
            Self::Unsupported { bytes, .. } => bytes.clone(),
        }
    }

    pub(crate) fn parse(kind: u64, content: &[u8]) -> Result<Self, DecodeError> {
        let text = |bytes: &[u8], what| {
            std::str::from_utf8(bytes)
                .map(ToOwned::to_owned)
                .map_err(|_| DecodeError::Invalid { what })
        };
        match kind {
            TEXT => Ok(Self::Text(text(content, "text")?)),
            READ => match content.as_chunks() {
                (uuids, []) => Ok(Self::Read(uuids.to_vec())),
                _ => Err(DecodeError::Invalid { what: "read receipt" }),
            },
            APPLICATION => {
                let mut reader = Reader::new(content);
                let content_type = reader.bytes(MAX_CONTENT_TYPE_BYTES, "content type")?;
                Ok(Self::Application {
                    content_type: text(content_type, "content type")?,
                    bytes: reader.rest().to_vec(),
                })
            }
            ATTACHMENT => {
                let mut reader = Reader::new(content);
                let name = reader.bytes(MAX_ATTACHMENT_NAME_BYTES, "attachment name")?;
                let content_type = reader.bytes(MAX_CONTENT_TYPE_BYTES, "content type")?;
                let size_bytes = reader.u64("attachment length")?;
                reader.finish("attachment")?;
                Ok(Self::Attachment {
                    name: text(name, "attachment name")?,
                    content_type: text(content_type, "content type")?,
                    size_bytes,
                })
            }
            REFRESH => Ok(Self::Refresh),
            _ => Ok(Self::Unsupported { kind, bytes: content.to_vec() }),
        }
    }
}
