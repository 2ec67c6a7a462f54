//! Session timers (RFC 4028), both roles.

use std::time::{Duration, Instant};

use offhook_media::session::config::Hold;
use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::headers::Headers;
use offhook_signaling::sip::message::outgoing::Content;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::response::Response;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::sip::call::{Call, CallTimer, OurOffer, Purpose, Refresher, SessionTimer};
use crate::sip::responses::SUPPORTED;
use crate::sip::scenes::Act;
use crate::sip::server::{Around, Due, Server};
use crate::switch::leg::LegId;
use crate::verto::socket::SocketId;

/// What we ask for, in seconds.
pub(super) const INTERVAL: u32 = 1800;
/// The shortest that we take.
pub(super) const LEAST: u32 = 90;

/// Interval and refresher of Session-Expires.
fn asked(headers: &Headers) -> Option<(u32, Option<String>)> {
    let (value, params) = headers.parametrised(&HeaderName::SessionExpires)?;
    let refresher = params.get("refresher").map(str::to_ascii_lowercase);
    Some((value.parse().ok()?, refresher))
}

/// What the answer to our INVITE or UPDATE puts in force.
pub(super) fn granted(headers: &Headers) -> Option<SessionTimer> {
    let (interval, refresher) = asked(headers)?;
    let refresher = match refresher.as_deref() {
        Some("uas") => Refresher::Client,
        _ => Refresher::We,
    };
    Some(SessionTimer {
        interval: interval.max(LEAST),
        refresher,
    })
}

impl Server {
    /// Refuses a session that is too short (RFC 4028, 6).
    pub(super) fn refuses_session(
        &mut self,
        socket: SocketId,
        request: &Request,
        least: u32,
        now: Instant,
    ) -> bool {
        let short = asked(&request.headers).is_some_and(|(interval, _)| interval < least);
        let knows = request.headers.lists(&HeaderName::Supported, "timer");
        if !short || !knows {
            return false;
        }
        let mut answer = self.answer(request, 422);
        answer.content.push(&HeaderName::MinSe, least.to_string());
        self.respond(socket, answer, now);
        true
    }

    /// Decides as the called end (RFC 4028, 9). `wish`: the scene's interval, and whether we refresh.
    pub(super) fn agree_session(
        &self,
        call: &mut Call,
        headers: &Headers,
        wish: Option<(u32, bool)>,
    ) {
        let knows = headers.lists(&HeaderName::Supported, "timer");
        let theirs = asked(headers);
        let (interval, refresher) = match (wish, theirs) {
            (Some((interval, we)), _) if knows || we => (interval, (!we).then_some("uac")),
            (_, Some((interval, refresher))) => {
                let uas = refresher.as_deref() == Some("uas") || !knows;
                (interval.max(LEAST), (!uas).then_some("uac"))
            }
            (_, None) => {
                call.session = None;
                call.session_answer = None;
                return;
            }
        };
        call.session = Some(SessionTimer {
            interval,
            refresher: match refresher {
                Some(_) => Refresher::Client,
                None => Refresher::We,
            },
        });
        let refresher = refresher.unwrap_or("uas");
        call.session_answer = Some(format!("{interval};refresher={refresher}"));
    }

    /// The session counts from now (RFC 4028, 10).
    pub(super) fn start_session(&mut self, leg: LegId, now: Instant) {
        self.deadlines.clear(&Due::Call(leg, CallTimer::Refresh));
        self.deadlines.clear(&Due::Call(leg, CallTimer::SessionEnd));
        let Some(session) = self.calls.get(&leg).and_then(|call| call.session) else {
            return;
        };
        let interval = Duration::from_secs(session.interval.into());
        let (timer, after) = match session.refresher {
            Refresher::We => (CallTimer::Refresh, interval / 2),
            Refresher::Client => (
                CallTimer::SessionEnd,
                interval - Duration::from_secs(32).min(interval / 3),
            ),
        };
        self.deadlines.set(Due::Call(leg, timer), now + after);
    }

    /// Session-Expires of a request of ours.
    pub(super) fn push_session(&self, leg: LegId, content: &mut Content) {
        let Some(session) = self.calls.get(&leg).and_then(|call| call.session) else {
            return;
        };
        let refresher = match session.refresher {
            Refresher::We => "uac",
            Refresher::Client => "uas",
        };
        content.push(
            &HeaderName::SessionExpires,
            format!("{};refresher={refresher}", session.interval),
        );
        content.push(&HeaderName::MinSe, LEAST.to_string());
    }

    pub(super) fn refresh(&mut self, leg: LegId, around: &mut Around<'_>) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        if call.ours.is_some() || call.theirs.is_some() {
            let soon = around.now + Duration::from_secs(5);
            return self.deadlines.set(Due::Call(leg, CallTimer::Refresh), soon);
        }
        if call.allows_update {
            let mut content = Content::default();
            content.push(&HeaderName::Supported, SUPPORTED);
            self.push_session(leg, &mut content);
            let purpose = Purpose::Refresh(leg);
            self.send_in_call(leg, Method::Update, content, purpose, around.now);
            return;
        }
        if around.exchange.reoffer(leg, Hold::Off).is_ok() {
            call.ours = Some(OurOffer {
                method: Method::Invite,
                branch: None,
                act: Act::Reinvite(Hold::Off),
            });
        }
    }

    /// The answer to an UPDATE without description.
    pub(super) fn on_refreshed(
        &mut self,
        leg: LegId,
        status: u16,
        response: Option<&Response>,
        around: &mut Around<'_>,
    ) {
        match (status, response) {
            (200..300, Some(response)) => self.take_session(leg, &response.headers, around.now),
            (408 | 481, _) => {
                around
                    .exchange
                    .end_by_exchange(leg, Cause::RECOVERY_ON_TIMER_EXPIRE);
            }
            _ => self.start_session(leg, around.now),
        }
    }

    /// What a 2xx to an offer or refresh of ours says of the session.
    pub(super) fn take_session(&mut self, leg: LegId, headers: &Headers, now: Instant) {
        if let Some(call) = self.calls.get_mut(&leg)
            && call.session.is_some()
        {
            call.session = granted(headers);
        }
        self.start_session(leg, now);
    }
}
