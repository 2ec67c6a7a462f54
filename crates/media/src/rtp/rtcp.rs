//! RTCP (RFC 3550 section 6; reduced size: RFC 5506): reads compound packets without copying, writes SR, RR, SDES, XR and BYE.

use crate::rtp::extended_report::{Blocks, EXTENDED_REPORT, ExtendedReport};

/// Packet types of RFC 3550.
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// SDES item type of the canonical name.
const CNAME: u8 = 1;
/// SDES item type of the media section's name (RFC 9143 section 15.1).
const MID: u8 = 15;
/// Most packets of one compound; a call's have a handful.
pub const MAX_PACKETS: usize = 64;
const REPORT_BLOCK_LEN: usize = 24;
/// The count field has five bits.
const MAX_COUNT: usize = 31;

/// Why bytes are not RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Shorter than its own lengths say.
    #[error("RTCP packet {index} of the compound is cut short")]
    Truncated {
        /// Position within the compound, from 0.
        index: usize,
    },
    /// Not version 2.
    #[error("RTCP version {version} in packet {index} of the compound, expected 2")]
    Version {
        /// Position within the compound, from 0.
        index: usize,
        /// What was found.
        version: u8,
    },
    /// More than [`MAX_PACKETS`] packets in one datagram.
    #[error("RTCP compound of more than {MAX_PACKETS} packets")]
    TooMany,
    /// Padding anywhere but in the last packet, or larger than it (RFC 3550 appendix A.2).
    #[error("RTCP padding in packet {index} of the compound does not fit")]
    Padding {
        /// Position within the compound, from 0.
        index: usize,
    },
}

/// What a sender says of its own stream (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// 64-bit NTP timestamp (32.32 fixed point seconds).
    pub ntp: u64,
    /// The same instant in the stream's RTP clock.
    pub rtp_timestamp: u32,
    /// Packets sent since the start; wraps.
    pub packets: u32,
    /// Payload bytes sent since the start; wraps.
    pub octets: u32,
}

/// What a receiver says of one source (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source that it is about.
    pub ssrc: u32,
    /// Lost part since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the start; 24 bits with sign on the wire, negative when duplicates outnumber losses.
    pub cumulative_lost: i32,
    /// Cycles in the high, sequence number in the low 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP timestamp; 0 = none seen.
    pub last_sender_report: u32,
    /// Time since that report came in, in 1/65536 s.
    pub delay_since_last_sender_report: u32,
}

/// One packet out of a compound.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// SR.
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// Of itself.
        info: SenderInfo,
        /// Of those it hears.
        reports: ReportBlocks<'a>,
    },
    /// RR.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// Of those it hears.
        reports: ReportBlocks<'a>,
    },
    /// SDES.
    SourceDescription(SourceDescriptions<'a>),
    /// BYE.
    Goodbye(Goodbye<'a>),
    /// XR (RFC 3611).
    ExtendedReport {
        /// Who reports.
        ssrc: u32,
        /// What of.
        blocks: Blocks<'a>,
    },
    /// A type that is not read here (feedback, APP, ...); its frame was checked.
    Unknown {
        /// RTCP packet type.
        packet_type: u8,
        /// Count or feedback message type (low five bits of the first byte).
        count: u8,
        /// What follows the four bytes of common header.
        body: &'a [u8],
    },
}

/// Iterator over report blocks.
#[derive(Debug, Clone, Copy)]
pub struct ReportBlocks<'a>(&'a [u8]);

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_first_chunk::<REPORT_BLOCK_LEN>()?;
        self.0 = rest;
        let word = |index: usize| {
            block
                .get(index * 4..index * 4 + 4)
                .and_then(<[u8]>::first_chunk)
                .map_or(0, |bytes| u32::from_be_bytes(*bytes))
        };
        let loss = word(1);
        Some(ReportBlock {
            ssrc: word(0),
            fraction_lost: (loss >> 24) as u8,
            // Moved up and down again to spread the sign of the 24-bit number.
            cumulative_lost: (loss << 8).cast_signed() >> 8,
            highest_sequence: word(2),
            jitter: word(3),
            last_sender_report: word(4),
            delay_since_last_sender_report: word(5),
        })
    }
}

/// Iterator over the chunks of an SDES packet: source and canonical name, where it is text. Other items are skipped.
#[derive(Debug, Clone, Copy)]
pub struct SourceDescriptions<'a> {
    rest: &'a [u8],
    left: u8,
}

/// One source's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceDescription<'a> {
    /// The source.
    pub ssrc: u32,
    /// Its canonical name.
    pub cname: Option<&'a str>,
}

impl<'a> Iterator for SourceDescriptions<'a> {
    type Item = SourceDescription<'a>;

    fn next(&mut self) -> Option<SourceDescription<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (ssrc, mut rest) = self.rest.split_first_chunk::<4>()?;
        let whole = self.rest.len();
        let mut cname = None;
        loop {
            let (&kind, after) = rest.split_first()?;
            if kind == 0 {
                // The list ends at a zero byte, the chunk at the next word.
                let used = whole - after.len();
                rest = after
                    .get(used.next_multiple_of(4) - used..)
                    .unwrap_or_default();
                break;
            }
            let (&len, after) = after.split_first()?;
            let (text, after) = after.split_at_checked(usize::from(len))?;
            if kind == CNAME && cname.is_none() {
                cname = std::str::from_utf8(text).ok();
            }
            rest = after;
        }
        self.rest = rest;
        Some(SourceDescription {
            ssrc: u32::from_be_bytes(*ssrc),
            cname,
        })
    }
}

/// A BYE: who leaves, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goodbye<'a> {
    sources: &'a [u8],
    /// The reason, where one was given as text.
    pub reason: Option<&'a str>,
}

impl Goodbye<'_> {
    /// The sources that leave.
    pub fn sources(&self) -> impl Iterator<Item = u32> + '_ {
        self.sources
            .chunks_exact(4)
            .filter_map(|chunk| chunk.first_chunk())
            .map(|bytes| u32::from_be_bytes(*bytes))
    }
}

/// A checked compound packet; iterate over it for its parts. Reduced-size packets (RFC 5506) are compounds of any first type.
#[derive(Debug, Clone, Copy)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks the frames of all packets in a (decrypted) datagram.
    ///
    /// # Errors
    /// [`Malformed`] names the first packet whose frame is wrong; nothing of such a datagram is to be believed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        let mut index = 0;
        loop {
            let (frame, after) = split_frame(rest, index)?;
            if frame.padded {
                let count = frame.body.last().copied().unwrap_or(0);
                let fits =
                    usize::from(count) <= frame.body.len() && count > 0 && count.is_multiple_of(4);
                if !after.is_empty() || !fits {
                    return Err(Malformed::Padding { index });
                }
            }
            if read(frame).is_none() {
                return Err(Malformed::Truncated { index });
            }
            if after.is_empty() {
                return Ok(Self { bytes });
            }
            rest = after;
            index += 1;
            if index >= MAX_PACKETS {
                return Err(Malformed::TooMany);
            }
        }
    }

    /// The packets in order.
    #[must_use]
    pub const fn packets(&self) -> Packets<'a> {
        Packets { rest: self.bytes }
    }
}

/// Iterator over the packets of a compound.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let (frame, rest) = split_frame(self.rest, 0).ok()?;
        self.rest = rest;
        read(frame)
    }
}

#[derive(Clone, Copy)]
struct Frame<'a> {
    padded: bool,
    count: u8,
    packet_type: u8,
    body: &'a [u8],
}

fn split_frame(bytes: &[u8], index: usize) -> Result<(Frame<'_>, &[u8]), Malformed> {
    let (&[first, packet_type, l0, l1], rest) = bytes
        .split_first_chunk::<4>()
        .ok_or(Malformed::Truncated { index })?;
    if first >> 6 != 2 {
        return Err(Malformed::Version {
            index,
            version: first >> 6,
        });
    }
    let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (body, after) = rest
        .split_at_checked(len)
        .ok_or(Malformed::Truncated { index })?;
    Ok((
        Frame {
            padded: first & 0x20 != 0,
            count: first & 0x1F,
            packet_type,
            body,
        },
        after,
    ))
}

/// Reads one framed packet; `None` when its count promises more than its length holds.
fn read(frame: Frame<'_>) -> Option<Packet<'_>> {
    let body = if frame.padded {
        let padding = usize::from(frame.body.last().copied().unwrap_or(0));
        frame.body.get(..frame.body.len().checked_sub(padding)?)?
    } else {
        frame.body
    };
    Some(match frame.packet_type {
        SENDER_REPORT => {
            let (&[s0, s1, s2, s3], body) = body.split_first_chunk::<4>()?;
            let (info, body) = body.split_first_chunk::<20>()?;
            let (ntp, info) = info.split_first_chunk::<8>()?;
            let (rtp_timestamp, info) = info.split_first_chunk::<4>()?;
            let (packets, info) = info.split_first_chunk::<4>()?;
            let octets = info.first_chunk::<4>()?;
            Packet::SenderReport {
                ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
                info: SenderInfo {
                    ntp: u64::from_be_bytes(*ntp),
                    rtp_timestamp: u32::from_be_bytes(*rtp_timestamp),
                    packets: u32::from_be_bytes(*packets),
                    octets: u32::from_be_bytes(*octets),
                },
                reports: report_blocks(body, frame.count)?,
            }
        }
        RECEIVER_REPORT => {
            let (ssrc, body) = body.split_first_chunk::<4>()?;
            Packet::ReceiverReport {
                ssrc: u32::from_be_bytes(*ssrc),
                reports: report_blocks(body, frame.count)?,
            }
        }
        SOURCE_DESCRIPTION => Packet::SourceDescription(SourceDescriptions {
            rest: body,
            left: frame.count,
        }),
        GOODBYE => {
            let (sources, rest) = body.split_at_checked(usize::from(frame.count) * 4)?;
            let reason = rest
                .split_first()
                .and_then(|(&len, text)| text.get(..usize::from(len)));
            Packet::Goodbye(Goodbye {
                sources,
                reason: reason.and_then(|text| std::str::from_utf8(text).ok()),
            })
        }
        EXTENDED_REPORT => {
            let (ssrc, blocks) = body.split_first_chunk::<4>()?;
            Packet::ExtendedReport {
                ssrc: u32::from_be_bytes(*ssrc),
                blocks: Blocks(blocks),
            }
        }
        packet_type => Packet::Unknown {
            packet_type,
            count: frame.count,
            body,
        },
    })
}

fn report_blocks(body: &[u8], count: u8) -> Option<ReportBlocks<'_>> {
    // What follows the blocks is a profile's extension (RFC 3550 section 6.4.3) and skipped.
    body.get(..usize::from(count) * REPORT_BLOCK_LEN)
        .map(ReportBlocks)
}

/// The buffer ends before the compound does, or a list is longer than its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the RTCP packet does not fit: at most 31 blocks, 255 bytes of text, and the buffer's length"
)]
pub struct DoesNotFit;

/// Writes a compound packet into a caller's buffer: a report first, then the canonical name, then what else there is to say.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    /// Begins a compound.
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Adds an SR.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn sender_report(
        self,
        ssrc: u32,
        info: &SenderInfo,
        reports: &[ReportBlock],
    ) -> Result<Self, DoesNotFit> {
        self.packet(SENDER_REPORT, reports.len(), |writer| {
            writer.put(&ssrc.to_be_bytes())?;
            writer.put(&info.ntp.to_be_bytes())?;
            writer.put(&info.rtp_timestamp.to_be_bytes())?;
            writer.put(&info.packets.to_be_bytes())?;
            writer.put(&info.octets.to_be_bytes())?;
            reports
                .iter()
                .try_for_each(|report| writer.report_block(report))
        })
    }

    /// Adds an RR; also the empty one that a compound without any news begins with.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn receiver_report(self, ssrc: u32, reports: &[ReportBlock]) -> Result<Self, DoesNotFit> {
        self.packet(RECEIVER_REPORT, reports.len(), |writer| {
            writer.put(&ssrc.to_be_bytes())?;
            reports
                .iter()
                .try_for_each(|report| writer.report_block(report))
        })
    }

    /// Adds an SDES with the canonical name, which every compound carries (RFC 3550 section 6.1), and the name of the media
    /// section where it is in a bundle (RFC 9143 section 15.1).
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn canonical_name(
        self,
        ssrc: u32,
        name: &str,
        mid: Option<&str>,
    ) -> Result<Self, DoesNotFit> {
        self.packet(SOURCE_DESCRIPTION, 1, |writer| {
            writer.put(&ssrc.to_be_bytes())?;
            let items = [Some((CNAME, name)), mid.map(|mid| (MID, mid))];
            for (kind, text) in items.into_iter().flatten() {
                let len = u8::try_from(text.len()).map_err(|_| DoesNotFit)?;
                writer.put(&[kind, len])?;
                writer.put(text.as_bytes())?;
            }
            // At least one zero ends the list.
            writer.put(&[0])?;
            writer.pad()
        })
    }

    /// Adds an XR (RFC 3611 section 2).
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn extended_report(self, ssrc: u32, report: &ExtendedReport) -> Result<Self, DoesNotFit> {
        self.packet(EXTENDED_REPORT, 0, |writer| {
            writer.put(&ssrc.to_be_bytes())?;
            report.write(writer)
        })
    }

    /// Adds a BYE.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn goodbye(self, sources: &[u32], reason: Option<&str>) -> Result<Self, DoesNotFit> {
        self.packet(GOODBYE, sources.len(), |writer| {
            sources
                .iter()
                .try_for_each(|source| writer.put(&source.to_be_bytes()))?;
            let Some(reason) = reason else { return Ok(()) };
            writer.put(&[u8::try_from(reason.len()).map_err(|_| DoesNotFit)?])?;
            writer.put(reason.as_bytes())?;
            writer.pad()
        })
    }

    /// The length of the compound in the buffer.
    #[must_use]
    pub const fn finish(self) -> usize {
        self.len
    }

    fn packet(
        mut self,
        packet_type: u8,
        count: usize,
        body: impl FnOnce(&mut Self) -> Result<(), DoesNotFit>,
    ) -> Result<Self, DoesNotFit> {
        let count = u8::try_from(count)
            .ok()
            .filter(|count| usize::from(*count) <= MAX_COUNT)
            .ok_or(DoesNotFit)?;
        let start = self.len;
        self.put(&[0x80 | count, packet_type, 0, 0])?;
        body(&mut self)?;
        let words = u16::try_from((self.len - start) / 4 - 1).map_err(|_| DoesNotFit)?;
        self.buffer
            .get_mut(start + 2..start + 4)
            .ok_or(DoesNotFit)?
            .copy_from_slice(&words.to_be_bytes());
        Ok(self)
    }

    fn report_block(&mut self, block: &ReportBlock) -> Result<(), DoesNotFit> {
        let lost = block
            .cumulative_lost
            .clamp(-0x80_0000, 0x7F_FFFF)
            .cast_unsigned()
            & 0xFF_FFFF;
        self.put(&block.ssrc.to_be_bytes())?;
        self.put(&((u32::from(block.fraction_lost) << 24) | lost).to_be_bytes())?;
        self.put(&block.highest_sequence.to_be_bytes())?;
        self.put(&block.jitter.to_be_bytes())?;
        self.put(&block.last_sender_report.to_be_bytes())?;
        self.put(&block.delay_since_last_sender_report.to_be_bytes())
    }

    fn pad(&mut self) -> Result<(), DoesNotFit> {
        while !self.len.is_multiple_of(4) {
            self.put(&[0])?;
        }
        Ok(())
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), DoesNotFit> {
        let end = self.len + bytes.len();
        self.buffer
            .get_mut(self.len..end)
            .ok_or(DoesNotFit)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(seed: u32) -> ReportBlock {
        ReportBlock {
            ssrc: seed,
            fraction_lost: 64,
            cumulative_lost: -3,
            highest_sequence: 0x0002_0001,
            jitter: 77,
            last_sender_report: 0x1234_5678,
            delay_since_last_sender_report: 65_536,
        }
    }

    #[test]
    fn a_compound_of_report_name_and_goodbye_is_read_back() {
        let info = SenderInfo {
            ntp: 0xAABB_CCDD_1122_3344,
            rtp_timestamp: 5,
            packets: 6,
            octets: 7,
        };
        let mut buffer = [0; 256];
        let len = Writer::new(&mut buffer)
            .sender_report(1, &info, &[block(2), block(3)])
            .and_then(|writer| writer.canonical_name(1, "a@b", None))
            .and_then(|writer| writer.goodbye(&[1, 9], Some("bye")))
            .unwrap()
            .finish();
        assert!(len.is_multiple_of(4));
        let compound = Compound::parse(&buffer[..len]).unwrap();
        let mut packets = compound.packets();
        let Some(Packet::SenderReport {
            ssrc: 1,
            info: read,
            reports,
        }) = packets.next()
        else {
            panic!("no SR")
        };
        assert_eq!(read, info);
        assert_eq!(reports.collect::<Vec<_>>(), [block(2), block(3)]);
        let Some(Packet::SourceDescription(mut chunks)) = packets.next() else {
            panic!("no SDES")
        };
        assert_eq!(
            chunks.next(),
            Some(SourceDescription {
                ssrc: 1,
                cname: Some("a@b")
            })
        );
        assert_eq!(chunks.next(), None);
        let Some(Packet::Goodbye(goodbye)) = packets.next() else {
            panic!("no BYE")
        };
        assert_eq!(goodbye.sources().collect::<Vec<_>>(), [1, 9]);
        assert_eq!(goodbye.reason, Some("bye"));
        assert!(packets.next().is_none());
    }

    #[test]
    fn negative_and_extreme_losses_keep_their_sign_in_24_bits() {
        for (lost, expected) in [
            (-1, -1),
            (i32::MIN, -0x80_0000),
            (i32::MAX, 0x7F_FFFF),
            (5, 5),
        ] {
            let mut buffer = [0; 64];
            let block = ReportBlock {
                cumulative_lost: lost,
                ..block(1)
            };
            let len = Writer::new(&mut buffer)
                .receiver_report(1, &[block])
                .unwrap()
                .finish();
            let compound = Compound::parse(&buffer[..len]).unwrap();
            let Some(Packet::ReceiverReport { mut reports, .. }) = compound.packets().next() else {
                panic!("no RR")
            };
            let read = reports.next().unwrap();
            assert_eq!((read.cumulative_lost, read.fraction_lost), (expected, 64));
        }
    }

    #[test]
    fn unknown_types_are_passed_over_and_reduced_size_accepted() {
        // A lone transport feedback (RFC 4585), then an RR.
        let bytes = [
            0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 201, 0, 1, 0, 0, 0, 7,
        ];
        let kinds: Vec<_> = Compound::parse(&bytes).unwrap().packets().collect();
        assert!(
            matches!(kinds[0], Packet::Unknown { packet_type: 205, count: 1, body } if body.len() == 8)
        );
        assert!(matches!(kinds[1], Packet::ReceiverReport { ssrc: 7, .. }));
    }

    #[test]
    fn a_datagram_of_very_many_packets_is_refused() {
        let one = [0x80, 201, 0, 1, 0, 0, 0, 7];
        assert_eq!(
            Compound::parse(&one.repeat(MAX_PACKETS))
                .unwrap()
                .packets()
                .count(),
            MAX_PACKETS
        );
        assert_eq!(
            Compound::parse(&one.repeat(MAX_PACKETS + 1)).unwrap_err(),
            Malformed::TooMany
        );
    }

    #[test]
    fn the_name_of_the_section_stands_beside_the_canonical_one() {
        let mut buffer = [0; 64];
        let len = Writer::new(&mut buffer)
            .canonical_name(7, "ab", Some("0"))
            .unwrap()
            .finish();
        assert_eq!(
            buffer[..len],
            [
                0x81, 202, 0, 3, 0, 0, 0, 7, 1, 2, b'a', b'b', 15, 1, b'0', 0
            ]
        );
    }

    #[test]
    fn a_count_beyond_the_length_refuses_the_whole_datagram() {
        let bytes = [0x80, 201, 0, 1, 0, 0, 0, 7, 0x81, 201, 0, 1, 0, 0, 0, 7];
        assert_eq!(
            Compound::parse(&bytes).unwrap_err(),
            Malformed::Truncated { index: 1 }
        );
        assert_eq!(
            Compound::parse(&[]).unwrap_err(),
            Malformed::Truncated { index: 0 }
        );
        assert_eq!(
            Compound::parse(&[0x40, 201, 0, 0]).unwrap_err(),
            Malformed::Version {
                index: 0,
                version: 1
            }
        );
    }

    #[test]
    fn padding_is_allowed_in_the_last_packet_only() {
        let padded = [0xA0, 201, 0, 2, 0, 0, 0, 7, 0, 0, 0, 4];
        assert_eq!(Compound::parse(&padded).unwrap().packets().count(), 1);
        let mut twice = padded.to_vec();
        twice.extend(padded);
        assert_eq!(
            Compound::parse(&twice).unwrap_err(),
            Malformed::Padding { index: 0 }
        );
        let mut too_much = padded;
        too_much[11] = 12;
        assert_eq!(
            Compound::parse(&too_much).unwrap_err(),
            Malformed::Padding { index: 0 }
        );
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for len in 0..32 {
            let mut buffer = vec![0; len];
            assert_eq!(
                Writer::new(&mut buffer)
                    .receiver_report(1, &[block(1)])
                    .err(),
                Some(DoesNotFit)
            );
        }
        let mut buffer = [0; 2000];
        assert!(
            Writer::new(&mut buffer)
                .receiver_report(1, &[block(1); 32])
                .is_err()
        );
        assert!(
            Writer::new(&mut buffer)
                .canonical_name(1, &"x".repeat(256), None)
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), shape in 0u8..8) {
            if let (true, Some([first, kind, high, low])) = (shape > 0, bytes.first_chunk_mut::<4>()) {
                *first = 0x80 | (*first & 0x3F);
                *kind = if shape == 7 { EXTENDED_REPORT } else { 199 + shape };
                *high = 0;
                *low %= 24;
            }
            if let Ok(compound) = Compound::parse(&bytes) {
                for packet in compound.packets() {
                    match packet {
                        Packet::SenderReport { reports, .. } | Packet::ReceiverReport { reports, .. } => prop_assert!(reports.count() <= 31),
                        Packet::SourceDescription(chunks) => prop_assert!(chunks.count() <= 31),
                        Packet::Goodbye(goodbye) => prop_assert!(goodbye.sources().count() <= 31),
                        Packet::ExtendedReport { blocks, .. } => prop_assert!(blocks.count() * 4 <= bytes.len()),
                        Packet::Unknown { body, .. } => prop_assert!(body.len() <= bytes.len()),
                    }
                }
            }
        }

        #[test]
        fn names_of_any_length_are_read_back(name in "[a-z0-9@.{}-]{0,255}", ssrc: u32) {
            let mut buffer = [0; 512];
            let len = Writer::new(&mut buffer).receiver_report(ssrc, &[]).and_then(|w| w.canonical_name(ssrc, &name, None)).unwrap().finish();
            let compound = Compound::parse(&buffer[..len]).unwrap();
            let Some(Packet::SourceDescription(mut chunks)) = compound.packets().nth(1) else { panic!("no SDES") };
            prop_assert_eq!(chunks.next(), Some(SourceDescription { ssrc, cname: Some(&name) }));
        }
    }
}
