//! Own targets: the secrets that open mail, and when they die.

use super::{SteadyMs, Store, StoreError};
use crate::chat::ContactId;
use crate::codec::Reader;
use crate::identity::{Card, SealingTarget, TargetSecret};
use rand_core::CryptoRng;
use rusqlite::{OptionalExtension, Row};
use zeroize::Zeroizing;

/// A target that this node gave to one contact.
pub(crate) struct OwnReply {
    pub(crate) contact: ContactId,
    pub(crate) secret: TargetSecret,
    pub(crate) is_post_quantum: bool,
    /// Envelopes opened with it. Zero: the contact has not shown to know it.
    pub(crate) received: u32,
    pub(crate) issued: SteadyMs,
}

impl Store {
    pub(crate) fn insert_own_card(
        &self,
        card: &Card,
        secret: &TargetSecret,
        due: SteadyMs,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), StoreError> {
        let sequence = card.sequence() as i64;
        let secret = self.wrap(&secret.kem_secret().to_bytes(), (0, sequence), rng);
        self.connection.execute(
            "INSERT INTO own_cards (sequence, kem_secret, card, due_steady)
             VALUES (?1, ?2, ?3, ?4)",
            (sequence, &*secret, card.as_bytes(), due),
        )?;
        Ok(())
    }

    /// The newest first.
    #[inline(never)]
    pub(crate) fn own_cards(&self) -> Result<Vec<(Card, TargetSecret)>, StoreError> {
        let sql = "SELECT card, kem_secret FROM own_cards ORDER BY sequence DESC";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut cards = Vec::new();
        while let Some(row) = rows.next()? {
            let card =
                Card::from_store(row.get_ref(0)?.as_blob().map_err(|_| StoreError::Corrupt)?);
            let card = card.map_err(|_| StoreError::Corrupt)?;
            let secret = self.secret(row, 1, (0, card.sequence() as i64))?;
            let secret = TargetSecret::new(card.target().clone(), &secret);
            cards.push((card, secret));
        }
        Ok(cards)
    }

    pub(crate) fn insert_own_reply(
        &self,
        reply: &OwnReply,
        due: SteadyMs,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), StoreError> {
        let mut target = Vec::new();
        reply.secret.target().encode(&mut target);
        let counter = reply.secret.target().counter as i64;
        let secret = reply.secret.kem_secret().to_bytes();
        let secret = self.wrap(&secret, (reply.contact.0, counter), rng);
        self.connection
            .prepare_cached(
                "INSERT INTO reply_targets
                 (contact, counter, target, kem_secret, is_post_quantum, issued_steady, due_steady)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                reply.contact.0,
                counter,
                target,
                &*secret,
                reply.is_post_quantum,
                reply.issued,
                due,
            ))?;
        Ok(())
    }

    /// By contact, the newest first.
    #[inline(never)]
    pub(crate) fn own_replies(&self) -> Result<Vec<OwnReply>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT contact, target, kem_secret, is_post_quantum, received, issued_steady
             FROM reply_targets ORDER BY contact, counter DESC",
        )?;
        let mut rows = statement.query([])?;
        let mut replies = Vec::new();
        while let Some(row) = rows.next()? {
            let target: Vec<u8> = row.get(1)?;
            let target = SealingTarget::decode(&mut Reader::new(&target))
                .map_err(|_| StoreError::Corrupt)?;
            let contact = ContactId(row.get(0)?);
            let secret = self.secret(row, 2, (contact.0, target.counter as i64))?;
            replies.push(OwnReply {
                contact,
                secret: TargetSecret::new(target, &secret),
                is_post_quantum: row.get(3)?,
                received: row.get(4)?,
                issued: row.get(5)?,
            });
        }
        Ok(replies)
    }

    fn secret(
        &self,
        row: &Row<'_>,
        index: usize,
        place: (i64, i64),
    ) -> Result<Box<Zeroizing<[u8; 32]>>, StoreError> {
        let wrapped = row.get_ref(index)?.as_blob().map_err(|_| StoreError::Corrupt)?;
        self.unwrap(wrapped, place)
    }

    /// The seed of this target goes out without post-quantum protection.
    pub(crate) fn set_reply_classical(
        &self,
        contact: ContactId,
        counter: u64,
    ) -> Result<(), StoreError> {
        let sql =
            "UPDATE reply_targets SET is_post_quantum = 0 WHERE contact = ?1 AND counter = ?2";
        self.connection.prepare_cached(sql)?.execute((contact.0, counter as i64))?;
        Ok(())
    }

    /// The contact has used this target: counts, and lets all older ones die by `due`.
    pub(crate) fn count_reply_use(
        &self,
        contact: ContactId,
        counter: u64,
        due: SteadyMs,
    ) -> Result<(), StoreError> {
        let key = (contact.0, counter as i64);
        let sql =
            "UPDATE reply_targets SET received = received + 1 WHERE contact = ?1 AND counter = ?2";
        self.connection.prepare_cached(sql)?.execute(key)?;
        let sql = "UPDATE reply_targets SET due_steady = min(due_steady, ?3)
             WHERE contact = ?1 AND counter < ?2";
        self.connection.prepare_cached(sql)?.execute((key.0, key.1, due))?;
        Ok(())
    }

    pub(crate) fn delete_own_reply(
        &self,
        contact: ContactId,
        counter: u64,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM reply_targets WHERE contact = ?1 AND counter = ?2";
        self.connection.prepare_cached(sql)?.execute((contact.0, counter as i64))?;
        Ok(())
    }

    /// Notes since which running time secrets have been due, and destroys those for which that was
    /// `grace_ms` ago. Says whether any died.
    pub(crate) fn destroy_due_secrets(
        &self,
        now: SteadyMs,
        running_ms: i64,
        grace_ms: i64,
    ) -> Result<bool, StoreError> {
        let mut died = 0;
        for table in ["own_cards", "reply_targets"] {
            self.connection
                .prepare_cached(&format!(
                    "UPDATE {table} SET noticed_running = ?2
                     WHERE due_steady <= ?1 AND noticed_running IS NULL"
                ))?
                .execute((now, running_ms))?;
            died += self
                .connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE noticed_running <= ?1"))?
                .execute([running_ms - grace_ms])?;
        }
        Ok(died > 0)
    }

    pub(crate) fn set_running(&self, running_ms: i64) -> Result<(), StoreError> {
        self.connection.prepare_cached("UPDATE own SET running_ms = ?1")?.execute([running_ms])?;
        Ok(())
    }

    pub(crate) fn running(&self) -> Result<i64, StoreError> {
        let sql = "SELECT running_ms FROM own";
        Ok(self.connection.query_row(sql, [], |row| row.get(0)).optional()?.unwrap_or_default())
    }
}
