//! The handle that users hold: every request goes through a bounded queue, every answer comes back on its own way.

use std::time::Instant;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::InfoItem;
use offhook_signaling::secret::Secret;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::builder::Builder;
use crate::core::machine::Core;
use crate::driver::events::Subscription;
use crate::driver::request::{Reply, Request};
use crate::error::Error;
use crate::request::{AnswerOptions, CallRequest, EndOptions, Message, ServerCommand};
use crate::status::{CallStatus, Status};

/// A running engine. Cheap to clone; when the last clone is dropped, all calls are hung up and all sessions closed.
#[derive(Debug, Clone)]
pub struct Engine {
    requests: mpsc::Sender<Request>,
}

impl Engine {
    /// Begins to put an engine together.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) const fn new(requests: mpsc::Sender<Request>) -> Self {
        Self { requests }
    }

    /// Places a call and gives it its name; what comes of it is told by events.
    ///
    /// # Errors
    /// When the account is unknown or not ready, the number is none, or the engine is full or ending.
    pub async fn call(&self, request: CallRequest) -> Result<CallId, Error> {
        self.core(move |core, now| core.call(&request, now)).await?
    }

    /// Answers a call that rings; without a name, the only one that does.
    ///
    /// # Errors
    /// When there is none, several, it does not ring here, or its server does not carry what goes with the answer.
    pub async fn answer(
        &self,
        call: Option<CallId>,
        options: AnswerOptions,
    ) -> Result<CallId, Error> {
        self.core(move |core, now| core.answer(call.as_ref(), options, now))
            .await?
    }

    /// Refuses a call that rings; without a name the only one that does, without a cause as rejected.
    ///
    /// # Errors
    /// When there is none, several, it does not ring here, or its server does not carry what goes with the refusal.
    pub async fn reject(&self, call: Option<CallId>, options: EndOptions) -> Result<CallId, Error> {
        self.core(move |core, now| core.reject(call.as_ref(), options, now))
            .await?
    }

    /// Ends, cancels or refuses a call; without a name the only one there is, without a cause by the usual one.
    ///
    /// # Errors
    /// When there is none, several, it ends already, or its server does not carry what goes with the end.
    pub async fn hang_up(
        &self,
        call: Option<CallId>,
        options: EndOptions,
    ) -> Result<CallId, Error> {
        self.core(move |core, now| core.hang_up(call.as_ref(), options, now))
            .await?
    }

    /// Puts an answered call on hold, or takes it back; the event `Held` says what the server made of it.
    ///
    /// # Errors
    /// When there is no such call, several fit, or it is not answered.
    pub async fn hold(&self, call: Option<CallId>, on: bool) -> Result<CallId, Error> {
        self.core(move |core, now| core.hold(call.as_ref(), on, now))
            .await?
    }

    /// Looks for a new path for a call's media (ICE restart), as the engine does by itself when media is lost; the event `Ice`
    /// says which was found.
    ///
    /// # Errors
    /// When there is no such call, several fit, it is not answered, or its server is gone.
    pub async fn restart_ice(&self, call: Option<CallId>) -> Result<CallId, Error> {
        self.core(move |core, now| core.restart_ice(call.as_ref(), now))
            .await?
    }

    /// Talks in this call: answers it or takes it from hold, and puts the other calls of its account on hold. The options
    /// go with the answer; a call that is answered already takes only `muted` of them.
    ///
    /// # Errors
    /// When there is no such call, several fit, or it neither rings here nor is answered.
    pub async fn switch(
        &self,
        call: Option<CallId>,
        options: AnswerOptions,
    ) -> Result<CallId, Error> {
        self.core(move |core, now| core.switch(call.as_ref(), options, now))
            .await?
    }

    /// Sends the far end of a call to somebody else (blind transfer).
    ///
    /// # Errors
    /// When there is no such call, it is not answered, or the number is none.
    pub async fn transfer(
        &self,
        call: Option<CallId>,
        to: impl Into<String>,
    ) -> Result<CallId, Error> {
        let to = to.into();
        self.core(move |core, now| core.transfer(call.as_ref(), &to, now))
            .await?
    }

    /// Joins the far ends of two calls of one account (attended transfer).
    ///
    /// # Errors
    /// When one of them is unknown or not answered, or they do not belong together.
    pub async fn transfer_with(&self, call: Option<CallId>, with: CallId) -> Result<CallId, Error> {
        self.core(move |core, now| core.transfer_with(call.as_ref(), &with, now))
            .await?
    }

    /// Sends DTMF digits: `0`-`9`, `*`, `#`, `A`-`D`; `w` waits 0.5 s, `W` 1 s. By way of a FreeSWITCH server also `F` for a flash,
    /// and groups with a length in milliseconds, `12@250+3`.
    ///
    /// # Errors
    /// When the call is unknown or carries no audio yet, or a digit is none.
    pub async fn dtmf(&self, call: CallId, digits: impl Into<String>) -> Result<(), Error> {
        let digits = digits.into();
        self.core(move |core, now| core.dtmf(&call, &digits, now))
            .await?
    }

    /// Sends silence in place of the input, or the input again.
    ///
    /// # Errors
    /// When the call is unknown or ending.
    pub async fn mute(&self, call: CallId, on: bool) -> Result<(), Error> {
        self.core(move |core, now| core.mute(&call, on, now))
            .await?
    }

    /// Gives silence to the output in place of what the far end says, or that again. Figures, digits and texts of the far end
    /// are told all the same.
    ///
    /// # Errors
    /// When the call is unknown or ending.
    pub async fn deaf(&self, call: CallId, on: bool) -> Result<(), Error> {
        self.core(move |core, now| core.deaf(&call, on, now))
            .await?
    }

    /// Sends a text: to an assistant, into a call, or to a user. Gives back its number among the texts of its account, by which
    /// `MessageAccepted` or `MessageFailed` tells what became of it, unless its call ends before; of a text to an assistant nothing
    /// is told.
    ///
    /// # Errors
    /// When account or call are unknown, or the text cannot be sent.
    pub async fn message(&self, message: Message) -> Result<Option<u64>, Error> {
        self.core(move |core, _| core.message(message)).await?
    }

    /// Answers a tool call of an assistant.
    ///
    /// # Errors
    /// When the account is unknown or not ready, or the output too long.
    pub async fn tool_answer(
        &self,
        account: Option<String>,
        tool_call: String,
        output: String,
    ) -> Result<(), Error> {
        self.core(move |core, _| core.tool_answer(account.as_deref(), tool_call, output))
            .await?
    }

    /// Asks an assistant for the events of its audio.
    ///
    /// # Errors
    /// When there is no such call, or it is not answered.
    pub async fn assistant_audio(&self, call: Option<CallId>) -> Result<CallId, Error> {
        self.core(move |core, now| core.assistant_audio(call.as_ref(), now))
            .await?
    }

    /// Logs an account in with this token from now on; calls go on.
    ///
    /// # Errors
    /// When the account is unknown, does not log in with tokens, or this is none.
    pub async fn token(&self, account: Option<String>, token: Secret) -> Result<(), Error> {
        self.core(move |core, _| core.token(account.as_deref(), token))
            .await?
    }

    /// Tries now to connect and log in, in place of the next time.
    ///
    /// # Errors
    /// When the account is unknown.
    pub async fn retry(&self, account: Option<String>) -> Result<(), Error> {
        self.core(move |core, _| core.retry(account.as_deref()))
            .await?
    }

    /// Watches channels of a FreeSWITCH server, also after reconnections, or no longer.
    ///
    /// # Errors
    /// When the account is unknown or not ready.
    pub async fn watch(
        &self,
        account: Option<String>,
        channels: Vec<String>,
        on: bool,
    ) -> Result<(), Error> {
        self.core(move |core, _| core.watch(account.as_deref(), channels, on))
            .await?
    }

    /// Sends data into a channel of a FreeSWITCH server.
    ///
    /// # Errors
    /// When the account is unknown or not ready.
    pub async fn broadcast(
        &self,
        account: Option<String>,
        channel: String,
        data: Value,
    ) -> Result<(), Error> {
        self.core(move |core, _| core.broadcast(account.as_deref(), channel, data))
            .await?
    }

    /// Has a FreeSWITCH server give an object back; null stands for an empty one. That the answer comes shows that the server takes
    /// requests of this account.
    ///
    /// # Errors
    /// When the account is unknown or not ready, this is no object, or the server refuses, does not answer, or has no echo.
    pub async fn echo(&self, account: Option<String>, data: Value) -> Result<Value, Error> {
        self.server_command(account, ServerCommand::Echo { data })
            .await
    }

    /// Has a Telnyx gateway offer the calls that wait for us, as after a push message, or one of them by the name that the message had.
    /// They come as [`Incoming`](crate::event::EventKind::Incoming).
    ///
    /// # Errors
    /// When the account is unknown or not ready, or logs in anonymously, or the server refuses, which means that the caller has gone.
    pub async fn attach_calls(
        &self,
        account: Option<String>,
        call: Option<CallId>,
    ) -> Result<Value, Error> {
        self.server_command(account, ServerCommand::AttachCalls { call })
            .await
    }

    /// Has a Telnyx gateway send no more push messages to the device that the account's `user_variables` name, until the next login says
    /// otherwise.
    ///
    /// # Errors
    /// When the account is unknown or not ready, logs in anonymously or names no device, or the server refuses.
    pub async fn disable_push_notification(&self, account: Option<String>) -> Result<Value, Error> {
        self.server_command(account, ServerCommand::DisablePush)
            .await
    }

    /// Asks a server something, such as a command of a FreeSWITCH, and waits for its answer.
    ///
    /// # Errors
    /// When the account is unknown, not ready or may not do so, or the server refuses or does not answer.
    pub async fn server_command(
        &self,
        account: Option<String>,
        command: ServerCommand,
    ) -> Result<Value, Error> {
        self.ask(|reply| Request::Server {
            account,
            command,
            reply,
        })
        .await?
    }

    /// Gives a moderator's command in the conference that a call is in.
    ///
    /// # Errors
    /// When there is no such call, or it is not answered.
    pub async fn moderate(
        &self,
        call: Option<CallId>,
        command: String,
        member: Option<String>,
        value: Option<Value>,
    ) -> Result<CallId, Error> {
        self.core(move |core, now| core.moderate(call.as_ref(), command, member, value, now))
            .await?
    }

    /// Writes to everybody in the conference that a call is in.
    ///
    /// # Errors
    /// When there is no such call, it is not answered, or the text is too long.
    pub async fn conference_chat(
        &self,
        call: Option<CallId>,
        text: String,
    ) -> Result<CallId, Error> {
        self.core(move |core, now| core.conference_chat(call.as_ref(), text, now))
            .await?
    }

    /// Says something on an answered call's channel (FreeSWITCH): text as it is typed, or a command for whatever listens there.
    ///
    /// # Errors
    /// When there is no such call, or it is not answered.
    pub async fn info(&self, call: Option<CallId>, item: InfoItem) -> Result<CallId, Error> {
        self.core(move |core, now| core.info(call.as_ref(), item, now))
            .await?
    }

    /// Carries out what a far end wanted with the event [`Referred`](crate::event::EventKind::Referred) (SIP): a new call, whose
    /// name is returned. Its progress is told to that far end.
    ///
    /// # Errors
    /// When nothing of this name waits any more, or there are too many calls.
    pub async fn follow(&self, wish: CallId) -> Result<CallId, Error> {
        self.core(move |core, now| core.follow(&wish, now)).await?
    }

    /// Refuses what a far end wanted with `Referred`; without a status, with 603.
    ///
    /// # Errors
    /// When nothing of this name waits any more, or the status refuses nothing.
    pub async fn refuse_transfer(&self, wish: CallId, sip_code: Option<u16>) -> Result<(), Error> {
        self.core(move |core, _| core.refuse_transfer(&wish, sip_code))
            .await?
    }

    /// Shows others whether calls are welcome (SIP, RFC 3903), with words for people; the event `Published` follows.
    ///
    /// # Errors
    /// When the account is unknown or not ready, or the words are too long.
    pub async fn publish(
        &self,
        account: Option<String>,
        open: bool,
        note: Option<String>,
    ) -> Result<(), Error> {
        self.core(move |core, _| core.publish(account.as_deref(), open, note))
            .await?
    }

    /// Accounts and calls at this moment.
    ///
    /// # Errors
    /// When the engine has ended.
    pub async fn status(&self) -> Result<Status, Error> {
        self.core(|core, now| core.status(now)).await
    }

    /// The calls at this moment, oldest first.
    ///
    /// # Errors
    /// When the engine has ended.
    pub async fn calls(&self) -> Result<Vec<CallStatus>, Error> {
        self.core(|core, now| core.calls(now)).await
    }

    /// How things stand, and every event after that.
    ///
    /// # Errors
    /// When the engine has ended.
    pub async fn subscribe(&self) -> Result<Subscription, Error> {
        self.ask(Request::Subscribe).await
    }

    /// Hangs up all calls, closes all sessions and waits for that, 5 s at most. A second time it returns at once.
    pub async fn shut_down(&self) {
        // Only an engine that has ended refuses, and then there is nothing to wait for.
        let _ = self.ask(Request::ShutDown).await;
    }

    /// Lets the core do something, and brings back what it says.
    async fn core<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Core, Instant) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.ask(|reply: Reply<T>| {
            Request::Core(Box::new(move |core, now| {
                // Whoever asked may have gone; what was asked is done all the same.
                drop(reply.send(request(core, now)));
            }))
        })
        .await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| Error::Ended)?;
        answer.await.map_err(|_| Error::Ended)
    }
}
