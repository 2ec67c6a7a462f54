//! Everything the engine tells: one typed event an occurrence, in the words of whoever waits for a call.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use offhook_media::ice::candidate::CandidateType;
use offhook_media::srtp::profile::SrtpProfile;
use offhook_signaling::call_id::CallId;
use offhook_signaling::event::{
    AssistantEvent, ConferenceChange, Party, PlatformIds, RefusedChannel, Said as SignalingSaid,
};
use serde_json::Value;

use crate::ended::Ended;
use crate::quality::Quality;
use crate::quality_warning::QualityWarning;
use crate::request::Header;
use crate::status::{AccountState, Direction};

/// One occurrence.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The account that it is about.
    pub account: Arc<str>,
    /// The call that it is about; `None`: the account itself.
    pub call: Option<CallId>,
    /// How the platform names that call, as soon as it has said so (Telnyx).
    pub ids: Option<Arc<PlatformIds>>,
    /// Time since that call began or, without a call, since the account's present connection attempt began.
    pub at: Duration,
    /// What happened.
    pub kind: EventKind,
}

/// What a step of a call brought along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Header fields and variables.
    pub headers: Vec<Header>,
    /// State of whoever steers the call at the server, in base64.
    pub client_state: Option<String>,
}

impl Said {
    /// Whether there is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.client_state.is_none()
    }
}

impl From<SignalingSaid> for Said {
    fn from(said: SignalingSaid) -> Self {
        let mut headers = said.headers;
        headers.extend(said.variables);
        Self {
            headers,
            client_state: said.client_state,
        }
    }
}

/// What happened.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// The account's state changed.
    Account {
        /// The new state.
        state: AccountState,
        /// Why, if it is not for the better.
        reason: Option<String>,
        /// What to do about it.
        remedy: Option<String>,
        /// Time until the next attempt.
        retry_in: Option<Duration>,
    },
    /// The TCP connection to the server stands.
    Socket {
        /// Name resolution.
        dns: Duration,
        /// TCP connection, to the server or to the proxy before it.
        tcp: Duration,
    },
    /// TLS stands; does not come on plain `ws`.
    Tls {
        /// The handshake.
        took: Duration,
    },
    /// The server accepted the login.
    Login,
    /// Calls can be made and come in.
    Ready,
    /// Somebody calls: answer it or hang it up.
    Incoming {
        /// The caller's number.
        number: String,
        /// The caller's name.
        name: Option<String>,
        /// Header fields and variables that came with the call.
        headers: Vec<Header>,
        /// State of whoever made the server call us.
        client_state: Option<String>,
        /// The call of ours whose place it takes, after an attended transfer at the far end or because somebody picked it up
        /// (SIP, RFC 3891); it is answered by itself, and that call ends.
        replaces: Option<CallId>,
    },
    /// The invitation is on its way.
    Invite {
        /// Who is called.
        number: String,
        /// Who invited.
        direction: Direction,
        /// The number that the callee is to see, where one was given.
        caller_number: Option<String>,
    },
    /// Where the server says that its media is, for each description that it sends of a call.
    ServerMedia {
        /// Addresses of its candidates and of its connection line, each once.
        addresses: Vec<IpAddr>,
    },
    /// The far end rings.
    Ringing(Said),
    /// A word of the server on the way to the answer that is neither ringing nor sound: forwarded, queued, a branch that gave
    /// up (SIP).
    Progress {
        /// SIP status, 181 to 199.
        status: u16,
        /// The server's words for it.
        reason: String,
    },
    /// Media flows before the answer.
    Early(Said),
    /// The call was answered, by whichever side was called; with what the far end's answer brought.
    Answered(Said),
    /// The server offered the call's media anew, after a lost connection or by itself, and said this with it.
    Attached(Said),
    /// ICE found its path.
    Ice {
        /// Our end of it.
        local: IceEnd,
        /// The far end.
        remote: IceEnd,
    },
    /// DTLS stands, and the certificate is the one that signalling promised.
    Dtls {
        /// How media is protected.
        profile: SrtpProfile,
    },
    /// Media goes in the clear: the far end wants it so, and the account allows it.
    Unencrypted,
    /// The first audio packet went out.
    FirstRtpSent,
    /// The first authentic audio packet came in.
    FirstRtpReceived,
    /// Nothing came for a while; the call goes on until the media time limit.
    NoMedia {
        /// For how long.
        silent: Duration,
    },
    /// The path to the far end stopped answering. Without a new one the call ends by its media time limit.
    PathLost {
        /// Nothing more is tried on this path; the server has to offer another.
        given_up: bool,
    },
    /// Audio comes in again after `NoMedia`.
    MediaResumed,
    /// The far end pressed a key.
    Dtmf {
        /// Which.
        digit: char,
    },
    /// The call is being recorded.
    Recording {
        /// Into this file.
        path: PathBuf,
    },
    /// Something about the sound failed; the call goes on without it.
    AudioFault {
        /// What, one sentence that names the thing and what to do.
        reason: String,
    },
    /// A STUN or TURN server is of no help; the call goes on without it.
    IceServerFailed {
        /// Its URL.
        server: String,
        /// Why, one sentence with what to do.
        reason: String,
    },
    /// A sound device that had stopped works again.
    AudioRestored {
        /// Its name.
        device: String,
    },
    /// A request was taken and failed later; without a call, also a new login that the server refused while the one before
    /// is still in force.
    RequestFailed {
        /// What, one sentence.
        reason: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// Figures of the call, each second.
    Quality(Box<Quality>),
    /// Something about the call's quality is bad, still bad, or good again.
    QualityWarning(QualityWarning),
    /// The call is on hold, or no longer.
    Held {
        /// Whether it is.
        on: bool,
    },
    /// The far end has put us on hold: it does not listen, by its own description; or it does again (SIP).
    HeldByPeer {
        /// Whether it has.
        on: bool,
    },
    /// A connection to one edge proxy came or went, where an account keeps several (SIP). The account's own state says
    /// whether calls can be made.
    Flow {
        /// URL of the edge proxy.
        server: String,
        /// Whether it is registered there now.
        up: bool,
        /// Why not.
        reason: Option<String>,
        /// Time until the next attempt.
        retry_in: Option<Duration>,
    },
    /// Who is at the far end now, as the server says: after a transfer there, for example.
    Display {
        /// Number.
        number: String,
        /// Name.
        name: Option<String>,
    },
    /// The far end wants us to call somebody else: its user transfers us (SIP). The event's call names the wish.
    Referred {
        /// Whom to call.
        to: String,
        /// Who wants it, by its own word.
        by: Option<String>,
        /// The new call takes the place of one that is there already (an attended transfer).
        replaces: bool,
        /// The call that carries it out; `None`: it waits for [`Engine::follow`](crate::Engine::follow) or
        /// [`Engine::refuse_transfer`](crate::Engine::refuse_transfer), or was refused.
        followed_by: Option<CallId>,
        /// It was refused, as the account has it.
        refused: bool,
    },
    /// What the far end wanted with `Referred` is no longer waited for.
    ReferralLapsed,
    /// Others see of us what was asked for with [`Engine::publish`](crate::Engine::publish) (SIP).
    Published {
        /// Whether calls are welcome.
        open: bool,
        /// The words.
        note: Option<String>,
    },
    /// The far end was transferred; our part of the call ends.
    Transferred,
    /// A text came in.
    Message {
        /// Who wrote it.
        from: Party,
        /// The text.
        text: String,
    },
    /// A text of ours was accepted: by who it was for, or by a server for it. Whether it was read is not known.
    MessageAccepted {
        /// What [`Engine::message`](crate::driver::engine::Engine::message) gave back for it.
        message: u64,
        /// A server keeps it for later (SIP, 202).
        stored: bool,
    },
    /// A text of ours was refused, or nobody knows what became of it.
    MessageFailed {
        /// What [`Engine::message`](crate::driver::engine::Engine::message) gave back for it.
        message: u64,
        /// Why, one sentence.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// An assistant says something; what it wants done comes as `ToolCall`.
    Assistant(Box<AssistantEvent>),
    /// An assistant wants a tool used.
    ToolCall {
        /// Name of this use.
        tool_call: String,
        /// The tool.
        name: String,
        /// Its arguments, JSON as text.
        arguments: String,
        /// A program of the account's configuration answers it; otherwise it waits for `Engine::tool_answer`.
        handled: bool,
    },
    /// The program that was to answer a tool call failed. The assistant was told that it did.
    ToolFailed {
        /// Name of the use.
        tool_call: String,
        /// The tool.
        name: String,
        /// What, one sentence.
        reason: String,
    },
    /// The token will not be good for long, and no new one has come yet.
    TokenExpiringSoon {
        /// How long it is still good.
        left: Duration,
    },
    /// The token is no longer good. The account heals by itself when a new one comes.
    TokenExpired,
    /// The token's source failed; it is asked again by itself.
    TokenFailed {
        /// What, one sentence.
        reason: String,
    },
    /// The server accepted a new login on the live connection; calls went on.
    TokenRefreshed,
    /// The same credential is in use elsewhere: calls may not arrive here.
    RegistrationConflict {
        /// How that shows.
        detail: String,
    },
    /// The server offered a call that nobody here knows, with media of its own; it was hung up.
    UnknownCall {
        /// Its name at the server.
        call: CallId,
        /// The far end, as the server shows it.
        number: String,
        /// Why it was not taken up.
        reason: &'static str,
    },
    /// How the server names the call in its own records.
    CallIds {
        /// `telnyx_session_id`.
        session: Option<String>,
        /// `telnyx_leg_id`.
        leg: Option<String>,
        /// `telnyx_call_control_id`.
        call_control: Option<String>,
    },
    /// What came of asking for channels.
    Watching {
        /// Channels that are watched now.
        channels: Vec<String>,
        /// Those that are not, though they were asked for.
        refused: Vec<RefusedChannel>,
    },
    /// Something happened in a channel that is watched.
    Channel {
        /// Which.
        channel: String,
        /// As it came.
        data: Value,
        /// Events that got lost just before.
        lost: u64,
    },
    /// Something changed in a conference that the call is in.
    Conference(Box<ConferenceChange>),
    /// The server wants the user asked for something.
    Prompt {
        /// `dtmf` or `message`.
        kind: String,
        /// What to say to the user.
        text: String,
        /// What an answer must look like, a regular expression.
        pattern: Option<String>,
    },
    /// The server said something that has no event of its own; text as it is typed stands in `txt`.
    Info {
        /// As it came.
        data: Value,
    },
    /// The server's operator says something to everybody.
    Announcement {
        /// The text.
        text: String,
    },
    /// Silence is sent in place of the input, or no longer.
    Muted {
        /// Whether it is.
        on: bool,
    },
    /// What the far end says is not played, or is again.
    Deaf {
        /// Whether silence is played.
        on: bool,
    },
    /// The server is gone and the call waits for it, or it is back.
    Recovering {
        /// Whether it waits.
        on: bool,
    },
    /// The call is over. Comes exactly once for each call, as its last event.
    Ended(Box<Ended>),
}

impl EventKind {
    pub(crate) fn message_failed(message: u64, error: &offhook_signaling::error::Error) -> Self {
        Self::MessageFailed {
            message,
            reason: error.to_string(),
            remedy: error.remedy().to_string(),
        }
    }
}

/// One end of the path that ICE chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceEnd {
    /// Its address.
    pub address: SocketAddr,
    /// Its kind of candidate.
    pub kind: CandidateType,
}
