//! A figure from several runs: its median and how far they lie apart.

use std::fmt;

/// What several runs gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => self.0[n / 2],
            n => (self.0[n / 2 - 1] + self.0[n / 2]) / 2.0,
        }
    }
}

/// `1.23 M (1.20–1.26)`: millions.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = |value: &f64| format!("{:.3}", value / 1e6);
        match (self.0.first(), self.0.last()) {
            (Some(low), Some(high)) => write!(f, "{} M ({}–{})", m(&self.median()), m(low), m(high)),
            _ => f.write_str("–"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_even_and_odd() {
        let mut spread = Spread::default();
        for value in [3e6, 1e6, 2e6] {
            spread.add(value);
        }
        assert_eq!(spread.to_string(), "2.000 M (1.000–3.000)");
        spread.add(4e6);
        assert_eq!(spread.median(), 2.5e6);
    }
}
