//! Claims the path of the control socket: one daemon a path, a dead one's leftovers swept away, a live one named.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

/// Owner and group may ask and answer calls; nobody else.
const MODE: u32 = 0o660;

/// The path could not be claimed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error("another daemon{} answers on {}: stop it, or give this one another [control] socket", process(*.pid), .path.display())]
    InUse { path: PathBuf, pid: Option<i32> },
    #[error("another daemon holds {}: stop it, or give this one another [control] socket", .0.display())]
    Held(PathBuf),
    #[error("{} is there and is no socket: remove it, or choose another [control] socket", .0.display())]
    NotASocket(PathBuf),
    #[error("cannot make the control socket {} ({error}): {}", .path.display(), remedy(.error))]
    Io { path: PathBuf, error: io::Error },
}

fn process(pid: Option<i32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

fn remedy(error: &io::Error) -> &'static str {
    if error.raw_os_error() == Some(Errno::ENAMETOOLONG as i32)
        || error.kind() == io::ErrorKind::InvalidInput
    {
        return "choose a path of at most 107 bytes";
    }
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => "make its folder first",
        Some(Errno::EACCES | Errno::EPERM) => "give this user the right to write into its folder",
        _ => "check its folder, or choose another [control] socket",
    }
}

/// A listening socket that is ours alone, and is removed when dropped.
#[derive(Debug)]
pub(crate) struct Claimed {
    listener: Option<UnixListener>,
    path: PathBuf,
    /// Which file it is: a successor's must not be removed.
    identity: (u64, u64),
    /// Held as long as the daemon lives, so that two that start at once cannot both sweep.
    _lock: Flock<File>,
}

impl Claimed {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The listener, once.
    pub(crate) fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // What cannot be removed is swept by the next daemon.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Claims `path`.
pub(crate) fn claim(path: &Path) -> Result<Claimed, ClaimError> {
    let fault = |error| ClaimError::Io {
        path: path.to_owned(),
        error,
    };
    make_folder(path).map_err(fault)?;
    let lock = lock(path)?;
    sweep(path)?;
    let listener = UnixListener::bind(path).map_err(fault)?;
    // The folder decides who could connect in the instant before; the usual folders belong to the service alone.
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(fault)?;
    let identity = identity(path).map_err(fault)?;
    Ok(Claimed {
        listener: Some(listener),
        path: path.to_owned(),
        identity,
        _lock: lock,
    })
}

/// Makes the socket's own folder where only that one is missing.
fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => {
            fs::create_dir(folder)
        }
        Some(_) | None => Ok(()),
    }
}

fn lock(path: &Path) -> Result<Flock<File>, ClaimError> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name);
    let file = opened.map_err(|error| ClaimError::Io {
        path: path.to_owned(),
        error,
    })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == Errno::EWOULDBLOCK {
            // Whoever holds it usually answers, and can then be named.
            return in_use(path).unwrap_or_else(|| ClaimError::Held(path.to_owned()));
        }
        ClaimError::Io {
            path: path.to_owned(),
            error: errno.into(),
        }
    })
}

/// Removes what a daemon left that was killed.
fn sweep(path: &Path) -> Result<(), ClaimError> {
    let Ok(facts) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !facts.file_type().is_socket() {
        return Err(ClaimError::NotASocket(path.to_owned()));
    }
    match in_use(path) {
        Some(live) => Err(live),
        None => fs::remove_file(path).map_err(|error| ClaimError::Io {
            path: path.to_owned(),
            error,
        }),
    }
}

/// Whether somebody answers at `path`, and who.
fn in_use(path: &Path) -> Option<ClaimError> {
    let stream = UnixStream::connect(path).ok()?;
    let pid = getsockopt(&stream, PeerCredentials)
        .ok()
        .map(|peer| peer.pid());
    Some(ClaimError::InUse {
        path: path.to_owned(),
        pid,
    })
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let facts = fs::symlink_metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_daemons_socket_is_swept_and_a_live_ones_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a listener leaves its file behind");
        let first = claim(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            MODE
        );
        let told = claim(&path).unwrap_err().to_string();
        assert!(
            told.contains(&format!("process {}", std::process::id()))
                && told.contains("control.sock"),
            "{told}"
        );
        drop(first);
        assert!(!path.exists());
        claim(&path).unwrap();
    }

    #[test]
    fn another_program_that_answers_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _other = UnixListener::bind(&path).unwrap();
        assert!(matches!(
            claim(&path).unwrap_err(),
            ClaimError::InUse { .. }
        ));
        assert!(path.exists());
    }

    #[test]
    fn a_file_in_the_way_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        let told = claim(&path).unwrap_err().to_string();
        assert!(told.contains("is no socket"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_path_that_cannot_be_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let missing = claim(&folder.path().join("a/b/control.sock"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("make its folder first"), "{missing}");
        let long = claim(&folder.path().join("x".repeat(120)))
            .unwrap_err()
            .to_string();
        assert!(long.contains("107 bytes"), "{long}");
    }

    #[test]
    fn a_successors_socket_survives_the_end_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let first = claim(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _successor = UnixListener::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
    }
}
