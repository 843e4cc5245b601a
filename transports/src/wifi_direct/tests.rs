//! Controllers against each other, with links and radios of the test's making.

use super::command::{Command, Fact, Station};
use super::controller::{Action, Controller};
use crate::power::{Conditions, Power, PowerMode};
use footpost_core::{CostClass, LinkId, Load, NeighbourKey, WifiDirectNote};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{net::SocketAddr, time::Duration};

const MIB: u64 = 1 << 20;
const PORT: u16 = 4321;
const FREE: Fact = Fact::RadioOn { station: Station::Free };

/// One node: its controller, and what its neighbour is to it.
struct End {
    controller: Controller,
    load: Load,
    commands: Vec<Command>,
    dialled: Vec<SocketAddr>,
    /// Whether links in a group count as such.
    is_inside: bool,
}

/// Two who meet over Bluetooth.
struct Pair {
    ends: [End; 2],
    now: Duration,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let end = |n: u8| End {
            controller: Controller::new(PORT, ChaCha20Rng::seed_from_u64(seed * 2 + u64::from(n))),
            load: Load {
                neighbour: NeighbourKey([1 - n; 32]),
                is_contact: true,
                waiting_bytes: 0,
                links: vec![(LinkId(7), CostClass::Ble, 0)],
            },
            commands: Vec::new(),
            dialled: Vec::new(),
            is_inside: false,
        };
        let mut pair = Self { ends: [end(0), end(1)], now: Duration::ZERO };
        pair.fact(0, FREE);
        pair.fact(1, FREE);
        pair
    }

    fn fact(&mut self, end: usize, fact: Fact) {
        self.ends[end].controller.handle_fact(self.now, fact);
        self.settle();
    }

    fn note(&mut self, end: usize, note: WifiDirectNote) {
        let from = NeighbourKey([u8::try_from(1 - end).unwrap(); 32]);
        self.ends[end].controller.handle_note(self.now, LinkId(7), from, note);
    }

    /// `bytes` wait at both ends.
    fn wait_for(&mut self, bytes: u64) {
        self.ends.iter_mut().for_each(|end| end.load.waiting_bytes = bytes);
    }

    fn power(&mut self, end: usize, percent: u8) {
        let conditions = Conditions { battery_percent: Some(percent), ..Conditions::default() };
        let power = Power { mode: PowerMode::Full, conditions };
        self.ends[end].controller.handle_power(self.now, power);
        self.settle();
    }

    /// Lets time pass, as a runner does; notes arrive at once.
    fn run_for(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            for end in 0..2 {
                let load = self.ends[end].load.clone();
                self.ends[end].controller.handle_loads(self.now, &[load]);
                self.ends[end].controller.handle_timeout(self.now);
            }
            self.settle();
        }
    }

    fn settle(&mut self) {
        loop {
            let mut is_quiet = true;
            for end in 0..2 {
                while let Some(command) = self.ends[end].controller.next_command() {
                    self.ends[end].commands.push(command);
                    is_quiet = false;
                }
                while let Some(action) = self.ends[end].controller.next_action() {
                    is_quiet = false;
                    match action {
                        Action::Tell { note, .. } => self.note(1 - end, note),
                        Action::Enter { .. } => self.ends[end].is_inside = true,
                        Action::Dial { at } => self.ends[end].dialled.push(at),
                        Action::Leave => self.ends[end].is_inside = false,
                    }
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    /// The commands since this was last asked.
    fn commands(&mut self, end: usize) -> Vec<Command> {
        std::mem::take(&mut self.ends[end].commands)
    }

    /// Who was told to create a group; both radios then do what they are told, and a link comes up.
    fn form(&mut self) -> usize {
        let is_owner = |commands: &[Command]| matches!(commands, [Command::CreateGroup { .. }]);
        let [first, second] = [self.commands(0), self.commands(1)];
        let owner = usize::from(!is_owner(&first));
        let (created, other) = if owner == 0 { (first, second) } else { (second, first) };
        assert!(is_owner(&created) && other.is_empty(), "{created:?} {other:?}");
        let own = ["fe80::a".parse().unwrap(), "fe80::b".parse().unwrap()];
        self.fact(owner, Fact::GroupUp { own: own[0], interface: 5 });
        let [Command::CreateGroup { credentials: made, .. }] = &created[..] else { panic!() };
        let asked = self.commands(1 - owner);
        let [Command::JoinGroup { credentials }] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!(credentials, made);
        self.fact(1 - owner, Fact::GroupUp { own: own[1], interface: 9 });
        assert_eq!(self.ends[1 - owner].dialled, ["[fe80::a%9]:4321".parse().unwrap()]);
        assert!(self.ends[owner].dialled.is_empty());
        for end in &mut self.ends {
            assert!(end.is_inside);
            end.load.links.push((LinkId(8), CostClass::Wifi, 0));
        }
        owner
    }

    /// So much moves in the group.
    fn moved(&mut self, bytes: u64) {
        for end in &mut self.ends {
            end.load.links[1].2 += bytes;
        }
    }

    fn part(&mut self) {
        for end in 0..2 {
            self.fact(end, Fact::GroupDown);
            self.ends[end].load.links.truncate(1);
            self.ends[end].dialled.clear();
            assert!(!self.ends[end].is_inside);
        }
    }
}

#[test]
fn two_with_much_to_move_form_a_group_and_leave_it_when_it_is_quiet() {
    let mut pair = Pair::new(1);
    pair.run_for(60);
    assert!(pair.commands(0).is_empty(), "nothing waits");
    pair.wait_for(2 * MIB);
    pair.run_for(2);
    pair.form();
    for _ in 0..30 {
        pair.moved(MIB);
        pair.run_for(2);
    }
    assert!(pair.commands(0).is_empty() && pair.commands(1).is_empty(), "it is busy");
    pair.wait_for(0);
    pair.run_for(25);
    assert_eq!(
        [pair.commands(0), pair.commands(1)],
        [[Command::RemoveGroup], [Command::RemoveGroup]]
    );
    pair.part();
    pair.wait_for(2 * MIB);
    pair.run_for(15);
    pair.form();
}

/// Whoever asks first, the fuller battery owns; both ends come to the same for all seeds.
#[test]
fn the_fuller_battery_owns_the_group() {
    for seed in 0..20 {
        let fuller = usize::from(seed % 2 == 1);
        let mut pair = Pair::new(seed);
        pair.power(fuller, 90);
        pair.power(1 - fuller, 40);
        pair.wait_for(20 * MIB);
        pair.run_for(2);
        assert_eq!(pair.form(), fuller);
    }
}

/// The link over which they have agreed breaks just as the owner says where to call.
#[test]
fn who_has_not_heard_where_to_call_hears_it_over_the_next_link() {
    let mut pair = Pair::new(1);
    pair.wait_for(2 * MIB);
    pair.run_for(2);
    let owner = usize::from(!matches!(pair.ends[0].commands[..], [Command::CreateGroup { .. }]));
    pair.commands(owner);
    let up = Fact::GroupUp { own: "fe80::a".parse().unwrap(), interface: 5 };
    pair.ends[owner].controller.handle_fact(pair.now, up);
    // What it says goes nowhere.
    while pair.ends[owner].controller.next_action().is_some() {}
    pair.run_for(4);
    assert!(pair.commands(1 - owner).is_empty());
    for end in &mut pair.ends {
        end.load.links[0].0 = LinkId(9);
    }
    pair.run_for(4);
    assert!(matches!(pair.commands(1 - owner)[..], [Command::JoinGroup { .. }]));
}

/// Each hears the other's offer while its own is on the way.
#[test]
fn of_two_offers_at_once_one_stands() {
    for seed in 0..50 {
        let mut pair = Pair::new(seed);
        pair.wait_for(2 * MIB);
        pair.now += Duration::from_secs(1);
        let mut offers = Vec::new();
        for end in 0..2 {
            let load = pair.ends[end].load.clone();
            pair.ends[end].controller.handle_loads(pair.now, &[load]);
            let offer = pair.ends[end].controller.next_action();
            let Some(Action::Tell { note, .. }) = offer else { panic!("{offer:?}") };
            offers.push(note);
        }
        for (end, note) in [(1, offers.remove(0)), (0, offers.remove(0))] {
            pair.note(end, note);
        }
        pair.settle();
        pair.form();
    }
}

#[test]
fn the_users_own_network_comes_first() {
    // A radio that cannot do both.
    let mut pair = Pair::new(1);
    pair.fact(1, Fact::RadioOn { station: Station::Exclusive });
    pair.wait_for(20 * MIB);
    pair.run_for(120);
    assert!(pair.commands(0).is_empty() && pair.commands(1).is_empty());

    // One that can, on its channel.
    let mut pair = Pair::new(1);
    pair.fact(1, Fact::RadioOn { station: Station::Bound { channel_mhz: 5180 } });
    pair.wait_for(2 * MIB);
    pair.run_for(2);
    let creates =
        |command: &Command| matches!(command, Command::CreateGroup { channel_mhz: Some(5180), .. });
    assert!(pair.ends.iter().any(|end| end.commands.iter().any(creates)));

    // Two networks on two channels.
    let mut pair = Pair::new(1);
    pair.fact(0, Fact::RadioOn { station: Station::Bound { channel_mhz: 2412 } });
    pair.fact(1, Fact::RadioOn { station: Station::Bound { channel_mhz: 5180 } });
    pair.wait_for(20 * MIB);
    pair.run_for(120);
    assert!(pair.commands(0).is_empty() && pair.commands(1).is_empty());
}

#[test]
fn a_network_that_the_user_joins_ends_the_group() {
    let mut pair = Pair::new(1);
    pair.wait_for(20 * MIB);
    pair.run_for(2);
    pair.form();
    pair.fact(0, Fact::RadioOn { station: Station::Bound { channel_mhz: 2412 } });
    assert_eq!(pair.commands(0), [Command::RemoveGroup]);
    assert!(!pair.ends[0].is_inside);
}

#[test]
fn a_battery_about_to_go_forms_no_group_and_leaves_the_one_that_is() {
    let mut pair = Pair::new(1);
    pair.power(0, 3);
    pair.wait_for(20 * MIB);
    pair.run_for(60);
    assert!(pair.commands(0).is_empty() && pair.commands(1).is_empty());
    let mut pair = Pair::new(1);
    pair.wait_for(20 * MIB);
    pair.run_for(2);
    pair.form();
    pair.power(0, 3);
    assert_eq!(pair.commands(0), [Command::RemoveGroup]);
}

/// A radio that never manages is asked ever more seldom.
#[test]
fn failures_are_not_repeated_at_once() {
    let mut pair = Pair::new(1);
    pair.wait_for(20 * MIB);
    let mut attempts = 0;
    for _ in 0..3600 {
        pair.run_for(1);
        for end in 0..2 {
            let failed =
                pair.commands(end).iter().filter(|it| **it != Command::RemoveGroup).count();
            attempts += failed;
            for _ in 0..failed {
                pair.fact(end, Fact::GroupDown);
            }
        }
    }
    assert!((2..=7).contains(&attempts), "{attempts} attempts in an hour");
}

/// The other side never answers, or answers and never comes.
#[test]
fn every_step_has_its_end() {
    let mut pair = Pair::new(1);
    pair.wait_for(2 * MIB);
    pair.run_for(2);
    let owner = usize::from(pair.ends[0].commands.is_empty());
    // Nobody reports anything: the owner gives up, and says so.
    pair.run_for(50);
    assert!(pair.ends[owner].commands.contains(&Command::RemoveGroup));
    pair.ends.iter_mut().for_each(|end| end.load.waiting_bytes = 0);
    pair.run_for(120);
    for end in &pair.ends {
        assert_eq!(end.controller.poll_timeout(), None, "free again");
    }
}

#[test]
fn a_group_to_which_nobody_comes_is_left_and_counts_as_a_failure() {
    let mut pair = Pair::new(1);
    pair.wait_for(2 * MIB);
    pair.run_for(2);
    pair.form();
    pair.run_for(45);
    assert_eq!(
        [pair.commands(0), pair.commands(1)],
        [[Command::RemoveGroup], [Command::RemoveGroup]]
    );
    pair.part();
    pair.run_for(10);
    assert!(pair.commands(0).is_empty() && pair.commands(1).is_empty());
}

/// What a stranger claims to wait keeps no radio busy: it has to move.
#[test]
fn a_neighbour_that_only_claims_gets_its_budget_and_no_more() {
    let mut pair = Pair::new(1);
    pair.ends[0].load.is_contact = false;
    let mut in_group_s = 0;
    for _ in 0..3600 {
        // It offers again and again, and moves nothing to speak of.
        if pair.ends[0].controller.poll_timeout().is_none() {
            pair.ends[1].load.waiting_bytes = u64::MAX;
        }
        pair.run_for(1);
        for end in 0..2 {
            for command in pair.commands(end) {
                let own = format!("fe80::{end}").parse().unwrap();
                let fact = match command {
                    Command::RemoveGroup => Fact::GroupDown,
                    _ => Fact::GroupUp { own, interface: 1 },
                };
                pair.fact(end, fact);
            }
        }
        in_group_s += u64::from(pair.ends[0].is_inside);
    }
    assert!((40..=6 * 45).contains(&in_group_s), "{in_group_s} seconds of an hour");
}

#[test]
fn an_owner_elsewhere_is_not_called() {
    for listens_on in ["8.8.8.8:1", "[2606::1]:1", "[::1]:1", "[fe80::1]:0", "192.168.1.1:4321"] {
        let mut pair = Pair::new(1);
        // The neighbour owns, by battery, and lies.
        pair.power(0, 50);
        pair.wait_for(20 * MIB);
        pair.run_for(2);
        let [Command::CreateGroup { credentials, .. }] = &pair.commands(1)[..] else { panic!() };
        let listens_on = listens_on.parse().unwrap();
        pair.note(0, WifiDirectNote::Ready { credentials: credentials.clone(), listens_on });
        pair.settle();
        pair.commands(0);
        pair.fact(0, Fact::GroupUp { own: "fe80::b".parse().unwrap(), interface: 9 });
        assert!(pair.ends[0].dialled.is_empty() && !pair.ends[0].is_inside, "{listens_on}");
        assert_eq!(pair.commands(0), [Command::RemoveGroup]);
    }
}

#[test]
fn nobody_joins_a_group_unasked() {
    let mut pair = Pair::new(1);
    let credentials = footpost_core::Credentials::random(&mut ChaCha20Rng::seed_from_u64(9));
    let listens_on = "[fe80::1]:1".parse().unwrap();
    let name = credentials.name().to_owned();
    pair.note(0, WifiDirectNote::Ready { credentials, listens_on });
    pair.note(0, WifiDirectNote::Decline { name: name.clone() });
    pair.note(0, WifiDirectNote::Accept { name, side: footpost_core::Side::default() });
    pair.settle();
    assert!(pair.commands(0).is_empty());
}

/// A Bluetooth link that turns out to be fast needs no group.
#[test]
fn what_a_link_moves_is_measured() {
    let mut pair = Pair::new(1);
    pair.wait_for(600_000);
    for _ in 0..20 {
        for end in &mut pair.ends {
            end.load.links[0].2 += 400_000;
        }
        pair.run_for(1);
        pair.commands(0);
        pair.commands(1);
    }
    pair.wait_for(6 * MIB);
    for _ in 0..30 {
        for end in &mut pair.ends {
            end.load.links[0].2 += 400_000;
        }
        pair.run_for(1);
        let all = [pair.commands(0), pair.commands(1)].concat();
        let formed =
            |it: &Command| matches!(it, Command::CreateGroup { .. } | Command::JoinGroup { .. });
        assert!(!all.iter().any(formed), "{all:?}");
    }
}

/// Whatever is said and reported, in whatever order: never a group beside another, never a join
/// without an offer, and an end to everything.
#[test]
fn long_random_runs_keep_the_rules() {
    for seed in 0..40 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut pair = Pair::new(seed);
        let mut in_group = [false; 2];
        let mut begun = [0; 2];
        for _ in 0..2_000 {
            let end = (rng.next_u32() % 2) as usize;
            match rng.next_u32() % 12 {
                0 => pair.fact(end, Fact::GroupDown),
                1 => {
                    pair.fact(end, Fact::GroupUp { own: "fe80::1".parse().unwrap(), interface: 3 });
                }
                2 => pair.fact(end, Fact::RadioOff),
                3 | 4 => pair.fact(end, FREE),
                5 => pair.fact(end, Fact::RadioOn { station: Station::Exclusive }),
                6 => pair.note(end, WifiDirectNote::Decline { name: "DIRECT-ab".into() }),
                7 => pair.power(end, (rng.next_u32() % 100) as u8),
                8 => pair.wait_for(u64::from(rng.next_u32())),
                _ => pair.run_for(u64::from(rng.next_u32() % 9)),
            }
            pair.settle();
            for end in 0..2 {
                for command in pair.commands(end) {
                    let is_begun = command != Command::RemoveGroup;
                    assert!(!(is_begun && in_group[end]), "seed {seed}: one at a time");
                    in_group[end] = is_begun;
                    begun[end] += u64::from(is_begun);
                }
                if pair.ends[end].controller.poll_timeout().is_none() {
                    in_group[end] = false;
                }
            }
        }
        let hours = pair.now.as_secs() / 3600 + 1;
        assert!(begun.iter().all(|begun| *begun <= 20 * hours), "{begun:?} in {hours} h");
        pair.wait_for(0);
        pair.run_for(300);
        for end in &pair.ends {
            assert_eq!(end.controller.poll_timeout(), None);
        }
    }
}

/// Over a slow link an answer can come after its offer was given up: it is not taken for one to the
/// next.
#[test]
fn answers_to_an_earlier_offer_change_nothing() {
    let mut pair = Pair::new(1);
    pair.ends[1].load.waiting_bytes = 0;
    pair.ends[0].load.waiting_bytes = 20 * MIB;
    let offer = |pair: &mut Pair| {
        let load = pair.ends[0].load.clone();
        loop {
            pair.now += Duration::from_secs(1);
            let controller = &mut pair.ends[0].controller;
            controller.handle_loads(pair.now, std::slice::from_ref(&load));
            while let Some(action) = controller.next_action() {
                if let Action::Tell { note: WifiDirectNote::Offer { credentials, .. }, .. } = action
                {
                    return credentials.name().to_owned();
                }
            }
        }
    };
    let [first, second] = [offer(&mut pair), offer(&mut pair)];
    assert_ne!(first, second);
    let side = footpost_core::Side { battery: 1, ..footpost_core::Side::default() };
    pair.note(0, WifiDirectNote::Decline { name: first.clone() });
    pair.note(0, WifiDirectNote::Accept { name: first, side });
    assert_eq!(pair.ends[0].controller.next_command(), None);
    pair.note(0, WifiDirectNote::Accept { name: second, side });
    let command = pair.ends[0].controller.next_command();
    assert!(matches!(command, Some(Command::CreateGroup { .. })));
}
