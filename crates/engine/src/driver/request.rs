//! What handles put into the shard's queue, with the way back for each answer.

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use tokio::sync::oneshot;

use crate::driver::events::Subscription;
use crate::error::Error;
use crate::request::CallRequest;
use crate::status::{CallStatus, Status};

/// The way back of an answer.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// One request to a shard.
#[derive(Debug)]
pub(crate) enum Request {
    Call(CallRequest, Reply<Result<CallId, Error>>),
    Answer(Option<CallId>, Reply<Result<CallId, Error>>),
    HangUp(Option<CallId>, Option<Cause>, Reply<Result<CallId, Error>>),
    Dtmf(CallId, String, Reply<Result<(), Error>>),
    Mute(CallId, bool, Reply<Result<(), Error>>),
    Status(Reply<Status>),
    Calls(Reply<Vec<CallStatus>>),
    Subscribe(Reply<Subscription>),
    ShutDown(Reply<()>),
}
