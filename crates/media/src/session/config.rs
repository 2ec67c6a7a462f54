//! What a media session is told once, at its start.

use std::time::Duration;

use crate::program::AudioCodec;

/// How long ICE may look for a path before the call fails.
pub const ICE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the DTLS handshake may take once there is a path.
pub const DTLS_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the far end may be silent before [`NoMedia`](crate::session::event::MediaEvent::NoMedia).
pub const NO_MEDIA_AFTER: Duration = Duration::from_secs(5);
/// How long the far end may be silent before the call fails.
pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(60);

/// What one call's media is to be.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Codecs to offer or accept, best first.
    pub codecs: Vec<AudioCodec>,
    /// RTCP canonical name (RFC 3550 section 6.5.1); says nothing of person or machine. Empty: drawn from the seed.
    pub cname: String,
    /// How long ICE may look for a path: from the moment both ends' candidates are known.
    pub ice_timeout: Duration,
    /// How long the DTLS handshake may take once there is a path.
    pub dtls_timeout: Duration,
    /// Silence of the far end after which `NoMedia` is told; zero: never.
    pub no_media_after: Duration,
    /// Silence of the far end after which the call fails; zero: never. The clock stands still on hold.
    pub media_timeout: Duration,
    /// How often [`Statistics`](crate::session::event::MediaEvent::Statistics) are told; zero: never.
    pub statistics_every: Duration,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            codecs: vec![AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma],
            cname: String::new(),
            ice_timeout: ICE_TIMEOUT,
            dtls_timeout: DTLS_TIMEOUT,
            no_media_after: NO_MEDIA_AFTER,
            media_timeout: MEDIA_TIMEOUT,
            statistics_every: Duration::from_secs(1),
        }
    }
}

/// What we let pass: our side of the direction line (RFC 3264 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hold {
    /// Send and receive.
    #[default]
    Off,
    /// We put the far end on hold: `sendonly`; what it sends is not expected.
    SendOnly,
    /// Nothing flows either way: `inactive`.
    Inactive,
}
