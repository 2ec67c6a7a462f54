//! How far a REFER has come, as a NOTIFY tells it: a status line in message/sipfrag (RFC 3515, 2.4.5; RFC 3420).

use crate::sip::message::status::reason_phrase;

/// Reads the status of a message/sipfrag body. `None`: it holds no status line.
pub(in crate::sip) fn read(body: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(body.get(..64).unwrap_or(body));
    let line = text.trim_start();
    let version = line.get(..8)?;
    if !version.eq_ignore_ascii_case("SIP/2.0 ") {
        return None;
    }
    let code = line.get(8..)?.split_ascii_whitespace().next()?;
    code.parse().ok().filter(|code| (100..700).contains(code))
}

/// Writes one.
pub(in crate::sip) fn write(status: u16, reason: &str) -> String {
    let reason = if reason.is_empty() {
        reason_phrase(status)
    } else {
        reason
    };
    let reason: String = reason
        .chars()
        .filter(|letter| !letter.is_control())
        .take(128)
        .collect();
    format!("SIP/2.0 {status} {reason}\r\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_status_line_is_found_and_nothing_else() {
        assert_eq!(read(b"SIP/2.0 200 OK\r\nTo: x\r\n"), Some(200));
        assert_eq!(read(b"\r\nsip/2.0 486 Besetzt"), Some(486));
        assert_eq!(
            read("SIP/2.0 603 Abgewählt, denn niemand hat heute Zeit für so etwas ä".as_bytes()),
            Some(603)
        );
        for none in ["", "SIP/2.0", "SIP/2.0 2000", "SIP/2.0 99 x", "200 OK"] {
            assert_eq!(read(none.as_bytes()), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not(body in any::<Vec<u8>>()) {
            let _ = read(&body);
        }

        #[test]
        fn what_is_written_is_read(status in 100_u16..700, reason in any::<String>()) {
            let text = write(status, &reason);
            prop_assert_eq!(read(text.as_bytes()), Some(status));
            prop_assert_eq!(text.lines().count(), 1);
        }
    }
}
