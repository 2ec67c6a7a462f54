//! How a call passes time and lost sockets, and how it ends exactly once.

use crate::cause::Cause;
use crate::deadlines::Deadline;
use crate::event::{EndedBy, Event, SipEnd};
use crate::verto::dialog::state::{Dialog, Effect, Effects, Phase, Renewal};
use crate::verto::wording::Wish;

/// What the server says beside the cause of an end.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    pub(super) headers: Vec<(String, String)>,
    pub(super) client_state: Option<String>,
    pub(super) sip: Box<SipEnd>,
}

impl Dialog {
    /// A deadline of the call itself.
    pub(crate) fn on_deadline(&mut self, deadline: Deadline, online: bool, fx: &mut Effects) {
        if !self.is_live() {
            // What was owed is owed no longer: by now the server has given the call up.
            if deadline == Deadline::Detached {
                self.phase = Phase::Over;
            }
            return;
        }
        let timer = Cause::RECOVERY_ON_TIMER_EXPIRE;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other deadlines are not a call's own"
        )]
        let (by, cause, detail) = match deadline {
            Deadline::Unanswered | Deadline::Untaken => (
                EndedBy::Timeout,
                Cause::NO_ANSWER,
                "nobody answered in time",
            ),
            Deadline::AttachUntaken => (
                EndedBy::Timeout,
                timer,
                "the offer of new media was not answered in time",
            ),
            Deadline::AttachDue => (
                EndedBy::Network,
                timer,
                "the server did not offer the call again after the connection was lost",
            ),
            Deadline::Detached if online => (
                EndedBy::Network,
                timer,
                "the server still had the call after the connection was lost, and never offered it again",
            ),
            Deadline::Detached => {
                return self.end(
                    EndedBy::Network,
                    timer,
                    Some("no new connection in time".to_owned()),
                    fx,
                );
            }
            _ => return,
        };
        self.leave(by, cause, Some(detail.to_owned()), online, fx);
    }

    /// The socket is gone; requests under way have been told as failed before.
    pub(crate) fn on_socket_lost(&mut self, keeps_unanswered: bool, fx: &mut Effects) {
        self.digits_unsent();
        if !keeps_unanswered && matches!(self.phase, Phase::Calling(_) | Phase::Offered { .. }) {
            let detail = "the connection was lost before the call was answered".to_owned();
            return self.end(
                EndedBy::Network,
                Cause::DESTINATION_OUT_OF_ORDER,
                Some(detail),
                fx,
            );
        }
        fx.push(Effect::Stop(Deadline::AttachUntaken));
        fx.push(Effect::Stop(Deadline::AttachDue));
        if matches!(
            self.phase,
            Phase::Answering(_) | Phase::AttachOffered | Phase::Attaching
        ) {
            // Whether our last word arrived cannot be known; the server offers the call again, or has lost it.
            self.phase = Phase::Up;
        }
        if let Phase::Calling(calling) = &mut self.phase {
            calling.renewal = Renewal::Settled;
        }
        if !self.adrift || self.met {
            (self.adrift, self.met) = (true, false);
            fx.push(Effect::Start(Deadline::Detached));
        }
    }

    /// A new socket is logged in and the server has shown which calls it offers again; `kept` are those that it lists. A call
    /// that stands there is waited for as long as the server keeps it. One that does not may come all the same: servers list
    /// nothing, or other names (FreeSWITCH before May 2021), so only a moment's silence shows that it is forgotten.
    pub(crate) fn on_socket_back(&mut self, kept: &[String], fx: &mut Effects) {
        if let Phase::Leaving(cause) = &self.phase {
            let (cause, extras) = (cause.clone(), self.sides.bye.clone());
            fx.push(Effect::Send(Wish::Bye { cause, extras }));
            self.met = true;
        } else if self.adrift && kept.iter().any(|name| name == self.call.as_str()) {
            fx.push(Effect::Start(Deadline::Detached));
            self.met = true;
        } else if self.adrift {
            fx.push(Effect::Start(Deadline::AttachDue));
        }
    }

    /// The session was taken over: the call is no longer ours.
    pub(crate) fn on_taken_over(&mut self, fx: &mut Effects) {
        let detail = "another client took the session over".to_owned();
        self.end(EndedBy::Server, Cause::PICKED_OFF, Some(detail), fx);
    }

    /// The server knows or does not care: nothing is to be sent.
    pub(super) fn end(
        &mut self,
        by: EndedBy,
        cause: Cause,
        detail: Option<String>,
        fx: &mut Effects,
    ) {
        self.end_with(by, cause, detail, Farewell::default(), fx);
    }

    /// The same, with what the server said beside the cause.
    pub(super) fn end_with(
        &mut self,
        by: EndedBy,
        cause: Cause,
        detail: Option<String>,
        farewell: Farewell,
        fx: &mut Effects,
    ) {
        if self.is_live() {
            self.drop_digits(fx);
            let undecided = matches!(self.phase, Phase::Offered { .. } | Phase::Answering(_));
            let taken = matches!(cause.name(), "LOSE_RACE" | "PICKED_OFF");
            fx.push(Effect::Tell(Event::Ended {
                call: self.call.clone(),
                by,
                cause,
                detail,
                elsewhere: undecided && taken,
                headers: farewell.headers,
                client_state: farewell.client_state,
                sip: farewell.sip,
            }));
        }
        self.phase = Phase::Over;
    }

    /// The server has to be told.
    pub(super) fn leave(
        &mut self,
        by: EndedBy,
        cause: Cause,
        detail: Option<String>,
        online: bool,
        fx: &mut Effects,
    ) {
        if !self.is_live() {
            return;
        }
        for deadline in [
            Deadline::Unanswered,
            Deadline::Untaken,
            Deadline::AttachUntaken,
            Deadline::AttachDue,
        ] {
            fx.push(Effect::Stop(deadline));
        }
        if online {
            let (cause, extras) = (cause.clone(), self.sides.bye.clone());
            fx.push(Effect::Send(Wish::Bye { cause, extras }));
        }
        self.drop_digits(fx);
        fx.push(Effect::Tell(Event::Ended {
            call: self.call.clone(),
            by,
            cause: cause.clone(),
            detail,
            elsewhere: false,
            headers: Vec::new(),
            client_state: None,
            sip: Box::default(),
        }));
        self.phase = Phase::Leaving(cause);
    }
}
