//! What users ask of calls.

use std::sync::Arc;
use std::time::Instant;

use offhook_media::program::CallKey;
use offhook_signaling::auth::login::LoginKind;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, ConversationItem, InfoItem};
use serde_json::Value;

use crate::call::dialog::Call;
use crate::call::state::{Effects, Ringback, Shown, Sounding};
use crate::config::preferred;
use crate::core::check::{check_number, check_text, read_digits, wrong_state};
use crate::core::machine::{Core, Phase};
use crate::error::{Error, Wanted};
use crate::output::{AccountKey, CallMedia, Output};
use crate::request::{AnswerOptions, CallRequest, Dtmf, EndOptions};
use crate::status::Direction;

impl Core {
    /// Places a call; everything after its name comes as events.
    ///
    /// # Errors
    /// When the account is unknown or not ready, the number is none, or the engine is full or shutting down.
    pub fn call(&mut self, request: &CallRequest, now: Instant) -> Result<CallId, Error> {
        if self.phase != Phase::Running {
            return Err(Error::ShuttingDown);
        }
        let key = self.find_account(request.account.as_deref())?;
        self.check_call(key, request)?;
        let id = self.name_for(request.id.as_ref())?;
        let Some(account) = self.accounts.get(key.0) else {
            return Err(Error::Ended);
        };
        // Without an identity there is only one whom it can reach.
        if account.profile.login != LoginKind::Anonymous || !request.number.is_empty() {
            check_number(&request.number)?;
        }
        let name = Arc::clone(&account.profile.name);
        if !account.is_ready() {
            let (reason, remedy) = account.not_ready();
            return Err(Error::NotReady {
                account: name,
                reason,
                remedy,
            });
        }
        if self.calls.len() >= self.max_calls {
            return Err(Error::TooManyCalls {
                limit: self.max_calls,
            });
        }
        let shown = Shown {
            name: request
                .caller_name
                .clone()
                .or_else(|| account.profile.caller_name.clone()),
            number: request
                .caller_number
                .clone()
                .or_else(|| account.profile.caller_number.clone()),
            headers: request.headers.clone(),
            client_state: request.client_state.clone(),
            codecs: match &request.codecs[..] {
                [] => self.preferred_codecs.clone(),
                codecs => preferred(codecs),
            },
            user_variables: request.user_variables.clone(),
            refer: None,
            replaces: request.replaces.clone().map(Box::new),
            late_offer: request.late_offer,
        };
        let sounding = Sounding {
            media: CallMedia {
                codecs: request.codecs.clone(),
                relay_only: request.relay_only,
                ice_servers: request.ice_servers.clone(),
                trickle: request.trickle,
                rings: false,
            },
            muted: request.muted.unwrap_or(account.profile.start_muted),
            ringback: Ringback {
                tone: self.ringback,
                told: account.profile.protocol.tells_ringing(),
            },
        };
        self.place(key, id.clone(), &request.number, shown, sounding, now);
        Ok(id)
    }

    /// Begins a call of ours.
    pub(super) fn place(
        &mut self,
        key: AccountKey,
        id: CallId,
        number: &str,
        shown: Shown,
        sounding: Sounding,
        now: Instant,
    ) {
        let Some(account) = self.accounts.get(key.0) else {
            return;
        };
        let (name, protocol) = (Arc::clone(&account.profile.name), account.profile.protocol);
        let identity = self.identity(key, name, protocol, id, Direction::Outbound);
        let mut fx = Effects {
            outbox: &mut self.outbox,
            now,
        };
        let call = Call::outbound(identity.clone(), number, shown, sounding, &mut fx);
        self.enter(identity, call);
    }

    /// Answers a call that rings; without a name, the only one that does.
    ///
    /// # Errors
    /// When there is none, several, it does not ring here, or its server does not carry what goes with the answer.
    pub fn answer(
        &mut self,
        call: Option<&CallId>,
        options: AnswerOptions,
        now: Instant,
    ) -> Result<CallId, Error> {
        const NOTHING: &str = "nobody can call it, so there is nothing to answer";
        let key = self
            .find_call(call, Wanted::Ringing)
            .map_err(|error| self.only_anonymous(NOTHING).unwrap_or(error))?;
        let account = self.calls.get(&key).map(Call::account);
        let anonymous = account.and_then(|account| self.anonymous(account, NOTHING));
        self.check_answer(key, &options)?;
        let options = self.as_account_has_it(key, options);
        self.with_call(key, now, |call, fx| {
            if !call.rings_here() {
                return Err(anonymous.unwrap_or_else(|| wrong_state(call, "answered")));
            }
            call.answer(options, fx);
            Ok(call.id().clone())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Ends, cancels or refuses a call; without a name, the only one there is.
    ///
    /// # Errors
    /// When there is none, several, it ends already, or its server does not carry what goes with the end.
    pub fn hang_up(
        &mut self,
        call: Option<&CallId>,
        options: EndOptions,
        now: Instant,
    ) -> Result<CallId, Error> {
        let key = self.find_call(call, Wanted::Any)?;
        self.check_end(key, &options)?;
        self.with_call(key, now, |call, fx| {
            if call.is_ending() {
                return Err(wrong_state(call, "hung up"));
            }
            call.hang_up(options, fx);
            Ok(call.id().clone())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Refuses a call that rings; without a name, the only one that does.
    ///
    /// # Errors
    /// When there is none, several, it does not ring here, or its server does not carry what goes with the refusal.
    pub fn reject(
        &mut self,
        call: Option<&CallId>,
        options: EndOptions,
        now: Instant,
    ) -> Result<CallId, Error> {
        const NOTHING: &str = "nobody can call it, so there is nothing to refuse";
        let key = self
            .find_call(call, Wanted::Ringing)
            .map_err(|error| self.only_anonymous(NOTHING).unwrap_or(error))?;
        let account = self.calls.get(&key).map(Call::account);
        let anonymous = account.and_then(|account| self.anonymous(account, NOTHING));
        self.check_end(key, &options)?;
        self.with_call(key, now, |call, fx| {
            if !call.rings_here() {
                return Err(anonymous.unwrap_or_else(|| wrong_state(call, "refused")));
            }
            call.hang_up(options, fx);
            Ok(call.id().clone())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Puts an answered call on hold, or takes it back; without a name, the only one that fits. The event `Held` says what
    /// the server made of it.
    ///
    /// # Errors
    /// When there is none, several, or it is not answered.
    pub fn hold(&mut self, call: Option<&CallId>, on: bool, now: Instant) -> Result<CallId, Error> {
        let wanted = if on { Wanted::Answered } else { Wanted::Held };
        let key = self.find_call(call, wanted)?;
        self.with_call(key, now, |call, fx| {
            if !call.is_answered() {
                return Err(wrong_state(call, "held or resumed"));
            }
            call.hold(on, fx);
            Ok(call.id().clone())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Looks for a new path for a call's media (ICE restart); without a name, the only one that fits. It goes on over the old
    /// one meanwhile; the event `Ice` says which was found.
    ///
    /// # Errors
    /// When there is none, several, it is not answered, or its server is gone.
    pub fn restart_ice(&mut self, call: Option<&CallId>, now: Instant) -> Result<CallId, Error> {
        let key = self.find_call(call, Wanted::Answered)?;
        self.with_call(key, now, |call, fx| {
            if call.is_answered() && call.renew_path(fx) {
                return Ok(call.id().clone());
            }
            Err(wrong_state(call, "given a new path"))
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Talks in this call: answers it or takes it from hold, and puts the other calls of its account on hold. The options
    /// go with the answer; a call that is answered already takes only `muted` of them.
    ///
    /// # Errors
    /// When there is none, several fit, it neither rings here nor is answered, or what is to go with the answer cannot.
    pub fn switch(
        &mut self,
        call: Option<&CallId>,
        options: AnswerOptions,
        now: Instant,
    ) -> Result<CallId, Error> {
        let key = self.find_call(call, Wanted::Aside)?;
        let account = match self.calls.get(&key) {
            Some(call) if call.rings_here() || call.is_answered() => call.account(),
            Some(call) => return Err(wrong_state(call, "switched to")),
            None => return Err(Error::Ended),
        };
        self.check_answer(key, &options)?;
        let rings = self.calls.get(&key).is_some_and(Call::rings_here);
        let goes_along = !options.headers.is_empty()
            || options.client_state.is_some()
            || options.ice_servers.is_some()
            || options.trickle.is_some();
        if !rings && goes_along {
            return Err(Error::Unsendable {
                what: "what is to go with the answer",
                why: "the call is answered already".to_owned(),
            });
        }
        let answer = self.as_account_has_it(key, options.clone());
        let others: Vec<CallKey> = self
            .calls
            .iter()
            .filter(|(other, call)| {
                **other != key && call.account() == account && call.is_answered() && !call.is_held()
            })
            .map(|(key, _)| *key)
            .collect();
        for other in others {
            self.with_call(other, now, |call, fx| call.hold(true, fx));
        }
        self.with_call(key, now, |call, fx| {
            if call.rings_here() {
                call.answer(answer, fx);
                return call.id().clone();
            }
            if call.is_held() {
                call.hold(false, fx);
            }
            if let Some(muted) = options.muted {
                call.mute(muted, fx);
            }
            call.id().clone()
        })
        .ok_or(Error::Ended)
    }

    /// Sends the far end of a call to somebody else (blind transfer).
    ///
    /// # Errors
    /// When there is no such call, it is not answered, or the number is none.
    pub fn transfer(
        &mut self,
        call: Option<&CallId>,
        to: &str,
        now: Instant,
    ) -> Result<CallId, Error> {
        check_number(to)?;
        let key = self.find_call(call, Wanted::Answered)?;
        let to = to.to_owned();
        self.say(key, now, "transferred", |call| Command::Transfer {
            call,
            to,
        })
    }

    /// Joins the far ends of two calls of one account (attended transfer). With SIP the other one may ring yet, where we called it: the
    /// far end is sent on as soon as that is answered (RFC 5589, section 7.6).
    ///
    /// # Errors
    /// When one of them is unknown or not answered, or they do not belong together.
    pub fn transfer_with(
        &mut self,
        call: Option<&CallId>,
        with: &CallId,
        now: Instant,
    ) -> Result<CallId, Error> {
        let other = self.find_call(Some(with), Wanted::Answered)?;
        let key = match call {
            Some(_) => self.find_call(call, Wanted::Answered)?,
            None => self.find_other(other)?,
        };
        let account = |key| self.calls.get(&key).map(Call::account);
        if key == other || account(key) != account(other) {
            return Err(Error::TransferPartner);
        }
        if let Some(call) = self.calls.get(&other).filter(|call| !call.takes_transfer()) {
            return Err(wrong_state(call, "transferred"));
        }
        let with = with.clone();
        self.say(key, now, "transferred", |call| Command::Replace {
            call,
            with,
        })
    }

    /// Asks an assistant for the events of its audio.
    ///
    /// # Errors
    /// When there is no such call.
    pub fn assistant_audio(
        &mut self,
        call: Option<&CallId>,
        now: Instant,
    ) -> Result<CallId, Error> {
        let key = self.find_call(call, Wanted::Answered)?;
        self.say(key, now, "listened to", |call| Command::Converse {
            call: Some(call),
            item: ConversationItem::SubscribeAudio,
        })
    }

    /// Gives a moderator's command in the conference that a call is in.
    ///
    /// # Errors
    /// When there is no such call, or it is not answered.
    pub fn moderate(
        &mut self,
        call: Option<&CallId>,
        command: String,
        member: Option<String>,
        value: Option<Value>,
        now: Instant,
    ) -> Result<CallId, Error> {
        let key = self.find_call(call, Wanted::Answered)?;
        self.say(key, now, "moderated", |call| Command::Moderate {
            call,
            command,
            member,
            value,
        })
    }

    /// Writes to everybody in the conference that a call is in.
    ///
    /// # Errors
    /// When there is no such call, it is not answered, or the text is too long.
    pub fn conference_chat(
        &mut self,
        call: Option<&CallId>,
        text: String,
        now: Instant,
    ) -> Result<CallId, Error> {
        check_text(&text)?;
        let key = self.find_call(call, Wanted::Answered)?;
        self.say(key, now, "written to", |call| Command::ConferenceChat {
            call,
            text,
        })
    }

    /// Says something on an answered call's channel (FreeSWITCH): text as it is typed, or a command for whatever listens there.
    ///
    /// # Errors
    /// When there is no such call, or it is not answered.
    pub fn info(
        &mut self,
        call: Option<&CallId>,
        item: InfoItem,
        now: Instant,
    ) -> Result<CallId, Error> {
        if let InfoItem::Text(text) = &item {
            check_text(text)?;
        }
        let key = self.find_call(call, Wanted::Answered)?;
        self.say(key, now, "told anything", |call| Command::Info {
            call,
            item,
        })
    }

    /// Gives a command about an answered call to its session.
    fn say(
        &mut self,
        key: CallKey,
        now: Instant,
        wanted: &'static str,
        command: impl FnOnce(CallId) -> Command,
    ) -> Result<CallId, Error> {
        self.with_call(key, now, |call, fx| {
            if !call.is_answered() {
                return Err(wrong_state(call, wanted));
            }
            let id = call.id().clone();
            fx.outbox
                .push_back(Output::Signaling(call.account(), command(id.clone())));
            Ok(id)
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Sends digits: `0`-`9`, `*`, `#`, `A`-`D`; `w` waits 0.5 s, `W` 1 s. By way of a FreeSWITCH server also `F` for a flash, and
    /// groups with a length in milliseconds, `12@250+3`.
    ///
    /// # Errors
    /// When the call is unknown or carries no audio yet, or a digit is none.
    pub fn dtmf(&mut self, call: &CallId, digits: &str, now: Instant) -> Result<(), Error> {
        let key = self.find_call(Some(call), Wanted::Any)?;
        let chosen = self.dtmf;
        let method = self
            .calls
            .get(&key)
            .map_or(Dtmf::Info, |call| call.dtmf_method(chosen));
        let timed = method == Dtmf::Info && !self.calls.get(&key).is_some_and(Call::is_sip);
        let digits = read_digits(digits, timed)?;
        self.with_call(key, now, |call, fx| {
            if !call.carries_digits() {
                return Err(wrong_state(call, "sent digits"));
            }
            match method {
                Dtmf::Info => call.dtmf_by_signaling(&digits, fx),
                Dtmf::Rfc4733 => call.dtmf_by_rtp(&digits, fx),
            }
            Ok(())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Sends silence in place of the input, or the input again.
    ///
    /// # Errors
    /// When the call is unknown or ending.
    pub fn mute(&mut self, call: &CallId, on: bool, now: Instant) -> Result<(), Error> {
        let key = self.find_call(Some(call), Wanted::Any)?;
        self.with_call(key, now, |call, fx| {
            if call.is_ending() {
                return Err(wrong_state(call, "muted"));
            }
            call.mute(on, fx);
            Ok(())
        })
        .unwrap_or(Err(Error::Ended))
    }

    /// Gives silence to the output in place of what the far end says, or that again. Figures, digits and texts of the far end
    /// are told all the same.
    ///
    /// # Errors
    /// When the call is unknown or ending.
    pub fn deaf(&mut self, call: &CallId, on: bool, now: Instant) -> Result<(), Error> {
        let key = self.find_call(Some(call), Wanted::Any)?;
        self.with_call(key, now, |call, fx| {
            if call.is_ending() {
                return Err(wrong_state(call, "made deaf"));
            }
            call.deafen(on, fx);
            Ok(())
        })
        .unwrap_or(Err(Error::Ended))
    }
}
