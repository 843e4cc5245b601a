//! What is destroyed is gone from the process's memory, too.

use super::*;
use crate::envelope::{Body, Priority};
use crate::vault::StoreKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

const NOW: Timestamp = Timestamp(1_780_315_200_000);

/// A secret that this test remembers without having it in memory.
struct Remembered([u8; 32]);

impl Remembered {
    fn new(secret: &TargetSecret) -> Self {
        let mut masked = [0; 32];
        for (masked, byte) in masked.iter_mut().zip(&*secret.kem_secret.to_bytes()) {
            *masked = byte ^ 0x5a;
        }
        Self(masked)
    }

    /// How often half of it is in the memory of this process, and the kinds of memory.
    fn places(&self) -> Vec<String> {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        let mut places = Vec::new();
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
            let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
            let mut region = vec![0; (to - from) as usize];
            if memory.read_exact_at(&mut region, from).is_ok() {
                let is_here = |part: &[u8]| part.iter().zip(&self.0).all(|(a, b)| a ^ 0x5a == *b);
                let count = region.windows(16).filter(|part| is_here(part)).count();
                places.extend((0..count).map(|_| line.to_owned()));
            }
            region.fill(0);
        }
        places
    }
}

#[test]
fn a_target_that_died_is_not_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut nodes = [1, 2].map(|n: u8| {
        let path = directory.path().join(n.to_string());
        let store = StorePath::Encrypted { path, key: StoreKey::from_bytes(&[n; 32]) };
        let rng = Box::new(ChaCha20Rng::seed_from_u64(n.into()));
        Node::open(&store, Config::default(), rng, NOW).unwrap()
    });
    let cards = [1, 0].map(|n: usize| nodes[n].card().clone());
    let peers = [0, 1].map(|n: usize| nodes[n].add_contact(NOW, &cards[n], "peer").unwrap());
    let exchange = |nodes: &mut [Node; 2], from: usize| {
        let body = Body::Text("text".into());
        nodes[from].send(NOW, peers[from], &body, Priority::Normal).unwrap();
        let row = nodes[from].store.carried(1000).unwrap().pop().unwrap().row;
        let bytes = nodes[from].store.envelope_bytes(row).unwrap().unwrap();
        let node = &mut nodes[1 - from];
        let now = node.begin(NOW, Durability::Power).unwrap();
        assert!(node.accept(now, LinkId(0), 0, &bytes).is_ok());
        node.commit().unwrap();
    };
    exchange(&mut nodes, 0);
    let secret = |node: &Node| Remembered::new(&node.replies[&peers[0]].last().unwrap().secret);
    let first = secret(&nodes[0]);
    assert!(!first.places().is_empty(), "the search finds a live secret");
    for from in [1, 0, 1] {
        exchange(&mut nodes, from);
    }
    let is_dead = |reply: &OwnReply| reply.secret.target().counter > 0;
    assert!(nodes[0].replies[&peers[0]].iter().all(is_dead));
    assert_eq!(first.places(), Vec::<String>::new());
}
