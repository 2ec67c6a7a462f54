//! What a user agent calls itself: the names that it draws once and keeps.

use rand::Rng;

use crate::sip::config::{Config, Push};
use crate::sip::flow_id::FlowId;
use crate::sip::message::address::NameAddr;
use crate::sip::message::uri::{Uri, escape_user};
use crate::sip::random;

/// Methods that are answered (RFC 3261, 20.5).
pub const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, OPTIONS, INFO, REFER, NOTIFY, MESSAGE, SUBSCRIBE";

/// Types of bodies that are taken (RFC 3261, 20.1).
pub const ACCEPT: &str = "application/sdp, text/plain, application/dtmf-relay, application/dtmf, message/sipfrag, \
    application/simple-message-summary";

/// Event packages that others can hear of from us (RFC 6665, 8.2.2): how a REFER goes.
pub const ALLOW_EVENTS: &str = "refer";

/// Option tags of every request that does not say otherwise (RFC 3261, 20.37).
pub const SUPPORTED: &str = "replaces, 100rel, timer, gruu, outbound, path, norefersub, tdialog, 199, histinfo, from-change";

/// The names of one user agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Host of Via and Contact: a random label under `.invalid` (RFC 7118, appendix B.1).
    pub host: String,
    /// User part of the Contact; requests for us are known by it.
    pub user: String,
}

impl Agent {
    /// Draws the names.
    pub fn new(rng: &mut impl Rng) -> Self {
        Self {
            host: format!("{}.invalid", random::token(rng)),
            user: random::token(rng),
        }
    }

    /// Our address on a connection that has no GRUU.
    pub fn contact_uri(&self) -> Option<Uri> {
        Uri::parse(&format!("sip:{}@{};transport=ws", self.user, self.host)).ok()
    }

    /// Whether the Request-URI names us: by user part alone, since servers rewrite the rest.
    pub fn is_named(&self, uri: &Uri, config: &Config) -> bool {
        uri.has_user(&self.user) || config.aor.user().is_some_and(|user| uri.has_user(&user))
    }

    /// The Contact that is registered on a flow (RFC 5626, 4.2.1; RFC 5627, 4.2; RFC 3840, 9).
    pub fn registered_contact(
        &self,
        config: &Config,
        flow: FlowId,
        outbound: bool,
        push: Option<&Push>,
        expires: u64,
    ) -> Option<NameAddr> {
        let mut uri = self.contact_uri()?;
        if outbound {
            uri = uri.with_param("ob", None);
        }
        if let Some(push) = push {
            uri = uri.with_param("pn-provider", Some(&escape_user(&push.provider)));
            if !push.prid.is_empty() {
                uri = uri.with_param("pn-prid", Some(&escape_user(&push.prid)));
            }
            if let Some(param) = &push.param {
                uri = uri.with_param("pn-param", Some(&escape_user(param)));
            }
        }
        let mut contact = NameAddr::new(uri);
        contact
            .params
            .set("+sip.instance", &format!("<{}>", config.instance));
        if outbound {
            contact.params.set("reg-id", &flow.reg_id().to_string());
        }
        contact.params.set_flag("+sip.ice");
        contact.params.set_flag("audio");
        contact.params.set("methods", ALLOW);
        for (name, value) in &config.feature_tags {
            match value {
                Some(value) => contact.params.set(name, value),
                None => contact.params.set_flag(name),
            }
        }
        contact.params.set("expires", &expires.to_string());
        Some(contact)
    }
}
