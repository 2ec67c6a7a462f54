//! Durations as people write them: `"1s"`, `"500ms"`, `"2m"`, `"1h"`, or a plain number of seconds.

use std::time::Duration;

use serde::Deserialize;

/// A duration as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawDuration {
    /// A number is seconds.
    Seconds(u32),
    /// Text carries its unit.
    Text(String),
}

impl RawDuration {
    /// The value as it was written, for an error's sentence.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// The duration, or `None` when the text is none.
    pub(crate) fn read(&self) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(Duration::from_secs(u64::from(*seconds))),
            Self::Text(text) => parse(text),
        }
    }
}

fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number = u64::from(number.parse::<u32>().ok()?);
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" | "min" => Some(Duration::from_secs(number * 60)),
        "h" => Some(Duration::from_secs(number * 3600)),
        "" if number == 0 => Some(Duration::ZERO),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read_and_nonsense_is_refused() {
        let read = |text: &str| RawDuration::Text(text.to_owned()).read();
        assert_eq!(read("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(read("1s"), Some(Duration::from_secs(1)));
        assert_eq!(read("2m"), Some(Duration::from_secs(120)));
        assert_eq!(read("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(
            RawDuration::Seconds(60).read(),
            Some(Duration::from_secs(60))
        );
        for nonsense in ["", "60", "s", "-1s", "1 year", "99999999999h", "1.5s"] {
            assert_eq!(read(nonsense), None, "{nonsense:?}");
        }
    }
}
