//! The command line: raw arguments, and the checked settings made of them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::assistant::settings::AssistantSettings;
use crate::fault::file::FaultFile;
use crate::fault::gateway::Wishes;
use crate::fault::plan::{Fault, FaultPlan};
use crate::limits::Limits;
use crate::rest::settings::{Choice, Choices, Rate, RestSettings};
use crate::sip::settings::{SipOptions, SipSettings};
use crate::users::PASSWORD;
use crate::verto::second_login::SecondLogin;

/// The part of the help about faults.
const FAULTS: &str = "\
Faults of the gateway, NAME=VALUE[:TIMES][@USER]: without TIMES always, without USER for everybody. They begin with the
login of a socket and count from there.
  drop-after=SECONDS       cut the TCP connection
  drop-after-messages=N    cut it behind the N-th message of the gateway (1: the reply to the login)
  cut-frame=N              cut it in the middle of the N-th message
  silent-after=SECONDS     read everything, write nothing
  deaf-after=SECONDS       read nothing
  punt-after=SECONDS       take the session away
  stall=MS                 wait before each message
  refuse-login=CODE        refuse a good login
  attach-late=MS|never     offer the calls of a client that comes back late, or never
  forget-calls=all|one     forget calls before their client comes back
  attach-silent=update|socket
                           send nothing to a client that came back until it offers new media, or comes back again
  update-media=refuse|bare refuse new media of a client, or answer it without SDP
  list-calls=none          name no calls when their client comes back, though they are offered, or logs in again
  unanswered=keep          keep calls that nobody has answered when their client loses its socket
  trickle=own|await        tell the gateway's candidates one by one, and go by these alone; or take up a call that
                           trickles when its client has told the last of them (Telnyx)
  report-500=N             answer so many call reports with an error
  gateway-state=STATE      answer questions for the gateway's state (Telnyx)
Of these, drop-after, drop-after-messages, cut-frame, silent-after, deaf-after, punt-after, stall, refuse-login (with a SIP
status) and forget-calls are SIP's too. For SIP alone:
  forget-flow-after=SECONDS
                           forget the registrations over a connection
  unavailable=SECONDS      answer 503 to requests outside calls, with Retry-After unless it is 0
  short-registrations=SECONDS
                           grant registrations for no longer
  min-expires=SECONDS      refuse shorter registrations with 423
  one-time-nonces=on|next  each nonce of a digest challenge is good for one request; next: answers tell the one after it
  challenge=md5|sha-256|bearer
                           ask for this alone
  end-subscriptions=REASON end subscriptions right after their beginning
Faults of the REST API:
  rest-slow=MS             each answer comes so much later
  rest-429=N, rest-500=N   every N-th request fails
  rest-422=N               every N-th POST is refused
  rest-lost=N              every N-th POST is carried out and not answered
While it runs, a line on standard input makes something go wrong:
  {\"fault\":\"drop\",\"user\":\"demo-1\"}             at once: drop, silent, deaf, punt, cut-frame, attach (new media for the
                                            calls), lose-row or forget-flow; without user for all
  {\"fault\":\"refuse-login=-32001:2\"}           one more fault; {\"fault\":\"none\"} ends all of them, or a user's
  {\"state\":\"UNREGED\",\"user\":\"demo-1\"}         the gateway tells this state unasked
  {\"announce\":\"words\",\"user\":\"demo-1\"}        the server announces this (FreeSWITCH); without user to all";

/// A gateway for Verto and SIP over WebSocket, for people without an account, and for tests.
///
/// Prints one JSON line on standard output when ready. Users demo-1 to demo-9, password "sandbox", for Verto and for SIP. A line
/// {"call":"demo-1"} on standard input makes the sandbox call that user.
///
/// An anonymous login reaches a stand-in for an AI assistant, whatever it dials. It speaks, and says each text back; the
/// text "tool NAME JSON" makes it call that tool of the client, "remember" tells what was said before, "conversation" the
/// name by which the conversation is resumed.
#[derive(Debug, Parser)]
#[command(name = "offhook-sandbox", disable_version_flag = true, after_help = FAULTS)]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Also listen with TLS, under a certificate authority made for this run.
    #[arg(long)]
    tls: bool,
    /// Port of the TLS listener; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "tls")]
    tls_port: u16,
    /// PEM file of a certificate to show in place of one made for this run.
    #[arg(long, value_name = "FILE", requires_all = ["tls", "tls_key"])]
    tls_certificate: Option<PathBuf>,
    /// PEM file of its key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Which server to resemble; `auto` goes by the first message of each connection.
    #[arg(long, value_enum, default_value_t = DialectChoice::Auto)]
    dialect: DialectChoice,
    /// Mute the way back: echo and sounds send silence instead.
    #[arg(long)]
    mute_return: bool,
    /// How much to say on standard error.
    #[arg(long, value_enum, default_value_t = LogLevel::Info)]
    log: LogLevel,
    /// Largest message of a client, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().message_bytes)]
    max_message: usize,
    /// Most sockets at the same time.
    #[arg(long, value_name = "N", default_value_t = Limits::default().sockets)]
    max_sessions: usize,
    /// Most calls of one session at the same time.
    #[arg(long, value_name = "N", default_value_t = Limits::default().calls_per_session)]
    max_calls: usize,
    /// Failed logins on one socket before it is closed.
    #[arg(long, value_name = "N", default_value_t = Limits::default().login_tries)]
    max_logins: u32,
    /// Seconds from the open socket to a good login.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().login_within.as_secs())]
    login_within: u64,
    /// Seconds for which an answered call outlives its socket; without it 90 with Telnyx, 120 with FreeSWITCH.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    detach_timeout: Option<Duration>,
    /// UDP ports for media, as FIRST-LAST; without it the system chooses.
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    media_ports: Option<RangeInclusive<u16>>,
    /// Port of the SIP listener (RFC 7118, sub-protocol `sip`); 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    sip_port: u16,
    /// Port of the SIP listener with TLS; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "tls")]
    sip_tls_port: u16,
    #[command(flatten)]
    sip: SipOptions,
    /// Port of the REST API; 0 takes a free one. It listens on loopback, with `--tls` also where the gateway does.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    rest_port: u16,
    /// Key of the REST API; the same with "-readonly" behind it may only read.
    #[arg(long, value_name = "KEY", default_value = "sandbox")]
    rest_key: String,
    /// File that holds the key of the REST API.
    #[arg(long, value_name = "FILE", value_parser = first_line, conflicts_with = "rest_key")]
    rest_key_file: Option<String>,
    /// File that holds the password of demo-1 to demo-9 in place of "sandbox".
    #[arg(long, value_name = "FILE", value_parser = first_line)]
    password_file: Option<String>,
    /// Requests of the REST API for each endpoint, as REQUESTS/SECONDS; without it none is refused.
    #[arg(long, value_name = "N/SECONDS")]
    rest_rate: Option<Rate>,
    /// What the REST API does where the real one is not documented, as NAME=VALUE; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    rest_choice: Vec<Choice>,
    /// Seconds for which credentials and tokens are too fresh to log in with.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    fresh_delay: Duration,
    /// Life of the REST API's tokens.
    #[arg(long, value_name = "SECONDS", default_value = "86400", value_parser = seconds)]
    token_life: Duration,
    /// Take no tokens but those of the REST API.
    #[arg(long)]
    signed_tokens_only: bool,
    /// What is to go wrong, as NAME=VALUE; may be given several times. The names stand below.
    #[arg(long, value_name = "NAME=VALUE")]
    fault: Vec<Fault>,
    /// A file of faults, one a line; `#` begins a comment.
    #[arg(long, value_name = "FILE")]
    fault_plan: Vec<FaultFile>,
    /// A method that the directory of the FreeSWITCH allows to nobody, such as verto.invite; may be given several times.
    #[arg(long, value_name = "METHOD")]
    deny: Vec<String>,
    /// What becomes of a user's older client when the same user logs in once more.
    #[arg(long, value_enum, default_value_t = SecondLogin::Usual)]
    second_login: SecondLogin,
    #[command(flatten)]
    assistant: AssistantSettings,
}

/// Which dialects are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectChoice {
    /// Recognised per connection.
    Auto,
    /// Telnyx for everybody.
    Telnyx,
    /// FreeSWITCH for everybody.
    Freeswitch,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// Nothing.
    Off,
    /// What stops the sandbox or a call.
    Error,
    /// What a peer did wrong.
    Warn,
    /// Logins and calls.
    Info,
    /// Messages by name.
    Debug,
    /// Everything; secrets never.
    Trace,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the plain listener goes.
    pub(crate) listen: SocketAddr,
    /// Where the TLS listener goes, if there is one.
    pub(crate) listen_tls: Option<SocketAddr>,
    /// Certificate and key for it, if they are not to be made.
    pub(crate) tls_files: Option<(PathBuf, PathBuf)>,
    /// Which dialects are spoken.
    pub(crate) dialect: DialectChoice,
    /// Echo and sounds send silence.
    pub(crate) mute_return: bool,
    /// How much is logged.
    pub(crate) log: LogLevel,
    /// What peers may take.
    pub(crate) limits: Limits,
    /// Port of the SIP listener.
    pub(crate) sip_port: u16,
    /// Port of the SIP listener with TLS.
    pub(crate) sip_tls_port: u16,
    /// How the SIP side behaves.
    pub(crate) sip: SipSettings,
    /// Port of the REST API.
    pub(crate) rest_port: u16,
    /// How the REST API behaves.
    pub(crate) rest: RestSettings,
    /// Password of demo-1 to demo-9.
    pub(crate) password: String,
    /// What goes wrong in the gateway.
    pub(crate) faults: Wishes,
    /// What a second login does to the first.
    pub(crate) second_login: SecondLogin,
    /// Methods that a FreeSWITCH allows to nobody.
    pub(crate) denied: Vec<String>,
    /// How the assistant behaves.
    pub(crate) assistant: AssistantSettings,
}

impl Args {
    /// Reads the process's arguments; prints help or the mistake and ends the process where there is one.
    pub(crate) fn settings() -> Settings {
        Self::parse().check()
    }

    fn check(self) -> Settings {
        let files = self.fault_plan.into_iter().flat_map(|file| file.0);
        let faults: FaultPlan = files.chain(self.fault).collect();
        // A choice that parsed can be applied.
        let choices = self
            .rest_choice
            .iter()
            .fold(Choices::default(), |kept, choice| {
                kept.with(choice).unwrap_or(kept)
            });
        Settings {
            assistant: self.assistant,
            listen: self.listen,
            listen_tls: self
                .tls
                .then(|| SocketAddr::new(self.listen.ip(), self.tls_port)),
            tls_files: self.tls_certificate.zip(self.tls_key),
            dialect: self.dialect,
            mute_return: self.mute_return,
            log: self.log,
            limits: Limits {
                message_bytes: self.max_message,
                sockets: self.max_sessions,
                calls_per_session: self.max_calls,
                login_tries: self.max_logins,
                login_within: Duration::from_secs(self.login_within),
                detached_for: self.detach_timeout,
                media_ports: self.media_ports,
            },
            sip_port: self.sip_port,
            sip_tls_port: self.sip_tls_port,
            sip: self.sip.into(),
            rest_port: self.rest_port,
            rest: RestSettings {
                key: self.rest_key_file.unwrap_or(self.rest_key),
                fresh_delay: self.fresh_delay,
                token_life: self.token_life,
                signed_tokens_only: self.signed_tokens_only,
                rate: self.rest_rate,
                choices,
                faults: faults.rest,
            },
            password: self.password_file.unwrap_or_else(|| PASSWORD.to_owned()),
            faults: faults.gateway,
            second_login: self.second_login,
            denied: self.deny,
        }
    }
}

impl LogLevel {
    /// The level as `tracing` names it; `None` is silence.
    pub(crate) fn filter(self) -> Option<tracing::Level> {
        match self {
            Self::Off => None,
            Self::Error => Some(tracing::Level::ERROR),
            Self::Warn => Some(tracing::Level::WARN),
            Self::Info => Some(tracing::Level::INFO),
            Self::Debug => Some(tracing::Level::DEBUG),
            Self::Trace => Some(tracing::Level::TRACE),
        }
    }
}

/// What the first line of a file holds.
fn first_line(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err("its first line is empty".to_owned()),
    }
}

/// Seconds, with a fraction if need be.
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("{text:?} is no number of seconds"))
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let form = || format!("{text:?} is no port range; write it as FIRST-LAST, such as 20000-20999");
    let (first, last) = text.split_once('-').ok_or_else(form)?;
    let first: u16 = first.trim().parse().map_err(|_| form())?;
    let last: u16 = last.trim().parse().map_err(|_| form())?;
    if first == 0 || first > last {
        return Err(form());
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, clap::Error> {
        Args::try_parse_from([&["offhook-sandbox"], arguments].concat()).map(Args::check)
    }

    #[test]
    fn defaults_listen_on_loopback_without_tls() {
        let settings = parse(&[]).unwrap();
        assert!(settings.listen.ip().is_loopback());
        assert_eq!(settings.listen_tls, None);
        assert_eq!(settings.limits, Limits::default());
        assert_eq!(settings.rest, RestSettings::default());
        assert_eq!(settings.assistant, AssistantSettings::default());
    }

    #[test]
    fn the_rest_api_is_shaped_by_options() {
        let settings = parse(&[
            "--fault",
            "rest-slow=20",
            "--fault",
            "rest-lost=3",
            "--rest-choice",
            "tag-limit=2",
            "--fresh-delay",
            "0.5",
        ])
        .unwrap();
        assert_eq!(settings.rest.faults.slow, Duration::from_millis(20));
        assert!(settings.rest.faults.lost.is_some());
        assert_eq!(settings.rest.choices.tag_limit, 2);
        assert_eq!(settings.rest.fresh_delay, Duration::from_millis(500));
        let error = parse(&["--fault", "nonsense=1"]).unwrap_err().to_string();
        assert!(error.contains("rest-slow"), "{error}");
    }

    #[test]
    fn key_and_password_come_from_files_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "from a file\n").unwrap();
        let file = path.to_str().unwrap();
        let settings = parse(&["--rest-key-file", file, "--password-file", file]).unwrap();
        assert_eq!(settings.rest.key, "from a file");
        assert_eq!(settings.password, "from a file");
        assert!(parse(&["--rest-key", "x", "--rest-key-file", file]).is_err());
        assert!(parse(&["--password-file", "/nowhere"]).is_err());
    }

    #[test]
    fn tls_listens_on_the_same_address() {
        let settings = parse(&["--listen", "[::1]:8081", "--tls"]).unwrap();
        assert_eq!(settings.listen_tls, Some("[::1]:0".parse().unwrap()));
    }

    #[test]
    fn a_wrong_port_range_names_the_form() {
        for wrong in ["9", "20-10", "0-5", "a-b", "1-70000"] {
            let error = parse(&["--media-ports", wrong]).unwrap_err().to_string();
            assert!(error.contains("FIRST-LAST"), "{error}");
        }
        let range = parse(&["--media-ports", "20000-20999"]).unwrap();
        assert_eq!(range.limits.media_ports, Some(20000..=20999));
    }
}
