//! When to propose, form, join and leave a group.
//!
//! The way of a group: who meets a neighbour near by and has much to move *offers* it a group, under
//! a name and a passphrase made up for it, over the link that is there. The other *accepts*; from
//! what both have said of themselves follows who is to own the group. The owner creates it, and
//! says by *ready* where in it to call; the other joins, and calls. Either leaves once nothing much
//! moves any more. Who has a group already answers an offer by *ready* at once. A node is in one
//! group at a time.

use super::budget::Budget;
use super::choice::{battery, channel_mhz, expected_bytes_s, is_near, is_worth, owns};
use super::command::{Command, Fact, Station};
use crate::power::{Power, PowerMode};
use footpost_core::{CostClass, Credentials, LinkId, Load, NeighbourKey, Side, WifiDirectNote};
use rand_chacha::ChaCha20Rng;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    time::Duration,
};

/// How long an answer to an offer may take: the link may have much to say before it.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a group may take to come about, or to be joined.
const FORM_TIMEOUT: Duration = Duration::from_secs(45);
/// And until the other side says that it has.
const READY_TIMEOUT: Duration = Duration::from_secs(90);
/// How long the radio may take to let go of a group; then it has.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// A group that has moved little for so long is left.
const IDLE: Duration = Duration::from_secs(20);
/// The same of one that nobody has come to yet: the first link takes its time.
const ARRIVAL: Duration = Duration::from_secs(40);
/// What counts as little.
const LITTLE_BYTES: u64 = 64 * 1024;
/// The fewest bytes for which a group was not in vain.
const USEFUL_BYTES: u64 = 256 * 1024;
/// Members of one's own group: phones manage few.
const MAX_MEMBERS: usize = 4;
/// Neighbours whose links are measured.
const MAX_MEASURED: usize = 64;

/// What the node is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Say this over the link, sealed as all that goes there.
    Tell { link: LinkId, note: WifiDirectNote },
    /// What goes over this interface, or to addresses around this one, is in a group from now on.
    Enter { own: IpAddr, interface: u32 },
    /// Keep the group's owner connected.
    Dial { at: SocketAddr },
    /// The group is gone, and all links in it.
    Leave,
}

/// A neighbour that a group is formed with, and the link over which that is talked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Partner {
    key: NeighbourKey,
    link: LinkId,
}

/// A group to be.
#[derive(Debug)]
struct Plan {
    with: Partner,
    credentials: Credentials,
    /// When it is given up.
    until: Duration,
}

#[derive(Debug)]
enum State {
    /// In no group, and on the way to none.
    Free,
    /// An offer is out.
    Offered { plan: Plan, own: Side },
    /// Both agree that the other side is to own the group.
    Awaiting(Plan),
    /// The radio is creating this node's own group.
    Creating(Plan),
    /// The radio is joining.
    Joining { plan: Plan, listens_on: SocketAddr },
    /// In a group.
    Up(Group),
    /// The radio is letting go.
    Leaving { until: Duration },
}

#[derive(Debug)]
struct Group {
    /// Of one's own group; none where somebody else owns it.
    open: Option<(Credentials, SocketAddr)>,
    /// Each with the link over which it was last told where to call.
    members: BTreeMap<NeighbourKey, LinkId>,
    /// Bytes that have moved in it, and how many when it was last found busy.
    moved_bytes: u64,
    busy_bytes: u64,
    /// When it is left, unless more moves.
    until: Duration,
    /// Bytes that links in it had moved when last asked.
    links: BTreeMap<LinkId, u64>,
}

/// What a neighbour's links move in a second, while something waits.
#[derive(Debug)]
struct Rate {
    bytes_s: u64,
    /// Since when something waits, and what had moved by then.
    since: Option<(Duration, u64)>,
}

/// The controller. Inputs are `handle_*`; after each, [`Controller::next_command`] and
/// [`Controller::next_action`] are asked until they have nothing more. `now` is any clock that only
/// goes on.
#[derive(Debug)]
pub(crate) struct Controller {
    rng: ChaCha20Rng,
    /// Where this node listens for QUIC.
    port: u16,
    power: Power,
    /// None while there is no radio.
    station: Option<Station>,
    neighbours: u8,
    contacts: BTreeSet<NeighbourKey>,
    rates: BTreeMap<NeighbourKey, Rate>,
    budget: Budget,
    state: State,
    commands: VecDeque<Command>,
    actions: VecDeque<Action>,
}

impl Controller {
    pub(crate) fn new(port: u16, rng: ChaCha20Rng) -> Self {
        Self {
            rng,
            port,
            power: Power::default(),
            station: None,
            neighbours: 0,
            contacts: BTreeSet::new(),
            rates: BTreeMap::new(),
            budget: Budget::default(),
            state: State::Free,
            commands: VecDeque::new(),
            actions: VecDeque::new(),
        }
    }

    /// What the radio is to do next.
    pub(crate) fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// What the node is to do next.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Controller::handle_timeout`] is to be called, if nothing happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        match &self.state {
            State::Up(group) => Some(group.until),
            State::Leaving { until } => Some(*until),
            _ => self.plan().map(|plan| plan.until),
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        if self.poll_timeout().is_some_and(|until| until <= now) {
            match &self.state {
                State::Leaving { .. } => self.state = State::Free,
                _ => self.give_up(now),
            }
        }
    }

    /// How much the device gives.
    pub(crate) fn handle_power(&mut self, now: Duration, power: Power) {
        self.power = power;
        if !self.may_take_part() {
            self.give_up(now);
        }
    }

    /// The radio reports.
    pub(crate) fn handle_fact(&mut self, now: Duration, fact: Fact) {
        match fact {
            Fact::RadioOn { station } => {
                // The user's own network comes first, also where it comes later.
                if self.station.replace(station).is_some_and(|before| before != station)
                    && station != Station::Free
                {
                    self.give_up(now);
                }
            }
            Fact::RadioOff => {
                self.station = None;
                self.lose(now);
            }
            Fact::GroupUp { own, interface } => self.enter(now, own, interface),
            Fact::GroupDown => self.lose(now),
        }
    }

    /// What waits between this node and each neighbour: to be told every few seconds while there are
    /// any.
    pub(crate) fn handle_loads(&mut self, now: Duration, loads: &[Load]) {
        self.neighbours = u8::try_from(loads.len()).unwrap_or(u8::MAX);
        self.contacts =
            loads.iter().filter(|load| load.is_contact).map(|load| load.neighbour).collect();
        self.rates.retain(|key, _| loads.iter().any(|load| load.neighbour == *key));
        for load in loads {
            self.measure(now, load);
        }
        match &mut self.state {
            State::Up(group) => {
                group.watch(now, loads);
                self.actions.extend(group.tell_again(loads));
            }
            State::Free => self.propose(now, loads),
            _ => {}
        }
        self.handle_timeout(now);
    }

    /// A neighbour has said something, over this link.
    pub(crate) fn handle_note(
        &mut self,
        now: Duration,
        link: LinkId,
        key: NeighbourKey,
        note: WifiDirectNote,
    ) {
        let from = Partner { key, link };
        match note {
            WifiDirectNote::Offer { side, credentials } => {
                self.take_offer(now, from, side, credentials);
            }
            WifiDirectNote::Accept { name, side } => self.take_acceptance(now, from, &name, side),
            WifiDirectNote::Ready { credentials, listens_on } => {
                self.take_ready(now, from, credentials, listens_on);
            }
            WifiDirectNote::Decline { name } => self.take_refusal(now, key, &name),
        }
    }

    fn measure(&mut self, now: Duration, load: &Load) {
        let moved: u64 = load.links.iter().map(|(_, _, bytes)| bytes).sum();
        if self.rates.len() >= MAX_MEASURED && !self.rates.contains_key(&load.neighbour) {
            return;
        }
        let expected = load.links.iter().map(|(_, cost, _)| expected_bytes_s(*cost)).max();
        let rate = self
            .rates
            .entry(load.neighbour)
            .or_insert_with(|| Rate { bytes_s: expected.unwrap_or(0), since: None });
        // A group says nothing of what will be left after it.
        let is_grouped = load.links.iter().any(|(_, cost, _)| *cost == CostClass::Wifi);
        if let Some((at, before)) = rate.since.take()
            && let Some(took) = now.checked_sub(at).filter(|took| !took.is_zero() && !is_grouped)
        {
            // A link that has ended takes its count along.
            let moved = u128::from(moved.saturating_sub(before));
            let seen = moved * 1000 / took.as_millis().max(1);
            rate.bytes_s = u64::midpoint(rate.bytes_s, u64::try_from(seen).unwrap_or(u64::MAX));
        }
        rate.since = (load.waiting_bytes > 0 && !is_grouped).then_some((now, moved));
    }

    /// Offers a group to the neighbour with whom it gains most, if there is one.
    fn propose(&mut self, now: Duration, loads: &[Load]) {
        if !self.may_take_part() {
            return;
        }
        let best = loads
            .iter()
            .filter(|load| load.links.iter().all(|(_, cost, _)| *cost != CostClass::Wifi))
            .filter(|load| self.budget.proposes(now, load.neighbour, load.is_contact))
            .filter_map(|load| {
                let (link, ..) = load.links.iter().find(|(_, cost, _)| is_near(*cost))?;
                let rate = self.rates.get(&load.neighbour)?.bytes_s;
                let is_worth = is_worth(load.waiting_bytes, rate, self.power);
                is_worth
                    .then_some((load.waiting_bytes, Partner { key: load.neighbour, link: *link }))
            })
            .max_by_key(|(bytes, _)| *bytes);
        let Some((_, to)) = best else { return };
        let (own, credentials) = (self.side(), Credentials::random(&mut self.rng));
        self.begin(now, to.key);
        self.tell(to.link, WifiDirectNote::Offer { side: own, credentials: credentials.clone() });
        let plan = Plan { with: to, credentials, until: now + ANSWER_TIMEOUT };
        self.state = State::Offered { plan, own };
    }

    fn take_offer(&mut self, now: Duration, from: Partner, side: Side, credentials: Credentials) {
        let (own, name) = (self.side(), credentials.name().to_owned());
        let is_allowed = self.may_begin(now, from.key);
        let channel_mhz = match (channel_mhz(side, own), &mut self.state) {
            // Both have asked at once: of the two offers the one with the smaller name stands.
            (Some(_), State::Offered { plan, .. })
                if plan.with.key == from.key && plan.credentials.name() < &*name =>
            {
                return;
            }
            (Some(mhz), State::Offered { plan, .. } | State::Awaiting(plan))
                if plan.with.key == from.key =>
            {
                mhz
            }
            (Some(mhz), State::Free) if is_allowed => {
                self.begin(now, from.key);
                mhz
            }
            (Some(_), State::Up(Group { open: Some(open), members, until, .. }))
                if is_allowed && members.len() < MAX_MEMBERS =>
            {
                let (credentials, listens_on) = open.clone();
                members.insert(from.key, from.link);
                *until = (*until).max(now + ARRIVAL);
                self.begin(now, from.key);
                return self.tell(from.link, WifiDirectNote::Ready { credentials, listens_on });
            }
            _ => return self.tell(from.link, WifiDirectNote::Decline { name }),
        };
        self.tell(from.link, WifiDirectNote::Accept { name, side: own });
        self.agree(now, from, credentials, channel_mhz, !owns(side, own));
    }

    fn take_acceptance(&mut self, now: Duration, from: Partner, name: &str, side: Side) {
        let State::Offered { plan, own } = &self.state else { return };
        if plan.with.key != from.key || plan.credentials.name() != name {
            return;
        }
        let (credentials, owns) = (plan.credentials.clone(), owns(*own, side));
        match channel_mhz(*own, side) {
            None => self.give_up(now),
            Some(channel_mhz) => self.agree(now, from, credentials, channel_mhz, owns),
        }
    }

    /// Both sides want the group, and know whose it is to be.
    fn agree(
        &mut self,
        now: Duration,
        with: Partner,
        credentials: Credentials,
        channel_mhz: u16,
        is_owner: bool,
    ) {
        if !is_owner {
            let until = now + READY_TIMEOUT;
            self.state = State::Awaiting(Plan { with, credentials, until });
            return;
        }
        self.commands.push_back(Command::CreateGroup {
            credentials: credentials.clone(),
            channel_mhz: Some(channel_mhz).filter(|mhz| *mhz != 0),
        });
        self.state = State::Creating(Plan { with, credentials, until: now + FORM_TIMEOUT });
    }

    /// The other side will not come, or cannot.
    fn take_refusal(&mut self, now: Duration, key: NeighbourKey, name: &str) {
        let is_over = match &mut self.state {
            State::Up(Group { open: Some((credentials, _)), members, .. }) => {
                credentials.name() == name && members.remove(&key).is_some() && members.is_empty()
            }
            _ => self
                .plan()
                .is_some_and(|plan| plan.with.key == key && plan.credentials.name() == name),
        };
        if is_over {
            self.abandon(now);
        }
    }

    /// Only who has offered, or agreed to join, does.
    fn take_ready(
        &mut self,
        now: Duration,
        from: Partner,
        credentials: Credentials,
        listens_on: SocketAddr,
    ) {
        let is_awaited = match &self.state {
            // Who has a group already says so in place of accepting.
            State::Offered { plan, .. } => plan.with.key == from.key,
            State::Awaiting(plan) => plan.with.key == from.key && plan.credentials == credentials,
            _ => false,
        };
        if is_awaited {
            self.commands.push_back(Command::JoinGroup { credentials: credentials.clone() });
            let plan = Plan { with: from, credentials, until: now + FORM_TIMEOUT };
            self.state = State::Joining { plan, listens_on };
        }
    }

    /// The radio is in a group.
    fn enter(&mut self, now: Duration, own: IpAddr, interface: u32) {
        let enter = Action::Enter { own, interface };
        let (with, open) = match &self.state {
            State::Creating(Plan { with, credentials, .. }) => {
                let open = (credentials.clone(), SocketAddr::new(own, self.port));
                let (credentials, listens_on) = open.clone();
                let note = WifiDirectNote::Ready { credentials, listens_on };
                self.actions.extend([enter, Action::Tell { link: with.link, note }]);
                (*with, Some(open))
            }
            State::Joining { plan, listens_on } => {
                let Some(at) = inside(*listens_on, own, interface) else {
                    return self.give_up(now);
                };
                self.actions.extend([enter, Action::Dial { at }]);
                (plan.with, None)
            }
            // It is in one for this node already, or for nobody any more.
            State::Up(_) => return,
            _ => return self.leave(now),
        };
        self.state = State::Up(Group {
            open,
            members: BTreeMap::from([(with.key, with.link)]),
            moved_bytes: 0,
            busy_bytes: 0,
            until: now + ARRIVAL,
            links: BTreeMap::new(),
        });
    }

    /// Leaves whatever is there or on its way, and says so.
    fn give_up(&mut self, now: Duration) {
        self.decline();
        self.abandon(now);
    }

    /// Leaves whatever is there or on its way.
    fn abandon(&mut self, now: Duration) {
        let is_at_radio =
            matches!(self.state, State::Creating(_) | State::Joining { .. } | State::Up(_));
        self.end(now);
        if is_at_radio {
            self.leave(now);
        }
    }

    fn leave(&mut self, now: Duration) {
        self.commands.push_back(Command::RemoveGroup);
        self.state = State::Leaving { until: now + LEAVE_TIMEOUT };
    }

    /// The radio has no group, or not any more. One that it was not asked for yet is still to come.
    fn lose(&mut self, now: Duration) {
        if self.station.is_none()
            || !matches!(self.state, State::Offered { .. } | State::Awaiting(_))
        {
            self.decline();
            self.end(now);
        }
    }

    fn decline(&mut self) {
        if let Some(plan) = self.plan() {
            let (link, name) = (plan.with.link, plan.credentials.name().to_owned());
            self.tell(link, WifiDirectNote::Decline { name });
        }
    }

    /// Whatever was there or on its way is over.
    fn end(&mut self, now: Duration) {
        match mem::replace(&mut self.state, State::Free) {
            State::Free | State::Leaving { .. } => {}
            State::Offered { plan, .. }
            | State::Awaiting(plan)
            | State::Creating(plan)
            | State::Joining { plan, .. } => {
                self.budget.failed(now, plan.with.key, &mut self.rng);
            }
            State::Up(group) => {
                self.actions.push_back(Action::Leave);
                for key in group.members.into_keys() {
                    if group.moved_bytes >= USEFUL_BYTES {
                        self.budget.succeeded(now, key);
                    } else {
                        self.budget.failed(now, key, &mut self.rng);
                    }
                }
            }
        }
    }

    fn plan(&self) -> Option<&Plan> {
        match &self.state {
            State::Offered { plan, .. }
            | State::Awaiting(plan)
            | State::Creating(plan)
            | State::Joining { plan, .. } => Some(plan),
            State::Free | State::Up(_) | State::Leaving { .. } => None,
        }
    }

    fn may_take_part(&self) -> bool {
        let is_free = matches!(self.station, Some(Station::Free | Station::Bound { .. }));
        is_free && self.power.mode() != PowerMode::Leaving
    }

    fn may_begin(&self, now: Duration, with: NeighbourKey) -> bool {
        self.may_take_part() && self.budget.allows(now, with, self.contacts.contains(&with))
    }

    fn begin(&mut self, now: Duration, with: NeighbourKey) {
        self.budget.begin(now, with, self.contacts.contains(&with));
    }

    fn side(&self) -> Side {
        let channel_mhz = match self.station {
            Some(Station::Bound { channel_mhz }) => channel_mhz,
            _ => 0,
        };
        Side { battery: battery(self.power), neighbours: self.neighbours, channel_mhz }
    }

    fn tell(&mut self, link: LinkId, note: WifiDirectNote) {
        self.actions.push_back(Action::Tell { link, note });
    }
}

impl Group {
    /// Stays as long as enough moves; that something is said to wait is not enough.
    fn watch(&mut self, now: Duration, loads: &[Load]) {
        let members = loads.iter().filter(|load| self.members.contains_key(&load.neighbour));
        let links = members.flat_map(|load| &load.links);
        let links: BTreeMap<LinkId, u64> = links
            .filter(|(_, cost, _)| *cost == CostClass::Wifi)
            .map(|(link, _, bytes)| (*link, *bytes))
            .collect();
        for (link, bytes) in &links {
            let before = self.links.get(link).copied().unwrap_or(0);
            self.moved_bytes += bytes.saturating_sub(before);
        }
        self.links = links;
        if self.moved_bytes >= self.busy_bytes + LITTLE_BYTES {
            self.busy_bytes = self.moved_bytes;
            self.until = now + IDLE;
        }
    }
}

impl Group {
    /// Members who have not come, and whose link broke after they were told where to call: they may
    /// not have heard it, and hear it over their next link.
    fn tell_again(&mut self, loads: &[Load]) -> Vec<Action> {
        let Some((credentials, listens_on)) = &self.open else { return Vec::new() };
        let mut actions = Vec::new();
        for load in loads {
            let Some(told) = self.members.get_mut(&load.neighbour) else { continue };
            let has_come = load.links.iter().any(|(_, cost, _)| *cost == CostClass::Wifi);
            let next =
                load.links.iter().find(|(_, cost, _)| is_near(*cost)).map(|(link, ..)| *link);
            let is_lost = load.links.iter().all(|(link, ..)| link != told);
            if let Some(link) = next.filter(|_| !has_come && is_lost) {
                *told = link;
                let (credentials, listens_on) = (credentials.clone(), *listens_on);
                let note = WifiDirectNote::Ready { credentials, listens_on };
                actions.push(Action::Tell { link, note });
            }
        }
        actions
    }
}

/// Where to call the owner: nowhere but in the group itself.
fn inside(listens_on: SocketAddr, own: IpAddr, interface: u32) -> Option<SocketAddr> {
    let is_inside = match (listens_on.ip(), own) {
        (IpAddr::V6(theirs), IpAddr::V6(_)) => theirs.is_unicast_link_local(),
        (IpAddr::V4(theirs), IpAddr::V4(own)) => {
            theirs != own && theirs.octets()[..3] == own.octets()[..3]
        }
        _ => false,
    };
    let scoped = match listens_on {
        SocketAddr::V6(at) => SocketAddrV6::new(*at.ip(), at.port(), 0, interface).into(),
        at @ SocketAddr::V4(_) => at,
    };
    (is_inside && listens_on.port() != 0).then_some(scoped)
}
