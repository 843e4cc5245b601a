//! One connection: from the moment it is wanted to the last byte.

use super::command::{Bearer, Command, Connection, Side};
use super::controller::NodeId;
use super::gatt::{Broken, Gatt};
use crate::frames::Unjoin;
use std::{borrow::Cow, collections::VecDeque, time::Duration};

/// The longest frame. On a slow radio a longer one holds up what is more urgent.
pub const MAX_FRAME_BYTES: usize = 4096;
/// From this on no more frames are taken for sending.
const FULL_BYTES: usize = 2 * MAX_FRAME_BYTES;
/// From this on nothing more is granted to a neighbour whose frames nobody fetches.
const UNFETCHED_BYTES: usize = 16 * 1024;
/// A frame of no bytes says that no more come.
const END: [u8; 2] = [0; 2];
/// After its end a link waits so long for the neighbour to have taken everything.
const END_LIMIT: Duration = Duration::from_secs(5);
/// A neighbour that takes nothing for so long is gone.
const STALL: Duration = Duration::from_secs(30);
/// A packet that others have overtaken for so long is lost.
const GAP: Duration = Duration::from_secs(15);
/// Bytes handed to an L2CAP channel at once.
const SEND_BYTES: usize = 4096;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is asked for.
    Connecting,
    /// A central agrees on the MTU.
    Mtu,
    /// It reads what the neighbour is and has.
    Info,
    /// It opens an L2CAP channel.
    Channel,
    /// It enables notifications.
    Subscribing,
    /// A peripheral waits for either of the two.
    Waiting,
    /// Frames flow.
    Up,
    /// It is to end, and need only be seen to.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Tells it from an earlier one with the same device.
    pub(crate) number: u64,
    pub(crate) stage: Stage,
    /// By when the stage must be over, if it must.
    pub(crate) until: Option<Duration>,
    pub(crate) up_at: Duration,
    pub(crate) active_at: Duration,
    pub(crate) nodes: Option<Nodes>,
    pub(crate) mtu: u16,
    /// None: a peripheral learns it by the neighbour's first bytes.
    pub(crate) bearer: Option<Bearer>,
    /// Since when the stack has had the last write.
    writes_since: Option<Duration>,
    is_ending: bool,
    has_end: bool,
    gatt: Gatt,
    outgoing: VecDeque<u8>,
    incoming: Unjoin,
    unfetched_bytes: usize,
}

/// Who is at the ends of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nodes {
    pub(crate) own: NodeId,
    pub(crate) neighbour: NodeId,
}

impl Nodes {
    /// Which of the two is the central of a link.
    pub(crate) fn central(self, side: Side) -> NodeId {
        match side {
            Side::Central => self.own,
            Side::Peripheral => self.neighbour,
        }
    }
}

impl Link {
    pub(crate) fn new(number: u64, now: Duration, stage: Stage, limit: Duration) -> Self {
        Self {
            number,
            stage,
            until: Some(now + limit),
            up_at: now,
            active_at: now,
            nodes: None,
            mtu: 0,
            bearer: None,
            writes_since: None,
            is_ending: false,
            has_end: false,
            gatt: Gatt::new(),
            outgoing: VecDeque::new(),
            incoming: Unjoin::new(MAX_FRAME_BYTES),
            unfetched_bytes: 0,
        }
    }

    pub(crate) fn enter(&mut self, stage: Stage, until: Option<Duration>) {
        (self.stage, self.until) = (stage, until);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    /// Whether more may be pushed.
    pub(crate) fn has_room(&self) -> bool {
        self.outgoing.len() < FULL_BYTES && !self.is_ending
    }

    /// Takes bytes of joined frames for sending.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.outgoing.extend(bytes);
    }

    /// Nothing more is pushed: the neighbour is told after all that was, and disconnects.
    pub(crate) fn end(&mut self, now: Duration) {
        if !self.is_ending {
            self.is_ending = true;
            self.until = Some(now + END_LIMIT);
            self.outgoing.extend(END);
        }
    }

    /// Whether this side has ended it.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending
    }

    /// Whether the neighbour has ended it in order.
    pub(crate) fn has_end(&self) -> bool {
        self.has_end
    }

    /// Whether all is fetched that came before the neighbour's end.
    pub(crate) fn is_over(&self) -> bool {
        self.has_end && self.unfetched_bytes == 0
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.outgoing.is_empty() || self.writes_since.is_some()
    }

    /// Whether what the neighbour sends is fetched fast enough.
    pub(crate) fn takes(&self) -> bool {
        self.unfetched_bytes < UNFETCHED_BYTES
    }

    /// A frame of so many bytes has been fetched.
    pub(crate) fn fetched(&mut self, bytes: usize) {
        self.unfetched_bytes = self.unfetched_bytes.saturating_sub(bytes);
    }

    /// What to write next, where the stack and the neighbour can take it.
    pub(crate) fn next_write(&mut self, now: Duration, connection: Connection) -> Option<Command> {
        if self.writes_since.is_some() || !self.is_up() {
            return None;
        }
        let command = match self.bearer? {
            Bearer::L2cap if self.outgoing.is_empty() => None,
            Bearer::L2cap => {
                let length = self.outgoing.len().min(SEND_BYTES);
                self.active_at = now;
                Some(Command::Send { connection, bytes: self.outgoing.drain(..length).collect() })
            }
            Bearer::Gatt => self.next_value(now).map(|value| match connection.side {
                Side::Central => Command::Write { connection, value },
                Side::Peripheral => Command::Notify { connection, value },
            }),
        };
        self.writes_since = command.is_some().then_some(now);
        command
    }

    fn next_value(&mut self, now: Duration) -> Option<Vec<u8>> {
        let grant = self.gatt.next_grant(now, self.takes());
        grant.or_else(|| {
            let data = self.gatt.next_data(now, self.mtu, &mut self.outgoing)?;
            self.active_at = now;
            Some(data)
        })
    }

    /// Bytes have come in: the frames that are whole by them.
    ///
    /// # Errors
    /// They are not what a neighbour sends: the link ends.
    pub(crate) fn receive(
        &mut self,
        now: Duration,
        bearer: Bearer,
        bytes: &[u8],
    ) -> Result<Vec<Vec<u8>>, Broken> {
        if *self.bearer.get_or_insert(bearer) != bearer {
            return Err(Broken::Garbage);
        }
        let bytes = match bearer {
            Bearer::Gatt => self.gatt.receive(now, bytes)?,
            Bearer::L2cap => Cow::Borrowed(bytes),
        };
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        self.active_at = now;
        self.incoming.extend(&bytes);
        let mut frames = Vec::new();
        while let Some(frame) = self.incoming.next().map_err(|_| Broken::Garbage)? {
            if self.has_end {
                return Err(Broken::Garbage);
            }
            self.has_end = frame.is_empty();
            if !self.has_end {
                self.unfetched_bytes += frame.len();
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    /// The stack has taken the last write.
    pub(crate) fn writable(&mut self) {
        self.writes_since = None;
    }

    /// Ends a link whose neighbour takes nothing, or that has lost a packet.
    pub(crate) fn check(&self, now: Duration) -> Result<(), Broken> {
        if self.lost_at().is_some_and(|at| at <= now) {
            return Err(Broken::Lost);
        }
        match self.stalls_at() {
            Some(at) if at <= now => Err(Broken::Stalled),
            _ => Ok(()),
        }
    }

    fn lost_at(&self) -> Option<Duration> {
        self.gatt.gap_since().map(|since| since + GAP)
    }

    fn stalls_at(&self) -> Option<Duration> {
        let waits_since = self.gatt.waits_since().into_iter().chain(self.writes_since).min();
        waits_since.map(|since| since + STALL)
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        let may_grant = self.is_up() && self.writes_since.is_none() && self.takes();
        let grant = self.gatt.grant_at().filter(|_| may_grant);
        self.until.into_iter().chain(self.stalls_at()).chain(self.lost_at()).chain(grant).min()
    }
}
