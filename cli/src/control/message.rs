//! What is asked of a node and what it answers; also the facts that `--json` prints.

use crate::failure::Failure;
use data_encoding::HEXLOWER;
use footpost_core::{
    Body, Bulletin, BulletinFilter, BulletinKind, CarriedEnvelope, Contact, ContactId, CostClass,
    KeyWarning, Kind, Message, Priority, Protection, Relation, Role, Stance, State, Suite, Traffic,
};
use footpost_transports::ble::Stats;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    borrow::Cow, collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration,
};
use zeroize::Zeroizing;

/// The longest line either way, in bytes. A page of messages stays below.
pub(crate) const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// What a node can be asked. Contacts go by their name or address.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// One's own card.
    Card,
    /// Put this name on one's own cards.
    SetName {
        name: String,
    },
    /// Add the card's owner, under the name on the card if none is given.
    AddContact {
        card: String,
        name: Option<String>,
    },
    Contacts,
    /// The safety number to compare with the contact.
    SafetyNumber {
        contact: String,
    },
    /// The safety numbers agree.
    Verify {
        contact: String,
    },
    /// Do this about the contact.
    Change {
        contact: String,
        change: Change,
    },
    /// Make recovery words, or replace the old ones.
    Words {
        old: Option<Secret>,
    },
    /// Go on under a new key; with the words contacts keep their trust.
    Rotate {
        words: Option<Secret>,
    },
    /// Revoke the key with the words, and go on as its successor.
    Revoke {
        words: Secret,
    },
    /// Revoke the key with the words, without a successor.
    End {
        words: Secret,
    },
    /// Write a backup, sealed under the words, to a new file at this absolute path.
    BackUp {
        words: Secret,
        file: PathBuf,
    },
    Send {
        to: String,
        text: String,
        priority: Priority,
    },
    /// Send the regular file at this absolute path.
    SendFile {
        to: String,
        file: PathBuf,
        priority: Priority,
    },
    /// Write a message's attachment to a new file at this absolute path.
    Save {
        message: i64,
        file: PathBuf,
    },
    /// The newest messages before `before`.
    Messages {
        folder: Folder,
        contact: Option<String>,
        before: Option<i64>,
        limit: u32,
    },
    MarkSeen {
        messages: Vec<i64>,
    },
    Status,
    /// The oldest envelopes on board.
    Carried {
        limit: u32,
    },
    /// Publish to everybody.
    Publish {
        kind: BulletinKind,
        region: String,
        topic: String,
        text: String,
        lifetime_s: u32,
        replaces: Option<u64>,
    },
    /// The newest bulletins but the first `skip`.
    Bulletins {
        filter: BulletinFilter,
        skip: usize,
    },
    /// Do this about a publisher: a contact's name, an address, or a card.
    Follow {
        publisher: String,
        change: PublisherChange,
    },
    /// Answer [`Reply::Changed`] now, and whenever something has happened; for a running node.
    Watch,
}

/// Recovery words, or one of them: wiped after use, and never logged.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// What can be done about a contact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Accept,
    Decline,
    Remove,
    Block,
    Mute,
    Unmute,
    Rename(String),
}

/// What can be done about a publisher.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PublisherChange {
    Follow,
    Mute,
    Unfollow,
}

/// Which messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Folder {
    /// Received and not seen yet.
    New,
    Received,
    Sent,
    All,
}

impl Folder {
    pub(crate) fn holds(self, message: &Message) -> bool {
        match self {
            Self::New => message.state == State::Received,
            Self::Received => !message.outgoing,
            Self::Sent => message.outgoing,
            Self::All => true,
        }
    }
}

/// What a node answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(crate) enum Reply {
    Done,
    Card(CardView),
    Contact(ContactView),
    Contacts {
        contacts: Vec<ContactView>,
    },
    SafetyNumber {
        number: String,
    },
    /// Shown once, and kept nowhere.
    Words {
        words: Vec<Secret>,
    },
    Sent {
        id: i64,
        state: State,
    },
    Saved {
        size_bytes: u64,
    },
    Messages(MessagePage),
    Status(Box<StatusView>),
    Carried {
        envelopes: Vec<CarriedView>,
    },
    Published {
        publisher: String,
        number: u64,
    },
    Bulletins {
        bulletins: Vec<BulletinView>,
        /// Whether there are more.
        is_cut: bool,
    },
    BackedUp {
        size_bytes: u64,
    },
    Changed,
    Failed(Failure),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CardView {
    pub(crate) link: String,
    pub(crate) address: String,
    pub(crate) name: Option<String>,
    pub(crate) expires_ms: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ContactView {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) verified: bool,
    /// What is wrong with their key.
    pub(crate) warning: Option<KeyWarning>,
    /// Whether they are accepted, wait, or are blocked.
    pub(crate) relation: Relation,
    pub(crate) muted: bool,
    /// The name on their card: their claim.
    pub(crate) claimed_name: Option<String>,
    /// What will protect the next message to them.
    pub(crate) protection: Protection,
    pub(crate) card_expires_ms: u64,
}

impl From<Contact> for ContactView {
    fn from(contact: Contact) -> Self {
        Self {
            name: contact.name,
            address: contact.address,
            verified: contact.verified,
            warning: contact.warning,
            relation: contact.relation,
            muted: contact.muted,
            claimed_name: contact.claimed_name,
            protection: contact.protection,
            card_expires_ms: contact.card_expires.as_millis(),
        }
    }
}

/// Some messages, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MessagePage {
    pub(crate) messages: Vec<MessageView>,
    /// Where to go on; none at the end.
    pub(crate) before: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MessageView {
    pub(crate) id: i64,
    pub(crate) contact: String,
    pub(crate) outgoing: bool,
    /// None of attachments, and where this version cannot show the body.
    pub(crate) text: Option<String>,
    pub(crate) attachment: Option<AttachmentView>,
    pub(crate) sent_ms: u64,
    pub(crate) stored_ms: u64,
    pub(crate) state: State,
    pub(crate) delivered_ms: Option<u64>,
    /// How many neighbours have stored it, and how many of these are contacts.
    pub(crate) carriers: u32,
    pub(crate) carrier_contacts: u32,
    /// What protected it on its way.
    pub(crate) protection: Protection,
}

impl MessageView {
    pub(crate) fn new(message: &Message, names: &BTreeMap<ContactId, String>) -> Self {
        Self {
            id: message.id.0,
            contact: names.get(&message.contact).cloned().unwrap_or_default(),
            outgoing: message.outgoing,
            text: message.body.as_text().map(ToOwned::to_owned),
            attachment: AttachmentView::of(message),
            sent_ms: message.sent.as_millis(),
            stored_ms: message.stored.as_millis(),
            state: message.state,
            delivered_ms: message.delivered.map(footpost_core::Timestamp::as_millis),
            carriers: message.carriers,
            carrier_contacts: message.carrier_contacts,
            protection: message.protection,
        }
    }
}

/// A file that goes with a message, and how far it has come: see [`footpost_core::Transfer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttachmentView {
    /// What its sender calls it.
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) size_bytes: u64,
    pub(crate) arrived: u32,
    pub(crate) needed: u32,
    pub(crate) whole: bool,
}

impl AttachmentView {
    fn of(message: &Message) -> Option<Self> {
        let Body::Attachment { name, content_type, size_bytes } = &message.body else {
            return None;
        };
        // Of one that is not taken, as a stranger's, nothing has come.
        let (arrived, needed, whole) = message.transfer.map_or((0, 0, false), |transfer| {
            (transfer.arrived, transfer.needed, transfer.is_whole)
        });
        Some(Self {
            name: name.clone(),
            content_type: content_type.clone(),
            size_bytes: *size_bytes,
            arrived,
            needed,
            whole,
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StatusView {
    pub(crate) name: Option<String>,
    pub(crate) address: String,
    pub(crate) running: bool,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) neighbours: Vec<NeighbourView>,
    /// Links, handshakes included.
    pub(crate) links: usize,
    /// Other people's envelopes on board.
    pub(crate) foreign_envelopes: u64,
    pub(crate) foreign_bytes: u64,
    pub(crate) max_foreign_bytes: u64,
    /// Envelopes known to be acknowledged or expired.
    pub(crate) tombstones: u64,
    /// Postmarks minted and not used up: today's, and those of the day after.
    pub(crate) postmarks_ready: usize,
    pub(crate) postmarks_ahead: usize,
    /// Frame bytes since the node was started; those sent also by what they were for.
    pub(crate) sent: Traffic,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    /// Where the node runs with it.
    pub(crate) bluetooth: Option<BluetoothView>,
}

/// What the Bluetooth LE radio has done since the node was started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BluetoothView {
    pub(crate) links: usize,
    /// How many connections the stack is thought to manage.
    pub(crate) budget: usize,
    /// How long it was on, and what for; connections at the same time count each.
    pub(crate) scanning_ms: u64,
    pub(crate) advertising_ms: u64,
    pub(crate) connecting_ms: u64,
    pub(crate) connected_ms: u64,
    pub(crate) advertisements: u64,
    pub(crate) connects: u64,
    /// Without the stack's headers.
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
}

impl From<Stats> for BluetoothView {
    fn from(stats: Stats) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let usage = stats.usage;
        Self {
            links: stats.links,
            budget: stats.budget,
            scanning_ms: ms(usage.scanning),
            advertising_ms: ms(usage.advertising),
            connecting_ms: ms(usage.connecting),
            connected_ms: ms(usage.connected),
            advertisements: usage.advertisements,
            connects: usage.connects,
            sent_bytes: usage.sent_bytes,
            received_bytes: usage.received_bytes,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NeighbourView {
    /// Their name, if they have proven to be a contact.
    pub(crate) contact: Option<String>,
    pub(crate) role: Role,
    pub(crate) cost: CostClass,
    pub(crate) accepts_foreign: bool,
    pub(crate) free_kib: u64,
}

/// What somebody says to everybody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BulletinView {
    /// Their address.
    pub(crate) publisher: String,
    /// Their name, if they are a contact.
    pub(crate) contact: Option<String>,
    pub(crate) own: bool,
    pub(crate) stance: Option<Stance>,
    pub(crate) number: u64,
    pub(crate) thread: u64,
    pub(crate) kind: BulletinKind,
    pub(crate) region: String,
    pub(crate) topic: String,
    pub(crate) text: String,
    /// None while it waits for a postmark.
    pub(crate) published_ms: Option<u64>,
    pub(crate) expires_ms: Option<u64>,
}

impl BulletinView {
    /// `names` are contacts' by their addresses.
    pub(crate) fn new(bulletin: Bulletin, own: &str, names: &BTreeMap<String, String>) -> Self {
        let publisher = bulletin.id.publisher.address();
        Self {
            contact: names.get(&publisher).cloned(),
            own: publisher == own,
            publisher,
            stance: bulletin.stance,
            number: bulletin.id.number,
            thread: bulletin.thread,
            kind: bulletin.kind,
            region: bulletin.region,
            topic: bulletin.topic,
            text: bulletin.text,
            published_ms: bulletin.published.map(footpost_core::Timestamp::as_millis),
            expires_ms: bulletin.expires.map(footpost_core::Timestamp::as_millis),
        }
    }
}

/// All that a carrier can tell of an envelope; byte strings are in hex.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CarriedView {
    pub(crate) id: String,
    pub(crate) own: bool,
    /// A letter, a fragment, or a bulletin.
    pub(crate) kind: Cow<'static, str>,
    /// Of a letter.
    pub(crate) suite: Option<Suite>,
    pub(crate) priority: Priority,
    pub(crate) created_ms: u64,
    pub(crate) lifetime_s: u32,
    pub(crate) mailbox_tag: String,
    pub(crate) postmark_key: String,
    pub(crate) size_bytes: usize,
}

impl From<CarriedEnvelope> for CarriedView {
    fn from(envelope: CarriedEnvelope) -> Self {
        Self {
            id: HEXLOWER.encode(&envelope.id.0),
            own: envelope.is_own,
            kind: match envelope.kind {
                Kind::Letter(_) => "letter".into(),
                Kind::Fragment => "fragment".into(),
                Kind::Bulletin => "bulletin".into(),
            },
            suite: match envelope.kind {
                Kind::Letter(suite) => Some(suite),
                Kind::Fragment | Kind::Bulletin => None,
            },
            priority: envelope.priority,
            created_ms: envelope.created.as_millis(),
            lifetime_s: envelope.lifetime_s,
            mailbox_tag: HEXLOWER.encode(&envelope.mailbox_tag),
            postmark_key: HEXLOWER.encode(&envelope.postmark_key),
            size_bytes: envelope.size_bytes,
        }
    }
}
