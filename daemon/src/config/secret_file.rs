//! Reads a secret from an owner's file or a systemd credential; refuses what everybody could read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;

use crate::config::error::SecretFault;

/// Longer than any password or token, shorter than a mistake.
const LIMIT: u64 = 64 * 1024;

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

/// The secret in `path`, without its one closing newline.
///
/// The rights are those of the opened file, so that a swap of the path between check and reading changes nothing.
pub(crate) fn read(path: &Path) -> Result<String, SecretFault> {
    let unreadable = |error| SecretFault::Unreadable {
        path: path.to_owned(),
        error,
    };
    // Without blocking: a pipe without a writer would otherwise hold the start for ever.
    let file = File::options()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
        .map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(SecretFault::NotAFile(path.to_owned()));
    }
    let mode = facts.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(SecretFault::WorldReadable {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(SecretFault::TooLong {
            path: path.to_owned(),
            limit: LIMIT,
        });
    }
    let mut text = String::from_utf8(bytes).map_err(|_| SecretFault::NotText(path.to_owned()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(SecretFault::Empty(path.to_owned()));
    }
    Ok(text)
}
