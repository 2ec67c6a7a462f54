//! One thing that is wrong: what, where, and what to do about it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::literal_secret::hide;
use crate::doctor::code::Code;

/// Where something is wrong: as much of it as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Place {
    /// A file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    /// Its line; 1 is the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// An account of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// A server, as `host:port` or URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
}

impl Place {
    /// A file, and a line of it if one is to blame.
    pub(crate) fn line(file: &Path, line: Option<usize>) -> Self {
        Self {
            file: Some(file.to_owned()),
            line,
            ..Self::default()
        }
    }

    /// An account, wherever it is configured.
    pub(crate) fn account(name: &str) -> Self {
        Self::default().of_account(name)
    }

    /// The same place, of an account.
    #[must_use]
    pub(crate) fn of_account(mut self, name: &str) -> Self {
        self.account = Some(hide(name));
        self
    }

    /// The same place, at a server.
    #[must_use]
    pub(crate) fn at_server(mut self, server: &str) -> Self {
        // A query may hold a key.
        let shown = server.split(['?', '#']).next().unwrap_or_default();
        self.server = Some(hide(shown));
        self
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Which kind.
    pub(crate) code: Code,
    /// Where.
    pub(crate) place: Place,
    /// What, one sentence.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Finding {
    /// A finding; anything in its words that looks like a token or a key is taken out.
    pub(crate) fn new(code: Code, place: Place, what: &str, remedy: &str) -> Self {
        let place = Place {
            file: place
                .file
                .map(|file| PathBuf::from(hide(&file.to_string_lossy()))),
            ..place
        };
        Self {
            code,
            place,
            what: hide(what),
            remedy: hide(remedy),
        }
    }
}
