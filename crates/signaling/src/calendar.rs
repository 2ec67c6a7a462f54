//! Days since 1970 and dates of the proleptic Gregorian calendar.

/// Days from 1 March of the year 0 to 1970-01-01.
const SINCE_MARCH_0: u64 = 719_468;

/// Year, month and day, both from 1, of a number of days since 1970-01-01.
#[must_use]
pub const fn date(days: u64) -> (u64, u64, u64) {
    // In eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
    let shifted = days + SINCE_MARCH_0;
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

/// Days since 1970-01-01 of a year, month and day, both from 1; `None` before that, or when there is no such month or day at all.
#[must_use]
pub fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = match month {
        3..=12 => (year, month - 3),
        1 | 2 => (year.checked_sub(1)?, month + 9),
        _ => return None,
    };
    let of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
    let since_zero = year * 365 + year / 4 - year / 100 + year / 400 + of_year;
    since_zero.checked_sub(SINCE_MARCH_0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{date, days};

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(47_541), (2100, 3, 1));
        assert_eq!(days(1969, 12, 31), None);
        assert_eq!(days(2026, 0, 1), None);
        assert_eq!(days(2026, 13, 1), None);
        assert_eq!(days(2026, 1, 0), None);
    }

    proptest! {
        #[test]
        fn each_day_has_one_date(day in 0_u64..3_000_000) {
            let (year, month, of_month) = date(day);
            prop_assert_eq!(days(year, month, of_month), Some(day));
        }
    }
}
