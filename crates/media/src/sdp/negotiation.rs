//! Offer and answer (RFC 3264, 8829, 8842): what both sides agreed on, or why not.

use crate::sdp::codec::{Codec, OpusParameters};
use crate::sdp::description::{Direction, DtlsRole, Fingerprint, IceParameters, Origin};
use crate::sdp::refusal::Refusal;
use crate::sdp::write::LocalDescription;
use std::net::SocketAddr;

/// What a call's two ends agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The far end's ICE credentials.
    pub ice: IceParameters,
    /// The far end is an ICE-lite agent: we control, whoever offered.
    pub ice_lite: bool,
    /// The far end's candidates of component 1, as the values of their lines, from `candidate:` on.
    pub candidates: Vec<String>,
    /// No more of them follow.
    pub end_of_candidates: bool,
    /// The far end's certificate.
    pub fingerprint: Fingerprint,
    /// Our side of the DTLS handshake.
    pub role: DtlsRole,
    /// The codec to send, and the one expected.
    pub codec: NegotiatedCodec,
    /// All codecs in common, `codec` first: the far end may switch between them at any time.
    pub codecs: Vec<NegotiatedCodec>,
    /// RFC 4733, when both know it.
    pub telephone_event: Option<TelephoneEvent>,
    /// What we may do.
    pub direction: Direction,
    /// Length of packets that the far end asked for, in ms; 20 when it did not.
    pub packet_time_ms: u16,
    /// RTCP comes on the RTP port. Without it there is no way for RTCP, and none is sent.
    pub rtcp_mux: bool,
    /// RTCP without a leading report is welcome (RFC 5506).
    pub rtcp_reduced_size: bool,
    /// Transport protocol as the far end wrote it.
    pub protocol: String,
    /// Default address of the far end (`c=` and `m=`), where it is a literal one.
    pub default_address: Option<SocketAddr>,
    /// Our media section's place among the sections, from 0.
    pub section: usize,
}

/// A codec and the numbers that both directions know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NegotiatedCodec {
    /// Which.
    pub codec: Codec,
    /// We send it under this number: the far end's.
    pub send_payload_type: u8,
    /// We get it under this number: ours.
    pub receive_payload_type: u8,
    /// What the far end wants of Opus; all default for other codecs.
    pub opus: OpusParameters,
}

/// RFC 4733 as agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// We send it under this number.
    pub send_payload_type: u8,
    /// We get it under this number.
    pub receive_payload_type: u8,
    /// Clock of durations in Hz.
    pub clock_rate: u32,
}

/// Our answer and what it means.
#[derive(Debug, Clone)]
pub struct Answer {
    /// To send.
    pub sdp: String,
    /// To act on.
    pub negotiated: Negotiated,
}

/// Writes an offer. `origin` gets a new version when the description differs from the last one written with it.
#[must_use]
pub fn offer(local: &LocalDescription, origin: &mut Origin) -> String {
    let _ = (local, origin);
    String::new()
}

/// Answers an offer. `established`: our DTLS role of an association that goes on (a later offer with the same certificate).
///
/// # Errors
/// [`Refusal`] says why no call can be made of it.
pub fn answer(
    offer: &str,
    local: &LocalDescription,
    origin: &mut Origin,
    established: Option<DtlsRole>,
) -> Result<Answer, Refusal> {
    let _ = (offer, local, origin, established);
    Err(Refusal::NoIce)
}

/// Takes in the answer to what [`offer`] wrote for `local`.
///
/// # Errors
/// [`Refusal`] says why no call can be made of it.
pub fn accept_answer(answer: &str, local: &LocalDescription) -> Result<Negotiated, Refusal> {
    let _ = (answer, local);
    Err(Refusal::NoIce)
}
