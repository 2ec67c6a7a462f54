//! Times of day in text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use offhook_signaling::calendar::date;

/// `20261125T123005Z`: UTC, sortable, without a character that a file system minds.
pub(crate) fn for_file_name(time: SystemTime) -> String {
    let since = since_1970(time);
    let (year, month, day) = date(since.as_secs() / 86_400);
    let (hour, minute, second) = of_day(since);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2026-11-25T12:30:05.123Z` (RFC 3339), in UTC.
#[cfg(any(test, feature = "call-reports"))]
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = since_1970(time);
    let (year, month, day) = date(since.as_secs() / 86_400);
    let (hour, minute, second) = of_day(since);
    let ms = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

const fn of_day(since: Duration) -> (u64, u64, u64) {
    let seconds = since.as_secs() % 86_400;
    (seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_the_calendar_has_them() {
        let written = |seconds| for_file_name(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(written(0), "19700101T000000Z");
        assert_eq!(written(951_782_400), "20000229T000000Z");
        assert_eq!(written(1_767_225_599), "20251231T235959Z");
        assert_eq!(written(4_107_542_400), "21000301T000000Z");
        let moment = UNIX_EPOCH + Duration::from_millis(1_767_225_599_042);
        assert_eq!(rfc3339(moment), "2025-12-31T23:59:59.042Z");
    }
}
