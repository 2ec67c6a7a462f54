//! What handles put into the shard's queue, with the way back for each answer.

use std::fmt;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::core::machine::Core;
use crate::driver::events::Subscription;
use crate::error::Error;
use crate::request::ServerCommand;

/// The way back of an answer.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Work for the core, which carries its own way back.
pub(crate) type CoreRequest = Box<dyn FnOnce(&mut Core, Instant) + Send>;

/// One request to a shard.
pub(crate) enum Request {
    /// Something that the core answers at once.
    Core(CoreRequest),
    /// A command whose answer comes from the server.
    Server {
        account: Option<String>,
        command: ServerCommand,
        reply: Reply<Result<Value, Error>>,
    },
    Subscribe(Reply<Subscription>),
    ShutDown(Reply<()>),
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Core(_) => "Request::Core",
            Self::Server { .. } => "Request::Server",
            Self::Subscribe(_) => "Request::Subscribe",
            Self::ShutDown(_) => "Request::ShutDown",
        })
    }
}
