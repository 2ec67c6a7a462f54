//! The two servers this sandbox can look like, as values of their differences.

use std::time::Duration;

use crate::switch::cause::{NO_ROUTE_DESTINATION, UNALLOCATED_NUMBER};

/// How one kind of server behaves where it differs from the other.
#[derive(Debug)]
pub(crate) struct Face {
    /// For the log.
    pub(crate) name: &'static str,
    /// What stands before the names of call methods.
    pub(crate) prefix: &'static str,
    /// `voice_sdk_id` beside every `id` and `method`; Telnyx ids in call messages; SIP codes in `bye`.
    pub(crate) telnyx_ids: bool,
    /// The caller is told that the far end rings.
    pub(crate) tells_ringing: bool,
    /// The client may choose its `sessid`, and a second socket with it takes over the first.
    pub(crate) client_chooses_sessid: bool,
    /// A new login of a user silences the user's older ones; otherwise all ring and the first answer wins.
    pub(crate) last_login_wins: bool,
    /// `attach` offers come before `clientReady`; otherwise after it.
    pub(crate) attach_before_ready: bool,
    /// Messages of the server wait for a poll of this length that finds nothing to read; replies overtake them.
    pub(crate) queue_poll: Option<Duration>,
    /// WebSocket pings are answered.
    pub(crate) answers_ping_frames: bool,
    /// Ping this long after the last ping, or after the last frame of the client.
    pub(crate) ping_after: Duration,
    /// Whether frames of the client put the ping off.
    pub(crate) ping_only_in_silence: bool,
    /// Close a socket that was silent for this long.
    pub(crate) silence_limit: Option<Duration>,
    /// How long an answered call outlives its socket.
    pub(crate) detached_for: Duration,
    /// A call counts as answered only when its media is up; before, losing the socket ends it.
    pub(crate) answered_means_connected: bool,
    /// Transfers, chat, event channels, conferences, prompts and commands.
    pub(crate) has_features: bool,
    /// Code of the cause that an unknown number ends with.
    pub(crate) unknown_number: u16,
    /// Its clients can be called without an offer, and make one themselves.
    pub(crate) may_offer: bool,
    /// DTLS certificate, SRTP profile and form of the SDP.
    pub(crate) media: MediaFace,
}

/// Which media a face shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum MediaFace {
    /// ECDSA certificate, all SRTP profiles, `mid` as offered.
    Telnyx,
    /// RSA-4096 certificate with serial 0, SHA1_80 only, `RTP/SAVPF`, no `mid`, no group, component 2 listed.
    FreeSwitch,
    /// ECDSA certificate, all SRTP profiles, as a browser writes SDP, one codec in answers.
    Sip,
}

/// The Telnyx gateway, as far as its clients show it.
pub(crate) static TELNYX: Face = Face {
    name: "telnyx",
    prefix: "telnyx_rtc.",
    telnyx_ids: true,
    tells_ringing: true,
    client_chooses_sessid: false,
    last_login_wins: true,
    attach_before_ready: false,
    queue_poll: None,
    answers_ping_frames: true,
    ping_after: Duration::from_secs(30),
    ping_only_in_silence: false,
    silence_limit: Some(Duration::from_secs(60)),
    detached_for: Duration::from_secs(90),
    answered_means_connected: false,
    has_features: false,
    unknown_number: UNALLOCATED_NUMBER,
    may_offer: false,
    media: MediaFace::Telnyx,
};

/// The SIP side. What stands here for Verto alone is not asked.
pub(crate) static SIP: Face = Face {
    name: "sip",
    prefix: "",
    telnyx_ids: false,
    tells_ringing: true,
    client_chooses_sessid: false,
    last_login_wins: false,
    attach_before_ready: false,
    queue_poll: None,
    answers_ping_frames: true,
    ping_after: Duration::from_secs(30),
    ping_only_in_silence: false,
    silence_limit: None,
    detached_for: Duration::from_secs(90),
    answered_means_connected: false,
    has_features: true,
    unknown_number: UNALLOCATED_NUMBER,
    may_offer: true,
    media: MediaFace::Sip,
};

/// A stock FreeSWITCH with mod_verto.
pub(crate) static FREESWITCH: Face = Face {
    name: "freeswitch",
    prefix: "verto.",
    telnyx_ids: false,
    tells_ringing: false,
    client_chooses_sessid: true,
    last_login_wins: false,
    attach_before_ready: true,
    queue_poll: Some(Duration::from_millis(50)),
    answers_ping_frames: false,
    ping_after: Duration::from_secs(30),
    ping_only_in_silence: true,
    silence_limit: None,
    detached_for: Duration::from_secs(120),
    answered_means_connected: true,
    has_features: true,
    unknown_number: NO_ROUTE_DESTINATION,
    may_offer: false,
    media: MediaFace::FreeSwitch,
};
