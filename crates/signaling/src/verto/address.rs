//! The server's URL as text: a region put into it, and parameters added to it.

use std::fmt::Write as _;

/// The URL with the region's label before the gateway's own, where the host has regions: one whose first label is `rtc` or
/// `rtcdev`. Any other host stays as it is.
pub fn with_region(url: &str, region: &str) -> String {
    let at = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(at);
    let first = rest.split(['.', ':', '/', '?']).next().unwrap_or(rest);
    let label = region
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if region.is_empty() || region == "auto" || !label || !matches!(first, "rtc" | "rtcdev") {
        return url.to_owned();
    }
    format!("{scheme}{region}.{rest}")
}

/// The URL with parameters added behind those it has; a fragment is dropped, since WebSocket URLs have none
/// (RFC 6455, 3).
pub fn with_query(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = url.split('#').next().unwrap_or(url).to_owned();
    if parameters.is_empty() {
        return out;
    }
    let authority = out.find("://").map_or(0, |at| at + 3);
    if !out[authority..].contains(['/', '?']) {
        out.push('/');
    }
    let mut separator = if !out.contains('?') {
        "?"
    } else if out.ends_with(['?', '&']) {
        ""
    } else {
        "&"
    };
    for (name, value) in parameters {
        out.push_str(separator);
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
        separator = "&";
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{with_query, with_region};

    #[test]
    fn a_region_stands_before_the_gateway_and_nowhere_else() {
        let regional = with_region("wss://rtc.telnyx.com/p?q=1", "eu");
        assert_eq!(regional, "wss://eu.rtc.telnyx.com/p?q=1");
        assert_eq!(
            with_region("wss://rtcdev.a:1", "us-east"),
            "wss://us-east.rtcdev.a:1"
        );
        for (url, region) in [
            ("wss://rtc.telnyx.com", "auto"),
            ("wss://rtc.telnyx.com", "evil.example/"),
            ("wss://gateway.example/rtc", "eu"),
            ("wss://eu.rtc.telnyx.com", "eu"),
        ] {
            assert_eq!(with_region(url, region), url);
        }
    }

    #[test]
    fn parameters_are_appended_and_escaped() {
        assert_eq!(with_query("wss://a", &[]), "wss://a");
        assert_eq!(
            with_query("wss://a", &[("v", "x/y z")]),
            "wss://a/?v=x%2Fy%20z"
        );
        assert_eq!(
            with_query("wss://a/p?q=1#f", &[("v", "1"), ("w", "2")]),
            "wss://a/p?q=1&v=1&w=2"
        );
        assert_eq!(with_query("wss://a?", &[("v", "1")]), "wss://a?v=1");
    }
}
