//! Command line of the demo.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Places a call through the daemon, takes one, and proves that the speech came back both times.
#[derive(Debug, Parser)]
#[command(name = "demo")]
pub(crate) struct Args {
    /// Folder for recordings, logs and the report; made if missing.
    #[arg(long, default_value = "demo-out")]
    pub(crate) out: PathBuf,
    /// Dialect to speak to the sandbox.
    #[arg(long, value_enum, default_value = "telnyx")]
    pub(crate) dialect: Dialect,
    /// Let the sandbox return silence: the demo must then fail and say so.
    #[arg(long)]
    pub(crate) mute_return: bool,
    /// Put silence in instead of speech: the demo must then fail and say so.
    #[arg(long)]
    pub(crate) silence: bool,
    /// Plain lines even on a terminal.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Log level of the daemon, whose log is kept in the folder.
    #[arg(long, default_value = "info")]
    pub(crate) log: String,
}

/// Which way of speaking Verto.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Dialect {
    /// As Telnyx does.
    Telnyx,
    /// As FreeSWITCH's `mod_verto` does.
    Freeswitch,
}

impl Dialect {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Telnyx => "telnyx",
            Self::Freeswitch => "freeswitch",
        }
    }
}
