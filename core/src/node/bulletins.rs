//! Bulletins: publishing them, carrying others', and whom the user follows or mutes.
//!
//! They have places of their own, a number for each kind: no bulletin takes the place of a letter, none
//! of one kind that of another, and no letter that of a bulletin.

use super::acks::TOMBSTONE_SLACK_MS;
use super::intake::Origin;
use super::{Fault, Node};
use crate::chat::{Bulletin, BulletinFilter, BulletinId, FollowError, PublishError, Stance};
use crate::clock::Moment;
use crate::codec::Reader;
use crate::envelope::{
    BulletinDraft, BulletinKind, Envelope, EnvelopeId, MAX_BULLETIN_LIFETIME_S, Published, Said,
    publish,
};
use crate::event::Event;
use crate::identity::Identity;
use crate::link::{LinkId, Violation};
use crate::store::{Carried, Durability, PostmarkRow, Standing, SteadyMs, StoreError, Unpublished};
use crate::time::Timestamp;

/// Bulletins of one publisher on board.
const MAX_OF_PUBLISHER: usize = 16;
/// Publishers that the user may follow or mute.
const MAX_PUBLISHERS: usize = 1024;
/// Threads remembered, of which something is on board or was.
const MAX_THREADS: u64 = 4096;
/// A thread is remembered as long as any bulletin of it could be taken again.
const THREAD_MS: SteadyMs = MAX_BULLETIN_LIFETIME_S as i64 * 1000 + TOMBSTONE_SLACK_MS;

/// Places: with the longest texts they take 2 MiB, of which all SOS together have 214 KiB.
fn places(kind: BulletinKind) -> u64 {
    match kind {
        BulletinKind::Information | BulletinKind::Sos => 256,
        BulletinKind::Alert => 512,
    }
}

impl Node {
    /// Publishes to everybody in reach, under one's own identity: whoever carries it can read who
    /// says so. Durable when this returns; it goes out at once, or when a postmark is minted that no
    /// letter has used, and its lifetime begins then.
    ///
    /// # Errors
    /// See [`PublishError`]; nothing is published then.
    pub fn publish(
        &mut self,
        now: Timestamp,
        draft: &BulletinDraft,
    ) -> Result<BulletinId, PublishError> {
        draft.check()?;
        if self.is_superseded {
            return Err(PublishError::Superseded);
        }
        if self.has_ended() {
            return Err(PublishError::Ended);
        }
        self.check_place(draft.replaces)?;
        Ok(self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            // On a later device the number goes on beyond all that this one gave.
            let time = node.first_number() + u64::from(now.wall.minutes());
            let number = time.max(node.store.last_bulletin()? + 1);
            let mut said = Vec::new();
            draft.said(number).encode(&mut said);
            let BulletinDraft { kind, lifetime_s, .. } = *draft;
            node.store.insert_unpublished(&Unpublished { number, kind, lifetime_s, said })?;
            node.publish_waiting(now)?;
            node.store.commit()?;
            Ok::<_, StoreError>(BulletinId { publisher: node.identity, number })
        })?)
    }

    /// Whether carriers take one more, or one in place of an earlier one.
    fn check_place(&self, replaces: Option<u64>) -> Result<(), PublishError> {
        let waiting = self.store.unpublished()?;
        if let Some(thread) = replaces {
            let known = self.store.thread(&self.identity, thread)?;
            let waits = waiting.iter().any(|it| said(it).is_ok_and(|said| said.thread == thread));
            if known.is_none() && !waits {
                return Err(PublishError::UnknownThread);
            }
            if waits || known.is_some_and(|known| known.envelope.is_some()) {
                return Ok(());
            }
        }
        let live = self.store.bulletins_of(&self.identity)?.len() + waiting.len();
        if live < MAX_OF_PUBLISHER {
            Ok(())
        } else {
            Err(PublishError::TooMany { max: MAX_OF_PUBLISHER })
        }
    }

    /// Publishes what was written while no postmark was ready.
    pub(super) fn publish_waiting(&mut self, now: Moment) -> Result<(), StoreError> {
        for waiting in self.store.unpublished()? {
            if self.is_superseded || self.has_ended() {
                break;
            }
            let Some(postmark) = self.take_unused_postmark(now)? else { break };
            // A number goes out once, whatever happens to the power.
            self.store.require(Durability::Power)?;
            self.store.delete_unpublished(waiting.number)?;
            let said = said(&waiting)?;
            let life = (now.wall, waiting.lifetime_s);
            let (id, bytes) = publish(&self.key, waiting.kind, &said, life, &postmark);
            // What was just made parses.
            let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
            let published = envelope.bulletin().ok_or(StoreError::Corrupt)?;
            self.board(now, &envelope, id, &published, now.steady, None)?;
            self.offer(&id)?;
        }
        Ok(())
    }

    /// A bulletin has come in that was never here.
    pub(super) fn accept_bulletin(
        &mut self,
        now: Moment,
        link: LinkId,
        envelope: &Envelope<'_>,
        (id, born, postmark): (EnvelopeId, SteadyMs, PostmarkRow),
        bulletin: &Published<'_>,
    ) -> Result<(), StoreError> {
        let stance = self.store.stance(&bulletin.publisher)?;
        if stance == Some(Stance::Muted) || self.is_outdated(bulletin)? {
            return self.bar(now, &id, Some(postmark));
        }
        if !self.make_bulletin_room(bulletin, stance, born)? {
            return Ok(());
        }
        self.board(now, envelope, id, bulletin, born, Some(postmark))?;
        if let Some(session) = self.links.get_mut(&link) {
            session.push_taken(id.head());
        }
        self.offer(&id)?;
        // Who is shut out is carried like anybody else, and not heard.
        if bulletin.publisher == self.identity || self.store.is_blocked(&bulletin.publisher)? {
            return Ok(());
        }
        let is_loud = stance == Some(Stance::Followed) || bulletin.kind == BulletinKind::Sos;
        let bulletin = id_of(bulletin);
        self.events.push_back(if is_loud {
            Event::Bulletin { bulletin }
        } else {
            Event::BulletinQuietly { bulletin }
        });
        Ok(())
    }

    /// Whether a newer one has replaced it, or its publisher has said too much since.
    fn is_outdated(&self, bulletin: &Published<'_>) -> Result<bool, StoreError> {
        let Said { number, thread, .. } = bulletin.said;
        if let Some(known) = self.store.thread(&bulletin.publisher, thread)? {
            if number <= known.number {
                return Ok(true);
            }
            if known.envelope.is_some() {
                return Ok(false);
            }
        }
        let others = self.store.bulletins_of(&bulletin.publisher)?;
        let lowest = others.first().filter(|_| others.len() >= MAX_OF_PUBLISHER);
        Ok(lowest.is_some_and(|(lowest, _)| number < *lowest))
    }

    /// Whether it has a place among its kind, or takes that of an older one. Followed publishers' go
    /// before others'. Ages decide, and not what a publisher wants, so that neighbours agree on it
    /// and do not pass the same bulletins to and fro.
    fn make_bulletin_room(
        &mut self,
        bulletin: &Published<'_>,
        stance: Option<Stance>,
        born: SteadyMs,
    ) -> Result<bool, StoreError> {
        let replaced = self.store.thread(&bulletin.publisher, bulletin.said.thread)?;
        let has_place = replaced
            .is_some_and(|it| it.envelope.is_some() && it.kind == bulletin.kind)
            || self.store.bulletin_count(bulletin.kind)? < places(bulletin.kind);
        if has_place || bulletin.publisher == self.identity {
            return Ok(true);
        }
        let least = self.store.least_bulletin(bulletin.kind, &self.identity)?;
        let rank = (stance == Some(Stance::Followed), born);
        let Some((_, least)) = least.filter(|(is_followed, it)| rank > (*is_followed, it.born))
        else {
            return Ok(false);
        };
        self.remove_envelope(&least)?;
        Ok(true)
    }

    /// Takes it on board, in place of what it replaces.
    fn board(
        &mut self,
        now: Moment,
        envelope: &Envelope<'_>,
        id: EnvelopeId,
        bulletin: &Published<'_>,
        born: SteadyMs,
        postmark: Option<PostmarkRow>,
    ) -> Result<(), StoreError> {
        let Said { number, thread, .. } = bulletin.said;
        let replaced = self.store.thread(&bulletin.publisher, thread)?;
        let of_publisher = self.store.bulletins_of(&bulletin.publisher)?;
        let replaced = replaced.and_then(|thread| thread.envelope);
        let replaced = match replaced {
            Some(row) => of_publisher.iter().find(|(_, carried)| carried.row == row),
            None => of_publisher.first().filter(|_| of_publisher.len() >= MAX_OF_PUBLISHER),
        };
        if let Some((_, replaced)) = replaced {
            self.drop_bulletin(now, replaced)?;
        }
        let row = self.keep(
            envelope,
            id,
            Standing::Bulletin,
            born,
            Origin { postmark, ..Origin::own(None) },
        )?;
        let key = (&bulletin.publisher, thread, number);
        self.store.set_thread(key, bulletin.kind, row, born + THREAD_MS)?;
        self.store.forget_threads(now.steady, MAX_THREADS)
    }

    fn drop_bulletin(&mut self, now: Moment, bulletin: &Carried) -> Result<(), StoreError> {
        self.bar(now, &bulletin.id, bulletin.postmark)?;
        self.remove_envelope(bulletin)
    }

    /// It is not taken again for some days, so that no reconciliation brings it anew.
    fn bar(
        &mut self,
        now: Moment,
        id: &EnvelopeId,
        postmark: Option<PostmarkRow>,
    ) -> Result<(), StoreError> {
        self.entomb(id, None, None, postmark, now.steady + TOMBSTONE_SLACK_MS)
    }

    /// Follows a publisher: their bulletins are announced, and go last when space is short.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub fn follow(&mut self, now: Timestamp, publisher: Identity) -> Result<(), FollowError> {
        self.set_stance(now, publisher, Stance::Followed)
    }

    /// Mutes a publisher: their bulletins are neither shown nor carried, and those on board go.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub fn mute(&mut self, now: Timestamp, publisher: Identity) -> Result<(), FollowError> {
        self.set_stance(now, publisher, Stance::Muted)
    }

    /// Neither follows nor mutes them any more. What was refused meanwhile stays away for six days.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn unfollow(&mut self, now: Timestamp, publisher: Identity) -> Result<(), StoreError> {
        self.whole(|node| {
            node.begin(now, Durability::Power)?;
            node.store.set_stance(&publisher, None)?;
            node.store.commit()
        })
    }

    fn set_stance(
        &mut self,
        now: Timestamp,
        publisher: Identity,
        stance: Stance,
    ) -> Result<(), FollowError> {
        if publisher == self.identity {
            return Err(FollowError::Own);
        }
        let is_known = self.store.stance(&publisher)?.is_some();
        if !is_known && self.store.publishers()?.len() >= MAX_PUBLISHERS {
            return Err(FollowError::TooMany { max: MAX_PUBLISHERS });
        }
        Ok(self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            node.store.set_stance(&publisher, Some(stance))?;
            if stance == Stance::Muted {
                for (_, bulletin) in node.store.bulletins_of(&publisher)? {
                    node.drop_bulletin(now, &bulletin)?;
                }
            }
            node.store.commit()
        })?)
    }

    /// Whom the user follows or mutes.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn publishers(&self) -> Result<Vec<(Identity, Stance)>, StoreError> {
        self.store.publishers()
    }

    /// Who has this address: see [`Identity::address`]. Oneself, contacts, those who are followed
    /// or muted, and publishers of what is on board are known.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn identity_of(&self, address: &str) -> Result<Option<Identity>, StoreError> {
        let contacts = self.store.contacts()?.into_iter().map(|contact| contact.identity);
        let publishers = self.publishers()?.into_iter().map(|(identity, _)| identity);
        let on_board = self.bulletins(&BulletinFilter::default())?;
        let on_board = on_board.into_iter().map(|bulletin| bulletin.id.publisher);
        let mut known =
            [self.identity].into_iter().chain(contacts).chain(publishers).chain(on_board);
        Ok(known.find(|identity| identity.address() == address))
    }

    /// The bulletins on board that are asked for, the youngest first; own ones that wait for a
    /// postmark before them.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn bulletins(&self, filter: &BulletinFilter) -> Result<Vec<Bulletin>, StoreError> {
        let mut bulletins = Vec::new();
        for waiting in self.store.unpublished()?.iter().rev() {
            let (publisher, stance) = (self.identity, None);
            bulletins.push(view(publisher, stance, waiting.kind, &said(waiting)?, None));
        }
        for carried in self.store.bulletins()? {
            let Some(bytes) = self.store.envelope_bytes(carried.row)? else { continue };
            let envelope = Envelope::parse(&bytes).map_err(|_| StoreError::Corrupt)?;
            let Published { publisher, kind, said, .. } =
                envelope.bulletin().ok_or(StoreError::Corrupt)?;
            if self.store.is_blocked(&publisher)? {
                continue;
            }
            let times = (envelope.created(), self.clock.wall_at(carried.expires));
            let stance = self.store.stance(&publisher)?;
            bulletins.push(view(publisher, stance, kind, &said, Some(times)));
        }
        bulletins.retain(|it| filter.admits(it, it.id.publisher == self.identity));
        Ok(bulletins)
    }

    /// Forged words end the link that brought them: whoever passes on a bulletin has checked it.
    pub(super) fn check_publisher(envelope: &Envelope<'_>) -> Result<(), Fault> {
        let is_forged = envelope.bulletin().is_some_and(|bulletin| !bulletin.is_genuine());
        if is_forged { Err(Violation::Forged("bulletin").into()) } else { Ok(()) }
    }
}

fn said(waiting: &Unpublished) -> Result<Said<'_>, StoreError> {
    Said::decode(&mut Reader::new(&waiting.said), waiting.kind).map_err(|_| StoreError::Corrupt)
}

fn id_of(bulletin: &Published<'_>) -> BulletinId {
    BulletinId { publisher: bulletin.publisher, number: bulletin.said.number }
}

fn view(
    publisher: Identity,
    stance: Option<Stance>,
    kind: BulletinKind,
    said: &Said<'_>,
    times: Option<(Timestamp, Timestamp)>,
) -> Bulletin {
    Bulletin {
        id: BulletinId { publisher, number: said.number },
        thread: said.thread,
        stance,
        kind,
        region: said.region.to_owned(),
        topic: said.topic.to_owned(),
        text: said.text.to_owned(),
        published: times.map(|(published, _)| published),
        expires: times.map(|(_, expires)| expires),
    }
}
