//! What is told of mailboxes, and what claims about them bring.

use super::fragments::Foreign;
use super::*;
use crate::config::ConfigError;
use crate::envelope::TagMode;
use crate::link::frame::Frame;
use crate::routing::{Gossip, MAX_OWN_TAGS, Router, Tag, Vector};

const KINDS: std::ops::RangeInclusive<u8> = 0x18..=0x1c;

fn shown(router: Router) -> Config {
    simulated().router(router).tag_mode(TagMode::Mailbox).clone()
}

impl Scene {
    fn with(config: Config) -> Self {
        let mut scene = Self::with_config(NOW, config);
        scene.say(&hello());
        scene
    }

    /// The same two meet once more.
    fn again(mut self) -> Self {
        self.node.handle_link_down(self.now, LINK).unwrap();
        self.connect();
        self
    }

    fn kinds(&mut self) -> Vec<u8> {
        self.heard().iter().filter_map(|frame| frame.first().copied()).collect()
    }

    fn send_body(&mut self) {
        self.send("to come");
        let contact = self.node.contacts().unwrap()[0].id;
        let name = ("a", "b/c");
        let bytes = vec![1; 100_000];
        self.node
            .send_attachment(NOW, contact, name, 100_000, &mut &bytes[..], Priority::Normal)
            .unwrap();
    }

    /// What [`Scene::send`] has put on mail to its reader.
    fn readers_tag(&self) -> Tag {
        Tag::of(self.reader.as_ref().unwrap().card().target().mailbox_tag(NOW.day()))
    }
}

#[test]
fn hidden_tags_are_told_to_nobody() {
    for router in [Router::Carry, Router::Direct, Router::Epidemic, Router::Spray(8)] {
        let mut scene = Scene::with(simulated().router(router).clone());
        scene.send_body();
        scene.say(&Frame::Gossip(Gossip::Own(vec![Tag(1)])));
        scene.say(&Frame::Gossip(Gossip::Met(vec![(Tag(2), 3)])));
        let kinds = scene.kinds();
        assert!(kinds.contains(&0x0b), "its own body is named");
        assert!(kinds.iter().all(|kind| !KINDS.contains(kind)), "{kinds:?}");
        assert_eq!(scene.verdict(), None, "what others tell is passed over");
    }
}

#[test]
fn each_router_tells_what_it_goes_by() {
    for (router, kind) in [(Router::Carry, 0x19), (Router::Prophet, 0x1a), (Router::MaxProp, 0x1b)]
    {
        let mut scene = Scene::with(shown(router));
        scene.say(&Frame::Gossip(Gossip::Own(vec![Tag(1)])));
        let mut scene = scene.again();
        scene.send_body();
        let told: Vec<u8> = scene.kinds().into_iter().filter(|it| KINDS.contains(it)).collect();
        assert_eq!(told, [0x18, kind, 0x1c], "{router:?}");
    }
}

#[test]
fn a_router_that_goes_by_tags_does_not_run_without() {
    for router in [Router::Prophet, Router::MaxProp] {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(1));
        let config = simulated().router(router).clone();
        let refused = Node::open(&StorePath::Memory, config, rng, NOW).err().unwrap();
        assert!(matches!(refused, OpenError::Config(ConfigError::HiddenTags)));
    }
}

#[test]
fn mail_goes_to_who_names_its_tag() {
    for named in [true, false] {
        let mut scene = Scene::with(shown(Router::Prophet));
        scene.send("nobody has named a tag");
        assert!(!scene.kinds().contains(&0x08));
        let tag = if named { scene.readers_tag() } else { Tag(1) };
        scene.say(&Frame::Gossip(Gossip::Own(vec![tag])));
        let contact = scene.node.contacts().unwrap()[0].id;
        let body = Body::Text("for the owner of a tag".into());
        scene.node.send(NOW, contact, &body, Priority::Normal).unwrap();
        assert_eq!(scene.kinds().contains(&0x08), named, "offered");
    }
}

#[test]
fn tags_of_yesterday_are_named_beside_those_of_today() {
    let mut scene = Scene::with(shown(Router::MaxProp));
    let today = scene.node.card().target().mailbox_tag(NOW.day());
    scene.pass(DAY_MS);
    let tomorrow = scene.node.card().target().mailbox_tag(NOW.day() + 1);
    let mut scene = scene.again();
    let told = scene.heard();
    let Frame::Gossip(Gossip::Own(tags)) = Frame::decode(&told[1]).unwrap() else {
        panic!("after the hello, the tags");
    };
    let at = |tag| tags.iter().position(|it| *it == Tag::of(tag));
    assert!(at(tomorrow).unwrap() < at(today).unwrap(), "the newest first");
    assert_eq!(tags.len(), 4, "of two cards and two days");
}

#[test]
fn a_flood_of_tags_ends_the_link() {
    for router in [Router::Carry, Router::Prophet, Router::MaxProp] {
        let mut scene = Scene::with(shown(router));
        let tags = |from: u32| (from..from + MAX_OWN_TAGS as u32).map(Tag).collect();
        scene.say(&Frame::Gossip(Gossip::Own(tags(0))));
        assert_eq!(scene.verdict(), None);
        scene.say(&Frame::Gossip(Gossip::Own(tags(1000))));
        assert_eq!(scene.verdict(), Some(Violation::Flood("mailbox tags")));
    }
}

#[test]
fn nobody_speaks_in_a_nodes_own_name() {
    let mut scene = Scene::with(shown(Router::MaxProp));
    let own = Tag::of(scene.node.card().target().mailbox_tag(NOW.day()));
    let meetings = vec![(Tag(77), u16::MAX)];
    for of in [own, Tag(5)] {
        let vector = Vector { of: vec![of], as_of_s: u32::MAX, meetings: meetings.clone() };
        scene.say(&Frame::Gossip(Gossip::Meetings(vector)));
    }
    let mut scene = scene.again();
    let of: Vec<Vec<Tag>> = scene
        .heard()
        .iter()
        .filter_map(|frame| match Frame::decode(frame).unwrap() {
            Frame::Gossip(Gossip::Meetings(vector)) if vector.as_of_s == u32::MAX => {
                Some(vector.of)
            }
            _ => None,
        })
        .collect();
    assert_eq!(of, [[Tag(5)]], "passed on is what was said of another");
}

#[test]
fn routers_without_fragments_let_whole_bodies_go() {
    for (router, left) in [(Router::Prophet, 6), (Router::Epidemic, 10)] {
        let room = 10 * Foreign::new(1).fragment(0).len() as u64;
        let mut scene = Scene::with(shown(router).max_carried_bytes(room).clone());
        for body in [1, 2] {
            for number in 0..5 {
                scene.push(0, &Foreign::new(body).fragment(number));
            }
            scene.pass(1000);
        }
        assert_eq!(scene.carries(), 10);
        scene.push(0, &Foreign::new(3).fragment(0));
        assert_eq!(scene.carries(), left, "{router:?}");
    }
}
