//! Reads a secret from an owner's file; refuses what everybody could read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::libc::O_NONBLOCK;
use offhook_signaling::secret::Secret;

use crate::config::AccountConfig;
use crate::driver::clock;
use crate::error::SecretFileError;
use crate::token_source::TokenSource;

/// Longer than any password or token, shorter than a mistake.
const LIMIT: u64 = 64 * 1024;

/// The secret in `path`, without its one closing newline.
///
/// The rights are those of the opened file, so that a swap of the path between check and reading changes nothing.
///
/// # Errors
/// When the file is missing, no regular file, readable by everybody, empty, too long, or no text.
pub fn read(path: &Path) -> Result<Secret, SecretFileError> {
    let unreadable = |error| SecretFileError::Unreadable {
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
        return Err(SecretFileError::NotAFile(path.to_owned()));
    }
    let mode = facts.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(SecretFileError::WorldReadable {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(SecretFileError::TooLong {
            path: path.to_owned(),
            limit: LIMIT,
        });
    }
    let mut text =
        String::from_utf8(bytes).map_err(|_| SecretFileError::NotText(path.to_owned()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err(SecretFileError::Empty(path.to_owned()));
    }
    Ok(Secret::new(text))
}

/// How long ago the file of an account's login was changed; `None` where it comes from none, or where
/// that time has not come yet by this machine's clock.
pub(crate) fn age(account: &AccountConfig) -> Option<Duration> {
    let token_file = match &account.token_source {
        Some(TokenSource::File(path)) => Some(path),
        Some(TokenSource::Command(_) | TokenSource::Endpoint(_)) | None => None,
    };
    let path = account.password_file.as_ref().or(token_file)?;
    let changed = path.metadata().ok()?.modified().ok()?;
    clock::time_of_day().duration_since(changed).ok()
}

/// What a reader of settings has against a value, without the value: a token or password whose quotes were forgotten, or that stands where
/// a file is to be named, is a secret all the same.
#[must_use]
pub fn without_value(message: &str) -> String {
    let wrong = ["invalid type: ", "invalid value: "];
    if !wrong.iter().any(|begin| message.starts_with(begin)) {
        return message.to_owned();
    }
    let expected = message.rsplit_once(", expected ");
    expected.map_or_else(
        || "a value of the wrong type".to_owned(),
        |(_, expected)| format!("a value of the wrong type, expected {expected}"),
    )
}
