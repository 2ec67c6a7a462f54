//! Our INVITE until its answer: forks, provisional answers, challenges, redirections (RFC 3261, 13.2).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Instant;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::command::ReplacesDialog;
use crate::error::Error;
use crate::event::Event;
use crate::sip::auth::authorization::Authorization;
use crate::sip::call::headers::{self, Guise};
use crate::sip::call::identity;
use crate::sip::call::provisional::EARLY_MEDIA;
use crate::sip::call::session_timer::{self, SessionTimer};
use crate::sip::call::state::{Call, Calling, Offer, OwedAck, Phase, Up};
use crate::sip::call::trickle::Trickle;
use crate::sip::config::{Config, Reliable};
use crate::sip::deadline::Deadline;
use crate::sip::dialog::Dialog;
use crate::sip::dialog::edge::Way;
use crate::sip::flow_id::FlowId;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::message::response::Response;
use crate::sip::message::uri::{Uri, escape_user};
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::referral::wanted::Wanted;
use crate::sip::session::core::Core;
use crate::sip::session::flow::Flow;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::transaction::draft::Draft;

/// Most of an INVITE's headers and description, in bytes: some servers end a connection over a message of 16 KiB.
const MOST_OF_INVITE: usize = 12 * 1024;

/// What the user wants of a new call.
pub(in crate::sip) struct Placing {
    pub(in crate::sip) id: CallId,
    pub(in crate::sip) to: String,
    /// Empty: the far side is to offer.
    pub(in crate::sip) sdp: String,
    pub(in crate::sip) caller_name: Option<String>,
    pub(in crate::sip) caller_number: Option<String>,
    pub(in crate::sip) headers: Vec<(String, String)>,
    /// The REFER that it carries out.
    pub(in crate::sip) referral: Option<Referral>,
    /// The dialog elsewhere whose place it takes.
    pub(in crate::sip) replaces: Option<Box<ReplacesDialog>>,
}

/// A REFER of the far side that a new call carries out.
pub(in crate::sip) struct Referral {
    pub(in crate::sip) wanted: Wanted,
    /// How many in a row led to it, with this one.
    pub(in crate::sip) depth: u8,
    /// Our user hides in the call that it came within.
    pub(in crate::sip) hides: bool,
}

impl Call {
    /// Places a call over a flow that is ready: `flow`, or another one while the server of that wants no calls.
    pub(in crate::sip) fn place(
        wish: Placing,
        flow: FlowId,
        core: &mut Core,
        now: Instant,
    ) -> Result<Self, Error> {
        let placed = Self::place_if_sayable(wish, flow, core, now);
        if let Err(Error::Unsayable { fault, .. }) = &placed {
            core.count_malformed(fault);
        }
        placed
    }

    fn place_if_sayable(
        wish: Placing,
        flow: FlowId,
        core: &mut Core,
        now: Instant,
    ) -> Result<Self, Error> {
        let unsayable = |fault| Error::Unsayable {
            command: "call",
            fault,
        };
        let target = match &wish.referral {
            Some(referral) => referral.wanted.uri.clone(),
            None => target(&wish.to, &core.config)
                .ok_or_else(|| unsayable("the number cannot be written as a SIP address"))?,
        };
        if target.is_sips() && !core.flows.iter().any(Flow::is_secure) {
            return Err(unsayable(
                "a sips: address is called over a server at wss:// only",
            ));
        }
        let wanted = core
            .ready_flows_for(&Method::Invite, now)
            .find(|id| *id == flow && may_carry(core, flow, &target));
        let flow = match wanted {
            Some(flow) => flow,
            None => core.flow_for(&Method::Invite, target.is_sips(), "call", now)?,
        };
        // What the address brings goes into the request (RFC 3261, 19.1.5), as if the user had said it.
        let brought = target.headers();
        let target = target.without_headers().without_param("method");
        // Who hides in a call hides where that call's far side sends us to, which it may be itself.
        let inherits = wish.referral.as_ref().is_some_and(|it| it.hides);
        let says_so = identity::wants_privacy(&wish.headers)?;
        let hides = headers::is_anonymous(&core.config) || says_so || inherits;
        let from = identity::from(&core.config, wish.caller_name, hides)?;
        let offerless = wish.sdp.is_empty();
        let routes = routes(core, flow);
        let secure = makes_secure(core, flow, &target, &routes);
        let guise = Guise { hides, secure };
        let mut content = Content::default();
        headers::push_request(&mut content, core, flow, guise);
        // RFC 6086, 5.2.3: also when no package is taken.
        content.push_named("Recv-Info", &headers::recv_info(&core.config));
        if core.config.early_media {
            content.push_named(EARLY_MEDIA, "supported");
        }
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
        } else if hides {
            // Who hides from the callee shows himself to his own server (RFC 3325, 9.2).
            let own = NameAddr::new(core.config.aor.clone());
            content.push(&HeaderName::PPreferredIdentity, own.to_string());
        }
        if inherits && !says_so && !headers::is_anonymous(&core.config) {
            content.push(&HeaderName::Privacy, "id");
        }
        headers::push_users(&mut content, &wish.headers)
            .and_then(|()| headers::push_users(&mut content, &brought))
            .map_err(|_| unsayable("a header of the call cannot be sent"))?;
        if let Some(Referral { wanted, .. }) = &wish.referral {
            for (name, value) in &wanted.headers {
                // Only what may be there is left in it.
                let _ = content.try_push(name, value);
            }
            if let Some(by) = &wanted.referred_by {
                content.push(&HeaderName::ReferredBy, by.as_str());
            }
        }
        if let Some(replaced) = &wish.replaces {
            let line = headers::replaces(replaced)
                .ok_or_else(|| unsayable("the names of the dialog to replace are none"))?;
            content.push(&HeaderName::Replaces, line);
            // Without it the far side would take the call for one more (RFC 3891, 4).
            content.push(&HeaderName::Require, "replaces");
        }
        if !offerless {
            content.set_body("application/sdp", wish.sdp);
        }
        if content.size() > MOST_OF_INVITE {
            return Err(unsayable(
                "its headers and description are more than the 12 KiB that any server takes",
            ));
        }
        let to = NameAddr::new(target.clone());
        let shown = identity::party(&to);
        let draft = Draft {
            method: Method::Invite,
            uri: target,
            routes,
            from: from.with_tag(&random::token(&mut core.rng)).to_string(),
            to: to.to_string(),
            call_id: random::token(&mut core.rng),
            content,
            way: Way {
                secure,
                ..Way::default()
            },
        };
        let mut call = Self {
            id: wish.id,
            flow,
            auth: Authorization::default(),
            sip_call_id: draft.call_id.clone(),
            least_session: session_timer::LEAST,
            refer: None,
            depth: wish.referral.map_or(0, |it| it.depth),
            verdict: None,
            guise,
            shown,
            trickle: Trickle::default(),
            their_media: 0,
            reserve: None,
            phase: Phase::Over,
        };
        let tried = vec![draft.uri.to_string()];
        let branch = call.invite(draft, 1, core, now);
        call.phase = Phase::Calling(Calling {
            branch,
            cseq: 1,
            offerless,
            forks: Vec::new(),
            heard: None,
            rang: false,
            amended: Vec::new(),
            redirects: VecDeque::new(),
            tried,
            tried_flows: Vec::new(),
            progress: 0,
            gone: Vec::new(),
        });
        core.deadlines.set(
            Deadline::Unanswered,
            Owner::Call(call.id.clone()),
            now + core.config.timers.unanswered,
        );
        Ok(call)
    }

    pub(super) fn invite(
        &mut self,
        draft: Draft,
        cseq: u32,
        core: &mut Core,
        now: Instant,
    ) -> String {
        let purpose = Purpose::Invite(self.id.clone());
        core.request(draft, cseq, Some(&mut self.auth), self.flow, purpose, now)
    }

    /// The first 2xx to our INVITE, which waits for it.
    pub(in crate::sip) fn on_accepted(
        &mut self,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        self.auth.on_accepted(response);
        self.reserve = None;
        self.show_asserted(&response.headers, core);
        let Phase::Calling(calling) = &mut self.phase else {
            return;
        };
        let Some(transaction) = core.clients.get(&calling.branch, &Method::Invite) else {
            return;
        };
        let (invite, draft) = (transaction.request.clone(), transaction.draft.clone());
        let strict = Dialog::of_answer(&draft, calling.cseq, response);
        let astray = strict.is_none();
        let legible = || Dialog::of_astray_answer(&draft, calling.cseq, response);
        let Some(mut dialog) = strict.or_else(legible) else {
            return core.count_malformed("a 200 to INVITE that makes no dialog");
        };
        let tag = response.ids.to_tag();
        let fork = calling
            .forks
            .iter()
            .position(|fork| fork.dialog.remote_tag() == tag)
            .map(|at| calling.forks.swap_remove(at));
        for other in &mut calling.forks {
            other.refuse_update(core, now);
        }
        if let Some(fork) = &fork {
            dialog.local_cseq = fork.dialog.local_cseq.max(dialog.local_cseq);
            dialog.remote_cseq = fork.dialog.remote_cseq;
        }
        let mut gone = calling.gone.iter().map(|fork| &fork.dialog);
        if let Some(gone) = gone.find(|dialog| dialog.remote_tag() == tag) {
            dialog.local_cseq = gone.local_cseq.max(dialog.local_cseq);
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
        let said = identity::said(&response.headers, &core.config);
        let name = Some(up.dialog.remote_tag().to_owned());
        let answered = |sdp| Event::Answered {
            call: id.clone(),
            sdp,
            fork: name,
            said,
        };
        let shown = fork.as_ref().and_then(|fork| fork.answer.clone());
        let reliable = fork.as_ref().is_some_and(|fork| fork.reliable);
        let sdp = response.sdp();
        let owes = fork.as_ref().and_then(|fork| fork.owed_prack);
        let (local_early, asked) = match fork {
            Some(fork) => (fork.local, fork.owed_update),
            None => (None, None),
        };
        // Their offer came with a provisional answer, or an UPDATE after one, and ours to it went with the PRACK, or the 200: that
        // stands.
        let exchanged = local_early.is_some() || asked.is_some();
        up.local_sdp = local_early.or(up.local_sdp);
        if let Some(key) = asked {
            up.offer = Offer::Theirs {
                key,
                cseq,
                offerless: false,
                session: up.session,
            };
        }
        if astray {
            core.count_malformed("a 200 to INVITE whose route cannot be read");
            self.phase = Phase::Up(Box::new(up));
            self.acknowledge(cseq, Some(&invite), None, core);
            let detail = "the far side answered with a route that cannot be read";
            return self.fail(Cause::PROTOCOL_ERROR, detail, core, now);
        }
        // It waits for our user still: the ACK brings the answer.
        let sdp = if owes.is_some() { shown.clone() } else { sdp };
        if offerless && !exchanged {
            let Some(sdp) = sdp else {
                self.phase = Phase::Up(Box::new(up));
                self.acknowledge(cseq, Some(&invite), None, core);
                let detail = "the far side answered without an offer";
                return self.fail(Cause::INCOMPATIBLE_DESTINATION, detail, core, now);
            };
            let invite = Box::new(invite);
            up.owed_ack = Some(OwedAck { cseq, invite });
            self.phase = Phase::Up(Box::new(up));
            self.plan_session(core, now);
            self.heard(&sdp);
            core.tell(answered(None));
            if owes.is_none() {
                core.tell(Event::Offer {
                    call: self.id.clone(),
                    sdp: Some(sdp),
                });
            }
            self.await_user(core, now);
            return;
        }
        self.phase = Phase::Up(Box::new(up));
        self.acknowledge(cseq, Some(&invite), None, core);
        let sdp = match (sdp, shown) {
            _ if exchanged => None,
            // After a reliable answer later ones do not count (RFC 6337, 3.1.1).
            (_, Some(shown)) if reliable => Some(shown),
            // Said again, since another branch may have shown its own after it.
            (None, Some(shown)) => Some(shown),
            (Some(sdp), _) => Some(sdp),
            (None, None) => {
                let detail = "the far side answered without a description of its media";
                return self.fail(Cause::INCOMPATIBLE_DESTINATION, detail, core, now);
            }
        };
        if let Some(sdp) = &sdp {
            self.heard(sdp);
        }
        core.tell(answered(sdp));
        self.plan_session(core, now);
        self.next_candidates(core, now);
    }
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
            late_prack: None,
            answer_in_ack: false,
            owed_ack: None,
            offer: Offer::None,
            glares: 0,
            wishes: VecDeque::new(),
            local_sdp,
            digits: VecDeque::new(),
            digit_out: None,
            digit_kind: None,
            digit_changed: false,
            refer: None,
            adrift: false,
            was_referred: false,
        }
    }
}

/// Whether a request for that address may take that flow: one for `sips:` needs TLS (RFC 7118, 9.2; RFC 3261, 26.2.2).
pub(in crate::sip) fn may_carry(core: &Core, flow: FlowId, uri: &Uri) -> bool {
    let first = routes(core, flow).into_iter().next();
    let first = first.and_then(|first| NameAddr::parse(&first).ok());
    let needs = uri.is_sips() || first.is_some_and(|first| first.uri.is_sips());
    !needs || core.is_secure(flow)
}

/// Whether the dialog of such a request is a secure one: our address in it is `sips:` then (RFC 3261, 8.1.1.8), and all that follows
/// in it takes TLS.
pub(in crate::sip) fn makes_secure(
    core: &Core,
    flow: FlowId,
    uri: &Uri,
    routes: &[String],
) -> bool {
    let first = routes.first().and_then(|it| NameAddr::parse(it).ok());
    let asks = uri.is_sips() || first.is_some_and(|first| first.uri.is_sips());
    asks && core.is_secure(flow)
}

/// The address that a number or name means.
pub(in crate::sip) fn target(to: &str, config: &Config) -> Option<Uri> {
    let to = without_marks(to.trim());
    let to = to.as_ref();
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

/// A telephone number without what people set between its digits to read it (RFC 3966, 5.1.1; RFC 3261, 19.1.6); anything else as it
/// is.
fn without_marks(text: &str) -> Cow<'_, str> {
    let is_mark = |letter: char| matches!(letter, ' ' | '-' | '.' | '(' | ')');
    let is_digit = |letter: char| letter.is_ascii_digit();
    let is_part = |letter: char| is_digit(letter) || is_mark(letter) || matches!(letter, '*' | '#');
    let number = text.strip_prefix('+').unwrap_or(text);
    if number.contains(is_mark) && number.contains(is_digit) && number.chars().all(is_part) {
        Cow::Owned(text.replace(is_mark, ""))
    } else {
        Cow::Borrowed(text)
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
