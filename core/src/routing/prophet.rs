//! PRoPHET, version 2: delivery predictabilities (RFC 6693, section 2.1; Grasic, Davies, Lindgren and
//! Doria, «The evolution of a DTN routing protocol – PRoPHETv2», 2011).
//!
//! Predictabilities are of tags: a mailbox's tag of a new day inherits those of the tags that its
//! owner has announced together with it.

use super::mailboxes::{MAX_TAGS, Tag, from_wire, wire};
use crate::store::SteadyMs;
use std::collections::BTreeMap;

/// `P_encounter_max`, and the interval after which a meeting counts for so much.
const ENCOUNTER_MAX: f64 = 0.5;
const TYPICAL_INTERVAL_MS: f64 = 1_800_000.0;
/// `delta`: nothing is certain.
const DELTA: f64 = 0.01;
/// `beta`, what is left of a predictability at second hand.
const BETA: f64 = 0.9;
/// `gamma`, what is left of one after a second.
const GAMMA: f64 = 0.999_885_791;

#[derive(Debug, Clone, Copy)]
struct Known {
    predictability: f64,
    as_of: SteadyMs,
    met: Option<SteadyMs>,
}

impl Known {
    fn at(&self, now: SteadyMs) -> f64 {
        self.predictability * GAMMA.powf((now - self.as_of).max(0) as f64 / 1000.0)
    }
}

/// How likely this node is to bring mail to whom.
#[derive(Debug, Default)]
pub(crate) struct Prophet(BTreeMap<Tag, Known>);

impl Prophet {
    /// A meeting with the owner of all these.
    pub(crate) fn meet(&mut self, tags: &[Tag], now: SteadyMs) {
        let (before, met) = self.best(tags, now);
        let weight = met.map_or(1.0, |met| ((now - met) as f64 / TYPICAL_INTERVAL_MS).min(1.0));
        let predictability = before + (1.0 - DELTA - before) * ENCOUNTER_MAX * weight;
        self.set(tags, Known { predictability, as_of: now, met: Some(now) });
    }

    /// All these have one owner.
    pub(crate) fn link(&mut self, tags: &[Tag], now: SteadyMs) {
        let (predictability, met) = self.best(tags, now);
        self.set(tags, Known { predictability, as_of: now, met });
    }

    /// What the owner of the tag `from`, who is here, says of others.
    pub(crate) fn hear<'a>(
        &mut self,
        from: Tag,
        values: impl Iterator<Item = &'a (Tag, u16)>,
        now: SteadyMs,
    ) {
        let near = self.at(from, now);
        for &(tag, value) in values {
            let transitive = near * from_wire(value) * BETA;
            let is_here = self.0.contains_key(&tag);
            if transitive > self.at(tag, now) && (is_here || self.0.len() < MAX_TAGS) {
                let met = self.0.get(&tag).and_then(|known| known.met);
                self.0.insert(tag, Known { predictability: transitive, as_of: now, met });
            }
        }
    }

    /// All that is worth telling; what is not is forgotten.
    pub(crate) fn tell(&mut self, now: SteadyMs) -> Vec<(Tag, u16)> {
        self.0.retain(|_, known| wire(known.at(now)) > 0);
        self.0.iter().map(|(tag, known)| (*tag, wire(known.at(now)))).collect()
    }

    /// As neighbours would be told.
    pub(crate) fn value(&self, tag: Tag, now: SteadyMs) -> u16 {
        wire(self.at(tag, now))
    }

    fn at(&self, tag: Tag, now: SteadyMs) -> f64 {
        self.0.get(&tag).map_or(0.0, |known| known.at(now))
    }

    fn best(&self, tags: &[Tag], now: SteadyMs) -> (f64, Option<SteadyMs>) {
        let known = || tags.iter().filter_map(|tag| self.0.get(tag));
        let predictability = known().map(|known| known.at(now)).fold(0.0, f64::max);
        (predictability, known().filter_map(|known| known.met).max())
    }

    /// Own evidence pushes out what is least likely.
    fn set(&mut self, tags: &[Tag], known: Known) {
        self.0.extend(tags.iter().map(|tag| (*tag, known)));
        while self.0.len() > MAX_TAGS {
            let now = known.as_of;
            let least = self.0.iter().min_by(|a, b| a.1.at(now).total_cmp(&b.1.at(now)));
            let least = least.map(|(tag, _)| *tag);
            least.and_then(|tag| self.0.remove(&tag));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_HOUR_MS: i64 = 1_800_000;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-4, "{value}, not {expected}");
    }

    #[test]
    fn meetings_ageing_and_transitivity_follow_the_equations() {
        let (b, c) = (Tag(2), Tag(3));
        let mut a = Prophet::default();
        a.meet(&[b], 0);
        near(a.at(b, 0), 0.99 * 0.5);
        // γ^1800 = e^(1800 · ln 0.999885791) = 0.81416.
        near(a.at(b, HALF_HOUR_MS), 0.495 * 0.814_16);
        // Half the typical interval later: half the weight, of what 15 minutes have left.
        let aged = 0.495 * 0.902_31;
        a.meet(&[b], HALF_HOUR_MS / 2);
        near(a.at(b, HALF_HOUR_MS / 2), aged + (0.99 - aged) * 0.25);
        // B says 0.5 of C.
        let ab = a.at(b, HALF_HOUR_MS / 2);
        a.hear(b, [(c, 32_768)].iter(), HALF_HOUR_MS / 2);
        near(a.at(c, HALF_HOUR_MS / 2), ab * 0.5 * 0.9);
        // The greater of the two stays: nothing adds up by repetition.
        a.hear(b, [(c, 32_768)].iter(), HALF_HOUR_MS / 2);
        near(a.at(c, HALF_HOUR_MS / 2), ab * 0.5 * 0.9);
    }

    #[test]
    fn a_new_days_tag_inherits() {
        let mut a = Prophet::default();
        a.meet(&[Tag(1)], 0);
        a.meet(&[Tag(1), Tag(2)], HALF_HOUR_MS);
        near(a.at(Tag(2), HALF_HOUR_MS), a.at(Tag(1), HALF_HOUR_MS));
        assert!(a.at(Tag(2), HALF_HOUR_MS) > 0.6);
        a.meet(&[Tag(3)], HALF_HOUR_MS);
        a.link(&[Tag(3), Tag(4)], HALF_HOUR_MS);
        near(a.at(Tag(4), HALF_HOUR_MS), 0.495);
    }

    #[test]
    fn memory_has_bounds() {
        let mut a = Prophet::default();
        a.meet(&[Tag(0)], 0);
        let claims: Vec<(Tag, u16)> = (1..9_000).map(|tag| (Tag(tag), u16::MAX)).collect();
        a.hear(Tag(0), claims.iter(), 0);
        assert_eq!(a.0.len(), MAX_TAGS);
        a.meet(&[Tag(100_000)], 0);
        assert_eq!(a.0.len(), MAX_TAGS);
        near(a.at(Tag(100_000), 0), 0.495);
        // A week later there is nothing to tell.
        assert!(a.tell(7 * 24 * 3_600_000).is_empty());
    }
}
