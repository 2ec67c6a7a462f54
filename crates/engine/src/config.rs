//! What an engine is built from: accounts, audio, media and limits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use offhook_media::device::spec::{SinkSpec, SourceSpec};
use offhook_media::driver::interfaces::InterfaceChoice;
use offhook_media::graph::ringback::RingbackTone;
use offhook_media::program::AudioCodec;
use offhook_media::session::config::{MEDIA_TIMEOUT, NO_MEDIA_AFTER};
use offhook_media::session::policy::MediaPolicy;
use offhook_signaling::auth::login::Login;
use offhook_signaling::auth::refresh::TokenRefresh;
use offhook_signaling::backoff::Backoff;
use offhook_signaling::command::PreferredCodec;
use offhook_signaling::deadlines::Timers;
use offhook_signaling::transport::options::ConnectOptions;
use offhook_signaling::variable::Variable;
use offhook_signaling::verto::session::config::ProxyTarget;

use crate::ice::IceConfig;
use crate::protocol::{Protocol, Transfers};
use crate::request::Dtmf;
#[cfg(feature = "sip")]
use crate::sip::SipAccount;
use crate::token_source::TokenSource;
use crate::tool::Tool;

/// One registration at one server.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Unique within the engine; requests and events name the account by it.
    pub name: String,
    /// What its server speaks.
    pub protocol: Protocol,
    /// `ws://` or `wss://` URL of the server.
    pub server: String,
    /// Who we are. Secrets inside are never shown.
    pub login: Login,
    /// Name shown to callees, where the server allows it.
    pub caller_name: Option<String>,
    /// Number shown to callees, where the server allows it.
    pub caller_number: Option<String>,
    /// CA file, proxy, time limits of the connection.
    pub connect: ConnectOptions,
    /// Pauses between connection attempts.
    pub backoff: Backoff,
    /// Where tokens come from, for a login by token. The token in `login` may then be left empty.
    pub token_source: Option<TokenSource>,
    /// The file of the password in `login`. It is read again whenever it changes, also by rename, and before a retry that
    /// somebody asks for.
    pub password_file: Option<PathBuf>,
    /// When a token is replaced.
    pub token_refresh: TokenRefresh,
    /// Region of the gateway (Telnyx), such as `eu`; `None`: chosen by the platform.
    pub region: Option<String>,
    /// Never ask for the instance of the gateway that we were at last (Telnyx).
    pub skip_instance: bool,
    /// Where the gateway's proxy is to send us (Telnyx).
    pub proxy_target: Option<ProxyTarget>,
    /// Use the instances that get new releases first (Telnyx).
    pub canary: bool,
    /// Have the gateway's proxy skip its look-up of who we are (Telnyx).
    pub skip_trailing: bool,
    /// First pause after a refused login; it doubles up to `refused_cap`. Zero: it is tried again only when a request, or
    /// a new secret, asks for it.
    pub refused_retry: Duration,
    /// Longest pause after refused logins.
    pub refused_cap: Duration,
    /// Calls begin with silence in place of the input, until unmuted.
    pub start_muted: bool,
    /// Event channels (FreeSWITCH) and subscriptions (SIP) that are watched from the beginning.
    pub watch: Vec<String>,
    /// Variables of each call.
    pub user_variables: BTreeMap<String, Variable>,
    /// Facts for the server's directory.
    pub login_params: BTreeMap<String, Variable>,
    /// Users may send commands to the server (FreeSWITCH).
    pub server_commands: bool,
    /// Tools of an assistant that programs answer. Others are only told.
    pub tools: Vec<Tool>,
    /// Calls of an earlier process that the server still keeps are taken up. Needs a state file. A FreeSWITCH knows the device by
    /// its session name of before in any case.
    pub recover_calls: bool,
    /// Report each call to the server's host, as Telnyx's own SDK does (Telnyx; needs the feature `call-reports`): its
    /// figures, both numbers, and a log without session descriptions.
    pub call_reports: bool,
    /// How finely those reports tell a call, and how often a part of one is posted.
    pub report_pace: ReportPace,
    /// What becomes of a far end's wish that we call somebody else (SIP).
    pub transfers: Transfers,
    /// What only a SIP account has.
    #[cfg(feature = "sip")]
    pub sip: SipAccount,
    /// STUN and TURN servers, which candidates are used, and whether they trickle.
    pub ice: IceConfig,
    /// What its calls' media may and may not do beyond what is usual. Keys inside of descriptions (SDES) are refused all the same where
    /// the connection to the server is not encrypted.
    pub media: MediaPolicy,
}

impl AccountConfig {
    /// An account with the usual connection options.
    pub fn new(
        name: impl Into<String>,
        protocol: impl Into<Protocol>,
        server: impl Into<String>,
        login: Login,
    ) -> Self {
        Self {
            name: name.into(),
            protocol: protocol.into(),
            server: server.into(),
            login,
            caller_name: None,
            caller_number: None,
            connect: ConnectOptions::default(),
            backoff: Backoff::default(),
            token_source: None,
            password_file: None,
            token_refresh: TokenRefresh::default(),
            region: None,
            skip_instance: false,
            proxy_target: None,
            canary: false,
            skip_trailing: false,
            refused_retry: Timers::default().refused,
            refused_cap: Timers::default().refused_cap,
            start_muted: false,
            watch: Vec::new(),
            user_variables: BTreeMap::new(),
            login_params: BTreeMap::new(),
            server_commands: false,
            tools: Vec::new(),
            recover_calls: true,
            call_reports: false,
            report_pace: ReportPace::default(),
            transfers: Transfers::default(),
            #[cfg(feature = "sip")]
            sip: SipAccount::default(),
            ice: IceConfig::default(),
            media: MediaPolicy::default(),
        }
    }

    /// Every server that the account keeps a connection with.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &str> {
        #[cfg(feature = "sip")]
        let further = self.sip.further_servers.as_slice();
        #[cfg(not(feature = "sip"))]
        let further: &[String] = &[];
        std::iter::once(&self.server)
            .chain(further)
            .map(String::as_str)
    }

    /// How the account's sockets are opened: SIP has a sub-protocol of its own (RFC 7118, section 4), and bodies that may be
    /// anything.
    pub(crate) fn connect_options(&self) -> ConnectOptions {
        let mut options = self.connect.clone();
        if self.protocol.is_sip() {
            options.sub_protocol = Some("sip".to_owned());
            options.buffers.bytes = true;
        }
        options
    }
}

/// The pace of call reports: the `callReportInterval` and `callReportFlushInterval` of Telnyx's SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportPace {
    /// Figures stand for so much of a call each, by [`INTERVALS`](Self::INTERVALS). They are read once a second, so that a part of a second
    /// counts as a whole one. Default 1 s, which is what the SDK does whatever its own default says.
    pub interval: Duration,
    /// The longest that figures wait to be posted, by [`FLUSHES`](Self::FLUSHES) and no shorter than `interval`. Default 3 minutes. The end of the
    /// call, a lost connection and 300 figures post them earlier.
    pub flush: Duration,
}

impl ReportPace {
    /// What `interval` may be: a second to a minute.
    pub const INTERVALS: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(60);
    /// What `flush` may be: 5 seconds, so that a gateway is not flooded, to an hour.
    pub const FLUSHES: RangeInclusive<Duration> =
        Duration::from_secs(5)..=Duration::from_secs(3600);

    pub(crate) fn is_sound(&self) -> bool {
        Self::INTERVALS.contains(&self.interval)
            && Self::FLUSHES.contains(&self.flush)
            && self.interval <= self.flush
    }
}

impl Default for ReportPace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            flush: Duration::from_secs(180),
        }
    }
}

/// What is sent to callers and what becomes of what they say. Every call opens its own.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioConfig {
    /// What we send. A file is played from its beginning in each call, silence after its end.
    pub input: SourceSpec,
    /// Where what is heard goes. A file is 16 bit mono 48 kHz with mode 0600; `{call}` and `{time}` in its path are
    /// replaced, and an existing one is never overwritten but numbered on.
    pub output: SinkSpec,
    /// The tone that a caller hears while the far end rings.
    pub ringback: RingbackChoice,
}

/// Whether callers hear a tone of ours while the far end rings and the server sends none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RingbackChoice {
    /// That of North America into a sound device, none elsewhere: nobody listens there.
    #[default]
    ForDevices,
    /// None.
    Off,
    /// This one, whatever the output.
    Tone(RingbackTone),
}

impl AudioConfig {
    pub(crate) const fn ringback(&self) -> Option<RingbackTone> {
        match (self.ringback, &self.output) {
            (RingbackChoice::Tone(tone), _) => Some(tone),
            (RingbackChoice::ForDevices, SinkSpec::Device(_)) => Some(RingbackTone::NorthAmerica),
            (RingbackChoice::ForDevices | RingbackChoice::Off, _) => None,
        }
    }
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self {
            input: SourceSpec::Silence,
            output: SinkSpec::Discard,
            ringback: RingbackChoice::default(),
        }
    }
}

/// How media of every call is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaConfig {
    /// Codecs, best first.
    pub codecs: Vec<AudioCodec>,
    /// Silence of the far end after which the event `NoMedia` is told. Zero: never.
    pub no_media_after: Duration,
    /// Silence of the far end after which the call ends. Zero: never. Once it was heard, its RTCP and its answers to ICE keep the call
    /// too, and nobody is missed on hold unless the path is given up.
    pub media_timeout: Duration,
    /// Addresses to bind media sockets to; empty: those of every useful interface.
    pub addresses: Vec<IpAddr>,
    /// Which interfaces, where no addresses are named.
    pub interfaces: InterfaceChoice,
    /// Offer loopback addresses too; `None`: when the server of an account is on this machine.
    pub loopback: Option<bool>,
    /// How DTMF digits are sent; `None`: as the account's server has it, by signalling with Verto, with the media with SIP.
    pub dtmf: Option<Dtmf>,
    /// Threads that carry media; calls are spread over them.
    pub workers: usize,
    /// UDP ports of the media sockets, for firewalls; one for each address of a call, two where the far end has RTCP by itself.
    /// `None`: the kernel chooses.
    pub ports: Option<RangeInclusive<u16>>,
    /// Run these threads under the kernel's real-time scheduler at this priority, 1 to 99, where that is allowed.
    pub real_time: Option<u8>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        let opus = cfg!(feature = "opus").then_some(AudioCodec::Opus);
        Self {
            codecs: opus
                .into_iter()
                .chain([AudioCodec::G722, AudioCodec::Pcmu, AudioCodec::Pcma])
                .collect(),
            no_media_after: NO_MEDIA_AFTER,
            media_timeout: MEDIA_TIMEOUT,
            addresses: Vec::new(),
            interfaces: InterfaceChoice::default(),
            loopback: None,
            dtmf: None,
            workers: 1,
            ports: None,
            real_time: None,
        }
    }
}

impl MediaConfig {
    /// What the server is asked to prefer: the codecs that were chosen; nothing where they are the usual ones.
    pub(crate) fn preferred_codecs(&self) -> Vec<PreferredCodec> {
        if self.codecs == Self::default().codecs {
            return Vec::new();
        }
        preferred(&self.codecs)
    }
}

/// Codecs as an invitation names them.
pub(crate) fn preferred(codecs: &[AudioCodec]) -> Vec<PreferredCodec> {
    let named = |codec: &AudioCodec| {
        let (mime_type, channels) = match codec {
            AudioCodec::Opus => ("audio/opus", Some(2)),
            AudioCodec::G722 => ("audio/G722", None),
            AudioCodec::Pcmu => ("audio/PCMU", None),
            AudioCodec::Pcma => ("audio/PCMA", None),
        };
        PreferredCodec {
            mime_type: mime_type.to_owned(),
            clock_rate: codec.clock_rate(),
            channels,
            fmtp: None,
        }
    };
    codecs.iter().map(named).collect()
}

/// Limits of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most calls at a time. Default 1,000.
    pub calls: usize,
    /// Requests that may wait. Default 256.
    pub requests: usize,
    /// Events that a subscriber may lag behind before it loses some. Default 1,024.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 1000,
            requests: 256,
            events: 1024,
        }
    }
}

#[cfg(all(test, feature = "opus"))]
mod tests {
    use super::*;

    #[test]
    fn only_chosen_codecs_are_preferred() {
        assert_eq!(MediaConfig::default().preferred_codecs(), []);
        let chosen = MediaConfig {
            codecs: vec![AudioCodec::Pcma, AudioCodec::Opus],
            ..MediaConfig::default()
        };
        let named: Vec<(String, u32, Option<u8>)> = chosen
            .preferred_codecs()
            .into_iter()
            .map(|codec| (codec.mime_type, codec.clock_rate, codec.channels))
            .collect();
        let expected = [("audio/PCMA", 8_000, None), ("audio/opus", 48_000, Some(2))];
        assert_eq!(
            named,
            expected.map(|(name, rate, channels)| (name.to_owned(), rate, channels))
        );
    }
}
