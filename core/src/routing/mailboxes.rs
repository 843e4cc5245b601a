//! What routers know by mailbox tags, where these are shown: which are whose, and who is likely to meet
//! whom. What others say of it are claims.

use super::Router;
use super::maxprop::{MaxProp, Vector};
use super::prophet::Prophet;
use super::recency::Recency;
use crate::store::SteadyMs;
use std::collections::{BTreeMap, BTreeSet};

/// Tags that one neighbour may call its own.
pub(crate) const MAX_OWN_TAGS: usize = 256;
/// Tags of others that one node has anything to say of.
pub(crate) const MAX_TAGS: usize = 4096;

/// The first four bytes of a mailbox tag: enough to tell a town's mailboxes apart, and where two
/// look alike one envelope takes a detour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(pub(crate) u32);

impl Tag {
    /// What bulletins have.
    pub(crate) const NOBODYS: Self = Self(0);

    pub(crate) fn of(mailbox_tag: [u8; 8]) -> Self {
        let [a, b, c, d, ..] = mailbox_tag;
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

/// A likelihood as neighbours tell it.
#[allow(clippy::cast_sign_loss, reason = "likelihoods are from 0 to 1")]
pub(super) fn wire(likelihood: f64) -> u16 {
    (likelihood * f64::from(u16::MAX)).round() as u16
}

pub(super) fn from_wire(value: u16) -> f64 {
    f64::from(value) / f64::from(u16::MAX)
}

/// What neighbours tell each other of mailboxes. Values are 16 bits wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gossip {
    /// These are mine.
    Own(Vec<Tag>),
    /// How long ago I met their owners: see [`Recency`].
    Met(Vec<(Tag, u16)>),
    /// How likely I am to bring mail to them: see [`Prophet`].
    Predictabilities(Vec<(Tag, u16)>),
    /// Whom somebody meets, how often: see [`MaxProp`].
    Meetings(Vector),
}

/// What the neighbour on one link has told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// As it has named them, the newest first.
    own: Vec<Tag>,
    values: BTreeMap<Tag, u16>,
}

impl Told {
    #[cfg(test)]
    pub(crate) const SILENT: Self = Self { own: Vec::new(), values: BTreeMap::new() };

    /// Whether the neighbour says that mail with this tag is for it.
    pub(crate) fn is_reader(&self, tag: Tag) -> bool {
        self.own.contains(&tag)
    }

    pub(crate) fn value(&self, tag: Tag) -> Option<u16> {
        self.values.get(&tag).copied()
    }
}

/// A node's own knowledge.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    own: BTreeSet<Tag>,
    lore: Lore,
}

/// What each router remembers.
#[derive(Debug)]
enum Lore {
    /// Tags are hidden, or of no use.
    None,
    Carry(Recency),
    Prophet(Prophet),
    MaxProp(Box<MaxProp>),
}

impl Mailboxes {
    pub(crate) fn new(router: Router, are_shown: bool) -> Self {
        let lore = match router {
            Router::Carry if are_shown => Lore::Carry(Recency::default()),
            Router::Prophet if are_shown => Lore::Prophet(Prophet::default()),
            Router::MaxProp if are_shown => Lore::MaxProp(Box::default()),
            _ => Lore::None,
        };
        Self { own: BTreeSet::new(), lore }
    }

    /// Whether anything is told or heard at all.
    pub(crate) fn are_used(&self) -> bool {
        !matches!(self.lore, Lore::None)
    }

    /// Whether the mail is for this node, by its tag.
    pub(crate) fn are_own(&self, tag: Tag) -> bool {
        self.own.contains(&tag)
    }

    /// What a neighbour is told at the beginning of a meeting; `own`: this node's tags of today.
    pub(crate) fn tell(
        &mut self,
        own: Vec<Tag>,
        neighbour: [u8; 32],
        now: SteadyMs,
    ) -> Vec<Gossip> {
        self.own = own.iter().copied().collect();
        let lore = match &mut self.lore {
            Lore::None => return Vec::new(),
            Lore::Carry(recency) => vec![Gossip::Met(recency.tell(now))],
            Lore::Prophet(prophet) => vec![Gossip::Predictabilities(prophet.tell(now))],
            Lore::MaxProp(maxprop) => {
                maxprop.tell(&own, neighbour, now).into_iter().map(Gossip::Meetings).collect()
            }
        };
        [Gossip::Own(own)].into_iter().chain(lore).collect()
    }

    /// The neighbour tells, and `told` is what it has told before. Says whether that is bearable.
    pub(crate) fn hear(&mut self, told: &mut Told, gossip: Gossip, now: SteadyMs) -> bool {
        match (&mut self.lore, gossip) {
            (Lore::None, _) => {}
            (lore, Gossip::Own(tags)) => {
                let is_first = told.own.is_empty();
                told.own.extend(tags);
                let tags = &told.own;
                match lore {
                    Lore::Carry(recency) => recency.meet(tags, now),
                    Lore::Prophet(prophet) if is_first => prophet.meet(tags, now),
                    Lore::MaxProp(maxprop) if is_first => maxprop.meet(tags, now),
                    // On small links the tags of one neighbour come in several frames.
                    Lore::Prophet(prophet) => prophet.link(tags, now),
                    Lore::MaxProp(maxprop) => drop(maxprop.link(tags)),
                    Lore::None => {}
                }
            }
            (Lore::Carry(_), Gossip::Met(values)) => told.values.extend(values),
            (Lore::Prophet(prophet), Gossip::Predictabilities(values)) => {
                if let Some(from) = told.own.first() {
                    prophet.hear(
                        *from,
                        values.iter().filter(|(tag, _)| !self.own.contains(tag)),
                        now,
                    );
                }
                told.values.extend(values);
            }
            (Lore::MaxProp(maxprop), Gossip::Meetings(vector)) => {
                let is_own = vector.of.iter().any(|tag| self.own.contains(tag));
                if !is_own {
                    let is_direct = vector.of.iter().any(|tag| told.own.contains(tag));
                    maxprop.hear(vector, is_direct, now);
                }
            }
            // Another router's.
            _ => {}
        }
        told.own.len() <= MAX_OWN_TAGS && told.values.len() <= MAX_TAGS
    }

    /// Whether the neighbour has met the owner of this tag later than this node by more than so much.
    pub(crate) fn is_nearer(&self, told: &Told, tag: Tag, by_ms: i64, now: SteadyMs) -> bool {
        match &self.lore {
            Lore::Carry(recency) => {
                told.value(tag).is_some_and(|theirs| recency.is_behind(theirs, tag, by_ms, now))
            }
            _ => false,
        }
    }

    /// PRoPHET's forwarding strategy `GRTR`: whether the neighbour is likelier to bring it there.
    pub(crate) fn is_likelier(&self, told: &Told, tag: Tag, now: SteadyMs) -> bool {
        match &self.lore {
            Lore::Prophet(prophet) => {
                told.value(tag).is_some_and(|theirs| theirs > prophet.value(tag, now))
            }
            _ => false,
        }
    }

    /// MaxProp's rank of a copy that has come so many hops: higher ranks go first, and leave last.
    pub(crate) fn rank(&self, tag: Tag, hops: u8) -> f64 {
        match &self.lore {
            Lore::MaxProp(maxprop) => maxprop.rank(tag, hops),
            _ => 0.0,
        }
    }

    /// A meeting is over that has moved so many bytes of mail.
    pub(crate) fn part(&mut self, moved_bytes: u64) {
        if let Lore::MaxProp(maxprop) = &mut self.lore {
            maxprop.part(moved_bytes);
        }
    }

    /// Before anything is weighed, what was heard takes effect.
    pub(crate) fn settle(&mut self) {
        if let Lore::MaxProp(maxprop) = &mut self.lore {
            maxprop.settle();
        }
    }

    /// For what MaxProp alone wants to know.
    pub(crate) fn as_maxprop(&mut self) -> Option<&mut MaxProp> {
        match &mut self.lore {
            Lore::MaxProp(maxprop) => Some(maxprop),
            _ => None,
        }
    }
}
