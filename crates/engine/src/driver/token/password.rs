//! Reads the file of a password again.

use std::path::PathBuf;

use offhook_signaling::auth::login::Login;
use tokio::task::spawn_blocking;

use crate::config::AccountConfig;
use crate::driver::secret_file;

/// Where an account's password stands, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct PasswordFile {
    user: String,
    path: PathBuf,
}

impl PasswordFile {
    pub(crate) fn of(account: &AccountConfig) -> Option<Self> {
        match (&account.login, &account.password_file) {
            (Login::Password { user, .. }, Some(path)) => Some(Self {
                user: user.clone(),
                path: path.clone(),
            }),
            _ => None,
        }
    }

    /// The login as the file has it now; else why it has none.
    pub(crate) async fn read(self) -> Result<Login, String> {
        let Self { user, path } = self;
        let reading = spawn_blocking(move || secret_file::read(&path));
        match reading.await {
            Ok(Ok(password)) => Ok(Login::Password { user, password }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("reading the password file was broken off".to_owned()),
        }
    }
}
