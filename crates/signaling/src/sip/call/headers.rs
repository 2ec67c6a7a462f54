//! The headers that every request and answer of a call carries.

use crate::command::ReplacesDialog;
use crate::sip::agent::{ALLOW, ALLOW_EVENTS, SUPPORTED};
use crate::sip::call::trickle::TRICKLE;
use crate::sip::config::{Config, Reliable};
use crate::sip::flow_id::FlowId;
use crate::sip::message::HeaderName;
use crate::sip::message::address::NameAddr;
use crate::sip::message::headers::Headers;
use crate::sip::message::outgoing::Content;
use crate::sip::message::quoted::is_token;
use crate::sip::message::uri::Uri;
use crate::sip::session::core::Core;

/// Our address for a call's requests: the public GRUU, or that of the flow (RFC 5627, 4.4). Who hides has the temporary GRUU, which
/// tells nothing about us (RFC 5627, 3.1.2).
pub(in crate::sip) fn contact(core: &Core, flow: FlowId, guise: Guise) -> String {
    let hides = guise.hides || is_anonymous(&core.config);
    let granted = core
        .flow(flow)
        .and_then(|flow| flow.registration.granted.as_ref());
    let gruu = granted.and_then(|granted| {
        if hides {
            granted.temporary_gruu.clone()
        } else {
            granted.public_gruu.clone()
        }
    });
    match gruu {
        Some(gruu) => guise.address(gruu),
        None => contact_of_flow(core, flow, guise.secure),
    }
}

/// How our address in a dialog is to read.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sip) struct Guise {
    /// Our user wants not to be known: it tells nothing (RFC 5627, 3.1.2).
    pub(in crate::sip) hides: bool,
    /// It is one of `sips:` (RFC 3261, 8.1.1.8 and 12.1.1).
    pub(in crate::sip) secure: bool,
}

impl Guise {
    fn address(self, uri: Uri) -> String {
        let uri = if self.secure { uri.as_sips() } else { uri };
        NameAddr::new(uri).to_string()
    }
}

/// Our address on this connection. `;ob` keeps what follows in the dialog there, whether or not a registrar took outbound
/// (RFC 5626, 4.3); an edge that refuses outbound is not asked for it.
fn contact_of_flow(core: &Core, flow: FlowId, secure: bool) -> String {
    let Some(uri) = core.agent.contact_uri() else {
        return String::new();
    };
    let refused = core
        .flow(flow)
        .is_some_and(|flow| flow.registration.is_without_outbound());
    let uri = if refused {
        uri
    } else {
        uri.with_param("ob", None)
    };
    let hides = false;
    Guise { hides, secure }.address(uri)
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
        .chain(config.trickle.then_some(TRICKLE))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Contact, Allow, Supported, Allow-Events and User-Agent of a request within or for a dialog.
pub(in crate::sip) fn push_request(content: &mut Content, core: &Core, flow: FlowId, guise: Guise) {
    content.push(&HeaderName::Contact, contact(core, flow, guise));
    push_abilities(content, core);
}

/// The same of a SUBSCRIBE, whose dialog hangs on its connection: it is asked for anew over the next one anyway, and presence servers
/// that take the host of a Contact for an address (Kamailio's after `fix_nated_contact`) reach no GRUU.
pub(in crate::sip) fn push_subscribe(
    content: &mut Content,
    core: &Core,
    flow: FlowId,
    secure: bool,
) {
    content.push(&HeaderName::Contact, contact_of_flow(core, flow, secure));
    push_abilities(content, core);
}

fn push_abilities(content: &mut Content, core: &Core) {
    content.push(&HeaderName::Allow, ALLOW);
    content.push(&HeaderName::Supported, supported(&core.config));
    content.push(&HeaderName::AllowEvents, ALLOW_EVENTS);
    content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
}

/// Contact, Allow, Supported and Allow-Events of an answer that makes or refreshes a dialog.
pub(in crate::sip) fn push_answer(content: &mut Content, core: &Core, flow: FlowId, guise: Guise) {
    content.push(&HeaderName::Contact, contact(core, flow, guise));
    content.push(&HeaderName::Allow, ALLOW);
    content.push(&HeaderName::Supported, supported(&core.config));
    content.push(&HeaderName::AllowEvents, ALLOW_EVENTS);
}

/// Whether who said this reads SDP as we write it: where Accept and Accept-Encoding say nothing, it does (RFC 3261, 20.1 and 20.2).
pub(in crate::sip) fn reads_sdp(headers: &Headers) -> bool {
    let takes = |name: HeaderName, fitting: [&str; 3]| {
        let known = headers.tokens(&name);
        let fits = |token: &String| fitting.iter().any(|one| token.eq_ignore_ascii_case(one));
        !headers.has(&name) || known.iter().any(fits)
    };
    let kinds = ["application/sdp", "application/*", "*/*"];
    // An empty Accept-Encoding means identity alone.
    let plain = headers.tokens(&HeaderName::AcceptEncoding).is_empty();
    takes(HeaderName::Accept, kinds)
        && (plain || takes(HeaderName::AcceptEncoding, ["identity", "*", "*"]))
}

/// Candidates do not follow this offer.
pub(in crate::sip) fn forgo_trickle(content: &mut Content) {
    for name in [HeaderName::Supported, recv_info_name()] {
        let Some(line) = content.get(&name) else {
            continue;
        };
        let left: Vec<&str> = line.split(", ").filter(|one| *one != TRICKLE).collect();
        let left = left.join(", ");
        content.remove(&name);
        content.push(&name, left);
    }
}

/// INFO packages that we take (RFC 6086, 5.2.3); those whose names are none are not said.
pub(in crate::sip) fn recv_info(config: &Config) -> String {
    let packages = config.info_packages.iter().map(String::as_str);
    let tokens = packages.filter(|one| !one.is_empty() && one.bytes().all(is_token));
    let trickle = config.trickle.then_some(TRICKLE);
    tokens.chain(trickle).collect::<Vec<_>>().join(", ")
}

pub(in crate::sip) fn recv_info_name() -> HeaderName {
    HeaderName::Other(bytes::Bytes::from_static(b"Recv-Info"))
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

/// Replaces of an INVITE (RFC 3891, 6.1). `None`: it would not stay what it is.
pub(in crate::sip) fn replaces(dialog: &ReplacesDialog) -> Option<String> {
    let word = |text: &str| {
        !text.is_empty()
            && text.len() <= 256
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b','))
    };
    let token = |text: &str| word(text) && text.bytes().all(is_token);
    if !word(&dialog.call_id) || !token(&dialog.to_tag) || !token(&dialog.from_tag) {
        return None;
    }
    let early = if dialog.early_only { ";early-only" } else { "" };
    Some(format!(
        "{};to-tag={};from-tag={}{early}",
        dialog.call_id, dialog.to_tag, dialog.from_tag
    ))
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
