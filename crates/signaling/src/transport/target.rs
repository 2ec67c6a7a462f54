//! Reads a WebSocket URL into what the stages need: host, port, path, and whether TLS is wanted.

use crate::transport::error::UrlFault;
use std::{fmt, net::IpAddr};
use url::{Host, Url};

/// A host as a URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TargetHost {
    Name(String),
    Address(IpAddr),
}

impl TargetHost {
    fn read(url: &Url) -> Result<Self, UrlFault> {
        match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => Ok(Self::Name(name.to_owned())),
            Some(Host::Ipv4(address)) => Ok(Self::Address(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => Ok(Self::Address(IpAddr::V6(address))),
            Some(Host::Domain(_)) | None => Err(UrlFault::NoHost),
        }
    }

    /// Without the dot that makes a name absolute: certificates, `Host` and rules do not have it.
    pub(super) fn without_root(&self) -> String {
        match self {
            Self::Name(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            Self::Address(address) => address.to_string(),
        }
    }
}

/// `host:port` of something that is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: TargetHost,
    pub(super) port: u16,
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            TargetHost::Name(_) | TargetHost::Address(IpAddr::V4(_)) => {
                write!(f, "{}:{}", self.host.without_root(), self.port)
            }
            TargetHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

/// A parsed `ws://` or `wss://` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) secure: bool,
    pub(super) authority: Authority,
    /// Path, starting with a slash.
    pub(super) path: String,
    /// Query without its question mark. It may hold tokens, so it stands in no error.
    pub(super) query: Option<String>,
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, UrlFault> {
        let url = Url::parse(text)?;
        let secure = match url.scheme() {
            "wss" => true,
            "ws" => false,
            found => {
                return Err(UrlFault::Scheme {
                    found: found.to_owned(),
                    wanted: "ws:// or wss://",
                });
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlFault::HoldsCredentials);
        }
        let host = TargetHost::read(&url)?;
        let port = url.port().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self {
            secure,
            authority: Authority { host, port },
            path: url.path().to_owned(),
            query: url.query().map(str::to_owned),
        })
    }

    /// Value of the `Host` header: the port only where it is not the scheme's own.
    pub(super) fn host_header(&self) -> String {
        let full = self.authority.to_string();
        let usual = if self.secure { ":443" } else { ":80" };
        full.strip_suffix(usual).unwrap_or(&full).to_owned()
    }

    /// What stands behind `GET`.
    pub(super) fn request_target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// Reads `http://host:port` of a proxy.
pub(super) fn parse_proxy(text: &str) -> Result<Authority, UrlFault> {
    let url = Url::parse(text)?;
    if url.scheme() != "http" {
        return Err(UrlFault::Scheme {
            found: url.scheme().to_owned(),
            wanted: "http://",
        });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlFault::HoldsCredentials);
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(UrlFault::HoldsPath);
    }
    Ok(Authority {
        host: TargetHost::read(&url)?,
        port: url.port().unwrap_or(80),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_host_port_path_and_query() {
        let target = Target::parse("wss://rtc.example.com/?voice_sdk_id=abc").unwrap();
        assert!(target.secure);
        assert_eq!(target.authority.to_string(), "rtc.example.com:443");
        assert_eq!(target.host_header(), "rtc.example.com");
        assert_eq!(target.request_target(), "/?voice_sdk_id=abc");

        let target = Target::parse("ws://[::1]:8081").unwrap();
        assert!(!target.secure);
        assert_eq!(target.authority.to_string(), "[::1]:8081");
        assert_eq!(target.host_header(), "[::1]:8081");
        assert_eq!(target.request_target(), "/");
    }

    #[test]
    fn the_dot_of_an_absolute_name_stays_out_of_headers() {
        assert_eq!(
            Target::parse("wss://pbx.example.com.:8082/")
                .unwrap()
                .host_header(),
            "pbx.example.com:8082"
        );
    }

    #[test]
    fn other_schemes_passwords_and_missing_hosts_are_refused() {
        assert_eq!(
            Target::parse("https://pbx.example.com")
                .unwrap_err()
                .to_string(),
            "starts with https:// where ws:// or wss:// is needed"
        );
        assert_eq!(
            Target::parse("wss://1001:secret@pbx.example.com").unwrap_err(),
            UrlFault::HoldsCredentials
        );
        assert!(matches!(
            Target::parse("wss://").unwrap_err(),
            UrlFault::Malformed(_)
        ));
        assert!(matches!(
            Target::parse("pbx.example.com:8082").unwrap_err(),
            UrlFault::Scheme { .. }
        ));
    }

    #[test]
    fn a_proxy_url_is_host_and_port_only() {
        assert_eq!(
            parse_proxy("http://proxy.lan:3128").unwrap().to_string(),
            "proxy.lan:3128"
        );
        assert_eq!(
            parse_proxy("http://u:p@proxy.lan:3128").unwrap_err(),
            UrlFault::HoldsCredentials
        );
        assert_eq!(
            parse_proxy("http://proxy.lan/x").unwrap_err(),
            UrlFault::HoldsPath
        );
        assert!(matches!(
            parse_proxy("socks5://proxy.lan").unwrap_err(),
            UrlFault::Scheme { .. }
        ));
    }
}
