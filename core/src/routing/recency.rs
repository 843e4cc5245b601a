//! Who has met whom last: what `carry` goes by where tags are shown (Spyropoulos and others, «Spray and
//! Focus», 2007).

use super::mailboxes::{MAX_TAGS, Tag};
use crate::store::SteadyMs;
use std::collections::BTreeMap;

/// Times are told in units of so much: they reach back twelve days.
const UNIT_MS: i64 = 16_000;

/// When this node has last met the owner of each tag.
#[derive(Debug, Default)]
pub(crate) struct Recency(BTreeMap<Tag, SteadyMs>);

impl Recency {
    pub(crate) fn meet(&mut self, tags: &[Tag], now: SteadyMs) {
        self.0.extend(tags.iter().map(|tag| (*tag, now)));
        while self.0.len() > MAX_TAGS {
            let oldest = self.0.iter().min_by_key(|(_, met)| **met).map(|(tag, _)| *tag);
            oldest.and_then(|tag| self.0.remove(&tag));
        }
    }

    /// How long ago the meetings were. What the unit cannot express is past its use, and forgotten.
    pub(crate) fn tell(&mut self, now: SteadyMs) -> Vec<(Tag, u16)> {
        self.0.retain(|_, met| units(now - *met) < u16::MAX);
        self.0.iter().map(|(tag, met)| (*tag, units(now - *met))).collect()
    }

    /// Whether a neighbour's meeting is later than this node's by more than so much.
    pub(crate) fn is_behind(&self, theirs: u16, tag: Tag, by_ms: i64, now: SteadyMs) -> bool {
        let theirs_ms = i64::from(theirs) * UNIT_MS;
        self.0.get(&tag).is_none_or(|met| now - met > theirs_ms + by_ms)
    }
}

fn units(ms: i64) -> u16 {
    u16::try_from(ms.max(0) / UNIT_MS).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_met_later_is_nearer() {
        let mut recency = Recency::default();
        recency.meet(&[Tag(1), Tag(2)], 0);
        recency.meet(&[Tag(3)], 10 * UNIT_MS);
        let now = 20 * UNIT_MS;
        assert_eq!(recency.tell(now), [(Tag(1), 20), (Tag(2), 20), (Tag(3), 10)]);
        let is_behind = |theirs, tag| recency.is_behind(theirs, Tag(tag), 2 * UNIT_MS, now);
        assert!(is_behind(10, 1), "by ten units");
        assert!(!is_behind(18, 1), "by no more than two");
        assert!(is_behind(7, 3) && !is_behind(8, 3));
        assert!(is_behind(60_000, 4), "never met here");
    }

    #[test]
    fn memory_has_bounds() {
        let mut recency = Recency::default();
        for tag in 0..=MAX_TAGS as u32 {
            recency.meet(&[Tag(tag)], tag.into());
        }
        assert_eq!(recency.0.len(), MAX_TAGS);
        assert!(!recency.0.contains_key(&Tag(0)), "the oldest goes");
        assert!(recency.tell(i64::from(u16::MAX) * 2 * UNIT_MS).is_empty(), "too long ago");
    }
}
