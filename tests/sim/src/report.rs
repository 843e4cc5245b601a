//! What a run has shown.

use crate::air::Purpose;
use crate::radio::Charge;
use crate::schedule::{Nanos, SECOND};
use crate::settings::Settings;
use footpost_core::Turnover;
use serde::{Deserialize, Serialize};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What happened: the same for the same scenario and settings.
    #[serde(flatten)]
    pub figures: Figures,
    /// What it took to find out.
    #[serde(flatten)]
    pub cost: Cost,
    /// What all chance followed from.
    pub seed: u64,
    /// How the scenario was replayed.
    pub settings: Settings,
}

/// What happened in a scenario.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// People.
    pub nodes: usize,
    /// Contacts of theirs.
    pub contacts: usize,
    /// Messages written.
    pub created: usize,
    /// Messages that were whole at their recipients in time.
    pub delivered: usize,
    /// Their share of those written.
    pub delivery_prob: f64,
    /// Bytes of envelopes that were transferred for each byte of a delivered body, less one; nothing
    /// where nothing was delivered, as with the next three.
    pub overhead_ratio: Option<f64>,
    /// Mean time from writing to delivery, in seconds.
    pub latency_avg: Option<f64>,
    /// Its median.
    pub latency_med: Option<f64>,
    /// Mean number of transfers that a message took to its recipient: of the envelope that made it
    /// whole.
    pub hopcount_avg: Option<f64>,
    /// Envelopes that were handed over whole and taken on board.
    pub transfers: u64,
    /// Carried envelopes that made room for others or expired.
    pub dropped: u64,
    /// Of these, the expired.
    pub expired: u64,
    /// Carried envelopes that were deleted because their acknowledgement came.
    pub acked_copies_deleted: u64,
    /// Bytes of bodies that were delivered.
    pub delivered_bytes: u64,
    /// Bytes of frames with envelopes that arrived.
    pub envelope_bytes: u64,
    /// Bytes of all other frames that arrived.
    pub control_bytes: u64,
    /// What these were for.
    pub control: ControlBytes,
    /// Frames that arrived.
    pub frames: u64,
    /// Frames under way when their link ended.
    pub frames_lost: u64,
    /// Links that an engine ended because its neighbour broke the protocol: none, among honest nodes.
    pub violations: u64,
    /// Messages and alerts that reached people otherwise than their authors wrote them: altered, in
    /// another's name, or twice. None.
    pub falsified: u64,
    /// Public-key operations that cannot have been spared.
    pub crypto_operations: CryptoOperations,
    /// The share of time for which phones were off.
    pub off_share: f64,
    /// Phones whose batteries were empty at any time; nothing but in synthetic worlds, as elsewhere
    /// nobody knows when they are charged.
    pub battery_empty_nodes: Option<usize>,
    /// Whom alerts reached, where there were any.
    pub bulletins: Option<BulletinFigures>,
    /// What liars tried, where there were any.
    pub lies: Option<LieFigures>,
    /// What Bluetooth took, where people met by it.
    pub energy: Option<EnergyFigures>,
}

/// What Bluetooth took from batteries, on or off, and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EnergyFigures {
    /// For each phone and day in the mean, by kind.
    pub mah_a_day: Charge,
    /// All kinds.
    pub total_mah_a_day: f64,
    /// The same of the phone that it took most from.
    pub most_mah_a_day: f64,
    /// Connections asked for.
    pub connects: u64,
    /// Second links to the same neighbour, ended once they were known as such.
    pub duplicates: u64,
    /// Connections not made, or ended after one read, because there was nothing new.
    pub spared: u64,
}

/// What liars tried, and what honest phones made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LieFigures {
    /// Envelopes that nobody has sealed so. Who pays for a postmark may put anything on board of others,
    /// that nobody opens.
    pub forgeries: Attempts,
    /// Envelopes from the past.
    pub replays: Attempts,
    /// Frames of acknowledgements that their readers have not given.
    pub acks: Attempts,
    /// Envelopes and offers with false ages.
    pub ages: Attempts,
    /// Copies that honest phones deleted as acknowledged, though their readers had not opened them.
    pub wrongly_deleted: u64,
    /// Links that were ended because an honest neighbour seemed to break the protocol.
    pub wrongly_blamed: u64,
}

/// What was tried on honest phones, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attempts {
    /// Frames that arrived.
    pub tried: u64,
    /// Those that nothing was taken from, on board or as an acknowledgement.
    pub refused: u64,
}

/// Whom the alerts of the one reached whom everybody follows.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct BulletinFigures {
    /// Alerts.
    pub published: usize,
    /// For each alert, the people whom some chain of contacts led to while it lived.
    pub reachable: usize,
    /// For each, those who got it.
    pub reached: usize,
    /// Their share.
    pub reached_share: Option<f64>,
}

/// Bytes of frames that bring no envelope, by their purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ControlBytes {
    /// Noise handshakes, and the reconciliation's sketch inside.
    pub handshake: u64,
    /// Reconciliation.
    pub sync: u64,
    /// Acknowledgements.
    pub ack: u64,
    /// Greetings, proofs, receipts, offers, wishes.
    pub other: u64,
}

/// Public-key operations, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CryptoOperations {
    /// Handshakes that one side has completed: two key generations and three agreements each.
    pub handshakes: u64,
    /// Messages sealed.
    pub sealed: u64,
    /// Envelopes whose postmark signature was verified before they were taken on board.
    pub verified: u64,
    /// Messages opened.
    pub opened: u64,
}

/// What a run took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Opening the nodes and handing out cards, in seconds.
    pub setup_time_s: f64,
    /// All of it, in seconds.
    pub wall_time_s: f64,
    /// The process's peak of resident memory, in bytes; nothing where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// Delivery of one message.
pub(crate) struct Delivery {
    pub(crate) after: Nanos,
    pub(crate) hops: u32,
    pub(crate) size_bytes: u64,
}

impl Figures {
    pub(crate) fn count_frame(&mut self, purpose: Purpose, size_bytes: u64) {
        self.frames += 1;
        if purpose == Purpose::Envelope {
            self.envelope_bytes += size_bytes;
            return;
        }
        self.control_bytes += size_bytes;
        *match purpose {
            Purpose::Handshake => &mut self.control.handshake,
            Purpose::Sync => &mut self.control.sync,
            Purpose::Ack => &mut self.control.ack,
            Purpose::Envelope | Purpose::Other => &mut self.control.other,
        } += size_bytes;
    }

    /// Adds what was counted as it happened elsewhere.
    pub(crate) fn add(&mut self, part: &Self) {
        self.frames += part.frames;
        self.frames_lost += part.frames_lost;
        self.envelope_bytes += part.envelope_bytes;
        self.control_bytes += part.control_bytes;
        self.control.handshake += part.control.handshake;
        self.control.sync += part.control.sync;
        self.control.ack += part.control.ack;
        self.control.other += part.control.other;
        self.violations += part.violations;
        self.falsified += part.falsified;
        self.crypto_operations.handshakes += part.crypto_operations.handshakes;
        self.crypto_operations.sealed += part.crypto_operations.sealed;
        self.crypto_operations.opened += part.crypto_operations.opened;
    }

    pub(crate) fn count_turnover(&mut self, turnover: Turnover) {
        self.transfers += turnover.taken;
        self.crypto_operations.verified += turnover.taken;
        self.expired += turnover.expired;
        self.dropped += turnover.evicted + turnover.expired;
        self.acked_copies_deleted += turnover.acknowledged;
    }

    pub(crate) fn conclude(&mut self, deliveries: &[Delivery]) {
        self.delivered = deliveries.len();
        self.delivered_bytes = deliveries.iter().map(|delivery| delivery.size_bytes).sum();
        self.delivery_prob = ratio(self.delivered as u64, self.created as u64).unwrap_or_default();
        self.overhead_ratio = ratio(self.envelope_bytes, self.delivered_bytes).map(|r| r - 1.0);
        let mut latencies: Vec<Nanos> = deliveries.iter().map(|delivery| delivery.after).collect();
        latencies.sort_unstable();
        let count = latencies.len() as u64;
        let all: u128 = latencies.iter().map(|after| u128::from(*after)).sum();
        self.latency_avg = ratio((all / u128::from(count.max(1))) as u64, count.min(1) * SECOND);
        let middle = |at: usize| latencies.get(at).copied().unwrap_or_default();
        let both = middle(latencies.len().saturating_sub(1) / 2) + middle(latencies.len() / 2);
        self.latency_med = ratio(both, 2 * count.min(1) * SECOND);
        self.hopcount_avg = ratio(deliveries.iter().map(|d| u64::from(d.hops)).sum(), count);
    }
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(of: u64, to: u64) -> Option<f64> {
    (to > 0).then(|| of as f64 / to as f64)
}
