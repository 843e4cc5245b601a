//! Messages, and how far they have come.

use crate::{
    Footpost,
    contacts::Protection,
    errors::{NodeError, SendError},
};
use footpost_core::{self as core, Body, ContactId, MessageId};

/// Messages read at once, at most.
const MAX_PAGE: u32 = 1000;

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Message {
    /// Its number here: later ones have higher numbers.
    pub id: i64,
    /// The other side.
    pub contact: i64,
    /// Whether this node sent it.
    pub outgoing: bool,
    /// Names it on both sides: 16 bytes.
    pub uuid: Vec<u8>,
    /// What it says.
    pub content: Content,
    /// When it was written, by the writer's clock, in milliseconds since 1970: a claim.
    pub sent_ms: u64,
    /// When it was stored here, in milliseconds since 1970.
    pub stored_ms: u64,
    /// How far it has come.
    pub state: DeliveryState,
    /// What protected it on its way.
    pub protection: Protection,
    /// When its acknowledgement came, in milliseconds since 1970.
    pub delivered_ms: Option<u64>,
    /// How many neighbours have stored it for this node.
    pub carriers: u32,
    /// How many of these are contacts.
    pub carrier_contacts: u32,
    /// Of a message with a file: how far that has come.
    pub transfer: Option<Transfer>,
}

impl From<core::Message> for Message {
    fn from(message: core::Message) -> Self {
        Self {
            id: message.id.0,
            contact: message.contact.0,
            outgoing: message.outgoing,
            uuid: message.uuid.to_vec(),
            content: message.body.into(),
            sent_ms: message.sent.as_millis(),
            stored_ms: message.stored.as_millis(),
            state: message.state.into(),
            protection: message.protection.into(),
            delivered_ms: message.delivered.map(core::Timestamp::as_millis),
            carriers: message.carriers,
            carrier_contacts: message.carrier_contacts,
            transfer: message.transfer.map(Into::into),
        }
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Content {
    /// Text for people.
    Text {
        /// The text.
        text: String,
    },
    /// Opaque bytes of an application, for example a sensor's readings.
    Application {
        /// A media type such as `application/cbor`.
        content_type: String,
        /// The content, as it is.
        bytes: Vec<u8>,
    },
    /// A file: see `save_file`.
    File {
        /// What the sender calls it: for people to read, never a path to write to.
        name: String,
        /// A media type such as `image/jpeg`: the sender's claim.
        content_type: String,
        /// Its length in bytes.
        size_bytes: u64,
    },
    /// Something that this version does not know.
    Unsupported {
        /// Its number on the wire.
        kind: u64,
    },
}

impl From<Body> for Content {
    fn from(body: Body) -> Self {
        match body {
            Body::Text(text) => Self::Text { text },
            Body::Application { content_type, bytes } => Self::Application { content_type, bytes },
            Body::Attachment { name, content_type, size_bytes } => {
                Self::File { name, content_type, size_bytes }
            }
            body @ (Body::Read(_) | Body::Refresh | Body::Unsupported { .. }) => {
                Self::Unsupported { kind: body.kind() }
            }
        }
    }
}

/// What was said with one contact.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Conversation {
    /// With whom.
    pub contact: i64,
    /// The newest message.
    pub last: Message,
    /// Received messages that the user has not seen.
    pub unseen: u32,
}

/// What a search has found.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Found {
    /// The newest first.
    pub messages: Vec<Message>,
    /// Where to go on: all that is older was not looked through. None where nothing is.
    pub before: Option<i64>,
}

/// How far a message has come: never hoped, and only ever left for a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum DeliveryState {
    /// Sent: stored here, durable, not yet with anybody else.
    Queued,
    /// Sent: others have stored it.
    Carried,
    /// Sent: the recipient's own device has stored it.
    Handed,
    /// Sent: its lifetime has passed without an acknowledgement.
    Expired,
    /// Sent: the recipient has opened it; the acknowledgement is verified.
    Delivered,
    /// Sent: the recipient says that it was read.
    Read,
    /// Received, not yet seen.
    Received,
    /// Received and seen.
    Seen,
}

impl From<core::State> for DeliveryState {
    fn from(state: core::State) -> Self {
        match state {
            core::State::Queued => Self::Queued,
            core::State::Carried => Self::Carried,
            core::State::Handed => Self::Handed,
            core::State::Expired => Self::Expired,
            core::State::Delivered => Self::Delivered,
            core::State::Read => Self::Read,
            core::State::Received => Self::Received,
            core::State::Seen => Self::Seen,
        }
    }
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Transfer {
    /// Pieces that have arrived: at the recipient, of what was sent; here, of what is received.
    pub arrived: u32,
    /// How many suffice, but for one or two.
    pub needed: u32,
    /// Whether nothing is missing any more.
    pub is_whole: bool,
}

impl From<core::Transfer> for Transfer {
    fn from(transfer: core::Transfer) -> Self {
        let core::Transfer { arrived, needed, is_whole } = transfer;
        Self { arrived, needed, is_whole }
    }
}

/// How urgent a message is: what carriers take first, and keep longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Priority {
    /// May wait, and goes first when space is short.
    Low,
    /// Ordinary mail.
    Normal,
    /// Before all else.
    Urgent,
}

impl From<Priority> for core::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::Urgent => Self::Urgent,
        }
    }
}

/// Ordinary mail, unless the caller says otherwise.
pub(crate) fn priority_of(priority: Option<Priority>) -> core::Priority {
    priority.map_or(core::Priority::Normal, Into::into)
}

#[uniffi::export]
impl Footpost {
    /// Sends text to a contact: stored, sealed and durable when this returns. Its way is told by
    /// events. The priority is normal unless one is given. Says which message it is.
    #[uniffi::method(default(priority = None))]
    pub async fn send_text(
        &self,
        contact: i64,
        text: String,
        priority: Option<Priority>,
    ) -> Result<i64, SendError> {
        self.send(contact, Body::Text(text), priority).await
    }

    /// The same with an application's bytes, of a media type such as `application/cbor`.
    #[uniffi::method(default(priority = None))]
    pub async fn send_bytes(
        &self,
        contact: i64,
        content_type: String,
        bytes: Vec<u8>,
        priority: Option<Priority>,
    ) -> Result<i64, SendError> {
        self.send(contact, Body::Application { content_type, bytes }, priority).await
    }

    /// One message; none if there is none of this number.
    pub async fn message(&self, message: i64) -> Result<Option<Message>, NodeError> {
        self.line.ask(move |node| Ok(node.message(MessageId(message))?.map(Into::into))).await
    }

    /// The newest `limit` messages, at most 1,000, the oldest first; of one contact, or of all that
    /// are accepted. To page back, give the first one's number as `before`.
    #[uniffi::method(default(contact = None, before = None, limit = 50))]
    pub async fn messages(
        &self,
        contact: Option<i64>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Message>, NodeError> {
        let (contact, before) = (contact.map(ContactId), before.map(MessageId));
        self.line
            .ask(move |node| {
                let page = node.messages(contact, before, limit.min(MAX_PAGE))?;
                Ok(page.into_iter().map(Into::into).collect())
            })
            .await
    }

    /// The conversations with accepted contacts, the one with the newest message first.
    pub async fn conversations(&self) -> Result<Vec<Conversation>, NodeError> {
        let show = |it: core::Conversation| Conversation {
            contact: it.contact.0,
            last: it.last.into(),
            unseen: it.unseen,
        };
        self.line.ask(move |node| Ok(node.conversations()?.into_iter().map(show).collect())).await
    }

    /// The newest `limit` messages, at most 1,000, that have these words in their text or in their
    /// file's name, the newest first; of one contact, or of all that are accepted. Case does not
    /// matter. One call looks through some 2,000 messages: go on from `before` of what it gives.
    #[uniffi::method(default(contact = None, before = None, limit = 50))]
    pub async fn search(
        &self,
        words: String,
        contact: Option<i64>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Found, NodeError> {
        let (contact, before) = (contact.map(ContactId), before.map(MessageId));
        self.line
            .ask(move |node| {
                let found = node.search(&words, contact, before, limit.min(MAX_PAGE))?;
                let messages = found.messages.into_iter().map(Into::into).collect();
                Ok(Found { messages, before: found.before.map(|id| id.0) })
            })
            .await
    }

    /// Notes that the user has seen a received message, and tells its writer if read receipts are
    /// on. That a receipt cannot be sent is no error: the message was seen all the same.
    pub async fn mark_seen(&self, message: i64) -> Result<(), NodeError> {
        self.line
            .call(move |node, now| match node.mark_seen(now, MessageId(message)) {
                Err(core::SendError::Store(error)) => Err(error),
                _ => Ok(()),
            })
            .await
    }

    /// Whether writers learn that their messages were read, from now on. Not kept over a restart: the
    /// configuration says it then.
    pub async fn set_read_receipts(&self, on: bool) -> Result<(), NodeError> {
        let set = move |node: &mut core::Node| {
            node.set_read_receipts(on);
            Ok(())
        };
        self.line.ask(set).await
    }
}

impl Footpost {
    async fn send(
        &self,
        contact: i64,
        body: Body,
        priority: Option<Priority>,
    ) -> Result<i64, SendError> {
        let (to, priority) = (ContactId(contact), priority_of(priority));
        self.line
            .call(move |node, now| node.send(now, to, &body, priority).map(|message| message.0))
            .await
    }
}
