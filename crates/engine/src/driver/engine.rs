//! The handle that users hold: every request goes through a bounded queue, every answer comes back on its own way.

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use tokio::sync::{mpsc, oneshot};

use crate::builder::Builder;
use crate::driver::events::Subscription;
use crate::driver::request::{Reply, Request};
use crate::error::Error;
use crate::request::CallRequest;
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
        self.ask(|reply| Request::Call(request, reply)).await?
    }

    /// Answers a call that rings; without a name, the only one that does.
    ///
    /// # Errors
    /// When there is none, several, or it does not ring here.
    pub async fn answer(&self, call: Option<CallId>) -> Result<CallId, Error> {
        self.ask(|reply| Request::Answer(call, reply)).await?
    }

    /// Ends, cancels or refuses a call; without a name the only one there is, without a cause by the usual one.
    ///
    /// # Errors
    /// When there is none, several, or it ends already.
    pub async fn hang_up(
        &self,
        call: Option<CallId>,
        cause: Option<Cause>,
    ) -> Result<CallId, Error> {
        self.ask(|reply| Request::HangUp(call, cause, reply))
            .await?
    }

    /// Sends DTMF digits: `0`-`9`, `*`, `#`, `A`-`D`; `w` waits 0.5 s, `W` 1 s.
    ///
    /// # Errors
    /// When the call is unknown or carries no audio yet, or a digit is none.
    pub async fn dtmf(&self, call: CallId, digits: impl Into<String>) -> Result<(), Error> {
        let digits = digits.into();
        self.ask(|reply| Request::Dtmf(call, digits, reply)).await?
    }

    /// Sends silence in place of the input, or the input again.
    ///
    /// # Errors
    /// When the call is unknown or ending.
    pub async fn mute(&self, call: CallId, on: bool) -> Result<(), Error> {
        self.ask(|reply| Request::Mute(call, on, reply)).await?
    }

    /// Accounts and calls at this moment.
    ///
    /// # Errors
    /// When the engine has ended.
    pub async fn status(&self) -> Result<Status, Error> {
        self.ask(Request::Status).await
    }

    /// The calls at this moment, oldest first.
    ///
    /// # Errors
    /// When the engine has ended.
    pub async fn calls(&self) -> Result<Vec<CallStatus>, Error> {
        self.ask(Request::Calls).await
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

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| Error::Ended)?;
        answer.await.map_err(|_| Error::Ended)
    }
}
