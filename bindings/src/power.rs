//! What a phone's shell tells a node, and when it lets it work.

use crate::{Footpost, NodeError};
use footpost_transports as transports;
use std::time::Duration;

/// What the user or the system asks of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PowerMode {
    /// All that it can do.
    Full,
    /// Only what somebody waits for.
    Saving,
    /// The device is about to go: what it carries for others goes to carriers in reach, for as long as
    /// two minutes, and it takes nothing for them meanwhile. What nobody takes stays.
    Leaving,
}

impl From<PowerMode> for transports::PowerMode {
    fn from(mode: PowerMode) -> Self {
        match mode {
            PowerMode::Full => Self::Full,
            PowerMode::Saving => Self::Saving,
            PowerMode::Leaving => Self::Leaving,
        }
    }
}

/// What the shell knows of device and network. The defaults are those of a desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Conditions {
    /// The network is paid by the byte: a node that saves calls nobody on the internet then.
    #[uniffi(default = false)]
    pub metered: bool,
    /// The network is another country's: nobody on the internet is called.
    #[uniffi(default = false)]
    pub roaming: bool,
    /// The charge of the battery, in percent; none where there is no battery. Below 20 a node saves,
    /// and below 5 it leaves, unless the battery is being charged.
    #[uniffi(default = None)]
    pub battery_percent: Option<u8>,
    /// The battery is being charged.
    #[uniffi(default = false)]
    pub charging: bool,
}

/// What was done in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Tick {
    /// Envelopes that came in, one's own mail among them.
    pub taken: u64,
    /// Bytes sent to neighbours.
    pub sent_bytes: u64,
    /// Bytes received from them.
    pub received_bytes: u64,
    /// Whether there was nothing more to do before the budget was spent.
    pub is_done: bool,
}

#[uniffi::export]
impl Footpost {
    /// How much this node gives, from now on. Not kept over a restart.
    pub async fn set_power_mode(&self, mode: PowerMode) -> Result<(), NodeError> {
        self.line.run(move |node| Box::pin(node.set_power_mode(mode.into()))).await
    }

    /// What the shell knows of device and network: to be told at the start, and whenever it changes.
    pub async fn set_conditions(&self, conditions: Conditions) -> Result<(), NodeError> {
        let Conditions { metered, roaming, battery_percent, charging } = conditions;
        let conditions = transports::Conditions { metered, roaming, battery_percent, charging };
        self.line.run(move |node| Box::pin(node.set_conditions(conditions))).await
    }

    /// Does what there is to do within so many milliseconds, the most useful first, and returns as
    /// soon as there is nothing more: calls neighbours at once, and lets mail come and go. For phones,
    /// whose system wakes an application for a moment. A budget too small loses nothing.
    pub async fn background_tick(&self, budget_ms: u32) -> Result<Tick, NodeError> {
        let budget = Duration::from_millis(budget_ms.into());
        let tick = self.line.run(move |node| Box::pin(node.tick(budget))).await?;
        let transports::Tick { taken, sent_bytes, received_bytes, is_done } = tick;
        Ok(Tick { taken, sent_bytes, received_bytes, is_done })
    }
}
