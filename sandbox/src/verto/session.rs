//! A session: one logged-in client with its calls; outlives its socket while it has calls.

use std::collections::{BTreeMap, BTreeSet};

use offhook_signaling::verto::rpc::Id;

use crate::face::Face;
use crate::switch::leg::{Direction, EndpointId, LegId, Party};
use crate::verto::credentials::Identity;
use crate::verto::mishaps::Offering;
use crate::verto::said::Said;
use crate::verto::socket::SocketId;

/// Names one session within the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionId(pub(super) u64);

impl SessionId {
    /// The exchange's name for the client.
    pub(super) fn endpoint(self) -> EndpointId {
        EndpointId(self.0)
    }
}

/// One logged-in client.
#[derive(Debug)]
pub(super) struct Session {
    /// Its name on the wire.
    pub(super) sessid: String,
    pub(super) identity: Identity,
    pub(super) face: &'static Face,
    pub(super) socket: Option<SocketId>,
    /// By `callID`.
    pub(super) calls: BTreeMap<String, Call>,
    /// Calls to be offered again before `clientReady` may be said.
    pub(super) offers_before_ready: BTreeSet<LegId>,
    /// Calls that `clientReady` will list.
    pub(super) reattached: Vec<String>,
    /// How its calls are offered since it came back last.
    pub(super) offering: Offering,
    /// A later login of the same user took its registration.
    pub(super) unregistered: bool,
    /// Under which it posts call reports; given when it asks how it is registered.
    pub(super) call_report_id: Option<String>,
    /// With a client without credentials: what it has with its assistant.
    pub(super) talk: Option<Talk>,
}

/// What a session has with its assistant.
#[derive(Debug)]
pub(super) struct Talk {
    /// Name of the conversation; `None` when the one that was wanted is not there.
    pub(super) conversation: Option<String>,
    /// The settings were told.
    pub(super) greeted: bool,
}

/// A call as its client knows it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) leg: LegId,
    pub(super) direction: Direction,
    pub(super) caller: Party,
    pub(super) callee: Party,
    /// The request of the client that waits for the media side.
    pub(super) pending: Option<Option<Id>>,
    pub(super) held: bool,
    /// Digits that its client sent, where the far end asked for some.
    pub(super) typed: String,
    pub(super) telnyx: TelnyxIds,
    pub(super) said: Said,
}

/// Telnyx's names for a call.
#[derive(Debug, Clone, Default)]
pub(super) struct TelnyxIds {
    pub(super) session: String,
    pub(super) leg: String,
    pub(super) control: String,
}
