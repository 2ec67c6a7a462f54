//! Whether two accounts log in as one user at one server, however each writes it.

/// What a server's URL must have in common with another's for both to lead to the same server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerKey {
    secure: bool,
    host: String,
    port: u16,
}

impl ServerKey {
    /// Of a `ws://` or `wss://` URL. Path and query do not count: no server here has several sets of users behind them.
    pub(crate) fn of(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let secure = scheme.eq_ignore_ascii_case("wss");
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
            _ => (authority, None),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        Self {
            secure,
            host: without_region(host),
            port: port.unwrap_or(if secure { 443 } else { 80 }),
        }
    }
}

/// All regions of Telnyx have the same users.
fn without_region(host: String) -> String {
    for gateway in ["rtc.telnyx.com", "rtcdev.telnyx.com"] {
        if host
            .strip_suffix(gateway)
            .is_some_and(|region| region.ends_with('.'))
        {
            return gateway.to_owned();
        }
    }
    host
}

/// Whether two login names may be one user: the server puts its own domain behind a name that has none, and which that is
/// cannot be seen from here.
pub(crate) fn is_same_user(one: &str, other: &str) -> bool {
    let (user, domain) = split(one);
    let (another, elsewhere) = split(other);
    let domains = domain.zip(elsewhere);
    user == another && domains.is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))
}

fn split(login: &str) -> (&str, Option<&str>) {
    match login.split_once('@') {
        Some((user, domain)) => (user, Some(domain)),
        None => (login, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{ServerKey, is_same_user};

    #[test]
    fn a_server_is_scheme_host_and_port() {
        let is_same = |one, other| ServerKey::of(one) == ServerKey::of(other);
        for other in [
            "wss://rtc.telnyx.com/",
            "wss://rtc.telnyx.com:443",
            "wss://rtc.telnyx.com:/",
            "WSS://RTC.Telnyx.COM.",
            "wss://rtc.telnyx.com/lobby?x=1#y",
            "wss://eu.rtc.telnyx.com",
        ] {
            assert!(is_same("wss://rtc.telnyx.com", other), "{other}");
        }
        for other in [
            "ws://rtc.telnyx.com",
            "ws://rtc.telnyx.com:443",
            "wss://rtc.telnyx.com:8443",
            "wss://rtcdev.telnyx.com",
            "wss://artc.telnyx.com",
            "wss://telnyx.com",
        ] {
            assert!(!is_same("wss://rtc.telnyx.com", other), "{other}");
        }
        assert!(is_same("ws://[::1]/a", "ws://[::1]:80"));
        assert!(!is_same("ws://[::1]:8081", "ws://[::1]:8082"));
        assert!(!is_same("ws://[::1]", "ws://[::2]"));
    }

    #[test]
    fn a_user_without_a_domain_may_be_that_of_any() {
        assert!(is_same_user("demo", "demo"));
        assert!(is_same_user("demo", "demo@pbx.example"));
        assert!(is_same_user("demo@PBX.example", "demo@pbx.example"));
        assert!(!is_same_user("demo@a.example", "demo@b.example"));
        assert!(!is_same_user("demo", "demo2@pbx.example"));
        assert!(!is_same_user("demo", "Demo"));
    }
}
