//! Who is told that a letter has arrived.

use super::simulated;
use crate::chat::State;
use crate::envelope::Priority;
use crate::link::{CostClass, LinkInfo, Role};
use crate::node::Node;
use crate::store::StorePath;
use crate::time::{DAY_MS, Timestamp};
use crate::{Body, LinkId, MessageId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const START: Timestamp = Timestamp(1_800_000_000_000);
const MINUTE_MS: u64 = 60_000;
const LIFETIME_S: u32 = 3600;

fn node(seed: u64) -> Node {
    let mut config = simulated();
    config.ack_delay_max_ms(0);
    config.lifetime_s(LIFETIME_S).unwrap();
    let rng = Box::new(ChaCha20Rng::seed_from_u64(seed));
    Node::open(&StorePath::Memory, config, rng, START).unwrap()
}

/// The first dials.
fn meet(minute: u64, mut pair: [&mut Node; 2]) {
    let (link, now) = (LinkId(minute), Timestamp(START.0 + minute * MINUTE_MS));
    for (node, role) in pair.iter_mut().zip([Role::Initiator, Role::Responder]) {
        node.handle_timeout(now).unwrap();
        let info = LinkInfo { role, cost: CostClass::Lan, max_frame_bytes: 65_535 };
        node.handle_link_up(now, link, info).unwrap();
        node.commit().unwrap();
    }
    loop {
        let mut is_quiet = true;
        for (from, to) in [(0, 1), (1, 0)] {
            while let Some(frame) = pair[from].poll_transmit(now, link).unwrap() {
                is_quiet = false;
                pair[to].handle_frame(now, link, &frame).unwrap();
                pair[to].commit().unwrap();
                pair[to].handle_timeout(now).unwrap();
                pair[to].commit().unwrap();
            }
        }
        if is_quiet {
            break;
        }
    }
    for node in pair {
        node.handle_link_down(now, link).unwrap();
        node.commit().unwrap();
    }
}

/// A writer and a letter, its reader, and two who carry it.
fn scene() -> (Node, MessageId, Node, [Node; 2]) {
    let (mut writer, reader, mut carriers) = (node(1), node(2), [node(3), node(4)]);
    let contact = writer.add_contact(START, reader.card(), "reader").unwrap();
    let letter = Body::Text("on foot".into());
    let message = writer.send(START, contact, &letter, Priority::Normal).unwrap();
    for (minute, carrier) in carriers.iter_mut().enumerate() {
        meet(minute as u64, [&mut writer, carrier]);
        assert_eq!(carrier.stats().foreign_envelopes, 1);
    }
    (writer, message, reader, carriers)
}

#[test]
fn an_end_is_told_to_those_who_hold_the_letter_whoever_dials() {
    for has_dialled in [true, false] {
        let (mut writer, message, mut reader, [mut first, mut second]) = scene();
        meet(5, [&mut first, &mut reader]);
        let mut stranger = node(5);
        let tell = |minute, from: &mut Node, to: &mut Node| {
            meet(minute, if has_dialled { [from, to] } else { [to, from] });
        };
        tell(6, &mut first, &mut stranger);
        assert_eq!(stranger.stats().tombstones, 0, "it has nothing to delete");
        let taken = second.stats().turnover.taken;
        tell(7, &mut first, &mut second);
        assert_eq!((first.stats().tombstones, second.stats().tombstones), (1, 1));
        assert_eq!(second.stats().foreign_envelopes, 0);
        assert_eq!(first.stats().turnover.taken, taken, "the letter did not travel for it");
        tell(8, &mut second, &mut writer);
        assert_eq!(writer.message(message).unwrap().unwrap().state, State::Delivered);
    }
}

#[test]
fn a_late_end_is_told_to_everybody_as_the_writer_may_have_given_up() {
    let (mut writer, message, mut reader, [mut first, _]) = scene();
    meet(50, [&mut first, &mut reader]);
    let mut stranger = node(5);
    meet(55, [&mut first, &mut stranger]);
    assert_eq!(stranger.stats().tombstones, 1);
    let state = |writer: &Node| writer.message(message).unwrap().unwrap().state;
    writer.handle_timeout(Timestamp(START.0 + 70 * MINUTE_MS)).unwrap();
    writer.commit().unwrap();
    assert_eq!(state(&writer), State::Expired);
    meet(DAY_MS / MINUTE_MS, [&mut stranger, &mut writer]);
    assert_eq!(state(&writer), State::Delivered);
}

#[test]
fn who_learned_of_a_late_end_early_is_told_it_once() {
    let (_, _, mut reader, [mut first, mut second]) = scene();
    meet(5, [&mut first, &mut reader]);
    meet(50, [&mut first, &mut second]);
    assert_eq!(second.stats().foreign_envelopes, 0);
    meet(51, [&mut second, &mut first]);
    assert_eq!(first.contents().unwrap(), second.contents().unwrap());
}
