//! Times as the API writes and reads them: with and without fraction and zone.

use std::time::{Duration, SystemTime};

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// `2026-11-24T10:00:00`, as credentials carry it.
pub fn bare(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// `2026-11-24T10:00:00.000Z`, as documented.
pub fn full(at: SystemTime) -> String {
    let millisecond = OffsetDateTime::from(at).millisecond();
    format!("{}.{millisecond:03}Z", bare(at))
}

/// Reads a date of HTTP (RFC 9110, section 5.6.7) in the one form that may be sent, `Wed, 25 Nov 2026 16:15:37 GMT`.
pub fn http(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = text.trim().strip_suffix(" GMT")?.split_once(", ")?;
    let [day, month, year, time] = date.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    parse(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// Reads what the API writes; a time without zone is taken as UTC.
pub fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once(['T', ' '])?;
    let mut parts = date.split('-');
    let year = parts.next()?.parse().ok()?;
    let month = Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, parts.next()?.parse().ok()?).ok()?;
    if parts.next().is_some() {
        return None;
    }
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone);
    let mut parts = time.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let (second, millisecond) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            (whole.parse().ok()?, milliseconds(fraction)?)
        }
    };
    let time = Time::from_hms_milli(hour, minute, second, millisecond).ok()?;
    if parts.next().is_some() {
        return None;
    }
    let at = SystemTime::from(PrimitiveDateTime::new(date, time).assume_utc());
    let (sign, ahead) = offset(zone)?;
    match sign {
        '-' => at.checked_add(ahead),
        _ => at.checked_sub(ahead),
    }
}

fn milliseconds(fraction: &str) -> Option<u16> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits.parse().ok()
}

/// `Z`, nothing, `-00`, `+0200` or `+02:00`.
fn offset(zone: &str) -> Option<(char, Duration)> {
    let sign = zone.chars().next().unwrap_or('Z');
    if sign == 'Z' {
        return (zone.len() <= 1).then_some((sign, Duration::ZERO));
    }
    let digits: String = zone.chars().skip(1).filter(|char| *char != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |range| {
        let digits: Option<&str> = digits.get(range);
        digits.map_or(Some(0), |text| text.parse().ok())
    };
    let hours: u64 = number(0..2)?;
    let minutes: u64 = number(2..4)?;
    (hours < 24 && minutes < 60).then_some((sign, Duration::from_secs(hours * 3600 + minutes * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_written_and_every_documented_form_is_read() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_600_800_250);
        assert_eq!(bare(at), "2026-11-25T10:00:00");
        assert_eq!(full(at), "2026-11-25T10:00:00.250Z");
        assert_eq!(parse(&full(at)), Some(at));
        let whole = at - Duration::from_millis(250);
        for same in [
            "2026-11-25T10:00:00",
            "2026-11-25T10:00:00Z",
            "2026-11-25T10:00",
            "2026-11-25T10:00:00-00",
            "2026-11-25T10:00:00-0000",
            "2026-11-25T10:00:00.0-00:00",
            "2026-11-25T12:00:00+02:00",
            "2026-11-25T05:00:00-0500",
        ] {
            assert_eq!(parse(same), Some(whole), "{same}");
        }
    }

    #[test]
    fn nonsense_is_no_time() {
        for wrong in [
            "",
            "T",
            "2026-11-25",
            "2026-13-01T00:00",
            "2026-02-30T00:00",
            "2026-11-25T25:00",
            "2026-11-25T10:00:00ZZ",
            "2026-11-25T10:00:00+9",
            "2026-11-25T10:00:00.x",
            "2026-11-25T10:00:00:00",
            "999999999-01-01T00:00",
            "2026-11-25T10:00:00+99:99",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
