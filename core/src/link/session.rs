//! A session: the state of one link, and what waits to go out on it.
//!
//! The session knows frames, order and bounds; what frames mean is the node's business.

use super::bodies::{Bodies, Piece};
use super::custody::Custody;
use super::frame::{FIRST_EXTENSION, Frame, Hello, Passage, acks_that_fit, heads_that_fit, kind};
use super::heard::Heard;
use super::noise::Noise;
use super::reassembly::{Reassembly, frame_at};
use super::turns::Turns;
use super::{CloseReason, LinkId, LinkInfo, Role, Violation};
use crate::chat::ContactId;
use crate::envelope::{BodyKey, EnvelopeId, FragmentAck};
use crate::routing::{NeighbourId, Told, TransferOrder};
use crate::store::{Carried, EnvelopeRow, SteadyMs};
use crate::sync::{Numbers, Reconciler};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What may wait of one kind of small news. A neighbour that keeps asking and does not read must
/// not fill the memory; what is left out is found by the next reconciliation.
pub(super) const MAX_WAITING: usize = 16_384;
/// Envelopes asked of one neighbour at once.
const MAX_WISHES: usize = 4096;
/// Acknowledgements of each kind that a link with twins may lose as it breaks: they are said again.
const MAX_SAID: usize = 256;

pub(crate) struct Session {
    pub(crate) info: LinkInfo,
    pub(crate) noise: Noise,
    pub(crate) reassembly: Reassembly,
    /// When a handshake that is not over by then is given up, and a reconciliation's memory freed.
    pub(crate) deadline: SteadyMs,
    pub(crate) hello: Option<Hello>,
    /// Whose mark the neighbour has shown, before it has proven to be them.
    pub(crate) marked: Option<ContactId>,
    /// Whom the neighbour has proven to be.
    pub(crate) contact: Option<ContactId>,
    /// Whether this node's items were counted for the reconciliation: whatever comes in later is
    /// offered one by one.
    pub(crate) is_counted: bool,
    /// The reconciliation, while it runs: a responder never hears that it is over.
    pub(crate) reconciler: Option<Reconciler>,
    pub(crate) closed: Option<CloseReason>,
    /// What is on its way to this neighbour, by the head of its id, until it says «taken».
    pub(crate) in_flight: BTreeMap<u64, EnvelopeRow>,
    /// By what the neighbour is known again.
    pub(crate) neighbour: Option<NeighbourId>,
    /// What the neighbour need not be told of.
    heard: Heard,
    /// Asked of the neighbour, and not come yet.
    pub(crate) wished: BTreeSet<u64>,
    /// Offered by the neighbour while another link was already bringing it.
    pub(crate) passed_over: BTreeSet<u64>,
    /// Offered by the neighbour while as much as may be was asked of it.
    surplus: VecDeque<u64>,
    /// Bodies in fragments, on both sides.
    pub(crate) bodies: Bodies,
    /// What the neighbour knows by mailbox tags.
    pub(crate) told: Told,
    /// Bytes of envelopes, both ways.
    pub(crate) moved_bytes: u64,
    pub(crate) custody: Custody,
    /// The other links to the same neighbour.
    pub(crate) twins: Vec<LinkId>,
    /// Acknowledgements that went out last, and may not have arrived; noted where there are twins.
    said_acks: VecDeque<[u8; 32]>,
    said_proofs: VecDeque<EnvelopeId>,
    /// Since the node last looked.
    traffic: Traffic,
    outbox: Outbox,
}

/// Frame bytes that have gone out, by what they were for; framing and authentication included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Handshakes, without the reconciliation's sketch.
    pub handshake_bytes: u64,
    /// Finding out what either side lacks.
    pub sync_bytes: u64,
    /// Envelopes.
    pub envelope_bytes: u64,
    /// Acknowledgements.
    pub ack_bytes: u64,
    /// Greetings, proofs, receipts, offers.
    pub other_bytes: u64,
}

impl Traffic {
    /// All of them.
    pub fn total_bytes(&self) -> u64 {
        self.handshake_bytes
            + self.sync_bytes
            + self.envelope_bytes
            + self.ack_bytes
            + self.other_bytes
    }

    pub(crate) fn merge(&mut self, more: Self) {
        self.handshake_bytes += more.handshake_bytes;
        self.sync_bytes += more.sync_bytes;
        self.envelope_bytes += more.envelope_bytes;
        self.ack_bytes += more.ack_bytes;
        self.other_bytes += more.other_bytes;
    }

    fn add(&mut self, payload: &[u8], bytes: u64) {
        let Some(&kind) = payload.first() else { return };
        *match kind {
            kind::SYNC | kind::HOLDING | kind::TAGGED_HOLDING | kind::FETCH | kind::LACK => {
                &mut self.sync_bytes
            }
            kind::ENVELOPE | kind::ENVELOPE_PART => &mut self.envelope_bytes,
            kind::ACKS | kind::FRAGMENT_ACKS | kind::RELEASE => &mut self.ack_bytes,
            _ => &mut self.other_bytes,
        } += bytes;
    }
}

/// Everything that waits for the link to be writable, in the order in which it goes.
#[derive(Default)]
struct Outbox {
    /// Handshake messages, encrypted already.
    handshake: VecDeque<Vec<u8>>,
    /// Single frames, encoded.
    control: VecDeque<Vec<u8>>,
    held_acks: VecDeque<[u8; 32]>,
    proofs: VecDeque<EnvelopeId>,
    taken: VecDeque<u64>,
    wants: VecDeque<u64>,
    offers: VecDeque<u64>,
    turns: Turns,
    /// The fragments among them.
    pieces: BTreeMap<EnvelopeRow, Piece>,
    current: Option<Transfer>,
}

/// What goes out next.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A handshake message, as it leaves.
    Handshake(Vec<u8>),
    /// Frames that leave as one message, before its encryption.
    Frames(Vec<u8>),
}

/// What a link leaves behind for another to the same neighbour.
pub(crate) struct Legacy {
    /// Envelopes that waited, the fragments among them, and those that may not have arrived.
    pub(crate) transfers: BTreeSet<TransferOrder>,
    pub(crate) pieces: BTreeMap<EnvelopeRow, Piece>,
    pub(crate) in_flight: BTreeMap<u64, EnvelopeRow>,
    /// Letters that were offered, and not asked for yet.
    pub(crate) offered: Vec<u64>,
    /// Acknowledgements that waited, or may not have arrived.
    pub(crate) held_acks: VecDeque<[u8; 32]>,
    pub(crate) proofs: VecDeque<EnvelopeId>,
    pub(crate) fragment_news: BTreeMap<BodyKey, Numbers>,
    pub(crate) fragment_acks: VecDeque<(Piece, FragmentAck)>,
}

/// An envelope on its way out, cut into frames as the link takes them.
struct Transfer {
    bytes: Vec<u8>,
    passage: Passage,
    offset: usize,
}

impl Session {
    pub(crate) fn new(
        info: LinkInfo,
        static_secret: &[u8; 32],
        seed: [u8; 32],
        deadline: SteadyMs,
    ) -> Result<Self, Violation> {
        let mut session = Self {
            info,
            noise: Noise::new(info.role, static_secret, seed),
            reassembly: Reassembly::default(),
            deadline,
            hello: None,
            marked: None,
            contact: None,
            is_counted: false,
            reconciler: None,
            closed: None,
            in_flight: BTreeMap::new(),
            neighbour: None,
            heard: Heard::default(),
            wished: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            surplus: VecDeque::new(),
            bodies: Bodies::default(),
            told: Told::default(),
            moved_bytes: 0,
            custody: Custody::default(),
            twins: Vec::new(),
            said_acks: VecDeque::new(),
            said_proofs: VecDeque::new(),
            traffic: Traffic::default(),
            outbox: Outbox::default(),
        };
        if info.role == Role::Initiator {
            session.write_handshake(&[])?;
        }
        Ok(session)
    }

    /// `sketch` is the reconciliation's, and only the third message has room for one.
    pub(crate) fn write_handshake(&mut self, sketch: &[u8]) -> Result<(), Violation> {
        let message = self.noise.write(sketch)?;
        self.traffic.sync_bytes += sketch.len() as u64;
        self.traffic.handshake_bytes += (message.len() - sketch.len()) as u64;
        self.outbox.handshake.push_back(message);
        Ok(())
    }

    /// The longest payload of one frame, in bytes.
    pub(crate) fn max_payload_bytes(&self) -> usize {
        self.info.payload_bytes()
    }

    /// Whether new mail is offered here: the neighbour has been counted and is not leaving.
    pub(crate) fn is_live(&self) -> bool {
        self.is_counted && self.closed.is_none()
    }

    /// Whether handshake or reconciliation are still under way.
    pub(crate) fn is_opening(&self) -> bool {
        (!self.is_greeted() || self.reconciler.is_some()) && self.closed.is_none()
    }

    /// Whether the handshake is over, and the neighbour has been heard after it.
    pub(crate) fn is_greeted(&self) -> bool {
        self.noise.is_established() && self.hello.is_some()
    }

    pub(crate) fn push_control(&mut self, frame: &Frame<'_>) {
        let mut payload = Vec::new();
        frame.encode(&mut payload);
        self.outbox.control.push_back(payload);
    }

    /// Whether the neighbour takes in what it is told.
    pub(crate) fn may_answer(&self) -> bool {
        self.outbox.control.len() < MAX_WAITING
    }

    pub(crate) fn push_held_ack(&mut self, r: [u8; 32]) {
        push_bounded(&mut self.outbox.held_acks, r);
    }

    /// Each is pushed once a reconciliation, so the store bounds their number.
    pub(crate) fn push_proof(&mut self, id: EnvelopeId) {
        self.outbox.proofs.push_back(id);
    }

    pub(crate) fn push_taken(&mut self, head: u64) {
        push_bounded(&mut self.outbox.taken, head);
    }

    /// Whether one more envelope may be asked of this neighbour.
    pub(crate) fn may_wish(&self) -> bool {
        self.wished.len() < MAX_WISHES
    }

    pub(crate) fn push_surplus(&mut self, head: u64) {
        push_bounded(&mut self.surplus, head);
    }

    /// What may be asked for now that half of what was has come.
    pub(crate) fn take_surplus(&mut self) -> Vec<u64> {
        let free = MAX_WISHES - self.wished.len().min(MAX_WISHES);
        let most = if free < MAX_WISHES / 2 { 0 } else { free };
        drain(&mut self.surplus, most).unwrap_or_default()
    }

    pub(crate) fn push_want(&mut self, head: u64) {
        self.wished.insert(head);
        push_bounded(&mut self.outbox.wants, head);
    }

    pub(crate) fn push_offer(&mut self, head: u64) {
        self.heard.note_offered(head);
        push_bounded(&mut self.outbox.offers, head);
    }

    /// Whether this was offered and not served yet; it is served once.
    pub(crate) fn take_offer(&mut self, head: u64) -> bool {
        self.heard.take_offer(head)
    }

    /// Whether the neighbour need not be told of this letter.
    pub(crate) fn knows(&self, head: u64) -> bool {
        self.heard.knows(head) || self.passed_over.contains(&head)
    }

    /// Whether it has come or gone on this link.
    pub(crate) fn has_passed(&self, head: u64) -> bool {
        self.heard.has_passed(head)
    }

    /// The neighbour has it, or is about to.
    pub(crate) fn note_known(&mut self, head: u64) {
        self.heard.note_there(head);
    }

    /// It has come or gone on this link.
    pub(crate) fn note_passed(&mut self, head: u64) {
        self.heard.note_passed(head);
    }

    /// Acknowledgements whose proofs the caller fetches from the store, and hands back by
    /// [`Session::push_control`]: a frame's worth, once all smaller news is out.
    pub(crate) fn next_proofs(&mut self) -> Vec<EnvelopeId> {
        let outbox = &mut self.outbox;
        let is_idle = self.noise.is_established()
            && outbox.handshake.is_empty()
            && outbox.control.is_empty()
            && outbox.held_acks.is_empty();
        let waiting = if is_idle { outbox.proofs.len() } else { 0 };
        let (_, count) = acks_that_fit(self.info.payload_bytes(), 0, waiting);
        let proofs: Vec<EnvelopeId> = outbox.proofs.drain(..count).collect();
        if !self.twins.is_empty() {
            note_said(&mut self.said_proofs, &proofs);
        }
        proofs
    }

    /// A fragment that the neighbour has asked for, as its `turn`th.
    pub(crate) fn push_fragment(
        &mut self,
        fragment: &Carried,
        piece: Piece,
        is_pull: bool,
        turn: u64,
    ) {
        self.outbox.pieces.insert(fragment.row, piece);
        self.outbox.turns.push(TransferOrder::of_fragment(fragment, is_pull, turn));
    }

    /// What was at `row` is gone before its turn came: who waits for a fragment hears of it.
    pub(crate) fn push_lack(&mut self, row: EnvelopeRow) {
        if let Some((body, number)) = self.outbox.pieces.remove(&row) {
            let numbers = [number].into_iter().collect();
            self.push_control(&Frame::Lack { body, numbers });
        }
    }

    /// Whether nothing small or large waits to go out.
    pub(crate) fn is_idle(&self, now: SteadyMs) -> bool {
        self.is_live() && self.outbox.current.is_none() && self.outbox.turns.is_idle(now)
    }

    pub(crate) fn push_transfer(&mut self, order: TransferOrder) {
        self.outbox.turns.push(order);
    }

    /// Envelopes that wait to go out, in bytes.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        let current = self.outbox.current.as_ref();
        let left = current.map_or(0, |it| it.bytes.len() - it.offset);
        self.outbox.turns.waiting_bytes() + left as u64
    }

    /// All envelopes that wait, for another link to the same neighbour.
    pub(crate) fn take_transfers(
        &mut self,
    ) -> (BTreeSet<TransferOrder>, BTreeMap<EnvelopeRow, Piece>) {
        (self.outbox.turns.take(), std::mem::take(&mut self.outbox.pieces))
    }

    /// Goes on with envelopes that waited on another link.
    pub(crate) fn take_on(
        &mut self,
        transfers: BTreeSet<TransferOrder>,
        pieces: BTreeMap<EnvelopeRow, Piece>,
    ) {
        for order in transfers {
            self.push_transfer(order);
        }
        self.outbox.pieces.extend(pieces);
    }

    /// Whether it has come or gone on this link for good.
    pub(crate) fn has_arrived(&self, head: u64) -> bool {
        self.heard.has_arrived(head)
    }

    /// What another link to the same neighbour is to go on with, once this one is at its end.
    pub(crate) fn bequeath(&mut self) -> Legacy {
        let (transfers, pieces) = self.take_transfers();
        let (fragment_news, fragment_acks) = self.bodies.take_news();
        Legacy {
            transfers,
            pieces,
            in_flight: std::mem::take(&mut self.in_flight),
            offered: self.heard.offered(),
            held_acks: self.said_acks.drain(..).chain(self.outbox.held_acks.drain(..)).collect(),
            proofs: self.said_proofs.drain(..).chain(self.outbox.proofs.drain(..)).collect(),
            fragment_news,
            fragment_acks,
        }
    }

    /// Ends the session: what waits is dropped, but for one last frame, and for envelopes that can go
    /// another way.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.closed = Some(reason);
        let (transfers, pieces) = self.take_transfers();
        self.outbox = Outbox::default();
        if !self.twins.is_empty() {
            self.take_on(transfers, pieces);
        }
        self.bodies = Bodies::default();
        if self.noise.is_established() && !matches!(reason, CloseReason::Violation(_)) {
            self.push_control(&Frame::Bye { reason: 0 });
        }
    }

    /// The next envelope to send, unless one is still under way: the caller fetches it from the
    /// store and calls [`Session::begin_transfer`]. Small frames go first: see
    /// [`Session::poll_small`].
    pub(crate) fn next_transfer(&mut self, now: SteadyMs) -> Option<TransferOrder> {
        if self.outbox.current.is_some() {
            return None;
        }
        self.outbox.turns.pop(now, self.bodies.is_pulling())
    }

    pub(crate) fn begin_transfer(
        &mut self,
        now: SteadyMs,
        bytes: Vec<u8>,
        passage: Passage,
        is_fragment: bool,
    ) {
        self.outbox.turns.sent(now, bytes.len(), is_fragment);
        self.outbox.current = Some(Transfer { bytes, passage, offset: 0 });
    }

    /// The neighbour has taken a letter of this length.
    pub(crate) fn note_letter_taken(&mut self, size_bytes: usize) {
        self.outbox.turns.taken(size_bytes);
    }

    /// The next message that brings no envelope: a handshake's, or as many frames as fit of control,
    /// acknowledgements, receipts, wishes, offers. A busy radio's turns are dearer than bytes.
    pub(crate) fn poll_small(&mut self) -> Option<Outgoing> {
        if let Some(message) = self.outbox.handshake.pop_front() {
            return Some(Outgoing::Handshake(message));
        }
        if !self.noise.is_established() {
            return None;
        }
        let mut message = Vec::new();
        while let Some(frame) = self.pop_small(self.max_payload_bytes() - message.len()) {
            let is_extension = frame.first().is_some_and(|kind| *kind >= FIRST_EXTENSION);
            self.traffic.add(&frame, frame.len() as u64);
            message.extend(frame);
            if is_extension {
                break;
            }
        }
        (!message.is_empty()).then_some(Outgoing::Frames(message))
    }

    /// The next small frame, if it has room.
    fn pop_small(&mut self, room: usize) -> Option<Vec<u8>> {
        if self.outbox.control.is_empty() {
            return self.pop_list(room);
        }
        self.outbox.control.pop_front_if(|frame| frame.len() <= room)
    }

    /// The next piece of the envelope under way.
    pub(crate) fn poll_transfer(&mut self) -> Option<Outgoing> {
        let max_payload_bytes = self.max_payload_bytes();
        let transfer = self.outbox.current.as_mut()?;
        let mut payload = Vec::with_capacity(transfer.bytes.len().min(max_payload_bytes) + 16);
        let (frame, next) =
            frame_at(&transfer.bytes, transfer.passage, transfer.offset, max_payload_bytes)?;
        frame.encode(&mut payload);
        self.traffic.add(&payload, payload.len() as u64);
        self.moved_bytes += (next - transfer.offset) as u64;
        transfer.offset = next;
        if next == transfer.bytes.len() {
            self.outbox.current = None;
        }
        Some(Outgoing::Frames(payload))
    }

    /// What has gone out since this was last asked.
    pub(crate) fn take_traffic(&mut self) -> Traffic {
        std::mem::take(&mut self.traffic)
    }

    /// What was polled, as the link carries it: in the order of the polls.
    pub(crate) fn seal(&mut self, outgoing: Outgoing) -> Option<Vec<u8>> {
        let message = match outgoing {
            Outgoing::Handshake(message) => return Some(message),
            Outgoing::Frames(message) => message,
        };
        // Only a session that has failed refuses; it is closed already.
        let encrypted = self.noise.write(&message).ok()?;
        self.traffic.add(&message, (encrypted.len() - message.len()) as u64);
        Some(encrypted)
    }

    fn pop_list(&mut self, room: usize) -> Option<Vec<u8>> {
        let outbox = &mut self.outbox;
        let (held, _) = acks_that_fit(room, outbox.held_acks.len(), 0);
        let most = heads_that_fit(room);
        let frame = if held > 0 {
            let held: Vec<[u8; 32]> = outbox.held_acks.drain(..held).collect();
            if !self.twins.is_empty() {
                note_said(&mut self.said_acks, &held);
            }
            Frame::Acks { held, proofs: Vec::new() }
        } else if let Some(frame) = self.bodies.pop_acks(room) {
            frame
        } else if let Some(heads) = drain(&mut outbox.taken, most) {
            Frame::Taken { heads }
        } else if let Some(heads) = drain(&mut outbox.wants, most) {
            Frame::Want { heads }
        } else {
            Frame::Offer { heads: drain(&mut outbox.offers, most)? }
        };
        let mut encoded = Vec::new();
        frame.encode(&mut encoded);
        Some(encoded)
    }
}

fn note_said<T: Copy>(said: &mut VecDeque<T>, news: &[T]) {
    said.extend(news);
    said.drain(..said.len().saturating_sub(MAX_SAID));
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() < MAX_WAITING {
        queue.push_back(item);
    }
}

fn drain(queue: &mut VecDeque<u64>, most: usize) -> Option<Vec<u64>> {
    let count = most.min(queue.len());
    (count > 0).then(|| queue.drain(..count).collect())
}
