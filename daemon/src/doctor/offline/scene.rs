//! What the offline checks look at: the configuration's text, its raw form where that can be read, and where it stands.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use toml::Spanned;

use crate::config::checked::line_of;
use crate::config::raw::{RawAccount, RawConfig, Text};
use crate::config::secret_file::{Places, locate};
use crate::doctor::finding::Place;

/// A configuration that is being looked at.
pub(crate) struct Scene<'a> {
    /// Its file.
    pub(crate) file: &'a Path,
    /// Its text.
    pub(crate) text: &'a str,
    /// The text as raw types; `None` when it is no such thing.
    pub(crate) raw: Option<RawConfig>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub(crate) credentials: Option<PathBuf>,
    /// An API key stands in the environment (`OFFHOOK_API_KEY`).
    pub(crate) api_key: bool,
    /// This machine's clock.
    pub(crate) now: SystemTime,
}

impl Scene<'_> {
    /// The folder that relative paths start at.
    pub(crate) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new(""))
    }

    /// The accounts, as far as they can be read.
    pub(crate) fn accounts(&self) -> &[Spanned<RawAccount>] {
        self.raw.as_ref().map_or(&[], |raw| &raw.account)
    }

    /// The line of a byte of the text.
    pub(crate) fn at(&self, offset: usize) -> Place {
        Place::line(self.file, Some(line_of(self.text, offset)))
    }

    /// The line of a byte, and the account whose table it stands in.
    pub(crate) fn within(&self, offset: usize) -> Place {
        let account = self
            .accounts()
            .iter()
            .rev()
            .find(|account| account.span().start <= offset);
        let name = account.and_then(|account| name_of(account));
        match name {
            Some(name) => self.at(offset).of_account(name),
            None => self.at(offset),
        }
    }

    /// Where a value of an account stands.
    pub(crate) fn value(&self, text: &Text, account: &RawAccount) -> Place {
        self.named(text.span().start, account)
    }

    /// A place of an account.
    pub(crate) fn named(&self, offset: usize, account: &RawAccount) -> Place {
        match &account.name {
            Some(name) => self.at(offset).of_account(name.get_ref()),
            None => self.at(offset),
        }
    }

    /// The file that a path or `credential:NAME` means, where it means one.
    pub(crate) fn secret_path(&self, text: &Text) -> Option<PathBuf> {
        locate(text.get_ref(), &self.places()).ok()
    }

    /// Where secrets are looked for.
    pub(crate) fn places(&self) -> Places<'_> {
        Places {
            folder: self.folder(),
            credentials: self.credentials.as_deref(),
        }
    }
}

/// The name of an account.
pub(crate) fn name_of(account: &Spanned<RawAccount>) -> Option<&str> {
    let name = account.get_ref().name.as_ref()?;
    Some(name.get_ref())
}
