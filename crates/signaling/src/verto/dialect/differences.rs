//! What a dialect of Verto may differ in.

use std::time::Duration;

use crate::auth::login::LoginKind;
use crate::command::Command;
use crate::error::Error;
use crate::variable::Variable;
use crate::verto::dialect::refusals::{self, KnownRefusal, ServerSetting};
use crate::verto::method::Method;

/// One server family, as a value. The flow asks it and never compares names.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Dialect {
    /// Name in configuration and messages.
    pub name: &'static str,
    /// Before every method but `login`, `anonymous_login` and `echo`.
    pub prefix: &'static str,
    /// What has to come before calls can be made.
    pub readiness: Readiness,
    /// Who chooses the session's name.
    pub sessid: SessidRule,
    /// The logins that the server knows.
    pub logins: &'static [LoginKind],
    /// Whether `User-Agent`, `reconnection` and the URL's `voice_sdk_id` mean something.
    pub gateway_fields: bool,
    /// Whether extra headers reach the far side.
    pub headers: bool,
    /// Whether variables may be numbers; otherwise the server drops them.
    pub number_variables: bool,
    /// Whether the server says that the far end rings.
    pub tells_ringing: bool,
    /// Whether a far end from which nothing comes has lost its way: the server sends comfort noise otherwise.
    pub silence_means_loss: bool,
    /// Whether the server counts a call as answered only when its media is secured, and until then hangs it up instead of
    /// taking new media of ours.
    pub answered_when_secured: bool,
    /// Whether candidates may follow a description.
    pub trickle: bool,
    /// Whether DTMF may be a flash (`F`), and go in groups (`+`) with a length in milliseconds (`@`).
    pub timed_digits: bool,
    /// Whether the server says of digits that they were sent; without that word it no longer knows the call.
    pub confirms_digits: bool,
    /// Whether the server runs commands for us, and takes commands and typed text on a call's channel.
    pub commands: bool,
    /// Whether an answer may say whom its caller is to see.
    pub shows_callee: bool,
    /// Whether there are assistants to talk with.
    pub assistants: bool,
    /// Refusals of which it is known what decides about them.
    pub refusals: &'static [KnownRefusal],
    /// How we find out whether the server lives.
    pub probes: Probes,
    /// How a ping of the server is answered.
    pub ping_reply: PingReply,
    /// Server methods about a call of ours that are acknowledged with `result: {method}`.
    pub acked: &'static [Method],
    /// Whether a call that nobody has answered yet survives the loss of the socket.
    pub keeps_unanswered: bool,
    /// How long the server keeps a call whose socket is gone.
    pub detach_limit: Duration,
}

/// When calls can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// After `clientReady`.
    ClientReady,
    /// After `clientReady` and once the gateway's state is `REGED`.
    Registered,
}

/// Who chooses the session's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessidRule {
    /// The client, once for ever; the same name takes over an older socket and its calls.
    Client,
    /// The server; sent back only to recover calls, and only while fresh.
    Server {
        /// How long after the last word from the server it may be sent.
        fresh: Duration,
    },
}

/// How we find out whether the server lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probes {
    /// A ping of ours after this long without any message from the server.
    pub after_silence: Duration,
    /// A ping of ours after this long without a reply to anything of ours, though messages may arrive.
    pub after_no_reply: Duration,
    /// A ping without its reply for this long: the server is gone.
    pub reply_within: Duration,
}

/// How a ping of the server is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PingReply {
    /// With `result: {method}`.
    Ack,
    /// With a ping request of our own, which the server answers.
    OwnPing,
}

/// What a command about a call says beside its purpose.
#[derive(Debug, Default)]
struct Beside {
    headers: bool,
    client_state: bool,
    sip_code: bool,
    numbers: bool,
}

impl Beside {
    fn of(command: &Command) -> Option<Self> {
        let number = |(_, value): &(String, Variable)| matches!(value, Variable::Number(_));
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "no other command says anything beside its purpose"
        )]
        match command {
            Command::Invite {
                headers,
                client_state,
                user_variables,
                ..
            } => Some(Self {
                headers: !headers.is_empty(),
                client_state: client_state.is_some(),
                sip_code: false,
                numbers: user_variables.iter().any(number),
            }),
            Command::Answer {
                headers,
                client_state,
                ..
            } => Some(Self {
                headers: !headers.is_empty(),
                client_state: client_state.is_some(),
                ..Self::default()
            }),
            Command::Bye {
                headers, sip_code, ..
            } => Some(Self {
                headers: !headers.is_empty(),
                sip_code: sip_code.is_some(),
                ..Self::default()
            }),
            _ => None,
        }
    }
}

/// What of a command Verto has no word for, whatever the server.
fn only_in_sip(command: &Command) -> Option<&'static str> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are Verto's too")]
    match command {
        Command::Invite { refer: Some(_), .. } => Some("call for a transfer of the far side"),
        Command::Invite {
            replaces: Some(_), ..
        } => Some("call that takes another's place"),
        Command::RefuseRefer { .. } | Command::ReserveOffer { .. } => Some(command.name()),
        _ => None,
    }
}

impl Dialect {
    /// What of a command about a call this server would drop without a word.
    pub(crate) fn cannot_carry(&self, command: &Command) -> Option<Error> {
        if let Some(command) = only_in_sip(command) {
            return Some(Error::NotInDialect {
                dialect: self.name,
                command,
            });
        }
        let says = Beside::of(command)?;
        let command = if says.headers && !self.headers {
            "header fields"
        } else if says.client_state && !self.headers {
            "a client state"
        } else if says.sip_code && !self.gateway_fields {
            "a SIP status"
        } else if says.numbers && !self.number_variables {
            "numbers as variables"
        } else {
            return None;
        };
        Some(Error::NotInDialect {
            dialect: self.name,
            command,
        })
    }

    /// A method as this dialect spells it.
    pub fn spell(&self, method: Method) -> String {
        method.on_wire(self.prefix)
    }

    /// What decides about a request that was refused so.
    pub fn setting(&self, code: Option<i64>, words: &str) -> Option<ServerSetting> {
        refusals::setting(self.refusals, code, words)
    }

    /// Reads a method; `None` for one we do not know.
    pub fn read_method(&self, text: &str) -> Option<Method> {
        // Telnyx sends conference events under this name too.
        if text == "webrtc.event" {
            return Some(Method::Event);
        }
        Method::read(text, self.prefix)
    }
}
