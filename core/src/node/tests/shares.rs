//! The same about room: one that pours in what it has paid for, under one key or under many.

use super::*;
use crate::routing::{NeighbourId, Verdict};

const PLACES: u64 = 40;

impl Scene {
    fn crowded() -> Self {
        Self::with_config(NOW, simulated().max_carried_envelopes(PLACES).clone())
    }

    /// From now on another neighbour speaks.
    fn change(&mut self, secret: u8) {
        self.node.handle_link_down(self.now, LINK).unwrap();
        self.node.commit().unwrap();
        self.connect_as([secret; 32]);
        self.say(&hello());
    }

    /// One that was found to keep what it was handed.
    fn change_to_proven(&mut self, secret: u8) {
        self.change(secret);
        let key = NeighbourId::Key(crate::link::public_key(&[secret; 32]));
        let kept = [Verdict::Kept { again: false }; 4];
        self.node.neighbours.judge(&key, self.now.0 as i64, kept.into_iter());
    }

    /// So many letters between strangers, each under its own postmark. Says what they are.
    fn bring(&mut self, letters: usize, priority: Priority) -> Vec<crate::EnvelopeId> {
        let mut brought = Vec::new();
        for _ in 0..letters {
            let mut sealed = self.foreign(NOW, 24 * 3600);
            sealed.bytes[2] = priority as u8;
            let postmark = Postmark::generate(&mut self.rng);
            sealed.bytes[59..91].copy_from_slice(&postmark.public_key());
            crate::envelope::resign(&mut sealed.bytes, &postmark);
            brought.push(Envelope::parse(&sealed.bytes).unwrap().id());
            self.push(0, &sealed.bytes);
        }
        assert_eq!(self.verdict(), None);
        brought
    }

    fn count(&self, ids: &[crate::EnvelopeId]) -> usize {
        ids.iter().filter(|id| self.node.store.envelope(id).unwrap().is_some()).count()
    }
}

#[test]
fn whoever_pours_in_mail_displaces_no_more_than_others_have_beyond_their_share() {
    let mut scene = Scene::crowded();
    scene.change_to_proven(1);
    let first = scene.bring(10, Priority::Low);
    scene.change_to_proven(2);
    let second = scene.bring(10, Priority::Normal);
    // Free room is for everybody; then urgent mail pushes out nothing but urgent mail of the same.
    scene.change_to_proven(3);
    let flood = scene.bring(200, Priority::Urgent);
    assert_eq!(scene.carries(), PLACES);
    assert_eq!((scene.count(&first), scene.count(&second), scene.count(&flood)), (10, 10, 20));
    // What exceeds its share makes room for whom there was none, of whatever class.
    scene.change_to_proven(4);
    let late = scene.bring(15, Priority::Low);
    assert_eq!((scene.count(&first), scene.count(&second)), (10, 10));
    assert_eq!((scene.count(&late), scene.count(&flood)), (10, 10));
}

#[test]
fn new_keys_gain_no_more_room() {
    let mut scene = Scene::crowded();
    scene.change_to_proven(1);
    let known = scene.bring(10, Priority::Low);
    scene.change_to_proven(2);
    let others = scene.bring(10, Priority::Low);
    for secret in 10..40 {
        scene.change(secret);
        scene.bring(10, Priority::Urgent);
    }
    assert_eq!((scene.carries(), scene.count(&known), scene.count(&others)), (PLACES, 10, 10));
}

#[test]
fn shares_outlast_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = StorePath::File(directory.path().join("store"));
    let open = || {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(2));
        let config = simulated().max_carried_envelopes(PLACES).clone();
        Node::open(&path, config, rng, NOW).unwrap()
    };
    let mut scene = Scene::crowded();
    scene.node = open();
    scene.connect_as([1; 32]);
    scene.say(&hello());
    scene.change_to_proven(1);
    let known = scene.bring(10, Priority::Low);
    scene.change(2);
    scene.bring(30, Priority::Normal);
    scene.node = Scene::crowded().node;
    scene.node = open();
    scene.connect_as([3; 32]);
    scene.say(&hello());
    scene.bring(50, Priority::Urgent);
    assert_eq!((scene.carries(), scene.count(&known)), (PLACES, 10));
}

#[test]
fn urgency_is_a_word_and_takes_half_at_most() {
    let mut scene = Scene::crowded();
    let ordinary = scene.bring_from(1, 10, Priority::Normal);
    let more = scene.bring_from(2, 10, Priority::Normal);
    let rest = scene.bring_from(3, 10, Priority::Normal);
    let urgent: Vec<_> = (4..8).flat_map(|by| scene.bring_from(by, 9, Priority::Urgent)).collect();
    assert_eq!(scene.count(&urgent), 20);
    assert_eq!(scene.count(&ordinary) + scene.count(&more) + scene.count(&rest), 20);
}

impl Scene {
    fn bring_from(&mut self, secret: u8, n: usize, priority: Priority) -> Vec<crate::EnvelopeId> {
        self.change_to_proven(secret);
        self.bring(n, priority)
    }
}
