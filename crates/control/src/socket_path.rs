//! Where the control socket is when nobody says so.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The socket of a daemon that runs as a system service.
pub const SYSTEM_SOCKET: &str = "/run/offhook/control.sock";

/// The default path: `$OFFHOOK_SOCKET`; else `$XDG_RUNTIME_DIR/offhook/control.sock`, if a socket is there; else [`SYSTEM_SOCKET`].
///
/// The environment and the look at the disk are the caller's, so that this stays a rule and no I/O.
pub fn default_socket_path(
    offhook_socket: Option<&OsStr>,
    xdg_runtime_dir: Option<&OsStr>,
    exists: impl FnOnce(&Path) -> bool,
) -> PathBuf {
    if let Some(path) = offhook_socket.filter(|path| !path.is_empty()) {
        return PathBuf::from(path);
    }
    if let Some(directory) = xdg_runtime_dir.filter(|directory| !directory.is_empty()) {
        let path = Path::new(directory).join("offhook/control.sock");
        if exists(&path) {
            return path;
        }
    }
    PathBuf::from(SYSTEM_SOCKET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_session_before_the_system() {
        let named = Some(OsStr::new("/tmp/named.sock"));
        let session = Some(OsStr::new("/run/user/1000"));
        assert_eq!(
            default_socket_path(named, session, |_| true),
            Path::new("/tmp/named.sock")
        );
        assert_eq!(
            default_socket_path(None, session, |_| true),
            Path::new("/run/user/1000/offhook/control.sock")
        );
        assert_eq!(
            default_socket_path(None, session, |_| false),
            Path::new(SYSTEM_SOCKET)
        );
        assert_eq!(
            default_socket_path(Some(OsStr::new("")), None, |_| true),
            Path::new(SYSTEM_SOCKET)
        );
    }
}
