//! The life of the login: asked for again in time, warned of, said when it is over, replaced while calls go on (RFC 8898).

use std::time::{Duration, Instant};

use crate::auth::life;
use crate::auth::login::Login;
use crate::auth::questions::{Present, Question, Questions};
use crate::error::Error;
use crate::event::Event;
use crate::sip::deadline::Deadline;
use crate::sip::flow_id::FlowId;
use crate::sip::session::core::Core;
use crate::sip::session::owner::Owner;

/// What is known of the present login's life, and of the source that can prolong it.
#[derive(Debug, Default)]
pub(in crate::sip) struct Tokens {
    expires: Option<Instant>,
    questions: Questions,
    /// When the present credentials were made or a command brought them, where that is known.
    handed: Option<Instant>,
    /// No request has carried the present credentials yet.
    fresh: bool,
    /// The last login that a registrar took: what is left when it refuses a newer one.
    accepted: Option<Login>,
    /// The last one that it refused in favour of that.
    refused: Option<Login>,
    /// The present credentials were refused: what a new question to the source is for.
    doubted: bool,
    /// After a refusal the source was asked once more.
    asked_afresh: bool,
    /// A credential of a few seconds got its second try.
    young_retry: bool,
}

/// What a command brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Handed {
    /// It is in force from now on.
    Taken,
    /// It cannot be one, or is known to be useless: nothing has changed.
    Useless,
}

impl Tokens {
    /// Credentials that are this old already.
    pub(in crate::sip) fn of_age(age: Option<Duration>, now: Instant) -> Self {
        Self {
            handed: age.and_then(|age| now.checked_sub(age)),
            ..Self::default()
        }
    }
}

impl Core {
    fn has_source(&self) -> bool {
        self.config.token_refresh.is_some() && matches!(self.config.login, Login::Token { .. })
    }

    fn lacks_token(&self) -> bool {
        life::is_missing(&self.config.login) && self.has_source()
    }

    /// Whether an attempt has to wait for a token: there is none, or it has ended and another can be had. One that its
    /// source has just given is tried whatever our clock says.
    pub(in crate::sip) fn waits_for_token(&mut self, now: Instant) -> bool {
        let ended = self.has_source()
            && !self.tokens.fresh
            && self.tokens.expires.is_some_and(|end| end <= now);
        if !ended && !self.lacks_token() {
            return false;
        }
        self.want_token(now);
        true
    }

    /// Credentials came, with the session itself or by a command, or the clock was set. A token so short of its end that
    /// nobody could be warned in time is warned of at once, unless a source is about to replace it.
    pub(in crate::sip) fn on_credentials(&mut self, now: Instant) {
        self.plan_token(now);
        let left = self
            .tokens
            .expires
            .map(|end| end.saturating_duration_since(now));
        if let Some(left) = left
            && life::ends_soon(left)
            && !self.has_source()
        {
            self.tell(Event::TokenExpiringSoon { left });
        }
    }

    /// Plans what follows from the token's end.
    pub(in crate::sip) fn plan_token(&mut self, now: Instant) {
        for deadline in [
            Deadline::TokenWarning,
            Deadline::TokenExpiry,
            Deadline::TokenRefresh,
        ] {
            self.deadlines.clear(deadline, &Owner::Credential);
        }
        let life = life::of(&self.config.login);
        self.tokens.expires = life.expires.and_then(|end| self.clock.instant(end, now));
        let Some(expires) = self.tokens.expires else {
            return;
        };
        let left = expires.saturating_duration_since(now);
        if !left.is_zero() {
            self.plan_warning(expires, now);
            self.deadlines
                .set(Deadline::TokenExpiry, Owner::Credential, expires);
        }
        if let Some(rule) = self.config.token_refresh {
            let wait = rule.wait(left, life.span().unwrap_or(left).max(left), &mut self.rng);
            self.deadlines
                .set(Deadline::TokenRefresh, Owner::Credential, now + wait);
        }
    }

    fn plan_warning(&mut self, expires: Instant, now: Instant) {
        if let Some(at) = life::next_warning(expires, now) {
            self.deadlines
                .set(Deadline::TokenWarning, Owner::Credential, at);
        }
    }

    pub(in crate::sip) fn on_token_deadline(&mut self, deadline: Deadline, now: Instant) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other deadlines are not the credential's"
        )]
        match deadline {
            Deadline::TokenWarning => {
                if let Some(expires) = self.tokens.expires {
                    let left = expires.saturating_duration_since(now);
                    self.tell(Event::TokenExpiringSoon { left });
                    self.plan_warning(expires, now);
                }
            }
            Deadline::TokenExpiry => {
                self.tell(Event::TokenExpired);
                self.want_token(now);
            }
            Deadline::TokenRefresh => self.want_token(now),
            Deadline::TokenReply => {
                self.on_token_failed("its source gives no answer".to_owned(), None, now);
            }
            _ => {}
        }
    }

    // ---- the source ----

    /// Asks the driver for a token, if there is anybody to ask and it is time.
    pub(in crate::sip) fn want_token(&mut self, now: Instant) {
        let Some(rule) = self.config.token_refresh.filter(|_| self.has_source()) else {
            return;
        };
        let present = Present {
            missing: self.lacks_token(),
            refused: self.tokens.doubted,
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
    pub(in crate::sip) fn limit_question(&mut self, now: Instant) {
        if self.tokens.questions.is_open() {
            let end = now + self.config.timers.token_reply;
            self.deadlines
                .set(Deadline::TokenReply, Owner::Credential, end);
        }
    }

    /// The source has no token: it is asked again later, and later still.
    pub(in crate::sip) fn on_token_failed(
        &mut self,
        reason: String,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        if !self.tokens.questions.is_open() {
            return;
        }
        let server = self.server_name(FlowId(0));
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

    /// A command says who we are from now on.
    pub(in crate::sip) fn take_login(&mut self, login: Login, now: Instant) -> Handed {
        let asked = self.tokens.questions.is_open();
        if asked && login == self.config.login {
            self.on_token_failed(
                life::same_again(&self.config.login, self.clock.server(now)),
                None,
                now,
            );
            return Handed::Useless;
        }
        if asked && self.tokens.refused.as_ref() == Some(&login) {
            let reason = "it gave the token again that was refused".to_owned();
            self.on_token_failed(reason, None, now);
            return Handed::Useless;
        }
        // Something that cannot be a token must not replace what still works.
        if let Login::Token { token } = &login
            && let Err(fault) = crate::auth::jwt::sayable(token.expose())
        {
            let server = self.server_name(FlowId(0));
            self.tell(Event::LoginFailed(Error::TokenMalformed { server, fault }));
            if asked {
                self.on_token_failed("its token is malformed".to_owned(), None, now);
            }
            return Handed::Useless;
        }
        self.deadlines
            .clear(Deadline::TokenReply, &Owner::Credential);
        self.tokens.questions.close();
        self.tokens.handed = Some(now);
        self.tokens.fresh = true;
        self.config.login = login;
        if !asked {
            self.tokens.questions.worked();
            self.tokens.refused = None;
            self.forget_refusals();
        }
        self.on_credentials(now);
        Handed::Taken
    }

    // ---- what servers say of it ----

    /// A command changed something: the next refusal is the first.
    pub(in crate::sip) fn forget_refusals(&mut self) {
        self.tokens.doubted = false;
        self.tokens.asked_afresh = false;
        self.tokens.young_retry = false;
    }

    /// A person says try again: a source that failed is asked at once.
    pub(in crate::sip) fn ask_source_again(&mut self, now: Instant) {
        let doubted = self.tokens.doubted;
        self.forget_refusals();
        self.tokens.doubted = doubted;
        if doubted || self.tokens.questions.is_failing() {
            self.tokens.questions.hurry();
            self.want_token(now);
        }
        self.tokens.doubted = false;
    }

    /// A request carries the present credentials.
    pub(in crate::sip) fn note_login_sent(&mut self) {
        self.tokens.fresh = false;
    }

    /// A registrar took that login. Gives back whether it is another one than before.
    pub(in crate::sip) fn on_login_accepted(&mut self, sent: Option<&Login>, now: Instant) -> bool {
        self.forget_refusals();
        let sent = sent.cloned();
        let other = sent != self.tokens.accepted;
        let first = self.tokens.accepted.is_none();
        if other {
            self.tokens.questions.worked();
            self.tokens.refused = None;
        }
        // It took a token that has ended by our clock: the clock is wrong, and the end not worth a thought.
        if sent.as_ref() == Some(&self.config.login)
            && self.tokens.expires.is_some_and(|end| end <= now)
        {
            self.tokens.expires = None;
            self.deadlines
                .clear(Deadline::TokenRefresh, &Owner::Credential);
        }
        self.tokens.accepted = sent;
        other && !first
    }

    /// A login was refused. Where an older one was accepted and has not ended, that is in force again: a refused change
    /// must not be the end of what works.
    pub(in crate::sip) fn fall_back(&mut self, now: Instant) -> bool {
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
        if young && !self.tokens.young_retry {
            self.tokens.young_retry = true;
        } else {
            self.tokens.refused = Some(refused);
        }
        self.plan_token(now);
        if self.has_source() {
            self.token_later(None, now);
        }
        true
    }

    /// After a refusal the source gets one chance to do better.
    pub(in crate::sip) fn ask_afresh(&mut self, now: Instant) {
        self.tokens.doubted = true;
        if !std::mem::replace(&mut self.tokens.asked_afresh, true) {
            self.want_token(now);
        }
    }

    /// How long a refused login rests where it deserves less than `usual`.
    pub(in crate::sip) fn second_chance(
        &mut self,
        usual: Option<Duration>,
        now: Instant,
    ) -> Option<Duration> {
        let server = self.clock.server(now);
        life::second_chance(
            &self.config.login,
            self.tokens.handed,
            server,
            usual,
            &mut self.tokens.young_retry,
            now,
        )
    }

    /// Why a login was refused, where its own words tell.
    pub(in crate::sip) fn fault_of_life(&self, flow: FlowId, now: Instant) -> Option<Error> {
        let at = self.clock.server(now)?;
        life::fault(&self.config.login, at, &self.server_name(flow))
    }
}
