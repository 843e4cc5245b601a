//! Whom the user lets in: requests, blocks, and forgetting.

use super::Node;
use super::people::{check_name, long_placeholder_name, placeholder_name};
use crate::chat::{ContactError, ContactId, Relation, ratchet, relation};
use crate::clock::Moment;
use crate::envelope::Opened;
use crate::event::Event;
use crate::identity::Card;
use crate::store::{ContactRow, Durability, StoreError};
use crate::time::Timestamp;

impl Node {
    /// Lets a stranger in: what they have written joins the other messages, and they can be
    /// answered.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], [`ContactError::NoRequest`], [`ContactError::Store`].
    pub fn accept_request(&mut self, now: Timestamp, id: ContactId) -> Result<(), ContactError> {
        self.open_request(id)?;
        Ok(self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            node.store.set_relation(id, Relation::Accepted)?;
            // They have written, and may have to wait for an answer.
            node.store.set_refresh(id, Some(now.steady + ratchet::REFRESH_AFTER_MS))?;
            node.store.commit()
        })?)
    }

    /// Forgets a stranger and what they wrote; for 30 days their mail is foreign mail.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], [`ContactError::NoRequest`], [`ContactError::Store`].
    pub fn decline_request(&mut self, now: Timestamp, id: ContactId) -> Result<(), ContactError> {
        let stranger = self.open_request(id)?;
        Ok(self.whole(|node| {
            let now = node.begin(now, Durability::Power)?.steady;
            let until = now + relation::DECLINED_MS;
            node.store.insert_declined(&stranger.identity, now, until)?;
            node.forget(id)?;
            node.store.commit()
        })?)
    }

    /// Forgets a contact, the conversation, and the secrets that opened it. They still hold this
    /// node's card: should they write, that is a stranger's request.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], [`ContactError::Store`].
    pub fn remove_contact(&mut self, now: Timestamp, id: ContactId) -> Result<(), ContactError> {
        self.store.contact(id)?.ok_or(ContactError::Unknown)?;
        Ok(self.whole(|node| {
            node.begin(now, Durability::Power)?;
            node.forget(id)?;
            node.store.commit()
        })?)
    }

    /// Shuts a contact out: from now on their mail is foreign mail, unanswered and carried on like
    /// it, and the cards that they hold recognise this node on no link. All other contacts are told
    /// the new card, sealed; until that reaches them they, too, do not recognise it. To let the
    /// contact in again, add their card.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], [`ContactError::Store`].
    pub fn block_contact(&mut self, now: Timestamp, id: ContactId) -> Result<(), ContactError> {
        let contact = self.store.contact(id)?.ok_or(ContactError::Unknown)?;
        if contact.relation == Relation::Blocked {
            return Ok(());
        }
        self.whole(|node| {
            let now = node.begin(now, Durability::Power)?;
            node.store.set_relation(id, Relation::Blocked)?;
            node.store.delete_replies(id)?;
            node.replies.remove(&id);
            node.unmeet(id);
            node.withdraw_cards(now)?;
            node.store.scrub();
            node.store.commit()
        })?;
        Ok(self.send_refreshes(now)?)
    }

    /// Whether notice is given of the contact's messages. Muted ones are stored and shown all the
    /// same.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], [`ContactError::Store`].
    pub fn mute_contact(
        &mut self,
        now: Timestamp,
        id: ContactId,
        muted: bool,
    ) -> Result<(), ContactError> {
        self.store.contact(id)?.ok_or(ContactError::Unknown)?;
        Ok(self.whole(|node| {
            node.begin(now, Durability::Power)?;
            node.store.set_muted(id, muted)?;
            node.store.commit()
        })?)
    }

    /// Gives a contact the user's own `name` for them.
    ///
    /// # Errors
    /// [`ContactError::Unknown`], [`ContactError::Name`], [`ContactError::NameTaken`],
    /// [`ContactError::Store`].
    pub fn rename_contact(
        &mut self,
        now: Timestamp,
        id: ContactId,
        name: &str,
    ) -> Result<(), ContactError> {
        check_name(name)?;
        self.store.contact(id)?.ok_or(ContactError::Unknown)?;
        if self.store.contact_by_name(name)?.is_some_and(|namesake| namesake != id) {
            return Err(ContactError::NameTaken);
        }
        Ok(self.whole(|node| {
            node.begin(now, Durability::Power)?;
            node.store.set_contact_name(id, name)?;
            node.store.commit()
        })?)
    }

    fn open_request(&self, id: ContactId) -> Result<ContactRow, ContactError> {
        let contact = self.store.contact(id)?.ok_or(ContactError::Unknown)?;
        let is_open = contact.relation == Relation::Request;
        if is_open { Ok(contact) } else { Err(ContactError::NoRequest) }
    }

    /// Whether a message from this contact is taken; what is not stays foreign mail.
    pub(super) fn may_write(
        &self,
        contact: &ContactRow,
        opened: &Opened,
    ) -> Result<bool, StoreError> {
        Ok(match contact.relation {
            _ if contact.revoked => false,
            Relation::Accepted => true,
            Relation::Blocked => false,
            Relation::Request => {
                !opened.body.is_for_people()
                    || self.store.received_count(contact.id)? < relation::MAX_REQUEST_MESSAGES
            }
        })
    }

    /// A stranger's first message: they wait for the user, if they have something to say and there
    /// is a place.
    pub(super) fn request(
        &mut self,
        now: Moment,
        opened: &Opened,
        card: &Card,
    ) -> Result<Option<ContactId>, StoreError> {
        if !opened.body.is_for_people() || self.store.is_declined(&opened.sender, now.steady)? {
            return Ok(None);
        }
        let open = self.store.requests()?;
        if open.len() >= relation::MAX_REQUESTS {
            let oldest =
                open.first().filter(|(_, since)| now.steady - since >= relation::REQUEST_PLACE_MS);
            let Some(&(oldest, _)) = oldest else { return Ok(None) };
            self.forget(oldest)?;
        }
        let mut name = placeholder_name(&opened.sender);
        if self.store.contact_by_name(&name)?.is_some() {
            name = long_placeholder_name(&opened.sender);
        }
        let id = self.store.insert_contact(card, &name)?;
        self.store.set_requested(id, now.steady)?;
        self.events.push_back(Event::Requested { contact: id });
        Ok(Some(id))
    }

    fn forget(&mut self, id: ContactId) -> Result<(), StoreError> {
        self.store.delete_contact(id)?;
        self.store.scrub();
        self.replies.remove(&id);
        self.unmeet(id);
        Ok(())
    }

    /// On open links the contact is a stranger from now on.
    pub(super) fn unmeet(&mut self, id: ContactId) {
        for session in self.links.values_mut() {
            session.marked = session.marked.filter(|marked| *marked != id);
            session.contact = session.contact.filter(|contact| *contact != id);
        }
    }

    /// New cards, told to all accepted contacts at the next [`Node::send_refreshes`]; the old ones
    /// still open mail, but show this node to nobody.
    pub(super) fn withdraw_cards(&mut self, now: Moment) -> Result<(), StoreError> {
        self.marks_from = self.cards.first().map_or(0, |(card, _)| card.sequence() + 1);
        self.store.set_marks_from(self.marks_from)?;
        self.issue_cards(now)?;
        self.store.refresh_all(now.steady)
    }
}
