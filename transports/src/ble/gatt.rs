//! A stream of bytes over writes without response, or over notifications.
//!
//! Neither is confirmed: that a stack has taken a packet says nothing of the neighbour's. So each
//! packet has a number, and a sender may be [`WINDOW`] packets ahead of what the receiver has
//! granted. The first octet of a packet:
//!
//! ```text
//! 0nnnnnnn | bytes   data: packet n, modulo 128; not without bytes
//! 1nnnnnnn           grant: the packets before n may be sent
//! ```
//!
//! Both sides begin with [`WINDOW`] granted, so data may leave at once. Packets may overtake each other:
//! stacks with several channels for attributes (EATT: `BlueZ` by default, up to 5.66 and later) send
//! each on whichever is free. One that does not come ends the link. Bluetooth repeats on air until a packet has arrived, so a loss means that one of
//! the stacks has dropped it, which is rare as long as each waits for [`super::Fact::Writable`]; and
//! nothing is lost with the link, since the engine keeps each envelope until the neighbour has it.
//! A second retransmission would add buffers and timers to a case that hardly comes.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use thiserror::Error;

/// Packets that may be on the way: at 509 bytes each more than a round trip brings.
pub(crate) const WINDOW: u64 = 32;
/// A grant is due when so many packets have come since the last.
const GRANT_EVERY: u64 = WINDOW / 2;
/// Or when the oldest has waited so long.
const GRANT_DELAY: Duration = Duration::from_secs(1);
/// No value is longer, though the attribute limit is 512: `BlueZ` fails from 511 on.
const MAX_VALUE_BYTES: usize = 509;
/// Of an MTU, the operation code and the handle are no value.
const ATT_HEADER_BYTES: u16 = 3;
const GRANT: u8 = 0x80;
const MODULUS: u64 = 128;

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Broken {
    /// A packet is missing, or there never were such packets.
    #[error("a packet is missing")]
    Lost,
    /// More is granted than can be.
    #[error("impossible grant")]
    Grant,
    /// Nothing is granted any more.
    #[error("the neighbour takes nothing any more")]
    Stalled,
    /// Not this protocol.
    #[error("garbage")]
    Garbage,
}

/// Both directions of a stream.
#[derive(Debug)]
pub(crate) struct Gatt {
    sent: u64,
    limit: u64,
    /// Since when the oldest packet out waits for a grant.
    waits_since: Option<Duration>,
    /// All before this one have come.
    received: u64,
    /// What has overtaken them.
    ahead: BTreeMap<u64, Vec<u8>>,
    /// Since when those that were overtaken are waited for.
    gap_since: Option<Duration>,
    granted: u64,
    /// Since when packets that came are not granted anew.
    owes_since: Option<Duration>,
}

impl Gatt {
    pub(crate) fn new() -> Self {
        Self {
            sent: 0,
            limit: WINDOW,
            waits_since: None,
            received: 0,
            ahead: BTreeMap::new(),
            gap_since: None,
            granted: WINDOW,
            owes_since: None,
        }
    }

    fn acknowledged(&self) -> u64 {
        self.limit.saturating_sub(WINDOW)
    }

    /// A grant to write or notify, where one is due. `takes` says whether there is room for what
    /// comes in: if not, nothing more is granted.
    pub(crate) fn next_grant(&mut self, now: Duration, takes: bool) -> Option<Vec<u8>> {
        let owed = self.received + WINDOW - self.granted;
        let is_due = owed >= GRANT_EVERY || self.grant_at().is_some_and(|due| due <= now);
        (takes && owed > 0 && is_due).then(|| {
            self.granted += owed;
            self.owes_since = None;
            vec![GRANT | number(self.granted)]
        })
    }

    /// The next data to write or notify, if any may leave.
    pub(crate) fn next_data(
        &mut self,
        now: Duration,
        mtu: u16,
        outgoing: &mut VecDeque<u8>,
    ) -> Option<Vec<u8>> {
        if self.sent >= self.limit || outgoing.is_empty() {
            return None;
        }
        let room = usize::from(mtu.saturating_sub(ATT_HEADER_BYTES)).clamp(2, MAX_VALUE_BYTES) - 1;
        let length = room.min(outgoing.len());
        let mut value = Vec::with_capacity(1 + length);
        value.push(number(self.sent));
        value.extend(outgoing.drain(..length));
        self.sent += 1;
        self.waits_since.get_or_insert(now);
        Some(value)
    }

    /// A value has come in. Returns the bytes of the stream that it brings, or makes whole.
    pub(crate) fn receive<'a>(
        &mut self,
        now: Duration,
        value: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, Broken> {
        let (&head, bytes) = value.split_first().ok_or(Broken::Garbage)?;
        if bytes.is_empty() == (head & GRANT == 0) {
            return Err(Broken::Garbage);
        }
        if head & GRANT != 0 {
            return self.grant(now, head).map(|()| Cow::Borrowed(bytes));
        }
        let packet = self.received + u64::from(head.wrapping_sub(number(self.received)) & !GRANT);
        if packet >= self.granted || self.ahead.contains_key(&packet) {
            return Err(Broken::Lost);
        }
        if packet > self.received {
            self.ahead.insert(packet, bytes.to_vec());
            self.gap_since.get_or_insert(now);
            return Ok(Cow::Borrowed(&[]));
        }
        self.received += 1;
        self.owes_since.get_or_insert(now);
        let mut all = Cow::Borrowed(bytes);
        while let Some(next) = self.ahead.remove(&self.received) {
            self.received += 1;
            all.to_mut().extend(next);
        }
        self.gap_since = (!self.ahead.is_empty()).then_some(now);
        Ok(all)
    }

    fn grant(&mut self, now: Duration, head: u8) -> Result<(), Broken> {
        let more = u64::from(head.wrapping_sub(number(self.limit)) & !GRANT);
        // Later ones have overtaken it.
        if MODULUS - more <= 2 * WINDOW {
            return Ok(());
        }
        if self.limit + more > self.sent + WINDOW {
            return Err(Broken::Grant);
        }
        self.limit += more;
        if more > 0 {
            self.waits_since = (self.acknowledged() < self.sent).then_some(now);
        }
        Ok(())
    }

    /// Since when a packet is waited for that others have overtaken.
    pub(crate) fn gap_since(&self) -> Option<Duration> {
        self.gap_since
    }

    /// When a grant is due.
    pub(crate) fn grant_at(&self) -> Option<Duration> {
        self.owes_since.map(|since| since + GRANT_DELAY)
    }

    /// Since when packets are out that no grant has confirmed.
    pub(crate) fn waits_since(&self) -> Option<Duration> {
        self.waits_since
    }
}

fn number(count: u64) -> u8 {
    (count % MODULUS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    const START: Duration = Duration::ZERO;

    /// Sends all that may leave now.
    fn send(gatt: &mut Gatt, mtu: u16, outgoing: &mut VecDeque<u8>) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| gatt.next_data(START, mtu, outgoing)).collect()
    }

    #[test]
    fn a_stream_arrives_as_it_was_at_any_mtu() {
        for mtu in [0, 23, 185, 514, 517, u16::MAX] {
            let bytes: Vec<u8> = (0..100_000_u32).map(|it| (it % 251) as u8).collect();
            let (mut one, mut other) = (Gatt::new(), Gatt::new());
            let (mut outgoing, mut came) = (VecDeque::from(bytes.clone()), Vec::<u8>::new());
            while came.len() < bytes.len() {
                for value in send(&mut one, mtu, &mut outgoing) {
                    assert!(value.len() <= usize::from(mtu.max(5) - 3).min(509));
                    came.extend(&*other.receive(START, &value).unwrap());
                }
                let grant = other.next_grant(START + GRANT_DELAY, true).unwrap();
                assert!(one.receive(START, &grant).unwrap().is_empty());
            }
            assert_eq!(came, bytes, "{mtu}");
            assert_eq!(one.waits_since(), None);
        }
    }

    #[test]
    fn a_window_is_sent_and_then_what_is_granted() {
        let (mut one, mut other) = (Gatt::new(), Gatt::new());
        let mut outgoing = VecDeque::from(vec![7; 100_000]);
        let values = send(&mut one, 23, &mut outgoing);
        assert_eq!(values.len(), 32);
        let (most, last) = values.split_at(15);
        for value in most {
            other.receive(START, value).unwrap();
        }
        assert_eq!(other.next_grant(START, true), None);
        assert_eq!(other.grant_at(), Some(GRANT_DELAY));
        other.receive(START, &last[0]).unwrap();
        assert_eq!(other.next_grant(START, false), None, "no room");
        let grant = other.next_grant(START, true).unwrap();
        assert_eq!(grant, [0x80 + 48]);
        one.receive(START, &grant).unwrap();
        assert_eq!(send(&mut one, 23, &mut outgoing).len(), 16);
    }

    #[test]
    fn what_is_missing_impossible_or_empty_breaks_it() {
        let data = |packet: u8| vec![packet, 1];
        for (value, broken) in [
            (vec![], Broken::Garbage),
            (vec![0], Broken::Garbage),
            (vec![0x80 | 32, 1], Broken::Garbage),
            (data(32), Broken::Lost),
            (data(127), Broken::Lost),
            // None was sent, so there is nothing to grant beyond the window.
            (vec![0x80 + 33], Broken::Grant),
            (vec![0xda], Broken::Grant),
        ] {
            assert_eq!(Gatt::new().receive(START, &value), Err(broken), "{value:?}");
        }
        let mut gatt = Gatt::new();
        for packet in 0..32 {
            assert_eq!(*gatt.receive(START, &data(packet)).unwrap(), [1]);
        }
        assert_eq!(gatt.receive(START, &data(32)), Err(Broken::Lost), "none was granted");
    }

    #[test]
    fn packets_and_grants_that_overtake_each_other_are_put_in_order() {
        let mut rng = ChaCha8Rng::from_seed([1; 32]);
        let bytes: Vec<u8> = (0..50_000_u32).map(|it| (it % 251) as u8).collect();
        let (mut one, mut other) = (Gatt::new(), Gatt::new());
        let (mut outgoing, mut came) = (VecDeque::from(bytes.clone()), Vec::<u8>::new());
        let (mut data, mut grants) = (Vec::new(), Vec::new());
        while came.len() < bytes.len() {
            data.extend(send(&mut one, 23, &mut outgoing));
            if !data.is_empty() {
                let value = data.remove(rng.next_u32() as usize % data.len());
                came.extend(&*other.receive(START, &value).unwrap());
            }
            grants.extend(other.next_grant(START + GRANT_DELAY, true));
            if grants.len() > 1 || data.is_empty() {
                for grant in grants.drain(..).rev() {
                    assert!(one.receive(START, &grant).unwrap().is_empty());
                }
            }
        }
        assert_eq!(came, bytes);
        assert_eq!(other.gap_since(), None);
    }

    #[test]
    fn it_is_known_since_when_a_packet_is_missing() {
        let mut gatt = Gatt::new();
        for (packet, at, since) in [
            (0, 0, None),
            (2, 1, Some(1)),
            (5, 2, Some(1)),
            (1, 3, Some(3)),
            (3, 4, Some(4)),
            (4, 5, None),
        ] {
            gatt.receive(Duration::from_secs(at), &[packet, 1]).unwrap();
            assert_eq!(gatt.gap_since(), since.map(Duration::from_secs), "{packet}");
        }
        gatt.receive(START, &[7, 1]).unwrap();
        assert_eq!(gatt.receive(START, &[7, 1]), Err(Broken::Lost), "twice");
    }

    #[test]
    fn it_is_known_since_when_no_grant_comes() {
        let mut gatt = Gatt::new();
        let mut outgoing = VecDeque::from(vec![7; 1000]);
        assert_eq!(gatt.waits_since(), None);
        let (one, two, three) =
            (START + GRANT_DELAY, START + 2 * GRANT_DELAY, START + 3 * GRANT_DELAY);
        gatt.next_data(one, 23, &mut outgoing).unwrap();
        gatt.next_data(two, 23, &mut outgoing).unwrap();
        assert_eq!(gatt.waits_since(), Some(one));
        gatt.receive(three, &[0x80 + 33]).unwrap();
        assert_eq!(gatt.waits_since(), Some(three), "one is still out");
        gatt.receive(three, &[0x80 + 34]).unwrap();
        assert_eq!(gatt.waits_since(), None);
    }
}
