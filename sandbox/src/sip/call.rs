//! A call as the SIP side knows it: one dialog, or one that is being made.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::Method;
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::outgoing::OutgoingRequest;
use offhook_signaling::sip::message::outgoing::Payload;
use offhook_signaling::sip::message::request::Request;

use crate::sip::dialog::Dialog;
use crate::sip::scenes::Act;
use crate::sip::subscriptions::Name;
use crate::switch::leg::LegId;
use crate::verto::socket::SocketId;

/// First pause between repetitions (RFC 3261, 17: T1).
pub(super) const T1: Duration = Duration::from_millis(500);
/// Longest pause between repetitions (T2).
pub(super) const T2: Duration = Duration::from_secs(4);
/// 64 x T1: the life of a transaction.
pub(super) const LIFE: Duration = Duration::from_secs(32);

/// Names a server transaction: branch and sender.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TransactionKey {
    branch: String,
    sent_by: String,
}

impl TransactionKey {
    pub(super) fn of(request: &Request) -> Self {
        let via = &request.ids.via;
        // A sender older than RFC 3261 has no branch: its Call-ID and number serve.
        let branch = match via.branch() {
            "" => format!("{} {}", request.ids.call_id, request.ids.cseq),
            branch => branch.to_owned(),
        };
        Self {
            branch,
            sent_by: via.sent_by.to_ascii_lowercase(),
        }
    }
}

/// A client's INVITE: the server transaction.
#[derive(Debug)]
pub(super) struct Invite {
    pub(super) request: Bare,
    pub(super) socket: SocketId,
    pub(super) identity: (String, u32),
    /// Its calls that are not over; several where it forks.
    pub(super) legs: Vec<LegId>,
    /// What was answered last.
    pub(super) last: Option<Payload>,
    /// The final answer is given.
    pub(super) over: bool,
}

/// Timers of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CallTimer {
    /// A 2xx is said again until its ACK comes (RFC 3261, 13.3.1.4).
    Repeat,
    /// A reliable provisional answer is said again until its PRACK comes (RFC 3262, 3).
    RepeatReliable,
    /// We refresh the session (RFC 4028, 10).
    Refresh,
    /// The session was not refreshed.
    SessionEnd,
    /// The next act of its scene.
    Act,
    /// Our offer met another one: the next try (RFC 3261, 14.1).
    Glare,
    /// Its client has no connection.
    Gone,
}

/// A 2xx that waits for its ACK.
#[derive(Debug)]
pub(super) struct Repeat {
    pub(super) payload: Payload,
    pub(super) cseq: u32,
    pub(super) pause: Duration,
    pub(super) until: Instant,
}

/// What of reliable provisional answers is under way (RFC 3262).
#[derive(Debug, Default)]
pub(super) struct Reliable {
    /// All but 100 are to be reliable.
    pub(super) wanted: bool,
    /// The number of the last one.
    pub(super) rseq: u32,
    pub(super) outstanding: Option<Outstanding>,
    pub(super) waiting: VecDeque<(u16, Option<String>)>,
    /// The answer that waits for the last PRACK.
    pub(super) answer: Option<Option<String>>,
    /// The description went out reliably.
    pub(super) described: bool,
}

#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) payload: Payload,
    pub(super) has_sdp: bool,
    pub(super) pause: Duration,
    pub(super) until: Instant,
}

/// An offer of the client within the call, which the media side is looking at.
#[derive(Debug)]
pub(super) struct TheirOffer {
    pub(super) request: Bare,
    pub(super) method: Method,
    pub(super) cseq: u32,
    /// It wants ours in the answer.
    pub(super) late: bool,
    pub(super) session: Option<String>,
}

/// An offer of ours within the call.
#[derive(Debug, Clone)]
pub(super) struct OurOffer {
    /// INVITE or UPDATE.
    pub(super) method: Method,
    /// The client has it, in this transaction.
    pub(super) branch: Option<String>,
    pub(super) act: Act,
}

/// Our INVITE to a client.
#[derive(Debug)]
pub(super) struct Ringing {
    pub(super) branch: String,
    /// Last RSeq of each early dialog.
    pub(super) rseqs: BTreeMap<String, u32>,
    /// The answer that came reliably, before the call was taken.
    pub(super) answer: Option<String>,
}

/// Who refreshes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresher {
    We,
    Client,
}

/// A session timer in force (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionTimer {
    pub(super) interval: u32,
    pub(super) refresher: Refresher,
}

/// A transfer that the client asked for.
#[derive(Debug, Clone)]
pub(super) struct Referral {
    /// `refer` or `refer;id=N`.
    pub(super) event: String,
    /// The client wants to hear how it goes on.
    pub(super) told: bool,
}

/// One dialog with a client.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) user: String,
    /// The device, where it registered.
    pub(super) instance: Option<String>,
    /// Where the client was heard last.
    pub(super) socket: SocketId,
    pub(super) dialog: Dialog,
    /// The number or user at the far end.
    pub(super) far: String,
    /// The client called.
    pub(super) from_client: bool,
    /// The client takes UPDATE.
    pub(super) allows_update: bool,
    /// The client's INVITE, until its final answer.
    pub(super) invite: Option<TransactionKey>,
    /// Our INVITE, until its final answer.
    pub(super) ringing: Option<Ringing>,
    pub(super) repeat: Option<Repeat>,
    pub(super) reliable: Reliable,
    /// The description that went out in a provisional answer.
    pub(super) described: Option<String>,
    /// The client's answer comes with its ACK or PRACK.
    pub(super) late: bool,
    /// The ACK of a re-INVITE without offer brings the answer to ours.
    pub(super) late_again: bool,
    pub(super) theirs: Option<TheirOffer>,
    pub(super) ours: Option<OurOffer>,
    pub(super) session: Option<SessionTimer>,
    /// It is up for both.
    pub(super) up: bool,
    pub(super) held: bool,
    /// It ended before the ACK: the BYE waits for that.
    pub(super) ended: Option<Cause>,
    pub(super) referral: Option<Referral>,
    /// What the far end still does, each so long after the one before.
    pub(super) acts: VecDeque<(Duration, Act)>,
    /// Offers of the client that meet a 491.
    pub(super) glares: u32,
    /// Offers of more than G.711 get 488.
    pub(super) plain: bool,
    /// Session-Expires that the answer is to have.
    pub(super) session_answer: Option<String>,
}

impl Call {
    /// One that has just begun, of which nothing more is known.
    pub(super) fn begun(user: String, socket: SocketId, dialog: Dialog, far: String) -> Self {
        Self {
            user,
            instance: None,
            socket,
            dialog,
            far,
            from_client: false,
            allows_update: false,
            invite: None,
            ringing: None,
            repeat: None,
            reliable: Reliable::default(),
            described: None,
            late: false,
            late_again: false,
            theirs: None,
            ours: None,
            session: None,
            up: false,
            held: false,
            ended: None,
            referral: None,
            acts: VecDeque::new(),
            glares: 0,
            plain: false,
            session_answer: None,
        }
    }
}

/// What a request of ours was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    Invite(LegId),
    Reoffer(LegId),
    Refresh(LegId),
    Bye,
    /// A NOTIFY of that subscription.
    Notify(Name),
    /// Nothing depends on the answer.
    Plain,
}

/// A request of ours that waits for its final answer.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) request: OutgoingRequest,
    pub(super) socket: SocketId,
    pub(super) purpose: Purpose,
    /// A provisional answer came: it may be cancelled.
    pub(super) proceeding: bool,
    /// It is to be cancelled, for this reason.
    pub(super) cancel: Option<String>,
    /// ACKs of its 2xx, by tag.
    pub(super) acks: BTreeMap<String, String>,
    /// A final answer came.
    pub(super) over: bool,
}
