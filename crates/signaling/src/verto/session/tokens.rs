//! The life of the login: asked for again in time, warned of, said when it is over.

use std::time::{Duration, Instant};

use crate::auth::life;
use crate::auth::login::Login;
use crate::auth::questions::{Present, Question, Questions};
use crate::deadlines::{Deadline, Owner};
use crate::error::Error;
use crate::event::Event;
use crate::verto::session::machine::{Session, State};

/// How long before its end a login without a token is renewed (FreeSWITCH's `auth-expires`).
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// What is known of the present login's life, and of the source that can prolong it.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    expires: Option<Instant>,
    questions: Questions,
    /// The end that the server named for the login, in seconds since 1970: a token may have none, or outlive its credential.
    auth_expires: Option<u64>,
    /// What it named for the login before.
    expired_before: Option<u64>,
    /// That end was renewed once and stayed the same.
    fixed: bool,
    /// When the present credentials were made or a command brought them, where that is known.
    handed: Option<Instant>,
    /// The login that the last request for one named.
    sent: Option<Login>,
    /// The last one that the server took: what is left when it refuses a newer one.
    accepted: Option<Login>,
    /// The last one that it refused in favour of that.
    refused: Option<Login>,
}

impl Tokens {
    /// Credentials that are this old already.
    pub(super) fn of_age(age: Option<Duration>, now: Instant) -> Self {
        Self {
            handed: age.and_then(|age| now.checked_sub(age)),
            ..Self::default()
        }
    }
}

impl Session {
    fn has_source(&self) -> bool {
        self.config.token_refresh.is_some() && matches!(self.config.login, Login::Token { .. })
    }

    /// Whether there is no token yet, but somebody to ask for one.
    pub(super) fn lacks_token(&self) -> bool {
        life::is_missing(&self.config.login) && self.has_source()
    }

    /// Whether a connection attempt has to wait for a token: there is none, or it has ended and another can be had. One that
    /// its source has just given is tried whatever our clock says.
    pub(super) fn waits_for_token(&mut self, now: Instant) -> bool {
        let ended = self.has_source()
            && !self.tries.fresh_login
            && self.tokens.expires.is_some_and(|end| end <= now);
        if !ended && !self.lacks_token() {
            return false;
        }
        self.want_token(now);
        true
    }

    /// Plans what follows from the login's end.
    pub(super) fn plan_token(&mut self, now: Instant) {
        for deadline in [
            Deadline::TokenWarning,
            Deadline::TokenExpiry,
            Deadline::TokenRefresh,
        ] {
            self.deadlines.clear(deadline, &Owner::Credential);
        }
        let life = life::of(&self.config.login);
        let own = life.expires;
        let named = match &self.config.login {
            Login::Token { .. } | Login::Password { .. } => self.tokens.auth_expires,
            Login::Anonymous { .. } => None,
        };
        let end = own.into_iter().chain(named).min();
        // No new token moves the end of the credential that it is made from.
        let fixed = self.tokens.fixed && end == named;
        self.tokens.expires = end.and_then(|end| self.clock.instant(end, now));
        let Some(expires) = self.tokens.expires else {
            return;
        };
        let left = expires.saturating_duration_since(now);
        let token = matches!(self.config.login, Login::Token { .. });
        if token && !left.is_zero() {
            self.plan_warning(expires, now);
            self.deadlines
                .set(Deadline::TokenExpiry, Owner::Credential, expires);
        }
        let wait = match self.config.token_refresh {
            _ if fixed => return,
            Some(rule) if token => {
                // An end that the server named says nothing of a beginning.
                let span = life.span().filter(|_| end == own);
                rule.wait(left, span.unwrap_or(left).max(left), &mut self.rng)
            }
            _ if token || left <= RENEW_BEFORE => return,
            _ => left - RENEW_BEFORE,
        };
        self.deadlines
            .set(Deadline::TokenRefresh, Owner::Credential, now + wait);
    }

    fn plan_warning(&mut self, expires: Instant, now: Instant) {
        if let Some(at) = life::next_warning(expires, now) {
            self.deadlines
                .set(Deadline::TokenWarning, Owner::Credential, at);
        }
    }

    pub(super) fn on_token_warning(&mut self, now: Instant) {
        if let Some(expires) = self.tokens.expires {
            let left = expires.saturating_duration_since(now);
            self.tell(Event::TokenExpiringSoon { left });
            self.plan_warning(expires, now);
        }
    }

    pub(super) fn on_token_expiry(&mut self, now: Instant) {
        self.tell(Event::TokenExpired);
        self.want_token(now);
    }

    /// Credentials came, with the session itself or by a command. A token so short of its end that nobody could be warned in
    /// time is warned of at once, unless a source is about to replace it.
    pub(super) fn on_credentials(&mut self, now: Instant) {
        self.plan_token(now);
        self.warn_at_once(now);
    }

    fn warn_at_once(&mut self, now: Instant) {
        let left = self
            .tokens
            .expires
            .map(|end| end.saturating_duration_since(now));
        if let Some(left) = left
            && life::ends_soon(left)
            && !self.has_source()
            && matches!(self.config.login, Login::Token { .. })
        {
            self.tell(Event::TokenExpiringSoon { left });
        }
    }

    /// The server took a token that has ended by our clock: the clock is wrong, and the end not worth a thought.
    pub(super) fn disbelieve_clock(&mut self, now: Instant) {
        if self.tokens.expires.is_some_and(|end| end <= now) {
            self.tokens.expires = None;
            self.deadlines
                .clear(Deadline::TokenRefresh, &Owner::Credential);
        }
    }

    /// The server named the end of the login.
    pub(super) fn on_auth_expires(&mut self, second: Option<i64>, renewed: bool, now: Instant) {
        let Some(second) = second.and_then(|second| u64::try_from(second).ok()) else {
            return;
        };
        let same = self.tokens.auth_expires == Some(second);
        self.tokens.auth_expires = Some(second);
        if same && !renewed {
            return;
        }
        let before = self.tokens.expired_before.take();
        self.tokens.fixed = renewed && (same || before == Some(second));
        let expected = self.tokens.expires;
        self.plan_token(now);
        if self.tokens.expires != expected {
            self.warn_at_once(now);
        }
    }

    // ---- the source ----

    /// Time to replace the credentials, each kind in its own way.
    pub(super) fn on_token_refresh(&mut self, now: Instant) {
        if self.has_source() {
            self.want_token(now);
        } else if matches!(self.state, State::Ready | State::Doubting(_)) {
            self.log_in_again(now);
        }
    }

    /// Asks the driver for a token, if there is anybody to ask and it is time.
    pub(super) fn want_token(&mut self, now: Instant) {
        let Some(rule) = self.config.token_refresh.filter(|_| self.has_source()) else {
            return;
        };
        if matches!(self.state, State::Stopping | State::Stopped) {
            return;
        }
        let present = Present {
            missing: self.lacks_token(),
            refused: self.tries.refused > 0,
            expires: self.tokens.expires,
        };
        match self.tokens.questions.ask(rule, present, now) {
            Question::Open => {}
            Question::NotBefore(at) => {
                self.deadlines
                    .set(Deadline::TokenRefresh, Owner::Credential, at);
            }
            Question::Asked(reason) => {
                self.deadlines
                    .clear(Deadline::TokenRefresh, &Owner::Credential);
                self.limit_question(now);
                self.tell(Event::TokenWanted { reason });
            }
        }
    }

    /// The source has its time for an answer from now on, if there is a question.
    pub(super) fn limit_question(&mut self, now: Instant) {
        if self.tokens.questions.is_open() {
            let end = now + self.config.timers.token_reply;
            self.deadlines
                .set(Deadline::TokenReply, Owner::Credential, end);
        }
    }

    /// The source has no token: it is asked again later, and later still.
    pub(super) fn on_token_failed(
        &mut self,
        reason: String,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        if !self.tokens.questions.is_open() {
            return;
        }
        let server = self.server.clone();
        self.tell(Event::Failed(Error::TokenSource { server, reason }));
        self.token_later(retry_after, now);
    }

    /// A token of the source did not work out.
    fn token_later(&mut self, retry_after: Option<Duration>, now: Instant) {
        let Some(rule) = self.config.token_refresh else {
            return;
        };
        let questions = &mut self.tokens.questions;
        let pause = questions.failed(rule, retry_after, &mut self.rng);
        self.deadlines
            .clear(Deadline::TokenReply, &Owner::Credential);
        self.deadlines
            .set(Deadline::TokenRefresh, Owner::Credential, now + pause);
    }

    pub(super) fn note_login_sent(&mut self) {
        self.tokens.sent = Some(self.config.login.clone());
    }

    pub(super) fn on_login_accepted(&mut self) {
        let accepted = self.tokens.sent.take();
        if accepted != self.tokens.accepted {
            self.tokens.questions.worked();
            self.tokens.refused = None;
        }
        self.tokens.accepted = accepted;
    }

    /// A login was refused. Where an older one was accepted and has not ended, that is in force again: a socket that is lost
    /// now must not be the end of it all.
    pub(super) fn fall_back(&mut self, now: Instant) -> bool {
        if self.tokens.accepted.as_ref() == Some(&self.config.login) {
            self.tokens.accepted = None;
        }
        let Some(old) = self.tokens.accepted.clone() else {
            return false;
        };
        let server = self.clock.server(now);
        if server.is_some_and(|server| life::of(&old).expired_since(server).is_some()) {
            return false;
        }
        let refused = std::mem::replace(&mut self.config.login, old);
        let young = life::is_young(self.tokens.handed, now);
        if young && !self.tries.young_retry {
            self.tries.young_retry = true;
        } else {
            self.tokens.refused = Some(refused);
        }
        self.tokens.auth_expires = self.tokens.expired_before.take();
        self.plan_token(now);
        true
    }

    /// A login on the live socket was refused: its source may do better in a while.
    pub(super) fn on_refresh_refused(&mut self, now: Instant) {
        if self.has_source() {
            self.token_later(None, now);
        }
    }

    pub(super) fn on_new_login(&mut self, login: Login, now: Instant) {
        let asked = self.tokens.questions.is_open();
        if asked && login == self.config.login {
            return self.on_token_failed(
                life::same_again(&self.config.login, self.clock.server(now)),
                None,
                now,
            );
        }
        if asked && self.tokens.refused.as_ref() == Some(&login) {
            let reason = "it gave the token again that was refused".to_owned();
            return self.on_token_failed(reason, None, now);
        }
        // Something that cannot be a token must not replace what still works.
        if let (Login::Token { .. }, Some(fault)) = (&login, self.login_fault(&login)) {
            self.tell(Event::LoginFailed(fault));
            if asked {
                self.on_token_failed("its token is malformed".to_owned(), None, now);
            }
            return;
        }
        self.deadlines
            .clear(Deadline::TokenReply, &Owner::Credential);
        self.tokens.questions.close();
        self.tokens.handed = Some(now);
        if let Some(end) = self.tokens.auth_expires.take() {
            self.tokens.expired_before = Some(end);
        }
        self.tokens.fixed = false;
        self.config.login = login;
        self.tries.fresh_login = true;
        if !asked {
            self.tokens.questions.worked();
            self.tokens.refused = None;
            self.forget_refusals();
        }
        self.on_credentials(now);
        match &self.state {
            State::Idle | State::Waiting => self.connect_paced(now),
            State::Registering(_) | State::Ready | State::Doubting(_) => self.log_in_again(now),
            // Used when their turn comes: at the open socket, after a refusal, or once the server is ready.
            State::Connecting | State::LoggingIn(_) | State::AwaitingReady(_) => {}
            State::Stopping | State::Stopped => {}
        }
    }

    // ---- refusals ----

    /// A command changed something: the next refusal is the first.
    pub(super) fn forget_refusals(&mut self) {
        self.tries.refused = 0;
        self.tries.asked_afresh = false;
        self.tries.young_retry = false;
    }

    /// A person or a configuration says that the login may work now.
    pub(super) fn on_retry(&mut self, now: Instant) {
        let refused = self.tries.refused > 0;
        self.forget_refusals();
        match &self.state {
            State::Idle | State::Waiting => {
                self.tries.failures = 0;
                if refused {
                    self.want_token(now);
                }
                self.connect_paced(now);
            }
            State::Ready | State::Doubting(_) if self.tokens.questions.is_failing() => {
                self.tokens.questions.hurry();
                self.want_token(now);
            }
            State::Ready | State::Doubting(_) | State::Registering(_) => {}
            State::Connecting | State::LoggingIn(_) | State::AwaitingReady(_) => {}
            State::Stopping | State::Stopped => {}
        }
    }

    /// How long a refused login rests; `None`: until a command.
    pub(super) fn rest_after_refusal(&mut self, now: Instant) -> Option<Duration> {
        if self.tries.fresh_login {
            return Some(Duration::ZERO);
        }
        let usual = self.refused_pause();
        let server = self.clock.server(now);
        let sooner = life::second_chance(
            &self.config.login,
            self.tokens.handed,
            server,
            usual,
            &mut self.tries.young_retry,
            now,
        );
        if sooner.is_some() {
            // The rests begin to grow when that is refused too.
            self.tries.refused = self.tries.refused.saturating_sub(1);
        }
        sooner.or(usual)
    }

    /// After a refusal the source gets one chance to do better.
    pub(super) fn ask_afresh(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.tries.asked_afresh, true) {
            self.want_token(now);
        }
    }

    fn refused_pause(&self) -> Option<Duration> {
        let timers = &self.config.timers;
        let factor = 1u32
            .checked_shl(self.tries.refused.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let pause = timers
            .refused
            .saturating_mul(factor)
            .min(timers.refused_cap);
        (!timers.refused.is_zero()).then_some(pause)
    }
}
