//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Simulates many users of a server, each with a credential of its own, and reports how the far end held up.
#[derive(Debug, Parser)]
#[command(name = "offhook-load", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Also write what the engine logs to standard error; of its libraries only warnings.
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log users in, let each call, and report.
    ///
    /// Exit code: 0 when every user logged in and every call was answered, heard to its end and ended by us; 1 when a call failed, a user
    /// could not log in (or not again in time), no call was placed, or the report could not be written; 2 when nothing could be run. Calls
    /// that a Ctrl-C ended before they could be judged are no failures, nor are users that it kept from logging in.
    Run(Run),
}

/// What the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectName {
    Telnyx,
    Freeswitch,
    Sip,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    /// ws:// or wss:// URL of the server.
    #[arg(long, value_name = "URL")]
    pub(crate) server: String,
    /// What it speaks.
    #[arg(long)]
    pub(crate) dialect: DialectName,
    /// Who logs in: a TOML file with one block `user` each, readable by its owner alone.
    ///
    /// Keys of a user: name; login and password_file, or token_file, or token_url (also at the head of the file, for all) with
    /// token_secret_file; with SIP a token has login beside itself, whose calls come here. What `offhook-credentials users create` writes
    /// is taken as it is.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: PathBuf,
    /// How many users call, each in a call of its own at the same time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) calls: u32,
    /// Calls that begin in a second, over all users.
    #[arg(long, value_name = "R", default_value_t = 10.0)]
    pub(crate) rate: f64,
    /// Seconds from the answer until we hang up, 1 at least: what comes of a call is judged by what was heard.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) hold: f64,
    /// Seconds that a call may wait for its answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(crate) ring: f64,
    /// Seconds that a user may take to be ready, at first and whenever it is no longer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(crate) login: f64,
    /// The number that all call.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) to: String,
    /// Let users call again and again until so many seconds have passed since the first of them was ready.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) duration: Option<f64>,
    /// Also write everything to this file, as JSON, at the end: a report that is there stays until then.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// A server or token endpoint that is neither on this machine nor in a private network is asked only when it is named here.
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    /// CA certificates beside those of the system.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// A token endpoint for all users without token_url, token_file and password_file, in place of the one at the head of their file.
    #[arg(long, value_name = "URL")]
    pub(crate) token_url: Option<String>,
    /// An authorization server whose tokens the users have, as the SIP server names it (RFC 8898): to others none is shown.
    #[arg(long, value_name = "URL")]
    pub(crate) trusted_authz: Vec<String>,
    /// Threads that carry media; one for each core that the program may use, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) threads: Option<u16>,
}
