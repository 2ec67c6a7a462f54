//! The users file: who logs in, each with a credential of its own.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use offhook_engine::driver::secret_file::{self, without_value};
use offhook_engine::error::SecretFileError;
use offhook_engine::protocol::Protocol;
use offhook_engine::vocabulary::{LoginKind, Secret};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::target::{self, Far, TargetError};

/// Largest file that is read: some 100,000 users.
const LIMIT: u64 = 64 * 1024 * 1024;

/// One user, checked.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) credential: Credential,
}

/// What a user shows at its login.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    Password {
        login: String,
        password: Secret,
    },
    Token {
        from: TokenFrom,
        /// Whose calls come here: with SIP a token does not say.
        address: Option<String>,
    },
}

/// Where a user's token comes from.
#[derive(Debug, Clone)]
pub(crate) enum TokenFrom {
    File(PathBuf),
    /// A token endpoint, which wants this bearer.
    Url {
        url: String,
        bearer: Option<Secret>,
    },
}

impl User {
    /// What names it and no other: its own failure is told in the same words as that of everybody.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = vec![self.name.clone()];
        match &self.credential {
            Credential::Password { login, .. } => names.push(login.clone()),
            Credential::Token { from, address } => {
                names.extend(address.clone());
                if let TokenFrom::File(path) = from {
                    names.push(path.display().to_string());
                }
            }
        }
        names
    }

    /// The token endpoint that it asks.
    pub(crate) fn token_url(&self) -> Option<&str> {
        match &self.credential {
            Credential::Token {
                from: TokenFrom::Url { url, .. },
                ..
            } => Some(url),
            Credential::Token { .. } | Credential::Password { .. } => None,
        }
    }
}

/// Why a users file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error("{path} cannot be read: {error}", path = .path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{path} can be read by others: it holds secrets, so `chmod 600` it", path = .0.display())]
    Open(PathBuf),
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    #[error("{path} is larger than {LIMIT} bytes", path = .0.display())]
    TooLarge(PathBuf),
    #[error("{path}, line {line}: {what}", path = .path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        what: String,
    },
    #[error("{path}: user {name}: {what}", path = .path.display())]
    User {
        path: PathBuf,
        name: String,
        what: String,
    },
    #[error("{whose}: {error}")]
    TokenUrl { whose: String, error: TargetError },
    #[error("{path}: the users {first} and {second} have the same {what}; each needs its own", path = .path.display())]
    Shared {
        path: PathBuf,
        first: String,
        second: String,
        what: &'static str,
    },
    #[error("{path} has {found} users and {wanted} calls are wanted at the same time: each call needs a user of its own", path = .path.display())]
    TooFew {
        path: PathBuf,
        found: usize,
        wanted: usize,
    },
}

/// The file as written: by hand, or by `offhook-credentials users create`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    token_url: Option<String>,
    #[serde(default)]
    user: Vec<RawUser>,
    /// The head of a provisioned file; of no use here.
    #[serde(rename = "wanted")]
    _wanted: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUser {
    name: String,
    login: Option<String>,
    password_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    token_url: Option<String>,
    token_secret_file: Option<PathBuf>,
    /// Provisioned.
    credential_id: Option<String>,
    sip_username: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    sip_password: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    token_secret: Option<Secret>,
    #[serde(rename = "expires_at")]
    _expires_at: Option<String>,
}

/// Whatever stands there in place of a secret may be one, its quotes forgotten: it is not shown.
fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(from);
    let text = text.map_err(|_| D::Error::custom("a secret must be a string in quotes"))?;
    Ok(text.map(Secret::new))
}

/// Reads the users and takes the first `wanted` of them; `token_url` is that of the command line. Files that they name are looked for
/// beside the users file.
pub(crate) fn read(
    path: &Path,
    wanted: usize,
    token_url: Option<&str>,
    protocol: Protocol,
) -> Result<Vec<User>, UsersError> {
    let text = owned_text(path)?;
    let mut raw: Raw = toml::from_str(&text).map_err(|error| UsersError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(0, |span| {
            let before = text.get(..span.start).unwrap_or_default();
            before.matches('\n').count() + 1
        }),
        // Without the line's text, which may hold a secret.
        what: without_value(error.message()),
    })?;
    if raw.user.len() < wanted {
        return Err(UsersError::TooFew {
            path: path.to_owned(),
            found: raw.user.len(),
            wanted,
        });
    }
    check_own(path, &raw.user)?;
    raw.user.truncate(wanted);
    check_token_urls(path, token_url, &raw)?;
    let token_url = token_url.map(str::to_owned).or(raw.token_url);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let checked = |user: RawUser| {
        let name = user.name.clone();
        let fault = |what| UsersError::User {
            path: path.to_owned(),
            name: name.clone(),
            what,
        };
        check_keys(&user, token_url.is_some(), protocol).map_err(fault)?;
        let credential = credential(user, folder, token_url.as_deref())?;
        let credential = credential.ok_or_else(|| fault(NO_CREDENTIAL.to_owned()))?;
        Ok(User { name, credential })
    };
    let users: Vec<User> = raw
        .user
        .into_iter()
        .map(checked)
        .collect::<Result<_, UsersError>>()?;
    check_credentials(path, &users)?;
    Ok(users)
}

const NO_CREDENTIAL: &str = "has no credential: give it login and password_file, token_file, or a token_url (see --token-url)";

/// Keys of which a user has one: together they are two ways to log in, or two secrets for one. What was provisioned is no second way beside
/// a token endpoint, to which it is shown.
const EITHER: [[&str; 2]; 10] = [
    ["password_file", "token_file"],
    ["password_file", "token_url"],
    ["password_file", "token_secret_file"],
    ["password_file", "sip_password"],
    ["password_file", "token_secret"],
    ["token_file", "token_url"],
    ["token_file", "token_secret_file"],
    ["token_file", "sip_password"],
    ["token_file", "token_secret"],
    ["token_secret_file", "token_secret"],
];

/// Refuses more than one way to log in and half of one: whoever wrote that means something else than would be done.
fn check_keys(user: &RawUser, has_common_url: bool, protocol: Protocol) -> Result<(), String> {
    let there = [
        ("login", user.login.is_some()),
        ("password_file", user.password_file.is_some()),
        ("token_file", user.token_file.is_some()),
        ("token_url", user.token_url.is_some()),
        ("token_secret_file", user.token_secret_file.is_some()),
        ("sip_username", user.sip_username.is_some()),
        ("sip_password", user.sip_password.is_some()),
        ("token_secret", user.token_secret.is_some()),
    ];
    let has = |key: &str| there.contains(&(key, true));
    if let Some([one, other]) = EITHER.iter().find(|keys| keys.iter().all(|key| has(key))) {
        return Err(format!("has both `{one}` and `{other}`: which of them?"));
    }
    let by_url = has("token_url") || (has_common_url && !has("password_file"));
    let by_token = has("token_file") || by_url;
    let is_sip = protocol.is_sip();
    let half = [
        ("password_file", "login", true),
        ("sip_password", "sip_username", true),
        ("token_secret_file", "token_url", !by_url),
        ("login", "password_file", !(by_token && is_sip)),
        ("sip_username", "sip_password", !by_token),
    ];
    let half = half
        .iter()
        .find(|(key, other, needed)| *needed && has(key) && !has(other));
    if let Some((key, other, _)) = half {
        return Err(match (*key, by_token) {
            ("login", true) => {
                "has `login` beside a token, which belongs there with SIP alone".to_owned()
            }
            _ => format!("has `{key}` without `{other}`"),
        });
    }
    if by_token && !protocol.logins().contains(&LoginKind::Token) {
        let server = protocol.name();
        return Err(format!(
            "is to log in with a token, and a {server} server takes none"
        ));
    }
    if by_token && is_sip && !has("login") && !has("sip_username") {
        let what =
            "has a token, which needs `login` beside itself with SIP: whose calls come here?";
        return Err(what.to_owned());
    }
    Ok(())
}

fn credential(
    user: RawUser,
    folder: &Path,
    common_url: Option<&str>,
) -> Result<Option<Credential>, UsersError> {
    if let (Some(login), Some(file)) = (&user.login, user.password_file) {
        return Ok(Some(Credential::Password {
            login: login.clone(),
            password: secret_file::read(&folder.join(file))?,
        }));
    }
    let address = user.login.or_else(|| user.sip_username.clone());
    let by_token = |from| Some(Credential::Token { from, address });
    if let Some(file) = user.token_file {
        return Ok(by_token(TokenFrom::File(folder.join(file))));
    }
    let bearer = match user.token_secret_file {
        Some(file) => Some(secret_file::read(&folder.join(file))?),
        None => user.token_secret,
    };
    if let Some(url) = user.token_url.or_else(|| common_url.map(str::to_owned)) {
        return Ok(by_token(TokenFrom::Url { url, bearer }));
    }
    let provisioned = user.sip_username.zip(user.sip_password);
    Ok(provisioned.map(|(login, password)| Credential::Password { login, password }))
}

/// Those of the command line, of the file's head and of the users.
fn check_token_urls(path: &Path, ours: Option<&str>, raw: &Raw) -> Result<(), UsersError> {
    let check = |url: Option<&str>, whose: &dyn Fn() -> String| {
        match url {
            Some(url) => target::parse(url, Far::TokenEndpoint).map(|_| ()),
            None => Ok(()),
        }
        .map_err(|error| UsersError::TokenUrl {
            whose: whose(),
            error,
        })
    };
    let path = path.display();
    check(ours, &|| "--token-url".to_owned())?;
    check(raw.token_url.as_deref(), &|| format!("{path}: token_url"))?;
    raw.user.iter().try_for_each(|user| {
        let whose = || format!("{path}: user {}: token_url", user.name);
        check(user.token_url.as_deref(), &whose)
    })
}

/// No two users may be the same at the server: their sessions would take calls from each other.
fn check_own(path: &Path, users: &[RawUser]) -> Result<(), UsersError> {
    type Key = fn(&RawUser) -> Option<String>;
    let keys: [(&'static str, Key); 5] = [
        ("name", |user| Some(user.name.clone())),
        ("login", |user| user.login.clone()),
        ("credential_id", |user| user.credential_id.clone()),
        ("sip_username", |user| user.sip_username.clone()),
        ("token_file", |user| {
            user.token_file
                .as_ref()
                .map(|file| file.display().to_string())
        }),
    ];
    for (what, key) in keys {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for user in users {
            let Some(value) = key(user) else { continue };
            if let Some(first) = seen.insert(value, &user.name) {
                return Err(UsersError::Shared {
                    path: path.to_owned(),
                    first: first.to_owned(),
                    second: user.name.clone(),
                    what,
                });
            }
        }
    }
    Ok(())
}

/// The same by what they log in with, however it was written: one login, one token's file or one bearer of the token endpoint is one
/// user there.
fn check_credentials(path: &Path, users: &[User]) -> Result<(), UsersError> {
    let mut seen: HashMap<(&'static str, String), &str> = HashMap::new();
    for user in users {
        let login = match &user.credential {
            Credential::Password { login, .. } => Some(login),
            Credential::Token { address, .. } => address.as_ref(),
        };
        let login = login.map(|login| ("login", login.clone()));
        for own in login.into_iter().chain(own_secret(&user.credential)) {
            let what = own.0;
            if let Some(first) = seen.insert(own, &user.name) {
                return Err(UsersError::Shared {
                    path: path.to_owned(),
                    first: first.to_owned(),
                    second: user.name.clone(),
                    what,
                });
            }
        }
    }
    Ok(())
}

/// What a user gets its token by, which no other may have.
fn own_secret(credential: &Credential) -> Option<(&'static str, String)> {
    let Credential::Token { from, .. } = credential else {
        return None;
    };
    Some(match from {
        TokenFrom::File(file) => {
            let file = fs::canonicalize(file).unwrap_or_else(|_| file.clone());
            ("token_file", file.display().to_string())
        }
        TokenFrom::Url { url, bearer } => match bearer {
            Some(bearer) => ("token_secret", format!("{url} {}", bearer.expose())),
            None => ("token_url without a token_secret", url.clone()),
        },
    })
}

/// The text of a file that only its owner may read.
fn owned_text(path: &Path) -> Result<String, UsersError> {
    let fault = |error| UsersError::Read {
        path: path.to_owned(),
        error,
    };
    let file = fs::File::open(path).map_err(fault)?;
    let metadata = file.metadata().map_err(fault)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(UsersError::Open(path.to_owned()));
    }
    if metadata.len() > LIMIT {
        return Err(UsersError::TooLarge(path.to_owned()));
    }
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text).map_err(fault)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use offhook_engine::vocabulary::{FREESWITCH, TELNYX};

    use super::*;

    fn written(name: &str, text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    /// As a server of Telnyx wants them.
    fn read(path: &Path, wanted: usize, token_url: Option<&str>) -> Result<Vec<User>, UsersError> {
        super::read(path, wanted, token_url, TELNYX.into())
    }

    const PROVISIONED: &str = r#"
[wanted]
api_url = "https://api.example/v2"
count = 2

[[user]]
name = "load0001"
credential_id = "c1"
sip_username = "gencred1"
sip_password = "hunter2"
token_secret = "bearer1"
expires_at = "2030-01-01T00:00:00Z"

[[user]]
name = "load0002"
credential_id = "c2"
sip_username = "gencred2"
sip_password = "hunter3"
token_secret = "bearer2"
expires_at = "2030-01-01T00:00:00Z"
"#;

    #[test]
    fn a_provisioned_file_gives_passwords_or_with_an_endpoint_tokens() {
        let (_folder, path) = written("users.toml", PROVISIONED, 0o600);
        let users = read(&path, 2, None).unwrap();
        let Credential::Password { login, password } = &users[1].credential else {
            panic!("{users:?}")
        };
        assert_eq!((login.as_str(), password.expose()), ("gencred2", "hunter3"));
        let users = read(&path, 1, Some("https://tokens.example/token")).unwrap();
        let [only] = users.as_slice() else {
            panic!("{users:?}")
        };
        let Credential::Token {
            from: TokenFrom::Url { url, bearer },
            ..
        } = &only.credential
        else {
            panic!("{only:?}")
        };
        assert_eq!(url, "https://tokens.example/token");
        assert_eq!(bearer.as_ref().map(Secret::expose), Some("bearer1"));
        assert!(!format!("{users:?}").contains("bearer1"));
    }

    #[test]
    fn one_credential_written_in_two_ways_is_shared_all_the_same() {
        let bearer = PROVISIONED.replace("bearer2", "bearer1");
        let (_folder, path) = written("users.toml", &bearer, 0o600);
        let url = "https://tokens.example/token";
        let error = read(&path, 2, Some(url)).unwrap_err().to_string();
        for part in ["load0001", "load0002", "token_secret"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("bearer1"), "{error}");
        let unsigned = "[[user]]\nname = \"a\"\n[[user]]\nname = \"b\"\n";
        let (_folder, path) = written("users.toml", unsigned, 0o600);
        assert!(read(&path, 1, Some(url)).is_ok());
        let error = read(&path, 2, Some(url)).unwrap_err().to_string();
        assert!(error.contains("token_url without"), "{error}");
        let files = "[[user]]\nname = \"a\"\ntoken_file = \"t\"\n[[user]]\nname = \"b\"\ntoken_file = \"./t\"\n";
        let (folder, path) = written("users.toml", files, 0o600);
        fs::write(folder.path().join("t"), "token").unwrap();
        let error = read(&path, 2, None).unwrap_err().to_string();
        assert!(error.contains("same token_file"), "{error}");
    }

    #[test]
    fn a_password_in_a_token_url_is_refused_and_not_shown() {
        let url = "https://backend:hunter2@tokens.example/token";
        let refused = |text: &str, ours: Option<&str>| {
            let (_folder, path) = written("users.toml", text, 0o600);
            let error = read(&path, 1, ours).unwrap_err().to_string();
            assert!(
                error.contains("... is no URL of a token endpoint"),
                "{error}"
            );
            error
        };
        let user = "[[user]]\nname = \"a\"\n";
        assert!(refused(user, Some(url)).starts_with("--token-url"));
        let head = format!("token_url = {url:?}\n{user}");
        assert!(refused(&head, None).contains("users.toml: token_url"));
        let own = format!("{user}token_url = {url:?}\n");
        assert!(refused(&own, None).contains("user a: token_url"));
        let (_folder, path) = written("users.toml", user, 0o600);
        let error = read(&path, 1, Some("tokens.example/token")).unwrap_err();
        assert!(error.to_string().contains("token endpoint"), "{error}");
    }

    #[test]
    fn half_a_credential_and_two_of_them_are_refused_with_the_user_and_the_keys() {
        let refused = |keys: &[&str], protocol: Protocol, url: Option<&str>| {
            let line = |key: &&str| match *key {
                "token_url" => "token_url = \"https://tokens.example/t\"\n".to_owned(),
                key => format!("{key} = \"x\"\n"),
            };
            let keys: Vec<_> = keys.iter().map(line).collect();
            let text = format!("[[user]]\nname = \"a\"\n{}", keys.concat());
            let (folder, path) = written("users.toml", &text, 0o600);
            fs::write(folder.path().join("x"), "secret").unwrap();
            fs::set_permissions(folder.path().join("x"), fs::Permissions::from_mode(0o600))
                .unwrap();
            let read = super::read(&path, 1, url, protocol);
            let said = read.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(
                said.is_empty() || said.contains("user a: "),
                "{keys:?}: {said}"
            );
            said
        };
        let telnyx = |keys: &[&str]| refused(keys, TELNYX.into(), None);
        for [one, other] in EITHER {
            let said = telnyx(&["login", one, other]);
            assert!(
                said.contains(&format!("both `{one}` and `{other}`")),
                "{said}"
            );
        }
        for (key, other) in [
            ("login", "password_file"),
            ("password_file", "login"),
            ("sip_username", "sip_password"),
            ("sip_password", "sip_username"),
            ("token_secret_file", "token_url"),
        ] {
            let said = telnyx(&[key]);
            assert!(
                said.contains(&format!("has `{key}` without `{other}`")),
                "{said}"
            );
        }
        let said = telnyx(&["login", "token_file"]);
        assert!(said.contains("`login` beside a token"), "{said}");
        let said = refused(&["token_file"], Protocol::Sip, None);
        assert!(said.contains("needs `login` beside itself"), "{said}");
        let said = refused(&["token_file"], FREESWITCH.into(), None);
        assert!(said.contains("a freeswitch server takes none"), "{said}");
        // A token endpoint for all is no second way for those that have one of their own.
        let url = Some("https://tokens.example/token");
        for keys in [
            &["login", "password_file"][..],
            &["token_file"],
            &["token_secret_file"],
            &["sip_username", "sip_password", "token_secret"],
        ] {
            assert_eq!(refused(keys, TELNYX.into(), url), "", "{keys:?}");
        }
    }

    #[test]
    fn with_sip_a_token_has_the_login_beside_itself_whose_calls_come_here() {
        let address = |text: &str| {
            let (folder, path) = written("users.toml", text, 0o600);
            fs::write(folder.path().join("t"), "token").unwrap();
            let url = Some("https://tokens.example/token");
            let users = super::read(&path, 1, url, Protocol::Sip).unwrap();
            match &users[0].credential {
                Credential::Token { address, .. } => address.clone(),
                Credential::Password { .. } => panic!("{users:?}"),
            }
        };
        assert_eq!(address(PROVISIONED).as_deref(), Some("gencred1"));
        let own = "[[user]]\nname = \"a\"\nlogin = \"a@pbx\"\ntoken_file = \"t\"\n";
        assert_eq!(address(own).as_deref(), Some("a@pbx"));
    }

    #[test]
    fn who_shares_a_credential_is_refused_by_name() {
        let text = PROVISIONED.replace("gencred2", "gencred1");
        let (_folder, path) = written("users.toml", &text, 0o600);
        let error = read(&path, 1, None).unwrap_err().to_string();
        for part in ["load0001", "load0002", "sip_username"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_with_it() {
        let cases = [
            (PROVISIONED, 0o644, 1, "chmod 600"),
            (PROVISIONED, 0o600, 3, "has 2 users and 3 calls"),
            (
                "[[user]]\nname = \"a\"\n",
                0o600,
                1,
                "user a: has no credential",
            ),
            (
                "[[user]]\nname = \"a\"\nsip_password = hunter2\n",
                0o600,
                1,
                "line 3",
            ),
            ("[[user]]\nnome = \"a\"\n", 0o600, 1, "nome"),
            (
                "[[user]]\nname = \"a\"\nsip_password = 12345678\n",
                0o600,
                1,
                "line 3: a secret must be a string in quotes",
            ),
            (
                "[[user]]\nname = \"a\"\ntoken_secret = 12345678.5\n",
                0o600,
                1,
                "line 3: a secret must be a string in quotes",
            ),
            (
                "[[user]]\nname = \"a\"\npassword_file = 12345678\n",
                0o600,
                1,
                "line 3: a value of the wrong type, expected",
            ),
        ];
        for (text, mode, wanted, part) in cases {
            let (_folder, path) = written("users.toml", text, mode);
            let error = read(&path, wanted, None).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
            assert!(!error.contains("12345678"), "{error}");
        }
    }
}
