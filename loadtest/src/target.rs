//! Where the load goes: a stranger's server is not called by mistake.

use std::net::{IpAddr, ToSocketAddrs};

use url::{Host, Url};

/// Why a server is not called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("{url} is no URL of a WebSocket server: {why}")]
    NoUrl { url: String, why: String },
    #[error(
        "{host} is neither on this machine nor in a private network; load goes there only with `--allow-host {host}`"
    )]
    Stranger { host: String },
    #[error("{host} has no address: {error}")]
    Unknown { host: String, error: std::io::Error },
}

/// The host of the server, once it may be called.
pub(crate) fn check(server: &str, allowed: &[String]) -> Result<(), TargetError> {
    let no_url = |why: &str| TargetError::NoUrl {
        url: server
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned(),
        why: why.to_owned(),
    };
    let url = Url::parse(server).map_err(|error| no_url(&error.to_string()))?;
    if !matches!(url.scheme(), "ws" | "wss") {
        return Err(no_url("it begins with neither ws:// nor wss://"));
    }
    let host = url.host().ok_or_else(|| no_url("it names no host"))?;
    let name = host.to_string();
    if allowed
        .iter()
        .any(|known| known.eq_ignore_ascii_case(&name))
    {
        return Ok(());
    }
    let near = match host {
        Host::Ipv4(address) => is_near(address.into()),
        Host::Ipv6(address) => is_near(address.into()),
        Host::Domain(domain) => {
            let port = url.port_or_known_default().unwrap_or(443);
            let found = (domain, port).to_socket_addrs();
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

    #[test]
    fn only_near_servers_and_those_that_are_named_are_called() {
        for near in [
            "ws://127.0.0.1:8081",
            "wss://10.1.2.3/",
            "ws://[::1]:1",
            "ws://[fd00::1]/",
            "ws://localhost:5",
        ] {
            assert!(check(near, &[]).is_ok(), "{near}");
        }
        let far = "wss://198.51.100.7:8082/path";
        let error = check(far, &[]).unwrap_err().to_string();
        assert!(error.contains("--allow-host 198.51.100.7"), "{error}");
        assert!(check(far, &["198.51.100.7".to_owned()]).is_ok());
        assert!(check("wss://rtc.example.com", &["RTC.example.com".to_owned()]).is_ok());
        let secret = check("http://127.0.0.1/?key=hunter2", &[]).unwrap_err();
        assert!(!secret.to_string().contains("hunter2"), "{secret}");
    }
}
