//! Who may ask, how they prove it, and whose tokens they get.

use std::path::Path;

use offhook_credentials::owner_file;
use offhook_credentials::secret::{self, Secret};
use offhook_credentials::users_file::Users;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::failure::Failure;
use crate::serve::failure::ServeFault;

/// Largest file of callers.
const LIMIT: u64 = 16 * 1024 * 1024;
/// A shorter secret could be guessed.
const SHORTEST: usize = 16;

/// SHA-256 of a secret or certificate.
type Digest = [u8; 32];

/// One who may ask.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) name: String,
    secret: Option<Digest>,
    certificate: Option<Digest>,
    /// Whose tokens it gets; `None`: one that is made for it.
    pub(super) credential: Option<String>,
}

/// All who may ask.
#[derive(Debug, Default)]
pub(super) struct Callers(Vec<Caller>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    caller: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default, deserialize_with = "secret::deserialize")]
    secret: Option<Secret>,
    certificate_sha256: Option<String>,
    credential_id: Option<String>,
}

impl Callers {
    /// Reads both kinds of files; `making`: a caller may be without a credential.
    pub(super) fn read(
        callers: Option<&Path>,
        users: Option<&Path>,
        making: bool,
    ) -> Result<Self, Failure> {
        let mut all = Self::default();
        if let Some(path) = callers {
            let text = owner_file::read_text(path, LIMIT)?;
            all.add_file(&text).map_err(|why| ServeFault::Callers {
                path: path.to_owned(),
                why,
            })?;
        }
        if let Some(path) = users {
            all.0
                .extend(Users::read(path)?.users.into_iter().map(|user| {
                    let secret = user.token_secret.as_ref();
                    Caller {
                        secret: secret.map(|secret| hash(secret.expose().as_bytes())),
                        name: user.name,
                        certificate: None,
                        credential: Some(user.credential_id),
                    }
                }));
        }
        all.check(making)?;
        Ok(all)
    }

    fn add_file(&mut self, text: &str) -> Result<(), String> {
        let file: File =
            toml::from_str(text).map_err(|error| secret::without_value(error.message()))?;
        for entry in file.caller {
            let name = entry.name;
            if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
                return Err("a name is 1 to 128 characters without control characters".to_owned());
            }
            if entry
                .secret
                .as_ref()
                .is_some_and(|secret| secret.expose().len() < SHORTEST)
            {
                return Err(format!(
                    "the secret of {name} is shorter than {SHORTEST} characters"
                ));
            }
            let certificate = entry.certificate_sha256.as_deref().map(fingerprint);
            let certificate = match certificate {
                Some(None) => {
                    return Err(format!(
                        "certificate_sha256 of {name} is not 64 hexadecimal digits"
                    ));
                }
                Some(Some(digest)) => Some(digest),
                None => None,
            };
            if entry.secret.is_none() && certificate.is_none() {
                return Err(format!("{name} has neither secret nor certificate_sha256"));
            }
            self.0.push(Caller {
                name,
                secret: entry.secret.map(|secret| hash(secret.expose().as_bytes())),
                certificate,
                credential: entry.credential_id,
            });
        }
        Ok(())
    }

    fn check(&self, making: bool) -> Result<(), ServeFault> {
        let lacking = self.0.iter().find(|caller| caller.credential.is_none());
        if let Some(caller) = lacking
            && !making
        {
            return Err(ServeFault::NoCredential(caller.name.clone()));
        }
        self.unique("name", |caller| Some(caller.name.as_bytes()))?;
        self.unique("secret", |caller| caller.secret.as_ref().map(|d| &d[..]))?;
        self.unique("certificate_sha256", |caller| {
            caller.certificate.as_ref().map(|d| &d[..])
        })?;
        self.unique("credential_id", |caller| {
            caller.credential.as_ref().map(|id| id.as_bytes())
        })
    }

    fn unique<'a>(
        &'a self,
        what: &'static str,
        key: impl Fn(&'a Caller) -> Option<&'a [u8]>,
    ) -> Result<(), ServeFault> {
        let mut seen = std::collections::BTreeMap::new();
        for caller in &self.0 {
            let Some(key) = key(caller) else { continue };
            if let Some(first) = seen.insert(key, &caller.name) {
                return Err(ServeFault::Shared {
                    first: first.clone(),
                    second: caller.name.clone(),
                    what,
                });
            }
        }
        Ok(())
    }

    /// Who has this secret. All are compared, each in constant time, so that the time tells nothing.
    pub(super) fn with_secret(&self, secret: &str) -> Option<usize> {
        let given = hash(secret.as_bytes());
        let mut found = u64::MAX;
        for (index, caller) in self.0.iter().enumerate() {
            let known = caller.secret.unwrap_or_default();
            let same = known.ct_eq(&given);
            found.conditional_assign(&(index as u64), same);
        }
        usize::try_from(found)
            .ok()
            .filter(|index| *index < self.0.len())
    }

    /// Whose certificate this is.
    pub(super) fn with_certificate(&self, der: &[u8]) -> Option<usize> {
        let given = hash(der);
        let mut all = self.0.iter();
        all.position(|caller| caller.certificate == Some(given))
    }

    pub(super) fn all(&self) -> &[Caller] {
        &self.0
    }
}

fn hash(bytes: &[u8]) -> Digest {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// 64 hexadecimal digits, with colons if need be.
fn fingerprint(text: &str) -> Option<Digest> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut digest = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Callers, String> {
        let mut callers = Callers::default();
        callers.add_file(text)?;
        callers.check(false).map_err(|error| error.to_string())?;
        Ok(callers)
    }

    fn caller(name: &str, secret: &str, id: &str) -> String {
        format!("[[caller]]\nname = {name:?}\nsecret = {secret:?}\ncredential_id = {id:?}\n")
    }

    #[test]
    fn a_secret_leads_to_its_caller_and_to_no_other() {
        let text = caller("a", "aaaaaaaaaaaaaaaa", "1") + &caller("b", "bbbbbbbbbbbbbbbb", "2");
        let callers = read(&text).unwrap();
        assert_eq!(callers.with_secret("aaaaaaaaaaaaaaaa"), Some(0));
        assert_eq!(callers.with_secret("bbbbbbbbbbbbbbbb"), Some(1));
        for wrong in ["", "aaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaa"] {
            assert_eq!(callers.with_secret(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_two_callers_share_is_named() {
        for (second, what) in [
            (caller("a", "bbbbbbbbbbbbbbbb", "2"), "name"),
            (caller("b", "aaaaaaaaaaaaaaaa", "2"), "secret"),
            (caller("b", "bbbbbbbbbbbbbbbb", "1"), "credential_id"),
        ] {
            let text = caller("a", "aaaaaaaaaaaaaaaa", "1") + &second;
            let error = read(&text).unwrap_err();
            assert!(error.contains(what) && !error.contains("aaaa"), "{error}");
        }
        assert!(read(&caller("a", "short", "1")).unwrap_err().contains("16"));
        assert!(read("[[caller]]\nname = \"a\"\n").is_err());
        // Its quotes were forgotten.
        let error = read("[[caller]]\nname = \"a\"\nsecret = 1234567812345678\n").unwrap_err();
        assert!(
            error.contains("a secret must be a string in quotes"),
            "{error}"
        );
        assert!(!error.contains("12345678"), "{error}");
        let no_credential = "[[caller]]\nname = \"a\"\nsecret = \"aaaaaaaaaaaaaaaa\"\n";
        assert!(read(no_credential).unwrap_err().contains("--create-on"));
    }

    #[test]
    fn a_certificate_is_known_by_its_fingerprint() {
        let digits: Vec<String> = hash(b"der").iter().map(|b| format!("{b:02X}")).collect();
        let text = format!(
            "[[caller]]\nname = \"a\"\ncertificate_sha256 = \"{}\"\ncredential_id = \"1\"\n",
            digits.join(":")
        );
        let callers = read(&text).unwrap();
        assert_eq!(callers.with_certificate(b"der"), Some(0));
        assert_eq!(callers.with_certificate(b"other"), None);
        assert_eq!(callers.with_secret(""), None);
    }
}
