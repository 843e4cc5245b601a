//! When the radio scans and how often it advertises, within what systems allow; and how long it was
//! on, by kind.

use super::command::{Command, Tag};
use rand_core::Rng;
use std::{collections::VecDeque, time::Duration};

/// How eager the radio is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Duty {
    /// Somebody looks at the screen, or the device is fed.
    Performance,
    /// The usual.
    #[default]
    Balanced,
    /// The battery is low.
    Saver,
    /// Nobody looks. On iOS the system decides then, and a shell's timers stand still.
    Background,
}

/// What the shell runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Android.
    Android,
    /// iOS: advertises no data, and scans at the system's pace in the background.
    Ios,
    /// Linux.
    Bluez,
}

impl Platform {
    pub(crate) fn advertises_tags(self) -> bool {
        self != Self::Ios
    }

    /// iOS asks for the MTU on its own.
    pub(crate) fn asks_for_mtu(self) -> bool {
        self != Self::Ios
    }
}

/// How long the radio was on, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Listening for advertisements: scan windows only.
    pub scanning: Duration,
    /// Having an advertisement out.
    pub advertising: Duration,
    /// Advertisements sent in that time.
    pub advertisements: u64,
    /// Waiting for connections to come about.
    pub connecting: Duration,
    /// Connections kept: two at a time count double.
    pub connected: Duration,
    /// Bytes written, notified and sent, without the stack's headers.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Packets that `sent_bytes` went in.
    pub sent_packets: u64,
    /// Scans started.
    pub scan_starts: u64,
    /// Connections asked for.
    pub connects: u64,
}

impl Usage {
    /// Counts what is written.
    pub(crate) fn sent(&mut self, command: &Command) {
        if let Command::Write { value: bytes, .. }
        | Command::Notify { value: bytes, .. }
        | Command::Send { bytes, .. } = command
        {
            self.sent_bytes += bytes.len() as u64;
            self.sent_packets += 1;
        }
    }
}

/// How long a scan goes on, and how long it then pauses. A neighbour advertises at least once in
/// each second of a scan, so one scan finds all that are in reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cycle {
    on_s: u64,
    off_s: u64,
}

/// Android starves whoever starts more than five scans in 30 s; one is left for the shell's restarts.
const MAX_STARTS: usize = 4;
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// The tag changes with each new message; an advertisement need not.
const ADVERTISE_SPACING: Duration = Duration::from_secs(10);
/// After a scan or an advertisement that could not start.
const RETRY: Duration = Duration::from_secs(30);
/// A listening radio hears all of a burst; the pauses between bursts are what saves.
const INTERVAL: Duration = Duration::from_millis(100);

/// How often mode and platform have it, in crowds less: bitchat's and `OpenTrace`'s figures.
fn cycle(platform: Platform, duty: Duty, is_crowded: bool) -> Option<Cycle> {
    let (on_s, off_s) = match (platform, duty, is_crowded) {
        // Started once: the system paces it, and no timer would end it.
        (Platform::Ios, Duty::Background, _) => return None,
        (Platform::Ios, Duty::Performance, false) => (5, 10),
        (Platform::Ios, Duty::Performance, true) => (3, 15),
        (_, Duty::Performance, false) => (8, 2),
        (_, Duty::Performance, true) => (8, 12),
        (_, Duty::Balanced, false) => (2, 28),
        (_, Duty::Balanced, true) => (2, 58),
        (_, Duty::Saver | Duty::Background, false) => (1, 59),
        (_, Duty::Saver | Duty::Background, true) => (1, 119),
    };
    Some(Cycle { on_s, off_s })
}

/// At least one advertisement falls into the shortest scan of any neighbour.
fn advertise_every(duty: Duty) -> Duration {
    Duration::from_millis(match duty {
        Duty::Performance => 100,
        Duty::Balanced => 250,
        Duty::Saver | Duty::Background => 800,
    })
}

/// What the radio does besides connections.
#[derive(Debug)]
pub(crate) struct Radio {
    platform: Platform,
    duty: Duty,
    is_crowded: bool,
    is_on: bool,
    is_scanning: bool,
    /// When the present scan ends or the next begins; none for a scan without end.
    turn: Option<Duration>,
    starts: VecDeque<Duration>,
    advertised: Option<(Option<Tag>, Duration)>,
    advertise_at: Duration,
    pub(crate) tag: Option<Tag>,
    pub(crate) usage: Usage,
    counted_to: Duration,
    /// Parts of an advertisement that are not yet counted.
    advertised_rest: Duration,
}

impl Radio {
    pub(crate) fn new(platform: Platform, duty: Duty) -> Self {
        Self {
            platform,
            duty,
            is_crowded: false,
            is_on: false,
            is_scanning: false,
            turn: None,
            starts: VecDeque::new(),
            advertised: None,
            advertise_at: Duration::ZERO,
            tag: None,
            usage: Usage::default(),
            counted_to: Duration::ZERO,
            advertised_rest: Duration::ZERO,
        }
    }

    /// Accounts for the time since the last call.
    pub(crate) fn count(&mut self, now: Duration, connections: u32, is_connecting: bool) {
        let passed = now.saturating_sub(self.counted_to);
        self.counted_to = self.counted_to.max(now);
        if self.is_scanning {
            self.usage.scanning += passed;
        }
        if let Some((_, interval)) = self.advertised {
            self.usage.advertising += passed;
            let time = self.advertised_rest + passed;
            let count = (time.as_nanos() / interval.as_nanos()) as u32;
            self.usage.advertisements += u64::from(count);
            self.advertised_rest = time.saturating_sub(interval * count);
        }
        if is_connecting {
            self.usage.connecting += passed;
        }
        self.usage.connected += passed * connections;
    }

    pub(crate) fn adapter_on(&mut self, now: Duration) {
        *self = Self {
            is_on: true,
            is_scanning: false,
            turn: Some(now),
            advertised: None,
            advertise_at: now,
            starts: std::mem::take(&mut self.starts),
            ..*self
        };
    }

    pub(crate) fn adapter_off(&mut self) {
        self.is_on = false;
        self.is_scanning = false;
        self.advertised = None;
        self.turn = None;
    }

    pub(crate) fn duty(&self) -> Duty {
        self.duty
    }

    pub(crate) fn set_duty(&mut self, now: Duration, duty: Duty) {
        let is_livelier = duty < self.duty;
        let was_paced = self.is_paced();
        self.duty = duty;
        // A pause of the thriftier mode is not sat out.
        if self.is_on && (is_livelier || was_paced != self.is_paced()) {
            self.turn = Some(now);
            self.advertise_at = now;
        }
    }

    /// In a crowd there is less to find: the present pause is the last of its length.
    pub(crate) fn set_crowd(&mut self, is_crowded: bool) {
        self.is_crowded = is_crowded;
    }

    fn is_paced(&self) -> bool {
        cycle(self.platform, self.duty, self.is_crowded).is_some()
    }

    pub(crate) fn scan_failed(&mut self, now: Duration) {
        self.is_scanning = false;
        self.turn = self.is_on.then_some(now + RETRY);
    }

    pub(crate) fn advertise_failed(&mut self, now: Duration) {
        self.advertised = None;
        self.advertise_at = now + RETRY;
    }

    /// What is to change now.
    pub(crate) fn next_command(&mut self, now: Duration, rng: &mut impl Rng) -> Option<Command> {
        if !self.is_on {
            return None;
        }
        self.advertise(now).or_else(|| self.scan(now, rng))
    }

    fn wanted_advertisement(&self) -> (Option<Tag>, Duration) {
        (self.tag.filter(|_| self.platform.advertises_tags()), advertise_every(self.duty))
    }

    fn advertise(&mut self, now: Duration) -> Option<Command> {
        let wanted = self.wanted_advertisement();
        if self.advertised == Some(wanted) || now < self.advertise_at {
            return None;
        }
        self.advertised = Some(wanted);
        self.advertise_at = now + ADVERTISE_SPACING;
        Some(Command::Advertise { tag: wanted.0, interval: wanted.1 })
    }

    fn scan(&mut self, now: Duration, rng: &mut impl Rng) -> Option<Command> {
        self.turn.filter(|turn| *turn <= now)?;
        let cycle = cycle(self.platform, self.duty, self.is_crowded);
        match (self.is_scanning, cycle) {
            (true, None) => {
                self.turn = None;
                None
            }
            (true, Some(cycle)) => {
                self.is_scanning = false;
                // Those who began together shall not stay together.
                let jitter_ms = u64::from(rng.next_u32()) % (cycle.off_s * 200);
                self.turn = Some(now + Duration::from_millis(cycle.off_s * 900 + jitter_ms));
                Some(Command::StopScan)
            }
            (false, _) => {
                while self.starts.front().is_some_and(|start| *start + STARTS_WITHIN < now) {
                    self.starts.pop_front();
                }
                if self.starts.len() >= MAX_STARTS {
                    let first = self.starts.front().copied().unwrap_or(now);
                    self.turn = Some(first + STARTS_WITHIN + Duration::from_millis(1));
                    return None;
                }
                self.starts.push_back(now);
                self.usage.scan_starts += 1;
                self.is_scanning = true;
                self.turn = cycle.map(|cycle| now + Duration::from_secs(cycle.on_s));
                Some(Command::Scan { window: INTERVAL, interval: INTERVAL })
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        let outdated = self.advertised != Some(self.wanted_advertisement());
        let advertise = (self.is_on && outdated).then_some(self.advertise_at);
        self.turn.into_iter().chain(advertise).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// What is commanded until then, and when, looking at each deadline.
    fn run(radio: &mut Radio, from: Duration, to: Duration) -> Vec<(Duration, Command)> {
        let mut rng = ChaCha8Rng::from_seed([1; 32]);
        let (mut now, mut commands) = (from, Vec::new());
        while now < to {
            radio.count(now, 0, false);
            while let Some(command) = radio.next_command(now, &mut rng) {
                commands.push((now, command));
            }
            now = radio.deadline().unwrap_or(to).clamp(now + Duration::from_millis(1), to);
        }
        radio.count(to, 0, false);
        commands
    }

    fn on(platform: Platform, duty: Duty) -> Radio {
        let mut radio = Radio::new(platform, duty);
        radio.adapter_on(Duration::ZERO);
        radio
    }

    #[test]
    fn each_mode_listens_for_its_share_and_the_account_says_so() {
        for (duty, share) in [
            (Duty::Performance, 8.0 / 10.0),
            (Duty::Balanced, 2.0 / 30.0),
            (Duty::Saver, 1.0 / 60.0),
            (Duty::Background, 1.0 / 60.0),
        ] {
            let mut radio = on(Platform::Android, duty);
            run(&mut radio, Duration::ZERO, s(86_400));
            let listens = radio.usage.scanning.as_secs_f64() / 86_400.0;
            assert!((listens / share - 1.0).abs() < 0.05, "{duty:?}: {listens}");
            assert_eq!(radio.usage.advertising, s(86_400));
            let advertisements = s(86_400).as_millis() / advertise_every(duty).as_millis();
            assert_eq!(u128::from(radio.usage.advertisements), advertisements, "{duty:?}");
        }
    }

    #[test]
    fn ios_in_the_background_is_told_once() {
        let mut radio = on(Platform::Ios, Duty::Background);
        radio.tag = Some([1; 4]);
        let commands = run(&mut radio, Duration::ZERO, s(3600));
        let is_untagged = |it: &Command| matches!(it, Command::Advertise { tag: None, .. });
        assert_eq!(commands.len(), 2, "{commands:?}");
        assert!(commands.iter().any(|(_, it)| is_untagged(it)));
        assert!(commands.iter().any(|(_, it)| matches!(it, Command::Scan { .. })));
    }

    #[test]
    fn a_livelier_mode_sits_out_no_pause_and_starts_no_scan_too_many() {
        let mut radio = on(Platform::Android, Duty::Saver);
        run(&mut radio, Duration::ZERO, s(5));
        radio.set_duty(s(5), Duty::Performance);
        let commands = run(&mut radio, s(5), s(6));
        assert!(commands.iter().any(|(_, it)| matches!(it, Command::Scan { .. })));
        // Whoever turns it over and over is held back.
        let mut starts = Vec::new();
        for turn in 6..120 {
            let duty = if turn % 2 == 0 { Duty::Saver } else { Duty::Performance };
            radio.set_duty(s(turn), duty);
            for (at, command) in run(&mut radio, s(turn), s(turn + 1)) {
                if matches!(command, Command::Scan { .. }) {
                    starts.push(at);
                }
            }
        }
        assert!(starts.len() > 8);
        assert!(starts.windows(5).all(|it| it[4] > it[0] + STARTS_WITHIN), "{starts:?}");
    }

    #[test]
    fn a_new_tag_waits_and_a_failure_too() {
        let mut radio = on(Platform::Bluez, Duty::Balanced);
        radio.tag = Some([1; 4]);
        run(&mut radio, Duration::ZERO, s(1));
        radio.tag = Some([2; 4]);
        let advertised = |commands: Vec<(Duration, Command)>| {
            let is_it = |(_, it): &(_, Command)| matches!(it, Command::Advertise { .. });
            commands.into_iter().find(is_it).map(|(at, _)| at)
        };
        assert_eq!(advertised(run(&mut radio, s(1), s(20))), Some(ADVERTISE_SPACING));
        radio.advertise_failed(s(20));
        assert_eq!(advertised(run(&mut radio, s(20), s(90))), Some(s(20) + RETRY));
    }
}
