//! Keeps what sessions want remembered in one file that only its owner may read, so that calls survive this process.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::libc::O_NOFOLLOW;
use offhook_signaling::remembered::Remembered;
use serde_json::{Map, Value, json};

/// Format of the file; another one is not read.
const VERSION: u64 = 1;
/// A longer file is none of ours.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The file, and what stands in it.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    accounts: BTreeMap<String, Remembered>,
    changed: bool,
}

impl Memory {
    /// Reads the file if there is one. One that cannot be read is as good as none: calls of an earlier process are lost,
    /// and nothing else.
    pub(crate) fn load(path: PathBuf) -> Self {
        let accounts = match read(&path) {
            Ok(accounts) => accounts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the state file cannot be used: calls of an earlier run are not recovered");
                BTreeMap::new()
            }
        };
        Self {
            path,
            accounts,
            changed: false,
        }
    }

    pub(crate) fn of(&self, account: &str) -> Remembered {
        self.accounts.get(account).cloned().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, account: &str, state: Remembered) {
        self.accounts.insert(account.to_owned(), state);
        self.changed = true;
    }

    /// What is to be written now, if anything changed since the last time.
    pub(crate) fn take_writing(&mut self) -> Option<Writing> {
        std::mem::take(&mut self.changed).then(|| Writing {
            path: self.path.clone(),
            text: write(&self.accounts),
        })
    }
}

/// One state of the file on its way to the disk.
pub(crate) struct Writing {
    path: PathBuf,
    text: String,
}

impl Writing {
    /// Blocks. The file is replaced whole, so that a crash leaves the old one or the new one.
    pub(crate) fn run(self) {
        if let Err(error) = replace(&self.path, &self.text) {
            tracing::warn!(path = %self.path.display(), %error, "the state file cannot be written: calls are not recovered after a crash");
        }
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    let fresh = path.with_extension("new");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        // Whatever a neighbour may have put there is not written through.
        .custom_flags(O_NOFOLLOW)
        .open(&fresh)?;
    // One that was there before may have had other rights.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    fs::rename(&fresh, path)
}

fn read(path: &Path) -> io::Result<BTreeMap<String, Remembered>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if path.metadata()?.len() > LONGEST {
        return Err(wrong("it is too long"));
    }
    let text = fs::read_to_string(path)?;
    let value: Value = serde_json::from_str(&text)?;
    if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
        return Err(wrong("it is of another version"));
    }
    let accounts = value
        .get("accounts")
        .and_then(Value::as_object)
        .ok_or_else(|| wrong("it names no accounts"))?;
    Ok(accounts
        .iter()
        .map(|(name, entry)| (name.clone(), remembered(entry)))
        .collect())
}

fn remembered(entry: &Value) -> Remembered {
    let text = |key| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    Remembered {
        sessid: text("sessid"),
        voice_sdk_id: text("voice_sdk_id"),
        instance: text("instance"),
        at: entry
            .get("at")
            .and_then(Value::as_u64)
            .map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds.min(u64::from(u32::MAX)))),
    }
}

fn write(accounts: &BTreeMap<String, Remembered>) -> String {
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let entries: Map<String, Value> = accounts
        .iter()
        .map(|(name, state)| {
            let entry = json!({
                "sessid": state.sessid,
                "voice_sdk_id": state.voice_sdk_id,
                "instance": state.instance,
                "at": state.at.map(seconds),
            });
            (name.clone(), entry)
        })
        .collect();
    json!({ "version": VERSION, "accounts": entries }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_is_there_after_a_restart_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/offhookd.json");
        let state = Remembered {
            sessid: Some("s-1".to_owned()),
            voice_sdk_id: None,
            instance: Some("urn:uuid:1".to_owned()),
            at: Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
        };
        let mut memory = Memory::load(path.clone());
        assert!(memory.take_writing().is_none());
        memory.set("desk", state.clone());
        memory.take_writing().unwrap().run();
        assert!(memory.take_writing().is_none());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = Memory::load(path);
        assert_eq!(again.of("desk"), state);
        assert_eq!(again.of("other"), Remembered::default());
    }

    #[test]
    fn a_broken_file_is_as_good_as_none_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offhookd.json");
        for broken in [
            "",
            "[]",
            "{\"version\":9}",
            "{\"version\":1,\"accounts\":3}",
        ] {
            fs::write(&path, broken).unwrap();
            let mut memory = Memory::load(path.clone());
            assert_eq!(memory.of("desk"), Remembered::default());
            memory.set("desk", Remembered::default());
            memory.take_writing().unwrap().run();
            assert!(read(&path).is_ok());
        }
    }
}
