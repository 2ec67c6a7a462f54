//! Reception statistics of one RTP stream (RFC 3550 sections 6.4.1, A.1, A.3, A.8): sequence, loss, jitter, restarts.

use crate::rtp::bursts::Bursts;
use crate::rtp::clock::{compact, to_compact};
use crate::rtp::packet::Header;
use crate::rtp::rtcp::{ReportBlock, SenderInfo};
use std::time::{Duration, Instant};

/// Forward gap up to which a sequence number counts as loss and not as a restart (RFC 3550 A.1 `MAX_DROPOUT`).
const MAX_DROPOUT: u16 = 3000;
/// Backward step up to which a packet counts as late and not as a restart (RFC 3550 A.1 `MAX_MISORDER`).
const MAX_MISORDER: u16 = 100;
/// How many of the latest sequence numbers are remembered one by one. A packet later than that counts as lost all the same.
const WINDOW: u32 = 64;

/// How a packet stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// The first of its source: of all, or after the source changed its SSRC.
    First {
        /// The source that was heard before.
        replaced: Option<u32>,
    },
    /// Newest so far; `missing` sequence numbers were skipped just before it.
    InOrder {
        /// 0 when it follows directly.
        missing: u16,
    },
    /// An older one that had not come yet.
    Reordered,
    /// Had come before.
    Duplicate,
    /// Far off the sequence: perhaps a restart, decided by the next packet. Not counted until then.
    OffSequence,
    /// The sender began its sequence anew.
    Restarted,
}

/// The figures of one incoming stream, named as in W3C webrtc-stats where that has a name. All since the start of the call, across
/// restarts and changes of SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReceptionStatistics {
    /// The present source.
    pub ssrc: u32,
    /// Packets that came in, late ones included, duplicates not.
    pub packets_received: u64,
    /// Payload bytes of them.
    pub bytes_received: u64,
    /// Expected minus received; never below zero here, since duplicates are told apart.
    pub packets_lost: u64,
    /// Packets that came a second time.
    pub packets_duplicated: u64,
    /// Packets that came after a newer one.
    pub packets_reordered: u64,
    /// Runs of consecutive losses among the packets that can no longer come: `packets_lost_settled / loss_runs` is the mean burst.
    pub loss_runs: u64,
    /// Losses in those runs.
    pub packets_lost_settled: u64,
    /// Missing packets that a later one brought a copy of.
    pub packets_recovered: u64,
    /// How often the sender began its sequence anew.
    pub restarts: u32,
    /// How often the SSRC changed.
    pub source_changes: u32,
    /// Interarrival jitter.
    pub jitter: Duration,
    /// Since when nothing came; `None` = nothing ever came.
    pub last_packet: Option<Instant>,
    /// What the sender said of its stream last.
    pub sender: Option<SenderInfo>,
}

/// Counts one incoming stream. One per call; a new SSRC replaces the old source.
#[derive(Debug)]
pub struct Receiver {
    clock_rate: u32,
    source: Option<Source>,
    earlier: ReceptionStatistics,
    bytes: u64,
    last_packet: Option<Instant>,
    bursts: Bursts,
    recovered: u64,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    base: u32,
    /// Extended highest sequence number: cycles in the upper half.
    highest: u32,
    received: u32,
    duplicates: u64,
    reordered: u64,
    /// Which of the newest [`WINDOW`] numbers came; bit 0 is `highest`.
    history: u64,
    /// Which of them came, and were thrown away all the same.
    discarded: u64,
    /// Which of them did not come, but were made good by a later packet.
    recovered: u64,
    losing: bool,
    loss_runs: u64,
    settled_losses: u64,
    /// The sequence number that would confirm a restart.
    suspect: Option<u16>,
    expected_before: u32,
    received_before: u32,
    timing: Option<Timing>,
    /// Jitter times 16, in units of the RTP clock (RFC 3550 A.8).
    jitter_scaled: u32,
    last_report: Option<(SenderInfo, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Timing {
    arrival: Instant,
    timestamp: u32,
}

impl Receiver {
    /// `clock_rate`: of the audio codec, in Hz.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: clock_rate.max(1),
            source: None,
            earlier: ReceptionStatistics::default(),
            bytes: 0,
            last_packet: None,
            bursts: Bursts::default(),
            recovered: 0,
        }
    }

    /// The codec's clock changed with a new agreement: jitter starts anew, counters go on.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        let clock_rate = clock_rate.max(1);
        if clock_rate != self.clock_rate
            && let Some(source) = &mut self.source
        {
            source.timing = None;
            source.jitter_scaled = 0;
        }
        self.clock_rate = clock_rate;
    }

    /// Counts a packet of the audio codec.
    pub fn on_audio(&mut self, header: &Header, payload_len: usize, now: Instant) -> Arrival {
        let arrival = self.count(header, payload_len, now);
        let counts = match arrival {
            Arrival::First { .. }
            | Arrival::InOrder { .. }
            | Arrival::Reordered
            | Arrival::Restarted => true,
            Arrival::Duplicate | Arrival::OffSequence => false,
        };
        if let (true, Some(source)) = (counts, &mut self.source) {
            source.time(header.timestamp, self.clock_rate, now);
        }
        arrival
    }

    /// Counts a packet whose timestamps say nothing about jitter: telephone events repeat theirs and may run on another clock.
    pub fn on_event(&mut self, header: &Header, payload_len: usize, now: Instant) -> Arrival {
        self.count(header, payload_len, now)
    }

    /// The packet of this number came and was thrown away, most often for being late: a loss to the ear.
    pub fn on_discarded(&mut self, sequence: u16) {
        if let Some((source, bit)) = self.remembered(sequence) {
            source.discarded |= bit;
        }
    }

    /// Whether the packet of this number is missing still, so that a copy of it is welcome. Says so once: the copy is taken then.
    pub fn recover(&mut self, sequence: u16) -> bool {
        let Some((source, bit)) = self.remembered(sequence) else {
            return false;
        };
        let wanted = (source.history | source.recovered) & bit == 0;
        source.recovered |= bit;
        self.recovered += u64::from(wanted);
        wanted
    }

    /// Bursts and gaps among the packets that can no longer come.
    #[must_use]
    pub const fn bursts(&self) -> &Bursts {
        &self.bursts
    }

    /// The bit of a number that is not settled yet.
    fn remembered(&mut self, sequence: u16) -> Option<(&mut Source, u64)> {
        let source = self.source.as_mut()?;
        let behind = u32::from((source.highest as u16).wrapping_sub(sequence));
        let begun = source.highest.wrapping_sub(source.base) >= behind;
        (begun && behind < WINDOW).then(|| (source, 1 << behind))
    }

    /// Whether this is the source that is heard now.
    #[must_use]
    pub fn hears(&self, ssrc: u32) -> bool {
        self.source
            .as_ref()
            .is_some_and(|source| source.ssrc == ssrc)
    }

    /// Remembers a sender report for the next report block. `ssrc`: who sent it.
    pub fn on_sender_report(&mut self, ssrc: u32, info: &SenderInfo, now: Instant) {
        if let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) {
            source.last_report = Some((*info, now));
        }
    }

    /// The block of the next report; each call ends a loss interval. `None` before the first packet.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let source = self.source.as_mut()?;
        let expected = source.expected();
        let expected_now = expected.wrapping_sub(source.expected_before);
        let received_now = source.received.wrapping_sub(source.received_before);
        source.expected_before = expected;
        source.received_before = source.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = if expected_now == 0 {
            0
        } else {
            (u64::from(lost_now) << 8) / u64::from(expected_now)
        };
        Some(ReportBlock {
            ssrc: source.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: expected.wrapping_sub(source.received).cast_signed(),
            highest_sequence: source.highest,
            jitter: source.jitter_scaled >> 4,
            last_sender_report: source.last_report.map_or(0, |(info, _)| compact(info.ntp)),
            delay_since_last_sender_report: source
                .last_report
                .map_or(0, |(_, at)| to_compact(now.saturating_duration_since(at))),
        })
    }

    /// The figures up to now.
    #[must_use]
    pub fn statistics(&self) -> ReceptionStatistics {
        let mut figures = self.earlier;
        figures.bytes_received = self.bytes;
        figures.last_packet = self.last_packet;
        figures.packets_recovered = self.recovered;
        if let Some(source) = &self.source {
            figures.ssrc = source.ssrc;
            source.add_to(&mut figures);
            let seconds = f64::from(source.jitter_scaled) / 16.0 / f64::from(self.clock_rate);
            figures.jitter = Duration::from_secs_f64(seconds);
            figures.sender = source.last_report.map(|(info, _)| info);
        }
        figures
    }

    fn count(&mut self, header: &Header, payload_len: usize, now: Instant) -> Arrival {
        self.last_packet = Some(now);
        let arrival = match &mut self.source {
            Some(source) if source.ssrc == header.ssrc => {
                source.count(header.sequence, &mut self.bursts)
            }
            _ => {
                let replaced = self.source.take().map(|old| {
                    old.add_to(&mut self.earlier);
                    self.earlier.source_changes += 1;
                    self.bursts.settle();
                    old.ssrc
                });
                self.source = Some(Source::new(header.ssrc, header.sequence));
                Arrival::First { replaced }
            }
        };
        if arrival == Arrival::Restarted
            && let Some(old) = self.source.take()
        {
            old.add_to(&mut self.earlier);
            self.earlier.restarts += 1;
            self.bursts.settle();
            // The packet before this one, which raised the suspicion, belongs to the new run and is counted with it.
            let mut fresh = Source::new(header.ssrc, header.sequence.wrapping_sub(1));
            fresh.last_report = old.last_report;
            fresh.count(header.sequence, &mut self.bursts);
            self.source = Some(fresh);
        }
        match arrival {
            Arrival::First { .. }
            | Arrival::InOrder { .. }
            | Arrival::Reordered
            | Arrival::Restarted => {
                self.bytes = self.bytes.saturating_add(payload_len as u64);
            }
            Arrival::Duplicate | Arrival::OffSequence => {}
        }
        arrival
    }
}

impl Source {
    fn new(ssrc: u32, sequence: u16) -> Self {
        let base = u32::from(sequence);
        Self {
            ssrc,
            base,
            highest: base,
            received: 1,
            duplicates: 0,
            reordered: 0,
            history: 1,
            discarded: 0,
            recovered: 0,
            losing: false,
            loss_runs: 0,
            settled_losses: 0,
            suspect: None,
            expected_before: 0,
            received_before: 0,
            timing: None,
            jitter_scaled: 0,
            last_report: None,
        }
    }

    const fn expected(&self) -> u32 {
        self.highest.wrapping_sub(self.base).wrapping_add(1)
    }

    fn count(&mut self, sequence: u16, bursts: &mut Bursts) -> Arrival {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead == 0 {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        if ahead < MAX_DROPOUT {
            self.suspect = None;
            self.advance(u32::from(ahead), bursts);
            self.received = self.received.wrapping_add(1);
            return Arrival::InOrder { missing: ahead - 1 };
        }
        let behind = u32::from(ahead.wrapping_neg());
        if behind <= u32::from(MAX_MISORDER) {
            return self.late(behind);
        }
        // Two in a row from elsewhere are a sender that began anew (RFC 3550 A.1).
        if self.suspect == Some(sequence) {
            return Arrival::Restarted;
        }
        self.suspect = Some(sequence.wrapping_add(1));
        Arrival::OffSequence
    }

    fn late(&mut self, behind: u32) -> Arrival {
        if behind >= WINDOW {
            // Already settled as lost, and whether it came before is no longer known.
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        let bit = 1 << behind;
        if self.history & bit != 0 {
            self.duplicates += 1;
            return Arrival::Duplicate;
        }
        self.history |= bit;
        let position = self.highest.wrapping_sub(behind);
        if self.base.wrapping_sub(position).cast_signed() > 0 {
            // Sent before the first one that came: the count begins there.
            self.base = position;
        }
        self.received = self.received.wrapping_add(1);
        self.reordered += 1;
        Arrival::Reordered
    }

    /// Moves the window on; what falls out of it is settled as received or lost.
    fn advance(&mut self, ahead: u32, bursts: &mut Bursts) {
        const OLDEST: u32 = WINDOW - 1;
        for step in 0..ahead {
            let leaving = self.highest.wrapping_add(step).wrapping_sub(OLDEST);
            let known = leaving.wrapping_sub(self.base).cast_signed() >= 0;
            let came = self.history >> OLDEST & 1 == 1;
            let heard = (self.history & !self.discarded | self.recovered) >> OLDEST & 1 == 1;
            if known {
                if heard {
                    bursts.heard();
                } else {
                    bursts.missed();
                }
                if !came {
                    self.settled_losses += 1;
                    self.loss_runs += u64::from(!self.losing);
                }
                self.losing = !came;
            }
            self.history <<= 1;
            self.discarded <<= 1;
            self.recovered <<= 1;
        }
        self.history |= 1;
        self.highest = self.highest.wrapping_add(ahead);
    }

    fn time(&mut self, timestamp: u32, clock_rate: u32, now: Instant) {
        if let Some(before) = self.timing {
            if before.timestamp == timestamp {
                return;
            }
            let arrived = now.saturating_duration_since(before.arrival);
            let ticks = arrived.as_nanos() * u128::from(clock_rate) / 1_000_000_000;
            let expected = timestamp.wrapping_sub(before.timestamp).cast_signed();
            let difference = i64::try_from(ticks)
                .unwrap_or(i64::MAX)
                .saturating_sub(i64::from(expected))
                .unsigned_abs();
            // A jump of the timestamps (a new talk spurt after silence on another base) is not the network's jitter.
            if difference < u64::from(clock_rate) * 5 {
                let difference = u32::try_from(difference).unwrap_or(u32::MAX);
                self.jitter_scaled = self
                    .jitter_scaled
                    .saturating_add(difference)
                    .saturating_sub((self.jitter_scaled + 8) >> 4);
            }
        }
        self.timing = Some(Timing {
            arrival: now,
            timestamp,
        });
    }

    fn add_to(&self, figures: &mut ReceptionStatistics) {
        figures.packets_received += u64::from(self.received);
        figures.packets_lost += u64::from(self.expected().saturating_sub(self.received));
        figures.packets_duplicated += self.duplicates;
        figures.packets_reordered += self.reordered;
        figures.loss_runs += self.loss_runs;
        figures.packets_lost_settled += self.settled_losses;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to begin at"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn header(sequence: u16, timestamp: u32) -> Header {
        Header {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp,
            ssrc: 7,
        }
    }

    /// A receiver after these sequence numbers, 20 ms apart, of an 8 kHz stream.
    fn after(sequences: &[u16]) -> (Receiver, Vec<Arrival>) {
        let begin = start();
        let mut receiver = Receiver::new(8_000);
        let arrivals = sequences
            .iter()
            .enumerate()
            .map(|(index, sequence)| {
                let now = begin + Duration::from_millis(20) * index as u32;
                receiver.on_audio(&header(*sequence, u32::from(*sequence) * 160), 160, now)
            })
            .collect();
        (receiver, arrivals)
    }

    #[test]
    fn a_clean_stream_over_the_wrap_loses_nothing() {
        let (mut receiver, _) = after(&[65_533, 65_534, 65_535, 0, 1]);
        let block = receiver.report_block(start()).unwrap();
        assert_eq!(block.highest_sequence, 0x0001_0001, "one cycle");
        assert_eq!((block.cumulative_lost, block.fraction_lost), (0, 0));
        assert_eq!(receiver.statistics().packets_received, 5);
        assert_eq!(receiver.statistics().bytes_received, 800);
    }

    #[test]
    fn loss_is_reported_for_the_interval_and_for_the_whole() {
        // Expected 10 (100..=109), lost 4 of them: 4 * 256 / 10 = 102.
        let (mut receiver, arrivals) = after(&[100, 101, 104, 105, 106, 109]);
        assert_eq!(arrivals[2], Arrival::InOrder { missing: 2 });
        let block = receiver.report_block(start()).unwrap();
        assert_eq!((block.cumulative_lost, block.fraction_lost), (4, 102));
        // Nothing more is lost in the next interval, but the total stays.
        receiver.on_audio(&header(110, 0), 0, start());
        let block = receiver.report_block(start()).unwrap();
        assert_eq!((block.cumulative_lost, block.fraction_lost), (4, 0));
        let block = receiver.report_block(start()).unwrap();
        assert_eq!(block.fraction_lost, 0, "an empty interval");
    }

    #[test]
    fn late_and_repeated_packets_are_told_apart() {
        let (receiver, arrivals) = after(&[10, 12, 11, 11, 12]);
        assert_eq!(
            arrivals[2..],
            [Arrival::Reordered, Arrival::Duplicate, Arrival::Duplicate]
        );
        let figures = receiver.statistics();
        assert_eq!((figures.packets_received, figures.packets_lost), (3, 0));
        assert_eq!(
            (figures.packets_duplicated, figures.packets_reordered),
            (2, 1)
        );
    }

    #[test]
    fn a_packet_from_before_the_first_one_moves_the_beginning() {
        let (mut receiver, arrivals) = after(&[1, 0, 65_535, 2]);
        assert_eq!(arrivals[1..3], [Arrival::Reordered, Arrival::Reordered]);
        let block = receiver.report_block(start()).unwrap();
        assert_eq!(block.cumulative_lost, 0);
        assert_eq!(receiver.statistics().packets_received, 4);
    }

    #[test]
    fn jitter_is_that_of_rfc_3550_computed_by_hand() {
        let begin = start();
        let mut receiver = Receiver::new(8_000);
        let mut arrive = |millis: u64, timestamp: u32, sequence: u16| {
            receiver.on_audio(
                &header(sequence, timestamp),
                160,
                begin + Duration::from_millis(millis),
            );
        };
        arrive(0, 0, 0);
        // 30 ms after the first instead of 20: D = 80 units, J = 80/16 = 5.
        arrive(30, 160, 1);
        // 10 ms after that instead of 20: D = 80 again, J = 5 + (80 - 5)/16 = 9.6875.
        arrive(40, 320, 2);
        // On time: J = 9.6875 - 9.6875/16 = 9.08.
        arrive(60, 480, 3);
        let block = receiver.report_block(begin).unwrap();
        assert_eq!(block.jitter, 9);
        let seconds = receiver.statistics().jitter.as_secs_f64();
        assert!(
            (seconds - 9.08 / 8_000.0).abs() < 0.1 / 8_000.0,
            "{seconds}"
        );
    }

    #[test]
    fn packets_of_one_timestamp_and_events_do_not_count_as_jitter() {
        let begin = start();
        let mut receiver = Receiver::new(8_000);
        receiver.on_audio(&header(0, 0), 160, begin);
        for sequence in 1..10 {
            receiver.on_event(
                &header(sequence, 160),
                4,
                begin + Duration::from_millis(20) * u32::from(sequence),
            );
        }
        receiver.on_audio(&header(10, 1600), 160, begin + Duration::from_millis(200));
        receiver.on_audio(&header(11, 1600), 160, begin + Duration::from_millis(220));
        assert_eq!(receiver.report_block(begin).unwrap().jitter, 0);
        assert_eq!(receiver.statistics().packets_received, 12);
    }

    #[test]
    fn one_stray_packet_is_passed_over_and_two_in_a_row_are_a_restart() {
        let (receiver, arrivals) = after(&[10, 11, 40_000, 12, 13]);
        assert_eq!(arrivals[2], Arrival::OffSequence);
        assert_eq!(
            (
                receiver.statistics().packets_received,
                receiver.statistics().restarts
            ),
            (4, 0)
        );
        let (mut receiver, arrivals) = after(&[10, 11, 13, 40_000, 40_001, 40_002]);
        assert_eq!(arrivals[4], Arrival::Restarted);
        let figures = receiver.statistics();
        assert_eq!(
            (
                figures.packets_received,
                figures.packets_lost,
                figures.restarts
            ),
            (6, 1, 1)
        );
        let block = receiver.report_block(start()).unwrap();
        assert_eq!(
            (block.cumulative_lost, block.highest_sequence),
            (0, 40_002),
            "the report is of the new run"
        );
    }

    #[test]
    fn a_new_source_replaces_the_old_and_the_call_keeps_its_totals() {
        let (mut receiver, _) = after(&[1, 2, 4]);
        let fresh = Header {
            ssrc: 8,
            ..header(500, 0)
        };
        assert_eq!(
            receiver.on_audio(&fresh, 100, start()),
            Arrival::First { replaced: Some(7) }
        );
        let figures = receiver.statistics();
        assert_eq!(
            (figures.ssrc, figures.packets_received, figures.packets_lost),
            (8, 4, 1)
        );
        assert_eq!((figures.source_changes, figures.bytes_received), (1, 580));
    }

    #[test]
    fn the_report_says_when_the_last_sender_report_came() {
        let (mut receiver, _) = after(&[1]);
        let begin = start();
        let info = SenderInfo {
            ntp: 0x1122_3344_5566_7788,
            ..SenderInfo::default()
        };
        receiver.on_sender_report(99, &info, begin);
        assert_eq!(
            receiver.report_block(begin).unwrap().last_sender_report,
            0,
            "from somebody else"
        );
        receiver.on_sender_report(7, &info, begin);
        let block = receiver
            .report_block(begin + Duration::from_millis(1500))
            .unwrap();
        assert_eq!(block.last_sender_report, 0x3344_5566);
        assert_eq!(block.delay_since_last_sender_report, 0x0001_8000);
    }

    #[test]
    fn runs_of_loss_are_counted_once_they_can_no_longer_be_filled() {
        let mut sequences: Vec<u16> = (0..300).collect();
        sequences.retain(|sequence| !matches!(sequence, 10..=13 | 50 | 100..=101 | 290));
        let figures = after(&sequences).0.statistics();
        assert_eq!((figures.packets_lost_settled, figures.loss_runs), (7, 3));
        assert_eq!(figures.packets_lost, 8, "the last one may still come");
    }

    #[test]
    fn bursts_are_of_what_was_not_heard_lost_discarded_and_not_made_good() {
        let mut receiver = Receiver::new(8_000);
        for sequence in 0..400u16 {
            if matches!(sequence, 100..=103 | 200) {
                continue;
            }
            receiver.on_audio(&header(sequence, u32::from(sequence) * 160), 160, start());
            match sequence {
                // Too late for the ear, close behind the losses.
                110 => receiver.on_discarded(sequence),
                201 => {
                    assert!(receiver.recover(200), "its copy came with the next one");
                    assert!(!receiver.recover(200), "once");
                    assert!(!receiver.recover(201) && !receiver.recover(50));
                }
                0 => assert!(!receiver.recover(65_535), "from before the beginning"),
                _ => {}
            }
        }
        let figures = receiver.bursts().figures();
        assert_eq!((figures.bursts, figures.burst_packets), (1, 11.0));
        assert!((figures.burst_density - 5.0 / 11.0).abs() < 1e-9);
        assert_eq!(figures.gap_density, 0.0);
        let counted = receiver.statistics();
        assert_eq!((counted.packets_recovered, counted.packets_lost), (1, 5));
    }

    proptest! {
        #[test]
        fn received_and_lost_add_up_to_expected(gaps in proptest::collection::vec(1u16..5, 1..400), first: u16) {
            let mut sequence = first;
            let mut sequences = vec![first];
            for gap in &gaps {
                sequence = sequence.wrapping_add(*gap);
                sequences.push(sequence);
            }
            let figures = after(&sequences).0.statistics();
            let expected = 1 + gaps.iter().map(|gap| u64::from(*gap)).sum::<u64>();
            prop_assert_eq!(figures.packets_received, sequences.len() as u64);
            prop_assert_eq!(figures.packets_received + figures.packets_lost, expected);
        }

        #[test]
        fn any_stream_is_counted_without_panic(packets in proptest::collection::vec((any::<u16>(), any::<u32>(), 0u32..3, 0u64..100_000), 0..300)) {
            let mut now = start();
            let mut receiver = Receiver::new(0);
            for (sequence, timestamp, ssrc, millis) in packets {
                now += Duration::from_millis(millis);
                receiver.on_audio(&Header { ssrc, ..header(sequence, timestamp) }, 10, now);
                receiver.report_block(now);
            }
            let _ = receiver.statistics();
        }
    }
}
