//! What a request to the engine can be refused for: what, about which call or account, and what to do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use offhook_media::dtls::certificate::CertificateError;
use offhook_signaling::call_id::CallId;
use offhook_signaling::error::Error as SignalingError;

/// A request that was refused. Nothing of it happened.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No account has this name.
    #[error("there is no account `{name}`")]
    UnknownAccount {
        /// As asked for.
        name: String,
        /// The accounts that exist.
        known: Vec<Arc<str>>,
    },
    /// Several accounts exist and the request names none.
    #[error("there are several accounts and the request names none")]
    WhichAccount {
        /// The accounts that exist.
        known: Vec<Arc<str>>,
    },
    /// The account cannot place calls now.
    #[error("account `{account}` is not ready: {reason}")]
    NotReady {
        /// The account.
        account: Arc<str>,
        /// Why, as its status says.
        reason: String,
        /// What to do, as its status says.
        remedy: Option<String>,
    },
    /// No such call, or no longer.
    #[error("there is no call `{call}`")]
    UnknownCall {
        /// As asked for.
        call: CallId,
    },
    /// The request names no call and none fits.
    #[error("no call {0}")]
    NoCall(Wanted),
    /// The request names no call and several fit.
    #[error("{count} calls fit the request")]
    WhichCall {
        /// How many.
        count: usize,
    },
    /// The call is not in a state that allows this.
    #[error("call `{call}` cannot be {wanted} now: it is {state}")]
    WrongState {
        /// The call.
        call: CallId,
        /// What was asked, as a participle.
        wanted: &'static str,
        /// What it is instead.
        state: &'static str,
    },
    /// A number that cannot be called.
    #[error("`{number}` cannot be called: {why}")]
    Number {
        /// As asked for, shortened.
        number: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The account's login does not allow it.
    #[error("account `{account}` logs in anonymously: {what}")]
    Anonymous {
        /// The account.
        account: Arc<str>,
        /// What is not possible.
        what: &'static str,
    },
    /// The account logs in another way.
    #[error("account `{account}` does not log in with a token")]
    NoTokenLogin {
        /// The account.
        account: Arc<str>,
    },
    /// What was handed in as a token is none.
    #[error("{0}")]
    NoToken(String),
    /// The account may not send commands to its server.
    #[error("account `{account}` may not send commands to its server")]
    CommandsNotAllowed {
        /// The account.
        account: Arc<str>,
    },
    /// A text or header fields that no server takes.
    #[error("{what} cannot be sent: {why}")]
    Unsendable {
        /// Which part of the request.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// STUN and TURN servers that a call cannot ask.
    #[error("the servers in `ice_servers` cannot be asked: {why}")]
    IceServers {
        /// What is wrong with them.
        why: String,
    },
    /// The account's server does not carry this.
    #[error("account `{account}` cannot send {what}: a {dialect} server does not carry it")]
    NotCarried {
        /// The account.
        account: Arc<str>,
        /// The dialect's name.
        dialect: &'static str,
        /// What.
        what: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A name for a call that is no UUID.
    #[error("`{id}` cannot name a call: it is no UUID")]
    NoUuid {
        /// As asked for, shortened.
        id: String,
    },
    /// A living call has this name.
    #[error("there is a call `{call}` already")]
    CallExists {
        /// As asked for.
        call: CallId,
    },
    /// Both calls of an attended transfer are one, or belong to different accounts.
    #[error("a call is transferred to the far end of another call of the same account")]
    TransferPartner,
    /// The server refused or did not answer.
    #[error("{0}")]
    Server(SignalingError),
    /// A digit that no telephone has.
    #[error("`{0}` is no DTMF digit")]
    Digit(char),
    /// No digits, or more than one request may hold.
    #[error("a request holds 1 to {limit} digits")]
    DigitCount {
        /// The limit.
        limit: usize,
    },
    /// Nobody wants us to call somebody else under this name, or no longer.
    #[error(
        "nothing of this name waits to be followed: it was answered, took too long, or was taken back"
    )]
    NoReferral,
    /// The engine carries as many calls as it was built for.
    #[error("{limit} calls are up, the limit of this engine")]
    TooManyCalls {
        /// The limit.
        limit: usize,
    },
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    ShuttingDown,
    /// The engine has ended.
    #[error("the engine has ended")]
    Ended,
}

/// Which call a request without one looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// One that rings here.
    Ringing,
    /// One in which people can talk.
    Answered,
    /// One that is on hold.
    Held,
    /// One that rings here or is on hold.
    Aside,
    /// Any.
    Any,
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Ringing => "rings",
            Self::Answered => "is answered",
            Self::Held => "is on hold",
            Self::Aside => "rings or is on hold",
            Self::Any => "is up",
        })
    }
}

impl Error {
    /// What to do about it, one sentence; `None` where waiting or looking is all one can do.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::UnknownAccount { known, .. } | Self::WhichAccount { known }
                if known.is_empty() =>
            {
                Some("configure an account first".to_owned())
            }
            Self::UnknownAccount { known, .. } | Self::WhichAccount { known } => {
                Some(format!("name one of {}", known.join(", ")))
            }
            Self::NotReady { remedy, .. } => remedy.clone(),
            Self::UnknownCall { .. } | Self::WhichCall { .. } => {
                Some("list the calls and name one of them".to_owned())
            }
            Self::NoReferral => Some("name what the last event `referred` named".to_owned()),
            Self::NoCall(Wanted::Ringing) => Some("wait for the event `incoming`".to_owned()),
            Self::WrongState { .. } => {
                Some("look at the call's state and ask again when it has changed".to_owned())
            }
            Self::Number { .. } => {
                Some("use digits, a user name or a SIP address without spaces".to_owned())
            }
            Self::Digit(_) => Some("use 0-9, *, #, A-D; w and W are pauses".to_owned()),
            Self::DigitCount { .. } => Some("send them in several requests".to_owned()),
            Self::TooManyCalls { .. } => {
                Some("end a call, or build the engine with a higher limit".to_owned())
            }
            Self::Anonymous { .. } => {
                Some("use an account with a token or a password for that".to_owned())
            }
            Self::NoTokenLogin { .. } => Some("name an account that does".to_owned()),
            Self::NoToken(_) => Some("hand in a JSON Web Token made for the account".to_owned()),
            Self::CommandsNotAllowed { .. } => {
                Some("set `server_commands = true` in the account, if you trust the users of this socket".to_owned())
            }
            Self::Unsendable { .. } => Some("leave that part out, or make it shorter".to_owned()),
            Self::IceServers { .. } => Some(
                "give a few, those of turn: and turns: with user name and password, or leave them out for the account's".to_owned(),
            ),
            Self::NotCarried { instead, .. } => Some((*instead).to_owned()),
            Self::NoUuid { .. } | Self::CallExists { .. } => {
                Some("give a fresh random UUID, or leave it out".to_owned())
            }
            Self::TransferPartner => Some("name two different calls of one account".to_owned()),
            Self::Server(error) => Some(error.remedy().to_string()),
            Self::NoCall(Wanted::Answered | Wanted::Held | Wanted::Aside) => {
                Some("list the calls and their states".to_owned())
            }
            Self::NoCall(Wanted::Any) | Self::ShuttingDown | Self::Ended => None,
        }
    }
}

/// Why an engine could not be built.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Two accounts with one name.
    #[error("two accounts are named `{0}`: give each its own name")]
    DuplicateAccount(Arc<str>),
    /// An account wants its calls reported, and this build cannot.
    #[error("account `{0}` wants its calls reported: build with the feature `call-reports`")]
    NoCallReports(Arc<str>),
    /// An account's call reports have a pace that cannot be kept.
    #[error(
        "account `{0}`: the figures of its call reports have to stand for 1 s to 60 s each, and to be posted every 5 s to 1 h, no more often than that"
    )]
    ReportPace(Arc<str>),
    /// A SIP account cannot be what its settings say.
    #[error("account `{account}`: `{key}` is {value:?}, but {why}")]
    SipAccount {
        /// The account.
        account: String,
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// The system's random numbers are not to be had.
    #[error("the system gives no random numbers ({0}): nothing secret can be made without them")]
    NoEntropy(getrandom::Error),
    /// There is no tokio runtime to live on.
    #[error("an engine is built inside a tokio runtime, and there is none here")]
    NoRuntime,
    /// The media worker could not be started.
    #[error("the media worker did not start: {0}")]
    Worker(io::Error),
    /// No certificate for the encryption of media.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The thread that reads and writes sound files could not be started.
    #[error("the thread for sound files did not start: {0}")]
    Disk(io::Error),
}

/// Why a secret's file was refused. The secret itself never stands in any of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// Missing, or no right to read it.
    #[error("cannot read {} ({error}): check the path and its owner", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A directory, a pipe or a device.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Others than owner and group may read it.
    #[error("{} is readable by everybody (mode {mode:04o}): run `chmod o-rwx {}`", .path.display(), .path.display())]
    WorldReadable {
        /// The file.
        path: PathBuf,
        /// Its mode bits.
        mode: u32,
    },
    /// Nothing in it.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// Longer than a secret can be.
    #[error("{} is larger than {limit} bytes, which is no password or token", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
}
