//! Bulletins as people see them.

use crate::envelope::{BulletinKind, DraftError};
use crate::identity::Identity;
use crate::store::StoreError;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which bulletin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BulletinId {
    /// Whose it is.
    pub publisher: Identity,
    /// Counts up, with gaps.
    pub number: u64,
}

/// How the user stands to a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stance {
    /// Their bulletins are announced, and go last when space is short.
    Followed = 1,
    /// Their bulletins are neither shown nor carried.
    Muted = 2,
}

impl Stance {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Followed, Self::Muted].into_iter().find(|stance| *stance as u8 == byte)
    }
}

/// What somebody says to everybody. Only the key is certain: anybody can publish anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulletin {
    /// Which one it is.
    pub id: BulletinId,
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
    /// When it was published, by its publisher's clock; none of an own one that waits for a postmark.
    pub published: Option<Timestamp>,
    /// When it ends here.
    pub expires: Option<Timestamp>,
}

/// Which bulletins are asked for: all, unless a field says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BulletinFilter {
    /// Those that matter there: of the region itself, of parts of it, and of what it is part of, where
    /// one name begins with the other as geohashes do.
    pub region: Option<String>,
    /// Those about it.
    pub topic: Option<String>,
    /// Those of followed publishers, and one's own.
    pub only_followed: bool,
}

impl BulletinFilter {
    pub(crate) fn admits(&self, bulletin: &Bulletin, is_own: bool) -> bool {
        let matters_there = |region: &String| {
            bulletin.region.starts_with(region) || region.starts_with(&bulletin.region)
        };
        let is_followed = is_own || bulletin.stance == Some(Stance::Followed);
        self.region.as_ref().is_none_or(matters_there)
            && self.topic.as_ref().is_none_or(|topic| *topic == bulletin.topic)
            && (is_followed || !self.only_followed)
    }
}

/// Why a bulletin is not published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// It is too long, or says nothing.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// There is no own bulletin of that thread.
    #[error("there is no bulletin of yours to replace under this number")]
    UnknownThread,
    /// Carriers take no more of one publisher.
    #[error("you have {max} bulletins out: replace one of them, or wait until one expires")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// The identity lives on a later device.
    #[error("this profile was restored on another device: go on there")]
    Superseded,
    /// One's own identity was revoked, and none took its place.
    #[error("this identity is revoked: name a successor with the recovery words, or begin anew")]
    Ended,
    /// The store cannot go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a publisher is not followed or muted.
#[derive(Debug, Error)]
pub enum FollowError {
    /// It is oneself.
    #[error("this is your own identity")]
    Own,
    /// No more are kept.
    #[error("{max} publishers are followed or muted: unfollow one first")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// The store cannot go on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityKey;

    #[test]
    fn a_region_is_part_of_those_that_its_name_begins_with() {
        let bulletin = |region: &str| Bulletin {
            id: BulletinId { publisher: IdentityKey::from_bytes(&[1; 32]).identity(), number: 1 },
            thread: 1,
            stance: None,
            kind: BulletinKind::Alert,
            region: region.into(),
            topic: "water".into(),
            text: "x".into(),
            published: None,
            expires: None,
        };
        let there = |region: &str| BulletinFilter {
            region: Some(region.into()),
            topic: Some("water".into()),
            only_followed: false,
        };
        for (asked, said, matters) in
            [("u33", "u33d", true), ("u33d", "u3", true), ("u33d", "", true), ("u33", "u4", false)]
        {
            assert_eq!(there(asked).admits(&bulletin(said), false), matters, "{asked} {said}");
        }
        let about = BulletinFilter { topic: Some("roads".into()), ..BulletinFilter::default() };
        assert!(!about.admits(&bulletin(""), true));
        let followed = BulletinFilter { only_followed: true, ..BulletinFilter::default() };
        assert!(followed.admits(&bulletin(""), true) && !followed.admits(&bulletin(""), false));
    }
}
