//! Files that only their owner may read: secrets read, and files written that hold some.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::secret::Secret;

/// `O_NONBLOCK` of Linux: a pipe without a writer would otherwise hold the reader for ever.
const O_NONBLOCK: i32 = 0o4000;
/// Longer than any key or token.
const SECRET_LIMIT: u64 = 64 * 1024;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// The system refuses.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Not a regular file.
    #[error("{0} is no regular file")]
    NotAFile(PathBuf),
    /// Others may read or write it.
    #[error("{path} has mode {mode:04o}: others may read it; run `chmod o= {path}`")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Nothing in it, not text, or too long.
    #[error("{path} {why}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
}

impl FileFault {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}

/// Opens a file to read, if no one but its owner and group may read it. The rights are those of the opened file, so
/// that a swap of the path between check and reading changes nothing.
fn open(path: &Path) -> Result<File, FileFault> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
        .map_err(FileFault::io(path))?;
    let facts = file.metadata().map_err(FileFault::io(path))?;
    if !facts.is_file() {
        return Err(FileFault::NotAFile(path.to_owned()));
    }
    let mode = facts.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(FileFault::Open {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(file)
}

/// The text of a file that no one but its owner and group may read.
///
/// # Errors
/// It cannot be read, others may read it, or it is longer than `limit`.
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileFault> {
    let content = |why| FileFault::Content {
        path: path.to_owned(),
        why,
    };
    let mut bytes = Vec::new();
    open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(FileFault::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(content("is too long"));
    }
    String::from_utf8(bytes).map_err(|_| content("is no text"))
}

/// The secret in a file, without its closing newline.
///
/// # Errors
/// As [`read_text`]; or it is empty.
pub fn read_secret(path: &Path) -> Result<Secret, FileFault> {
    let text = read_text(path, SECRET_LIMIT)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(FileFault::Content {
            path: path.to_owned(),
            why: "is empty",
        });
    }
    Ok(Secret::new(text))
}

/// Makes a file that must not be there yet, with mode 0600 whatever the umask says.
///
/// # Errors
/// It is there, or cannot be written.
pub fn create(path: &Path) -> Result<File, FileFault> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(FileFault::io(path))?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(FileFault::io(path))?;
    Ok(file)
}

/// Replaces a file's content at once, by way of a second file; mode 0600.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<(), FileFault> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FileFault::Io {
                path: beside,
                error,
            });
        }
        _ => {}
    }
    let mut file = create(&beside)?;
    let write = |file: &mut File| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write(&mut file).map_err(FileFault::io(&beside))?;
    fs::rename(&beside, path).map_err(FileFault::io(path))?;
    sync_folder(path)
}

/// Makes sure that a file's name is on the disk.
///
/// # Errors
/// The folder cannot be synchronised.
pub fn sync_folder(path: &Path) -> Result<(), FileFault> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FileFault::io(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, "KEY-very-secret\n").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read_secret(&path).unwrap().expose(), "KEY-very-secret");
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        let error = read_secret(&path).unwrap_err().to_string();
        assert!(
            error.contains("chmod") && !error.contains("very-secret"),
            "{error}"
        );
        assert!(read_secret(folder.path()).is_err());
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        replace(&path, "\n").unwrap();
        assert!(matches!(read_secret(&path), Err(FileFault::Content { .. })));
        assert!(create(&path).is_err(), "never over a file that is there");
    }
}
