//! What each person has; that of some people may be in another part of the world for a while.

use std::ops::{Index, IndexMut};

/// By the number of the person.
pub(crate) struct Roster<T>(Vec<Option<Box<T>>>);

impl<T> Roster<T> {
    /// How many people there are, here and elsewhere.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Of those who are here.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten().map(Box::as_ref)
    }

    pub(crate) fn pair_mut(&mut self, pair: [usize; 2]) -> Option<[&mut T; 2]> {
        match self.0.get_disjoint_mut(pair).ok()? {
            [Some(a), Some(b)] => Some([a, b]),
            _ => None,
        }
    }

    /// Takes out what is these people's.
    pub(crate) fn part(&mut self, who: &[usize]) -> Self {
        let mut part: Vec<Option<Box<T>>> = self.0.iter().map(|_| None).collect();
        for person in who {
            part[*person] = self.0[*person].take();
        }
        Self(part)
    }

    /// Puts it back.
    pub(crate) fn join(&mut self, part: Self) {
        for (here, there) in self.0.iter_mut().zip(part.0) {
            if there.is_some() {
                *here = there;
            }
        }
    }
}

impl<T> FromIterator<T> for Roster<T> {
    fn from_iter<I: IntoIterator<Item = T>>(people: I) -> Self {
        Self(people.into_iter().map(|it| Some(Box::new(it))).collect())
    }
}

impl<T> Index<usize> for Roster<T> {
    type Output = T;

    fn index(&self, person: usize) -> &T {
        match &self.0[person] {
            Some(it) => it,
            None => panic!("person {person} is in another part of the world"),
        }
    }
}

impl<T> IndexMut<usize> for Roster<T> {
    fn index_mut(&mut self, person: usize) -> &mut T {
        match &mut self.0[person] {
            Some(it) => it,
            None => panic!("person {person} is in another part of the world"),
        }
    }
}
