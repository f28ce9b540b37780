//! A figure from several runs: its median and how far they lie apart.

/// What several runs gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => self.0[n / 2],
            n => (self.0[n / 2 - 1] + self.0[n / 2]) / 2.0,
        }
    }

    /// Median, lowest and highest in a unit of so much, with so many decimals: `1.23 (1.20–1.26)`; a dash when there was
    /// no run.
    pub(crate) fn told(&self, unit: f64, decimals: usize) -> String {
        let shown = |value: f64| format!("{:.decimals$}", value / unit);
        match (self.0.first(), self.0.last()) {
            (Some(low), Some(high)) => format!("{} ({}–{})", shown(self.median()), shown(*low), shown(*high)),
            _ => "–".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_even_and_odd() {
        let mut spread = Spread::default();
        assert_eq!(spread.told(1e6, 3), "–");
        for value in [3e6, 1e6, 2e6] {
            spread.add(value);
        }
        assert_eq!(spread.told(1e6, 3), "2.000 (1.000–3.000)");
        spread.add(4e6);
        assert_eq!(spread.median(), 2.5e6);
    }
}
