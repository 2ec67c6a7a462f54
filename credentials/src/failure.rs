//! Why a command failed, in one sentence, and the exit code for it.

use std::path::PathBuf;
use std::process::ExitCode;

use offhook_credentials::api::error::Error;
use offhook_credentials::api::http::HttpFault;
use offhook_credentials::api_key::KeyFault;
use offhook_credentials::owner_file::FileFault;
use offhook_credentials::provision::ProvisionFault;
use offhook_credentials::users_file::UsersFault;

use crate::serve::failure::ServeFault;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Api(#[from] Error),
    #[error(transparent)]
    Http(#[from] HttpFault),
    #[error(transparent)]
    Key(#[from] KeyFault),
    #[error(transparent)]
    File(#[from] FileFault),
    #[error(transparent)]
    Users(#[from] UsersFault),
    #[error(transparent)]
    Provision(#[from] ProvisionFault),
    #[error(transparent)]
    Serve(#[from] ServeFault),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
    #[error("{path}: {why}")]
    Content { path: PathBuf, why: String },
    #[error("{path} was begun with another {what} ({there}); use the same, or another file")]
    Differs {
        path: PathBuf,
        what: &'static str,
        there: String,
    },
    #[error("{path} says that the connection {id} was made with it; use another file")]
    Made { path: PathBuf, id: String },
    #[error("there is no connection {0} at the server")]
    NoConnection(String),
}

impl Failure {
    /// 130 when somebody asked for an end, otherwise 1; the command line's own mistakes are 2.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if matches!(self, Self::Provision(ProvisionFault::Stopped { .. })) {
            return ExitCode::from(130);
        }
        ExitCode::FAILURE
    }
}
