//! `users.toml`: who was provisioned and who is still to be, written so that an interruption loses nobody.
//!
//! The head says what is wanted, before anything is asked for; each `[[user]]` is added, and on the disk, before the
//! next is asked for. Its last key is `expires_at`: a block without it was cut off while it was written.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::api::credential::Credential;
use crate::owner_file::{self, FileFault};
use crate::secret::{Secret, without_value};

/// Largest file that is read: some 100,000 users.
const LIMIT: u64 = 64 * 1024 * 1024;
/// Credentials of one tag; the server takes at most 1,000.
const PER_TAG: usize = 500;

/// What is wrong with a users file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsersFault {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileFault),
    /// It is no users file.
    #[error("{path} is no users file: {why}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        why: String,
    },
    /// Two users share what must be their own.
    #[error("{path}: the users {first} and {second} have the same {what}; each needs its own")]
    Shared {
        /// Which file.
        path: PathBuf,
        /// One user.
        first: String,
        /// The other.
        second: String,
        /// `name`, `credential_id` or `sip_username`.
        what: &'static str,
    },
    /// Another process works on it.
    #[error("{0} is in use by another offhook-credentials; wait for its end")]
    Locked(PathBuf),
}

/// What is wanted: the head of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Base URL of the API that the users are made with.
    pub api_url: String,
    /// The connection that they belong to.
    pub connection_id: String,
    /// How many.
    pub count: usize,
    /// What their names begin with.
    pub prefix: String,
    /// When they end.
    pub expires_at: String,
    /// Drawn for this file: makes its tags and labels its own.
    pub run: String,
}

impl Wanted {
    /// The name of the user with this number, from 0.
    pub fn name(&self, number: usize) -> String {
        format!("{}{:04}", self.prefix, number + 1)
    }

    /// What the server is told as the name of this user: nobody else's file uses it, whatever its prefix.
    pub fn label(&self, name: &str) -> String {
        format!("{name}.{}", self.run)
    }

    /// The name of the user whose label this is; `None` when it is not of this file.
    pub fn name_of<'a>(&self, label: &'a str) -> Option<&'a str> {
        let name = label.strip_suffix(self.run.as_str())?.strip_suffix('.')?;
        name.starts_with(&self.prefix).then_some(name)
    }

    /// The tag of the user with this number, from 0.
    pub fn tag(&self, number: usize) -> String {
        format!("offhook-{}-{}", self.run, number / PER_TAG)
    }

    /// All tags.
    pub fn tags(&self) -> BTreeSet<String> {
        let numbers = (0..self.count.max(1)).step_by(PER_TAG);
        numbers.map(|number| self.tag(number)).collect()
    }
}

/// One user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its label.
    pub name: String,
    /// The credential's id.
    pub credential_id: String,
    /// Under which it is called.
    pub sip_username: String,
    /// For logins by password.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "shown")]
    pub sip_password: Option<Secret>,
    /// What it presents to the token endpoint as bearer.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "shown")]
    pub token_secret: Option<Secret>,
    /// When the credential ends.
    pub expires_at: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "User({}, {})", self.name, self.credential_id)
    }
}

impl User {
    /// The user of a credential, with a secret of its own for the token endpoint.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(name: String, of: Credential, wanted: &Wanted) -> Result<Self, getrandom::Error> {
        Ok(Self {
            name,
            credential_id: of.id,
            sip_username: of.sip_username,
            sip_password: of.sip_password,
            token_secret: Some(Secret::draw(32)?),
            expires_at: of.expires_at.unwrap_or_else(|| wanted.expires_at.clone()),
        })
    }
}

/// Secrets in an owner-only file.
mod shown {
    use serde::{Serialize, Serializer};

    use crate::secret::Secret;
    pub(super) use crate::secret::deserialize;

    pub(super) fn serialize<S: Serializer>(of: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        of.as_ref().map(Secret::expose).serialize(to)
    }
}

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Users {
    /// Its head.
    pub wanted: Wanted,
    /// Those that were made.
    #[serde(default, rename = "user")]
    pub users: Vec<User>,
}

impl Users {
    /// Reads a file as it is.
    ///
    /// # Errors
    /// It cannot be read, others may read it, it is no users file, or two users share a credential.
    pub fn read(path: &Path) -> Result<Self, UsersFault> {
        let text = owner_file::read_text(path, LIMIT)?;
        let users = parse(&text, path)?;
        users.check(path)?;
        Ok(users)
    }

    fn check(&self, path: &Path) -> Result<(), UsersFault> {
        type Key = fn(&User) -> &str;
        let keys: [(&'static str, Key); 3] = [
            ("name", |user| &user.name),
            ("credential_id", |user| &user.credential_id),
            ("sip_username", |user| &user.sip_username),
        ];
        for (what, key) in keys {
            let mut sorted: Vec<&User> = self.users.iter().collect();
            sorted.sort_by_key(|user| key(user));
            let twice = sorted.windows(2).find_map(|pair| match pair {
                [first, second] if key(first) == key(second) => Some((first, second)),
                _ => None,
            });
            if let Some((first, second)) = twice {
                return Err(UsersFault::Shared {
                    path: path.to_owned(),
                    first: first.name.clone(),
                    second: second.name.clone(),
                    what,
                });
            }
        }
        Ok(())
    }
}

fn parse(text: &str, path: &Path) -> Result<Users, UsersFault> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| {
            text.get(..span.start)
                .map_or(0, |before| before.matches('\n').count() + 1)
        });
        UsersFault::Content {
            path: path.to_owned(),
            // Without the line's text, which may hold a secret.
            why: format!("line {line}: {}", without_value(error.message())),
        }
    })
}

/// A users file that is being worked on; nobody else can meanwhile.
#[derive(Debug)]
pub struct OpenUsers {
    path: PathBuf,
    file: File,
    continued: bool,
    /// What it holds.
    pub content: Users,
}

impl OpenUsers {
    /// Makes the file with its head, which is on the disk when this returns.
    ///
    /// # Errors
    /// It is there already, or cannot be written.
    pub fn create(path: &Path, wanted: Wanted) -> Result<Self, UsersFault> {
        let content = Users {
            wanted,
            users: Vec::new(),
        };
        let file = owner_file::create(path)?;
        let mut open = Self {
            path: path.to_owned(),
            file,
            continued: false,
            content,
        };
        open.lock()?;
        let head = write_toml(&Head {
            wanted: &open.content.wanted,
        });
        let comment = "# Users of offhook: keep this file to yourself, it holds secrets.\n";
        open.append(&format!("{comment}{head}"))?;
        owner_file::sync_folder(path)?;
        Ok(open)
    }

    /// Opens a file to go on with it; a block that was cut off is taken away.
    ///
    /// # Errors
    /// As [`Users::read`], or another process works on it.
    pub fn open(path: &Path) -> Result<Self, UsersFault> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(FileFault::io(path))?;
        lock(&file, path)?;
        let text = owner_file::read_text(path, LIMIT)?;
        let mut whole = text.as_str();
        let content = match parse(&text, path) {
            Ok(content) => content,
            Err(error) => {
                // Nothing but the head of a block begins a line with a bracket.
                let last = text.rfind("\n[").ok_or(error)?;
                whole = text.get(..last).unwrap_or_default();
                parse(whole, path)?
            }
        };
        content.check(path)?;
        if whole.len() < text.len() {
            file.set_len(whole.len() as u64)
                .and_then(|()| file.sync_all())
                .map_err(FileFault::io(path))?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            continued: true,
            content,
        })
    }

    /// Whether it was begun by an earlier run.
    pub fn is_continued(&self) -> bool {
        self.continued
    }

    /// Adds a user, who is on the disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, user: User) -> Result<(), UsersFault> {
        let block = write_toml(&Block { user: [&user] });
        self.append(&format!("\n{block}"))?;
        self.content.users.push(user);
        Ok(())
    }

    /// Takes the file away: nobody of it is left.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(self) -> Result<(), UsersFault> {
        std::fs::remove_file(&self.path).map_err(FileFault::io(&self.path))?;
        owner_file::sync_folder(&self.path)?;
        Ok(())
    }

    fn lock(&mut self) -> Result<(), UsersFault> {
        lock(&self.file, &self.path)
    }

    fn append(&mut self, text: &str) -> Result<(), UsersFault> {
        self.file
            .seek(SeekFrom::End(0))
            .and_then(|_| self.file.write_all(text.as_bytes()))
            .and_then(|()| self.file.sync_data())
            .map_err(FileFault::io(&self.path))?;
        Ok(())
    }
}

#[derive(Serialize)]
struct Head<'a> {
    wanted: &'a Wanted,
}

#[derive(Serialize)]
struct Block<'a> {
    user: [&'a User; 1],
}

fn write_toml(of: &impl Serialize) -> String {
    // Tables of texts and numbers: nothing in them is beyond TOML.
    toml::to_string(of).unwrap_or_default()
}

fn lock(file: &File, path: &Path) -> Result<(), UsersFault> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => UsersFault::Locked(path.to_owned()),
        TryLockError::Error(error) => FileFault::io(path)(error).into(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn wanted(count: usize) -> Wanted {
        Wanted {
            api_url: "http://127.0.0.1:1/v2".to_owned(),
            connection_id: "15".to_owned(),
            count,
            prefix: "load-".to_owned(),
            expires_at: "2030-01-01T00:00:00".to_owned(),
            run: "ab12".to_owned(),
        }
    }

    fn user(number: usize) -> User {
        User {
            name: wanted(9).name(number),
            credential_id: format!("id-{number}"),
            sip_username: format!("gencred{number}"),
            sip_password: Some(Secret::new("p")),
            token_secret: Some(Secret::new("t")),
            expires_at: "2030-01-01T00:00:00".to_owned(),
        }
    }

    #[test]
    fn a_secret_without_its_quotes_is_named_and_not_shown() {
        let whole = toml::to_string(&Users {
            wanted: wanted(1),
            users: vec![user(0)],
        })
        .unwrap();
        for (key, quoted) in [("sip_password", "\"p\""), ("token_secret", "\"t\"")] {
            let text = whole.replace(&format!("{key} = {quoted}"), &format!("{key} = 12345678"));
            let error = parse(&text, Path::new("users.toml"))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("a secret must be a string in quotes"),
                "{error}"
            );
            assert!(!error.contains("12345678"), "{error}");
        }
    }

    #[test]
    fn users_are_there_again_and_only_their_owner_reads_them() {
        use std::os::unix::fs::MetadataExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let mut open = OpenUsers::create(&path, wanted(2)).unwrap();
        open.add(user(0)).unwrap();
        assert!(matches!(OpenUsers::open(&path), Err(UsersFault::Locked(_))));
        drop(open);
        OpenUsers::open(&path).unwrap().add(user(1)).unwrap();
        let read = Users::read(&path).unwrap();
        assert_eq!(read.users, [user(0), user(1)]);
        assert_eq!(read.wanted, wanted(2));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(OpenUsers::create(&path, wanted(2)).is_err());
    }

    #[test]
    fn two_users_with_one_credential_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let mut open = OpenUsers::create(&path, wanted(2)).unwrap();
        open.add(user(0)).unwrap();
        let twin = User {
            credential_id: "id-0".to_owned(),
            ..user(1)
        };
        open.add(twin).unwrap();
        let error = Users::read(&path).unwrap_err().to_string();
        for word in ["load-0001", "load-0002", "credential_id"] {
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn labels_are_known_by_their_file_alone() {
        let ours = wanted(2);
        let label = ours.label(&ours.name(0));
        assert_eq!(ours.name_of(&label), Some("load-0001"));
        let other = Wanted {
            run: "cd34".to_owned(),
            ..wanted(2)
        };
        assert_eq!(other.name_of(&label), None);
        for label in ["load-0001", ".ab12", "other-0001.ab12", "load-0001-ab12"] {
            assert_eq!(ours.name_of(label), None, "{label}");
        }
    }

    #[test]
    fn tags_hold_no_more_than_the_server_takes() {
        let wanted = wanted(1001);
        assert_eq!(wanted.tags().len(), 3);
        assert_eq!(wanted.tag(499), wanted.tag(0));
        assert_ne!(wanted.tag(500), wanted.tag(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_block_cut_off_anywhere_loses_nobody_else(cut in 1_usize..200) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("users.toml");
            let mut open = OpenUsers::create(&path, wanted(3)).unwrap();
            open.add(user(0)).unwrap();
            drop(open);
            let before = fs::metadata(&path).unwrap().len();
            OpenUsers::open(&path).unwrap().add(user(1)).unwrap();
            let after = fs::metadata(&path).unwrap().len();
            let cut = (after - cut as u64 % (after - before)).max(before);
            OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
            let mut open = OpenUsers::open(&path).unwrap();
            prop_assert_eq!(&open.content.users[0], &user(0));
            let known = open.content.users.len();
            open.add(user(2)).unwrap();
            drop(open);
            prop_assert_eq!(Users::read(&path).unwrap().users.len(), known + 1);
        }
    }
}
