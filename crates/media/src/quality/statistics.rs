//! The figures of one call's media, named and meant as in W3C webrtc-stats.

use std::time::Duration;

use crate::program::PlayoutStatistics;

/// Everything known of one call's media at one moment. Counters run from the call's start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statistics {
    /// How long after the session was made this was taken.
    pub at: Duration,
    /// What arrives (`inbound-rtp`), audio and telephone events together.
    pub inbound: InboundRtp,
    /// What we send (`outbound-rtp`).
    pub outbound: OutboundRtp,
    /// What the far end's last receiver report says of our stream (`remote-inbound-rtp`).
    pub remote_inbound: Option<RemoteInboundRtp>,
    /// What the far end's last sender report says of its own stream (`remote-outbound-rtp`).
    pub remote_outbound: Option<RemoteOutboundRtp>,
    /// Jitter buffer and playout, as the call's program tells them.
    pub playout: PlayoutStatistics,
    /// Datagrams and refusals of the transport (`transport`).
    pub transport: TransportStatistics,
    /// What went wrong on our own machine, so that it is not taken for the network's.
    pub local: LocalStatistics,
}

/// `RTCInboundRtpStreamStats`: what our receiver counted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct InboundRtp {
    /// The far end's present SSRC; 0 before the first packet.
    pub ssrc: u32,
    /// Valid RTP packets received, late and repeated ones included.
    pub packets_received: u64,
    /// Bytes of payload received.
    pub bytes_received: u64,
    /// Bytes of RTP headers, extensions and padding received.
    pub header_bytes_received: u64,
    /// Packets expected less packets received (RFC 3550 section 6.4.1); negative when packets came twice.
    pub packets_lost: i64,
    /// Packets that came a second time (not in W3C's list).
    pub packets_duplicated: u64,
    /// Packets that came after a newer one (not in W3C's list).
    pub packets_reordered: u64,
    /// Runs of consecutive losses among the packets that can no longer come (not in W3C's list): with
    /// `packets_lost_settled` they give the mean burst that the E-model asks for.
    pub loss_runs: u64,
    /// Losses in those runs (not in W3C's list).
    pub packets_lost_settled: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter: Duration,
    /// When the last packet arrived, counted as [`Statistics::at`].
    pub last_packet_received: Option<Duration>,
}

/// `RTCOutboundRtpStreamStats`: what our sender counted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OutboundRtp {
    /// Our SSRC.
    pub ssrc: u32,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Bytes of payload sent.
    pub bytes_sent: u64,
    /// Bytes of RTP headers, extensions and padding sent.
    pub header_bytes_sent: u64,
}

/// `RTCRemoteInboundRtpStreamStats`: how our stream arrives at the far end.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RemoteInboundRtp {
    /// Packets of ours that did not arrive, since the start.
    pub packets_lost: i64,
    /// Share of packets lost since the report before, 0 to 1.
    pub fraction_lost: f64,
    /// Interarrival jitter there.
    pub jitter: Duration,
    /// The last round trip measured (RFC 3550 section 6.4.1, LSR and DLSR).
    pub round_trip_time: Option<Duration>,
    /// Sum of all round trips measured.
    pub total_round_trip_time: Duration,
    /// How many were measured.
    pub round_trip_time_measurements: u64,
}

/// `RTCRemoteOutboundRtpStreamStats`: what the far end says it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoteOutboundRtp {
    /// Packets it sent.
    pub packets_sent: u64,
    /// Bytes of payload it sent.
    pub bytes_sent: u64,
    /// Sender reports received.
    pub reports_sent: u64,
}

/// `RTCTransportStats`, and why datagrams were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransportStatistics {
    /// Datagrams handed to the socket.
    pub packets_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// Datagrams received, refused ones included.
    pub packets_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Datagrams that were refused, whatever the reason: garbage, forged, replayed, or from nobody we verified.
    pub packets_refused: u64,
    /// Of these: the authentication tag was wrong.
    pub refused_forged: u64,
    /// Of these: seen before, or older than the replay window.
    pub refused_replayed: u64,
}

/// Faults of our own machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LocalStatistics {
    /// Slots that ran more than 5 ms after they were due.
    pub slots_late: u64,
    /// Slots that were left out because the machine slept through them.
    pub slots_skipped: u64,
    /// Datagrams that the kernel refused to send, buffer full included.
    pub send_errors: u64,
    /// Packets that a program handed out and that could not be sent: wrong codec, too long, on hold.
    pub packets_dropped: u64,
}
