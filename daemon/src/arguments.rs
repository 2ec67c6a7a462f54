//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// A telephone without a screen: keeps accounts registered and carries calls, asked over a local control socket.
#[derive(Debug, Parser)]
#[command(name = "offhookd", version)]
pub(crate) struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only look whether the configuration and all that it names can be used; 0: yes, 2: no.
    #[arg(long)]
    pub(crate) check: bool,
}
