//! What a client can ask of the daemon.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request: the `method` and its `params`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// The daemon, its accounts and calls. Reply: [`Status`](crate::reply::Status).
    Status,
    /// Places a call. Reply: [`CallPlaced`](crate::reply::CallPlaced), at once; the rest comes as notices.
    Call(Call),
    /// Answers a ringing call. Reply: [`Done`](crate::reply::Done).
    Answer(Answer),
    /// Ends a call, or refuses a ringing one. Reply: [`Done`](crate::reply::Done).
    Hangup(Hangup),
    /// Sends DTMF digits. Reply: [`Done`](crate::reply::Done).
    Dtmf(Dtmf),
    /// Sends silence instead of the input, or the input again. Reply: [`Done`](crate::reply::Done).
    Mute(Mute),
    /// Gives silence to the output instead of the far end, or the far end again. Reply: [`Done`](crate::reply::Done).
    Deaf(Deaf),
    /// Refuses a ringing call. Reply: [`Done`](crate::reply::Done).
    Reject(Reject),
    /// Puts a call on hold. Reply: [`Done`](crate::reply::Done).
    Hold(OfCall),
    /// Takes a call back from hold. Reply: [`Done`](crate::reply::Done).
    Resume(OfCall),
    /// Looks for a new path for a call's media; the notice `ice` says which was found. Reply: [`Done`](crate::reply::Done).
    RestartIce(OfCall),
    /// Talks in this call: takes it from hold or answers it, and puts the account's other calls on hold.
    /// Reply: [`Done`](crate::reply::Done).
    Switch(Answer),
    /// Sends the far end to somebody else, blind or to the far end of another call. Reply: [`Done`](crate::reply::Done).
    Transfer(Transfer),
    /// Carries out what a far end wanted with the notice `referred` (SIP). Reply: [`CallPlaced`](crate::reply::CallPlaced).
    Follow(Follow),
    /// Refuses what a far end wanted with `referred`. Reply: [`Done`](crate::reply::Done).
    RefuseTransfer(RefuseTransfer),
    /// Shows others whether calls are welcome (SIP); the notice `published` follows. Reply: [`Done`](crate::reply::Done).
    Publish(Publish),
    /// Sends a text: to an assistant, into a call, or to a user. Reply: [`Done`](crate::reply::Done), with its `message`.
    Message(Message),
    /// Answers a `tool_call` of an assistant. Reply: [`Done`](crate::reply::Done).
    ToolAnswer(ToolAnswer),
    /// Asks an assistant for the events of its audio. Reply: [`Done`](crate::reply::Done).
    AssistantAudio(OfCall),
    /// Logs an account in with this token from now on. Reply: [`Done`](crate::reply::Done).
    Token(Token),
    /// Tries now to connect and log in, in place of the next time. Reply: [`Done`](crate::reply::Done).
    Retry(OfAccount),
    /// Event channels of a FreeSWITCH server, or subscriptions at a SIP server, from now on and after every reconnection. Reply: [`Done`](crate::reply::Done).
    Watch(Channels),
    /// No longer. Reply: [`Done`](crate::reply::Done).
    Unwatch(Channels),
    /// Sends data into a channel. Reply: [`Done`](crate::reply::Done).
    Broadcast(Broadcast),
    /// A JSON command of a FreeSWITCH server; needs `server_commands = true` in the account.
    /// Reply: [`ServerAnswer`](crate::reply::ServerAnswer).
    Jsapi(Jsapi),
    /// A text command of a FreeSWITCH server; needs `server_commands = true` in the account.
    /// Reply: [`ServerAnswer`](crate::reply::ServerAnswer).
    Fsapi(Fsapi),
    /// Has a FreeSWITCH server give an object back. Reply: [`ServerAnswer`](crate::reply::ServerAnswer).
    Echo(Echo),
    /// Has a Telnyx gateway offer the calls that wait for us after a push message; they come as `incoming`. An error means that the caller
    /// has gone. Reply: [`ServerAnswer`](crate::reply::ServerAnswer).
    AttachCalls(AttachCalls),
    /// Has a Telnyx gateway send no more push messages to our device. Reply: [`ServerAnswer`](crate::reply::ServerAnswer).
    DisablePushNotification(OfAccount),
    /// A moderator's command in a conference. Reply: [`Done`](crate::reply::Done).
    Moderate(Moderate),
    /// A text to everybody in a conference. Reply: [`Done`](crate::reply::Done).
    ConferenceChat(ConferenceChat),
    /// Text as it is typed, or a command, on a call's channel. Reply: [`Done`](crate::reply::Done).
    Info(Info),
    /// The calls that live now. Reply: [`Calls`](crate::reply::Calls).
    Calls,
    /// Notices from now on. Reply: [`Subscribed`](crate::reply::Subscribed) with a snapshot, so that nothing falls in between.
    Subscribe,
    /// Changes the log level of the running daemon. Reply: [`Done`](crate::reply::Done).
    LogLevel(LogLevel),
}

/// Every method's name, as it stands in `method` and in [`Hello::capabilities`](crate::hello::Hello::capabilities).
pub const METHODS: [&str; 35] = [
    "status",
    "call",
    "answer",
    "hangup",
    "dtmf",
    "mute",
    "deaf",
    "reject",
    "hold",
    "resume",
    "restart_ice",
    "switch",
    "transfer",
    "message",
    "tool_answer",
    "assistant_audio",
    "follow",
    "refuse_transfer",
    "publish",
    "token",
    "retry",
    "watch",
    "unwatch",
    "broadcast",
    "jsapi",
    "fsapi",
    "echo",
    "attach_calls",
    "disable_push_notification",
    "moderate",
    "conference_chat",
    "info",
    "calls",
    "subscribe",
    "log_level",
];

/// Parameters of `call`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Name of the account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Number or user to call. Only for an anonymous account, whose calls all go to its assistant, it may be left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub number: String,
    /// Name to show to the callee, where the server allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_name: Option<String>,
    /// Number to show to the callee, where the server allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_number: Option<String>,
    /// Name of the call, a UUID that no living call has; drawn when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Extra header fields (`X-...`). Refused where the server does not carry them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Opaque text that the server's events about the call carry. Refused where the server has no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_state: Option<String>,
    /// Variables of the call, beside those of the account: text, true or false, numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub user_variables: BTreeMap<String, Value>,
    /// Codecs of this call, best first, such as `opus`; none: those of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<String>,
    /// Whether silence is sent from the beginning; left out: as the account has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Leave the offer of media to the far end (SIP).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late_offer: bool,
    /// Pick up a call that rings or is up elsewhere (SIP): the dialog, as the notice `channel` of `dialog:...` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pick_up: Option<PickUp>,
    /// Use relayed candidates only, whatever the account allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relay_only: bool,
    /// STUN and TURN servers of this call in place of the account's; an empty list: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_servers: Option<Vec<IceServer>>,
    /// Whether candidates are told as they are found; left out: as the account has it. Refused where the server takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trickle: Option<bool>,
}

/// One STUN or TURN server: its URL by itself, or with credentials.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "`ice_servers` holds URLs such as \"stun:stun.example.com\", or {url, username, password}"
)]
pub enum IceServer {
    /// Such as `stun:stun.example.com`.
    Url(String),
    /// With a user name and a password.
    Relay(Relay),
}

/// A TURN server with its credentials.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Such as `turn:turn.example.com`.
    pub url: String,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password, a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").finish_non_exhaustive()
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

/// A dialog whose place a call takes (RFC 3891).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PickUp {
    /// Whom to call, where the request names nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Its `Call-ID`.
    pub call_id: String,
    /// The tag of the one whom the new call reaches.
    pub to_tag: String,
    /// The tag of the one who is replaced.
    pub from_tag: String,
    /// Only while it rings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early_only: bool,
}

/// Parameters of `follow`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// The call of the notice `referred`.
    pub call: String,
}

/// Parameters of `refuse_transfer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefuseTransfer {
    /// The call of the notice `referred`.
    pub call: String,
    /// SIP status for the far end, 400 to 699; left out, 603.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_code: Option<u16>,
}

/// Parameters of `publish`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether calls are welcome.
    pub open: bool,
    /// Words for people, such as `in a meeting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One header field of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name, beginning with `X-`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Parameters of `answer` and `switch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The call; may be left out when just one call rings (`switch`: rings or is on hold).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Extra header fields (`X-...`). Refused where the server does not carry them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Opaque text that the server's events about the call carry. Refused where the server has no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_state: Option<String>,
    /// Whether silence is sent from the beginning; left out: as it was muted before, or as the account has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// STUN and TURN servers of this call in place of the account's; an empty list: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_servers: Option<Vec<IceServer>>,
    /// Whether candidates are told as they are found; left out: as the account has it. Refused where the server takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trickle: Option<bool>,
}

/// Parameters of `hold`, `resume`, `restart_ice` and `assistant_audio`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfCall {
    /// The call; may be left out when just one fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// Parameters of `retry` and `disable_push_notification`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfAccount {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// Parameters of `reject`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The call; may be left out when just one rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// A cause's name or Q.850 number; left out, that of `sip_code`, else `CALL_REJECTED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// SIP status for the far end, 400 to 699; left out, the cause's usual one. Refused where the server has no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_code: Option<u16>,
    /// Extra header fields (`X-...`). Refused where the server does not carry them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
}

/// Parameters of `transfer`: exactly one of `to` and `with`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The call whose far end is transferred; may be left out when just one fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Blind: the number or user that the far end is sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Attended: the other call of ours whose far end it is joined with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
}

/// Parameters of `message`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The account; may be left out when there is only one, or when `call` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The call that the text belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The user it goes to (FreeSWITCH). Left out: the assistant of an anonymous account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The text.
    pub text: String,
    /// Images by URL, for an assistant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

/// Parameters of `tool_answer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolAnswer {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// As the event `tool_call` named it.
    pub tool_call: String,
    /// What the tool says, usually JSON as text.
    pub output: String,
}

/// Parameters of `token`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The token, a secret.
    pub token: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Parameters of `watch` and `unwatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Names of channels, such as `presence.1001@pbx.example`; with SIP `presence:bob@example.com`, `dialog:bob@example.com`,
    /// `message-summary`.
    pub channels: Vec<String>,
}

/// Parameters of `broadcast`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The channel.
    pub channel: String,
    /// The data, as the channel's readers expect it.
    pub data: Value,
}

/// Parameters of `jsapi`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jsapi {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Such as `status` or `sofia.status`.
    pub command: String,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// Parameters of `fsapi`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fsapi {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Such as `status` or `uuid_dump`.
    pub command: String,
    /// What stands behind it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
}

/// Parameters of `echo`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// An object that is to come back; left out, an empty one.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// Parameters of `attach_calls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachCalls {
    /// The account; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only this one, by the name that the push message had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// Parameters of `moderate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moderate {
    /// Our call into the conference; may be left out when there is just one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// `kick`, `mute`, `unmute`, `tmute`, `deaf`, `undeaf`, `volume_in`, `volume_out`, `play`, `stop`, `recording`, `transfer`.
    pub command: String,
    /// The member's number, for commands about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// What the command takes besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// Parameters of `conference_chat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConferenceChat {
    /// Our call into the conference; may be left out when there is just one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The text.
    pub text: String,
}

/// Parameters of `info`: one of `text`, `data` and `package`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// The call; may be left out when just one is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// A piece of a text as it is typed, for the far end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A command for whatever listens on the server (FreeSWITCH).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// An INFO of this package, with `content_type` and `body` (SIP, RFC 6086).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// What the body is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// Parameters of `hangup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hangup {
    /// The call; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// A cause's name, such as `USER_BUSY`, or its Q.850 number as digits; left out, that of `sip_code`, else the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// SIP status for the far end, 400 to 699; left out, the cause's usual one. Refused where the server has no such thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_code: Option<u16>,
    /// Extra header fields (`X-...`). Refused where the server does not carry them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
}

/// Parameters of `dtmf`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dtmf {
    /// The call.
    pub call: String,
    /// `0`-`9`, `*`, `#`, `A`-`D`; `w` waits 0.5 s, `W` 1 s.
    pub digits: String,
}

/// Parameters of `mute`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// The call.
    pub call: String,
    /// True: send silence. False: send the input.
    pub on: bool,
}

/// Parameters of `deaf`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deaf {
    /// The call.
    pub call: String,
    /// True: play and record silence. False: the far end.
    pub on: bool,
}

/// Parameters of `log_level`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLevel {
    /// The new level.
    pub level: Level,
}

/// How much the daemon logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Only what needs a person.
    Error,
    /// Also what went wrong and mended itself.
    Warn,
    /// Also accounts and calls coming and going.
    Info,
    /// Also every message's kind.
    Debug,
    /// Everything; secrets never.
    Trace,
}
