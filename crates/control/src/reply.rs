//! What the daemon answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Reply to `answer`, `hangup`, `dtmf`, `mute`, `deaf`, `log_level`: the request was taken; what comes of it is told by notices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The call that it was about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Of `message` to a user: its number among the texts of its account, by which `message_accepted` or `request_failed` tells
    /// what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<u64>,
}

/// Reply to `call`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPlaced {
    /// The id that every later request and notice names this call by.
    pub call: String,
}

/// Reply to `jsapi` and `fsapi`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerAnswer {
    /// What the server said, as it said it.
    pub answer: Value,
}

/// Reply to `calls`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    /// Oldest first.
    pub calls: Vec<CallStatus>,
}

/// Reply to `subscribe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscribed {
    /// Number of the last notice that the snapshot holds; the next notice has `seq + 1`.
    pub seq: u64,
    /// The state at that moment.
    pub snapshot: Status,
}

/// Reply to `status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Name of this run, as in `hello`.
    pub instance: String,
    /// Seconds since the daemon was started.
    pub uptime_s: u64,
    /// In the order of the configuration.
    pub accounts: Vec<AccountStatus>,
    /// Oldest first.
    pub calls: Vec<CallStatus>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// Name in the configuration.
    pub name: String,
    /// `telnyx`, `freeswitch` or `sip`.
    pub dialect: String,
    /// WebSocket URL, without query and user info.
    pub server: String,
    /// Whether calls can be made.
    pub state: AccountState,
    /// Why it is not ready, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Milliseconds until the next attempt, while waiting for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_in_ms: Option<u64>,
    /// When the newest connection reached each step, for a client that came too late to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<ConnectSteps>,
    /// Its connections, where it keeps one to each of several edge proxies (SIP).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<FlowStatus>,
    /// Messages of its server that made no sense, and were refused or passed over (SIP).
    #[serde(default, skip_serializing_if = "crate::notice::is_zero")]
    pub malformed: u64,
    /// Contacts of other devices that are registered for the same user (SIP).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_devices: Vec<String>,
    /// A registrar of it took our push parameters (SIP, RFC 8599).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub push: bool,
}

/// One of several connections of an account (SIP).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowStatus {
    /// URL of the edge proxy.
    pub server: String,
    /// Whether it can carry calls.
    pub up: bool,
    /// Why not, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Milliseconds until the next attempt, while waiting for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_in_ms: Option<u64>,
}

/// When a connection reached each of its steps: milliseconds since its attempt began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectSteps {
    /// The TCP connection stood (name resolution included).
    pub socket_ms: f64,
    /// TLS stood; absent on plain `ws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ms: Option<f64>,
    /// The login was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_ms: Option<f64>,
    /// Calls could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<f64>,
}

/// How far an account has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountState {
    /// A socket is being opened.
    Connecting,
    /// The socket is up, the login under way.
    LoggingIn,
    /// Calls can be made and come in.
    Ready,
    /// Unreachable; the next attempt is scheduled.
    Waiting,
    /// The server refuses the login.
    Refused,
    /// Shut down.
    Stopped,
}

impl AccountState {
    /// The word that stands for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::LoggingIn => "logging_in",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        }
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallStatus {
    /// Its id.
    pub call: String,
    /// The account that it belongs to.
    pub account: String,
    /// Who called whom.
    pub direction: Direction,
    /// How far it has come.
    pub state: CallState,
    /// The far end's number.
    pub number: String,
    /// The far end's name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the platform names it, as soon as it has said so (Telnyx).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<CallIds>,
    /// Milliseconds since it began.
    pub age_ms: u64,
    /// Whether we send silence.
    pub muted: bool,
    /// Whether we play silence in place of the far end.
    #[serde(default)]
    pub deaf: bool,
    /// The codec in use, once agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// The newest figures, once media flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

/// How Telnyx names a call in its own records and in its Call Control interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallIds {
    /// `telnyx_session_id`, the `call_session_id` of Call Control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// `telnyx_leg_id`, the `call_leg_id` of Call Control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_id: Option<String>,
    /// `telnyx_call_control_id`, the `call_control_id` of Call Control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_control_id: Option<String>,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The far end called us.
    Inbound,
    /// We called.
    Outbound,
}

impl Direction {
    /// The word that stands for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallState {
    /// We called; nothing is known of the far end yet.
    Calling,
    /// It rings: there for an outbound call, here for an inbound one.
    Ringing,
    /// Media flows before the answer.
    Early,
    /// We answered; the server has not said yes yet.
    Answering,
    /// People can talk.
    Active,
    /// The far end or we put it on hold.
    Held,
    /// The server is gone; the call is kept and will be picked up again.
    Recovering,
    /// Being ended.
    Ending,
}

impl CallState {
    /// The word that stands for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Ringing => "ringing",
            Self::Early => "early",
            Self::Answering => "answering",
            Self::Active => "active",
            Self::Held => "held",
            Self::Recovering => "recovering",
            Self::Ending => "ending",
        }
    }
}

/// Quality of one call since its beginning, from RTP and RTCP. Names as in W3C webrtc-stats where it has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received and accepted.
    pub packets_received: u64,
    /// RTP packets that should have come and did not (RFC 3550 section 6.4.1); negative when duplicates outnumber losses.
    pub packets_lost: i64,
    /// Packets that came too late to be played.
    pub packets_discarded: u64,
    /// Interarrival jitter, milliseconds (RFC 3550 section 6.4.1).
    pub jitter_ms: f64,
    /// Round trip from RTCP or, before the first report, from ICE; milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
    /// Loss of what we send, as the far end reports it, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_fraction_lost: Option<f64>,
    /// What the jitter buffer adds at present, milliseconds.
    pub jitter_buffer_ms: f64,
    /// Samples at 48 kHz that had to be invented.
    pub concealed_samples: u64,
    /// Packets mended by in-band redundancy.
    pub fec_packets_used: u64,
    /// Packets that failed authentication, were replayed, or made no sense.
    pub packets_refused: u64,
    /// Packets of ours that went out more than 5 ms late, or not at all, because this machine was busy.
    #[serde(default)]
    pub slots_late: u64,
    /// Datagrams that this machine's kernel did not take from us because it had no room for them.
    #[serde(default)]
    pub send_errors: u64,
    /// Datagrams that this machine's kernel dropped because we did not read them in time.
    #[serde(default)]
    pub receive_drops: u64,
    /// Listening quality by the E-model (ITU-T G.107), 1 to 4.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f64>,
}
