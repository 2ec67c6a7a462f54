//! Reads the `Date` header of an HTTP answer (RFC 9110, section 5.6.7): the only clock that a gateway shows.

use std::time::{Duration, SystemTime};

use crate::calendar::days;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Reads the one form that is allowed to be sent, `Sun, 06 Nov 1994 08:49:37 GMT`; the obsolete ones count as absent.
pub(super) fn read(text: &str) -> Option<SystemTime> {
    let (_, date) = text.trim().split_once(", ")?;
    let mut parts = date.split(' ');
    let mut part = || parts.next();
    let day = number(part()?, 1..=31)?;
    let name = part()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = number(part()?, 1970..=9999)?;
    let mut clock = part()?.split(':');
    let hour = number(clock.next()?, 0..=23)?;
    let minute = number(clock.next()?, 0..=59)?;
    let second = number(clock.next()?, 0..=60)?;
    (part()? == "GMT").then_some(())?;
    let month = u64::try_from(month).ok()? + 1;
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    range.contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::read;

    fn seconds(text: &str) -> Option<u64> {
        let since = read(text)?.duration_since(SystemTime::UNIX_EPOCH);
        Some(since.unwrap().as_secs())
    }

    #[test]
    fn dates_are_those_of_the_standard_and_of_leap_years() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            seconds("Thu, 29 Feb 2024 12:00:00 GMT"),
            Some(1_709_208_000)
        );
        assert_eq!(
            seconds("Wed, 25 Nov 2026 16:15:37 GMT"),
            Some(1_795_623_337)
        );
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[A-Za-z]{3}, [0-9]{1,20} (Jan|Feb|Mar) [0-9]{1,5} [0-9:]{0,12} GMT", any in ".{0,60}") {
            let _ = (read(&text), read(&any));
        }
    }
}
