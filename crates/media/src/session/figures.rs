//! Gathers the figures of one call from its parts into one [`Statistics`].

use std::time::{Duration, Instant};

use crate::media_transport::counters::TransportCounters;
use crate::program::PlayoutStatistics;
use crate::quality::statistics::{
    InboundRtp, LocalStatistics, OutboundRtp, RemoteInboundRtp, Statistics, TransportStatistics,
};
use crate::rtp::audio_level::AudioLevel;
use crate::rtp::receiver::Receiver;
use crate::rtp::sender::Sender;
use crate::session::reports::Remote;

/// What the session itself counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) datagrams_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) datagrams_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) header_bytes_received: u64,
    pub(crate) header_bytes_sent: u64,
    /// What the far end said last of its own sound.
    pub(crate) audio_level: Option<AudioLevel>,
    /// RTP or RTCP that was genuine and yet could not be read.
    pub(crate) malformed: u64,
    pub(crate) rtp_sent: u64,
    pub(crate) rtp_was_sent: bool,
    pub(crate) rtp_was_received: bool,
    pub(crate) slots_late: u64,
    pub(crate) slots_skipped: u64,
    pub(crate) send_errors: u64,
    pub(crate) receive_drops: u64,
    pub(crate) packets_dropped: u64,
}

/// The parts of a session that know figures.
pub(crate) struct Parts<'a> {
    pub(crate) start: Instant,
    pub(crate) sender: &'a Sender,
    pub(crate) receiver: &'a Receiver,
    pub(crate) counters: &'a Counters,
    pub(crate) remote: &'a Remote,
    pub(crate) transport: TransportCounters,
    pub(crate) playout: PlayoutStatistics,
    /// Packets that the collection of outgoing ones refused.
    pub(crate) overflowed: u64,
}

pub(crate) fn gather(parts: &Parts<'_>, now: Instant) -> Statistics {
    let since_start = |at: Instant| -> Duration { at.saturating_duration_since(parts.start) };
    let received = parts.receiver.statistics();
    let sent = parts.sender.statistics();
    let remote = sent.remote;
    let refused = parts.transport.refused;
    let counters = parts.counters;
    Statistics {
        at: since_start(now),
        inbound: InboundRtp {
            ssrc: received.ssrc,
            packets_received: received.packets_received,
            bytes_received: received.bytes_received,
            header_bytes_received: counters.header_bytes_received,
            packets_lost: i64::try_from(received.packets_lost).unwrap_or(i64::MAX),
            packets_recovered: received.packets_recovered,
            packets_duplicated: received.packets_duplicated,
            packets_reordered: received.packets_reordered,
            loss_runs: received.loss_runs,
            packets_lost_settled: received.packets_lost_settled,
            jitter: received.jitter,
            sent_audio_level: counters.audio_level,
            last_packet_received: received.last_packet.map(since_start),
        },
        outbound: OutboundRtp {
            ssrc: sent.ssrc,
            packets_sent: counters.rtp_sent,
            bytes_sent: sent.bytes_sent,
            header_bytes_sent: counters.header_bytes_sent,
        },
        remote_inbound: (remote.reports > 0).then_some(RemoteInboundRtp {
            packets_lost: remote.packets_lost,
            fraction_lost: remote.fraction_lost,
            jitter: remote.jitter,
            round_trip_time: remote.round_trip_time,
            total_round_trip_time: remote.total_round_trip_time,
            round_trip_time_measurements: remote.round_trip_time_measurements,
        }),
        remote_outbound: parts.remote.outbound,
        remote_voip: parts.remote.voip,
        playout: parts.playout,
        transport: TransportStatistics {
            packets_sent: counters.datagrams_sent,
            bytes_sent: counters.bytes_sent,
            packets_received: counters.datagrams_received,
            bytes_received: counters.bytes_received,
            packets_refused: refused.total() + counters.malformed,
            refused_forged: refused.bad_authentication,
            refused_replayed: refused.replay + refused.too_old,
        },
        local: LocalStatistics {
            slots_late: counters.slots_late,
            slots_skipped: counters.slots_skipped,
            send_errors: counters.send_errors,
            receive_drops: counters.receive_drops,
            packets_dropped: counters.packets_dropped + parts.overflowed,
        },
    }
}
