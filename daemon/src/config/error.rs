//! What can be wrong with a configuration: one sentence that names the place, the thing and the remedy.

use std::fmt;
use std::io;
use std::path::PathBuf;

use offhook_engine::error::SecretFileError;
use offhook_engine::vocabulary::{IdentityFault, SpecError};

/// A fault of the configuration with its place in the file.
#[derive(Debug, thiserror::Error)]
pub(crate) struct ConfigError {
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// The line (1 is the first), where one line is to blame.
    pub(crate) line: Option<usize>,
    /// What is wrong.
    #[source]
    pub(crate) fault: Box<Fault>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}, line {line}: {}", self.file.display(), self.fault),
            None => write!(out, "{}: {}", self.file.display(), self.fault),
        }
    }
}

/// What is wrong, without its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The file itself cannot be read.
    #[error("cannot read the configuration ({0}): check the path and the rights of the file")]
    Unreadable(io::Error),
    /// No TOML, or a value of the wrong type.
    #[error("{message}")]
    Syntax {
        /// The parser's sentence.
        message: String,
    },
    /// A key that means nothing here.
    #[error("unknown key `{key}` in {table}{}", suggestion(*.nearest, .known))]
    UnknownKey {
        /// As written.
        key: String,
        /// Where it stands.
        table: &'static str,
        /// The known key that looks most like it.
        nearest: Option<&'static str>,
        /// All keys that may stand there.
        known: &'static [&'static str],
    },
    /// A key that must be there.
    #[error("{table} needs `{key}`: {meaning}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Where it belongs.
        table: String,
        /// What it is for.
        meaning: &'static str,
    },
    /// A value outside what the key takes.
    #[error("`{key} = {value:?}` does not work: {why}; write {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// As written.
        value: String,
        /// What is wrong with it.
        why: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Two keys that answer the same question.
    #[error("{table} has `{one}` and `{other}`, which is one too many: take one of them away")]
    Together {
        /// Where they stand.
        table: &'static str,
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// An account with none, or more than one, of the ways to log in.
    #[error(
        "account `{account}` has {found}: it needs exactly one of `login` with `password_file`, `token_file`, `token`, or `anonymous`"
    )]
    LoginChoice {
        /// The account.
        account: String,
        /// What it has instead.
        found: String,
    },
    /// A token source that is none, or two.
    #[error(
        "`token` of account `{account}` has {found}: it needs exactly one of `command` (a list) and `url`"
    )]
    TokenChoice {
        /// The account.
        account: String,
        /// What it has instead.
        found: String,
    },
    /// Two accounts that log in as one.
    #[error(
        "the accounts `{first}` and `{second}` log in with the same credential at the same server: only one of them would be called; \
         give each its own"
    )]
    SharedCredential {
        /// The account that stands first.
        first: String,
        /// The other.
        second: String,
    },
    /// Two accounts with one name.
    #[error("two accounts are named `{0}`: give each its own name")]
    DuplicateAccount(String),
    /// No account at all.
    #[error("no account: add an [[account]] table with name, dialect, server and a way to log in")]
    NoAccount,
    /// A secret that cannot be used.
    #[error("`{key}` of account `{account}`: {fault}")]
    Secret {
        /// The key that names the secret's file.
        key: &'static str,
        /// The account.
        account: String,
        /// What is wrong with it.
        fault: SecretFault,
    },
    /// A setting for calls that come in, where none can.
    #[error(
        "`{key}` of account `{account}`: nobody can call an account that logs in anonymously; take the key away, or use a token or a password"
    )]
    AnonymousInbound {
        /// The key.
        key: &'static str,
        /// The account.
        account: String,
    },
    /// Two tools with one name.
    #[error(
        "two tools of account `{account}` are named `{tool}`: only one can answer; take one away"
    )]
    DuplicateTool {
        /// The account.
        account: String,
        /// The tool.
        tool: String,
    },
    /// Tools where no assistant is.
    #[error(
        "account `{account}` has tools, but a {dialect} server has no assistants that could call them: take them away"
    )]
    NoAssistants {
        /// The account.
        account: String,
        /// The dialect.
        dialect: &'static str,
    },
    /// A certificate of ours, or its key, that cannot be shown.
    #[error("`{key}` of account `{account}` names {}: {fault}; {remedy}", .path.display())]
    Identity {
        /// The key that names the file.
        key: &'static str,
        /// The account.
        account: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: IdentityFault,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A file that the configuration names is missing or unreadable.
    #[error("`{key}` names {}, which cannot be read ({error}): check the path and the rights", .path.display())]
    NamedFile {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A way to log in that the server does not know.
    #[error(
        "`{key}` of account `{account}`: a {dialect} server does not know this login; use `login` with `password_file`"
    )]
    LoginUnsupported {
        /// The key that asks for it.
        key: &'static str,
        /// The account.
        account: String,
        /// The dialect.
        dialect: &'static str,
    },
    /// No input or output.
    #[error("`{key}`: {error}")]
    Audio {
        /// `input` or `output`.
        key: &'static str,
        /// What is wrong.
        error: SpecError,
    },
}

fn suggestion(nearest: Option<&str>, known: &[&str]) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => format!("; known here are {}", known.join(", ")),
    }
}

/// Why a secret was refused. The secret itself never stands in any of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFault {
    /// The file cannot be used.
    #[error(transparent)]
    File(SecretFileError),
    /// `credential:NAME` outside a service with credentials.
    #[error(
        "`credential:{0}` needs $CREDENTIALS_DIRECTORY: start by systemd with LoadCredential={0}:PATH, or name a file"
    )]
    NoCredentialsDirectory(String),
    /// A credential's name that would leave its directory.
    #[error("`credential:{0}` is no credential's name: it has no slash and is not empty")]
    CredentialName(String),
}
