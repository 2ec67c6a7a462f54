//! What the far side of a dialog can do, as its last words say.

use crate::sip::message::headers::Headers;
use crate::sip::message::{HeaderName, Method};

/// Most extensions that are remembered of one far side.
const MOST_OPTIONS: usize = 256;

/// What the far side can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Methods of its Allow; `None`: it never said, so the methods of RFC 3261 are taken for granted.
    allow: Option<Vec<String>>,
    /// Option tags of its Supported and Require.
    supported: Vec<String>,
    /// INFO packages that it takes (RFC 6086); `None`: it does not know packages.
    pub info_packages: Option<Vec<String>>,
}

impl Peer {
    /// Learns from a message; what it does not mention stays as it was.
    pub fn learn(&mut self, headers: &Headers) {
        if headers.has(&HeaderName::Allow) {
            self.allow = Some(headers.tokens(&HeaderName::Allow));
        }
        if headers.has(&HeaderName::Supported) {
            self.supported = headers.tokens(&HeaderName::Supported);
        }
        for required in headers.tokens(&HeaderName::Require) {
            if !self.supports(&required) && self.supported.len() < MOST_OPTIONS {
                self.supported.push(required);
            }
        }
        if let Some(packages) = headers.other("Recv-Info") {
            let packages = packages.split(',').map(|one| one.trim().to_owned());
            self.info_packages = Some(packages.filter(|one| !one.is_empty()).collect());
        }
    }

    /// Whether it takes that method.
    pub fn allows(&self, method: &Method) -> bool {
        match &self.allow {
            Some(allow) => {
                let name = method.to_string();
                allow.iter().any(|known| known.eq_ignore_ascii_case(&name))
            }
            None => matches!(
                method,
                Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Options
            ),
        }
    }

    /// It named a method that it cannot do.
    pub fn forget_method(&mut self, method: &Method) {
        let name = method.to_string();
        if let Some(allow) = &mut self.allow {
            allow.retain(|known| !known.eq_ignore_ascii_case(&name));
        }
    }

    /// Whether it named that method itself: without Allow nothing is known about UPDATE, REFER and their like.
    pub fn said_nothing(&self) -> bool {
        self.allow.is_none()
    }

    /// Whether it knows that extension.
    pub fn supports(&self, option: &str) -> bool {
        self.supported
            .iter()
            .any(|known| known.eq_ignore_ascii_case(option))
    }
}
