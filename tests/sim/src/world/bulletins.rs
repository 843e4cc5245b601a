//! Alerts, and whom they reach.

use super::{SimError, World};
use crate::fleet;
use crate::reach::Reach;
use crate::report::BulletinFigures;
use crate::schedule::{Nanos, SECOND};
use crate::settings::Settings;
use footpost_core::{BulletinFilter, BulletinId, MAX_BULLETIN_LIFETIME_S, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// The one whom everybody follows.
pub(crate) const FOLLOWED: usize = 0;

/// A bulletin of theirs.
pub(super) struct Alert {
    at: Nanos,
    text: String,
    readers: BTreeSet<usize>,
}

pub(super) type Alerts = BTreeMap<BulletinId, Alert>;

impl World {
    pub(super) fn publish(&mut self, number: usize) -> Result<(), SimError> {
        let Some(publication) = self.scenario.publications.get(number) else { return Ok(()) };
        let (at, from) = (self.now, publication.from);
        let text_bytes = publication.text_bytes;
        let publisher = &mut self.people[from];
        let lifetime_s = lifetime_s(&self.settings);
        let published = fleet::publish(publisher, number, text_bytes, lifetime_s, at)?;
        if let Some(id) = published.filter(|_| from == FOLLOWED) {
            let text = fleet::alert_text(number, text_bytes);
            self.alerts.insert(id, Alert { at, text, readers: BTreeSet::new() });
        }
        self.settle([from, from])
    }

    pub(super) fn note_reader(
        &mut self,
        person: usize,
        bulletin: BulletinId,
    ) -> Result<(), StoreError> {
        if bulletin.publisher != self.people[FOLLOWED].node.identity() {
            return Ok(());
        }
        let shown = self.people[person].node.bulletins(&BulletinFilter::default())?;
        let shown = shown.iter().find(|shown| shown.id == bulletin);
        let is_true = self.alerts.get_mut(&bulletin).is_some_and(|alert| {
            alert.readers.insert(person) && shown.is_none_or(|shown| shown.text == alert.text)
        });
        self.figures.falsified += u64::from(!is_true);
        Ok(())
    }

    pub(super) fn count_readers(&self, off: &[Vec<[Nanos; 2]>]) -> Option<BulletinFigures> {
        if self.scenario.publications.is_empty() {
            return None;
        }
        let mut figures = BulletinFigures { published: self.alerts.len(), ..Default::default() };
        let reach = Reach::new(&self.scenario.contacts, off);
        for alert in self.alerts.values() {
            let ends = alert.at + Nanos::from(lifetime_s(&self.settings)) * SECOND;
            let arrivals = reach.arrivals(FOLLOWED, alert.at, ends.min(self.end));
            figures.reachable += arrivals.iter().flatten().count() - 1;
            figures.reached += alert.readers.len();
        }
        figures.reached_share =
            (figures.reachable > 0).then(|| figures.reached as f64 / figures.reachable as f64);
        Some(figures)
    }
}

/// They live as long as letters do, within their own bound.
fn lifetime_s(settings: &Settings) -> u32 {
    settings.lifetime_s.min(MAX_BULLETIN_LIFETIME_S)
}
