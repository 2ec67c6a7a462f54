//! Puts an engine together and starts it.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use offhook_media::program::Program;
use offhook_signaling::call_id::CallId;

use crate::config::{AccountConfig, AudioConfig, Limits, MediaConfig};
use crate::driver::engine::Engine;
use crate::driver::start::start;
use crate::error::BuildError;

/// Collects what an engine needs; [`build`](Self::build) starts it.
#[derive(Debug, Default)]
pub struct Builder {
    pub(crate) accounts: Vec<AccountConfig>,
    pub(crate) audio: AudioConfig,
    pub(crate) media: MediaConfig,
    pub(crate) limits: Limits,
    pub(crate) state_file: Option<PathBuf>,
    pub(crate) programs: Option<Programs>,
}

/// Makes what a call does with its audio, in place of the input and output of [`AudioConfig`]: it is asked as each call opens
/// its media, and must not wait.
#[derive(Clone)]
pub struct Programs(Arc<Make>);

type Make = dyn Fn(&CallId) -> Box<dyn Program> + Send + Sync;

impl Programs {
    /// Programs made by this function.
    pub fn new(make: impl Fn(&CallId) -> Box<dyn Program> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn make(&self, call: &CallId) -> Box<dyn Program> {
        (self.0)(call)
    }
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Programs")
    }
}

impl Builder {
    /// Adds an account. It connects as soon as the engine is built, and keeps trying for ever.
    #[must_use]
    pub fn account(mut self, account: AccountConfig) -> Self {
        self.accounts.push(account);
        self
    }

    /// Adds several accounts.
    #[must_use]
    pub fn accounts(mut self, accounts: impl IntoIterator<Item = AccountConfig>) -> Self {
        self.accounts.extend(accounts);
        self
    }

    /// A file of this engine alone, for what sessions want remembered: with it, calls survive the end of this process.
    /// Without it, nothing is kept.
    #[must_use]
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// What calls send and where what is heard goes; silence and nowhere by default.
    #[must_use]
    pub fn audio(mut self, audio: AudioConfig) -> Self {
        self.audio = audio;
        self
    }

    /// What calls do with their audio, where that is neither a file nor a device: encoded sounds, a mixer, a test.
    #[must_use]
    pub fn programs(mut self, programs: Programs) -> Self {
        self.programs = Some(programs);
        self
    }

    /// How media is set up.
    #[must_use]
    pub fn media(mut self, media: MediaConfig) -> Self {
        self.media = media;
        self
    }

    /// Limits of calls and queues.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts the engine within the present tokio runtime.
    ///
    /// # Errors
    /// When two accounts share a name, there is no runtime, or the system refuses threads or random numbers.
    pub fn build(self) -> Result<Engine, BuildError> {
        let mut names = HashSet::new();
        for account in &self.accounts {
            if !names.insert(account.name.as_str()) {
                return Err(BuildError::DuplicateAccount(Arc::from(
                    account.name.as_str(),
                )));
            }
        }
        let wanted = self.accounts.iter().find(|account| account.call_reports);
        if let Some(account) = wanted.filter(|_| !cfg!(feature = "call-reports")) {
            return Err(BuildError::NoCallReports(Arc::from(account.name.as_str())));
        }
        let uneven = |account: &&AccountConfig| !account.report_pace.is_sound();
        if let Some(account) = self.accounts.iter().find(uneven) {
            return Err(BuildError::ReportPace(Arc::from(account.name.as_str())));
        }
        start(self)
    }
}
