//! Where the load goes: a stranger's server is not called by mistake, nor is its token endpoint.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr, ToSocketAddrs};

use url::{Host, Url};

/// Why a server is not called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("{url} is no URL of {}: {why}", .what.words())]
    NoUrl { url: String, what: Far, why: String },
    #[error(
        "{host} is neither on this machine nor in a private network; load goes there only with `--allow-host {host}`"
    )]
    Stranger { host: String },
    #[error("{host} has no address: {error}")]
    Unknown { host: String, error: std::io::Error },
    #[error("--allow-host {name}: it is no name or address of a host ({why})")]
    Name { name: String, why: url::ParseError },
}

/// What a URL leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Far {
    Server,
    TokenEndpoint,
}

impl Far {
    const fn words(self) -> &'static str {
        match self {
            Self::Server => "a WebSocket server",
            Self::TokenEndpoint => "a token endpoint",
        }
    }

    const fn schemes(self) -> [&'static str; 2] {
        match self {
            Self::Server => ["ws", "wss"],
            Self::TokenEndpoint => ["http", "https"],
        }
    }
}

/// Hosts that may be called wherever they are.
#[derive(Debug, Default)]
pub(crate) struct Allowed(Vec<Host>);

impl Allowed {
    /// As typed: names in any script, IPv6 addresses with and without brackets.
    pub(crate) fn read(names: &[String]) -> Result<Self, TargetError> {
        let host = |name: &String| {
            if let Ok(address) = name.parse::<Ipv6Addr>() {
                return Ok(Host::Ipv6(address));
            }
            Host::parse(name).map_err(|why| TargetError::Name {
                name: shown(name),
                why,
            })
        };
        names.iter().map(host).collect::<Result<_, _>>().map(Self)
    }
}

/// Whether the server may be called.
pub(crate) fn check(server: &str, allowed: &Allowed) -> Result<(), TargetError> {
    check_place(parse(server, Far::Server)?, allowed)
}

/// The same for token endpoints, of which many users have one.
pub(crate) fn check_endpoints<'a>(
    urls: impl Iterator<Item = &'a str>,
    allowed: &Allowed,
) -> Result<(), TargetError> {
    let mut seen = HashSet::new();
    for url in urls.filter(|url| seen.insert(*url)) {
        check_place(parse(url, Far::TokenEndpoint)?, allowed)?;
    }
    Ok(())
}

/// Where a URL leads.
#[derive(Debug)]
pub(crate) struct Place {
    host: Host,
    port: u16,
}

/// The place, if the URL can be one of such a server. What stands before an @ may be a password: it is neither taken nor shown.
pub(crate) fn parse(text: &str, what: Far) -> Result<Place, TargetError> {
    let no_url = |why: String| TargetError::NoUrl {
        url: shown(text),
        what,
        why,
    };
    let url = Url::parse(text).map_err(|error| no_url(error.to_string()))?;
    let [plain, secure] = what.schemes();
    if ![plain, secure].contains(&url.scheme()) {
        let why = format!("it begins with neither {plain}:// nor {secure}://");
        return Err(no_url(why));
    }
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '\\', '?', '#']).next();
    let user = !url.username().is_empty() || url.password().is_some();
    if user || authority.is_some_and(|authority| authority.contains('@')) {
        let why = "a user or password in a URL ends up in logs and reports";
        return Err(no_url(why.to_owned()));
    }
    let host = url
        .host()
        .ok_or_else(|| no_url("it names no host".to_owned()))?;
    Ok(Place {
        host: host.to_owned(),
        port: url.port_or_known_default().unwrap_or(443),
    })
}

fn check_place(Place { host, port }: Place, allowed: &Allowed) -> Result<(), TargetError> {
    if allowed.0.contains(&host) {
        return Ok(());
    }
    let name = host.to_string();
    let near = match &host {
        Host::Ipv4(address) => is_near((*address).into()),
        Host::Ipv6(address) => is_near((*address).into()),
        Host::Domain(domain) => {
            let found = (domain.as_str(), port).to_socket_addrs();
            let found = found.map_err(|error| TargetError::Unknown {
                host: name.clone(),
                error,
            })?;
            let mut addresses = found.map(|address| address.ip()).peekable();
            addresses.peek().is_some() && addresses.all(is_near)
        }
    };
    match near {
        true => Ok(()),
        false => Err(TargetError::Stranger { host: name }),
    }
}

/// What errors name it by: without its query, which may hold a key, and not at all where a password may stand in it.
fn shown(text: &str) -> String {
    match text.contains('@') {
        true => "...".to_owned(),
        false => text.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

/// Loopback, private (RFC 1918, RFC 4193) or link-local.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4_mapped().is_some_and(|v4| is_near(v4.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(names: &[&str]) -> Allowed {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Allowed::read(&names).unwrap()
    }

    #[test]
    fn only_near_servers_and_those_that_are_named_are_called() {
        let none = Allowed::default();
        for near in [
            "ws://127.0.0.1:8081",
            "wss://10.1.2.3/",
            "ws://[::1]:1",
            "ws://[fd00::1]/",
            "ws://localhost:5",
        ] {
            assert!(check(near, &none).is_ok(), "{near}");
        }
        let far = "wss://198.51.100.7:8082/path";
        let error = check(far, &none).unwrap_err().to_string();
        assert!(error.contains("--allow-host 198.51.100.7"), "{error}");
        let secret = check("http://127.0.0.1/?key=hunter2", &none).unwrap_err();
        assert!(!secret.to_string().contains("hunter2"), "{secret}");
    }

    #[test]
    fn an_allowed_host_is_the_same_however_it_is_written() {
        for (far, name) in [
            ("wss://198.51.100.7:8082/path", "198.51.100.7"),
            ("wss://rtc.example.com", "RTC.example.com"),
            ("wss://[2001:db8::1]:8082", "2001:db8::1"),
            ("wss://[2001:db8::1]:8082", "[2001:DB8:0::1]"),
            ("wss://bücher.example", "bücher.example"),
            ("wss://bücher.example", "xn--bcher-kva.example"),
        ] {
            assert!(check(far, &allowed(&[name])).is_ok(), "{far} by {name}");
        }
        let error = check("wss://[2001:db8::1]", &allowed(&["2001:db8::2"])).unwrap_err();
        assert!(error.to_string().contains("--allow-host [2001:db8::1]"));
        for wrong in ["wss://rtc.example.com", "rtc.example.com:8082"] {
            let error = Allowed::read(&[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn token_endpoints_are_guarded_as_the_server_is() {
        let urls = [
            "http://127.0.0.1:8089/token",
            "https://192.0.2.1/token",
            "https://192.0.2.1/token",
        ];
        let none = Allowed::default();
        assert!(check_endpoints(urls[..1].iter().copied(), &none).is_ok());
        let error = check_endpoints(urls.into_iter(), &none).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("--allow-host 192.0.2.1"), "{error}");
        assert!(check_endpoints(urls.into_iter(), &allowed(&["192.0.2.1"])).is_ok());
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_shown() {
        for url in [
            "wss://admin:hunter2@127.0.0.1/",
            "wss:/admin:hunter2@127.0.0.1/",
            "wss://hunter2@127.0.0.1/",
            "wss://admin:hunter2@bad host/",
            "https://admin:hunter2@127.0.0.1/",
            "admin:hunter2@127.0.0.1",
        ] {
            let error = check(url, &Allowed::default()).unwrap_err().to_string();
            assert!(error.starts_with("... is no URL"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = parse("https://a:hunter2@127.0.0.1/t", Far::TokenEndpoint).unwrap_err();
        assert!(error.to_string().contains("ends up in logs"), "{error}");
        let error = Allowed::read(&["a:hunter2@pbx".to_owned()]).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        // Behind the host it is part of a name.
        assert!(check("ws://127.0.0.1/rooms/@lobby", &Allowed::default()).is_ok());
    }
}
