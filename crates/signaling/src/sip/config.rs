//! What a user agent needs to know for its whole life.

use std::time::{Duration, SystemTime};

use crate::auth::login::Login;
use crate::auth::refresh::TokenRefresh;
use crate::sip::message::uri::Uri;

/// Back-off of RFC 5626, 4.5: after n failures in a row a flow waits 50 to 100 % of `min(max, base x 2^n)`, so 30 to 60 s after the
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowBackoff {
    /// Default 30 s: what the RFC has when no flow is left. With another flow alive it is three times as long (90 s).
    pub base: Duration,
    /// Default 1,800 s.
    pub max: Duration,
}

impl Default for FlowBackoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(30),
            max: Duration::from_secs(1800),
        }
    }
}

/// What is done about reliable provisional answers (RFC 3262).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliable {
    /// `100rel` is neither offered nor used.
    Never,
    /// Offered; used as callee when the caller demands it.
    #[default]
    Supported,
    /// Demanded of callees. Some servers are unstable with it.
    Required,
}

/// How a digit is written into an INFO, where the media has no telephone-event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtmfInfo {
    /// `application/dtmf-relay`: with its duration.
    #[default]
    Relay,
    /// `application/dtmf`: the digit alone.
    Plain,
}

/// Push notification parameters of the registered Contact (RFC 8599, 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// `pn-provider`.
    pub provider: String,
    /// `pn-prid`; empty switches push off at the server.
    pub prid: String,
    /// `pn-param`.
    pub param: Option<String>,
}

/// Where the token of the login goes in the request that opens the WebSocket, for servers that ask for one there (RFC 7118,
/// appendix A.2). SIP's own challenges are answered all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketToken {
    /// `name=token` in the query of the URL.
    Query(String),
    /// A header of that name; in `Authorization` the word `Bearer` stands before it.
    Header(String),
}

/// Lengths of the limits that are not the protocol's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timers {
    /// The transport's limits per stage name the stage; this one is above their sum. Default 45 s.
    pub connect: Duration,
    /// Time between keep-alives. Default 25 s.
    pub ping: Duration,
    /// A keep-alive's answer; after half of it a second one goes out. Default 9 s: the flow is given up
    /// within the 10 s of RFC 5626, 4.4.1, and not just after them.
    pub pong: Duration,
    /// Our call is neither answered nor refused. Default 180 s.
    pub unanswered: Duration,
    /// An incoming call is neither taken nor rejected by our user. Default 180 s.
    pub untaken: Duration,
    /// Our user does not answer an offer of the far side. Default 10 s.
    pub offer_untaken: Duration,
    /// Our user neither carries out nor refuses a REFER. Default 30 s, below the 32 s that an answer may take.
    pub refer_untaken: Duration,
    /// A call without any connection ends. Default 30 min: its media may go on meanwhile, and ends it where it does not; a session that
    /// nobody can refresh ends earlier (RFC 4028).
    pub detached: Duration,
    /// Goodbyes during a shutdown. Default 2 s.
    pub stopping: Duration,
    /// The first pause after a refusal of our credentials; it doubles. `None`: never again without a command.
    /// Default 15 min.
    pub refused_retry: Option<Duration>,
    /// The longest of these pauses. Default 1 h.
    pub refused_max: Duration,
    /// The source of tokens gives no answer. Default 60 s.
    pub token_reply: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(45),
            ping: seconds(25),
            pong: seconds(9),
            unanswered: seconds(180),
            untaken: seconds(180),
            offer_untaken: seconds(10),
            refer_untaken: seconds(30),
            detached: seconds(30 * 60),
            stopping: seconds(2),
            refused_retry: Some(seconds(15 * 60)),
            refused_max: seconds(60 * 60),
            token_reply: seconds(60),
        }
    }
}

/// What a user agent needs to know for its whole life.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ws://` or `wss://` URLs of the edge proxies: one flow each, at most eight (RFC 5626, 4.2).
    pub servers: Vec<String>,
    /// Address of record, `sip:user@domain`.
    pub aor: Uri,
    /// Name shown to others.
    pub display_name: Option<String>,
    /// User name for digest access, where it is not that of the login.
    pub auth_user: Option<String>,
    /// Who we are. [`Login::Anonymous`]: no registration, calls from `anonymous.invalid`.
    pub login: Login,
    /// How long ago the login was made, as far as its keeper knows: the registrar may not know one of some seconds yet.
    pub login_age: Option<Duration>,
    /// Authorization servers whose tokens may be shown (RFC 8898, 2.1.1).
    pub trusted_authz: Vec<String>,
    /// When a token is asked for again; `None`: there is no source that could be asked.
    pub token_refresh: Option<TokenRefresh>,
    /// Where the token goes when a socket is opened; `None`: SIP alone carries it.
    pub socket_token: Option<SocketToken>,
    /// Wall time at the moment of [`crate::sip::session::Session::new`]: without it no token's end is known.
    pub wall_clock: Option<SystemTime>,
    /// Whether calls are to reach us.
    pub registers: bool,
    /// `urn:uuid:...`, the same for this device after every restart (RFC 5626, 4.1).
    pub instance: String,
    /// Pre-loaded Route values, in order.
    pub routes: Vec<Uri>,
    /// How long a registration is asked for. Default 600 s.
    pub expires: Duration,
    /// How long a subscription is asked for (RFC 6665, 4.1.2.1). Default 3,600 s.
    pub subscription_expires: Duration,
    /// How long our presence is published for (RFC 3903, 4). Default 3,600 s.
    pub publish_expires: Duration,
    /// How digits are written into INFO. Where a far side names the other way, that one is used.
    pub dtmf_info: DtmfInfo,
    /// Candidates may follow their description, both ways (RFC 8840). Few servers let them through. Default: off.
    pub trickle: bool,
    /// INFO packages that are taken and told as [`Event::Info`](crate::event::Event::Info) (RFC 6086). Default: none.
    pub info_packages: Vec<String>,
    /// Longest text outside of a call, in bytes. Default 1,300 (RFC 3428, 8).
    pub longest_message: usize,
    /// Pauses between attempts.
    pub backoff: FlowBackoff,
    /// What is done about reliable provisional answers.
    pub reliable: Reliable,
    /// The interval of a session that is asked for (RFC 4028). Default 1,800 s; `None`: not asked for.
    pub session_expires: Option<Duration>,
    /// P-Asserted-Identity of this server is believed (RFC 3325, 8).
    pub trusts_identity: bool,
    /// The network says whether it lets early media through, and is asked to (RFC 5009). Default `false`: any early description
    /// counts.
    pub early_media: bool,
    /// A REFER that names no call of ours is shown to the user (RFC 3515); else it is refused. Default `false`: whoever can
    /// reach us could make us call.
    pub refer_out_of_dialog: bool,
    /// Keep-alives by CRLF also where the server did not agree to them.
    pub crlf_keep_alive: bool,
    /// Push parameters.
    pub push: Option<Push>,
    /// Further feature tags of the Contact, such as `+sip.pnsreg` (RFC 3840, 9).
    pub feature_tags: Vec<(String, Option<String>)>,
    /// `User-Agent`.
    pub user_agent: String,
    /// Time limits.
    pub timers: Timers,
}

/// Most flows of one user agent.
pub const MAX_FLOWS: usize = 8;

impl Config {
    /// The usual values for everything but who and where.
    pub fn new(server: impl Into<String>, aor: Uri, login: Login, instance: String) -> Self {
        let registers = !matches!(login, Login::Anonymous { .. });
        Self {
            servers: vec![server.into()],
            aor,
            display_name: None,
            auth_user: None,
            login,
            login_age: None,
            trusted_authz: Vec::new(),
            token_refresh: None,
            socket_token: None,
            wall_clock: None,
            registers,
            instance,
            routes: Vec::new(),
            expires: Duration::from_secs(600),
            subscription_expires: Duration::from_secs(3600),
            publish_expires: Duration::from_secs(3600),
            dtmf_info: DtmfInfo::default(),
            trickle: false,
            info_packages: Vec::new(),
            longest_message: 1300,
            backoff: FlowBackoff::default(),
            reliable: Reliable::default(),
            session_expires: Some(Duration::from_secs(1800)),
            trusts_identity: false,
            early_media: false,
            refer_out_of_dialog: false,
            crlf_keep_alive: false,
            push: None,
            feature_tags: Vec::new(),
            user_agent: concat!("offhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            timers: Timers::default(),
        }
    }
}
