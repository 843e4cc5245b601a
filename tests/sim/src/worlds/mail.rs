//! Who writes to whom: people write to their few friends, and most to the closest.

use super::dice::Dice;
use crate::input::Place;
use crate::scenario::{Message, Publication};
use crate::schedule::Nanos;
use std::collections::BTreeSet;
use std::path::Path;

/// Friends of one person; their circles give most of them, chance the last.
const FRIENDS: usize = 5;
const TEXT_BYTES: [f64; 2] = [100.0, 1000.0];
/// A photograph, as messengers scale them down.
const PHOTO_BYTES: [f64; 2] = [50_000.0, 300_000.0];
const ALERT_BYTES: [f64; 2] = [200.0, 800.0];
/// People write while they are awake.
const WAKING_S: [f64; 2] = [7.0 * HOUR_S, 23.0 * HOUR_S];
/// Nothing is written in a world's last hours: all that is written has had this time to arrive.
const LAST_S: f64 = 5.0 * HOUR_S;

const HOUR_S: f64 = 3600.0;
const DAY_S: f64 = 24.0 * HOUR_S;

/// How much people write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habit {
    /// Messages that each writes a day, in the mean.
    pub(super) messages_a_day: f64,
    /// The share of photos among them.
    pub(super) photos: f64,
}

/// Messages of `writers`, whose circles are the groups that they are in, over so many days.
pub(super) fn letters(
    world: &str,
    habit: Habit,
    writers: &[usize],
    circles: &[Vec<usize>],
    days: u32,
    dice: &mut Dice,
) -> Vec<Message> {
    let mut letters = Vec::new();
    let gap_s = (WAKING_S[1] - WAKING_S[0]) / habit.messages_a_day;
    for from in writers {
        let friends = friends(*from, writers, circles, dice);
        if friends.is_empty() {
            continue;
        }
        let mut awake_s = dice.exponential(gap_s);
        while let Some(at) = waking_time(awake_s, days) {
            awake_s += dice.exponential(gap_s);
            let is_photo = dice.happens(habit.photos);
            let [low, high] = if is_photo { PHOTO_BYTES } else { TEXT_BYTES };
            letters.push((at, *from, closest(&friends, dice), dice.between(low, high)));
        }
    }
    letters.sort_by_key(|(at, from, ..)| (*at, *from));
    let file = Path::new(world).into();
    let message = |(number, (at, from, to, size))| Message {
        at,
        name: format!("M{}", number + 1),
        from,
        to,
        #[allow(clippy::cast_sign_loss, reason = "sizes are positive")]
        size_bytes: size as u64,
        is_flood: false,
        place: Place { file: std::sync::Arc::clone(&file), line: number + 1 },
    };
    letters.into_iter().enumerate().map(message).collect()
}

/// What each of these publishes: so many alerts a day.
pub(super) fn alerts(
    publishers: &[usize],
    alerts_a_day: f64,
    days: u32,
    dice: &mut Dice,
) -> Vec<Publication> {
    let gap_s = (WAKING_S[1] - WAKING_S[0]) / alerts_a_day;
    let mut alerts = Vec::new();
    for from in publishers {
        let mut awake_s = dice.exponential(gap_s);
        while let Some(at) = waking_time(awake_s, days) {
            awake_s += dice.exponential(gap_s);
            #[allow(clippy::cast_sign_loss, reason = "sizes are positive")]
            let text_bytes = dice.between(ALERT_BYTES[0], ALERT_BYTES[1]) as usize;
            alerts.push(Publication { at, from: *from, text_bytes });
        }
    }
    alerts.sort_by_key(|alert| (alert.at, alert.from));
    alerts
}

/// The closest first; all of them other people who write.
fn friends(who: usize, writers: &[usize], circles: &[Vec<usize>], dice: &mut Dice) -> Vec<usize> {
    let own = circles.iter().filter(|circle| circle.contains(&who));
    let known: BTreeSet<usize> = own.flatten().copied().filter(|other| *other != who).collect();
    let mut friends: Vec<usize> = known.into_iter().collect();
    dice.shuffle(&mut friends);
    friends.truncate(FRIENDS - 1);
    let anybody = dice.pick(writers).copied();
    friends.extend(anybody.filter(|other| *other != who && !friends.contains(other)));
    friends
}

/// The n-th friend gets an n-th of what the first gets (Zipf).
fn closest(friends: &[usize], dice: &mut Dice) -> usize {
    let weight = |rank: usize| 1.0 / (rank + 1) as f64;
    let all: f64 = (0..friends.len()).map(weight).sum();
    let mut left = dice.unit() * all;
    let found = friends.iter().enumerate().find(|(rank, _)| {
        left -= weight(*rank);
        left < 0.0
    });
    found.map_or(friends[0], |(_, friend)| *friend)
}

/// The time at which somebody has been awake for so long; none if the world is all but over then.
fn waking_time(awake_s: f64, days: u32) -> Option<Nanos> {
    let waking_s = WAKING_S[1] - WAKING_S[0];
    let day = (awake_s / waking_s).floor();
    let at_s = day * DAY_S + WAKING_S[0] + (awake_s - day * waking_s);
    #[allow(clippy::cast_sign_loss, reason = "times are positive")]
    (at_s < f64::from(days) * DAY_S - LAST_S).then_some((at_s * 1e9) as Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::SECOND;

    #[test]
    fn people_write_by_day_to_their_own_circle_most() {
        let writers: Vec<usize> = (0..40).collect();
        let circles: Vec<Vec<usize>> = writers.chunks(8).map(<[usize]>::to_vec).collect();
        let habit = Habit { messages_a_day: 6.0, photos: 0.1 };
        let letters = letters("w", habit, &writers, &circles, 3, &mut Dice::new(1, 0));
        // Two whole days of 16 hours, and one of 12.
        let expected = 40.0 * 6.0 * (2.0 + 12.0 / 16.0);
        assert!((letters.len() as f64 - expected).abs() < 0.15 * expected, "{}", letters.len());
        assert!(letters.is_sorted_by_key(|letter| letter.at));
        for letter in &letters {
            let hour = letter.at / (3600 * SECOND) % 24;
            assert!((7..23).contains(&hour) && letter.from != letter.to);
            assert!((100..1000).contains(&letter.size_bytes) || letter.size_bytes >= 50_000);
        }
        let share = |of: &dyn Fn(&Message) -> bool| {
            letters.iter().filter(|letter| of(letter)).count() as f64 / letters.len() as f64
        };
        assert!((0.06..0.14).contains(&share(&|letter| letter.size_bytes >= 50_000)));
        assert!((0.8..0.97).contains(&share(&|letter| letter.from / 8 == letter.to / 8)));
        let of_one: BTreeSet<usize> =
            letters.iter().filter(|letter| letter.from == 3).map(|letter| letter.to).collect();
        assert!((2..=FRIENDS).contains(&of_one.len()));
    }
}
