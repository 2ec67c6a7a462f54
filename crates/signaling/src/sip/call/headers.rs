//! The headers that every request and answer of a call carries.

use crate::sip::agent::{ALLOW, SUPPORTED};
use crate::sip::config::{Config, Reliable};
use crate::sip::flow_id::FlowId;
use crate::sip::message::HeaderName;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::session::core::Core;

/// Our address for the dialog's requests: the public GRUU, or the registered one with `;ob` (RFC 5627, 4.4; RFC 5626, 4.3).
pub(in crate::sip) fn contact(core: &Core, flow: FlowId) -> String {
    let granted = core
        .flow(flow)
        .and_then(|flow| flow.registration.granted.as_ref());
    let gruu = granted.and_then(|granted| {
        if is_anonymous(&core.config) {
            granted.temporary_gruu.clone()
        } else {
            granted.public_gruu.clone()
        }
    });
    let uri = match gruu {
        Some(gruu) => gruu,
        None => {
            let Some(uri) = core.agent.contact_uri() else {
                return String::new();
            };
            if granted.is_some_and(|granted| granted.outbound) {
                uri.with_param("ob", None)
            } else {
                uri
            }
        }
    };
    NameAddr::new(uri).to_string()
}

pub(in crate::sip) fn is_anonymous(config: &Config) -> bool {
    matches!(config.login, crate::auth::login::Login::Anonymous { .. })
}

/// Option tags that we can do.
pub(in crate::sip) fn supported(config: &Config) -> String {
    SUPPORTED
        .split(", ")
        .filter(|option| *option != "100rel" || config.reliable != Reliable::Never)
        .filter(|option| *option != "path")
        .collect::<Vec<_>>()
        .join(", ")
}

/// Contact, Allow, Supported and User-Agent of a request within or for a dialog.
pub(in crate::sip) fn push_request(content: &mut Content, core: &Core, flow: FlowId) {
    content.push(&HeaderName::Contact, contact(core, flow));
    content.push(&HeaderName::Allow, ALLOW);
    content.push(&HeaderName::Supported, supported(&core.config));
    content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
}

/// Contact, Allow and Supported of an answer that makes or refreshes a dialog.
pub(in crate::sip) fn push_answer(content: &mut Content, core: &Core, flow: FlowId) {
    content.push(&HeaderName::Contact, contact(core, flow));
    content.push(&HeaderName::Allow, ALLOW);
    content.push(&HeaderName::Supported, supported(&core.config));
}

/// Headers of the user's; those that would break the message or the dialog are left out and named.
pub(in crate::sip) fn push_users(
    content: &mut Content,
    headers: &[(String, String)],
) -> Result<(), String> {
    for (name, value) in headers {
        let parsed = HeaderName::parse(&bytes::Bytes::copy_from_slice(name.as_bytes()));
        if is_ours(&parsed) {
            return Err(format!("the header {name} is not for the user to set"));
        }
        content
            .try_push(name, value)
            .map_err(|bad| bad.to_string())?;
    }
    Ok(())
}

/// Headers that the protocol itself lives on.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Via
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq
            | HeaderName::MaxForwards
            | HeaderName::Route
            | HeaderName::RecordRoute
            | HeaderName::Contact
            | HeaderName::ContentLength
            | HeaderName::ContentType
            | HeaderName::Authorization
            | HeaderName::ProxyAuthorization
            | HeaderName::Require
            | HeaderName::ProxyRequire
            | HeaderName::Supported
            | HeaderName::Allow
            | HeaderName::RSeq
            | HeaderName::RAck
            | HeaderName::SessionExpires
            | HeaderName::MinSe
            | HeaderName::Expires
            | HeaderName::Replaces
            | HeaderName::Event
            | HeaderName::SubscriptionState
    )
}
