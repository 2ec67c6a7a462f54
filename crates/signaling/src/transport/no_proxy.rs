//! Which servers are reached without the proxy: the rules of `no_proxy`.

use std::net::IpAddr;

/// Rules in the usual form: a comma-separated list of `*`, names (which hold for their sub-domains too), addresses and networks, each
/// with an optional port: `localhost, .lan, pbx.example.com:8082, 10.0.0.0/8, [fd00::1]:443`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoProxy {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Everything,
    /// Lower case, without a dot at either end.
    Name(String),
    Network {
        address: IpAddr,
        prefix: u8,
    },
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the no_proxy rule {rule:?} is neither a name nor an address nor a network such as 10.0.0.0/8; correct or remove it"
)]
pub struct NoProxyError {
    /// The rule as written.
    pub rule: String,
}

impl NoProxy {
    /// Reads a list; an empty one has no exceptions.
    ///
    /// # Errors
    /// Names the first rule that cannot be read.
    pub fn parse(text: &str) -> Result<Self, NoProxyError> {
        let rules = text
            .split(',')
            .map(str::trim)
            .filter(|rule| !rule.is_empty())
            .map(|rule| {
                Rule::parse(rule).ok_or_else(|| NoProxyError {
                    rule: rule.to_owned(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether `host` (a name or an address, without brackets) at `port` is reached directly.
    #[must_use]
    pub fn excepts(&self, host: &str, port: u16) -> bool {
        let name = normal(host);
        let address: Option<IpAddr> = host.parse().ok();
        self.rules.iter().any(|rule| {
            rule.port.is_none_or(|wanted| wanted == port)
                && match &rule.pattern {
                    Pattern::Everything => true,
                    Pattern::Name(wanted) => name
                        .strip_suffix(wanted.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                    Pattern::Network {
                        address: network,
                        prefix,
                    } => address.is_some_and(|address| is_within(address, *network, *prefix)),
                }
        })
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self {
                pattern: Pattern::Everything,
                port: None,
            });
        }
        if let Some(network) = parse_network(text) {
            return Some(Self {
                pattern: network,
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if let Some(network) = parse_network(inner) {
            return Some(Self {
                pattern: network,
                port,
            });
        }
        let name = normal(host.strip_prefix("*.").unwrap_or(host));
        let sound = !name.is_empty()
            && name.chars().all(|character| {
                character.is_alphanumeric() || matches!(character, '.' | '-' | '_')
            });
        sound.then_some(Self {
            pattern: Pattern::Name(name),
            port,
        })
    }
}

/// An address or a network.
fn parse_network(text: &str) -> Option<Pattern> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (
            address.parse::<IpAddr>().ok()?,
            Some(prefix.parse::<u8>().ok()?),
        ),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    let longest = if address.is_ipv6() { 128 } else { 32 };
    let prefix = prefix.unwrap_or(longest);
    (prefix <= longest).then_some(Pattern::Network { address, prefix })
}

fn is_within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    // A shift by the full width leaves nothing to compare: prefix 0.
    let same = |left: u128, right: u128, width: u32| {
        (left ^ right)
            .checked_shr(width - u32::from(prefix))
            .is_none_or(|difference| difference == 0)
    };
    match (address.to_canonical(), network.to_canonical()) {
        (IpAddr::V4(address), IpAddr::V4(network)) => same(
            u128::from(address.to_bits()),
            u128::from(network.to_bits()),
            32,
        ),
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            same(address.to_bits(), network.to_bits(), 128)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn normal(host: &str) -> String {
    host.trim_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn excepts(rules: &str, host: &str, port: u16) -> bool {
        NoProxy::parse(rules).unwrap().excepts(host, port)
    }

    #[test]
    fn a_name_holds_for_itself_and_what_is_below_it() {
        for rule in [
            "example.com",
            ".example.com",
            "*.example.com",
            "Example.COM.",
        ] {
            assert!(excepts(rule, "example.com", 443), "{rule}");
            assert!(excepts(rule, "pbx.example.com", 443), "{rule}");
            assert!(!excepts(rule, "notexample.com", 443), "{rule}");
            assert!(!excepts(rule, "example.com.evil.net", 443), "{rule}");
        }
    }

    #[test]
    fn a_port_narrows_a_rule() {
        assert!(excepts("pbx.lan:8082", "pbx.lan", 8082));
        assert!(!excepts("pbx.lan:8082", "pbx.lan", 443));
        assert!(excepts("[fd00::1]:443", "fd00::1", 443));
        assert!(!excepts("[fd00::1]:443", "fd00::1", 444));
    }

    #[test]
    fn addresses_and_networks() {
        assert!(excepts("10.0.0.0/8, fd00::/8", "10.200.3.4", 1));
        assert!(!excepts("10.0.0.0/8, fd00::/8", "11.0.0.1", 1));
        assert!(excepts("10.0.0.0/8, fd00::/8", "fdab::1", 1));
        assert!(excepts("127.0.0.1", "127.0.0.1", 1) && !excepts("127.0.0.1", "127.0.0.2", 1));
        assert!(excepts("0.0.0.0/0", "192.0.2.1", 1) && !excepts("0.0.0.0/0", "2001:db8::1", 1));
        assert!(!excepts("10.0.0.0/8", "ten.example.com", 1));
    }

    #[test]
    fn a_star_excepts_everything_and_nothing_excepts_nothing() {
        assert!(excepts("*", "anything", 1));
        assert!(!excepts("", "anything", 1) && !excepts(" , ", "anything", 1));
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_named() {
        for rule in ["10.0.0.0/33", "a b", "pbx.lan:99999", "http://x/"] {
            let error = NoProxy::parse(&format!("localhost, {rule}")).unwrap_err();
            assert!(error.to_string().contains(&format!("{rule:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(rules in ".{0,60}", host in ".{0,40}") {
            if let Ok(rules) = NoProxy::parse(&rules) { let _ = rules.excepts(&host, 1); }
        }
    }
}
