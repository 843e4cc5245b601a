//! Whom something could reach at all, whatever the protocol: earliest arrival over the contacts.

use crate::scenario::Contact;
use crate::schedule::Nanos;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Contacts while both phones are on, by person.
pub(crate) struct Reach(Vec<Vec<Stretch>>);

struct Stretch {
    from: Nanos,
    to: Nanos,
    with: usize,
}

impl Reach {
    /// `off` says when each person's phone was off.
    pub(crate) fn new(contacts: &[Contact], off: &[Vec<[Nanos; 2]>]) -> Self {
        let mut by_person: Vec<Vec<Stretch>> = off.iter().map(|_| Vec::new()).collect();
        for contact in contacts {
            let [a, b] = contact.pair;
            for [from, to] in without(&off[b], without(&off[a], vec![[contact.start, contact.end]]))
            {
                by_person[a].push(Stretch { from, to, with: b });
                by_person[b].push(Stretch { from, to, with: a });
            }
        }
        Self(by_person)
    }

    /// When each person could have it by, that `source` has from the time `at` to the time `until`,
    /// if handing it on took no time (Dijkstra's algorithm, over time-respecting paths).
    pub(crate) fn arrivals(&self, source: usize, at: Nanos, until: Nanos) -> Vec<Option<Nanos>> {
        let mut arrivals: Vec<Option<Nanos>> = vec![None; self.0.len()];
        let mut next = BinaryHeap::from([Reverse((at, source))]);
        while let Some(Reverse((now, person))) = next.pop() {
            if arrivals[person].is_some() {
                continue;
            }
            arrivals[person] = Some(now);
            for stretch in &self.0[person] {
                let then = now.max(stretch.from);
                if then < stretch.to.min(until) && arrivals[stretch.with].is_none() {
                    next.push(Reverse((then, stretch.with)));
                }
            }
        }
        arrivals
    }
}

/// What is left of stretches of time without others, which are ordered and disjoint.
fn without(others: &[[Nanos; 2]], of: Vec<[Nanos; 2]>) -> Vec<[Nanos; 2]> {
    let mut left = Vec::with_capacity(of.len());
    for [start, end] in of {
        let mut from = start;
        for [gap_start, gap_end] in others.iter().filter(|gap| gap[0] < end && gap[1] > start) {
            left.push([from, *gap_start]);
            from = *gap_end;
        }
        left.push([from, end]);
    }
    left.retain(|[from, to]| from < to);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_forward_in_time_and_only_between_phones_that_are_on() {
        let contact = |start, end, pair| Contact { start, end, pair };
        let contacts = [contact(5, 9, [1, 2]), contact(10, 50, [0, 1]), contact(20, 30, [1, 3])];
        let none = vec![Vec::new(); 4];
        let reach =
            |off: &[Vec<[Nanos; 2]>], until| Reach::new(&contacts, off).arrivals(0, 0, until);
        assert_eq!(reach(&none, 99), [Some(0), Some(10), None, Some(20)]);
        assert_eq!(reach(&none, 20), [Some(0), Some(10), None, None]);
        let off = |spells: [Nanos; 2]| vec![vec![], vec![spells], vec![], vec![]];
        assert_eq!(reach(&off([8, 25]), 99), [Some(0), Some(25), None, Some(25)]);
        assert_eq!(reach(&off([8, 30]), 99), [Some(0), Some(30), None, None]);
        assert_eq!(reach(&off([0, 60]), 99), [Some(0), None, None, None]);
    }
}
