//! When a group is worth it. Pure.
//!
//! A group takes its time to form, and the radio's energy while it stands; then it is a hundred times
//! as fast as Bluetooth. Measured: 3–12 s to form and 15–35 Mbit/s in it, 11–45 kB/s over GATT,
//! 330–570 kB/s over L2CAP.

use crate::power::{Power, PowerMode};
use footpost_core::{CostClass, MAX_BATTERY, Side};

/// How long a group takes to form.
const FORMING_S: u64 = 10;
/// What it carries then.
const GROUP_BYTES_S: u64 = 2_000_000;

/// What to expect of a link before it was measured, in bytes a second.
pub(super) fn expected_bytes_s(cost: CostClass) -> u64 {
    match cost {
        CostClass::Ble => 30_000,
        CostClass::Wifi => GROUP_BYTES_S,
        CostClass::Lan => 3_000_000,
        CostClass::Internet | CostClass::Metered => 1_000_000,
    }
}

/// Whether a link of this kind says that the neighbour is near enough for a group.
pub(super) fn is_near(cost: CostClass) -> bool {
    matches!(cost, CostClass::Ble | CostClass::Lan)
}

/// Whether to form a group for `waiting_bytes`, where the links that are there move `link_bytes_s`:
/// where it is done so many times as fast. The less energy there is, the more it must gain.
pub(super) fn is_worth(waiting_bytes: u64, link_bytes_s: u64, power: Power) -> bool {
    let gain = match (power.mode(), has_mains(power)) {
        (PowerMode::Full, true) => 1,
        (PowerMode::Full, false) => 2,
        (PowerMode::Saving, _) => 6,
        (PowerMode::Leaving, _) => return false,
    };
    let by_link_s = waiting_bytes / link_bytes_s.max(1);
    let by_group_s = FORMING_S + waiting_bytes / GROUP_BYTES_S;
    by_link_s > gain * by_group_s
}

fn has_mains(power: Power) -> bool {
    power.conditions.charging || power.conditions.battery_percent.is_none()
}

/// The class of the battery, from 1, nearly empty, to [`MAX_BATTERY`].
pub(super) fn battery(power: Power) -> u8 {
    match power.conditions.battery_percent {
        Some(percent) if !has_mains(power) => (percent / 25 + 1).min(MAX_BATTERY),
        _ => MAX_BATTERY,
    }
}

/// Whether the first of two is to own their group, which costs more than to be a member: who has
/// more battery, then who has more neighbours who might join; of equals who has proposed. Both sides
/// come to the same.
pub(super) fn owns(proposer: Side, other: Side) -> bool {
    (proposer.battery, proposer.neighbours) >= (other.battery, other.neighbours)
}

/// The channel that a group of these two must be on, 0 for any; none if there is no such channel.
pub(super) fn channel_mhz(one: Side, other: Side) -> Option<u16> {
    match (one.channel_mhz, other.channel_mhz) {
        (0, mhz) | (mhz, 0) => Some(mhz),
        (one, other) => (one == other).then_some(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::Conditions;

    fn power(battery_percent: Option<u8>, charging: bool) -> Power {
        let conditions = Conditions { battery_percent, charging, ..Conditions::default() };
        Power { mode: PowerMode::Full, conditions }
    }

    #[test]
    fn a_group_is_worth_it_where_it_is_well_ahead_of_the_link() {
        const MIB: u64 = 1 << 20;
        let mains = power(None, false);
        let full = power(Some(80), false);
        let low = power(Some(15), false);
        let empty = power(Some(3), false);
        // GATT as measured on a phone, L2CAP in the lab, a good local network.
        for (waiting, rate, power, expected) in [
            (0, 30_000, mains, false),
            (10_000, 30_000, mains, false),
            (300_000, 30_000, mains, false),
            (400_000, 30_000, mains, true),
            (400_000, 30_000, full, false),
            (MIB, 30_000, full, true),
            (MIB, 30_000, low, false),
            (2 * MIB, 30_000, low, true),
            (50 * MIB, 30_000, empty, false),
            (2 * MIB, 400_000, mains, false),
            (8 * MIB, 400_000, mains, true),
            (8 * MIB, 400_000, full, false),
            (20 * MIB, 400_000, full, true),
            (50 * MIB, 3_000_000, mains, false),
            (u64::MAX, 3_000_000, mains, false),
            (u64::MAX, 0, full, true),
        ] {
            assert_eq!(is_worth(waiting, rate, power), expected, "{waiting} at {rate}, {power:?}");
        }
    }

    #[test]
    fn battery_comes_in_four_classes() {
        let of = |percent, charging| battery(power(percent, charging));
        assert_eq!([0, 24, 25, 74, 75, 100].map(|it| of(Some(it), false)), [1, 1, 2, 3, 4, 4]);
        assert_eq!((of(Some(3), true), of(None, false)), (4, 4));
    }

    #[test]
    fn of_two_one_owns_the_group_whichever_asks() {
        let side = |battery, neighbours| Side { battery, neighbours, channel_mhz: 0 };
        for (one, other) in
            [(side(4, 0), side(3, 9)), (side(3, 2), side(3, 1)), (side(1, 0), side(0, 0))]
        {
            assert!(owns(one, other) && !owns(other, one));
        }
        assert!(owns(side(2, 2), side(2, 2)), "of equals the proposer");
    }

    #[test]
    fn two_networks_on_two_channels_leave_none() {
        let on = |channel_mhz| Side { channel_mhz, ..Side::default() };
        assert_eq!(channel_mhz(on(0), on(0)), Some(0));
        assert_eq!(channel_mhz(on(5180), on(0)), Some(5180));
        assert_eq!(channel_mhz(on(0), on(2412)), Some(2412));
        assert_eq!(channel_mhz(on(2412), on(2412)), Some(2412));
        assert_eq!(channel_mhz(on(2412), on(5180)), None);
    }
}
