//! Finds the file of a secret: a path, or a systemd credential.

use std::path::{Path, PathBuf};

use offhook_engine::driver::secret_file;
use offhook_engine::vocabulary::Secret;

use crate::config::error::SecretFault;

/// Where secrets are looked for.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    /// Relative paths start at the configuration's folder.
    pub(crate) folder: &'a Path,
    /// What systemd put into `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials: Option<&'a Path>,
}

/// The file that `written` (a path, or `credential:NAME`) means.
pub(crate) fn locate(written: &str, places: &Places<'_>) -> Result<PathBuf, SecretFault> {
    let Some(name) = written.strip_prefix("credential:") else {
        return Ok(places.folder.join(written));
    };
    if name.is_empty() || name.contains('/') || name == ".." || name == "." {
        return Err(SecretFault::CredentialName(name.to_owned()));
    }
    match places.credentials {
        Some(directory) => Ok(directory.join(name)),
        None => Err(SecretFault::NoCredentialsDirectory(name.to_owned())),
    }
}

/// The secret in `path`; refused when everybody could read it.
pub(crate) fn read(path: &Path) -> Result<Secret, SecretFault> {
    secret_file::read(path).map_err(SecretFault::File)
}
