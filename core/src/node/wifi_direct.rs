//! Wi-Fi Direct as the engine sees it: what waits for each neighbour, and notes passed between the
//! controllers at both ends. What they mean is the controllers' business.

use super::Node;
use crate::link::frame::Frame;
use crate::link::{CostClass, LinkId, WifiDirectNote};
use std::collections::BTreeMap;

/// Notes that wait to be polled.
const MAX_NOTES: usize = 64;

/// What a neighbour is known by, on all its links, until the day ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeighbourKey(pub [u8; 32]);

/// What waits between this node and one neighbour: by it controllers of radios decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Who it is.
    pub neighbour: NeighbourKey,
    /// Whether it has proven to be a contact.
    pub is_contact: bool,
    /// What waits to go out, and what may be fetched, in bytes. The latter is the neighbour's claim.
    pub waiting_bytes: u64,
    /// Its links, with the bytes of envelopes that each has moved both ways.
    pub links: Vec<(LinkId, CostClass, u64)>,
}

/// What a neighbour has said of Wi-Fi Direct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// On which link.
    pub link: LinkId,
    /// Who.
    pub neighbour: NeighbourKey,
    /// What.
    pub said: WifiDirectNote,
}

impl Node {
    /// What waits between this node and each neighbour.
    pub fn loads(&self) -> Vec<Load> {
        let mut loads: BTreeMap<NeighbourKey, (Load, u64)> = BTreeMap::new();
        for (link, session) in self.links.iter().filter(|(_, session)| session.is_live()) {
            let Some(neighbour) = session.noise.neighbour().map(NeighbourKey) else { continue };
            let none = || {
                let links = Vec::new();
                (Load { neighbour, is_contact: false, waiting_bytes: 0, links }, 0)
            };
            let (load, coming) = loads.entry(neighbour).or_insert_with(none);
            load.is_contact |= session.contact.is_some();
            load.waiting_bytes += session.waiting_bytes();
            load.links.push((*link, session.info.cost, session.moved_bytes));
            // Each link has heard of the same bodies.
            *coming = session.bodies.waiting_bytes().max(*coming);
        }
        let whole = |(mut load, coming): (Load, u64)| {
            load.waiting_bytes += coming;
            load
        };
        loads.into_values().map(whole).collect()
    }

    /// Says something of Wi-Fi Direct to the neighbour on `link`, sealed as all that goes there. False
    /// where there is no such link any more.
    pub fn send_note(&mut self, link: LinkId, note: WifiDirectNote) -> bool {
        let session = self.links.get_mut(&link).filter(|it| it.is_live() && it.may_answer());
        let is_live = session.is_some();
        if let Some(session) = session {
            session.push_control(&Frame::WifiDirect(note));
        }
        is_live
    }

    /// The next thing that a neighbour has said of Wi-Fi Direct.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// Neighbours that say more than anybody asks for are not heard.
    pub(super) fn receive_note(&mut self, link: LinkId, said: WifiDirectNote) {
        let key = self.links.get(&link).and_then(|session| session.noise.neighbour());
        if let Some(key) = key.filter(|_| self.notes.len() < MAX_NOTES) {
            self.notes.push_back(Note { link, neighbour: NeighbourKey(key), said });
        }
    }
}
