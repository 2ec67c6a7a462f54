//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use offhook_engine::vocabulary::IceServer;

use crate::doctor::code::Code;
use crate::doctor::live::ice::server::{stun, turn};

/// A telephone without a screen: keeps accounts registered and carries calls, asked over a local control socket.
#[derive(Debug, Parser)]
#[command(
    name = "offhookd",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Option<PathBuf>,
    /// Only look whether the configuration and all that it names can be used; 0: yes, 2: no.
    #[arg(long)]
    pub(crate) check: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What can be done in place of running.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look for what is wrong, or will be, with a configuration and, with --live, the way to its servers
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Doctor),
}

const DOCTOR_HELP: &str = "\
Exit codes: 0 nothing found (and nothing printed), 1 at least one error, 4 warnings only, 2 wrong usage or a configuration
that cannot be read.

What --live does: when the daemon of this configuration runs, it is asked over its control socket, and nobody logs in a
second time; the calls are placed by that daemon, so its other clients see them come and go. When no daemon runs, doctor logs
in itself for as long as it looks: a server that keeps only the newest login of a credential then turns away whoever else uses
it, so a conflict is found only by asking a running daemon. Each account calls itself and refuses that call; it is not answered.";

/// Parameters of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Also connect, log in and place calls
    #[arg(long)]
    pub(crate) live: bool,
    /// Print one JSON object in place of text, also when nothing was found
    #[arg(long)]
    pub(crate) json: bool,
    /// With --live: also call this number with each account, and see whether sound flows once it answers
    #[arg(long, value_name = "NUMBER", requires = "live")]
    pub(crate) number: Option<String>,
    /// With --live: the number under which an account is called, where that is not its login; may be given several times
    #[arg(long, value_name = "ACCOUNT=NUMBER", requires = "live", value_parser = own_number)]
    pub(crate) own_number: Vec<(String, String)>,
    /// With --live: a STUN server to ask beside those of the accounts; two or more also tell the kind of NAT
    #[arg(long, value_name = "HOST:PORT", requires = "live", value_parser = stun)]
    pub(crate) stun: Vec<IceServer>,
    /// With --live: a TURN server to ask beside those of the accounts, as turn:HOST:PORT?transport=udp, the same with tcp, or turns:HOST:PORT
    #[arg(long, value_name = "URL", requires = "live", value_parser = turn)]
    pub(crate) turn: Vec<IceServer>,
    /// User and password of these TURN servers, as user:password in a file that only its owner may read; without it, being asked
    /// for them counts as reached
    #[arg(long, value_name = "FILE", requires = "turn")]
    pub(crate) turn_credentials_file: Option<PathBuf>,
    /// Leave out findings of this code; may be given several times
    #[arg(long, value_name = "CODE", value_parser = Code::parse)]
    pub(crate) allow: Vec<Code>,
    /// The users file of offhook-credentials that accounts of the configuration come from
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
}

fn own_number(text: &str) -> Result<(String, String), &'static str> {
    let wanted = "wanted: an account and its number, such as desk=1000";
    let (account, number) = text.split_once('=').ok_or(wanted)?;
    if account.is_empty() || number.is_empty() {
        return Err(wanted);
    }
    Ok((account.to_owned(), number.to_owned()))
}
