//! What servers say about where their media is, and whether that can be reached from here.

use std::collections::BTreeSet;
use std::net::IpAddr;

use offhook_control::notice::{Event, Notice};
use offhook_engine::private_address::is_private;

use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};

/// The remedy that only the operator of the server has.
const OPERATOR: &str = "let the server's operator name its public address: for FreeSWITCH `ext-rtp-ip` in the profile of mod_verto \
                        (`verto.conf.xml`; `stun:` or the address itself) and a `rtp-ip` that is bound; for other servers their external or \
                        advertised media address";

/// What was told during calls of one account.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    addresses: BTreeSet<IpAddr>,
    /// A path to the far end was found.
    pub(crate) path: bool,
}

impl Heard {
    /// Takes note.
    pub(crate) fn note(&mut self, notice: &Notice) {
        if let Event::ServerMedia { addresses } = &notice.event {
            let read = addresses
                .iter()
                .filter_map(|address| address.parse::<IpAddr>().ok());
            self.addresses.extend(read);
        }
        self.path |= matches!(notice.event, Event::Ice { .. } | Event::FirstRtpReceived);
    }

    /// Whether all that the server names are addresses of a private network.
    fn is_private(&self) -> bool {
        !self.addresses.is_empty() && self.addresses.iter().copied().all(is_private)
    }

    fn list(&self) -> String {
        let names: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        names.join(", ")
    }

    /// What is wrong with the addresses alone: a server in the open that sends its callers into a private network.
    pub(crate) fn misled(&self, server: Option<IpAddr>, place: Place) -> Option<Finding> {
        let open = server.is_some_and(|server| !is_private(server) && !server.is_loopback());
        (open && self.is_private() && !self.path).then(|| self.private(place))
    }

    /// What is wrong with a call that was answered and stayed silent.
    pub(crate) fn silent(&self, place: Place) -> Finding {
        if self.is_private() {
            return self.private(place);
        }
        let at = if self.addresses.is_empty() {
            "none".to_owned()
        } else {
            self.list()
        };
        Finding::new(
            Code::NoMedia,
            place,
            &format!(
                "the call was answered, and no path for its media was found; the server names {at}"
            ),
            "let UDP through to these addresses (firewall), or give the client a TURN server",
        )
    }

    fn private(&self, place: Place) -> Finding {
        Finding::new(
            Code::PrivateMediaAddress,
            place,
            &format!(
                "the server says that its media is at {}, an address of a private network",
                self.list()
            ),
            OPERATOR,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(addresses: &[&str], path: bool) -> Heard {
        Heard {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            path,
        }
    }

    #[test]
    fn a_public_server_with_private_media_alone_misleads() {
        let public = Some("203.0.113.9".parse().unwrap());
        let lan = Some("10.0.0.1".parse().unwrap());
        let misled = |heard: &Heard, server| heard.misled(server, Place::default()).is_some();
        assert!(misled(&heard(&["10.0.0.5", "100.64.1.1"], false), public));
        assert!(!misled(&heard(&["10.0.0.5", "203.0.113.9"], false), public));
        assert!(!misled(&heard(&["10.0.0.5"], true), public));
        assert!(!misled(&heard(&["10.0.0.5"], false), lan));
        assert!(!misled(&heard(&[], false), public));
        let found = heard(&["10.0.0.5"], false)
            .misled(public, Place::default())
            .unwrap();
        assert!(found.what.contains("10.0.0.5") && found.remedy.contains("ext-rtp-ip"));
    }
}
