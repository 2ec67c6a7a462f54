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
    source: Source,
    remote: RemoteReception,
}

/// Where the packets of the stream come from; a change is joined on without a jump.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Made here, counted from the program's own zero.
    Own,
    /// Another own program follows, with another zero.
    OwnAnew,
    Relayed(Relayed),
}

/// A stream that is passed on with the gaps it came with.
#[derive(Debug, Clone, Copy)]
struct Relayed {
    ssrc: u32,
    /// What to add to the source's numbers.
    sequence_offset: u16,
    timestamp_offset: u32,
    /// Newest number of the source that was passed on.
    newest: u16,
    /// Which of the numbers up to `newest` were passed on; bit 0 is `newest`. Those before the joint count as passed on: their
    /// place is taken.
    sent: u64,
}

/// Beyond these steps a source began its numbers anew, and is joined on again.
const RELAY_AHEAD: i16 = 3000;
const RELAY_BEHIND: i16 = -512;

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

impl Relayed {
    /// After `sequence` was passed on too. `None`: it must not be; `Some(None)`: it belongs to a new numbering.
    fn with(mut self, sequence: u16) -> Option<Option<Self>> {
        let ahead = sequence.wrapping_sub(self.newest).cast_signed();
        match ahead {
            1..=RELAY_AHEAD => {
                self.sent = self
                    .sent
                    .checked_shl(u32::from(ahead.unsigned_abs()))
                    .unwrap_or(0)
                    | 1;
                self.newest = sequence;
            }
            RELAY_BEHIND..=0 => {
                let bit = 1_u64.checked_shl(u32::from(ahead.unsigned_abs()))?;
                if self.sent & bit != 0 {
                    return None;
                }
                self.sent |= bit;
            }
            _ => return Some(None),
        }
        Some(Some(self))
    }
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
            source: Source::Own,
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
        if !matches!(self.source, Source::Own) {
            self.source = Source::Own;
            if let Some(expected) = self.timestamp_at(now) {
                self.timestamp_base = expected.wrapping_sub(media_time);
            }
        }
        let header = Header {
            marker,
            payload_type,
            sequence: self.next_sequence,
            timestamp: self.timestamp_base.wrapping_add(media_time),
            ssrc: self.ssrc,
        };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.count(&header, payload_len, now);
        header
    }

    /// Another program makes the packets from now on: its zero is joined to where the clock stands with its first packet.
    pub const fn begin_anew(&mut self) {
        self.source = Source::OwnAnew;
    }

    /// The header of a packet that is passed on from another stream: its gaps and its order stay, so that loss on the first leg
    /// shows on the second. `source`: as it came in. Another SSRC, or a source that began its numbers anew, is joined on without
    /// a jump.
    ///
    /// `None` for a packet that was passed on before, or is too old to tell: one number must never be used for two packets, since
    /// SRTP derives its key stream from it (RFC 3711 section 9.1).
    pub fn relay(
        &mut self,
        payload_type: u8,
        source: &Header,
        payload_len: usize,
        now: Instant,
    ) -> Option<Header> {
        let relayed = match self.source {
            Source::Relayed(relayed) if relayed.ssrc == source.ssrc => {
                relayed.with(source.sequence)?
            }
            Source::Own | Source::OwnAnew | Source::Relayed(_) => None,
        };
        let relayed = relayed.unwrap_or_else(|| Relayed {
            ssrc: source.ssrc,
            sequence_offset: self.next_sequence.wrapping_sub(source.sequence),
            timestamp_offset: self
                .timestamp_at(now)
                .unwrap_or(self.timestamp_base)
                .wrapping_sub(source.timestamp),
            newest: source.sequence,
            sent: u64::MAX,
        });
        self.source = Source::Relayed(relayed);
        self.next_sequence = relayed
            .newest
            .wrapping_add(relayed.sequence_offset)
            .wrapping_add(1);
        let header = Header {
            marker: source.marker,
            payload_type,
            sequence: source.sequence.wrapping_add(relayed.sequence_offset),
            timestamp: source.timestamp.wrapping_add(relayed.timestamp_offset),
            ssrc: self.ssrc,
        };
        self.count(&header, payload_len, now);
        Some(header)
    }

    /// The packet just numbered has so many octets of payload more.
    pub const fn add_octets(&mut self, more: usize) {
        self.bytes += more as u64;
    }

    fn count(&mut self, header: &Header, payload_len: usize, now: Instant) {
        self.packets += 1;
        self.bytes += payload_len as u64;
        // An event repeats a timestamp that is past: the newest one stays the anchor.
        if self
            .anchor
            .is_none_or(|(newest, _)| header.timestamp.wrapping_sub(newest).cast_signed() > 0)
        {
            self.anchor = Some((header.timestamp, now));
        }
    }

    /// Where the RTP clock stands; `None` before the first packet.
    fn timestamp_at(&self, now: Instant) -> Option<u32> {
        let (timestamp, at) = self.anchor?;
        let ticks = now.saturating_duration_since(at).as_nanos() * u128::from(self.clock_rate)
            / 1_000_000_000;
        Some(timestamp.wrapping_add((ticks & 0xFFFF_FFFF) as u32))
    }

    /// What goes into a sender report at `now`; `None` before the first packet.
    #[must_use]
    pub fn sender_info(&self, clock: &NtpClock, now: Instant) -> Option<SenderInfo> {
        let rtp_timestamp = self.timestamp_at(now)?;
        Some(SenderInfo {
            ntp: clock.at(now),
            rtp_timestamp,
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

#[cfg(test)]
mod relay_tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to begin at"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn incoming(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header {
            marker: false,
            payload_type: 111,
            sequence,
            timestamp,
            ssrc,
        }
    }

    #[test]
    fn a_relayed_stream_keeps_its_gaps_and_joins_own_packets_without_a_jump() {
        let now = start();
        let later = |slots: u32| now + Duration::from_millis(20) * slots;
        let mut sender = Sender::new(&mut StdRng::from_seed([1; 32]), 48_000);
        let own = sender.next(111, true, 0, 80, now);
        let first = sender
            .relay(111, &incoming(7, 65_535, 5), 80, later(1))
            .unwrap();
        assert_eq!(first.sequence, own.sequence + 1);
        assert_eq!(first.timestamp, own.timestamp.wrapping_add(960));
        assert_eq!(first.ssrc, sender.ssrc());
        let third = sender
            .relay(111, &incoming(7, 1, 5 + 1920), 80, later(3))
            .unwrap();
        assert_eq!(
            (third.sequence, third.timestamp),
            (first.sequence + 2, first.timestamp.wrapping_add(1920))
        );
        let second = sender
            .relay(111, &incoming(7, 0, 5 + 960), 80, later(3))
            .unwrap();
        assert_eq!(second.sequence, first.sequence + 1);
        let own = sender.next(111, false, 123, 80, later(4));
        assert_eq!(
            (own.sequence, own.timestamp),
            (first.sequence + 3, first.timestamp.wrapping_add(3 * 960))
        );
        sender.begin_anew();
        let anew = sender.next(111, false, 99_999, 80, later(5));
        assert_eq!(
            (anew.sequence, anew.timestamp),
            (own.sequence + 1, own.timestamp.wrapping_add(960))
        );
    }

    #[test]
    fn no_number_is_ever_used_twice() {
        let now = start();
        let mut sender = Sender::new(&mut StdRng::from_seed([2; 32]), 48_000);
        let mut used = std::collections::HashSet::new();
        used.insert(sender.next(111, true, 0, 80, now).sequence);
        // Repeated, late, from before the joint, restarted, of another source: each gets a number of its own, or none.
        let sequences = [
            100, 101, 101, 99, 98, 104, 103, 103, 40, 9_000, 8_999, 9_001, 9_001, 200, 201, 9_002,
            201,
        ];
        for (index, sequence) in sequences.into_iter().enumerate() {
            let ssrc = if index % 5 == 4 { 8 } else { 7 };
            if let Some(header) = sender.relay(111, &incoming(ssrc, sequence, 0), 80, now) {
                assert!(
                    used.insert(header.sequence),
                    "{sequence} of {ssrc} reuses {}",
                    header.sequence
                );
            }
            if index % 7 == 6 {
                assert!(used.insert(sender.next(111, false, 0, 80, now).sequence));
            }
        }
        assert!(sender.relay(111, &incoming(9, 5, 0), 80, now).is_some());
        assert!(sender.relay(111, &incoming(9, 5, 0), 80, now).is_none());
        assert!(sender.relay(111, &incoming(9, 4, 0), 80, now).is_none());
    }
}
