//! The short name of a server, for messages to people.

/// Host and port of a URL, for messages: no scheme, no path, no query, no user.
pub fn server_name(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::server_name;

    #[test]
    fn names_hide_everything_but_host_and_port() {
        assert_eq!(
            server_name("wss://user:pw@rtc.example:7443/a?token=x#f"),
            "rtc.example:7443"
        );
        assert_eq!(server_name("wss://[::1]:8082"), "[::1]:8082");
        assert_eq!(server_name(""), "");
    }
}
