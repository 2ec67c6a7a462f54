//! Another try that a refusal's own words make sensible (RFC 3261, 8.1.3.4 and 8.1.3.5).

use std::time::Duration;

use crate::sip::call::calling::{may_carry, target};
use crate::sip::call::headers;
use crate::sip::call::session_timer;
use crate::sip::call::state::{Call, Phase};
use crate::sip::message::HeaderName;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;
use crate::sip::session::core::Core;
use crate::sip::transaction::draft::Draft;

/// Most targets of one call that redirections may name (RFC 3261 has no number).
const MOST_REDIRECTS: usize = 5;

impl Call {
    /// Another try that the refusal's own words make sensible, each once.
    pub(super) fn amend(
        &mut self,
        draft: &Draft,
        response: &Response,
        core: &Core,
    ) -> Option<Draft> {
        let Phase::Calling(calling) = &mut self.phase else {
            return None;
        };
        if (300..=305).contains(&response.status) {
            let mut contacts = response
                .headers
                .addresses(&HeaderName::Contact)
                .unwrap_or_default();
            contacts.sort_by_key(|contact| std::cmp::Reverse(quality(contact)));
            for contact in contacts {
                let target = contact.uri.to_string();
                let known = calling.tried.contains(&target) || calling.redirects.contains(&target);
                // What was for `sips:` goes to no address that is less (RFC 3261, 8.1.3.4).
                let less = draft.uri.is_sips() && !contact.uri.is_sips();
                let fits =
                    contact.uri.is_sip() && !less && may_carry(core, self.flow, &contact.uri);
                if !known && fits && calling.redirects.len() < MOST_REDIRECTS {
                    calling.redirects.push_back(target);
                }
            }
        }
        let mut draft = draft.clone();
        let first = !calling.amended.contains(&response.status);
        match response.status {
            // What it describes is not for them: the least of it may be, once. 606 says so for all targets (21.6.4).
            413 | 415 | 488 | 606
                if self.reserve.is_some() && headers::reads_sdp(&response.headers) =>
            {
                let sdp = self.reserve.take()?;
                draft.content.remove(&HeaderName::ContentType);
                draft.content.set_body("application/sdp", sdp);
                headers::forgo_trickle(&mut draft.content);
                return Some(draft);
            }
            // 6xx speaks for all targets (8.1.3.4).
            600..=699 => return None,
            422 if first => {
                let least = response.headers.number(&HeaderName::MinSe)?;
                let least = Duration::from_secs(least.into()).max(self.least_session);
                self.least_session = least;
                draft.content.remove(&HeaderName::SessionExpires);
                draft.content.remove(&HeaderName::MinSe);
                let wanted = core.config.session_expires.unwrap_or(least);
                let mut content = std::mem::take(&mut draft.content);
                session_timer::write_wish(wanted, least, &mut content);
                draft.content = content;
            }
            420 if first => {
                let refused = response.headers.tokens(&HeaderName::Unsupported);
                // A call that is to replace another is of no use beside it.
                let replaces = draft.content.get(&HeaderName::Replaces).is_some();
                if replaces && refused.iter().any(|option| option == "replaces") {
                    return None;
                }
                let kept = |name: &HeaderName, content: &Content| {
                    let line = content.get(name).unwrap_or_default();
                    let options = line.split(", ").filter(|option| {
                        !option.is_empty() && !refused.iter().any(|known| known == option)
                    });
                    options.collect::<Vec<_>>().join(", ")
                };
                for name in [HeaderName::Supported, HeaderName::Require] {
                    let line = kept(&name, &draft.content);
                    draft.content.remove(&name);
                    if !line.is_empty() {
                        draft.content.push(&name, line);
                    }
                }
            }
            421 if first => {
                let required = response.headers.tokens(&HeaderName::Require);
                let known = headers::supported(&core.config);
                let can = |option: &String| known.split(", ").any(|known| known == option);
                if required.is_empty() || !required.iter().all(can) {
                    return None;
                }
                draft
                    .content
                    .push(&HeaderName::Require, required.join(", "));
            }
            416 if first && !draft.uri.is_sip() => {
                let user = draft.uri.user()?;
                draft.uri = target(&user, &core.config)?;
            }
            _ => {
                if calling.tried.len() > MOST_REDIRECTS {
                    return None;
                }
                let (next, uri) = loop {
                    let next = calling.redirects.pop_front()?;
                    let uri = Uri::parse(&next).ok()?;
                    // The call may have changed its connection since it was named.
                    if may_carry(core, self.flow, &uri) {
                        break (next, uri);
                    }
                };
                // Headers that the address brings go into the request (19.1.5), but for those that it lives on.
                let brought = uri.headers();
                let mut content = draft.content.clone();
                for (name, value) in brought {
                    let one = [(name, value)];
                    // What cannot be taken is left out: the address came from outside.
                    let _ = headers::push_users(&mut content, &one);
                }
                draft.content = content;
                draft.uri = uri.without_headers();
                calling.tried.push(next);
                self.dress(&mut draft, core);
                return Some(draft);
            }
        }
        calling.amended.push(response.status);
        Some(draft)
    }
}

/// `q` in thousandths; 1 when there is none.
pub(in crate::sip) fn quality(contact: &NameAddr) -> u32 {
    let q = contact.params.get("q").and_then(|q| q.parse::<f32>().ok());
    // Between 0 and 1000: no sign, no loss that matters.
    q.map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u32)
}
