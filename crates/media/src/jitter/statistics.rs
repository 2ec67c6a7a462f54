//! What the jitter buffer counts, named as in W3C webrtc-stats (`RTCInboundRtpStreamStats`).

use std::time::Duration;

/// Counters of one jitter buffer since it was made. A "sample" is one at 48 kHz, whatever the codec's clock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JitterStatistics {
    /// Sum over all emitted samples of the time they spent in the buffer (`jitterBufferDelay`).
    pub jitter_buffer_delay: Duration,
    /// Sum over all emitted samples of the delay then aimed at (`jitterBufferTargetDelay`).
    pub jitter_buffer_target_delay: Duration,
    /// Samples that left the buffer as decoded packets (`jitterBufferEmittedCount`).
    pub jitter_buffer_emitted_count: u64,
    /// Samples that were made up because nothing was there (`concealedSamples`), also those rebuilt from FEC.
    pub concealed_samples: u64,
    /// Times that concealment began (`concealmentEvents`).
    pub concealment_events: u64,
    /// Samples put in to raise the delay (`insertedSamplesForDeceleration`).
    pub inserted_samples_for_deceleration: u64,
    /// Samples left out to lower the delay (`removedSamplesForAcceleration`).
    pub removed_samples_for_acceleration: u64,
    /// Packets that came too late, twice, or did not fit (`packetsDiscarded`).
    pub packets_discarded: u64,
    /// Of these, packets that were there already.
    pub packets_duplicated: u64,
    /// Lost frames that were rebuilt from the packet after them (`fecPacketsUsed`).
    pub fec_packets_used: u64,
    /// Packets that never came in time (their sound was made up).
    pub packets_missing: u64,
    /// Times that the stream started anew: other SSRC, or a jump of sequence numbers or timestamps.
    pub restarts: u64,
}
