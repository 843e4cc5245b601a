//! The reply-key ratchet: forward secrecy without a server or a round trip.
//!
//! Every message brings a target for the answer: a fresh one, the same until it is used. Whoever
//! answers seals to the newest target they have seen. A target that has been overtaken is destroyed
//! as soon as all that was sealed to it has been opened, or else once whatever was sealed to it
//! must have expired. Loss, reordering and duplication do no harm.

use crate::identity::Suite;
use crate::store::SteadyMs;
use crate::time::DAY_MS;

/// How long a reply target lives, in milliseconds: so long may two be silent and still write, without
/// falling back to an older card.
pub(crate) const REPLY_LIFE_MS: i64 = 28 * DAY_MS as i64;
/// How long a target is kept once a newer one is in use, in seconds; so long lives what is sealed to
/// it at most.
pub(crate) const WINDOW_S: u32 = 7 * 24 * 60 * 60;
/// How long a secret that is due still lives, in running time: no clock's jump destroys keys.
pub(crate) const GRACE_MS: i64 = DAY_MS as i64;
/// A contact who writes and is not answered gets a fresh target when theirs is this old.
pub(crate) const REFRESH_AFTER_MS: i64 = 7 * DAY_MS as i64;
/// Reply targets alive for one contact: with more, the oldest dies early.
pub(crate) const MAX_LIVE: usize = 16;

/// X-Wing costs over 2 kB a round: it is renewed this often, and between, X25519 targets keep its
/// protection, because their seeds travelled under it.
const PQ_EVERY_MS: i64 = 7 * DAY_MS as i64;
const PQ_EVERY_MESSAGES: u32 = 50;

/// The suite of the next target for a contact from whom `since_pq` messages have come since the one
/// under X-Wing at `pq_at`.
pub(crate) fn next_suite(since_pq: u32, pq_at: Option<SteadyMs>, now: SteadyMs) -> Suite {
    let is_recent = pq_at.is_some_and(|at| now - at < PQ_EVERY_MS);
    if is_recent && since_pq < PQ_EVERY_MESSAGES { Suite::X25519 } else { Suite::XWing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_wing_comes_first_weekly_and_every_fifty_messages() {
        let day = DAY_MS as i64;
        assert_eq!(next_suite(0, None, 0), Suite::XWing);
        assert_eq!(next_suite(49, Some(0), day), Suite::X25519);
        assert_eq!(next_suite(50, Some(0), day), Suite::XWing);
        assert_eq!(next_suite(0, Some(0), 7 * day), Suite::XWing);
    }
}
