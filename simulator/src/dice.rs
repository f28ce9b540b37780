//! Randomness that a seed and a name decide, so that a run can be repeated: SplitMix64 (Steele, Lea, Flood 2014).

/// Seeded dice. Two with the same seed and name fall alike.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of a run (`seed`) for one purpose or device (`name`).
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Dice {
        // FNV-1a spreads the name; one throw mixes it with the seed.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut dice = Dice(seed ^ hash);
        dice.throw();
        dice
    }

    /// 64 random bits.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from `low` to below `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.throw() >> 11) as f64 / (1_u64 << 53) as f64;
        low + (high - low) * unit
    }

    /// Evenly from 0 to below `sides`, which must not be 0.
    pub fn below(&mut self, sides: usize) -> usize {
        (self.throw() % sides.max(1) as u64) as usize
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// True this often.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.between(0.0, 1.0) < probability
    }

    /// About a mean, like noise: the sum of twelve even throws, which is close to normal and never beyond 6 σ.
    pub fn around(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.between(0.0, 1.0)).sum();
        mean + (sum - 6.0) * deviation
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_and_name_fall_alike_and_others_do_not() {
        let throws = |seed, name| {
            let mut dice = Dice::new(seed, name);
            [dice.throw(), dice.throw(), dice.throw()]
        };
        assert_eq!(throws(7, "w01"), throws(7, "w01"));
        assert_ne!(throws(7, "w01"), throws(8, "w01"));
        assert_ne!(throws(7, "w01"), throws(7, "w02"));
    }

    #[test]
    fn noise_has_its_mean_and_spread() {
        let mut dice = Dice::new(1, "noise");
        let values: Vec<f64> = (0..20_000).map(|_| dice.around(70.0, 4.0)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((mean - 70.0).abs() < 0.2, "{mean}");
        assert!((variance.sqrt() - 4.0).abs() < 0.2, "{variance}");
    }
}
