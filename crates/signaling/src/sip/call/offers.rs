//! New descriptions and refreshes within a call, by re-INVITE and UPDATE, one at a time (RFC 3261, 14; RFC 3311; RFC 4028).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::cause::Cause;
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::sip::call::headers;
use crate::sip::call::requests::answer_ack;
use crate::sip::call::session_timer::SessionTimer;
use crate::sip::call::state::{Call, Offer, Phase, Up, Wish};
use crate::sip::deadline::{Deadline, T1};
use crate::sip::message::outgoing::{Content, OutgoingRequest, OutgoingResponse};
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::session::core::{Core, identity};
use crate::sip::session::owner::{InCall, Owner, Purpose};
use crate::sip::transaction::client::ClientTransaction;
use crate::sip::transaction::server::ServerKey;

/// Crossing offers in a row before ours is given up.
const MOST_GLARES: u8 = 5;

/// RFC 3261, 14.2 knows up to 10 s; who names more than this is not waited for so long.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// The least pause before a session's refresh that was refused is tried again.
const REFRESH_AGAIN: Duration = Duration::from_secs(10);

/// What a description must be to be read (RFC 3261, 8.2.3).
pub(in crate::sip) const READABLE: [(HeaderName, &str); 2] = [
    (HeaderName::Accept, "application/sdp"),
    (HeaderName::AcceptEncoding, "identity"),
];

/// How often a far side is asked after that cannot reach us.
const ASK_AFTER: Duration = Duration::from_secs(30);

impl Call {
    /// The user has a new description. It goes as soon as no other offer is under way.
    pub(in crate::sip) fn offer(&mut self, sdp: String, core: &mut Core, now: Instant) {
        if let Phase::Up(up) = &mut self.phase {
            // An older one that still waits says nothing any more.
            up.wishes.retain(|wish| !matches!(wish, Wish::Offer(_)));
            up.wishes.push_back(Wish::Offer(sdp));
            self.reserve = None;
        }
        self.next_wish(core, now);
    }

    /// Time for the session's refresh.
    pub(in crate::sip) fn refresh_session(&mut self, core: &mut Core, now: Instant) {
        if let Phase::Up(up) = &mut self.phase
            && !up.wishes.contains(&Wish::Refresh)
        {
            up.wishes.push_back(Wish::Refresh);
        }
        self.next_wish(core, now);
    }

    /// Sends what waits, when nothing is in its way.
    pub(in crate::sip) fn next_wish(&mut self, core: &mut Core, now: Instant) {
        let flow = self.way(core);
        let open = core
            .flow(flow)
            .is_some_and(|flow| flow.is_ready(&core.config));
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let free = matches!(up.offer, Offer::None) && up.unacked.is_none() && up.owed_ack.is_none();
        if !open || !free {
            return;
        }
        // A new description refreshes the session too, and is awaited by a person.
        let first = up
            .wishes
            .iter()
            .position(|wish| matches!(wish, Wish::Offer(_)));
        if let Some(kind) = up.wishes.remove(first.unwrap_or(0)) {
            self.send_offer(kind, core, now);
        }
    }

    fn send_offer(&mut self, kind: Wish, core: &mut Core, now: Instant) {
        let (flow, least) = (self.flow, self.least_session);
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let mut content = Content::default();
        headers::push_request(&mut content, core, flow, self.guise);
        if let Some(session) = &up.session {
            session.write_request(least, &mut content);
        }
        let bare_refresh = kind == Wish::Refresh
            && !up.dialog.peer.said_nothing()
            && up.dialog.peer.allows(&Method::Update);
        if kind == Wish::Refresh && !bare_refresh && up.local_sdp.as_deref().is_some_and(is_answer)
        {
            return core.tell(Event::OfferWanted {
                call: self.id.clone(),
            });
        }
        let sdp = match &kind {
            Wish::Offer(sdp) => Some(sdp.clone()),
            // RFC 4028, 7.4: the same description again changes nothing.
            Wish::Refresh if !bare_refresh => up.local_sdp.clone(),
            Wish::Refresh => None,
        };
        if let Some(sdp) = sdp {
            content.set_body("application/sdp", sdp);
        }
        let method = if bare_refresh {
            Method::Update
        } else {
            Method::Invite
        };
        up.offer = Offer::Ours { kind };
        let mut dialog = up.dialog.clone();
        self.send_in(&mut dialog, method, content, InCall::Offer, core, now);
        if let Phase::Up(up) = &mut self.phase {
            up.dialog = dialog;
        }
    }

    /// The first 2xx to our re-INVITE, or the 2xx to our UPDATE.
    pub(in crate::sip) fn on_offer_accepted(
        &mut self,
        request: &OutgoingRequest,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        self.auth.on_accepted(response);
        let cseq = response.ids.cseq;
        if request.method == Method::Invite {
            self.acknowledge(cseq, Some(request), None, core);
        }
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        up.glares = 0;
        up.wishes.retain(|wish| *wish != Wish::Refresh);
        up.shown_alive(&self.id, core);
        up.dialog.refresh_target(&response.headers);
        self.show_asserted(&response.headers, core);
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        up.session = SessionTimer::as_caller(&response.headers).or_else(|| {
            // RFC 4028, 7.2: no Session-Expires ends it; one who asked may go on alone.
            up.session.filter(|session| session.ours)
        });
        let Some(kind) = up.take_ours(request) else {
            return self.plan_session(core, now);
        };
        if let Wish::Offer(_) = kind {
            self.reserve = None;
        }
        match (kind, response.sdp()) {
            (Wish::Offer(offer), Some(sdp)) => {
                up.local_sdp = Some(offer);
                self.heard(&sdp);
                core.tell(Event::MediaUpdated {
                    call: self.id.clone(),
                    sdp,
                });
            }
            (Wish::Offer(_), None) => core.tell(Event::MediaUpdateFailed {
                call: self.id.clone(),
                error: Error::PeerMisbehaved {
                    server: core.server_name(self.flow),
                    method: "INVITE",
                    fault: "a 200 without the answer to our offer",
                },
            }),
            // It is no news unless the far side has moved meanwhile, and then both sides have to agree anew.
            (Wish::Refresh, Some(sdp)) if self.their_media != media_of(&sdp) => {
                core.tell(Event::OfferWanted {
                    call: self.id.clone(),
                });
            }
            (Wish::Refresh, _) => {}
        }
        self.plan_session(core, now);
        self.next_wish(core, now);
    }

    /// ACK of a 2xx to an INVITE of ours; its transaction keeps it, since copies of that 2xx get it again.
    pub(in crate::sip) fn acknowledge(
        &mut self,
        cseq: u32,
        invite: Option<&OutgoingRequest>,
        sdp: Option<String>,
        core: &mut Core,
    ) {
        let flow = self.way(core);
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let ack = answer_ack(&up.dialog, cseq, invite, sdp, flow, core);
        core.send_request(&ack, flow);
        core.clients
            .note_ack(&up.dialog.call_id, cseq, up.dialog.remote_tag(), &ack);
    }

    /// Our re-INVITE or UPDATE is refused: the session stays as it was, unless the refusal ends it.
    pub(in crate::sip) fn on_offer_refused(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        let others = core.clients.count_of(&self.sip_call_id);
        let again = matches!(self.phase, Phase::Up(_))
            && match response.status {
                401 | 407 => self
                    .auth
                    .on_challenge_beside(response, &identity(&core.config), others)
                    .is_ok(),
                _ => {
                    self.auth.on_accepted(response);
                    false
                }
            };
        let glare_pause = self.glare_pause(core);
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let ours = up.take_ours(&transaction.request);
        if again {
            if let Some(kind) = ours {
                up.offer = Offer::Ours { kind };
            }
            let cseq = up.dialog.next_cseq();
            let purpose = Purpose::InCall(self.id.clone(), InCall::Offer);
            let (draft, flow) = (transaction.draft.clone(), self.way(core));
            core.request(draft, cseq, Some(&mut self.auth), flow, purpose, now);
            return;
        }
        let Some(kind) = ours else {
            return self.on_refresh_refused_beside(response.status, core, now);
        };
        let owner = Owner::Call(self.id.clone());
        match response.status {
            // Each side draws its own pause, so a handful of tries is enough.
            491 if up.glares < MOST_GLARES => {
                up.glares += 1;
                up.offer = Offer::Waiting { kind };
                core.deadlines
                    .set(Deadline::GlareOver, owner, now + glare_pause);
                return;
            }
            500 if up.glares < MOST_GLARES && response.headers.retry_after().is_some() => {
                let pause = response.headers.retry_after().unwrap_or_default();
                let pause = pause.min(LONGEST_PAUSE);
                up.glares += 1;
                up.offer = Offer::Waiting { kind };
                core.deadlines
                    .set(Deadline::GlareOver, owner, now + pause.max(T1));
                return;
            }
            422 => {
                let least = response.headers.number(&HeaderName::MinSe);
                let least = Duration::from_secs(least.unwrap_or_default().into());
                if least > self.least_session {
                    self.least_session = least;
                    if let Some(session) = &mut up.session {
                        session.interval = session.interval.max(least);
                    }
                    up.wishes.push_front(kind);
                    return self.next_wish(core, now);
                }
            }
            // What it describes is not for them: the least of it may be, once.
            // 413: with less of a body (RFC 3261, 21.4.11).
            413 | 415 | 488 | 606
                if matches!(kind, Wish::Offer(_)) && headers::reads_sdp(&response.headers) =>
            {
                let newer = up.wishes.iter().any(|wish| matches!(wish, Wish::Offer(_)));
                if let Some(sdp) = self.reserve.take().filter(|_| !newer) {
                    up.wishes.push_front(Wish::Offer(sdp));
                    return self.next_wish(core, now);
                }
            }
            405 | 501 if transaction.request.method == Method::Update => {
                // It named UPDATE and cannot do it: by INVITE then.
                up.dialog.peer.forget_method(&Method::Update);
                up.wishes.push_front(kind);
                return self.next_wish(core, now);
            }
            status if ends_dialog(status) || ends_usage(status) => {
                return self.end_unknown(status, core, now);
            }
            _ => {}
        }
        // This one has its last word; the next has all of its tries.
        up.glares = 0;
        up.shown_alive(&self.id, core);
        if let Wish::Offer(_) = kind {
            core.tell(Event::MediaUpdateFailed {
                call: self.id.clone(),
                error: Error::Refused {
                    server: core.server_name(self.flow),
                    setting: None,
                    method: "INVITE",
                    code: Some(response.status.into()),
                    reason: response.reason.clone(),
                },
            });
        }
        self.ask_after(core, now);
        if kind == Wish::Refresh {
            self.refresh_again(response.headers.retry_after(), core, now);
        }
        self.next_wish(core, now);
    }

    /// The session's refresh is refused, which says nothing about the call (RFC 5057, 5.1): once more while there is time. Where
    /// there is none, or it is refused again and again, the session's end is the last word (RFC 4028, 10).
    fn refresh_again(&self, named: Option<Duration>, core: &mut Core, now: Instant) {
        let owner = Owner::Call(self.id.clone());
        let end = core.deadlines.when(Deadline::SessionExpiry, &owner);
        let ours =
            matches!(&self.phase, Phase::Up(up) if up.session.is_some_and(|session| session.ours));
        let Some(end) = end.filter(|_| ours) else {
            return;
        };
        let left = end.saturating_duration_since(now);
        let pause = named.unwrap_or(left / 2).max(REFRESH_AGAIN);
        let asked = core.deadlines.when(Deadline::SessionRefresh, &owner);
        let sooner = asked.is_none_or(|at| at > now + pause);
        if pause < left && sooner {
            core.deadlines
                .set(Deadline::SessionRefresh, owner, now + pause);
        }
    }

    /// A refresh without a description is refused while an offer of theirs, or a newer one of ours, is under way: it comes after
    /// that.
    fn on_refresh_refused_beside(&mut self, status: u16, core: &mut Core, now: Instant) {
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        if matches!(status, 405 | 501) {
            up.dialog.peer.forget_method(&Method::Update);
        } else if ends_dialog(status) || ends_usage(status) {
            return self.end_unknown(status, core, now);
        }
        self.refresh_session(core, now);
    }

    fn end_unknown(&mut self, status: u16, core: &mut Core, now: Instant) {
        let detail = format!("the far side does not know the call any more ({status})");
        let cause = Cause::NORMAL_TEMPORARY_FAILURE;
        self.close(EndedBy::Server, cause, Some(detail), &[], core, now);
    }

    /// Our offer met theirs: who placed the call waits longer (14.1), in steps of 10 ms.
    fn glare_pause(&self, core: &mut Core) -> Duration {
        let caller = matches!(&self.phase, Phase::Up(up) if up.caller);
        let steps = if caller {
            core.rng.random_range(210..=400_u64)
        } else {
            core.rng.random_range(0..=200_u64)
        };
        Duration::from_millis(steps * 10)
    }

    /// The pause is over: once more, if it is still wanted.
    pub(in crate::sip) fn on_glare_over(&mut self, core: &mut Core, now: Instant) {
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        if let Offer::Waiting { kind } = std::mem::replace(&mut up.offer, Offer::None) {
            let newer = up.wishes.iter().any(|wish| matches!(wish, Wish::Offer(_)));
            if !newer || kind == Wish::Refresh {
                up.wishes.push_front(kind);
            }
        }
        self.next_wish(core, now);
    }

    /// No answer to our re-INVITE or UPDATE: RFC 3261, 12.2.1.2 ends the dialog. Where only the connection went, the wish
    /// waits for the next one.
    pub(in crate::sip) fn on_no_offer_answer(
        &mut self,
        request: &OutgoingRequest,
        lost: bool,
        core: &mut Core,
        now: Instant,
    ) {
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        if lost {
            if let Some(kind) = up.take_ours(request) {
                up.wishes.push_front(kind);
            }
            return;
        }
        let detail = "the far side does not answer any more".to_owned();
        let cause = Cause::RECOVERY_ON_TIMER_EXPIRE;
        self.close(EndedBy::Timeout, cause, Some(detail), &[], core, now);
    }

    /// Sets the deadlines of the session's timer anew.
    pub(in crate::sip) fn plan_session(&self, core: &mut Core, now: Instant) {
        let Phase::Up(up) = &self.phase else {
            return;
        };
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::SessionRefresh, &owner);
        core.deadlines.clear(Deadline::SessionExpiry, &owner);
        let Some(session) = &up.session else {
            return self.ask_after(core, now);
        };
        if session.ours {
            let at = now + session.refresh_after();
            core.deadlines
                .set(Deadline::SessionRefresh, owner.clone(), at);
        }
        let at = now
            + if session.ours {
                session.interval
            } else {
                session.give_up_after()
            };
        core.deadlines.set(Deadline::SessionExpiry, owner, at);
        self.ask_after(core, now);
    }

    /// The far side cannot tell us that it hung up, nor refresh the session, where its requests take a connection that is no
    /// more (see [`crate::sip::dialog::edge`]): it is asked.
    fn ask_after(&self, core: &mut Core, now: Instant) {
        let Phase::Up(up) = &self.phase else {
            return;
        };
        let owner = Owner::Call(self.id.clone());
        if core.is_cut_off(&up.dialog) {
            // Sooner than any session's own refresh, which is due after 45 s at the earliest.
            core.deadlines
                .set(Deadline::SessionRefresh, owner, now + ASK_AFTER);
        }
    }

    /// Nobody refreshed the session (RFC 4028, 10).
    pub(in crate::sip) fn on_session_expiry(&mut self, core: &mut Core, now: Instant) {
        let detail = "the session was not refreshed".to_owned();
        let cause = Cause::RECOVERY_ON_TIMER_EXPIRE;
        self.close(EndedBy::Timeout, cause, Some(detail), &[], core, now);
    }
}

impl Up {
    /// What a re-INVITE or UPDATE of ours was for, which is under way no more. `None`: a refresh without a description, whose place
    /// an offer of theirs has taken meanwhile, or a newer one of ours.
    fn take_ours(&mut self, request: &OutgoingRequest) -> Option<Wish> {
        let bare = request.method == Method::Update && request.content.body().is_empty();
        match std::mem::replace(&mut self.offer, Offer::None) {
            Offer::Ours { kind } if !bare || kind == Wish::Refresh => Some(kind),
            other @ (Offer::None
            | Offer::Ours { .. }
            | Offer::Theirs { .. }
            | Offer::Waiting { .. }) => {
                self.offer = other;
                None
            }
        }
    }
}

/// Whether a description fixes the DTLS role, as answers do; an offer leaves the choice (RFC 8842, section 5.5).
fn is_answer(sdp: &str) -> bool {
    sdp.lines()
        .any(|line| matches!(line.trim_end(), "a=setup:active" | "a=setup:passive"))
}

/// What a description says of where media goes, under which keys and in which direction, for comparing two of them. Versions, candidates
/// and extras may be written anew each time.
pub(in crate::sip) fn media_of(sdp: &str) -> u64 {
    const SAYS: [&str; 9] = [
        "m=",
        "c=",
        "a=ice-ufrag:",
        "a=fingerprint:",
        "a=setup:",
        "a=sendrecv",
        "a=sendonly",
        "a=recvonly",
        "a=inactive",
    ];
    let mut hasher = DefaultHasher::new();
    for line in sdp.lines().map(str::trim_end) {
        if SAYS.iter().any(|start| line.starts_with(start)) {
            line.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Refusals of a re-INVITE or UPDATE that end the call, though not what else the dialog carries (RFC 5057, 5.1).
fn ends_usage(status: u16) -> bool {
    matches!(status, 405 | 480 | 501)
}

/// Refusals of a request within a dialog that end the dialog (RFC 3261, 12.2.1.2; RFC 5057, 5.1).
pub(in crate::sip) fn ends_dialog(status: u16) -> bool {
    matches!(status, 404 | 408 | 410 | 416 | 481..=485 | 502 | 604)
}

pub(in crate::sip) fn core_answer(core: &mut Core, key: &ServerKey, status: u16, now: Instant) {
    core_answer_with(core, key, status, &[], now);
}

pub(in crate::sip) fn core_answer_with(
    core: &mut Core,
    key: &ServerKey,
    status: u16,
    lines: &[(HeaderName, &str)],
    now: Instant,
) {
    let Some(bare) = core.servers.get(key).map(|served| served.bare.clone()) else {
        return;
    };
    let tag = random::token(&mut core.rng);
    let mut response = OutgoingResponse::to(&bare, status, &tag);
    for (name, value) in lines {
        response.content.push(name, *value);
    }
    core.answer(key, response, now);
}

pub(in crate::sip) fn answer_with_content(
    core: &mut Core,
    key: &ServerKey,
    tag: &str,
    content: Content,
    now: Instant,
) {
    let Some(bare) = core.servers.get(key).map(|served| served.bare.clone()) else {
        return;
    };
    let mut response = OutgoingResponse::to(&bare, 200, tag);
    response.content.append(&content);
    core.answer(key, response, now);
}
