//! How the assistant behaves where the real one's behaviour is not documented.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::switch::media::Sound;

/// As the command line says it.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct AssistantSettings {
    /// What a login without credentials may not do in its calls, separated by commas; `nothing` denies nothing.
    #[arg(long = "assistant-denies", value_name = "WHAT", value_enum, value_delimiter = ',', default_values = ["hold", "transfer"])]
    pub(crate) denies: Vec<Denied>,
    /// What is heard in a call to the assistant.
    #[arg(long = "assistant-sound", value_enum, default_value_t = Voice::Speech)]
    pub(crate) voice: Voice,
    /// When a conversation that cannot be resumed is refused: `login`, or in the `call`.
    #[arg(long = "assistant-refuses-at", value_enum, default_value_t = RefusesAt::Login)]
    pub(crate) refuses_at: RefusesAt,
}

/// One thing that a caller without credentials may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Denied {
    /// Everything is allowed.
    Nothing,
    /// To hold the call, or take it back.
    Hold,
    /// To transfer it.
    Transfer,
    /// To send digits by signalling.
    Dtmf,
    /// To ask for new media (`updateMedia`).
    Media,
}

/// What the assistant sounds like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Voice {
    /// The announcement, again and again.
    Speech,
    /// What the caller says.
    Echo,
}

/// When a conversation that cannot be resumed is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RefusesAt {
    /// The login is refused.
    Login,
    /// The login is good; each call gets an error event and ends.
    Call,
}

impl Default for AssistantSettings {
    fn default() -> Self {
        Self {
            denies: vec![Denied::Hold, Denied::Transfer],
            voice: Voice::Speech,
            refuses_at: RefusesAt::Login,
        }
    }
}

impl AssistantSettings {
    /// Whether a caller without credentials may do this to a call (an action of `modify`).
    pub(crate) fn allows(&self, action: &str) -> bool {
        let denied = match action {
            "hold" | "unhold" | "toggleHold" => Denied::Hold,
            "transfer" | "replace" => Denied::Transfer,
            "updateMedia" => Denied::Media,
            _ => return true,
        };
        !self.denies.contains(&denied)
    }

    /// Whether it may send digits.
    pub(crate) fn allows_dtmf(&self) -> bool {
        !self.denies.contains(&Denied::Dtmf)
    }
}

impl Voice {
    pub(crate) fn sound(self) -> Sound {
        match self {
            Self::Speech => Sound::Speech,
            Self::Echo => Sound::Echo {
                delay: Duration::ZERO,
            },
        }
    }
}
