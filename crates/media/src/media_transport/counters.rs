//! What came in, went out and was refused, by kind.

/// Why a datagram was refused. Each kind has a counter in [`RefusedCounters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The authentication tag of an SRTP or SRTCP packet is wrong, or a check's message integrity.
    BadAuthentication,
    /// A packet that was already accepted.
    Replay,
    /// A packet from before the replay window: very late, or of an old rollover.
    TooOld,
    /// Media or DTLS before the far end's certificate, or its address, is verified.
    Unverified,
    /// Cut short, or not what its first byte says.
    Malformed,
    /// None of STUN, DTLS, RTP, RTCP (RFC 7983), a STUN response to nothing we asked, or after the end.
    Unknown,
    /// One RTP source too many, or a handshake that exceeds its bounds.
    Exceeded,
}

/// Refused datagrams by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefusedCounters {
    /// See [`Refusal::BadAuthentication`].
    pub bad_authentication: u64,
    /// See [`Refusal::Replay`].
    pub replay: u64,
    /// See [`Refusal::TooOld`].
    pub too_old: u64,
    /// See [`Refusal::Unverified`].
    pub unverified: u64,
    /// See [`Refusal::Malformed`].
    pub malformed: u64,
    /// See [`Refusal::Unknown`].
    pub unknown: u64,
    /// See [`Refusal::Exceeded`].
    pub exceeded: u64,
}

impl RefusedCounters {
    pub(crate) fn count(&mut self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::BadAuthentication => &mut self.bad_authentication,
            Refusal::Replay => &mut self.replay,
            Refusal::TooOld => &mut self.too_old,
            Refusal::Unverified => &mut self.unverified,
            Refusal::Malformed => &mut self.malformed,
            Refusal::Unknown => &mut self.unknown,
            Refusal::Exceeded => &mut self.exceeded,
        };
        *counter += 1;
    }

    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.bad_authentication
            + self.replay
            + self.too_old
            + self.unverified
            + self.malformed
            + self.unknown
            + self.exceeded
    }
}

/// Datagrams of one transport since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransportCounters {
    /// STUN messages accepted.
    pub stun_received: u64,
    /// DTLS datagrams taken up.
    pub dtls_received: u64,
    /// RTP packets opened.
    pub rtp_received: u64,
    /// RTCP packets opened.
    pub rtcp_received: u64,
    /// RTP packets protected.
    pub rtp_sent: u64,
    /// RTCP packets protected.
    pub rtcp_sent: u64,
    /// Datagrams refused.
    pub refused: RefusedCounters,
}
