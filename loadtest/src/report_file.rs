//! Where the report is written to: looked at before the run, and filled in one step at its end, so that the report of an earlier run is
//! there until then.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;

/// A place that takes the report.
#[derive(Debug)]
pub(crate) enum ReportFile {
    /// A new file, which takes the place of the one that there is.
    Fresh(Fresh),
    /// What cannot be replaced: a device, a pipe, or a file in a folder that is not ours.
    Itself(File),
}

/// A file beside the one that it is to become; gone again if it does not.
#[derive(Debug)]
pub(crate) struct Fresh {
    file: File,
    at: PathBuf,
    becomes: PathBuf,
}

impl ReportFile {
    /// Whatever stands there stays as it is.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // What a symbolic link leads to is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let there = match File::options().write(true).open(&path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let metadata = there.as_ref().map(File::metadata).transpose()?;
        match (there, metadata) {
            (Some(there), Some(metadata)) if !metadata.is_file() => Ok(Self::Itself(there)),
            (Some(there), Some(metadata)) => match Fresh::beside(path) {
                Ok(fresh) => {
                    fresh.file.set_permissions(metadata.permissions())?;
                    Ok(Self::Fresh(fresh))
                }
                Err(_) => Ok(Self::Itself(there)),
            },
            _ => Fresh::beside(path).map(Self::Fresh),
        }
    }

    /// Fills it.
    pub(crate) fn write(self, text: &str) -> io::Result<()> {
        match self {
            Self::Fresh(mut fresh) => {
                fresh.file.write_all(text.as_bytes())?;
                // A disk that is full may say so only now.
                fresh.file.sync_all()?;
                fs::rename(&fresh.at, &fresh.becomes)
            }
            Self::Itself(mut file) => {
                if file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                file.write_all(text.as_bytes())
            }
        }
    }
}

impl Fresh {
    fn beside(becomes: PathBuf) -> io::Result<Self> {
        let name = becomes.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut fresh = OsString::from(".");
        fresh.push(name);
        fresh.push(format!(".{}.new", std::process::id()));
        let at = becomes.with_file_name(fresh);
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            // Whatever a neighbour may have put there is not written through.
            .custom_flags(O_NOFOLLOW)
            .open(&at)?;
        Ok(Self { file, at, becomes })
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // Once it has its name, nothing is there any more.
        let _ = fs::remove_file(&self.at);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_old_report_is_there_until_the_new_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("report"), folder.path().join("link"));
        let read = || fs::read_to_string(&path).unwrap();
        fs::write(&path, "old, and longer").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        drop(ReportFile::open(&link).unwrap());
        assert_eq!(read(), "old, and longer");
        assert_eq!(names(folder.path()), ["link", "report"]);
        let report = ReportFile::open(&link).unwrap();
        assert_eq!(read(), "old, and longer");
        report.write("new").unwrap();
        assert_eq!(read(), "new");
        assert_eq!(names(folder.path()), ["link", "report"]);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn what_cannot_be_replaced_is_written_to() {
        let null = ReportFile::open(Path::new("/dev/null")).unwrap();
        assert!(matches!(null, ReportFile::Itself(_)));
        null.write("gone").unwrap();
        let full = ReportFile::open(Path::new("/dev/full")).unwrap();
        assert!(full.write("no room").is_err());
    }

    #[test]
    fn a_place_that_takes_no_report_is_known_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ReportFile::open(folder.path()).is_err(), "a folder");
        assert!(ReportFile::open(&folder.path().join("missing/report")).is_err());
        assert!(names(folder.path()).is_empty());
    }
}
