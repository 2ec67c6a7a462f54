//! Spans of time in words.

use std::time::Duration;

/// In its largest sensible unit: `45 s`, `12 min`, `30 h`, `9 days`.
pub(crate) fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_unit_that_a_person_would_take() {
        let words = [45, 130, 7200, 259_200].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(words, ["45 s", "2 min", "2 h", "3 days"]);
    }
}
