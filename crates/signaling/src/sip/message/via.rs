//! One Via value: who sent a request, and which transaction it belongs to (RFC 3261, 20.42).

use sipx_sip as sipx;

use crate::sip::message::params::Params;

/// The start of every branch of RFC 3261 and later (8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `WS`, `WSS`, `UDP` and so on.
    pub transport: String,
    /// Host with the port where one is named: the name that the sender gave itself.
    pub sent_by: String,
    /// `branch`, `received`, `rport`, `keep` and others.
    pub params: Params,
}

impl Via {
    /// The transaction; empty when the sender is older than RFC 3261, or names none.
    pub fn branch(&self) -> &str {
        let branch = self.params.get("branch").unwrap_or_default();
        match branch.strip_prefix(MAGIC_COOKIE) {
            // The cookie alone names nothing (RFC 4475, 3.2.1).
            Some("") | None => "",
            Some(_) => branch,
        }
    }

    pub(super) fn from_parser(via: sipx::Via) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let host = match &via.host {
            sipx::Host::Ip(std::net::IpAddr::V6(address)) => format!("[{address}]"),
            other @ (sipx::Host::Name(_) | sipx::Host::Ip(_)) => other.to_string(),
        };
        Self {
            transport: text(&via.transport),
            sent_by: match via.port {
                Some(port) => format!("{host}:{port}"),
                None => host,
            },
            params: via
                .params
                .into_iter()
                .map(|param| (text(&param.name), param.value.map(|value| text(&value))))
                .collect(),
        }
    }
}
