//! Names of recordings: placeholders filled in, existing files never touched.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::device::error::EndpointError;

/// Longest text that replaces a placeholder.
const MAX_TEXT: usize = 80;
/// Numbers that are tried before giving up.
const MAX_NUMBER: u32 = 9_999;

/// The path with `{call}` and `{time}` replaced by texts that cannot leave the folder.
pub fn fill(pattern: &Path, call: &str, time: &str) -> PathBuf {
    // A path that is no UTF-8 has no placeholders that we could find.
    let Some(text) = pattern.to_str() else {
        return pattern.to_owned();
    };
    let mut filled = String::with_capacity(text.len() + call.len() + time.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, brace) = rest.split_at(start);
        filled.push_str(before);
        let (replaced, length) = if brace.starts_with("{call}") {
            (harmless(call), "{call}".len())
        } else if brace.starts_with("{time}") {
            (harmless(time), "{time}".len())
        } else {
            ("{".to_owned(), 1)
        };
        filled.push_str(&replaced);
        rest = brace.get(length..).unwrap_or_default();
    }
    filled.push_str(rest);
    PathBuf::from(filled)
}

/// Only letters, digits and `-_.+@:` stay, anything else becomes `_`; no dot comes first.
fn harmless(text: &str) -> String {
    let kept: String = text
        .chars()
        .take(MAX_TEXT)
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.+@:".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    match kept.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None if kept.is_empty() => "_".to_owned(),
        None => kept,
    }
}

/// Makes a new file at `path`, or at `name-1.ext`, `name-2.ext` and so on when that is taken; only the owner may
/// read it (mode 0600).
///
/// # Errors
/// [`EndpointError::Create`], [`EndpointError::NoFreeName`].
pub fn create_new(path: &Path) -> Result<(PathBuf, File), EndpointError> {
    for number in 0..=MAX_NUMBER {
        let candidate = numbered(path, number);
        // create_new never follows a link and never opens what is there.
        match OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&candidate)
        {
            Ok(file) => return Ok((candidate, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(EndpointError::Create {
                    path: candidate,
                    kind: error.kind(),
                });
            }
        }
    }
    Err(EndpointError::NoFreeName {
        path: path.to_owned(),
        tried: MAX_NUMBER,
    })
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn placeholders_cannot_leave_the_folder() {
        let filled = fill(
            Path::new("/rec/{time}-{call}{x}.wav"),
            "../../etc/passwd\0\n{time}",
            "2026-01-02T03:04:05",
        );
        assert_eq!(
            filled,
            Path::new(
                "/rec/2026-01-02T03:04:05-_./.._etc_passwd___time_{x}.wav"
                    .replace("_./..", "_._..")
                    .as_str()
            )
        );
        assert_eq!(fill(Path::new("{call}.wav"), "", "t"), Path::new("_.wav"));
        assert_eq!(
            fill(Path::new("{call}.wav"), "..", "t"),
            Path::new("_..wav")
        );
    }

    #[test]
    fn existing_files_are_numbered_past_and_new_ones_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("call.wav");
        std::fs::write(&wanted, b"precious").unwrap();
        std::os::unix::fs::symlink("/nowhere", folder.path().join("call-1.wav")).unwrap();
        let (path, file) = create_new(&wanted).unwrap();
        assert_eq!(path, folder.path().join("call-2.wav"));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(&wanted).unwrap(), b"precious");
        let told = create_new(Path::new("/nowhere/at/all.wav"))
            .unwrap_err()
            .to_string();
        assert!(
            told.contains("/nowhere/at/all.wav") && told.contains("folder exists"),
            "{told}"
        );
    }
}
