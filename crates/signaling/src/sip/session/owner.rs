//! Whose a request or a deadline is.

use crate::call_id::CallId;
use crate::sip::flow_id::FlowId;
use crate::sip::transaction::server::ServerKey;

/// Whom a deadline belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Owner {
    /// The session as a whole.
    Session,
    /// One connection.
    Flow(FlowId),
    /// A request of ours, by branch and method.
    Request(String, String),
    /// A request of the far side.
    Served(ServerKey),
    /// One call.
    Call(CallId),
}

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Purpose {
    /// The registration of a flow.
    Register(FlowId),
    /// A call's beginning.
    Invite(CallId),
    /// Something within a call.
    InCall(CallId, InCall),
    /// Nobody waits for its answer.
    Nobody,
}

/// What a request within a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum InCall {
    /// Its end.
    Bye,
    /// A description or a refresh, by INVITE or UPDATE.
    Offer,
    /// The acknowledgement of a provisional answer.
    Prack,
    /// One digit.
    Digit,
    /// A transfer.
    Refer,
    /// A text.
    Message,
}
