//! What this crate asks of a DTLS implementation: one association, no I/O, no clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::dtls::certificate::Certificate;
use crate::dtls::setup::DtlsRole;
use crate::srtp::profile::SrtpProfile;

/// The label under which SRTP keys are exported (RFC 5764, section 4.2).
pub const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// What an association is made with.
#[derive(Debug, Clone)]
pub struct DtlsConfig {
    /// Our certificate. The far end must show one too; whose it is, the caller checks.
    pub certificate: Arc<Certificate>,
    /// Client or server.
    pub role: DtlsRole,
    /// SRTP profiles to offer or accept, most preferred first.
    pub profiles: Vec<SrtpProfile>,
    /// The first repeat of an unanswered flight comes after this; each further one after twice the time, up to 500 ms.
    pub retransmit: Duration,
    /// The largest datagram sent.
    pub mtu: usize,
}

/// One DTLS association. Feed it, then drain `poll_transmit` and `poll_event`.
pub trait DtlsEndpoint: Send {
    /// Sends the ClientHello; nothing to do for a server.
    fn start(&mut self, now: Instant);
    /// Takes one datagram.
    ///
    /// # Errors
    /// [`DatagramRefused`] when it is not DTLS, or too much of it: the association goes on as if it had not come.
    fn handle(&mut self, datagram: &[u8], now: Instant) -> Result<(), DatagramRefused>;
    /// Repeats what needs repeating.
    fn handle_timeout(&mut self, now: Instant);
    /// When `handle_timeout` is due.
    fn deadline(&self) -> Option<Instant>;
    /// The next datagram to send.
    fn poll_transmit(&mut self) -> Option<Vec<u8>>;
    /// The next thing that happened.
    fn poll_event(&mut self) -> Option<DtlsEvent>;
    /// Keeps no more than a repeated last flight, an alert and `close_notify` need: media of the far end was opened a while
    /// ago, so that its handshake is over. Before the handshake is complete, and again, it changes nothing.
    fn rest(&mut self, now: Instant);
    /// Says goodbye (`close_notify`).
    fn close(&mut self, now: Instant);
}

/// Why a datagram was not taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramRefused {
    /// Not well-formed DTLS records.
    Malformed,
    /// More records than a handshake can need: someone tries to fill our memory.
    Exceeded,
}

/// What happened on an association.
#[derive(Debug)]
pub enum DtlsEvent {
    /// The handshake is done. Whether the certificate is the right one is still to be checked.
    Complete(Handshake),
    /// The handshake failed.
    Failed(HandshakeFailure),
    /// The far end said `close_notify`.
    ClosedByPeer,
}

/// The yield of a handshake.
pub struct Handshake {
    /// The SRTP profile agreed on.
    pub profile: SrtpProfile,
    /// The far end's certificate, DER.
    pub peer_certificate: Vec<u8>,
    /// Exported keys and salts, in the order of RFC 5764, section 4.2.
    pub keying_material: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The far end sent a fatal alert.
    Alert,
    /// `use_srtp` is missing or has no profile in common.
    NoCommonProfile,
    /// Anything else the implementation says: no cipher suite in common, a bad signature, a broken message.
    Rejected(String),
}
