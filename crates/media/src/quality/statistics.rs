//! The figures of one call's media, named and meant as in W3C webrtc-stats.

use std::time::Duration;

use crate::program::{AudioCodec, PlayoutStatistics, SLOT};
use crate::quality::emodel::{Conditions, burst_ratio};
use crate::quality::voip_metrics::RemoteVoip;
use crate::rtp::audio_level::AudioLevel;

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
    /// What the far end says of how it hears us (VoIP metrics, RFC 3611 section 4.7), where it does.
    pub remote_voip: Option<RemoteVoip>,
    /// Jitter buffer and playout, as the call's program tells them.
    pub playout: PlayoutStatistics,
    /// Datagrams and refusals of the transport (`transport`).
    pub transport: TransportStatistics,
    /// What went wrong on our own machine, so that it is not taken for the network's.
    pub local: LocalStatistics,
}

impl Statistics {
    /// Under which conditions the call is heard, from its beginning up to now: what the E-model asks for.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of packets in one call stay far below 2^52"
    )]
    pub fn conditions(&self, codec: AudioCodec) -> Conditions {
        let inbound = &self.inbound;
        let lost = u64::try_from(inbound.packets_lost).unwrap_or(0);
        let made_good = self.playout.fec_packets_received + inbound.packets_recovered;
        let unplayed = (lost + self.playout.packets_discarded).saturating_sub(made_good);
        let expected = inbound.packets_received + lost;
        Conditions {
            codec,
            delay: self.delay(),
            loss: (unplayed as f64 / expected.max(1) as f64).min(1.0),
            burst_ratio: burst_ratio(inbound.packets_lost_settled, inbound.loss_runs, expected),
        }
    }

    /// Mouth to ear: half the round trip, what the jitter buffer adds, one packet to fill and one to encode.
    #[must_use]
    pub fn delay(&self) -> Duration {
        let round_trip = self
            .remote_inbound
            .and_then(|remote| remote.round_trip_time)
            .unwrap_or_default();
        round_trip / 2 + self.buffered() + 2 * SLOT
    }

    /// How long audio waits in the jitter buffer, on the mean of the call.
    #[must_use]
    pub fn buffered(&self) -> Duration {
        let emitted = self.playout.jitter_buffer_emitted_count;
        if emitted == 0 {
            return Duration::ZERO;
        }
        let mean = self.playout.jitter_buffer_delay.as_nanos() / u128::from(emitted);
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }
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
    /// Lost packets whose sound came with a later one (RED, RFC 2198; not in W3C's list).
    pub packets_recovered: u64,
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
    /// What the far end says of the last packet's sound (RFC 6464), where that is agreed on (not in W3C's list).
    pub sent_audio_level: Option<AudioLevel>,
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
    /// The last round trip measured by the far end's answer to our clock (RFC 3611 section 4.5).
    pub round_trip_time: Option<Duration>,
    /// Sum of all round trips measured so.
    pub total_round_trip_time: Duration,
    /// How many were measured.
    pub round_trip_time_measurements: u64,
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
    /// Datagrams that the kernel did not send because it had no room for them: its buffers were full. Those that had nowhere to go, as
    /// checks of a candidate without a route, are no fault of this machine.
    pub send_errors: u64,
    /// Datagrams that the kernel dropped because they were not read in time; they may have been anybody's. Linux tells.
    pub receive_drops: u64,
    /// Packets that a program handed out and that could not be sent: wrong codec, too long, on hold.
    pub packets_dropped: u64,
}
