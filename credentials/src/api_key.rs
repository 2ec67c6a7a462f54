//! Where the API key comes from: a file, the environment or systemd; never a command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::owner_file::{FileFault, read_secret};
use crate::secret::Secret;

/// Name of the variable.
pub const VARIABLE: &str = "OFFHOOK_API_KEY";
/// Name of the systemd credential.
pub const CREDENTIAL: &str = "offhook-api-key";

/// Why there is no API key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// The file is no good.
    #[error("the API key cannot be read: {0}")]
    File(#[from] FileFault),
    /// None of the three sources has one.
    #[error(
        "no API key: name its file with --api-key-file, set {VARIABLE}, or pass the systemd credential {CREDENTIAL}"
    )]
    Missing,
    /// It cannot stand in a header.
    #[error("the API key holds characters that no key has; check its source")]
    Characters,
}

/// What stands around the process.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The value of [`VARIABLE`].
    pub variable: Option<OsString>,
    /// The value of `CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self {
            variable: std::env::var_os(VARIABLE),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

/// Whether a key has the form of the real service's; one of another form is refused there.
pub fn is_telnyx_key(key: &Secret) -> bool {
    key.expose().starts_with("KEY")
}

/// The key: of the file if one is named, else of the environment, else of systemd.
///
/// # Errors
/// No source has one, or it is no key.
pub fn find(file: Option<&Path>, around: &Surroundings) -> Result<Secret, KeyFault> {
    let key = if let Some(file) = file {
        read_secret(file)?
    } else if let Some(variable) = &around.variable {
        Secret::new(variable.to_str().ok_or(KeyFault::Characters)?.trim())
    } else {
        let folder = around.credentials.as_deref().ok_or(KeyFault::Missing)?;
        let path = folder.join(CREDENTIAL);
        if !path.exists() {
            return Err(KeyFault::Missing);
        }
        read_secret(&path)?
    };
    let text = key.expose();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(KeyFault::Characters);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner_file::replace;

    #[test]
    fn a_token_or_password_is_no_key_of_the_real_service() {
        for (text, good) in [
            ("KEY0123_abc", true),
            ("eyJhbGci.x.y", false),
            ("hunter2", false),
        ] {
            assert_eq!(is_telnyx_key(&Secret::new(text)), good, "{text}");
        }
    }

    #[test]
    fn the_file_comes_before_the_variable_and_that_before_systemd() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        replace(&file, "of-file\n").unwrap();
        replace(&folder.path().join(CREDENTIAL), "of-systemd").unwrap();
        let mut around = Surroundings {
            variable: Some("of-variable".into()),
            credentials: Some(folder.path().to_owned()),
        };
        let text = |file, around: &_| find(file, around).unwrap().expose().to_owned();
        assert_eq!(text(Some(&file), &around), "of-file");
        assert_eq!(text(None, &around), "of-variable");
        around.variable = None;
        assert_eq!(text(None, &around), "of-systemd");
        around.credentials = None;
        assert!(matches!(find(None, &around), Err(KeyFault::Missing)));
        around.variable = Some("two words".into());
        assert!(matches!(find(None, &around), Err(KeyFault::Characters)));
    }
}
