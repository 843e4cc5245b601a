//! The ratchet at work: what a message is sealed to, what opens one, and when secrets die.

use super::Node;
use crate::chat::{ContactId, Relation, SendError, ratchet};
use crate::clock::Moment;
use crate::envelope::{Body, Envelope, MIN_LIFETIME_S, Opened, Previous, Priority, open};
use crate::identity::{Protection, ReplyTarget, SealingTarget, TargetSecret};
use crate::scour::scour_stack;
use crate::store::{ContactRow, OwnReply, SteadyMs, StoreError};
use crate::time::{DAY_MS, Timestamp};

/// What the next message to a contact is sealed to.
pub(super) struct Aim {
    pub(super) target: SealingTarget,
    pub(super) protection: Protection,
    /// The longest that such mail may live, in seconds.
    pub(super) max_lifetime_s: u32,
    pub(super) is_reply: bool,
    pub(super) previous: Option<Previous>,
}

/// Which own target has opened a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    Card { sequence: u64, issued: Timestamp },
    Reply { contact: ContactId, counter: u64, protection: Protection, issued: SteadyMs },
}

impl Node {
    /// The target that goes along for the answer: the newest that the contact has not used yet, or
    /// one made now, which the caller stores.
    pub(super) fn pending_reply(
        &mut self,
        contact: &ContactRow,
        now: Moment,
        protection: Protection,
    ) -> (ReplyTarget, Option<OwnReply>) {
        let newest = self.replies.get(&contact.id).and_then(|replies| replies.first());
        let unused = newest.filter(|reply| {
            reply.received == 0 && now.steady - reply.issued < ratchet::REFRESH_AFTER_MS
        });
        if let Some(reply) = unused {
            let is_post_quantum = reply.is_post_quantum && protection.is_post_quantum();
            return (offer(&reply.secret, is_post_quantum), None);
        }
        // The contact remembers the highest counter, also when all targets here have died: the time
        // is beyond it.
        let last = newest.map_or(0, |reply| reply.secret.target().counter);
        let counter = (self.first_number() + u64::from(now.wall.minutes())).max(last + 1);
        let suite = ratchet::next_suite(contact.since_pq, contact.pq_at, now.steady);
        let end = Timestamp(now.wall.0 + ratchet::REPLY_LIFE_MS as u64);
        let reply = OwnReply {
            contact: contact.id,
            secret: TargetSecret::generate(suite, counter, end, &mut *self.rng),
            is_post_quantum: protection.is_post_quantum(),
            received: 0,
            issued: now.steady,
        };
        (offer(&reply.secret, reply.is_post_quantum), Some(reply))
    }

    /// Remembers what a sent message has given away.
    pub(super) fn give_reply(
        &mut self,
        contact: ContactId,
        given: &ReplyTarget,
        new: Option<OwnReply>,
    ) -> Result<(), StoreError> {
        let replies = self.replies.entry(contact).or_default();
        if let Some(new) = new {
            let due = new.issued + ratchet::REPLY_LIFE_MS;
            self.store.insert_own_reply(&new, due, &mut *self.rng)?;
            replies.insert(0, new);
            for old in replies.split_off(replies.len().min(ratchet::MAX_LIVE)) {
                self.store.delete_own_reply(contact, old.secret.target().counter)?;
                self.store.scrub();
            }
        } else if let Some(newest) = replies.first_mut()
            && newest.is_post_quantum != given.is_post_quantum
        {
            newest.is_post_quantum = given.is_post_quantum;
            self.store.set_reply_classical(contact, given.target.counter)?;
        }
        self.store.set_refresh(contact, None)
    }

    /// Tries every live target of the envelope's suite: one short MAC each.
    pub(super) fn unlock(&self, envelope: &Envelope<'_>) -> Option<(Opened, Lock)> {
        self.marked(envelope).find_map(|(secret, lock)| {
            let opened = self.identities().find_map(|me| open(envelope, secret, &me))?;
            Some((opened, lock))
        })
    }

    /// Whether the hint of one's own live targets is on it: cheap, and nobody outside can tell.
    pub(super) fn is_own(&self, envelope: &Envelope<'_>) -> Result<bool, StoreError> {
        match envelope.fragment() {
            Some(_) => self.brings_symbol(envelope),
            None => Ok(self.marked(envelope).next().is_some()),
        }
    }

    /// The own targets whose hint is on the envelope: none, of nearly all that comes by. So nothing
    /// is done for a target before its MAC but to read its key.
    fn marked(&self, envelope: &Envelope<'_>) -> impl Iterator<Item = (&TargetSecret, Lock)> {
        let hint = envelope.hint();
        let cards = self.cards.iter().filter(move |(_, secret)| secret.recognises(&hint));
        let replies = self.replies.values().flatten();
        let replies = replies.filter(move |reply| reply.secret.recognises(&hint));
        let by_card = cards.map(|(card, secret)| {
            (secret, Lock::Card { sequence: card.sequence(), issued: card.issued() })
        });
        let by_reply = replies.map(|reply| {
            let lock = Lock::Reply {
                contact: reply.contact,
                counter: reply.secret.target().counter,
                protection: offer(&reply.secret, reply.is_post_quantum).protection(),
                issued: reply.issued,
            };
            (&reply.secret, lock)
        });
        by_card.chain(by_reply)
    }

    /// A message from `writer` has been opened: the ratchet turns.
    pub(super) fn turn(
        &mut self,
        now: Moment,
        writer: ContactId,
        lock: Lock,
        opened: &Opened,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.store.contact(writer)? else { return Ok(()) };
        let issued = match lock {
            Lock::Card { issued, .. } => now.steady - now.wall.since(issued) as i64,
            Lock::Reply { counter, protection, issued, .. } => {
                self.overtake(now, writer, counter, opened.previous)?;
                let pq = (protection == Protection::XWing).then_some(now.steady);
                self.store.count_protection(writer, pq)?;
                issued
            }
        };
        if let Some(reply) = &opened.reply {
            self.take_reply(&contact, reply)?;
        }
        if opened.body.is_for_people() && contact.relation == Relation::Accepted {
            let due = (issued + ratchet::REFRESH_AFTER_MS).max(now.steady);
            self.store.set_refresh(writer, Some(due))?;
        }
        Ok(())
    }

    /// The contact has used target `counter`: all older ones live on for the window only, and the one
    /// before dies at once when everything that was sealed to it has come.
    fn overtake(
        &mut self,
        now: Moment,
        writer: ContactId,
        counter: u64,
        previous: Option<Previous>,
    ) -> Result<(), StoreError> {
        let due = now.steady + i64::from(ratchet::WINDOW_S) * 1000;
        self.store.count_reply_use(writer, counter, due)?;
        let Some(replies) = self.replies.get_mut(&writer) else { return Ok(()) };
        for reply in replies.iter_mut().filter(|reply| reply.secret.target().counter == counter) {
            reply.received += 1;
        }
        let Some(previous) = previous.filter(|previous| previous.counter < counter) else {
            return Ok(());
        };
        let is_done = |reply: &OwnReply| {
            reply.secret.target().counter == previous.counter && reply.received >= previous.sealed
        };
        if replies.iter().any(is_done) {
            replies.retain(|reply| !is_done(reply));
            self.store.delete_own_reply(writer, previous.counter)?;
            self.store.scrub();
        }
        Ok(())
    }

    /// Keeps the newest target of the contact's; the same one again can only lose its claim to
    /// post-quantum protection.
    fn take_reply(&self, contact: &ContactRow, reply: &ReplyTarget) -> Result<(), StoreError> {
        if !reply.target.is_valid() {
            return Ok(());
        }
        let previous = match &contact.reply {
            Some(known) if known.target.counter > reply.target.counter => return Ok(()),
            Some(known) if known.target.counter == reply.target.counter => {
                if known.is_post_quantum && !reply.is_post_quantum {
                    self.store.set_contact_reply_classical(contact.id, reply)?;
                }
                return Ok(());
            }
            Some(known) => Some(Previous { counter: known.target.counter, sealed: contact.sealed }),
            None => None,
        };
        self.store.set_contact_reply(contact.id, reply, previous)
    }

    /// Secrets that have served their time die.
    pub(super) fn destroy_secrets(&mut self, now: Moment) -> Result<(), StoreError> {
        let running_ms = self.clock.running_ms();
        if self.store.destroy_due_secrets(now.steady, running_ms, ratchet::GRACE_MS)? {
            self.store.scrub();
            self.cards = self.store.own_cards()?;
            self.replies = by_contact(self.store.own_replies()?);
            scour_stack();
            self.renew_cards(now)?;
        }
        Ok(())
    }

    /// What has wrapped destroyed secrets gives way to a fresh key, and is destroyed, too.
    pub(super) fn renew_wrapping(&mut self, now: Moment) -> Result<(), StoreError> {
        if self.store.next_renewal()?.is_some_and(|due| due <= now.steady) {
            self.store.renew_wrapping(now.steady, &mut *self.rng)?;
        }
        Ok(())
    }

    /// Writes to those who write and are not answered, so that their mail, too, is sealed to fresh
    /// targets.
    pub(super) fn send_refreshes(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let steady = self.clock.advance(now).steady;
        for contact in self.store.due_refreshes(steady)? {
            let owes_statement = self
                .store
                .contact(contact)?
                .is_some_and(|contact| self.statements_for(&contact).1.is_some());
            let priority = if owes_statement { Priority::Urgent } else { Priority::Low };
            match self.send(now, contact, &Body::Refresh, priority) {
                Err(SendError::Store(error)) => return Err(error),
                // Nobody acknowledges the news of an end: it is told again as long as there is a
                // target.
                Ok(_) if self.has_ended() => {
                    let again = steady + i64::from(self.config.lifetime_s) * 1000;
                    self.store.set_refresh(contact, None)?;
                    self.store.set_refresh(contact, Some(again))?;
                }
                // Sealed, waiting for a postmark, or nobody to seal to: once is enough, and their next
                // message will bring a new chance.
                Ok(_) | Err(_) => self.store.set_refresh(contact, None)?,
            }
        }
        Ok(())
    }
}

pub(super) fn by_contact(
    replies: Vec<OwnReply>,
) -> std::collections::BTreeMap<ContactId, Vec<OwnReply>> {
    let mut sorted = std::collections::BTreeMap::<_, Vec<_>>::new();
    for reply in replies {
        sorted.entry(reply.contact).or_default().push(reply);
    }
    sorted
}

/// The contact's newest target, or their card: never one that is older than a target of theirs.
pub(super) fn aim(contact: &ContactRow, now: Timestamp) -> Result<Aim, SendError> {
    let ends = |target: &SealingTarget| {
        now.is_plausible()
            && target.end.is_plausible()
            && target.end.since(now) < u64::from(MIN_LIFETIME_S) * 1000
    };
    if let Some(reply) = contact.reply.as_ref().filter(|reply| !ends(&reply.target)) {
        return Ok(Aim {
            target: reply.target.clone(),
            protection: reply.protection(),
            max_lifetime_s: reply.window_s,
            is_reply: true,
            previous: contact.previous,
        });
    }
    let card = &contact.card;
    // What a revoked key has signed is nobody's card.
    let is_another = card.identity() != contact.identity;
    let is_older = contact
        .reply
        .as_ref()
        .is_some_and(|reply| card.issued().0 + ratchet::REPLY_LIFE_MS as u64 <= reply.target.end.0);
    if is_older || is_another || card.has_expired(now) {
        return Err(SendError::CardExpired);
    }
    let protection = match card.target().suite() {
        crate::Suite::XWing => Protection::XWing,
        crate::Suite::X25519 => Protection::CardSeed,
    };
    Ok(Aim {
        target: card.target().clone(),
        protection,
        max_lifetime_s: u32::MAX,
        is_reply: false,
        previous: None,
    })
}

/// How long a card's secret serves: as long as mail can be sealed to it.
pub(super) fn card_due(now: Moment, end: Timestamp) -> SteadyMs {
    now.steady + end.since(now.wall).min(DAY_MS * crate::CARD_LIFE_DAYS) as i64
}

fn offer(secret: &TargetSecret, is_post_quantum: bool) -> ReplyTarget {
    ReplyTarget { target: secret.target().clone(), window_s: ratchet::WINDOW_S, is_post_quantum }
}

#[cfg(test)]
mod tests;
