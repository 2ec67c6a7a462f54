//! What a registrar gave us with its 200.

use std::time::Duration;

use crate::sip::agent::Agent;
use crate::sip::config::Config;
use crate::sip::flow_id::FlowId;
use crate::sip::message::HeaderName;
use crate::sip::message::address::NameAddr;
use crate::sip::message::headers::Headers;
use crate::sip::message::params::Params;
use crate::sip::message::quoted;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;

/// No span of an answer counts for more: a registration is then renewed once more than it would have to be.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A registration that holds.
#[derive(Clone, Debug)]
pub struct Granted {
    /// How long it holds, by our own Contact in the answer (RFC 3261, 10.2.4), and a day at most.
    pub expires: Duration,
    /// The address that reaches this device from anywhere (RFC 5627).
    pub public_gruu: Option<Uri>,
    /// The same, telling nobody who we are; a new one with each refresh.
    pub temporary_gruu: Option<Uri>,
    /// Route of requests outside dialogs, in order (RFC 3608).
    pub service_route: Vec<String>,
    /// The registrar took outbound: it keeps the flow, and answers keep-alives (RFC 5626, 4.2.1).
    pub outbound: bool,
    /// How often the edge wants to hear of us (RFC 5626, 4.4).
    pub flow_timer: Option<Duration>,
    /// The edge asked for keep-alives by RFC 6223.
    pub keep: Option<Duration>,
    /// Other devices with the same address of record.
    pub others: Vec<NameAddr>,
    /// Further addresses of ours (RFC 7315).
    pub associated: Vec<NameAddr>,
    /// The server took our push service (RFC 8599, 4.1).
    pub push: bool,
}

impl Granted {
    /// Reads the answer. `None`: our own Contact is not in it, so nothing was registered.
    pub fn read(
        response: &Response,
        agent: &Agent,
        config: &Config,
        flow: FlowId,
        asked: Duration,
    ) -> Option<Self> {
        let contacts = response
            .headers
            .addresses(&HeaderName::Contact)
            .unwrap_or_default();
        let own = own_contact(&contacts, agent, config, flow)?;
        let seconds = |text: &str| {
            text.parse()
                .ok()
                .map(|seconds| Duration::from_secs(seconds).min(LONGEST))
        };
        let mine = contacts.get(own)?;
        let expires = mine
            .params
            .get("expires")
            .and_then(seconds)
            .or_else(|| {
                let number = response.headers.number(&HeaderName::Expires)?;
                Some(Duration::from_secs(number.into()))
            })
            .unwrap_or(asked)
            .min(LONGEST);
        let gruu = |name: &str| Uri::parse(mine.params.get(name)?).ok();
        let (public_gruu, temporary_gruu) = (gruu("pub-gruu"), gruu("temp-gruu"));
        let outbound = response.headers.lists(&HeaderName::Require, "outbound");
        let keep = response.ids.via.params.get("keep").and_then(seconds);
        let wanted = config.push.as_ref();
        let lines = |name: &HeaderName| response.headers.addresses(name).unwrap_or_default();
        Some(Self {
            expires,
            public_gruu,
            temporary_gruu,
            service_route: lines(&HeaderName::ServiceRoute)
                .iter()
                .map(ToString::to_string)
                .collect(),
            outbound,
            flow_timer: response
                .headers
                .number(&HeaderName::FlowTimer)
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds.into()).min(LONGEST)),
            keep: keep.filter(|keep| !keep.is_zero()),
            associated: response
                .headers
                .other("P-Associated-URI")
                .and_then(|line| NameAddr::parse_list(&line).ok())
                .unwrap_or_default(),
            push: wanted.is_some_and(|push| pushes(&response.headers, &push.provider)),
            others: contacts
                .into_iter()
                .enumerate()
                .filter(|(at, _)| *at != own)
                .map(|(_, contact)| contact)
                .collect(),
        })
    }
}

/// Ours among the Contacts: by instance and reg-id, else by URI (10.2.4), else by instance alone. A registrar that goes by URIs
/// still has the one that this device had before it lost its power, with the same instance.
fn own_contact(
    contacts: &[NameAddr],
    agent: &Agent,
    config: &Config,
    flow: FlowId,
) -> Option<usize> {
    let instance = format!("<{}>", config.instance);
    let reg_id = flow.reg_id().to_string();
    let fits = |contact: &NameAddr| {
        let params = &contact.params;
        let instance = params
            .get("+sip.instance")
            .is_some_and(|known| known.eq_ignore_ascii_case(&instance));
        let flow = params.get("reg-id").map(|known| known == reg_id);
        let uri = contact.uri.has_user(&agent.user);
        match (instance, flow, uri) {
            (true, Some(true), true) => 6,
            (true, Some(true), false) => 5,
            (_, None | Some(true), true) => 4,
            // It may be that of another flow.
            (_, Some(false), true) => 3,
            (true, None, false) => 2,
            (true, Some(false), false) | (false, _, false) => 0,
        }
    };
    // The first of those that fit as well.
    let best = contacts
        .iter()
        .enumerate()
        .min_by_key(|(_, contact)| std::cmp::Reverse(fits(contact)))?;
    (fits(best.1) > 0).then_some(best.0)
}

/// Whether the server pushes by that provider: `+sip.pns="provider"`, in any line (RFC 8599, 4.1.1; RFC 6809, 6).
fn pushes(headers: &Headers, provider: &str) -> bool {
    headers.all(&HeaderName::FeatureCaps).any(|line| {
        quoted::split(&line, ',').any(|capability| {
            let tags = quoted::split_once(capability, ';').map_or("", |(_, tags)| tags);
            Params::read(tags).iter().any(|(name, value)| {
                let mut named = value.unwrap_or_default().split(',');
                name.eq_ignore_ascii_case("+sip.pns")
                    && named.any(|known| known.trim().eq_ignore_ascii_case(provider))
            })
        })
    })
}
