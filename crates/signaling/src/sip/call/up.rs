//! Everything else within a call: digits, texts, transfers, its life without a connection.

use std::time::Instant;

use crate::cause::Cause;
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::sip::call::calling::target;
use crate::sip::call::ending::Over;
use crate::sip::call::headers;
use crate::sip::call::offers::{core_answer, core_answer_with, ends_dialog};
use crate::sip::call::state::{Call, Phase, Referral};
use crate::sip::deadline::Deadline;
use crate::sip::message::outgoing::Content;
use crate::sip::message::request::Request;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;
use crate::sip::message::{HeaderName, Method};
use crate::sip::session::core::{Core, identity};
use crate::sip::session::owner::{InCall, Owner, Purpose};
use crate::sip::transaction::client::ClientTransaction;
use crate::sip::transaction::server::ServerKey;

/// Duration of a digit in an INFO, in milliseconds.
const DIGIT: u32 = 160;

impl Call {
    fn in_dialog(
        &mut self,
        method: Method,
        content: Content,
        what: InCall,
        core: &mut Core,
        now: Instant,
    ) {
        let Phase::Up(up) = &self.phase else {
            return;
        };
        let mut dialog = up.dialog.clone();
        self.send_in(&mut dialog, method, content, what, core, now);
        if let Phase::Up(up) = &mut self.phase {
            up.dialog = dialog;
        }
    }

    /// Digits by INFO, one after the other. Pauses are the driver's with RFC 4733; here they are left out.
    pub(in crate::sip) fn send_digits(&mut self, digits: &str, core: &mut Core, now: Instant) {
        if let Phase::Up(up) = &mut self.phase {
            let played = digits.chars().filter(|digit| !matches!(digit, 'w' | 'W'));
            up.digits
                .extend(played.map(|digit| digit.to_ascii_uppercase()));
        }
        self.next_digit(core, now);
    }

    fn next_digit(&mut self, core: &mut Core, now: Instant) {
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        if up.digit_out {
            return;
        }
        let Some(digit) = up.digits.pop_front() else {
            return;
        };
        up.digit_out = true;
        let mut content = Content::default();
        content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        let body = format!("Signal={digit}\r\nDuration={DIGIT}\r\n");
        content.set_body("application/dtmf-relay", body);
        self.in_dialog(Method::Info, content, InCall::Digit, core, now);
    }

    /// A text within the call.
    pub(in crate::sip) fn send_text(&mut self, body: String, core: &mut Core, now: Instant) {
        let mut content = Content::default();
        content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        content.set_body("text/plain;charset=UTF-8", body);
        self.in_dialog(Method::Message, content, InCall::Message, core, now);
    }

    /// Sends the far side elsewhere (RFC 5589, 6); with `replaces` to a call of ours that it takes over (7.3).
    pub(in crate::sip) fn refer(&mut self, to: Uri, core: &mut Core, now: Instant) {
        let flow = self.way(core);
        let mut content = Content::default();
        headers::push_request(&mut content, core, flow);
        content.push(&HeaderName::ReferTo, format!("<{to}>"));
        content.push(&HeaderName::ReferredBy, format!("<{}>", core.config.aor));
        if let Phase::Up(up) = &mut self.phase {
            up.refer = Some(Referral::Asked);
        }
        self.in_dialog(Method::Refer, content, InCall::Refer, core, now);
    }

    /// The address of a blind transfer.
    pub(in crate::sip) fn refer_target(to: &str, core: &Core) -> Result<Uri, Error> {
        target(to, &core.config).ok_or(Error::Unsayable {
            command: "transfer",
            fault: "the number cannot be written as a SIP address",
        })
    }

    /// The address of an attended transfer: the far side of this call, replacing this one (RFC 3891).
    pub(in crate::sip) fn replaced_target(&self) -> Option<Uri> {
        let Phase::Up(up) = &self.phase else {
            return None;
        };
        let dialog = &up.dialog;
        // Tags as the target of the REFER's INVITE sees them.
        let replaces = format!(
            "{};to-tag={};from-tag={}",
            dialog.call_id,
            dialog.remote_tag(),
            dialog.local_tag()
        );
        let target = dialog.target.clone().without_headers();
        Some(
            target
                .without_param("ob")
                .with_header("Replaces", &replaces),
        )
    }

    /// A final answer to something within the call that is no offer.
    pub(in crate::sip) fn on_in_call_answer(
        &mut self,
        what: InCall,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        if matches!(response.status, 401 | 407) {
            let known = self.auth.on_challenge(response, &identity(&core.config));
            if known.is_ok() && self.send_again(what, transaction, core, now) {
                return;
            }
        } else {
            self.auth.on_accepted(response);
        }
        if what == InCall::Bye {
            return self.on_bye_answered(core);
        }
        let refused = !response.is_success();
        if refused && ends_dialog(response.status) && what != InCall::Message {
            let detail = format!(
                "the far side does not know the call any more ({})",
                response.status
            );
            let cause = Cause::NORMAL_TEMPORARY_FAILURE;
            return self.close(EndedBy::Server, cause, Some(detail), &[], core, now);
        }
        let failed = |core: &Core, call: &Self, method| Event::CommandFailed {
            call: call.id.clone(),
            error: Error::Refused {
                server: core.server_name(call.flow),
                setting: None,
                method,
                code: Some(response.status.into()),
                reason: response.reason.clone(),
            },
        };
        match what {
            InCall::Digit => {
                if let Phase::Up(up) = &mut self.phase {
                    up.digit_out = false;
                    if refused {
                        up.digits.clear();
                    }
                }
                core.tell(if refused {
                    failed(core, self, "INFO")
                } else {
                    Event::DtmfSent {
                        call: self.id.clone(),
                    }
                });
                self.next_digit(core, now);
            }
            InCall::Refer => {
                if let Phase::Up(up) = &mut self.phase {
                    up.refer = (!refused).then_some(Referral::Accepted);
                }
                if refused {
                    core.tell(failed(core, self, "REFER"));
                }
            }
            InCall::Message if refused => core.tell(failed(core, self, "MESSAGE")),
            InCall::Message | InCall::Prack | InCall::Bye | InCall::Offer => {}
        }
    }

    /// The same request once more, with the next number. `false`: the call has no dialog for it any more.
    fn send_again(
        &mut self,
        what: InCall,
        transaction: &ClientTransaction<Purpose>,
        core: &mut Core,
        now: Instant,
    ) -> bool {
        let flow = self.way(core);
        let dialog = match &mut self.phase {
            Phase::Up(up) => &mut up.dialog,
            Phase::Leaving(leaving) => match &mut leaving.bye {
                Some(dialog) => dialog,
                None => return false,
            },
            Phase::Calling(calling) => {
                let own = |dialog: &&mut super::state::Fork| {
                    dialog.dialog.remote.to_string() == transaction.draft.to
                };
                match calling.forks.iter_mut().find(own) {
                    Some(fork) => &mut fork.dialog,
                    None => return false,
                }
            }
            Phase::Called(_) | Phase::Over => return false,
        };
        let cseq = dialog.next_cseq();
        let purpose = Purpose::InCall(self.id.clone(), what);
        let draft = transaction.draft.clone();
        core.request(draft, cseq, Some(&mut self.auth), flow, purpose, now);
        true
    }

    /// No answer to something within the call that is no offer.
    pub(in crate::sip) fn on_no_in_call_answer(
        &mut self,
        what: InCall,
        lost: bool,
        core: &mut Core,
        now: Instant,
    ) {
        match what {
            InCall::Bye if lost => {
                // It is said again over the next connection.
                if let Phase::Leaving(leaving) = &mut self.phase {
                    leaving.bye_sent = false;
                }
            }
            InCall::Bye => self.on_bye_answered(core),
            _ if lost => {
                if let Phase::Up(up) = &mut self.phase {
                    up.digit_out = false;
                    up.refer = up.refer.filter(|refer| *refer == Referral::Accepted);
                }
            }
            InCall::Digit | InCall::Refer | InCall::Message | InCall::Prack | InCall::Offer => {
                let detail = "the far side does not answer any more".to_owned();
                let cause = Cause::RECOVERY_ON_TIMER_EXPIRE;
                self.close(EndedBy::Timeout, cause, Some(detail), &[], core, now);
            }
        }
    }

    pub(in crate::sip) fn on_bye_answered(&mut self, core: &mut Core) {
        if let Phase::Leaving(leaving) = &mut self.phase {
            leaving.bye = None;
            if leaving.invite.is_none() {
                core.deadlines.clear_owner(&Owner::Call(self.id.clone()));
                self.phase = Phase::Over;
            }
        }
    }

    /// INFO: digits of either kind (RFC 6086 leaves them aside), or a package, of which none is taken.
    pub(in crate::sip) fn on_info(
        &mut self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        if request.headers.other("Info-Package").is_some() {
            return core_answer_with(core, key, 469, &[recv_info()], now);
        }
        let kind = request.content_type();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let digit = match kind.as_deref() {
            Some("application/dtmf-relay") => body
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("signal"))
                .and_then(|(_, digit)| as_digit(digit)),
            Some("application/dtmf") => as_digit(&body),
            None => return core_answer(core, key, 200, now),
            Some(_) => {
                let accept = "application/dtmf-relay, application/dtmf";
                return core_answer_with(core, key, 415, &[(HeaderName::Accept, accept)], now);
            }
        };
        let Some(digit) = digit else {
            return core_answer(core, key, 400, now);
        };
        core_answer(core, key, 200, now);
        core.tell(Event::Digit {
            call: self.id.clone(),
            digit,
        });
    }

    /// A text of the far side.
    pub(in crate::sip) fn on_text(
        &self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        if request.content_type().as_deref() != Some("text/plain") {
            let accept = (HeaderName::Accept, "text/plain");
            return core_answer_with(core, key, 415, &[accept], now);
        }
        core_answer(core, key, 200, now);
        core.tell(Event::Message {
            call: Some(self.id.clone()),
            from: super::called::party(&request.ids.from),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        });
    }

    /// How a transfer of ours goes (RFC 3515, 2.4.4): a status line in message/sipfrag.
    pub(in crate::sip) fn on_notify(
        &mut self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        let event = request.headers.parametrised(&HeaderName::Event);
        if !event.is_some_and(|(name, _)| name.eq_ignore_ascii_case("refer")) {
            return core_answer(core, key, 489, now);
        }
        let Phase::Up(up) = &mut self.phase else {
            return core_answer(core, key, 481, now);
        };
        if up.refer.is_none() {
            return core_answer(core, key, 481, now);
        }
        core_answer(core, key, 200, now);
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let status: Option<u16> = body
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("SIP/2.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let over = request
            .headers
            .get(&HeaderName::SubscriptionState)
            .is_some_and(|state| state.to_ascii_lowercase().starts_with("terminated"));
        match status {
            Some(200..=299) => {
                up.refer = None;
                core.tell(Event::Transferred {
                    call: self.id.clone(),
                });
                let cause = Cause::NORMAL_CLEARING;
                self.close(
                    EndedBy::Local,
                    cause,
                    Some("transferred".to_owned()),
                    &[],
                    core,
                    now,
                );
            }
            Some(300..=699) => {
                up.refer = None;
                core.tell(Event::CommandFailed {
                    call: self.id.clone(),
                    error: Error::Refused {
                        server: core.server_name(self.flow),
                        setting: None,
                        method: "REFER",
                        code: status.map(i64::from),
                        reason: body.lines().next().unwrap_or_default().to_owned(),
                    },
                });
            }
            _ if over => up.refer = None,
            _ => {}
        }
    }

    /// A connection is lost. Calls live on: at least 32 s, and as long as the far side's do.
    pub(in crate::sip) fn on_flow_lost(&mut self, core: &mut Core, now: Instant) {
        let limit = core.config.timers.detached;
        let way = self.way(core);
        if core.flow(way).is_some_and(|flow| flow.is_open()) {
            return;
        }
        if matches!(self.phase, Phase::Up(_)) {
            let owner = Owner::Call(self.id.clone());
            if !core.deadlines.is_set(Deadline::Detached, &owner) {
                core.deadlines.set(Deadline::Detached, owner, now + limit);
            }
        }
    }

    /// A connection is there again: what waits is said, and a call that is up shows that it lives, with its new target
    /// (RFC 3261, 12.2.1).
    pub(in crate::sip) fn on_flow_back(&mut self, core: &mut Core, now: Instant) {
        let flow = self.way(core);
        if !core
            .flow(flow)
            .is_some_and(|flow| flow.is_ready(&core.config))
        {
            return;
        }
        let owner = Owner::Call(self.id.clone());
        match &mut self.phase {
            Phase::Up(up) => {
                core.deadlines.clear(Deadline::Detached, &owner);
                if let Some(unacked) = &up.unacked {
                    let text = unacked.text.clone();
                    return self.say_again(text, core);
                }
                self.refresh_session(core, now);
                self.next_digit(core, now);
            }
            Phase::Leaving(leaving) => match &leaving.unacked {
                Some(unacked) => {
                    let text = unacked.text.clone();
                    self.say_again(text, core);
                }
                None => self.say_bye(core, now),
            },
            Phase::Called(_) | Phase::Calling(_) | Phase::Over => {}
        }
    }

    /// No connection came in time.
    pub(in crate::sip) fn on_detached(&mut self, core: &mut Core) {
        match &self.phase {
            Phase::Up(_) => {
                let detail = Some("no connection came back in time".to_owned());
                let cause = Cause::NETWORK_OUT_OF_ORDER;
                self.end(EndedBy::Network, cause, detail, Over::default(), core);
            }
            Phase::Leaving(_) => self.phase = Phase::Over,
            Phase::Calling(_) | Phase::Called(_) | Phase::Over => {}
        }
    }
}

fn recv_info() -> (HeaderName, &'static str) {
    (
        HeaderName::Other(bytes::Bytes::from_static(b"Recv-Info")),
        "",
    )
}

fn as_digit(text: &str) -> Option<char> {
    let digit = text.trim().chars().next()?.to_ascii_uppercase();
    match text.trim() {
        // Events 10 and 11 of RFC 4733, as some write them.
        "10" => return Some('*'),
        "11" => return Some('#'),
        one if one.len() == 1 => {}
        _ => return None,
    }
    matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D').then_some(digit)
}
