//! What can go wrong, with whom, and what to do about it.

use std::fmt;
use std::time::Duration;

use crate::auth::jwt::Malformed;
use crate::auth::login::LoginKind;
use crate::deadlines::Deadline;
use crate::verto::dialect::refusals::ServerSetting;

/// Failure of a session or of a command. Texts name the server and never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server does not accept these credentials.
    #[error("{server} refused the login as {user}: {reason}{}", Code(*.code))]
    LoginRejected {
        /// Host and port.
        server: String,
        /// Who tried to log in.
        user: String,
        /// JSON-RPC error code, when there was one.
        code: Option<i64>,
        /// The server's words.
        reason: String,
        /// What decides about it at the server, where that is known.
        setting: Option<ServerSetting>,
    },
    /// The server refused a token, and by our clock it is too old.
    #[error("{server} refused the token: it expired {} ago by this machine's clock", Span(*.since))]
    TokenExpired {
        /// Host and port.
        server: String,
        /// Time since its `exp`.
        since: Duration,
    },
    /// The server refused a token, and by our clock it is not yet good.
    #[error("{server} refused the token: by this machine's clock it becomes valid only in {}", Span(*.wait))]
    TokenNotYetValid {
        /// Host and port.
        server: String,
        /// Time until its `nbf`.
        wait: Duration,
    },
    /// The token cannot be one; nothing was sent.
    #[error("the token for {server} is malformed: {fault}")]
    TokenMalformed {
        /// Host and port.
        server: String,
        /// What is wrong with it.
        fault: Malformed,
    },
    /// The server wants tokens of an authorization server that the configuration does not name (RFC 8898, 2.1.1); none was sent.
    #[error(
        "{server} wants a token of {authz_server:?}, which is not among the trusted authorization servers"
    )]
    UntrustedAuthz {
        /// Host and port.
        server: String,
        /// The authorization server.
        authz_server: String,
    },
    /// This dialect has no such login; nothing was sent.
    #[error("{server} speaks the {dialect} dialect, which has no {login} login")]
    LoginUnsupported {
        /// Host and port.
        server: String,
        /// Name of the dialect.
        dialect: &'static str,
        /// The kind of login.
        login: LoginKind,
    },
    /// The server let us in, but its gateway does not register us.
    #[error("{server} logged in, but its gateway stays in state {state}")]
    NotRegistered {
        /// Host and port.
        server: String,
        /// Last state told, or `unknown`.
        state: String,
    },
    /// The server accepted something and then stayed silent.
    #[error("{server} stays silent: no {waited_for} within {}", Span(*.limit))]
    Silent {
        /// Host and port.
        server: String,
        /// What did not come.
        waited_for: Deadline,
        /// How long we waited.
        limit: Duration,
    },
    /// The source of tokens failed; its own words hold no secret.
    #[error("no token for {server}: {reason}")]
    TokenSource {
        /// Host and port.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The login has no identity, and so not this command.
    #[error("{command} is not possible with an anonymous login{}", in_brackets(.said))]
    NotWithAnonymous {
        /// The command.
        command: &'static str,
        /// What the server says, where it was asked.
        said: Option<String>,
    },
    /// The dialect has no message for that.
    #[error("the {dialect} dialect has no {command}")]
    NotInDialect {
        /// Name of the dialect.
        dialect: &'static str,
        /// The command.
        command: &'static str,
    },
    /// What a command says is not possible at all.
    #[error("{command}: {fault}")]
    Unsayable {
        /// The command.
        command: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The call is in no conference that the server shows us, or in one that we may not steer.
    #[error("{command}: {fault}")]
    NoConference {
        /// The command.
        command: &'static str,
        /// What is missing.
        fault: &'static str,
    },
    /// An assistant does not do what was asked.
    #[error("the assistant at {server} failed: {reason}{}", Code(*.code))]
    Assistant {
        /// Host and port.
        server: String,
        /// Its error code.
        code: Option<i64>,
        /// Its words, with ours where the code is known.
        reason: String,
    },
    /// Another client with the same identity took over.
    #[error("{server} handed this session over to another client with the same login")]
    TakenOver {
        /// Host and port.
        server: String,
    },
    /// The server refused one request.
    #[error("{server} refused {method}: {reason}{}", Code(*.code))]
    Refused {
        /// Host and port.
        server: String,
        /// The request.
        method: &'static str,
        /// JSON-RPC error code, when there was one.
        code: Option<i64>,
        /// The server's words.
        reason: String,
        /// What decides about it at the server, where that is known.
        setting: Option<ServerSetting>,
    },
    /// The server sent something that its protocol does not allow.
    #[error("{server} broke the protocol in {method}: {fault}")]
    PeerMisbehaved {
        /// Host and port.
        server: String,
        /// The message.
        method: &'static str,
        /// What was wrong.
        fault: &'static str,
    },
    /// The session is not ready for that.
    #[error("not connected to {server}: {command} is not possible now")]
    NotReady {
        /// Host and port.
        server: String,
        /// The command.
        command: &'static str,
    },
    /// The server asked to be left alone for a while (SIP: 503 with Retry-After), and there is no other.
    #[error("{server} is overloaded: {command} is possible again in {}", Span(*.wait))]
    Overloaded {
        /// Host and port.
        server: String,
        /// The command.
        command: &'static str,
        /// How long it still wants to be left alone.
        wait: Duration,
    },
    /// No such call.
    #[error("there is no call {call}")]
    UnknownCall {
        /// The name given.
        call: String,
    },
    /// The name of a new call is in use.
    #[error("there is already a call {call}")]
    CallExists {
        /// The name given.
        call: String,
    },
    /// The call is in another state than the command needs.
    #[error("{command} is not possible while the call is {state}")]
    WrongState {
        /// The command.
        command: &'static str,
        /// The call's state in words.
        state: &'static str,
    },
    /// Not DTMF.
    #[error("{0:?} is no DTMF digit; possible are 0-9 * # A-D, w and W for pauses")]
    NotDtmf(char),
    /// Too many or no DTMF digits in one command.
    #[error("DTMF of {0} digits; possible are 1 to 64 at a time")]
    DtmfLength(usize),
}

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The session tries again by itself.
    Wait,
    /// Try the command again, later or in another state of the call.
    TryAgain,
    /// Other credentials are needed.
    NewCredentials,
    /// The configuration is wrong.
    Configuration,
    /// The machine's clock may be wrong.
    Clock,
    /// The account's source of tokens must be put right.
    TokenSource,
    /// The account has no identity, and so not the right.
    OtherLogin,
    /// Only one client may use these credentials.
    OneClient,
    /// The server's operator must look at it.
    Operator,
    /// It is known what decides about it at the server.
    Server(ServerSetting),
}

impl Remedy {
    /// One sentence for a person.
    pub fn text(&self) -> &'static str {
        match self {
            Self::Wait => "nothing to do: the session keeps trying",
            Self::TryAgain => "try again when the call or the connection allows it",
            Self::NewCredentials => "check user, password or token, and give fresh ones",
            Self::Configuration => "correct the account's settings",
            Self::TokenSource => "check the account's token source; the session keeps asking it",
            Self::Clock => "set this machine's clock, or get a fresh token",
            Self::OtherLogin => "use an account with a token or a password for that",
            Self::OneClient => "give each client its own credentials, then reconnect",
            Self::Operator => "ask the operator of the server",
            Self::Server(setting) => setting.text(),
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::LoginRejected {
                setting: Some(setting),
                ..
            }
            | Self::Refused {
                setting: Some(setting),
                ..
            } => Remedy::Server(*setting),
            Self::LoginRejected { .. } | Self::TokenMalformed { .. } => Remedy::NewCredentials,
            Self::TokenExpired { .. } | Self::TokenNotYetValid { .. } => Remedy::Clock,
            Self::LoginUnsupported { .. } | Self::UntrustedAuthz { .. } => Remedy::Configuration,
            Self::NotWithAnonymous { .. } => Remedy::OtherLogin,
            Self::NotInDialect { .. } | Self::Assistant { .. } => Remedy::Configuration,
            Self::TokenSource { .. } => Remedy::TokenSource,
            Self::Unsayable { .. } | Self::NoConference { .. } => Remedy::TryAgain,
            Self::NotRegistered { .. } | Self::Silent { .. } => Remedy::Wait,
            Self::TakenOver { .. } => Remedy::OneClient,
            Self::Refused { .. } | Self::PeerMisbehaved { .. } => Remedy::Operator,
            Self::NotReady { .. } | Self::WrongState { .. } => Remedy::TryAgain,
            Self::Overloaded { .. } => Remedy::TryAgain,
            Self::UnknownCall { .. } | Self::CallExists { .. } => Remedy::TryAgain,
            Self::NotDtmf(_) | Self::DtmfLength(_) => Remedy::TryAgain,
        }
    }
}

/// Shows a server's own words where there are any.
fn in_brackets(words: &Option<String>) -> String {
    words
        .as_ref()
        .map_or_else(String::new, |words| format!(" ({words})"))
}

/// Shows an error code where there is one.
struct Code(Option<i64>);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |code| write!(f, " ({code})"))
    }
}

/// Shows a span in its largest sensible unit.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{} ms", self.0.as_millis()),
            seconds @ 1..=119 => write!(f, "{seconds} s"),
            seconds @ 120..=7199 => write!(f, "{} min", seconds / 60),
            seconds @ 7200..=172_799 => write!(f, "{} h", seconds / 3600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Error, Remedy};

    #[test]
    fn sentences_name_the_server_and_the_fault() {
        let rejected = Error::LoginRejected {
            server: "pbx.example:8082".into(),
            user: "1000".into(),
            code: Some(-32001),
            reason: "Authentication Failure".into(),
            setting: None,
        };
        assert_eq!(
            rejected.to_string(),
            "pbx.example:8082 refused the login as 1000: Authentication Failure (-32001)"
        );
        assert_eq!(rejected.remedy(), Remedy::NewCredentials);
        let expired = Error::TokenExpired {
            server: "rtc.example".into(),
            since: Duration::from_secs(7300),
        };
        assert_eq!(
            expired.to_string(),
            "rtc.example refused the token: it expired 2 h ago by this machine's clock"
        );
    }
}
