//! RTCP extended reports (RFC 3611): reader and writer of the blocks that a call has use for.

use crate::rtp::rtcp::{DoesNotFit, Writer};

/// Packet type of an XR (RFC 3611 section 2).
pub(super) const EXTENDED_REPORT: u8 = 207;

const RECEIVER_REFERENCE_TIME: u8 = 4;
const DELAY_SINCE_LAST_RECEIVER_REPORT: u8 = 5;
const VOIP_METRICS: u8 = 7;
/// Length of a VoIP metrics block in words after its own first one (RFC 3611 section 4.7).
const VOIP_METRICS_WORDS: u16 = 8;
/// "The value is unavailable" for every field of eight bits that can be (RFC 3611 section 4.7).
const UNAVAILABLE: u8 = 127;

/// One report block of an XR packet.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Block<'a> {
    /// The reporter's clock, for a round trip that a mere receiver can measure (RFC 3611 section 4.4).
    ReceiverReferenceTime {
        /// 64-bit NTP timestamp.
        ntp: u64,
    },
    /// Answers to such clocks (RFC 3611 section 4.5).
    DelaySinceLastReceiverReport(Delays<'a>),
    /// How a voice stream is heard (RFC 3611 section 4.7).
    VoipMetrics(VoipMetrics),
    /// A type that is not read here, or a known one of the wrong length.
    Unknown {
        /// Block type.
        block_type: u8,
    },
}

/// One answer to a receiver's reference time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    /// Whose clock it was.
    pub ssrc: u32,
    /// Middle 32 bits of that clock's NTP timestamp; 0: none was seen.
    pub last_receiver_report: u32,
    /// Time since it came in, in 1/65536 s.
    pub delay: u32,
}

/// Iterator over the answers of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays<'a>(&'a [u8]);

impl Iterator for Delays<'_> {
    type Item = Delay;

    fn next(&mut self) -> Option<Delay> {
        let (entry, rest) = self.0.split_first_chunk::<12>()?;
        self.0 = rest;
        let [s0, s1, s2, s3, l0, l1, l2, l3, d0, d1, d2, d3] = *entry;
        Some(Delay {
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            last_receiver_report: u32::from_be_bytes([l0, l1, l2, l3]),
            delay: u32::from_be_bytes([d0, d1, d2, d3]),
        })
    }
}

/// The VoIP metrics block (RFC 3611 section 4.7) in the units of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VoipMetrics {
    /// The source that is heard.
    pub ssrc: u32,
    /// Packets lost on the way, in 1/256.
    pub loss_rate: u8,
    /// Packets that came and were thrown away, most often for being late, in 1/256.
    pub discard_rate: u8,
    /// Packets lost or discarded within bursts, in 1/256.
    pub burst_density: u8,
    /// Packets lost or discarded between bursts, in 1/256.
    pub gap_density: u8,
    /// Mean length of bursts in ms.
    pub burst_duration_ms: u16,
    /// Mean length of what lies between bursts, in ms.
    pub gap_duration_ms: u16,
    /// Last round trip in ms; 0: not measured.
    pub round_trip_delay_ms: u16,
    /// Delay within the reporter: jitter buffer, packets, device; 0: unknown.
    pub end_system_delay_ms: u16,
    /// Level of speech in dBm0.
    pub signal_level: Option<i8>,
    /// Level of what lies between the words, in dBm0.
    pub noise_level: Option<i8>,
    /// Residual echo return loss in dB.
    pub residual_echo_return_loss: Option<u8>,
    /// Packets that must come in a row for a burst to be over; 16 is what RFC 3611 recommends.
    pub minimum_gap: u8,
    /// Transmission rating of the path as G.107 has it, 0 to 100.
    pub r_factor: Option<u8>,
    /// Rating of a segment outside of RTP.
    pub external_r_factor: Option<u8>,
    /// MOS without the effects of delay, times ten.
    pub mos_lq: Option<u8>,
    /// MOS with them, times ten.
    pub mos_cq: Option<u8>,
    /// Concealment and kind of jitter buffer, as the wire has them.
    pub receiver_configuration: u8,
    /// Delay of the jitter buffer now, in ms.
    pub jitter_buffer_nominal_ms: u16,
    /// Largest delay that the buffer has taken, or will take, with what it sees now.
    pub jitter_buffer_maximum_ms: u16,
    /// Largest delay that the buffer can take at all.
    pub jitter_buffer_absolute_maximum_ms: u16,
}

impl VoipMetrics {
    /// Concealment that repeats and fades, an adaptive jitter buffer, nothing said of how fast it adapts.
    pub const CONCEALING_AND_ADAPTIVE: u8 = 0b1111_0000;

    fn read(body: &[u8]) -> Option<Self> {
        let body = body.first_chunk::<32>()?;
        let [s0, s1, s2, s3, rest @ ..] = *body;
        let [
            loss_rate,
            discard_rate,
            burst_density,
            gap_density,
            rest @ ..,
        ] = rest;
        let [b0, b1, g0, g1, r0, r1, e0, e1, rest @ ..] = rest;
        let [signal, noise, echo, minimum_gap, rest @ ..] = rest;
        let [
            r,
            external,
            lq,
            cq,
            receiver_configuration,
            _reserved,
            rest @ ..,
        ] = rest;
        let [n0, n1, m0, m1, a0, a1] = rest;
        let known = |value: u8| Some(value).filter(|value| *value != UNAVAILABLE);
        Some(Self {
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            loss_rate,
            discard_rate,
            burst_density,
            gap_density,
            burst_duration_ms: u16::from_be_bytes([b0, b1]),
            gap_duration_ms: u16::from_be_bytes([g0, g1]),
            round_trip_delay_ms: u16::from_be_bytes([r0, r1]),
            end_system_delay_ms: u16::from_be_bytes([e0, e1]),
            signal_level: known(signal).map(u8::cast_signed),
            noise_level: known(noise).map(u8::cast_signed),
            residual_echo_return_loss: known(echo),
            minimum_gap,
            r_factor: known(r),
            external_r_factor: known(external),
            mos_lq: known(lq),
            mos_cq: known(cq),
            receiver_configuration,
            jitter_buffer_nominal_ms: u16::from_be_bytes([n0, n1]),
            jitter_buffer_maximum_ms: u16::from_be_bytes([m0, m1]),
            jitter_buffer_absolute_maximum_ms: u16::from_be_bytes([a0, a1]),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), DoesNotFit> {
        let value = |value: Option<u8>| value.unwrap_or(UNAVAILABLE);
        let level = |level: Option<i8>| level.map_or(UNAVAILABLE, i8::cast_unsigned);
        writer.put(&self.ssrc.to_be_bytes())?;
        writer.put(&[
            self.loss_rate,
            self.discard_rate,
            self.burst_density,
            self.gap_density,
        ])?;
        for number in [
            self.burst_duration_ms,
            self.gap_duration_ms,
            self.round_trip_delay_ms,
            self.end_system_delay_ms,
        ] {
            writer.put(&number.to_be_bytes())?;
        }
        writer.put(&[
            level(self.signal_level),
            level(self.noise_level),
            value(self.residual_echo_return_loss),
            self.minimum_gap,
            value(self.r_factor),
            value(self.external_r_factor),
            value(self.mos_lq),
            value(self.mos_cq),
            self.receiver_configuration,
            0,
        ])?;
        for number in [
            self.jitter_buffer_nominal_ms,
            self.jitter_buffer_maximum_ms,
            self.jitter_buffer_absolute_maximum_ms,
        ] {
            writer.put(&number.to_be_bytes())?;
        }
        Ok(())
    }
}

/// Iterator over the blocks of one XR packet. What follows a broken length is left aside: the packet's own frame was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let (&[block_type, _specific, l0, l1], rest) = self.0.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let Some((body, rest)) = rest.split_at_checked(len) else {
            self.0 = &[];
            return None;
        };
        self.0 = rest;
        let read = match block_type {
            RECEIVER_REFERENCE_TIME => {
                body.first_chunk::<8>()
                    .map(|ntp| Block::ReceiverReferenceTime {
                        ntp: u64::from_be_bytes(*ntp),
                    })
            }
            DELAY_SINCE_LAST_RECEIVER_REPORT => {
                Some(Block::DelaySinceLastReceiverReport(Delays(body)))
            }
            VOIP_METRICS => VoipMetrics::read(body).map(Block::VoipMetrics),
            _ => None,
        };
        Some(read.unwrap_or(Block::Unknown { block_type }))
    }
}

/// What goes into one XR packet of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtendedReport {
    /// Our clock.
    pub receiver_reference_time: Option<u64>,
    /// The answer to the far end's clock.
    pub delay: Option<Delay>,
    /// How we hear the far end.
    pub voip_metrics: Option<VoipMetrics>,
}

impl ExtendedReport {
    /// There is nothing to say.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.receiver_reference_time.is_none()
            && self.delay.is_none()
            && self.voip_metrics.is_none()
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), DoesNotFit> {
        let head = |block_type: u8, words: u16| {
            let [l0, l1] = words.to_be_bytes();
            [block_type, 0, l0, l1]
        };
        if let Some(ntp) = self.receiver_reference_time {
            writer.put(&head(RECEIVER_REFERENCE_TIME, 2))?;
            writer.put(&ntp.to_be_bytes())?;
        }
        if let Some(delay) = self.delay {
            writer.put(&head(DELAY_SINCE_LAST_RECEIVER_REPORT, 3))?;
            writer.put(&delay.ssrc.to_be_bytes())?;
            writer.put(&delay.last_receiver_report.to_be_bytes())?;
            writer.put(&delay.delay.to_be_bytes())?;
        }
        if let Some(metrics) = &self.voip_metrics {
            writer.put(&head(VOIP_METRICS, VOIP_METRICS_WORDS))?;
            metrics.write(writer)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp::{Compound, Packet};
    use proptest::prelude::*;

    /// A packet written out by hand after the drawings of RFC 3611 sections 2, 4.4, 4.5 and 4.7.
    const PACKET: [u8; 72] = [
        0x80, 207, 0, 17, 0, 0, 0, 9, // XR of source 9
        4, 0, 0, 2, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, // its clock
        5, 0, 0, 3, 0, 0, 0, 7, 0x12, 0x34, 0x56, 0x78, 0, 1, 0,
        0, // source 7 was heard 1 s ago
        7, 0, 0, 8, 0, 0, 0, 7, 26, 3, 128, 1, // VoIP metrics of source 7
        1, 44, 39, 16, 0, 40, 0,
        95, // burst 300 ms, gap 10 s, round trip 40 ms, end system 95 ms
        0xEC, 127, 127, 16, 80, 127, 40, 38, // -20 dBm0, Gmin 16, R 80, MOS 4.0 and 3.8
        0xF0, 0, 0, 60, 0, 120, 1, 244, // adaptive buffer of 60, 120 and 500 ms
    ];

    fn metrics() -> VoipMetrics {
        VoipMetrics {
            ssrc: 7,
            loss_rate: 26,
            discard_rate: 3,
            burst_density: 128,
            gap_density: 1,
            burst_duration_ms: 300,
            gap_duration_ms: 10_000,
            round_trip_delay_ms: 40,
            end_system_delay_ms: 95,
            signal_level: Some(-20),
            noise_level: None,
            residual_echo_return_loss: None,
            minimum_gap: 16,
            r_factor: Some(80),
            external_r_factor: None,
            mos_lq: Some(40),
            mos_cq: Some(38),
            receiver_configuration: VoipMetrics::CONCEALING_AND_ADAPTIVE,
            jitter_buffer_nominal_ms: 60,
            jitter_buffer_maximum_ms: 120,
            jitter_buffer_absolute_maximum_ms: 500,
        }
    }

    #[test]
    fn a_packet_drawn_by_the_rfc_is_read_and_written_byte_by_byte() {
        let compound = Compound::parse(&PACKET).unwrap();
        let Some(Packet::ExtendedReport { ssrc: 9, blocks }) = compound.packets().next() else {
            panic!("no XR")
        };
        let delay = Delay {
            ssrc: 7,
            last_receiver_report: 0x1234_5678,
            delay: 65_536,
        };
        let ntp = 0x1122_3344_5566_7788;
        let read: Vec<_> = blocks.collect();
        let [clock, Block::DelaySinceLastReceiverReport(delays), heard] = read[..] else {
            panic!("{read:?}")
        };
        assert_eq!(clock, Block::ReceiverReferenceTime { ntp });
        assert_eq!(delays.collect::<Vec<_>>(), [delay]);
        assert_eq!(heard, Block::VoipMetrics(metrics()));
        let report = ExtendedReport {
            receiver_reference_time: Some(ntp),
            delay: Some(delay),
            voip_metrics: Some(metrics()),
        };
        let mut buffer = [0; 128];
        let written = Writer::new(&mut buffer)
            .extended_report(9, &report)
            .unwrap()
            .finish();
        assert_eq!(buffer[..written], PACKET);
    }

    #[test]
    fn unknown_and_broken_blocks_hide_nothing_before_them() {
        let mut packet = PACKET.to_vec();
        packet[8] = 200;
        packet[39] = 60;
        let Some(Packet::ExtendedReport { blocks, .. }) =
            Compound::parse(&packet).unwrap().packets().next()
        else {
            panic!("no XR")
        };
        let read: Vec<_> = blocks.collect();
        assert_eq!(read[0], Block::Unknown { block_type: 200 });
        assert!(matches!(read[1], Block::DelaySinceLastReceiverReport(_)));
        assert_eq!(read.len(), 2, "the length of the last one points outside");
    }

    proptest! {
        #[test]
        fn any_blocks_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for block in Blocks(&bytes) {
                if let Block::DelaySinceLastReceiverReport(delays) = block {
                    prop_assert!(delays.count() * 12 <= bytes.len());
                }
            }
        }

        #[test]
        fn what_is_written_is_read_back(loss_rate: u8, burst_duration_ms: u16, r_factor in proptest::option::of(0u8..=100), signal_level in proptest::option::of(-128i8..127)) {
            let metrics = VoipMetrics { loss_rate, burst_duration_ms, r_factor, signal_level, ..metrics() };
            let report = ExtendedReport { voip_metrics: Some(metrics), ..ExtendedReport::default() };
            let mut buffer = [0; 64];
            let written = Writer::new(&mut buffer).extended_report(1, &report).unwrap().finish();
            let Some(Packet::ExtendedReport { mut blocks, .. }) = Compound::parse(&buffer[..written]).unwrap().packets().next() else {
                panic!("no XR")
            };
            prop_assert_eq!(blocks.next(), Some(Block::VoipMetrics(metrics)));
        }
    }
}
