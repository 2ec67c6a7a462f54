//! A figure over time, and whether it grows.

use std::time::Duration;

/// Values with the time of each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    points: Vec<(f64, f64)>,
}

impl Series {
    /// Adds a value; `at` counts from the start.
    pub(crate) fn push(&mut self, at: Duration, value: u64) {
        self.points.push((at.as_secs_f64(), value as f64));
    }

    /// Growth per hour of the values from `begin` on, by least squares; `None` with fewer than two moments.
    pub(crate) fn slope_per_hour(&self, begin: Duration) -> Option<f64> {
        let judged = || {
            let late = |(at, _): &&(f64, f64)| *at >= begin.as_secs_f64();
            self.points.iter().filter(late)
        };
        let count = judged().count() as f64;
        let mean_at = judged().map(|(at, _)| at).sum::<f64>() / count;
        let mean = judged().map(|(_, value)| value).sum::<f64>() / count;
        let spread = judged().map(|(at, _)| (at - mean_at).powi(2)).sum::<f64>();
        let common = judged()
            .map(|(at, value)| (at - mean_at) * (value - mean))
            .sum::<f64>();
        (spread > 0.0).then(|| common / spread * 3600.0)
    }

    /// The least and the greatest value from `begin` on.
    pub(crate) fn range(&self, begin: Duration) -> Option<(f64, f64)> {
        let late = |(at, _): &&(f64, f64)| *at >= begin.as_secs_f64();
        self.points
            .iter()
            .filter(late)
            .map(|(_, value)| (*value, *value))
            .reduce(|(least, most), (value, _)| (least.min(value), most.max(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_found_below_noise_and_the_beginning_does_not_count() {
        let mut series = Series::default();
        for minute in 0..120_u64 {
            let start = if minute < 30 { minute * 1_000 } else { 30_000 };
            series.push(
                Duration::from_secs(minute * 60),
                start + minute * 2 + minute % 7,
            );
        }
        let slope = series.slope_per_hour(Duration::from_secs(1_800)).unwrap();
        assert!((slope - 120.0).abs() < 2.0, "{slope}");
        let (least, most) = series.range(Duration::from_secs(7_080)).unwrap();
        assert_eq!((least, most), (30_238.0, 30_242.0));
        assert_eq!(Series::default().slope_per_hour(Duration::ZERO), None);
        assert_eq!(Series::default().range(Duration::ZERO), None);
    }
}
