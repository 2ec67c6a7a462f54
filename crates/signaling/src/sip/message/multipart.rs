//! Bodies of several parts (RFC 2046, 5.1; RFC 5621). What one of them is does not hang on the others: some are binary.

use crate::sip::message::HeaderName;
use crate::sip::message::headers::Headers;
use crate::sip::message::params::Params;
use crate::sip::message::quoted;

/// Most parts that are looked at. Parts within parts are not.
const MOST_PARTS: usize = 8;
/// RFC 2046, 5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// One part.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Part<'a> {
    /// Its type in small letters.
    pub(in crate::sip) kind: String,
    /// The type's parameters.
    pub(in crate::sip) params: Params,
    /// It is packed (base64, quoted-printable): nothing of ours unpacks it.
    pub(in crate::sip) packed: bool,
    /// What it holds.
    pub(in crate::sip) content: &'a [u8],
}

/// The parts of a multipart body; none when it is no such body.
pub(in crate::sip) fn parts<'a>(headers: &Headers, body: &'a [u8]) -> Vec<Part<'a>> {
    let Some((kind, params)) = headers.parametrised(&HeaderName::ContentType) else {
        return Vec::new();
    };
    let boundary = params
        .get("boundary")
        .filter(|boundary| (1..=LONGEST_BOUNDARY).contains(&boundary.len()));
    match boundary {
        Some(boundary) if kind.trim().to_ascii_lowercase().starts_with("multipart/") => {
            split(body, boundary)
        }
        _ => Vec::new(),
    }
}

fn split<'a>(body: &'a [u8], boundary: &str) -> Vec<Part<'a>> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    // What stands before the first delimiter is for nobody.
    let mut rest = next_delimiter(body, &delimiter).map(|(_, rest)| rest);
    while let Some(section) = rest.filter(|rest| !rest.starts_with(b"--")) {
        let Some((inside, behind)) = next_delimiter(section, &delimiter) else {
            break;
        };
        parts.extend(part(inside));
        if parts.len() == MOST_PARTS {
            break;
        }
        rest = Some(behind);
    }
    parts
}

/// What stands before the next delimiter, and what behind it.
fn next_delimiter<'a>(body: &'a [u8], delimiter: &str) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let at = from + find(body.get(from..)?, delimiter.as_bytes())?;
        let before = body.get(..at)?;
        if before.is_empty() || before.ends_with(b"\n") {
            return Some((before, body.get(at + delimiter.len()..)?));
        }
        from = at + 1;
    }
}

fn part(section: &[u8]) -> Option<Part<'_>> {
    // The rest of the delimiter's line is padding; the line end before the next one is that one's.
    let start = find(section, b"\r\n")? + 2;
    let section = section.get(start..)?;
    let (head, content) = if let Some(content) = section.strip_prefix(b"\r\n") {
        (&b""[..], content)
    } else {
        let end = find(section, b"\r\n\r\n")?;
        (section.get(..end)?, section.get(end + 4..)?)
    };
    let head = std::str::from_utf8(head).ok()?;
    let value = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| value.trim())
        })
    };
    let line = value("content-type").unwrap_or("text/plain");
    let (kind, tail) = quoted::split_once(line, ';').unwrap_or((line, ""));
    let encoding = value("content-transfer-encoding").unwrap_or("binary");
    let plain = ["binary", "7bit", "8bit"]
        .iter()
        .any(|known| encoding.eq_ignore_ascii_case(known));
    Some(Part {
        kind: kind.trim().to_ascii_lowercase(),
        params: Params::read(tail),
        packed: !plain,
        content: content.strip_suffix(b"\r\n").unwrap_or(content),
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|here| here == wanted)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn parts_are_told_apart_whatever_stands_in_them() {
        let body = b"for nobody\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello --b\r\n\
            --b \r\ncontent-type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\xfe\r\n\
            --b\r\n\r\nbare\r\n--b--\r\nmore for nobody";
        let parts = split(body, "b");
        let seen: Vec<_> = parts
            .iter()
            .map(|part| (part.kind.as_str(), part.packed, part.content))
            .collect();
        assert_eq!(
            seen,
            [
                ("text/plain", false, &b"Hello --b"[..]),
                ("application/octet-stream", true, b"\xff\xfe"),
                ("text/plain", false, b"bare"),
            ]
        );
        assert_eq!(parts[0].params.get("charset"), Some("utf-8"));
    }

    #[test]
    fn half_a_body_has_no_part_that_is_cut() {
        for length in 0..40 {
            let body = b"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b--";
            assert!(split(&body[..length], "b").is_empty(), "{length}");
        }
    }
}
