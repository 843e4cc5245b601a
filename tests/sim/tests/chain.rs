//! Three people in a chain, and figures that follow from the wire's sizes alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on")]

mod common;

use common::{run, scenario};
use footpost_sim::{Figures, Settings};

/// What goes before the first envelope of a contact, in bytes (docs/wire.md, sections 5 to 8).
const OPENING_BYTES: f64 =
    HANDSHAKE_BYTES + 2.0 * HELLO_BYTES + EMPTY_LIST_BYTES + OFFER_BYTES + WANT_BYTES;
/// Three messages of Noise XX, and a sketch of 61 bytes.
const HANDSHAKE_BYTES: f64 = 32.0 + 96.0 + 64.0 + 61.0;
/// Kind, version, foreign mail, free space, battery, count, ten marks of 4 bytes, tag.
const HELLO_BYTES: f64 = (1 + 1 + 1 + 4 + 1 + 1 + 40 + 16) as f64;
/// Reconciliation by who holds nothing, in one message with its hello.
const EMPTY_LIST_BYTES: f64 = 6.0;
/// Kind, length, the first bytes of an id: in one message with the other hello.
const OFFER_BYTES: f64 = (1 + 1 + 8) as f64;
/// The same, and tag.
const WANT_BYTES: f64 = (1 + 1 + 8 + 16) as f64;

/// 1 meets 2, who meets 3 from 30 to `end`; 1 has written to 3.
fn chain(rate_bytes_per_s: u64, end: &str) -> Figures {
    let contacts = format!("10 20 1 2\n30 {end} 2 3\n");
    let scenario = scenario(&contacts, "5 C M1 1 3 1000\n");
    run(&scenario, &Settings { rate_bytes_per_s, ..Settings::default() })
}

#[test]
fn every_byte_takes_its_time() {
    for rate in [1000_u32, 2000] {
        let figures = chain(rate.into(), "40");
        assert_eq!((figures.created, figures.delivered, figures.violations), (1, 1, 0));
        assert_eq!((figures.transfers, figures.hopcount_avg), (2, Some(2.0)));
        // On each contact: handshake, two hellos, with list and offer, want, envelope, receipt.
        assert_eq!((figures.frames, figures.frames_lost), (16, 0));
        let envelope_bytes = f64::from(u32::try_from(figures.envelope_bytes).unwrap()) / 2.0;
        assert_eq!(figures.overhead_ratio, Some(2.0 * envelope_bytes / 1000.0 - 1.0));
        let expected_s = 25.0 + (OPENING_BYTES + envelope_bytes) / f64::from(rate);
        assert_eq!(
            (figures.latency_avg, figures.latency_med),
            (Some(expected_s), Some(expected_s))
        );
    }
}

#[test]
fn a_frame_arrives_whole_or_not_at_all() {
    let enough_s = chain(1000, "40").latency_avg.unwrap() + 5.0;
    let just = chain(1000, &format!("{enough_s:.3}"));
    // What is lost here is the receipt.
    assert_eq!((just.delivered, just.frames_lost, just.frames), (1, 1, 15));
    let short = chain(1000, &format!("{:.3}", enough_s - 0.001));
    assert_eq!((short.delivered, short.frames_lost, short.frames), (0, 1, 14));
    assert_eq!((short.delivery_prob, short.overhead_ratio, short.latency_avg), (0.0, None, None));
}

#[test]
fn one_radio_serves_one_neighbour_at_a_time() {
    // Five seconds are enough for one envelope, and not for two.
    let settings = Settings { rate_bytes_per_s: 1000, ..Settings::default() };
    let delivered =
        |contacts: &str, messages| run(&scenario(contacts, messages), &settings).delivered;
    let shared = "5 C M1 2 1 1000\n5 C M2 3 1 1000\n";
    assert_eq!(delivered("10 15 1 2\n10 15 1 3\n", shared), 1);
    let apart = "5 C M1 2 1 1000\n5 C M2 4 3 1000\n";
    assert_eq!(delivered("10 15 1 2\n10 15 3 4\n", apart), 2);
}

#[test]
fn a_large_body_is_delivered_once_it_is_whole() {
    // Each contact lasts for some forty fragments; the body has a hundred.
    let contacts = [0, 10, 20, 30, 40].map(|start| format!("{start} {} 1 2\n", start + 2)).concat();
    let scenario = scenario(&contacts, "0 C M1 1 2 800000\n");
    let settings = Settings { rate_bytes_per_s: 160_000, ..Settings::default() };
    let figures = run(&scenario, &settings);
    assert_eq!((figures.delivered, figures.delivered_bytes, figures.violations), (1, 800_000, 0));
    assert_eq!(figures.hopcount_avg, Some(1.0));
    let latency_s = figures.latency_avg.unwrap();
    assert!((20.0..32.0).contains(&latency_s), "{latency_s}");
    assert!(figures.overhead_ratio.unwrap() < 0.1, "{figures:?}");
}
