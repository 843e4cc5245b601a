//! What no stack stands is asserted of each command in `air`; here are long runs to try it on.

use super::super::{Duty, Platform};
use super::air::{Air, Channels, Fate};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::time::Duration;

const PLATFORMS: [Platform; 4] =
    [Platform::Android, Platform::Ios, Platform::Bluez, Platform::Android];
const DUTIES: [Duty; 4] = [Duty::Performance, Duty::Balanced, Duty::Saver, Duty::Background];

fn pick(rng: &mut ChaCha8Rng, of: usize) -> usize {
    rng.next_u32() as usize % of
}

/// Whatever may happen to four devices that are near each other.
fn disturb(air: &mut Air, rng: &mut ChaCha8Rng, letters: &mut u8) {
    let index = pick(rng, PLATFORMS.len());
    match pick(rng, 6) {
        0 => air.power_off(index),
        1 => air.power_on(index),
        2 => air.duty(index, DUTIES[pick(rng, DUTIES.len())]),
        3 => {
            let connections: Vec<_> = air.nodes[index].connections.iter().copied().collect();
            if !connections.is_empty() {
                air.cut(index, connections[pick(rng, connections.len())]);
            }
        }
        _ => {
            *letters += 1;
            let length = 1 + pick(rng, 4096);
            air.nodes[index].mail.insert([vec![0xff; 33], vec![*letters; length]].concat());
            air.nodes[index].mail.retain(|letter| letter.len() <= 4096);
        }
    }
}

#[test]
fn long_random_runs_break_no_rule_and_lose_no_mail() {
    for seed in 0..4 {
        let mut rng = ChaCha8Rng::from_seed([seed; 32]);
        let mut air = Air::new(&PLATFORMS, seed);
        air.channels = [Channels::None, Channels::Work, Channels::Refused][pick(&mut rng, 3)];
        air.mtu = [23, 185, 517][pick(&mut rng, 3)];
        air.stack_limit = 3 + pick(&mut rng, 5);
        let mut lots = ChaCha8Rng::from_seed([seed + 100; 32]);
        air.tamper = Box::new(move |_, _| match lots.next_u32() % 2000 {
            0 => Fate::Lost,
            _ => Fate::Arrives,
        });
        air.all_on();
        let mut letters = 0;
        for _ in 0..40 {
            disturb(&mut air, &mut rng, &mut letters);
            air.run(Duration::from_millis(1 + pick(&mut rng, 30_000) as u64));
        }
        for index in 0..PLATFORMS.len() {
            air.power_on(index);
            air.duty(index, Duty::Performance);
        }
        let all: Vec<_> = air.nodes.iter().flat_map(|phone| phone.mail.clone()).collect();
        assert!(letters > 5, "a quiet run");
        let arrived = |air: &Air| all.iter().all(|letter| air.all_have(letter));
        assert!(air.run_until(Duration::from_mins(30), arrived), "mail is lost: {seed}");
    }
}
