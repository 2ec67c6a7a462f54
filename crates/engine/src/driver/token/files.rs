//! Watches files of tokens and passwords: their owner replaces them, by writing or by rename, and nobody tells us.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often they are looked at. A look is one `stat` a file: cheaper than it is to get file system events right on every
/// kind of mount.
pub(crate) const EVERY: Duration = Duration::from_secs(2);

/// Token files with the account that each is for.
#[derive(Debug, Default)]
pub(crate) struct Files {
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    account: usize,
    path: PathBuf,
    seen: Option<Stamp>,
}

/// Tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Files {
    pub(crate) fn watch(&mut self, account: usize, path: &Path) {
        self.watched.push(Watched {
            account,
            path: path.to_owned(),
            seen: stamp(path),
        });
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// An account's files are about to be read: what has changed so far is no news.
    pub(crate) fn note(&mut self, account: usize) {
        let mine = |watched: &&mut Watched| watched.account == account;
        for watched in self.watched.iter_mut().filter(mine) {
            watched.seen = stamp(&watched.path).or(watched.seen);
        }
    }

    /// The accounts whose file has changed since the last look. One that is gone counts when it is back.
    pub(crate) fn changed(&mut self) -> Vec<usize> {
        let mut accounts = Vec::new();
        for watched in &mut self.watched {
            let now = stamp(&watched.path);
            if now.is_some() && now != watched.seen {
                watched.seen = now;
                accounts.push(watched.account);
            }
        }
        accounts
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let facts = path.metadata().ok()?;
    Some(Stamp {
        device: facts.dev(),
        inode: facts.ino(),
        length: facts.len(),
        changed: (facts.ctime(), facts.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_when_it_is_written_replaced_or_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "a.b.c").unwrap();
        let mut files = Files::default();
        files.watch(7, &path);
        assert!(files.changed().is_empty());
        std::fs::write(&path, "a.b.cd").unwrap();
        assert_eq!(files.changed(), [7]);
        assert!(files.changed().is_empty());
        let other = folder.path().join("token.new");
        std::fs::write(&other, "a.b.ce").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(files.changed(), [7]);
        std::fs::remove_file(&path).unwrap();
        assert!(files.changed().is_empty());
        std::fs::write(&path, "a.b.cf").unwrap();
        assert_eq!(files.changed(), [7]);
        std::fs::write(&path, "a.b.cghi").unwrap();
        files.note(8);
        files.note(7);
        assert!(files.changed().is_empty());
    }
}
