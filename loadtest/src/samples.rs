//! Measured values and their distribution.

use serde::Serialize;

/// Values of one figure, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

/// What a table says of them where much is bad: how high they go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Distribution {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// The same where little is bad: how low they go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct LowDistribution {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p5: f64,
    pub(crate) p1: f64,
    pub(crate) min: f64,
}

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.0.push(value);
        }
    }

    /// `None` where nothing was measured.
    pub(crate) fn distribution(&self) -> Option<Distribution> {
        let sorted = self.sorted();
        let max = *sorted.last()?;
        Some(Distribution {
            count: sorted.len(),
            p50: rank(&sorted, 50),
            p95: rank(&sorted, 95),
            p99: rank(&sorted, 99),
            max,
        })
    }

    /// `None` where nothing was measured.
    pub(crate) fn low_distribution(&self) -> Option<LowDistribution> {
        let sorted = self.sorted();
        let min = *sorted.first()?;
        Some(LowDistribution {
            count: sorted.len(),
            p50: rank(&sorted, 50),
            p5: rank(&sorted, 5),
            p1: rank(&sorted, 1),
            min,
        })
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Nearest rank: a value that was measured, never one between two.
fn rank(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: impl IntoIterator<Item = u32>) -> Samples {
        let mut samples = Samples::default();
        for value in values {
            samples.add(value.into());
        }
        samples
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let known = samples((1..=200).rev()).distribution().unwrap();
        assert_eq!(
            (known.count, known.p50, known.p95, known.p99, known.max),
            (200, 100.0, 190.0, 198.0, 200.0)
        );
        let one = samples([7]).distribution().unwrap();
        assert_eq!((one.p50, one.p99, one.max), (7.0, 7.0, 7.0));
        assert_eq!(samples([]).distribution(), None);
    }

    #[test]
    fn where_little_is_bad_the_low_values_are_told() {
        let known = samples(1..=200).low_distribution().unwrap();
        assert_eq!(
            (known.count, known.p50, known.p5, known.p1, known.min),
            (200, 100.0, 10.0, 2.0, 1.0)
        );
        assert_eq!(samples([]).low_distribution(), None);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut samples = samples([1]);
        samples.add(f64::NAN);
        samples.add(f64::INFINITY);
        assert_eq!(samples.distribution().unwrap().count, 1);
    }
}
