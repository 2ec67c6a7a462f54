//! Measured values and their distribution.

use serde::Serialize;

/// Values of one figure, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

/// What a table says of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Distribution {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.0.push(value);
        }
    }

    /// `None` where nothing was measured.
    pub(crate) fn distribution(&self) -> Option<Distribution> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let max = *sorted.last()?;
        Some(Distribution {
            count: sorted.len(),
            p50: rank(&sorted, 50),
            p95: rank(&sorted, 95),
            p99: rank(&sorted, 99),
            max,
        })
    }

    /// The same where small is bad: p95 is then what 95 of a hundred reach at least.
    pub(crate) fn distribution_downwards(&self) -> Option<Distribution> {
        let turned = Self(self.0.iter().map(|value| -value).collect()).distribution()?;
        Some(Distribution {
            count: turned.count,
            p50: -turned.p50,
            p95: -turned.p95,
            p99: -turned.p99,
            max: -turned.max,
        })
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
    fn where_small_is_bad_the_last_column_is_the_smallest() {
        let known = samples(1..=100).distribution_downwards().unwrap();
        assert_eq!((known.p50, known.p99, known.max), (51.0, 2.0, 1.0));
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut samples = samples([1]);
        samples.add(f64::NAN);
        samples.add(f64::INFINITY);
        assert_eq!(samples.distribution().unwrap().count, 1);
    }
}
