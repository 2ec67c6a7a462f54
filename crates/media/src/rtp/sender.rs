//! Sender's side of one RTP stream (RFC 3550 sections 5.1 and 6.4.1): numbering, counters, sender reports, what the far end reports.

use crate::rtp::clock::{NtpClock, from_compact};
use crate::rtp::packet::Header;
use crate::rtp::rtcp::{ReportBlock, SenderInfo};
use rand::{Rng, RngExt};
use std::time::{Duration, Instant};

/// Numbers the packets of one outgoing stream and counts them.
#[derive(Debug)]
pub struct Sender {
    ssrc: u32,
    clock_rate: u32,
    next_sequence: u16,
    timestamp_base: u32,
    packets: u64,
    bytes: u64,
    /// Where the RTP clock stood at an instant: the last packet sent.
    anchor: Option<(u32, Instant)>,
    remote: RemoteReception,
}

/// What the far end reports of our stream, named as in W3C webrtc-stats (`remote-inbound-rtp`).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RemoteReception {
    /// How many report blocks came in.
    pub reports: u64,
    /// Lost since the start.
    pub packets_lost: i64,
    /// Lost part in the last interval, 0 to 1.
    pub fraction_lost: f64,
    /// Interarrival jitter.
    pub jitter: Duration,
    /// Last measured round trip.
    pub round_trip_time: Option<Duration>,
    /// Sum of all measured round trips.
    pub total_round_trip_time: Duration,
    /// How many were measured.
    pub round_trip_time_measurements: u64,
    /// When the last report block came in.
    pub last_report: Option<Instant>,
}

/// Figures of one outgoing stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SendingStatistics {
    /// Our source.
    pub ssrc: u32,
    /// Packets sent.
    pub packets_sent: u64,
    /// Payload bytes sent.
    pub bytes_sent: u64,
    /// As the far end sees it.
    pub remote: RemoteReception,
}

impl Sender {
    /// A stream with SSRC, first sequence number and first timestamp drawn from `rng` (RFC 3550 section 5.1).
    pub fn new(rng: &mut impl Rng, clock_rate: u32) -> Self {
        Self {
            ssrc: rng.random(),
            clock_rate: clock_rate.max(1),
            // From the lower half: SRTP's guess of the rollover counter then cannot be off by one on the first packets lost.
            next_sequence: rng.random_range(0..0x8000),
            timestamp_base: rng.random(),
            packets: 0,
            bytes: 0,
            anchor: None,
            remote: RemoteReception::default(),
        }
    }

    /// Our source.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The codec changed with a new agreement; numbering goes on.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate.max(1);
    }

    /// The header of the next packet, which is counted as sent. `media_time`: of its first sample, in units of the codec's clock from
    /// the program's own zero; telephone events keep that of their first packet.
    pub fn next(
        &mut self,
        payload_type: u8,
        marker: bool,
        media_time: u32,
        payload_len: usize,
        now: Instant,
    ) -> Header {
        let timestamp = self.timestamp_base.wrapping_add(media_time);
        let header = Header {
            marker,
            payload_type,
            sequence: self.next_sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.packets += 1;
        self.bytes += payload_len as u64;
        // An event repeats a timestamp that is past: the newest one stays the anchor.
        if self
            .anchor
            .is_none_or(|(newest, _)| timestamp.wrapping_sub(newest).cast_signed() > 0)
        {
            self.anchor = Some((timestamp, now));
        }
        header
    }

    /// What goes into a sender report at `now`; `None` before the first packet.
    #[must_use]
    pub fn sender_info(&self, clock: &NtpClock, now: Instant) -> Option<SenderInfo> {
        let (timestamp, at) = self.anchor?;
        let ticks = now.saturating_duration_since(at).as_nanos() * u128::from(self.clock_rate)
            / 1_000_000_000;
        Some(SenderInfo {
            ntp: clock.at(now),
            rtp_timestamp: timestamp.wrapping_add((ticks & 0xFFFF_FFFF) as u32),
            packets: (self.packets & 0xFFFF_FFFF) as u32,
            octets: (self.bytes & 0xFFFF_FFFF) as u32,
        })
    }

    /// Takes in a report block; those about other sources are passed over. Returns the round trip when it could be measured.
    pub fn on_report(
        &mut self,
        block: &ReportBlock,
        clock: &NtpClock,
        now: Instant,
    ) -> Option<Duration> {
        if block.ssrc != self.ssrc {
            return None;
        }
        self.remote.reports += 1;
        self.remote.packets_lost = i64::from(block.cumulative_lost);
        self.remote.fraction_lost = f64::from(block.fraction_lost) / 256.0;
        self.remote.jitter =
            Duration::from_secs_f64(f64::from(block.jitter) / f64::from(self.clock_rate));
        self.remote.last_report = Some(now);
        if block.last_sender_report == 0 {
            return None;
        }
        let elapsed = clock
            .compact_at(now)
            .wrapping_sub(block.last_sender_report)
            .wrapping_sub(block.delay_since_last_sender_report)
            .cast_signed();
        // Rounding on the far side can make a loopback's round trip slightly negative; a large one is nonsense.
        let round_trip = match elapsed {
            ..-655 => return None,
            -655..0 => Duration::ZERO,
            0.. => from_compact(elapsed.cast_unsigned()),
        };
        self.remote.round_trip_time = Some(round_trip);
        self.remote.total_round_trip_time += round_trip;
        self.remote.round_trip_time_measurements += 1;
        Some(round_trip)
    }

    /// The figures up to now.
    #[must_use]
    pub const fn statistics(&self) -> SendingStatistics {
        SendingStatistics {
            ssrc: self.ssrc,
            packets_sent: self.packets,
            bytes_sent: self.bytes,
            remote: self.remote,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::clock::to_compact;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to begin at"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn sender() -> Sender {
        Sender::new(&mut StdRng::from_seed([3; 32]), 48_000)
    }

    #[test]
    fn sequence_and_timestamp_run_on_from_a_drawn_start() {
        let mut sender = sender();
        let now = start();
        let one = sender.next(111, true, 0, 80, now);
        let two = sender.next(111, false, 960, 70, now);
        assert_eq!(two.sequence, one.sequence.wrapping_add(1));
        assert_eq!(two.timestamp, one.timestamp.wrapping_add(960));
        assert_eq!(
            (one.marker, two.marker, two.payload_type),
            (true, false, 111)
        );
        let figures = sender.statistics();
        assert_eq!((figures.packets_sent, figures.bytes_sent), (2, 150));
        let other = Sender::new(&mut StdRng::from_seed([4; 32]), 48_000);
        assert_ne!(other.ssrc(), sender.ssrc());
    }

    #[test]
    fn the_sender_report_extrapolates_the_rtp_clock_from_the_newest_packet() {
        let mut sender = sender();
        let begin = start();
        let clock = NtpClock::new(begin, 100 << 32);
        assert_eq!(sender.sender_info(&clock, begin), None);
        let sent = sender.next(111, false, 960, 80, begin);
        // A telephone event repeats an older timestamp and must not move the anchor.
        sender.next(110, false, 0, 4, begin + Duration::from_millis(40));
        let info = sender
            .sender_info(&clock, begin + Duration::from_millis(500))
            .unwrap();
        assert_eq!(info.rtp_timestamp, sent.timestamp.wrapping_add(24_000));
        assert_eq!(info.ntp, (100 << 32) + (1 << 31));
        assert_eq!((info.packets, info.octets), (2, 84));
    }

    #[test]
    fn the_round_trip_is_what_is_left_of_the_time_after_the_far_delay() {
        let mut sender = sender();
        let begin = start();
        let clock = NtpClock::new(begin, 0xFFFF_FFFF_0000_0000);
        let sent_at = begin + Duration::from_secs(2);
        let block = ReportBlock {
            ssrc: sender.ssrc(),
            fraction_lost: 64,
            cumulative_lost: 5,
            jitter: 480,
            last_sender_report: clock.compact_at(sent_at),
            delay_since_last_sender_report: to_compact(Duration::from_millis(300)),
            ..ReportBlock::default()
        };
        let round_trip = sender
            .on_report(&block, &clock, sent_at + Duration::from_millis(350))
            .unwrap();
        assert!(
            round_trip.abs_diff(Duration::from_millis(50)) < Duration::from_micros(50),
            "{round_trip:?}"
        );
        let remote = sender.statistics().remote;
        assert_eq!(
            (remote.packets_lost, remote.fraction_lost, remote.jitter),
            (5, 0.25, Duration::from_millis(10))
        );
        assert_eq!(remote.round_trip_time_measurements, 1);
    }

    #[test]
    fn nonsense_and_other_sources_give_no_round_trip() {
        let mut sender = sender();
        let begin = start();
        let clock = NtpClock::new(begin, 0);
        let now = begin + Duration::from_secs(1);
        let own = ReportBlock {
            ssrc: sender.ssrc(),
            ..ReportBlock::default()
        };
        assert_eq!(
            sender.on_report(&own, &clock, now),
            None,
            "no sender report seen there yet"
        );
        let future = ReportBlock {
            last_sender_report: clock.compact_at(now) + 70_000,
            ..own
        };
        assert_eq!(sender.on_report(&future, &clock, now), None);
        let rounding = ReportBlock {
            last_sender_report: clock.compact_at(now),
            delay_since_last_sender_report: 3,
            ..own
        };
        assert_eq!(
            sender.on_report(&rounding, &clock, now),
            Some(Duration::ZERO)
        );
        let other = ReportBlock {
            ssrc: sender.ssrc() ^ 1,
            ..rounding
        };
        assert_eq!(sender.on_report(&other, &clock, now), None);
        assert_eq!(sender.statistics().remote.reports, 3);
    }
}
