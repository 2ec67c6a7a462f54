//! The command line: what can be asked, and its help.

use clap::{Args, Parser, Subcommand, ValueEnum};
use offhook_control::{
    request::{Header, Level, PickUp},
    socket_path::default_socket_path,
};
use serde_json::Value;
use std::{convert::Infallible, env, ffi::OsString, path::PathBuf, time::Duration};

/// Places and watches calls through the running offhookd.
#[derive(Debug, Parser)]
#[command(
    name = "offhook",
    version,
    after_help = "Exit codes: 0 done, 1 refused or the call failed, 2 wrong usage, 3 no daemon answers.\n\
                  With --json, results are one JSON value a line on standard output, and an error is one JSON object on\n\
                  standard error."
)]
pub(crate) struct Arguments {
    /// Control socket of the daemon; else $OFFHOOK_SOCKET, $XDG_RUNTIME_DIR/offhook/control.sock if it exists, or
    /// /run/offhook/control.sock
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON for scripts instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long the daemon may take to answer a request
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = read_seconds)]
    pub(crate) reply_limit: Duration,
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn read_seconds(text: &str) -> Result<Duration, &'static str> {
    let wanted = "wanted: seconds above 0, such as 10 or 0.5";
    let seconds: f64 = text.parse().map_err(|_| wanted)?;
    let limit = Duration::try_from_secs_f64(seconds).map_err(|_| wanted)?;
    if limit.is_zero() {
        Err(wanted)
    } else {
        Ok(limit)
    }
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the daemon, its accounts and its calls
    Status,
    /// Place a call
    Call(Box<Call>),
    /// List the calls
    Calls,
    /// Follow what happens until interrupted; with --json the first line is the state at the beginning
    #[command(visible_alias = "subscribe")]
    Events,
    /// Look for what is wrong with a configuration and, with --live, the way to its servers; runs `offhookd doctor`
    #[command(
        after_help = "Further arguments are those of `offhookd doctor --help`, which also names the exit codes."
    )]
    Doctor {
        /// Such as --config FILE --live
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGUMENTS"
        )]
        arguments: Vec<OsString>,
    },
    #[command(flatten)]
    Order(Order),
    /// Run a JSON command of a FreeSWITCH server
    Jsapi {
        /// Such as status
        command: String,
        /// Its parameters, JSON
        #[arg(value_parser = read_json, default_value = "{}")]
        data: Value,
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// Have a FreeSWITCH server give an object back: does it take requests of this account?
    Echo {
        /// The object, JSON
        #[arg(value_parser = read_json, default_value = "{}")]
        data: Value,
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// After a push message, have a Telnyx gateway offer the calls that wait; they ring then
    AttachCalls {
        /// Only this call, by the name that the push message had
        call: Option<String>,
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// Have a Telnyx gateway send no more push messages to the device that the account names
    DisablePushNotification {
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// Run a text command of a FreeSWITCH server
    Fsapi {
        /// Such as status
        command: String,
        /// What stands behind it
        arguments: Vec<String>,
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
}

/// What the daemon takes on and confirms at once, and whose outcome comes as events.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Answer a ringing call
    Answer(Answer),
    /// Refuse a ringing call
    Reject {
        /// The call; may be left out when just one rings
        call: Option<String>,
        #[command(flatten)]
        end: End,
    },
    /// End a call, or refuse a ringing one
    Hangup {
        /// The call; may be left out when there is only one
        call: Option<String>,
        #[command(flatten)]
        end: End,
    },
    /// Put a call on hold
    Hold {
        /// The call; may be left out when just one fits
        call: Option<String>,
    },
    /// Take a call back from hold
    Resume {
        /// The call; may be left out when just one is held
        call: Option<String>,
    },
    /// Look for a new path for a call's media (ICE restart)
    RestartIce {
        /// The call; may be left out when just one fits
        call: Option<String>,
    },
    /// Talk in this call, and put the account's others on hold; what goes along goes with the answer
    Switch(Answer),
    /// Send the far end to somebody else
    #[command(group = clap::ArgGroup::new("target").required(true).args(["to", "with"]))]
    Transfer {
        /// The call; may be left out when there is only one
        call: Option<String>,
        /// Blind: the number or user it is sent to
        #[arg(long, value_name = "NUMBER")]
        to: Option<String>,
        /// Attended: the other call of ours whose far end it is joined with
        #[arg(long, value_name = "CALL")]
        with: Option<String>,
    },
    /// Call whom the far end wants us to call, as an event `referred` says (SIP)
    Follow {
        /// The call of that event
        call: String,
    },
    /// Do not call whom the far end wants us to call
    RefuseTransfer {
        /// The call of the event `referred`
        call: String,
        /// SIP status for the far end, 400 to 699; 603 when left out
        #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..700))]
        sip_code: Option<u16>,
    },
    /// Show others whether calls are welcome (SIP)
    Publish {
        /// open or closed
        #[arg(value_enum)]
        state: Presence,
        /// Words for people
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// Send a text: to an assistant, into a call, or to a user
    Message(Message),
    /// Answer a tool call of an assistant
    ToolAnswer {
        /// The tool call, as its event names it
        tool_call: String,
        /// What the tool says; - reads it from standard input
        output: String,
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// Ask an assistant for the events of its audio
    AssistantAudio {
        /// The call; may be left out when there is only one
        call: Option<String>,
    },
    /// Log in with the token on standard input from now on; calls go on
    Token {
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// Try to connect and log in now, in place of the next time
    Retry {
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// Watch event channels of a FreeSWITCH server, or with SIP presence:WHO, dialog:WHO, message-summary
    Watch(Channels),
    /// No longer watch event channels
    Unwatch(Channels),
    /// Send JSON into an event channel of a FreeSWITCH server
    Broadcast {
        /// The channel
        channel: String,
        /// The data, JSON
        #[arg(value_parser = read_json)]
        data: Value,
        /// The account; may be left out when there is only one
        #[arg(long)]
        account: Option<String>,
    },
    /// Give a moderator's command in a conference
    Moderate {
        /// kick, mute, unmute, tmute (either way), deaf, undeaf, volume_in, volume_out, play, stop, recording or transfer
        command: String,
        /// The member's number
        member: Option<String>,
        /// What the command takes besides, JSON or a plain word
        #[arg(long, value_parser = read_value)]
        value: Option<Value>,
        /// Our call into the conference; may be left out when there is only one
        #[arg(long)]
        call: Option<String>,
    },
    /// Write to everybody in a conference
    ConferenceChat {
        /// The text
        text: String,
        /// Our call into the conference; may be left out when there is only one
        #[arg(long)]
        call: Option<String>,
    },
    /// Say something on a call's channel: text as it is typed or a command (FreeSWITCH), or an INFO of a package (SIP)
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Info {
        /// A piece of a text
        #[arg(long, group = "what")]
        text: Option<String>,
        /// A command, as JSON
        #[arg(long, value_name = "JSON", value_parser = read_json, group = "what")]
        data: Option<Value>,
        /// Name of an INFO package (RFC 6086)
        #[arg(long, value_name = "NAME", group = "what")]
        package: Option<String>,
        /// Kind of the package's body; text/plain when left out
        #[arg(long, value_name = "TYPE", requires = "package")]
        content_type: Option<String>,
        /// The package's body
        #[arg(long, value_name = "TEXT", requires = "package")]
        body: Option<String>,
        /// The call; may be left out when only one is answered
        #[arg(long)]
        call: Option<String>,
    },
    /// Send DTMF digits
    Dtmf {
        /// The call
        call: String,
        /// 0-9 * # A-D; w waits 0.5 s, W 1 s; with FreeSWITCH also F (flash) and lengths in ms, 12@250+3
        digits: String,
    },
    /// Send silence instead of sound, or sound again
    Mute {
        /// The call
        call: String,
        /// On: silence is sent
        #[arg(value_enum)]
        state: Switch,
    },
    /// Play and record silence instead of the far end, or the far end again
    Deaf {
        /// The call
        call: String,
        /// On: nothing is heard
        #[arg(value_enum)]
        state: Switch,
    },
    /// Change how much the running daemon logs
    LogLevel {
        /// The new level
        #[arg(value_enum)]
        level: LevelName,
    },
}

/// Parameters of `call`.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// Number or user to call; may be left out with an anonymous account, whose calls all go to its assistant
    pub(crate) number: Option<String>,
    /// Account to call with; may be left out when there is only one
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Return when the call is answered (0) or has failed (1); interrupting this leaves the call alone
    #[arg(long)]
    pub(crate) wait: bool,
    /// Name to show to the callee
    #[arg(long, value_name = "NAME")]
    pub(crate) caller_name: Option<String>,
    /// Number to show to the callee
    #[arg(long, value_name = "NUMBER")]
    pub(crate) caller_number: Option<String>,
    /// Header field to send along, as NAME:VALUE
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = read_header)]
    pub(crate) headers: Vec<Header>,
    /// Text that the server's events about the call carry
    #[arg(long, value_name = "TEXT")]
    pub(crate) client_state: Option<String>,
    /// Name of the call, a UUID that no living call has
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<String>,
    /// Variable of the call, as NAME=VALUE; true, false and numbers are sent as such, \"in quotes\" as text
    #[arg(long = "user-variable", value_name = "NAME=VALUE", value_parser = read_variable)]
    pub(crate) user_variables: Vec<(String, Value)>,
    /// Codec of this call, such as opus; several are given best first
    #[arg(long = "codec", value_name = "NAME")]
    pub(crate) codecs: Vec<String>,
    /// Send silence from the beginning; --muted=false: do not, though the account says so
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) muted: Option<bool>,
    /// Leave the offer of media to the far end (SIP)
    #[arg(long)]
    pub(crate) late_offer: bool,
    /// Pick up a call elsewhere (SIP): its dialog, as CALL-ID;to-tag=TAG;from-tag=TAG[;early-only], or `pick_up` of a `dialog:` channel
    /// as it came, which says whom to call as well
    #[arg(long, value_name = "DIALOG", value_parser = read_dialog)]
    pub(crate) pick_up: Option<PickUp>,
    /// Use relayed candidates only
    #[arg(long)]
    pub(crate) relay_only: bool,
    #[command(flatten)]
    pub(crate) ice: IceServers,
}

/// How one call finds its way, in place of how its account does.
#[derive(Debug, Args)]
pub(crate) struct IceServers {
    /// STUN server of this call, such as stun:stun.example.com, in place of the account's servers; may be given several times
    #[arg(long, value_name = "URL", conflicts_with = "ice_servers")]
    pub(crate) ice_server: Vec<String>,
    /// File with the STUN and TURN servers of this call: a JSON list of URLs and {"url", "username", "password"}; - reads it from
    /// standard input; [] asks none
    #[arg(long, value_name = "FILE")]
    pub(crate) ice_servers: Option<PathBuf>,
    /// Tell candidates as they are found (Telnyx); --trickle=false: do not, though the account says so
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) trickle: Option<bool>,
}

/// Parameters of `answer` and `switch`.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The call; may be left out when just one fits
    pub(crate) call: Option<String>,
    /// Header field to send along, as NAME:VALUE
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = read_header)]
    pub(crate) headers: Vec<Header>,
    /// Text that the server's events about the call carry
    #[arg(long, value_name = "TEXT")]
    pub(crate) client_state: Option<String>,
    /// Send silence from the beginning; --muted=false: do not, though the account says so
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) muted: Option<bool>,
    #[command(flatten)]
    pub(crate) ice: IceServers,
}

/// How a call is ended or refused.
#[derive(Debug, Args)]
pub(crate) struct End {
    /// Why: a name such as USER_BUSY, or its Q.850 number
    #[arg(long)]
    pub(crate) cause: Option<String>,
    /// SIP status for the far end, 400 to 699
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..700))]
    pub(crate) sip_code: Option<u16>,
    /// Header field to send along, as NAME:VALUE
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = read_header)]
    pub(crate) headers: Vec<Header>,
}

/// Parameters of `message`.
#[derive(Debug, Args)]
pub(crate) struct Message {
    /// The text
    pub(crate) text: String,
    /// The user it goes to; left out, the assistant of an anonymous account
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// The call that it belongs to
    #[arg(long)]
    pub(crate) call: Option<String>,
    /// The account; may be left out when there is only one
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Image for an assistant, by URL
    #[arg(long = "image", value_name = "URL", conflicts_with = "to")]
    pub(crate) images: Vec<String>,
}

/// Parameters of `watch` and `unwatch`.
#[derive(Debug, Args)]
pub(crate) struct Channels {
    /// Such as presence.1001@pbx.example
    #[arg(required = true)]
    pub(crate) channels: Vec<String>,
    /// The account; may be left out when there is only one
    #[arg(long)]
    pub(crate) account: Option<String>,
}

fn read_header(text: &str) -> Result<Header, &'static str> {
    let (name, value) = text
        .split_once(':')
        .ok_or("wanted: a name and a value with a colon between, such as X-Site:north")?;
    Ok(Header {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
    })
}

/// A dialog as a `Replaces` header names it (RFC 3891).
fn read_dialog(text: &str) -> Result<PickUp, &'static str> {
    if text.starts_with('{') {
        let wanted = "wanted: the object `pick_up` as a `dialog:` channel told it";
        return serde_json::from_str(text).map_err(|_| wanted);
    }
    let mut parts = text.split(';').map(str::trim);
    let mut dialog = PickUp {
        call_id: parts.next().unwrap_or_default().to_owned(),
        ..PickUp::default()
    };
    for part in parts {
        match part.split_once('=') {
            Some(("to-tag", tag)) => dialog.to_tag = tag.to_owned(),
            Some(("from-tag", tag)) => dialog.from_tag = tag.to_owned(),
            None if part == "early-only" => dialog.early_only = true,
            _ => return Err("wanted: CALL-ID;to-tag=TAG;from-tag=TAG[;early-only]"),
        }
    }
    if dialog.call_id.is_empty() || dialog.to_tag.is_empty() || dialog.from_tag.is_empty() {
        return Err("wanted: CALL-ID;to-tag=TAG;from-tag=TAG[;early-only]");
    }
    Ok(dialog)
}

fn read_variable(text: &str) -> Result<(String, Value), &'static str> {
    let (name, value) = text
        .split_once('=')
        .ok_or("wanted: a name and a value with = between, such as room=7")?;
    let single = |value: &Value| !matches!(value, Value::Null | Value::Array(_) | Value::Object(_));
    let value = serde_json::from_str(value).ok().filter(single);
    let text = text.get(name.len() + 1..).unwrap_or_default();
    Ok((
        name.trim().to_owned(),
        value.unwrap_or_else(|| Value::String(text.to_owned())),
    ))
}

fn read_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}

/// JSON, or the word itself.
fn read_value(text: &str) -> Result<Value, Infallible> {
    Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

/// Whether calls are welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Presence {
    Open,
    Closed,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// Names of the log levels.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LevelName {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Error => Self::Error,
            LevelName::Warn => Self::Warn,
            LevelName::Info => Self::Info,
            LevelName::Debug => Self::Debug,
            LevelName::Trace => Self::Trace,
        }
    }
}

impl Arguments {
    /// Where the daemon's socket is.
    pub(crate) fn socket_path(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| {
            default_socket_path(
                env::var_os("OFFHOOK_SOCKET").as_deref(),
                env::var_os("XDG_RUNTIME_DIR").as_deref(),
                |path| path.exists(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use offhook_control::request::METHODS;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_request_has_a_command_of_its_name() {
        let program = Arguments::command();
        for method in METHODS {
            let name = method.replace('_', "-");
            assert!(
                program.find_subcommand(&name).is_some(),
                "no command {name}"
            );
        }
    }
}
