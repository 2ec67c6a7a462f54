//! What a transport is made with, and what it learns about the far end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::dtls::certificate::Certificate;
use crate::dtls::fingerprint::Fingerprint;
use crate::dtls::setup::Setup;
use crate::ice::candidate::Candidate;
use crate::ice::credentials::IceCredentials;
use crate::sdp::sdes::SdesKeys;
use crate::srtp::profile::SrtpProfile;

/// Everything a [`MediaTransport`](crate::media_transport::transport::MediaTransport) is made with.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// Our ICE credentials, from a cryptographically secure generator.
    pub credentials: IceCredentials,
    /// Decides who controls when both ends claim it (RFC 8445, section 7.3.1.1); random.
    pub tie_breaker: u64,
    /// Whether we start as the controlling agent: the offerer does (RFC 8445, section 6.1.1).
    pub controlling: bool,
    /// Our DTLS certificate.
    pub certificate: Arc<Certificate>,
    /// SRTP profiles we accept, most preferred first; at least one.
    pub profiles: Vec<SrtpProfile>,
    /// Smallest RSA key of the far end's certificate, in bits.
    pub minimum_rsa_bits: u16,
    /// Send to where the first packet of a far end without ICE comes from.
    pub latching: bool,
    /// Bounds of time and memory.
    pub limits: TransportLimits,
}

/// Bounds of time and memory of one transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportLimits {
    /// From `set_remote` until a pair must work, and from a lost path until the call is given up.
    pub ice: Duration,
    /// From the first working pair until DTLS must be done.
    pub dtls: Duration,
    /// First repeat of an unanswered DTLS flight; each further one after twice the time, up to 500 ms.
    pub dtls_retransmit: Duration,
    /// The largest DTLS datagram sent.
    pub dtls_mtu: usize,
    /// Remote candidates taken from signalling; the rest is left aside.
    pub remote_candidates: usize,
    /// RTP sources (SSRCs) accepted from the far end in one DTLS association. None is forgotten (RFC 3711, section 3.3.2), and servers draw
    /// one anew at each bridge that a call enters or leaves.
    pub sources: usize,
}

impl Default for TransportLimits {
    fn default() -> Self {
        Self {
            ice: Duration::from_secs(15),
            dtls: Duration::from_secs(15),
            dtls_retransmit: Duration::from_millis(250),
            dtls_mtu: 1200,
            remote_candidates: 32,
            sources: 8192,
        }
    }
}

/// What the far end's session description says about its transport.
#[derive(Debug, Clone)]
pub struct RemoteParameters {
    /// Its `a=ice-ufrag` and `a=ice-pwd`; `None`: it has no ICE, and media goes to `address`.
    pub credentials: Option<IceCredentials>,
    /// The address of its description. Looked at only where there is no ICE; without any the path stays as it is.
    pub address: Option<SocketAddr>,
    /// Its candidates known so far; more may follow by `add_remote_candidate`.
    pub candidates: Vec<Candidate>,
    /// Its certificate's fingerprints; one match is enough (RFC 8122, section 5). At least one, unless there are `keys`,
    /// or nothing is encrypted.
    pub fingerprints: Vec<Fingerprint>,
    /// Keys that stood in the descriptions (SDES, RFC 4568), in the place of a DTLS handshake.
    pub keys: Option<SdesKeys>,
    /// Media goes in the clear.
    pub unencrypted: bool,
    /// The role the *far end* takes once offer and answer are done. `ActPass` lets us be the client.
    pub setup: Setup,
    /// Its `a=tls-id`, which names the DTLS association (RFC 8842, section 4).
    pub tls_id: Option<String>,
    /// It said `a=ice-lite`: it only answers checks, so we control.
    pub ice_lite: bool,
}

/// Why `set_remote` refuses parameters. The transport is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteRefused {
    /// No fingerprint: media could come from anyone.
    #[error(
        "the far end's session description has no usable fingerprint, so its media cannot be trusted"
    )]
    NoFingerprint,
    /// RFC 8839, section 5.4: ufrag 4 to 256, password 22 to 256 characters.
    #[error("the far end's ICE credentials are too short or too long")]
    BadCredentials,
    /// Legal by RFC 8839, but a check could not carry it.
    #[error(
        "the far end's ICE user name (a=ice-ufrag) is {length} characters long; at most {limit} are used"
    )]
    LongUfrag {
        /// Its length.
        length: usize,
        /// What a check has room for beside ours.
        limit: usize,
    },
}
