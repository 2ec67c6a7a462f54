//! Whose a request or a deadline is.

use crate::call_id::CallId;
use crate::sip::flow_id::FlowId;
use crate::sip::subscription::state::LegId;
use crate::sip::transaction::server::ServerKey;

/// Whom a deadline belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Owner {
    /// The session as a whole.
    Session,
    /// The credentials, whatever becomes of connections.
    Credential,
    /// One connection.
    Flow(FlowId),
    /// A request of ours, by branch and method.
    Request(String, String),
    /// A request of the far side.
    Served(ServerKey),
    /// One call.
    Call(CallId),
    /// A REFER of the far side.
    Refer(CallId),
    /// What the user listens to, by name.
    Channel(String),
    /// What others see of us.
    Publication,
    /// A dialog in which it comes.
    Leg(LegId),
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
    /// The first SUBSCRIBE of a channel.
    Subscribe(String),
    /// A SUBSCRIBE within a subscription's dialog.
    Refresh(LegId),
    /// What others see of us.
    Publish,
    /// A text outside of calls.
    Text,
    /// Word to the far side about its REFER.
    ReferNotice(CallId),
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
    /// A text, by the number of its command.
    Message(u64),
    /// Something of a package (RFC 6086).
    Info,
    /// Candidates (RFC 8840).
    Trickle,
}
