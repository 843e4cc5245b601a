//! Bulletins: what somebody says to everybody.

use crate::{
    Footpost,
    errors::{BulletinError, NodeError},
};
use footpost_core::{self as core, FollowError, Identity, Node, Timestamp};

/// How urgent a bulletin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum BulletinKind {
    /// Good to know.
    Information,
    /// A warning.
    Alert,
    /// Somebody needs help: goes before all else.
    Sos,
}

impl From<core::BulletinKind> for BulletinKind {
    fn from(kind: core::BulletinKind) -> Self {
        match kind {
            core::BulletinKind::Information => Self::Information,
            core::BulletinKind::Alert => Self::Alert,
            core::BulletinKind::Sos => Self::Sos,
        }
    }
}

impl From<BulletinKind> for core::BulletinKind {
    fn from(kind: BulletinKind) -> Self {
        match kind {
            BulletinKind::Information => Self::Information,
            BulletinKind::Alert => Self::Alert,
            BulletinKind::Sos => Self::Sos,
        }
    }
}

/// How the user stands to a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Stance {
    /// Their bulletins are announced, and go last when space is short.
    Followed,
    /// Their bulletins are neither shown nor carried.
    Muted,
}

impl From<core::Stance> for Stance {
    fn from(stance: core::Stance) -> Self {
        match stance {
            core::Stance::Followed => Self::Followed,
            core::Stance::Muted => Self::Muted,
        }
    }
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct BulletinDraft {
    /// What is said, in at most 2,048 bytes; 512 of an SOS.
    pub text: String,
    /// How urgent it is.
    pub kind: BulletinKind,
    /// How long it lives, in seconds: at most 7 days.
    pub lifetime_s: u32,
    /// Where it matters: a geohash or a name of at most 32 bytes; empty: everywhere.
    #[uniffi(default = "")]
    pub region: String,
    /// What it is about: a tag of at most 32 bytes, or nothing.
    #[uniffi(default = "")]
    pub topic: String,
    /// The thread of an earlier bulletin of one's own that this one replaces.
    #[uniffi(default = None)]
    pub replaces: Option<u64>,
}

/// What somebody says to everybody. Only the key is certain: anybody can publish anything.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Bulletin {
    /// Its publisher's address.
    pub publisher: String,
    /// Its number: a publisher's bulletins count up, with gaps.
    pub number: u64,
    /// The number of the first bulletin that it replaces, else its own.
    pub thread: u64,
    /// How the user stands to its publisher.
    pub stance: Option<Stance>,
    /// How urgent its publisher says it is.
    pub kind: BulletinKind,
    /// Where it matters; empty: everywhere.
    pub region: String,
    /// What it is about, or nothing.
    pub topic: String,
    /// What is said.
    pub text: String,
    /// When it was published, by its publisher's clock, in milliseconds since 1970; none of an own
    /// one that waits for a postmark.
    pub published_ms: Option<u64>,
    /// When it ends here, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

impl From<core::Bulletin> for Bulletin {
    fn from(bulletin: core::Bulletin) -> Self {
        Self {
            publisher: bulletin.id.publisher.address(),
            number: bulletin.id.number,
            thread: bulletin.thread,
            stance: bulletin.stance.map(Into::into),
            kind: bulletin.kind.into(),
            region: bulletin.region,
            topic: bulletin.topic,
            text: bulletin.text,
            published_ms: bulletin.published.map(Timestamp::as_millis),
            expires_ms: bulletin.expires.map(Timestamp::as_millis),
        }
    }
}

/// Which bulletins are asked for: all, unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct BulletinFilter {
    /// Those that matter there: of the region itself, of parts of it, and of what it is part of.
    #[uniffi(default = None)]
    pub region: Option<String>,
    /// Those about it.
    #[uniffi(default = None)]
    pub topic: Option<String>,
    /// Those of followed publishers, and one's own.
    #[uniffi(default = false)]
    pub only_followed: bool,
}

/// Somebody whose bulletins are followed or muted.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Publisher {
    /// Their address.
    pub address: String,
    /// How the user stands to them.
    pub stance: Stance,
}

#[uniffi::export]
impl Footpost {
    /// Publishes a bulletin to everybody in reach, in the clear and signed. Says its number.
    pub async fn publish(&self, draft: BulletinDraft) -> Result<u64, BulletinError> {
        let draft = core::BulletinDraft {
            kind: draft.kind.into(),
            region: draft.region,
            topic: draft.topic,
            text: draft.text,
            lifetime_s: draft.lifetime_s,
            replaces: draft.replaces,
        };
        self.line.call(move |node, now| node.publish(now, &draft).map(|id| id.number)).await
    }

    /// The bulletins on board: the most urgent first.
    pub async fn bulletins(&self, filter: BulletinFilter) -> Result<Vec<Bulletin>, NodeError> {
        let BulletinFilter { region, topic, only_followed } = filter;
        let filter = core::BulletinFilter { region, topic, only_followed };
        self.line
            .ask(move |node| Ok(node.bulletins(&filter)?.into_iter().map(Into::into).collect()))
            .await
    }

    /// Announces a publisher's bulletins from now on. Theirs must have come before, or they must be a
    /// contact.
    pub async fn follow(&self, publisher: String) -> Result<(), BulletinError> {
        self.stand(publisher, Node::follow).await
    }

    /// Neither shows nor carries a publisher's bulletins from now on.
    pub async fn mute(&self, publisher: String) -> Result<(), BulletinError> {
        self.stand(publisher, Node::mute).await
    }

    /// Neither follows nor mutes a publisher any more.
    pub async fn unfollow(&self, publisher: String) -> Result<(), BulletinError> {
        self.stand(publisher, |node, now, publisher| Ok(node.unfollow(now, publisher)?)).await
    }

    /// Whom the user follows or has muted.
    pub async fn publishers(&self) -> Result<Vec<Publisher>, NodeError> {
        let publisher = |(identity, stance): (Identity, core::Stance)| Publisher {
            address: identity.address(),
            stance: stance.into(),
        };
        self.line.ask(move |node| Ok(node.publishers()?.into_iter().map(publisher).collect())).await
    }
}

impl Footpost {
    async fn stand(
        &self,
        publisher: String,
        stand: impl FnOnce(&mut Node, Timestamp, Identity) -> Result<(), FollowError> + Send + 'static,
    ) -> Result<(), BulletinError> {
        let known = self
            .line
            .call::<_, FollowError, BulletinError>(move |node, now| {
                let identity = node.identity_of(&publisher)?;
                identity.map(|identity| stand(node, now, identity)).transpose()
            })
            .await?;
        known.ok_or(BulletinError::UnknownPublisher)
    }
}
