//! What in the store wants something done when its time comes.

use super::{SteadyMs, Store, StoreError};
use crate::chat::ratchet;

/// The earliest of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) expiry: Option<SteadyMs>,
    pub(crate) ack: Option<SteadyMs>,
    pub(crate) tombstone: Option<SteadyMs>,
    pub(crate) attachment: Option<SteadyMs>,
    pub(crate) secret: Option<SteadyMs>,
    /// In running time.
    pub(crate) secret_dies: Option<i64>,
    pub(crate) refresh: Option<SteadyMs>,
    /// Whether mail waits to be sealed anew.
    pub(crate) reseals: bool,
}

impl Store {
    /// Asked after every input, most of which change nothing: so it is looked up only after a change.
    pub(crate) fn due(&self) -> Result<Due, StoreError> {
        let changes = self.connection.total_changes();
        if let Some((_, due)) = self.due.get().filter(|(at, _)| *at == changes) {
            return Ok(due);
        }
        let (secret, secret_dies) = self.next_destruction(ratchet::GRACE_MS)?;
        let due = Due {
            expiry: self.next_expiry()?,
            ack: self.next_ack()?,
            tombstone: self.next_forgetting()?,
            attachment: self.next_of_attachments()?,
            secret,
            secret_dies,
            refresh: self.next_refresh()?,
            reseals: !self.contacts_to_reseal()?.is_empty(),
        };
        self.due.set(Some((changes, due)));
        Ok(due)
    }
}
