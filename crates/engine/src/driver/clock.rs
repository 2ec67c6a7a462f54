//! The clocks and the chance that the core is given, and the time of day as it stands in the name of a recording.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The runtime's clock, which tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// This machine's clock, right or wrong.
#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where clocks are read"
)]
pub(crate) fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// A seed that nobody can guess.
#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where the core's chance comes from"
)]
pub(crate) fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

/// `20261125T123005Z`: UTC, sortable, without a character that a file system minds.
pub(crate) fn for_file_name(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Proleptic Gregorian date of a number of days since 1970-01-01, by eras of 400 years that begin on 1 March.
const fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
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
    }
}
