//! What a user subscribes to, by name: an event package and whose (RFC 6665, 4.1.2.1).

use crate::sip::call::calling::target;
use crate::sip::config::Config;
use crate::sip::message::quoted::is_token;
use crate::sip::message::uri::Uri;
use crate::sip::session::flow::is_secure;

/// Longest name of a channel.
pub const LONGEST: usize = 256;

/// What the package's notifications hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Whether somebody can be reached (RFC 3856).
    Presence,
    /// Somebody's calls (RFC 4235).
    Dialog,
    /// A mailbox (RFC 3842).
    MessageSummary,
    /// Anything else: passed on as it comes.
    Other,
}

/// One channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// As the user wrote it.
    pub name: String,
    /// Event package, perhaps with a template behind a dot.
    pub package: String,
    /// Whose.
    pub resource: Uri,
    /// What comes.
    pub kind: Kind,
}

impl Channel {
    /// Reads a name: `package:address`, or `package` alone for the user's own address. `None`: it is none.
    pub fn read(name: &str, config: &Config) -> Option<Self> {
        if name.len() > LONGEST {
            return None;
        }
        let (package, address) = match name.split_once(':') {
            Some((package, address)) => (package, Some(address)),
            None => (name, None),
        };
        if package.is_empty() || !package.bytes().all(is_token) {
            return None;
        }
        let resource = match address {
            Some(address) => target(address, config).filter(Uri::is_sip)?,
            None => config.aor.clone(),
        };
        // RFC 7118, 9.2: it might go over any of them.
        if resource.is_sips() && !config.servers.iter().all(|url| is_secure(url)) {
            return None;
        }
        let package = package.to_ascii_lowercase();
        Some(Self {
            name: name.to_owned(),
            kind: match package.as_str() {
                "presence" => Kind::Presence,
                "dialog" => Kind::Dialog,
                "message-summary" => Kind::MessageSummary,
                _ => Kind::Other,
            },
            package,
            resource: resource.without_headers(),
        })
    }

    /// Accept of its SUBSCRIBE; `None`: the package's own default.
    pub fn accept(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Presence => Some("application/pidf+xml"),
            Kind::Dialog => Some("application/dialog-info+xml"),
            Kind::MessageSummary => Some("application/simple-message-summary"),
            Kind::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::login::Login;

    fn config() -> Config {
        let login = Login::Password {
            user: "a".into(),
            password: "b".to_owned().into(),
        };
        let aor = Uri::parse("sip:alice@example.com").unwrap();
        Config::new("wss://x.example", aor, login, "urn:uuid:1".into())
    }

    #[test]
    fn names_of_channels_are_a_package_and_an_address() {
        for (name, package, resource) in [
            (
                "presence:bob@example.org",
                "presence",
                "sip:bob@example.org",
            ),
            (
                "dialog:sip:bob@example.org;x=y",
                "dialog",
                "sip:bob@example.org;x=y",
            ),
            (
                "message-summary",
                "message-summary",
                "sip:alice@example.com",
            ),
            (
                "message-summary:200",
                "message-summary",
                "sip:200@example.com",
            ),
            (
                "Conference:room@x.example",
                "conference",
                "sip:room@x.example",
            ),
        ] {
            let channel = Channel::read(name, &config()).unwrap();
            assert_eq!(channel.package, package);
            assert_eq!(channel.resource.to_string(), resource);
            assert_eq!(channel.name, name);
        }
        let long = "x".repeat(300);
        for bad in [
            "",
            ":bob",
            "pre sence:bob",
            "presence:",
            "presence:tel:123",
            "a\r\nb:c",
            &long,
        ] {
            assert!(Channel::read(bad, &config()).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_name_is_no_line_breaks_come_of_it(name in any::<String>()) {
            if let Some(channel) = Channel::read(&name, &config()) {
                prop_assert!(!channel.package.contains(['\r', '\n']));
                prop_assert!(!channel.resource.to_string().contains(['\r', '\n']));
            }
        }
    }
}
