//! The same about custody: what it was handed, what it keeps, whom it meets, how much room it has.

use super::*;
use crate::link::custody::{Answer, Challenge, MAX_ASKED, MAX_CHALLENGES, proof};
use crate::routing::NeighbourId;

/// Mallory's link key: see [`Scene`].
const SECRET: [u8; 32] = [7; 32];
const HOUR_MS: u64 = 60 * 60 * 1000;

fn mallory() -> NeighbourId {
    NeighbourId::Key(crate::link::public_key(&SECRET))
}

/// What Mallory makes of the envelopes that it is asked for.
type Lie<'a> = &'a dyn Fn(&Scene, &Challenge, u64) -> Answer;

impl Scene {
    /// The link breaks, and Mallory dials anew. What the node asks then, unanswered.
    fn meet_again(&mut self) -> Option<Challenge> {
        self.node.handle_link_down(self.now, LINK).unwrap();
        self.node.commit().unwrap();
        self.connect();
        self.say(&hello());
        // Something else is to be handed over.
        self.node.store.require(Durability::Process).unwrap();
        self.node.challenge(LINK).unwrap();
        self.node.commit().unwrap();
        self.heard().into_iter().find_map(|payload| match Frame::decode(&payload) {
            Ok(Frame::Challenge(challenge)) => Some(challenge),
            _ => None,
        })
    }

    /// Own letters that Mallory has taken on this link.
    fn hand_over(&mut self, letters: usize) {
        for number in 0..letters {
            self.send_to_stranger(number);
        }
        let heads: Vec<u64> =
            self.node.carried(1000).unwrap().iter().map(|carried| carried.id.head()).collect();
        self.say(&Frame::Want { heads: heads.clone() });
        self.sent();
        self.say(&Frame::Taken { heads });
        assert_eq!(self.verdict(), None);
    }

    fn send_to_stranger(&mut self, number: usize) {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(1000 + number as u64));
        let other = Node::open(&StorePath::Memory, simulated(), rng, NOW).unwrap();
        let name = format!("reader {number}");
        let contact = self.node.add_contact(NOW, other.card(), &name).unwrap();
        self.node.send(NOW, contact, &Body::Text("x".into()), Priority::Normal).unwrap();
    }

    fn truth(&self, challenge: &Challenge, head: u64) -> Answer {
        let hash = self.mallory.handshake_hash().unwrap();
        let carried = self.node.store.envelope_by_head(head).unwrap().unwrap();
        let bytes = self.node.store.envelope_bytes(carried.row).unwrap().unwrap();
        Answer::Proof(proof(&hash, Role::Initiator, &challenge.nonce, &bytes))
    }

    fn answer(&mut self, challenge: &Challenge, lie: Lie<'_>) {
        let answers = challenge.letters.iter().map(|head| lie(self, challenge, *head)).collect();
        self.say(&Frame::Custody(answers));
    }

    fn is_trusted(&self) -> bool {
        self.node.is_reliable(Some(mallory()))
    }

    fn evidence(&self) -> (f64, f64) {
        let known = self.node.neighbours.get(&mallory()).unwrap();
        (known.reputation.good, known.reputation.bad)
    }
}

/// After handing over so many letters, and a second meeting.
fn met_again(letters: usize) -> (Scene, Challenge) {
    let mut scene = Scene::greeted();
    scene.hand_over(letters);
    let challenge = scene.meet_again().expect("it is asked");
    (scene, challenge)
}

#[test]
fn a_carrier_is_asked_for_some_of_what_it_took_and_believed_by_proof() {
    let (mut scene, challenge) = met_again(20);
    assert_eq!(challenge.letters.len(), MAX_ASKED);
    scene.answer(&challenge, &Scene::truth);
    assert_eq!((scene.verdict(), scene.evidence()), (None, (MAX_ASKED as f64, 0.0)));
    // The others, next time; and when all are proven, nothing for a while.
    let mut asked = challenge.letters;
    for left in [7, 6] {
        let next = scene.meet_again().expect("there is more");
        assert_eq!(next.letters.len(), left);
        scene.answer(&next, &Scene::truth);
        asked.extend(next.letters);
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 20);
    assert_eq!(scene.meet_again(), None);
    scene.pass(HOUR_MS + 60_000);
    assert!(scene.meet_again().is_some());
}

#[test]
fn proving_the_same_again_and_again_gains_nothing() {
    let (mut scene, challenge) = met_again(1);
    scene.answer(&challenge, &Scene::truth);
    for _ in 0..5 {
        scene.pass(HOUR_MS + 60_000);
        let again = scene.meet_again().expect("an hour later");
        scene.answer(&again, &Scene::truth);
    }
    let (good, bad) = scene.evidence();
    assert!((0.95..1.0).contains(&good) && bad == 0.0, "{good}");
    // And to have shown it once does not excuse having lost it.
    scene.pass(HOUR_MS + 60_000);
    let again = scene.meet_again().expect("an hour later");
    scene.answer(&again, &|_, _, _| Answer::Gone);
    let (good, bad) = scene.evidence();
    assert!(good < 0.1 && bad > 0.99);
}

#[test]
fn taking_it_again_to_prove_it_again_gains_nothing() {
    let (mut scene, challenge) = met_again(1);
    scene.answer(&challenge, &Scene::truth);
    let head = challenge.letters[0];
    for _ in 0..3 {
        scene.node.links.get_mut(&LINK).unwrap().custody.note_handed(head);
        scene.pass(HOUR_MS + 60_000);
        let again = scene.meet_again().expect("an hour later");
        scene.answer(&again, &Scene::truth);
    }
    assert!(scene.evidence().0 < 1.01);
}

#[test]
fn who_loses_all_is_handed_nothing_more() {
    let (mut scene, challenge) = met_again(4);
    assert!(scene.is_trusted());
    scene.answer(&challenge, &|_, _, _| Answer::Gone);
    assert_eq!(scene.evidence(), (0.0, 4.0));
    assert!(!scene.is_trusted());
    scene.sent();
    scene.send_to_stranger(99);
    let bytes = |scene: &mut Scene| scene.sent().iter().map(Vec::len).sum::<usize>();
    assert_eq!(bytes(&mut scene), 0, "not even offered");
    // Nor when it dials again, but for a trial now and then.
    let offers = |scene: &mut Scene| {
        scene.meet_again();
        scene.send_to_stranger(scene.node.carried(1000).unwrap().len() + 100);
        bytes(scene) > 0
    };
    let trials = (0..64).filter(|_| offers(&mut scene)).count();
    assert!((2..20).contains(&trials), "{trials} of 64");
    // Time heals.
    scene.pass(3 * 7 * DAY_MS);
    assert!(scene.is_trusted());
}

#[test]
fn reputation_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = StorePath::File(directory.path().join("store"));
    let mut scene = Scene::greeted();
    scene.node = {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(2));
        Node::open(&path, simulated(), rng, NOW).unwrap()
    };
    scene.connect();
    scene.say(&hello());
    scene.hand_over(12);
    let challenge = scene.meet_again().expect("it is asked");
    scene.answer(&challenge, &|_, _, _| Answer::Gone);
    let evidence = scene.evidence();
    // A power cut: no link ends in order.
    drop(std::mem::replace(&mut scene.node, Scene::greeted().node));
    let rng = Box::new(ChaCha20Rng::seed_from_u64(2));
    scene.node = Node::open(&path, simulated(), rng, NOW).unwrap();
    assert_eq!(scene.evidence(), evidence);
    assert!(!scene.is_trusted());
    scene.connect();
    scene.say(&hello());
    assert_eq!(scene.node.store.handed(&mallory()).unwrap().len(), 12 - MAX_ASKED);
}

#[test]
fn a_wrong_proof_is_worse_than_none() {
    for lie in [
        &|_: &Scene, _: &Challenge, _: u64| Answer::Proof([0; 16]) as Answer,
        // Of another letter that it does have.
        &|scene: &Scene, challenge: &Challenge, head: u64| {
            let other = challenge.letters.iter().find(|other| **other != head).unwrap();
            scene.truth(challenge, *other)
        },
        // An old proof, of an earlier nonce.
        &|scene: &Scene, challenge: &Challenge, head: u64| {
            scene.truth(&Challenge { nonce: [1; 16], ..challenge.clone() }, head)
        },
        // Acknowledgements that it invents.
        &|_: &Scene, _: &Challenge, _: u64| Answer::Ended([5; 32]),
        &|_: &Scene, _: &Challenge, _: u64| Answer::Arrived(crate::envelope::FragmentAck([5; 16])),
    ] as [Lie<'_>; 5]
    {
        let (mut scene, challenge) = met_again(2);
        scene.answer(&challenge, lie);
        assert_eq!((scene.verdict(), scene.evidence()), (None, (0.0, 8.0)));
        assert_eq!(scene.node.carried(10).unwrap().len(), 2, "nothing was deleted");
        assert!(!scene.is_trusted());
    }
}

/// The node has the envelope too, and would answer the same question.
#[test]
fn asking_the_asker_gives_no_proof() {
    let (mut scene, challenge) = met_again(3);
    scene.say(&Frame::Challenge(challenge));
    let reflected = scene.heard().into_iter().find_map(|payload| match Frame::decode(&payload) {
        Ok(Frame::Custody(answers)) => Some(answers),
        _ => None,
    });
    let answers = reflected.expect("it answers what it has");
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Proof(_))));
    scene.say(&Frame::Custody(answers));
    assert_eq!((scene.verdict(), scene.evidence()), (None, (0.0, 12.0)));
}

#[test]
fn who_takes_more_without_answering_has_lost_what_it_took() {
    let (mut scene, _) = met_again(3);
    scene.send_to_stranger(7);
    let carried = scene.node.carried(10).unwrap();
    let head = carried.last().unwrap().id.head();
    scene.say(&Frame::Want { heads: vec![head] });
    scene.sent();
    scene.say(&Frame::Taken { heads: vec![head] });
    assert_eq!((scene.verdict(), scene.evidence()), (None, (0.0, 3.0)));
}

#[test]
fn a_link_that_breaks_before_the_answer_tells_nothing() {
    let (mut scene, challenge) = met_again(3);
    let mut again = scene.meet_again().expect("still to be answered").letters;
    let mut before = challenge.letters;
    before.sort_unstable();
    again.sort_unstable();
    assert_eq!((scene.evidence(), again), ((0.0, 0.0), before));
}

#[test]
fn answers_to_what_nobody_asked_end_the_link() {
    let mut scene = Scene::greeted();
    scene.say(&Frame::Custody(vec![Answer::Gone]));
    assert_eq!(scene.verdict(), Some(Violation::Unexpected("custody answers")));
    let (mut scene, challenge) = met_again(3);
    scene.say(&Frame::Custody(vec![Answer::Gone; challenge.letters.len() + 1]));
    assert_eq!(scene.verdict(), Some(Violation::Unexpected("custody answers")));
    let (mut scene, challenge) = met_again(3);
    scene.answer(&challenge, &Scene::truth);
    scene.answer(&challenge, &Scene::truth);
    assert_eq!(scene.verdict(), Some(Violation::Unexpected("custody answers")));
}

#[test]
fn who_asks_without_end_is_cut_off() {
    let mut scene = Scene::greeted();
    let ask = Frame::Challenge(Challenge { nonce: [0; 16], letters: vec![1], pieces: Vec::new() });
    for _ in 0..MAX_CHALLENGES {
        scene.say(&ask);
        assert_eq!(scene.verdict(), None);
    }
    scene.say(&ask);
    assert_eq!(scene.verdict(), Some(Violation::Flood("custody challenges")));
}

#[test]
fn an_acknowledgement_is_as_good_as_a_proof_and_counts() {
    let mut scene = Scene::greeted();
    let sealed = scene.foreign(NOW, 3600);
    // Another neighbour has brought it; Mallory takes it along.
    scene.push(0, &sealed.bytes);
    let head = sealed.id.head();
    scene.node.store.require(Durability::Process).unwrap();
    let taken = crate::store::Handed { head, proven: None };
    scene.node.store.set_handed(&mallory(), &[taken]).unwrap();
    let challenge = scene.meet_again().expect("it is asked");
    scene.answer(&challenge, &|_, _, _| Answer::Ended(sealed.ack.0));
    assert_eq!((scene.verdict(), scene.evidence(), scene.carries()), (None, (1.0, 0.0), 0));
}

/// What the node answers for mail of its own and for others' is of one kind, before and after its end.
#[test]
fn a_reader_answers_as_a_carrier_does() {
    let mut scene = Scene::greeted();
    let card = scene.node.card().clone();
    let rng = Box::new(ChaCha20Rng::seed_from_u64(5));
    let mut writer = Node::open(&StorePath::Memory, simulated(), rng, NOW).unwrap();
    let contact = writer.add_contact(NOW, &card, "reader").unwrap();
    writer.send(NOW, contact, &Body::Text("to you".into()), Priority::Normal).unwrap();
    let id = writer.carried(1).unwrap()[0].id;
    let own = writer.envelope(&id).unwrap().unwrap();
    let foreign = scene.foreign(NOW, 3600);
    scene.push(0, &own);
    scene.push(0, &foreign.bytes);
    let ask = |scene: &mut Scene| {
        let letters = vec![id.head(), foreign.id.head(), 77];
        let nonce = [3; 16];
        scene.heard();
        scene.say(&Frame::Challenge(Challenge { nonce, letters, pieces: Vec::new() }));
        let answers = scene.heard().into_iter().find_map(|payload| match Frame::decode(&payload) {
            Ok(Frame::Custody(answers)) => Some(answers),
            _ => None,
        });
        answers.unwrap()
    };
    let answers = ask(&mut scene);
    assert!(matches!(answers[..], [Answer::Proof(_), Answer::Proof(_), Answer::Gone]));
    scene.say(&Frame::Acks { held: vec![foreign.ack.0], proofs: Vec::new() });
    scene.pass(3 * 60_000);
    let answers = ask(&mut scene);
    assert!(matches!(answers[..], [Answer::Ended(_), Answer::Ended(_), Answer::Gone]));
}

#[test]
fn claimed_room_and_meetings_move_nothing() {
    let (mut scene, challenge) = met_again(4);
    scene.answer(&challenge, &|_, _, _| Answer::Gone);
    for _ in 0..200 {
        scene.node.handle_link_down(scene.now, LINK).unwrap();
        scene.connect();
        scene.say(&Frame::Hello(Hello {
            version: 1,
            accepts_foreign: true,
            free_kib: u64::MAX >> 2,
            battery: 4,
            marks: Vec::new(),
        }));
    }
    assert!(!scene.is_trusted());
    let known = scene.node.neighbours.get(&mallory()).unwrap();
    assert_eq!((known.meetings, known.brought), (1, 0));
}
