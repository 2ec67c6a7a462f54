//! What a client can ask of the daemon.

use serde::{Deserialize, Serialize};

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
    /// The calls that live now. Reply: [`Calls`](crate::reply::Calls).
    Calls,
    /// Notices from now on. Reply: [`Subscribed`](crate::reply::Subscribed) with a snapshot, so that nothing falls in between.
    Subscribe,
    /// Changes the log level of the running daemon. Reply: [`Done`](crate::reply::Done).
    LogLevel(LogLevel),
}

/// Every method's name, as it stands in `method` and in [`Hello::capabilities`](crate::hello::Hello::capabilities).
pub const METHODS: [&str; 9] = [
    "status",
    "call",
    "answer",
    "hangup",
    "dtmf",
    "mute",
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
    /// Number or user to call.
    pub number: String,
    /// Name to show to the callee, where the server allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_name: Option<String>,
    /// Number to show to the callee, where the server allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_number: Option<String>,
}

/// Parameters of `answer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The call; may be left out when just one call rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// Parameters of `hangup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hangup {
    /// The call; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// A cause's name, such as `USER_BUSY`, or its Q.850 number as digits; the usual one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
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
