//! Chance in a world: one stream for each person and purpose, so that nobody's life hangs on how many
//! throws another needs.

use super::plane::Point;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// From 0 to below `count`, which is not 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.0.next_u64() % count.max(1) as u64) as usize
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Normal, near enough: the sum of twelve uniform ones, within six deviations.
    pub(crate) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        mean + deviation * (sum - 6.0)
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Pareto with exponent one half, as pauses at a desk are; cut off at `max`.
    pub(crate) fn pareto_half(&mut self, min: f64, max: f64) -> f64 {
        let rest = 1.0 - self.unit();
        (min / (rest * rest)).min(max)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// Anywhere on a square whose corner is the origin.
    pub(crate) fn in_square(&mut self, side_m: f64) -> Point {
        Point { x_m: self.between(0.0, side_m), y_m: self.between(0.0, side_m) }
    }

    /// Anywhere within a circle.
    pub(crate) fn near(&mut self, centre: Point, radius_m: f64) -> Point {
        loop {
            let [x, y] = [(); 2].map(|()| self.between(-1.0, 1.0));
            if x * x + y * y <= 1.0 {
                return Point { x_m: centre.x_m + x * radius_m, y_m: centre.y_m + y * radius_m };
            }
        }
    }

    /// Mixes an order, each as likely as any other.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_has_the_shape_that_was_asked_for() {
        let mut dice = Dice::new(7, 1);
        let mut mean = |mut throw: Box<dyn FnMut(&mut Dice) -> f64>| {
            (0..20_000).map(|_| throw(&mut dice)).sum::<f64>() / 20_000.0
        };
        for (found, expected) in [
            (mean(Box::new(Dice::unit)), 0.5),
            (mean(Box::new(|dice| dice.normal(3.0, 2.0))), 3.0),
            (mean(Box::new(|dice| dice.exponential(5.0))), 5.0),
            (mean(Box::new(|dice| f64::from(dice.pareto_half(1.0, 1e9) > 4.0))), 0.5),
            (mean(Box::new(|dice| dice.near(Point { x_m: 9.0, y_m: 0.0 }, 4.0).x_m)), 9.0),
        ] {
            assert!((found - expected).abs() < 0.03 * expected, "{found} {expected}");
        }
    }

    #[test]
    fn streams_are_apart() {
        let throws = |stream| [(); 4].map(|()| Dice::new(7, stream).unit().to_bits());
        assert_eq!(throws(1), throws(1));
        assert_ne!(throws(1), throws(2));
    }
}
