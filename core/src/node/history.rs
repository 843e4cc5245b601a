//! What was said: conversations, and the search through them.

use super::Node;
use crate::chat::{ContactId, Conversation, Found, Message, MessageId};
use crate::envelope::Body;
use crate::store::StoreError;

/// Messages that one call looks through: it must not hold up a running node.
const LOOKED_THROUGH: usize = 2048;
/// Messages read at once.
const PAGE: u32 = 64;

impl Node {
    /// The conversations with accepted contacts, the one with the newest message first; without those
    /// in which nothing was said.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn conversations(&self) -> Result<Vec<Conversation>, StoreError> {
        let rows = self.store.conversations()?.into_iter();
        rows.map(|(contact, last, unseen)| {
            let last = self.message(last)?.ok_or(StoreError::Corrupt)?;
            Ok(Conversation { contact, last, unseen })
        })
        .collect()
    }

    /// The newest `limit` messages before `before` that have `text` in their text or in their file's
    /// name, the newest first; of one conversation, or of all with accepted contacts. Case does not
    /// matter. At least one is looked for.
    ///
    /// One call looks through some 2,000 messages; [`Found::before`] says where the next goes on.
    ///
    /// # Errors
    /// A [`StoreError`] is final.
    pub fn search(
        &self,
        text: &str,
        contact: Option<ContactId>,
        mut before: Option<MessageId>,
        limit: u32,
    ) -> Result<Found, StoreError> {
        let wanted = text.to_lowercase();
        let mut messages = Vec::new();
        for _ in 0..LOOKED_THROUGH / PAGE as usize {
            let page = self.messages(contact, before, PAGE)?;
            let is_last = page.len() < PAGE as usize;
            for message in page.into_iter().rev() {
                if messages.len() >= limit.max(1) as usize {
                    return Ok(Found { messages, before });
                }
                before = Some(message.id);
                if says(&message, &wanted) {
                    messages.push(message);
                }
            }
            if is_last {
                return Ok(Found { messages, before: None });
            }
        }
        Ok(Found { messages, before })
    }
}

fn says(message: &Message, wanted: &str) -> bool {
    match &message.body {
        Body::Text(text) | Body::Attachment { name: text, .. } => {
            text.to_lowercase().contains(wanted)
        }
        Body::Read(_) | Body::Application { .. } | Body::Refresh | Body::Unsupported { .. } => {
            false
        }
    }
}
