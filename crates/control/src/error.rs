//! What a request can be refused for, as JSON-RPC error objects.

use serde::{Deserialize, Serialize};

/// A JSON-RPC 2.0 error object. `message` is one sentence for a person; `data` says the rest to a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// One of [`Code`]'s numbers.
    pub code: i32,
    /// What failed, naming the thing.
    pub message: String,
    /// What to do about it, where something can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// The `data` member of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// One sentence: what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// The numbers that `code` can have: JSON-RPC's own, then ours from -32010 downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The line is no JSON.
    ParseError = -32700,
    /// The line is JSON, but no JSON-RPC 2.0 request; also a line that is too long.
    InvalidRequest = -32600,
    /// No such method.
    MethodNotFound = -32601,
    /// The method does not take these parameters.
    InvalidParams = -32602,
    /// The daemon is at fault.
    InternalError = -32603,
    /// No account has that name, or several accounts exist and none was named.
    NoSuchAccount = -32010,
    /// No call has that id, or no call fits the request.
    NoSuchCall = -32011,
    /// The account cannot place calls now.
    NotReady = -32012,
    /// The call is not in a state that allows this.
    WrongState = -32013,
    /// A limit of this daemon is reached.
    Busy = -32014,
    /// The far end, the server or the network refused.
    Refused = -32015,
    /// The account's login or its configuration does not allow this.
    NotAllowed = -32016,
}

impl RpcError {
    /// An error without a remedy.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code as i32,
            message: message.into(),
            data: None,
        }
    }

    /// The same error, with what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.data = Some(ErrorData {
            remedy: Some(remedy.into()),
        });
        self
    }

    /// What to do about it, if the server said so.
    pub fn remedy(&self) -> Option<&str> {
        self.data.as_ref()?.remedy.as_deref()
    }
}
