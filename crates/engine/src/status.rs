//! How accounts and calls stand at one moment.

use std::sync::Arc;
use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::PlatformIds;

use crate::quality::Quality;

/// Accounts and calls at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// In the order they were given to the builder.
    pub accounts: Vec<AccountStatus>,
    /// Oldest first.
    pub calls: Vec<CallStatus>,
}

/// One account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountStatus {
    /// Its name.
    pub name: Arc<str>,
    /// The dialect's name.
    pub dialect: &'static str,
    /// The server's URL.
    pub server: Arc<str>,
    /// How far it has come.
    pub state: AccountState,
    /// Why it is not ready, one sentence.
    pub reason: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Time until the next attempt, while waiting for one.
    pub retry_in: Option<Duration>,
    /// When the newest connection reached each step, for whoever came too late for the events.
    pub steps: Option<ConnectSteps>,
    /// Its connections, where it keeps several, in the order in which something became known of them.
    pub flows: Vec<FlowStatus>,
    /// Messages of its server that made no sense, and were refused or passed over (SIP).
    pub malformed: u64,
    /// Contacts of other devices that are registered for the same user (SIP).
    pub other_devices: Vec<String>,
    /// A registrar of it took our push parameters (RFC 8599, section 4.1).
    pub push: bool,
}

/// One of several connections of an account (SIP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowStatus {
    /// URL of the edge proxy.
    pub server: String,
    /// Whether it can carry calls.
    pub up: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Time until the next attempt, while waiting for one.
    pub retry_in: Option<Duration>,
}

/// When a connection reached each of its steps, counted from the beginning of its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectSteps {
    /// The TCP connection stood.
    pub socket: Duration,
    /// Of that, name resolution and the TCP connection itself. The rest was spent on this machine: waiting until the server could be asked.
    pub connecting: Duration,
    /// TLS stood; `None` on plain `ws`.
    pub tls: Option<Duration>,
    /// The login was accepted.
    pub login: Option<Duration>,
    /// Calls could be made.
    pub ready: Option<Duration>,
}

/// How far an account has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallStatus {
    /// Its id.
    pub call: CallId,
    /// The account that it belongs to.
    pub account: Arc<str>,
    /// Who called whom.
    pub direction: Direction,
    /// How far it has come.
    pub state: CallState,
    /// The far end's number.
    pub number: String,
    /// The far end's name.
    pub name: Option<String>,
    /// How the platform names it, as soon as it has said so (Telnyx).
    pub ids: Option<Arc<PlatformIds>>,
    /// Time since it began.
    pub age: Duration,
    /// Whether silence is sent in place of the input.
    pub muted: bool,
    /// Whether silence is played in place of what the far end says.
    pub deaf: bool,
    /// The codec in use, once media flows.
    pub codec: Option<&'static str>,
    /// The newest figures, once media flows.
    pub quality: Option<Quality>,
}

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The far end called us.
    Inbound,
    /// We called.
    Outbound,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// On hold: the far end hears the server's music, or nothing.
    Held,
    /// The server is gone; the call is kept and will be picked up again.
    Recovering,
    /// Being ended.
    Ending,
}

impl CallState {
    /// The state as a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
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
