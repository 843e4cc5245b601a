//! Nodes whose clocks disagree.

use crate::net::{START, simulated};
use footpost_core::{
    Body, CostClass, LinkId, LinkInfo, Node, Priority, Role, State, StorePath, Timestamp,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Opens a node with default settings.
pub fn open_node(path: &StorePath, seed: u64, now: Timestamp) -> Node {
    let rng = Box::new(ChaCha20Rng::seed_from_u64(seed));
    Node::open(path, simulated(), rng, now).expect("the node opens")
}

/// A node and what its clock shows at [`START`].
pub struct Skewed {
    node: Node,
    clock: Timestamp,
}

impl Skewed {
    /// A fresh node whose clock is wrong by `offset_ms`.
    pub fn new(seed: u64, offset_ms: i64) -> Self {
        let clock = Timestamp(START.0.saturating_add_signed(offset_ms));
        Self { node: open_node(&StorePath::Memory, seed, clock), clock }
    }

    fn pass(&mut self, ms: u64) {
        self.clock.0 += ms;
        self.node.handle_timeout(self.clock).expect("the store works");
        self.node.commit().expect("the store works");
    }
}

/// From the first of three to the last by way of the one between: whether the message and its
/// acknowledgement come through.
pub fn journey_of_skewed(nodes: &mut [Skewed]) -> bool {
    let card = nodes[2].node.card().clone();
    let sender = &mut nodes[0];
    let Ok(contact) = sender.node.add_contact(sender.clock, &card, "far") else { return false };
    let body = Body::Text("across time".into());
    let Ok(message) = sender.node.send(sender.clock, contact, &body, Priority::Normal) else {
        return false;
    };
    for (link, (a, b)) in [(0, 1), (1, 2), (1, 2), (0, 1)].into_iter().enumerate() {
        meet(nodes, LinkId(link as u64), a, b);
        for node in &mut *nodes {
            node.pass(10 * 60 * 1000);
        }
    }
    let sent = nodes[0].node.message(message).expect("the store works");
    sent.is_some_and(|message| message.state == State::Delivered)
}

fn meet(nodes: &mut [Skewed], link: LinkId, a: usize, b: usize) {
    for (index, role) in [(b, Role::Responder), (a, Role::Initiator)] {
        let info = LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: 65_535 };
        let clock = nodes[index].clock;
        nodes[index].node.handle_link_up(clock, link, info).expect("the store works");
    }
    loop {
        let mut moved = false;
        for (from, to) in [(a, b), (b, a)] {
            let clock = nodes[from].clock;
            nodes[from].node.commit().expect("the store works");
            while let Some(frame) =
                nodes[from].node.poll_transmit(clock, link).expect("the store works")
            {
                moved = true;
                let clock = nodes[to].clock;
                nodes[to].node.handle_frame(clock, link, &frame).expect("the store works");
            }
            nodes[to].node.commit().expect("the store works");
        }
        if !moved {
            break;
        }
    }
    for index in [a, b] {
        let clock = nodes[index].clock;
        nodes[index].node.handle_link_down(clock, link).expect("the store works");
        nodes[index].node.commit().expect("the store works");
    }
}
