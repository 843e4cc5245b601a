//! How much a device gives, by its user's word and by what its shell knows of it. Pure.

use crate::ble::Duty;

/// What the user or the system asks of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PowerMode {
    /// All that it can do.
    #[default]
    Full,
    /// Only what somebody waits for: no postmark is minted ahead of its need, and no neighbour on the
    /// internet is called where the network is paid by the byte.
    Saving,
    /// The device is about to go: what it carries for others goes to carriers in reach, and it takes
    /// nothing for them meanwhile (see [`footpost_core::Node::hand_over`]).
    Leaving,
}

/// What the shell knows of device and network. The defaults are those of a desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// The network is paid by the byte.
    pub metered: bool,
    /// The network is another country's: no neighbour on the internet is called.
    pub roaming: bool,
    /// The charge of the battery, in percent; none where there is no battery.
    pub battery_percent: Option<u8>,
    /// The battery is being charged.
    pub charging: bool,
}

/// A battery below this saves, unless it is being charged.
const SAVING_PERCENT: u8 = 20;
/// And below this it is about to go.
const LEAVING_PERCENT: u8 = 5;

/// Mode and conditions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Power {
    pub(crate) mode: PowerMode,
    pub(crate) conditions: Conditions,
}

impl Power {
    /// The more thrifty of what is asked and what the battery asks for.
    pub(crate) fn mode(self) -> PowerMode {
        let battery = match self.conditions.battery_percent.filter(|_| !self.conditions.charging) {
            Some(..LEAVING_PERCENT) => PowerMode::Leaving,
            Some(..SAVING_PERCENT) => PowerMode::Saving,
            _ => PowerMode::Full,
        };
        self.mode.max(battery)
    }

    pub(crate) fn mints_ahead(self) -> bool {
        self.mode() == PowerMode::Full
    }

    /// What Bluetooth LE does where its shell asks for `asked`.
    pub(crate) fn duty(self, asked: Duty) -> Duty {
        let Conditions { battery_percent, charging, .. } = self.conditions;
        match (self.mode(), asked) {
            (PowerMode::Full, Duty::Balanced) if charging || battery_percent.is_none() => {
                Duty::Performance
            }
            // Who is about to go looks for those who take over what it carries.
            (PowerMode::Full | PowerMode::Leaving, asked) => asked,
            (PowerMode::Saving, asked) => asked.max(Duty::Saver),
        }
    }

    pub(crate) fn calls_the_internet(self) -> bool {
        let Conditions { metered, roaming, .. } = self.conditions;
        !roaming && (!metered || self.mode() == PowerMode::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(mode: PowerMode, conditions: Conditions) -> Power {
        Power { mode, conditions }
    }

    #[test]
    fn the_battery_can_only_make_a_node_more_thrifty() {
        use PowerMode::{Full, Leaving, Saving};
        let at = |mode, percent, charging| {
            let battery_percent = Some(percent);
            power(mode, Conditions { battery_percent, charging, ..Conditions::default() }).mode()
        };
        for (mode, percent, charging, expected) in [
            (Full, 100, false, Full),
            (Full, 20, false, Full),
            (Full, 19, false, Saving),
            (Full, 4, false, Leaving),
            (Full, 4, true, Full),
            (Saving, 100, true, Saving),
            (Leaving, 100, true, Leaving),
        ] {
            assert_eq!(at(mode, percent, charging), expected, "{mode:?} {percent} {charging}");
        }
        assert_eq!(Power::default().mode(), Full);
    }

    #[test]
    fn the_internet_is_called_unless_it_is_dear() {
        let calls = |mode, metered, roaming| {
            let conditions = Conditions { metered, roaming, ..Conditions::default() };
            power(mode, conditions).calls_the_internet()
        };
        assert!(calls(PowerMode::Full, false, false) && calls(PowerMode::Full, true, false));
        assert!(calls(PowerMode::Saving, false, false) && !calls(PowerMode::Saving, true, false));
        assert!(!calls(PowerMode::Full, false, true));
    }
    #[test]
    fn the_radio_is_eager_where_the_device_is_fed_and_saves_where_power_is_short() {
        use Duty::{Background, Balanced, Performance, Saver};
        let at = |mode, battery_percent, charging, asked| {
            let conditions = Conditions { battery_percent, charging, ..Conditions::default() };
            power(mode, conditions).duty(asked)
        };
        for (mode, percent, charging, asked, expected) in [
            (PowerMode::Full, None, false, Balanced, Performance),
            (PowerMode::Full, Some(10), true, Balanced, Performance),
            (PowerMode::Full, Some(90), false, Balanced, Balanced),
            (PowerMode::Full, None, false, Background, Background),
            (PowerMode::Full, Some(19), false, Performance, Saver),
            (PowerMode::Saving, None, false, Performance, Saver),
            (PowerMode::Saving, None, true, Background, Background),
            (PowerMode::Leaving, Some(50), false, Balanced, Balanced),
        ] {
            let duty = at(mode, percent, charging, asked);
            assert_eq!(duty, expected, "{mode:?} {percent:?} {charging} {asked:?}");
        }
    }
}
