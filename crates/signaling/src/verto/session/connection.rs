//! Opening sockets, losing them, and staying away from a server in trouble.

use std::time::{Duration, Instant};

use rand::RngExt;

use crate::auth::jwt::Lifetime;
use crate::auth::login::Login;
use crate::deadlines::{Deadline, Owner, Timers};
use crate::error::Error;
use crate::event::{DisconnectCause, Event};
use crate::session::{CloseReason, Output};
use crate::verto::address::{with_query, with_region};
use crate::verto::dialog::state::Effects;
use crate::verto::requests::{CallRequest, Purpose};
use crate::verto::session::logging_in::GATEWAY_PAUSE_MS;
use crate::verto::session::machine::{Session, State};
use crate::verto::wording::ByeExtras;

/// A session that was ready for this long has shown that the server is well; failures count from zero again.
const SETTLED: Duration = Duration::from_secs(60);

/// A server that asks to be left alone for longer is tried all the same: it is no reason to be out of reach for days.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

impl Session {
    /// Opens a socket, if the credentials could be of any use.
    pub(super) fn connect_now(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Reconnect, &Owner::Session);
        if self.waits_for_token(now) {
            self.state = State::Idle;
            return;
        }
        let login = self.config.login.clone();
        if let Some(fault) = self.login_fault(&login) {
            self.tell(Event::LoginFailed(fault));
            self.tell(Event::Disconnected {
                cause: DisconnectCause::LoginRefused,
                retry_in: None,
            });
            self.state = State::Idle;
            return;
        }
        self.tries.attempt = self.tries.attempt.saturating_add(1);
        self.tell(Event::Connecting {
            attempt: self.tries.attempt,
        });
        let url = self.url();
        self.outbox.push_back(Output::Connect { url });
        self.state = State::Connecting;
        self.limit_attempt(now);
    }

    /// The attempt under way has its time from now on.
    pub(super) fn limit_attempt(&mut self, now: Instant) {
        if self.state == State::Connecting {
            self.deadlines.set(
                Deadline::Connect,
                Owner::Session,
                now + self.config.timers.connect,
            );
        }
    }

    fn url(&self) -> String {
        let gateway = self.config.dialect.gateway_fields;
        let target = self.config.proxy_target.filter(|_| gateway);
        let target = target.map(|target| (target.ip.to_string(), target.port.to_string()));
        let canary = self.config.canary && gateway && target.is_none();
        let mut parameters = Vec::new();
        // Whoever names the place to go, or wants to see the canary first, does not go where it was last.
        let free = target.is_none() && (!canary || self.memory.canary_seen);
        let token = self.memory.voice_sdk_id.as_deref();
        if let Some(token) = token.filter(|_| gateway && free) {
            parameters.push(("voice_sdk_id", token));
            if self.memory.skip_instance || self.config.skip_instance {
                parameters.push(("skip_last_voice_sdk_id", "true"));
            }
        }
        if let Some((ip, port)) = &target {
            parameters.push(("rtc_ip", ip));
            parameters.push(("rtc_port", port));
        }
        if canary {
            parameters.push(("canary", "true"));
        }
        if self.config.skip_trailing && gateway {
            parameters.push(("skip_trailing", "true"));
        }
        let region = self.config.region.as_deref();
        match region.filter(|_| gateway && !self.memory.region_failed) {
            Some(region) => with_query(&with_region(&self.config.server, region), &parameters),
            None => with_query(&self.config.server, &parameters),
        }
    }

    /// What makes these credentials useless without asking the server.
    pub(super) fn login_fault(&self, login: &Login) -> Option<Error> {
        let dialect = &self.config.dialect;
        if !dialect.logins.contains(&login.kind()) {
            let server = self.server.clone();
            return Some(Error::LoginUnsupported {
                server,
                dialect: dialect.name,
                login: login.kind(),
            });
        }
        match login {
            Login::Token { token } => {
                Lifetime::read(token.expose())
                    .err()
                    .map(|fault| Error::TokenMalformed {
                        server: self.server.clone(),
                        fault,
                    })
            }
            Login::Password { .. } | Login::Anonymous { .. } => None,
        }
    }

    pub(super) fn on_opened(&mut self, now: Instant) {
        if self.state != State::Connecting {
            return;
        }
        self.deadlines.clear(Deadline::Connect, &Owner::Session);
        self.tell(Event::Connected);
        self.log_in(now);
    }

    pub(super) fn on_closed(&mut self, reason: CloseReason, now: Instant) {
        match &self.state {
            State::Idle | State::Waiting | State::Stopped => {}
            State::Stopping => self.stop(),
            State::Connecting | State::LoggingIn(_) | State::AwaitingReady(_) => {
                self.lose(DisconnectCause::Closed(reason), now);
            }
            State::Registering(_) | State::Ready | State::Doubting(_) => {
                self.lose(DisconnectCause::Closed(reason), now);
            }
        }
    }

    /// The connection is of no use any more: drop it, keep the calls, try again later.
    pub(super) fn lose(&mut self, cause: DisconnectCause, now: Instant) {
        if self.state == State::Stopping {
            return self.stop();
        }
        if self
            .tries
            .ready_since
            .take()
            .is_some_and(|since| now >= since + SETTLED)
        {
            self.tries.failures = 0;
        }
        self.judge_region(&cause);
        let asked = matches!(
            cause,
            DisconnectCause::Asked | DisconnectCause::LoginRefused
        );
        if !asked && self.config.backoff.is_exhausted(self.tries.attempt) {
            return self.park(cause, now);
        }
        let delay = match &cause {
            DisconnectCause::LoginRefused => match self.rest_after_refusal(now) {
                Some(rest) => rest,
                None => return self.park(cause, now),
            },
            // Whoever never tries a refused login again still rests from a fight, and then comes back. Calls would not live
            // so long without a socket.
            DisconnectCause::NotRegistered if self.tries.duel && self.calls() == 0 => {
                match self.config.timers.refused {
                    Duration::ZERO => Timers::default().refused,
                    rest => rest,
                }
            }
            DisconnectCause::Asked => Duration::ZERO,
            DisconnectCause::NotRegistered => {
                let least = Duration::from_millis(self.rng.random_range(GATEWAY_PAUSE_MS));
                self.back_off().max(least)
            }
            DisconnectCause::Connect(failure) => {
                let named = failure.retry_after.unwrap_or_default();
                self.back_off().max(named.min(LONGEST_RETRY_AFTER))
            }
            DisconnectCause::Closed(_)
            | DisconnectCause::Silent(_)
            | DisconnectCause::SessionInUse
            | DisconnectCause::LoginForgotten
            | DisconnectCause::ServerFault
            | DisconnectCause::TakenOver => self.back_off(),
        };
        // A login follows each connection, so this is where logins are kept apart.
        let at = self.logins.earliest(now + delay);
        let gone = matches!(
            cause,
            DisconnectCause::Connect(_) | DisconnectCause::Closed(_)
        );
        self.drop_socket(gone, now);
        self.tell(Event::Disconnected {
            cause,
            retry_in: Some(at - now),
        });
        self.state = State::Waiting;
        self.deadlines.set(Deadline::Reconnect, Owner::Session, at);
    }

    /// A region whose host cannot be reached, or opens and then lets nobody in, is left alone for one attempt.
    fn judge_region(&mut self, cause: &DisconnectCause) {
        let trouble = match cause {
            DisconnectCause::Connect(_)
            | DisconnectCause::Closed(_)
            | DisconnectCause::Silent(_)
            | DisconnectCause::ServerFault
            | DisconnectCause::NotRegistered => true,
            // It answers: the login is what it does not like.
            DisconnectCause::LoginRefused
            | DisconnectCause::SessionInUse
            | DisconnectCause::LoginForgotten
            | DisconnectCause::TakenOver => false,
            DisconnectCause::Asked => return,
        };
        let let_in = matches!(self.state, State::Ready | State::Doubting(_));
        self.memory.region_failed =
            trouble && !let_in && self.config.region.is_some() && !self.memory.region_failed;
    }

    /// The pause after one more failure.
    fn back_off(&mut self) -> Duration {
        let failures = self.tries.failures;
        self.tries.failures = failures.saturating_add(1);
        self.config.backoff.delay(failures, &mut self.rng)
    }

    /// The connection is of no use, and only a command changes that.
    fn park(&mut self, cause: DisconnectCause, now: Instant) {
        let gone = matches!(
            cause,
            DisconnectCause::Connect(_) | DisconnectCause::Closed(_)
        );
        self.drop_socket(gone, now);
        self.state = State::Idle;
        self.tries.attempt = 0;
        self.tell(Event::Disconnected {
            cause,
            retry_in: None,
        });
    }

    /// Closes whatever socket there is, unless it is already gone, and forgets all that hung on it.
    pub(super) fn drop_socket(&mut self, gone: bool, now: Instant) {
        if !gone && !matches!(self.state, State::Idle | State::Waiting) {
            self.outbox.push_back(Output::Disconnect);
        }
        self.deadlines
            .retain(|_, owner| matches!(owner, Owner::Call(_) | Owner::Credential));
        self.state = State::Waiting;
        self.channels.on_socket_lost();
        self.early.clear();
        self.on_no_proof();
        let mut lost = self.requests.take_all();
        lost.append(&mut self.unheard);
        for pending in lost {
            match pending.purpose {
                // Digits are kept by their call.
                Purpose::Call(_, CallRequest::Dtmf) => {}
                Purpose::Call(call, request) if request.is_wish() => {
                    let error = Error::NotReady {
                        server: self.server.clone(),
                        command: request.name(),
                    };
                    self.step(&call, now, |dialog, fx| {
                        dialog.on_silence(request, error, false, fx)
                    });
                }
                Purpose::Errand(errand) => self.on_errand_lost(errand),
                Purpose::Call(..) | Purpose::Login | Purpose::LoginAgain => {}
                Purpose::GatewayState | Purpose::Probe => {}
            }
        }
        let keeps_unanswered = self.config.dialect.keeps_unanswered;
        self.step_all(now, |dialog, fx: &mut Effects| {
            dialog.on_socket_lost(keeps_unanswered, fx)
        });
    }

    pub(super) fn on_reconnect(&mut self, now: Instant) {
        match &self.state {
            State::Stopping | State::Stopped => {}
            State::Idle | State::Waiting => {
                self.tries.failures = 0;
                self.connect_paced(now);
            }
            State::Connecting | State::LoggingIn(_) | State::AwaitingReady(_) => {
                self.lose(DisconnectCause::Asked, now);
            }
            State::Registering(_) | State::Ready | State::Doubting(_) => {
                self.lose(DisconnectCause::Asked, now)
            }
        }
    }

    /// Connects as soon as another login may be sent.
    pub(super) fn connect_paced(&mut self, now: Instant) {
        let at = self.logins.earliest(now);
        if at <= now {
            return self.connect_now(now);
        }
        self.state = State::Waiting;
        self.deadlines.set(Deadline::Reconnect, Owner::Session, at);
    }

    pub(super) fn on_shutdown(&mut self, now: Instant) {
        let online = self.is_open();
        if self.state == State::Stopping {
            return;
        }
        self.step_all(now, |dialog, fx| {
            dialog.bye(None, ByeExtras::default(), online, fx)
        });
        if !online {
            return self.stop();
        }
        self.deadlines
            .retain(|_, owner| !matches!(owner, Owner::Session | Owner::Credential));
        self.deadlines.set(
            Deadline::Stopping,
            Owner::Session,
            now + self.config.timers.stopping,
        );
        self.state = State::Stopping;
    }

    pub(super) fn stop(&mut self) {
        if !matches!(self.state, State::Idle | State::Waiting) {
            self.outbox.push_back(Output::Disconnect);
        }
        self.deadlines.retain(|_, _| false);
        self.dialogs.clear();
        self.state = State::Stopped;
        self.remember_the_end();
        self.tell(Event::Stopped);
    }
}
