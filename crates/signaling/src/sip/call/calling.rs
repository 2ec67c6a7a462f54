//! Our INVITE until its answer: forks, provisional answers, challenges, redirections (RFC 3261, 13.2).

use std::collections::VecDeque;
use std::time::Instant;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::error::Error;
use crate::event::{EndedBy, Event, SipEnd};
use crate::sip::auth::authorization::Authorization;
use crate::sip::call::ending::Over;
use crate::sip::call::headers;
use crate::sip::call::reason;
use crate::sip::call::requests::{answer_ack, stray_bye};
use crate::sip::call::session_timer::{self, SessionTimer};
use crate::sip::call::state::{Call, Calling, Fork, Offer, Phase, Up};
use crate::sip::config::{Config, Reliable};
use crate::sip::deadline::Deadline;
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::message::response::Response;
use crate::sip::message::uri::{Uri, escape_user};
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::session::core::{Core, identity};
use crate::sip::session::owner::{InCall, Owner, Purpose};
use crate::sip::transaction::client::ClientTransaction;
use crate::sip::transaction::draft::Draft;

/// What the user wants of a new call.
pub(in crate::sip) struct Placing {
    pub(in crate::sip) id: CallId,
    pub(in crate::sip) to: String,
    /// Empty: the far side is to offer.
    pub(in crate::sip) sdp: String,
    pub(in crate::sip) caller_name: Option<String>,
    pub(in crate::sip) caller_number: Option<String>,
    pub(in crate::sip) headers: Vec<(String, String)>,
}

impl Call {
    /// Places a call over a flow that is ready.
    pub(in crate::sip) fn place(
        wish: Placing,
        flow: FlowId,
        core: &mut Core,
        now: Instant,
    ) -> Result<Self, Error> {
        let unsayable = |fault| Error::Unsayable {
            command: "call",
            fault,
        };
        let target = target(&wish.to, &core.config)
            .ok_or_else(|| unsayable("the number cannot be written as a SIP address"))?;
        let offerless = wish.sdp.is_empty();
        let mut content = Content::default();
        headers::push_request(&mut content, core, flow);
        // RFC 6086, 5.2.3: no package is taken.
        content.push_named("Recv-Info", "");
        if core.config.reliable == Reliable::Required {
            content.push(&HeaderName::Require, "100rel");
        }
        if let Some(wanted) = core.config.session_expires {
            session_timer::write_wish(wanted, session_timer::LEAST, &mut content);
        }
        if headers::is_anonymous(&core.config) {
            content.push(&HeaderName::Privacy, "id");
        } else if let Some(number) = &wish.caller_number {
            let shown = preferred(number, &core.config).ok_or_else(|| {
                unsayable("the caller's number cannot be written as a SIP address")
            })?;
            content.push(&HeaderName::PPreferredIdentity, shown.to_string());
        }
        headers::push_users(&mut content, &wish.headers)
            .map_err(|_| unsayable("a header of the call cannot be sent"))?;
        if !offerless {
            content.set_body("application/sdp", wish.sdp);
        }
        let draft = Draft {
            method: Method::Invite,
            uri: target.clone(),
            routes: routes(core, flow),
            from: from(&core.config, wish.caller_name)
                .with_tag(&random::token(&mut core.rng))
                .to_string(),
            to: NameAddr::new(target).to_string(),
            call_id: random::token(&mut core.rng),
            content,
        };
        let mut call = Self {
            id: wish.id,
            flow,
            auth: Authorization::default(),
            sip_call_id: draft.call_id.clone(),
            least_session: session_timer::LEAST,
            phase: Phase::Over,
        };
        let tried = vec![draft.uri.to_string()];
        let branch = call.invite(draft, 1, core, now);
        call.phase = Phase::Calling(Calling {
            branch,
            cseq: 1,
            offerless,
            forks: Vec::new(),
            rang: false,
            amended: Vec::new(),
            redirects: VecDeque::new(),
            tried,
        });
        core.deadlines.set(
            Deadline::Unanswered,
            Owner::Call(call.id.clone()),
            now + core.config.timers.unanswered,
        );
        Ok(call)
    }

    fn invite(&mut self, draft: Draft, cseq: u32, core: &mut Core, now: Instant) -> String {
        let purpose = Purpose::Invite(self.id.clone());
        core.request(draft, cseq, Some(&mut self.auth), self.flow, purpose, now)
    }

    pub(in crate::sip) fn on_provisional(
        &mut self,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        let Phase::Calling(calling) = &mut self.phase else {
            return;
        };
        let call = self.id.clone();
        if response.status == 100 {
            core.tell(Event::Trying { call });
            return;
        }
        let tag = response.ids.to_tag();
        if response.status == 199 {
            calling.forks.retain(|fork| fork.dialog.remote_tag() != tag);
            return;
        }
        if tag.is_empty() {
            return self.on_ringing(response, core);
        }
        let known = calling
            .forks
            .iter()
            .position(|fork| fork.dialog.remote_tag() == tag);
        let at =
            match known {
                Some(at) => at,
                None => {
                    // A server that forks without end gets no memory for it.
                    if calling.forks.len() >= 32 {
                        return;
                    }
                    let dialog = core.clients.get(&calling.branch, &Method::Invite).and_then(
                        |transaction| Dialog::of_answer(&transaction.draft, calling.cseq, response),
                    );
                    let Some(dialog) = dialog else {
                        return core.count_malformed("a provisional answer that makes no dialog");
                    };
                    calling.forks.push(Fork {
                        dialog,
                        rseq: None,
                        answer: None,
                        reliable: false,
                    });
                    calling.forks.len() - 1
                }
            };
        let mut fork = calling.forks.remove(at);
        let taken = self.take_provisional(&mut fork, response, core, now);
        if let Phase::Calling(calling) = &mut self.phase {
            calling.forks.insert(at, fork);
        }
        if taken {
            self.on_ringing(response, core);
        }
    }

    /// `false`: a reliable answer out of turn, which is not looked at (RFC 3262, 4).
    fn take_provisional(
        &mut self,
        fork: &mut Fork,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) -> bool {
        let Phase::Calling(calling) = &self.phase else {
            return false;
        };
        let (cseq, offerless) = (calling.cseq, calling.offerless);
        fork.dialog.peer.learn(&response.headers);
        let rseq = response
            .headers
            .number(&HeaderName::RSeq)
            .filter(|_| response.headers.lists(&HeaderName::Require, "100rel"));
        if let Some(rseq) = rseq {
            if fork.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
                return false;
            }
            fork.rseq = Some(rseq);
            let mut content = Content::default();
            content.push(&HeaderName::RAck, format!("{rseq} {cseq} INVITE"));
            let prack = InCall::Prack;
            self.send_in(&mut fork.dialog, Method::Prack, content, prack, core, now);
        }
        let Some(sdp) = response.sdp().filter(|_| !offerless && !fork.reliable) else {
            return true;
        };
        fork.reliable = rseq.is_some();
        if fork.answer.as_ref() != Some(&sdp) {
            fork.answer = Some(sdp.clone());
            core.tell(Event::EarlyMedia {
                call: self.id.clone(),
                sdp,
                said: reason::said(&response.headers),
            });
        }
        true
    }

    /// Only 180 rings (RFC 3960, 3.2).
    fn on_ringing(&mut self, response: &Response, core: &mut Core) {
        let Phase::Calling(calling) = &mut self.phase else {
            return;
        };
        if response.status == 180 && !std::mem::replace(&mut calling.rang, true) {
            core.tell(Event::Ringing {
                call: self.id.clone(),
                said: reason::said(&response.headers),
            });
        }
    }

    /// The first 2xx to our INVITE.
    pub(in crate::sip) fn on_accepted(
        &mut self,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        self.auth.on_accepted(response);
        let Phase::Calling(calling) = &mut self.phase else {
            return self.on_unwanted_answer(response, core, now);
        };
        let Some(transaction) = core.clients.get(&calling.branch, &Method::Invite) else {
            return;
        };
        let (invite, draft) = (transaction.request.clone(), transaction.draft.clone());
        let Some(mut dialog) = Dialog::of_answer(&draft, calling.cseq, response) else {
            return core.count_malformed("a 200 to INVITE that makes no dialog");
        };
        let tag = response.ids.to_tag();
        let fork = calling
            .forks
            .iter()
            .position(|fork| fork.dialog.remote_tag() == tag)
            .map(|at| calling.forks.swap_remove(at));
        if let Some(fork) = &fork {
            dialog.local_cseq = fork.dialog.local_cseq.max(dialog.local_cseq);
        }
        let (cseq, offerless) = (calling.cseq, calling.offerless);
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::Unanswered, &owner);
        let mut session = SessionTimer::as_caller(&response.headers);
        if session.is_some_and(|session| !session.ours && !dialog.peer.supports("timer")) {
            // It is to refresh and cannot: then we do.
            session = session.map(|session| SessionTimer {
                ours: true,
                ..session
            });
        }
        let local_sdp = Some(draft.content.body().to_owned()).filter(|sdp| !sdp.is_empty());
        let mut up = Up::new(dialog, true, session, local_sdp);
        let id = self.id.clone();
        let answered = |sdp| Event::Answered {
            call: id.clone(),
            sdp,
            said: reason::said(&response.headers),
        };
        let shown = fork.as_ref().and_then(|fork| fork.answer.clone());
        let reliable = fork.as_ref().is_some_and(|fork| fork.reliable);
        let sdp = response.sdp();
        if offerless {
            let Some(sdp) = sdp else {
                self.phase = Phase::Up(Box::new(up));
                self.acknowledge(cseq, Some(&invite), None, core);
                let detail = "the far side answered without an offer";
                return self.fail(Cause::INCOMPATIBLE_DESTINATION, detail, core, now);
            };
            up.owed_ack = Some(cseq);
            self.phase = Phase::Up(Box::new(up));
            self.plan_session(core, now);
            core.tell(answered(None));
            core.tell(Event::Offer {
                call: self.id.clone(),
                sdp: Some(sdp),
            });
            self.await_user(core, now);
            return;
        }
        self.phase = Phase::Up(Box::new(up));
        self.acknowledge(cseq, Some(&invite), None, core);
        let sdp = match (sdp, shown) {
            // After a reliable answer later ones do not count (RFC 6337, 3.1.1).
            (_, Some(_)) if reliable => None,
            (Some(sdp), Some(shown)) if sdp == shown => None,
            (None, Some(_)) => None,
            (Some(sdp), _) => Some(sdp),
            (None, None) => {
                let detail = "the far side answered without a description of its media";
                return self.fail(Cause::INCOMPATIBLE_DESTINATION, detail, core, now);
            }
        };
        core.tell(answered(sdp));
        self.plan_session(core, now);
    }

    /// A further 2xx: of the same fork its copy, of another fork a call that nobody wants (13.2.2.4).
    pub(in crate::sip) fn on_further_answer(
        &mut self,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        if let Phase::Up(up) = &self.phase
            && up.dialog.has_answer(&response.ids)
        {
            if let Some((cseq, ack)) = &up.acked
                && *cseq == response.ids.cseq
            {
                let ack = ack.clone();
                let flow = self.way(core);
                core.send_request(&ack, flow);
            }
            return;
        }
        self.on_unwanted_answer(response, core, now);
    }

    /// ACK and BYE: an answer to a cancelled call, or of a fork that was too slow.
    pub(in crate::sip) fn on_unwanted_answer(
        &mut self,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        let flow = self.way(core);
        end_stray(response, Some(&mut self.auth), flow, core, now);
        if let Phase::Leaving(leaving) = &mut self.phase {
            leaving.invite = None;
            if leaving.bye.is_none() {
                self.phase = Phase::Over;
            }
        }
    }

    /// Our INVITE has its final refusal.
    pub(in crate::sip) fn on_refused(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        match &mut self.phase {
            Phase::Calling(calling) => calling.forks.clear(),
            Phase::Leaving(leaving) => {
                leaving.invite = None;
                if leaving.bye.is_none() {
                    self.phase = Phase::Over;
                }
                return;
            }
            Phase::Called(_) | Phase::Up(_) | Phase::Over => return,
        }
        let again = if matches!(response.status, 401 | 407) {
            match self.auth.on_challenge(response, &identity(&core.config)) {
                Ok(()) => Some(transaction.draft.clone()),
                Err(reason) => {
                    let detail = reason.to_string();
                    return self.refused(response, Some(detail), core);
                }
            }
        } else {
            self.auth.on_accepted(response);
            self.amend(&transaction.draft, response, core)
        };
        let Some(draft) = again else {
            return self.refused(response, None, core);
        };
        let cseq = transaction.cseq + 1;
        self.way(core);
        let branch = self.invite(draft, cseq, core, now);
        if let Phase::Calling(calling) = &mut self.phase {
            calling.branch = branch;
            calling.cseq = cseq;
        }
    }

    fn refused(&mut self, response: &Response, detail: Option<String>, core: &mut Core) {
        let (cause, words) = reason::of_refusal(response.status, &response.headers);
        let reason = match response.reason.as_str() {
            "" => crate::sip::message::status::reason_phrase(response.status).to_owned(),
            reason => reason.to_owned(),
        };
        let detail = detail
            .or(words)
            .unwrap_or_else(|| format!("{} {reason}", response.status));
        let by = reason::refuser(response.status);
        let sip = SipEnd {
            code: Some(response.status),
            reason: Some(reason),
            call_id: None,
        };
        self.end(
            by,
            cause,
            Some(detail),
            Over::by(&response.headers, sip),
            core,
        );
    }

    /// No answer at all within the transaction's time, or its connection is gone.
    pub(in crate::sip) fn on_no_invite_answer(&mut self, lost: bool, core: &mut Core) {
        match &mut self.phase {
            Phase::Calling(_) => {
                let (by, detail) = if lost {
                    (EndedBy::Network, "the connection was lost before an answer")
                } else {
                    (EndedBy::Timeout, "the server did not answer the INVITE")
                };
                let cause = Cause::RECOVERY_ON_TIMER_EXPIRE;
                self.end(by, cause, Some(detail.to_owned()), Over::default(), core);
            }
            Phase::Leaving(leaving) => {
                leaving.invite = None;
                if leaving.bye.is_none() {
                    self.phase = Phase::Over;
                }
            }
            Phase::Called(_) | Phase::Up(_) | Phase::Over => {}
        }
    }
}

/// ACK and BYE for a 2xx whose call is gone.
pub(in crate::sip) fn end_stray(
    response: &Response,
    auth: Option<&mut Authorization>,
    flow: FlowId,
    core: &mut Core,
    now: Instant,
) {
    let branch = response.ids.via.branch().to_owned();
    let Some(transaction) = core.clients.get(&branch, &Method::Invite) else {
        return;
    };
    let (invite, draft, cseq) = (
        transaction.request.clone(),
        transaction.draft.clone(),
        transaction.cseq,
    );
    let Some(mut dialog) = Dialog::of_answer(&draft, cseq, response) else {
        return core.count_malformed("a 200 to INVITE that makes no dialog");
    };
    let ack = answer_ack(&dialog, cseq, Some(&invite), None, flow, core);
    core.send_request(&ack, flow);
    // PRACKs may have used numbers above the INVITE's; a gap does no harm.
    dialog.local_cseq += 100;
    stray_bye(&mut dialog, auth, flow, core, now);
}

impl Up {
    pub(in crate::sip) fn new(
        dialog: Dialog,
        caller: bool,
        session: Option<SessionTimer>,
        local_sdp: Option<String>,
    ) -> Self {
        Self {
            dialog,
            caller,
            session,
            unacked: None,
            answer_in_ack: false,
            acked: None,
            owed_ack: None,
            offer: Offer::None,
            glares: 0,
            wishes: VecDeque::new(),
            local_sdp,
            digits: VecDeque::new(),
            digit_out: false,
            refer: None,
        }
    }
}

/// The address that a number or name means.
pub(in crate::sip) fn target(to: &str, config: &Config) -> Option<Uri> {
    let to = to.trim();
    let scheme = to.split_once(':').map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| {
        matches!(scheme.to_ascii_lowercase().as_str(), "sip" | "sips" | "tel")
    }) {
        return Uri::parse(to).ok();
    }
    if to.is_empty() || to.chars().any(char::is_control) {
        return None;
    }
    if let Some((user, host)) = to.rsplit_once('@') {
        return Uri::parse(&format!("sip:{}@{host}", escape_user(user))).ok();
    }
    config
        .aor
        .host()
        .and_then(|host| Uri::parse(&format!("sip:{}@{host}", escape_user(to))).ok())
}

fn from(config: &Config, name: Option<String>) -> NameAddr {
    if headers::is_anonymous(config) {
        let anonymous = Uri::parse("sip:anonymous@anonymous.invalid");
        return NameAddr {
            display_name: Some("Anonymous".to_owned()),
            ..NameAddr::new(anonymous.unwrap_or_else(|_| config.aor.clone()))
        };
    }
    let name = name.or_else(|| config.display_name.clone());
    let name = name.map(|name| name.replace(|letter: char| letter.is_control(), " "));
    NameAddr {
        display_name: name.filter(|name| !name.is_empty()),
        ..NameAddr::new(config.aor.clone())
    }
}

fn preferred(number: &str, config: &Config) -> Option<NameAddr> {
    target(number, config).map(NameAddr::new)
}

/// Route of a request outside dialogs: what the registrar named, else what the configuration names.
pub(in crate::sip) fn routes(core: &Core, flow: FlowId) -> Vec<String> {
    let granted = core
        .flow(flow)
        .and_then(|flow| flow.registration.granted.as_ref());
    match granted.filter(|granted| !granted.service_route.is_empty()) {
        Some(granted) => granted.service_route.clone(),
        None => core
            .config
            .routes
            .iter()
            .map(|route| format!("<{route}>"))
            .collect(),
    }
}
