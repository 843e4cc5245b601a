//! What Bluetooth LE takes from a battery, by what it does.
//!
//! The currents are those that a maker of phones has measured for Android to show its users what the
//! radio took: `power_profile.xml` of Realme's phones with the Snapdragon 865 (in
//! `android_device_realme_sm8250-common`, battery 4,260 mAh), in mA at the battery, at 3.3 V. They
//! have all of the phone in them that a busy radio keeps awake, and are an order of magnitude above a
//! bare radio's (nRF52832, product specification 1.1: 6.5 mA receiving, 7.1 mA sending, at 3 V). What
//! Bluetooth takes when it is on and does nothing (1.7 mA there) is not Footpost's.
//!
//! How long the radio is on for an advertisement, and for a connection that has nothing to say, are sums
//! over packets of the 1 Mbit/s layer, 8 µs an octet with 10 octets around its payload, 150 µs apart
//! (Core 5.4, volume 6, part B, 2.1 and 4.1).

use footpost_transports::ble::Usage;
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign};
use std::time::Duration;

/// `bluetooth.controller.rx`.
const RECEIVE_MA: f64 = 76.0;
/// `bluetooth.controller.tx`.
const TRANSMIT_MA: f64 = 176.0;
/// What the battery gives these currents at.
const BATTERY_V: f64 = 3.3;

/// The same packet on three channels: an address, flags and a UUID of 128 bits, 27 octets.
const ADVERTISEMENT_SENDS: Duration = Duration::from_micros(3 * 8 * (10 + 27));
/// After each, 150 µs and the time to notice that nobody asks or connects.
const ADVERTISEMENT_LISTENS: Duration = Duration::from_micros(3 * 300);
/// Android's balanced connections, the shortest (`CONNECTION_PRIORITY_BALANCED`: 30 to 50 ms).
pub(crate) const CONNECTION_INTERVAL: Duration = Duration::from_millis(30);
/// In each interval, an empty packet.
const EMPTY_SENDS: Duration = Duration::from_micros(8 * 10);
/// And the other's, 150 µs after or before it, with some room for clocks that differ.
const EMPTY_LISTENS: Duration = Duration::from_micros(300);

const S_PER_HOUR: f64 = 3600.0;

/// Charge by what it was for, in mAh.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Charge {
    /// Listening for advertisements.
    pub scan: f64,
    /// Advertising.
    pub advertise: f64,
    /// Listening for the one advertisement that a connection begins with.
    pub connect: f64,
    /// Keeping connections that have nothing to say.
    pub connected_idle: f64,
    /// Sending, for as long as the air is taken.
    pub transmit: f64,
    /// Receiving, likewise.
    pub receive: f64,
}

impl Charge {
    /// What a controller's radio has taken, on an air of this rate.
    pub(crate) fn of(usage: &Usage, rate_bytes_per_s: u64) -> Self {
        let advertisement =
            mah(ADVERTISEMENT_SENDS, TRANSMIT_MA) + mah(ADVERTISEMENT_LISTENS, RECEIVE_MA);
        let interval = mah(EMPTY_SENDS, TRANSMIT_MA) + mah(EMPTY_LISTENS, RECEIVE_MA);
        let intervals = usage.connected.as_secs_f64() / CONNECTION_INTERVAL.as_secs_f64();
        let air = |bytes: u64| Duration::from_secs_f64(bytes as f64 / rate_bytes_per_s as f64);
        Self {
            scan: mah(usage.scanning, RECEIVE_MA),
            advertise: usage.advertisements as f64 * advertisement,
            connect: mah(usage.connecting, RECEIVE_MA),
            connected_idle: intervals * interval,
            transmit: mah(air(usage.sent_bytes), TRANSMIT_MA),
            receive: mah(air(usage.received_bytes), RECEIVE_MA),
        }
    }

    /// All of it.
    pub fn total(&self) -> f64 {
        self.scan
            + self.advertise
            + self.connect
            + self.connected_idle
            + self.transmit
            + self.receive
    }

    /// In joules.
    pub(crate) fn energy_j(&self) -> f64 {
        self.total() / 1000.0 * S_PER_HOUR * BATTERY_V
    }

    /// A share of it.
    pub(crate) fn times(self, share: f64) -> Self {
        Self {
            scan: self.scan * share,
            advertise: self.advertise * share,
            connect: self.connect * share,
            connected_idle: self.connected_idle * share,
            transmit: self.transmit * share,
            receive: self.receive * share,
        }
    }
}

impl Add for Charge {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            scan: self.scan + other.scan,
            advertise: self.advertise + other.advertise,
            connect: self.connect + other.connect,
            connected_idle: self.connected_idle + other.connected_idle,
            transmit: self.transmit + other.transmit,
            receive: self.receive + other.receive,
        }
    }
}

impl AddAssign for Charge {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

fn mah(time: Duration, current_ma: f64) -> f64 {
    time.as_secs_f64() * current_ma / S_PER_HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_each_kind_takes_what_the_table_says() {
        let hour = Duration::from_hours(1);
        let usage = Usage {
            scanning: hour,
            advertisements: 3_600_000,
            connecting: hour,
            connected: hour,
            sent_bytes: 3600 * 30_000,
            received_bytes: 3600 * 15_000,
            ..Usage::default()
        };
        let charge = Charge::of(&usage, 30_000);
        let is = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        };
        is(charge.scan, 76.0);
        is(charge.connect, 76.0);
        // 888 µs at 176 mA and 900 µs at 76 mA, a thousand times a second.
        is(charge.advertise, 0.888 * 176.0 + 0.9 * 76.0);
        // 80 µs and 300 µs in 30 ms.
        is(charge.connected_idle, (0.08 * 176.0 + 0.3 * 76.0) / 30.0);
        is(charge.transmit, 176.0);
        is(charge.receive, 38.0);
        is((charge + charge).times(0.5).total(), charge.total());
        // A mAh is 3.6 C.
        is(charge.energy_j(), charge.total() * 3.6 * 3.3);
    }
}
