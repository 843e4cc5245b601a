//! Whose mail may take how much of a full store.
//!
//! While there is room nobody is turned away. Where there is none, what exceeds a share makes room
//! first: whatever one neighbour pours in, at whatever priority, pushes out no more of what others have
//! brought. Of urgent mail, whoever brings it, only so much is urgent; and letters, which are many and go
//! first everywhere, leave room for what is large: those of who writes much for all others.

use super::NeighbourId;
use super::utility::{Copy, MANY_BYTES};
use crate::envelope::Priority;
use std::collections::BTreeMap;

/// Of room and places, what one neighbour has brought may take one part in so many.
const NEIGHBOUR_SHARE: u64 = 4;
/// And what all have brought together who have never proven anything: keys cost nothing.
const NEWCOMERS_SHARE: u64 = 2;
/// Of what its senders call urgent, more than this part counts as low.
const URGENT_SHARE: u64 = 2;

/// Of letters, fragments left out, more than this part counts as low; of bulk, this.
const LETTERS_SHARE: u64 = 2;
const BULK_SHARE: u64 = 8;

/// Who brought an envelope, as far as shares go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bringer(pub(crate) i64);

impl Bringer {
    pub(crate) const NEWCOMERS: Self = Self(0);

    /// A stranger has a share of its own once it was found to keep what it was handed.
    pub(crate) fn new(neighbour: Option<NeighbourId>, is_proven: bool) -> Self {
        match neighbour {
            Some(NeighbourId::Contact(contact)) => Self(contact.0),
            Some(NeighbourId::Key(key)) if is_proven => {
                // Below all contacts, and not zero.
                let (heads, _) = key.as_chunks();
                heads.first().map_or(Self::NEWCOMERS, |it| Self(i64::from_be_bytes(*it) | i64::MIN))
            }
            _ => Self::NEWCOMERS,
        }
    }
}

/// What wants room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freight {
    pub(crate) bringer: Bringer,
    pub(crate) priority: Priority,
    pub(crate) size_bytes: u64,
    pub(crate) kind: Kind,
}

/// What envelopes differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fragment,
    Letter,
    /// A letter that counts as a long one.
    Bulk,
}

impl Kind {
    pub(crate) fn of(copy: &Copy) -> Self {
        match copy {
            Copy { is_fragment: true, .. } => Self::Fragment,
            Copy { size_bytes, .. } if *size_bytes > MANY_BYTES => Self::Bulk,
            Copy { .. } => Self::Letter,
        }
    }
}

/// Bytes and envelopes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Use {
    pub(crate) bytes: u64,
    pub(crate) envelopes: u64,
}

impl Use {
    fn add(&mut self, size_bytes: u64) {
        self.bytes += size_bytes;
        self.envelopes += 1;
    }

    fn remove(&mut self, size_bytes: u64) {
        self.bytes = self.bytes.saturating_sub(size_bytes);
        self.envelopes = self.envelopes.saturating_sub(1);
    }

    fn exceeds(&self, room: Use, share: u64) -> bool {
        self.bytes > room.bytes / share || self.envelopes > room.envelopes.div_ceil(share)
    }
}

/// What goes beyond a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excess {
    /// Of its bringer's.
    pub(crate) of_bringer: bool,
    /// Of what may be urgent, or of letters' part: it counts as low.
    pub(crate) of_kind: bool,
}

/// Who has how much on board, as of the last weighing and what has come and gone since.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    room: Use,
    by_bringer: BTreeMap<Bringer, Use>,
    urgent: Use,
    letters: Use,
    bulk: Use,
}

impl Shares {
    pub(crate) fn new(room: Use) -> Self {
        Self { room, ..Self::default() }
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, freight: Freight) -> Excess {
        let Freight { bringer, priority, size_bytes, kind } = freight;
        let share = if bringer == Bringer::NEWCOMERS { NEWCOMERS_SHARE } else { NEIGHBOUR_SHARE };
        let theirs = self.by_bringer.entry(bringer).or_default();
        theirs.add(size_bytes);
        let of_bringer = theirs.exceeds(self.room, share);
        let mut of_kind = false;
        if priority == Priority::Urgent {
            self.urgent.add(size_bytes);
            of_kind |= self.urgent.exceeds(self.room, URGENT_SHARE);
        }
        if kind != Kind::Fragment {
            self.letters.add(size_bytes);
            of_kind |= self.letters.bytes > self.room.bytes / LETTERS_SHARE;
        }
        if kind == Kind::Bulk {
            self.bulk.add(size_bytes);
            of_kind |= self.bulk.bytes > self.room.bytes / BULK_SHARE;
        }
        Excess { of_bringer, of_kind }
    }

    pub(crate) fn remove(&mut self, freight: Freight) {
        let Freight { bringer, priority, size_bytes, kind } = freight;
        self.by_bringer.entry(bringer).or_default().remove(size_bytes);
        if priority == Priority::Urgent {
            self.urgent.remove(size_bytes);
        }
        if kind != Kind::Fragment {
            self.letters.remove(size_bytes);
        }
        if kind == Kind::Bulk {
            self.bulk.remove(size_bytes);
        }
    }

    /// What one more would go beyond.
    pub(crate) fn excess_of(&mut self, freight: Freight) -> Excess {
        let excess = self.add(freight);
        self.remove(freight);
        excess
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ContactId;

    #[test]
    fn strangers_share_one_share_until_they_have_proven_something() {
        let key = |of| Some(NeighbourId::Key([of; 32]));
        assert_eq!(Bringer::new(key(1), false), Bringer::new(key(200), false));
        assert_ne!(Bringer::new(key(1), true), Bringer::new(key(200), true));
        for proven in [1, 200].map(|of| Bringer::new(key(of), true)) {
            assert!(proven < Bringer::NEWCOMERS);
        }
        assert_eq!(Bringer::new(Some(NeighbourId::Contact(ContactId(7))), false), Bringer(7));
    }

    #[test]
    fn shares_are_of_bytes_of_places_of_urgency_and_of_letters() {
        let mut shares = Shares::new(Use { bytes: 1000, envelopes: 8 });
        let fragment = |bringer, priority, size_bytes| {
            let bringer = Bringer(bringer);
            Freight { bringer, priority, size_bytes, kind: Kind::Fragment }
        };
        let normal = |bringer, size_bytes| fragment(bringer, Priority::Normal, size_bytes);
        let urgent = |bringer, size_bytes| fragment(bringer, Priority::Urgent, size_bytes);
        let none = Excess { of_bringer: false, of_kind: false };
        let of_bringer = Excess { of_bringer: true, ..none };
        let of_kind = Excess { of_kind: true, ..none };
        assert_eq!(shares.add(normal(1, 250)), none);
        assert_eq!(shares.excess_of(normal(1, 1)), of_bringer);
        assert_eq!(shares.excess_of(normal(2, 1)), none);
        // Two places of eight.
        assert_eq!(shares.add(normal(2, 1)), none);
        assert_eq!(shares.add(normal(2, 1)), none);
        assert_eq!(shares.add(normal(2, 1)), of_bringer);
        for bringer in 10..12 {
            assert_eq!(shares.add(urgent(bringer, 240)), none);
        }
        assert_eq!(shares.excess_of(urgent(12, 100)), of_kind);
        assert_eq!(shares.excess_of(normal(12, 100)), none);
        shares.remove(urgent(10, 240));
        assert_eq!(shares.excess_of(urgent(12, 100)), none);

        let letter =
            |bringer, size_bytes| Freight { kind: Kind::Letter, ..normal(bringer, size_bytes) };
        let bulk =
            |bringer, size_bytes| Freight { kind: Kind::Bulk, ..normal(bringer, size_bytes) };
        assert_eq!(shares.add(bulk(30, 125)), none);
        assert_eq!(shares.excess_of(bulk(31, 1)), of_kind);
        assert_eq!(shares.excess_of(letter(31, 1)), none);
        shares.remove(bulk(30, 125));
        for bringer in 20..25 {
            assert_eq!(shares.add(letter(bringer, 100)), none);
        }
        assert_eq!(shares.excess_of(letter(26, 1)), of_kind);
        shares.remove(letter(20, 100));
        assert_eq!(shares.excess_of(letter(26, 1)), none);
    }
}
