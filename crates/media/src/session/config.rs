//! What a media session is told once, at its start.

use std::sync::Arc;
use std::time::Duration;

use crate::dtls::certificate::Certificate;
use crate::ice::gathering::config::GatheringConfig;
use crate::media_transport::config::TransportLimits;
use crate::program::AudioCodec;
use crate::sdp::codec;
use crate::sdp::concessions::Concessions;
use crate::sdp::extras::Extras;
use crate::sdp::face::Face;
use crate::sdp::refusal::SdesRefused;
use crate::session::policy::MINIMUM_RSA_BITS;
use crate::srtp::profile::SrtpProfile;

/// How long the far end may be silent before [`NoMedia`](crate::session::event::MediaEvent::NoMedia).
pub const NO_MEDIA_AFTER: Duration = Duration::from_secs(5);
/// How long the far end may be silent before the call fails.
pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(60);
/// Mean time between RTCP reports: 5 % of a call's bandwidth (RFC 4585 section 3.4) would allow one each second.
pub const RTCP_INTERVAL: Duration = Duration::from_secs(2);

/// What one call's media is to be.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Our DTLS certificate; may be shared by any number of calls.
    pub certificate: Arc<Certificate>,
    /// How our SDP looks.
    pub face: Face,
    /// Codecs to offer or accept, best first.
    pub codecs: Vec<AudioCodec>,
    /// Offer and accept RFC 4733 events.
    pub telephone_event: bool,
    /// What to agree on beyond the least of a call.
    pub extras: Extras,
    /// SRTP profiles to offer or accept, best first.
    pub profiles: Vec<SrtpProfile>,
    /// Accept a far end whose only certificate fingerprint is one of sha-1.
    pub sha1_fingerprints: bool,
    /// Smallest RSA key of a far end's certificate, in bits.
    pub minimum_rsa_bits: u16,
    /// Accept keys inside of the description (SDES), or why not.
    pub sdes: Result<(), SdesRefused>,
    /// What a far end may lack of WebRTC.
    pub concessions: Concessions,
    /// Send to where the first packet of a far end without ICE comes from, whatever its description says.
    pub latching: bool,
    /// Ask the links of a call for the addresses that the far end hides behind names (mDNS).
    pub mdns: bool,
    /// RTCP canonical name (RFC 3550 section 6.5.1); says nothing of person or machine. Empty: drawn from the seed.
    pub cname: String,
    /// Bounds of ICE and DTLS, in time and memory.
    pub limits: TransportLimits,
    /// Silence of the far end after which `NoMedia` is told; zero: never.
    pub no_media_after: Duration,
    /// Silence of the far end after which the call fails; zero: never. The clock stands still on hold, by whichever side, unless
    /// ICE has given the path up. Of a far end that was heard, RTCP and answers to checks of ICE are signs of life too: it may be silent on purpose.
    pub media_timeout: Duration,
    /// How often [`Statistics`](crate::session::event::MediaEvent::Statistics) are told; zero: never.
    pub statistics_every: Duration,
    /// Mean time between RTCP reports.
    pub rtcp_every: Duration,
    /// STUN and TURN servers to ask. The driver asks them; a session by itself has the candidates it is given.
    pub gathering: GatheringConfig,
}

impl SessionConfig {
    /// The usual call: as a browser makes it.
    #[must_use]
    pub fn new(certificate: Arc<Certificate>) -> Self {
        Self {
            certificate,
            face: Face::BROWSER,
            codecs: codec::ALL.to_vec(),
            telephone_event: true,
            extras: Extras::default(),
            profiles: SrtpProfile::USUAL.to_vec(),
            sha1_fingerprints: false,
            minimum_rsa_bits: MINIMUM_RSA_BITS,
            sdes: Err(SdesRefused::NotAllowed),
            concessions: Concessions::default(),
            latching: false,
            mdns: false,
            cname: String::new(),
            limits: TransportLimits::default(),
            no_media_after: NO_MEDIA_AFTER,
            media_timeout: MEDIA_TIMEOUT,
            statistics_every: Duration::from_secs(1),
            rtcp_every: RTCP_INTERVAL,
            gathering: GatheringConfig::default(),
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

impl Hold {
    /// We may send.
    #[must_use]
    pub const fn sends(self) -> bool {
        !matches!(self, Self::Inactive)
    }

    /// The far end is expected to send.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::Off)
    }
}
