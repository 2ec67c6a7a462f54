//! What the daemon tells unasked, after `subscribe`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::reply::{AccountState, CallIds, Direction, Quality};
use crate::request::Header;

/// One notice: parameters of the notification `notice`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Grows by one from notice to notice.
    pub seq: u64,
    /// Milliseconds since 1970 (UTC) by the daemon's clock.
    pub time_ms: u64,
    /// The account that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The call that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// How the platform names that call, as soon as it has said so (Telnyx).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<CallIds>,
    /// Milliseconds since that call began or, without a call, since the account's connection attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<f64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened; `event` names the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The account's state changed.
    Account {
        /// The new state.
        state: AccountState,
        /// Why, if it is not for the better.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
        /// Milliseconds until the next attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_in_ms: Option<u64>,
    },
    /// The TCP connection to the server stands.
    Socket {
        /// Name resolution, milliseconds.
        dns_ms: f64,
        /// TCP connection (or the proxy's), milliseconds.
        tcp_ms: f64,
    },
    /// TLS stands; absent on plain `ws`.
    Tls {
        /// The handshake, milliseconds.
        tls_ms: f64,
    },
    /// The server accepted the login.
    Login,
    /// Calls can be made and come in.
    Ready,
    /// Somebody calls; `answer` or `hangup` it.
    Incoming {
        /// The caller's number.
        number: String,
        /// The caller's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Header fields and variables that came with the call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<Header>,
        /// `client_state` of whoever made the server call us.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_state: Option<String>,
        /// The call whose place it takes; it is answered by itself (SIP).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<String>,
    },
    /// The invitation is on its way.
    Invite {
        /// Who is called.
        number: String,
        /// Always outbound today.
        direction: Direction,
    },
    /// Where the server says that its media is, for each description that it sends of a call.
    ServerMedia {
        /// Addresses of its candidates and of its connection line, each once.
        addresses: Vec<String>,
    },
    /// The far end rings.
    Ringing(Said),
    /// A word of the server on the way to the answer that is neither ringing nor sound (SIP).
    Progress {
        /// SIP status, 181 to 199.
        status: u16,
        /// The server's words.
        reason: String,
    },
    /// The far end wants us to call somebody else (SIP); the notice's call names the wish.
    Referred {
        /// Whom to call.
        to: String,
        /// Who wants it, by its own word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// The new call takes the place of one that is there already.
        replaces: bool,
        /// The call that carries it out; absent while it waits for `follow` or `refuse_transfer`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        followed_by: Option<String>,
        /// It was refused, as the account has it.
        refused: bool,
    },
    /// What the far end wanted with `referred` is no longer waited for.
    ReferralLapsed,
    /// Others see what was asked for with `publish` (SIP).
    Published {
        /// Whether calls are welcome.
        open: bool,
        /// The words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Media flows before the answer.
    Early(Said),
    /// The call was answered, by whichever side was called; with what the far end's answer brought.
    Answered(Said),
    /// The server offered the call's media anew, after a lost connection or by itself, and said this with it.
    Attached(Said),
    /// ICE found its path.
    Ice {
        /// Our address and the kind of candidate (`host`, `srflx`, `prflx`, `relay`).
        local: String,
        /// The far end's.
        remote: String,
    },
    /// DTLS stands and the certificate is the one that signalling promised.
    Dtls {
        /// SRTP profile, as in RFC 5764 and 7714.
        profile: String,
    },
    /// Media goes in the clear: the far end wants it so, and the account allows it.
    Unencrypted,
    /// The first audio packet went out.
    FirstRtpSent,
    /// The first audio packet came in and was authentic.
    FirstRtpReceived,
    /// Nothing came for a while.
    NoMedia {
        /// How long, milliseconds.
        silent_ms: u64,
    },
    /// Audio comes in again after `no_media`.
    MediaResumed,
    /// The network path to the far end stopped answering.
    PathLost {
        /// Nothing more is tried on this path.
        given_up: bool,
    },
    /// The far end pressed a key.
    Dtmf {
        /// Which.
        digit: char,
    },
    /// The call is being recorded.
    Recording {
        /// Where to.
        path: String,
    },
    /// Something about the sound failed; the call goes on.
    AudioFault {
        /// What, one sentence.
        reason: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
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
    /// A request was taken, and failed later; without a call, also a new login that the server refused while the one before
    /// is still in force.
    RequestFailed {
        /// What, one sentence.
        reason: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
        /// The text that it was to send, by the `message` of the reply.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<u64>,
    },
    /// Figures of the call, each second.
    Quality(Quality),
    /// Something about the call's quality is bad, still bad, or good again.
    QualityWarning {
        /// `high_rtt`, `high_jitter`, `high_packet_loss`, `low_mos`, `low_local_audio`, `low_inbound_audio` or
        /// `low_bytes_sent`.
        problem: String,
        /// Its number in Telnyx's SDK, such as 31001; 0 from a daemon that does not say.
        #[serde(default)]
        code: u16,
        /// False when it is over.
        on: bool,
        /// Of the last second: milliseconds, percent, MOS, mean level (0 to 1) or bytes.
        value: f64,
        /// Where it begins.
        threshold: f64,
    },
    /// The call is on hold, or no longer.
    Held {
        /// Whether it is.
        on: bool,
    },
    /// The far end has put us on hold, by its own description of the media, or listens again (SIP).
    HeldByPeer {
        /// Whether it is.
        on: bool,
    },
    /// The connection to one of several edge proxies came or went (SIP).
    Flow {
        /// URL of the edge proxy.
        server: String,
        /// Whether it can carry calls.
        up: bool,
        /// Why not, one sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Milliseconds until the next attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_in_ms: Option<u64>,
    },
    /// Who is at the far end now, as the server says.
    Display {
        /// Number.
        number: String,
        /// Name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The far end was transferred; our part of the call ends.
    Transferred,
    /// A text came in.
    Message {
        /// Who wrote it, as the server says.
        from: String,
        /// Their name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The text.
        text: String,
    },
    /// A text of ours was accepted: by who it was for, or by a server for it. Whether it was read is not known.
    MessageAccepted {
        /// The `message` of the reply.
        message: u64,
        /// A server keeps it for later (SIP, 202).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stored: bool,
    },
    /// A piece of what an assistant says; pieces of one `item` follow each other.
    AssistantText {
        /// The item that it belongs to.
        item: String,
        /// The piece.
        text: String,
    },
    /// An item of the conversation with an assistant, whole as far as it has come.
    AssistantItem {
        /// Its name.
        item: String,
        /// `user` or `assistant`.
        role: String,
        /// `completed`, `in_progress`, in the server's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// All of its text.
        text: String,
    },
    /// An assistant wants a tool used: `tool_answer` it, unless it is `handled`.
    ToolCall {
        /// Name of this use.
        tool_call: String,
        /// The tool.
        name: String,
        /// Its arguments, JSON as text.
        arguments: String,
        /// A program of the configuration answers it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        handled: bool,
    },
    /// The program that was to answer a tool call failed; the assistant was told so.
    ToolFailed {
        /// Name of the use.
        tool_call: String,
        /// The tool.
        name: String,
        /// What, one sentence.
        reason: String,
    },
    /// Another event of an assistant: audio, settings, transcription.
    Assistant {
        /// The kind, in the server's words.
        kind: String,
        /// As it came.
        data: Value,
    },
    /// The token will not be good for long, and no new one has come yet.
    TokenExpiringSoon {
        /// Seconds left.
        left_s: u64,
    },
    /// The token is no longer good. The account heals by itself when a new one comes.
    TokenExpired,
    /// The token's source failed; it is asked again by itself.
    TokenFailed {
        /// What, one sentence.
        reason: String,
    },
    /// A new token is in force; calls went on.
    TokenRefreshed,
    /// The same credential is in use elsewhere: calls may not arrive here.
    RegistrationConflict {
        /// How that shows.
        reason: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
    /// The server offered a call that nobody here knows, with media of its own; it was hung up.
    UnknownCall {
        /// Its name at the server.
        unknown: String,
        /// The far end, as the server shows it; may be empty.
        number: String,
        /// Why it was not taken up.
        reason: String,
    },
    /// How the server names the call in its own records.
    CallIds(CallIds),
    /// What came of a `watch`.
    Watching {
        /// Channels that are watched now.
        channels: Vec<String>,
        /// Those that are not, though they were asked for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<String>,
        /// The same with what was said of each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refusals: Vec<ChannelRefusal>,
    },
    /// Something happened in a channel that is watched.
    Channel {
        /// Which.
        channel: String,
        /// As it came.
        data: Value,
        /// Events that got lost just before.
        #[serde(default, skip_serializing_if = "is_zero")]
        lost: u64,
    },
    /// A conference that the call is in.
    Conference {
        /// `joined`, `members`, `member`, `gone`, `cleared`, `left`, `chat` or `answer`.
        change: String,
        /// What belongs to it.
        data: Value,
    },
    /// The server wants the user asked for something.
    Prompt {
        /// `dtmf` or `message`.
        kind: String,
        /// What to say to the user.
        text: String,
        /// What the answer must look like, a regular expression.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
    },
    /// The server said something that has no notice of its own.
    Info {
        /// As it came.
        data: Value,
    },
    /// The server's operator says something to everybody.
    Announcement {
        /// The text.
        text: String,
    },
    /// We mute, or no longer.
    Muted {
        /// Whether silence is sent.
        on: bool,
    },
    /// We do not listen, or do again.
    Deaf {
        /// Whether silence is played.
        on: bool,
    },
    /// The server is gone, the call is kept; or it is back.
    Recovering {
        /// True while the call waits.
        on: bool,
    },
    /// The call is over. Comes exactly once for each call.
    Ended(Ended),
    /// Something that this version has no word for; its number is taken all the same.
    Other,
    /// This client read too slowly: notices were dropped.
    Overflow {
        /// How many.
        lost: u64,
    },
}

/// Why a channel is not watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRefusal {
    /// Which.
    pub channel: String,
    /// SIP status of the refusal; absent where it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Why.
    pub reason: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
pub(crate) const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a step of a call brought along.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Header fields and variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// `client_state` of whoever steers the call at the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_state: Option<String>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Who ended it.
    pub by: EndedBy,
    /// The cause's name, such as `NORMAL_CLEARING`.
    pub cause: String,
    /// Its Q.850 code, or the server's own above 127.
    pub code: u16,
    /// One sentence for a person.
    pub reason: String,
    /// What to do about it, where something can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Whether it had been answered.
    pub answered: bool,
    /// Whether another device took it, so that it was not missed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answered_elsewhere: bool,
    /// Header fields that came with the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// `client_state` of whoever steered the call at the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_state: Option<String>,
    /// SIP status that the leg behind the server ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_code: Option<u16>,
    /// Its reason phrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_reason: Option<String>,
    /// `Call-ID` of that leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_call_id: Option<String>,
    /// Milliseconds from the answer to the end; 0 if never answered.
    pub talk_ms: u64,
    /// The last figures, if there was media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndedBy {
    /// This side: a request, or the daemon's own end.
    Local,
    /// The far end or the server.
    Remote,
    /// Nobody: the network, the media or a time limit.
    Network,
}
