//! RTCP of one call: what we report, and what the far end's reports mean for us.

use std::time::{Duration, Instant};

use crate::quality::statistics::RemoteOutboundRtp;
use crate::quality::voip_metrics::RemoteVoip;
use crate::rtp::clock::{NtpClock, compact, from_compact, to_compact};
use crate::rtp::extended_report::{Block, Blocks, Delay, ExtendedReport, VoipMetrics};
use crate::rtp::receiver::Receiver;
use crate::rtp::rtcp::{Compound, Goodbye, Malformed, Packet, ReportBlock, SenderInfo, Writer};
use crate::rtp::sender::Sender;
use crate::sdp::extras::ExtendedReports;

/// Longest compound that we write: SR with one block, SDES with names of 255 bytes, XR, BYE.
const COMPOUND: usize = 1024;
/// Where reduced size is agreed on, one report in so many is whole (RFC 5506 section 3.4.2: whole ones still have to come).
const WHOLE_EVERY: u64 = 4;

/// What the far end's reports said.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    pub(crate) outbound: Option<RemoteOutboundRtp>,
    pub(crate) voip: Option<RemoteVoip>,
    /// The far end's clock as a receiver: whose, its reading, when it came.
    clock: Option<(u32, u32, Instant)>,
    /// Reports written.
    written: u64,
    /// Packets sent until the report before the last, and until the last.
    sent_until: [u32; 2],
}

/// The far end ends its stream.
pub(crate) struct Parting {
    /// Its words, where it gives any.
    pub(crate) reason: Option<String>,
}

/// What there is to be reported.
pub(crate) struct Due<'a> {
    pub(crate) cname: &'a str,
    /// Name of the section, where it is in a bundle.
    pub(crate) mid: Option<&'a str>,
    /// The stream ends, and why.
    pub(crate) goodbye: Option<Option<&'a str>>,
    pub(crate) reduced_size: bool,
    pub(crate) extended: ExtendedReports,
    pub(crate) voip_metrics: Option<VoipMetrics>,
}

impl Remote {
    /// Writes one packet into `buffer`: SR where we have sent since the report before the last (RFC 3550 section 6.4), else RR;
    /// the canonical name; XR; BYE at the end of all. With reduced size the names are left out of most. Leaves it empty when it
    /// does not fit, which names of sane length cannot bring about.
    pub(crate) fn write(
        &mut self,
        buffer: &mut Vec<u8>,
        sender: &Sender,
        receiver: &mut Receiver,
        clock: &NtpClock,
        due: &Due<'_>,
        now: Instant,
    ) {
        buffer.clear();
        buffer.resize(COMPOUND, 0);
        let ssrc = sender.ssrc();
        let block = receiver.report_block(now);
        let blocks: &[ReportBlock] = block.as_slice();
        let whole = !due.reduced_size || self.written.is_multiple_of(WHOLE_EVERY);
        self.written += 1;
        let report = self.extended(due, clock, now);
        let writer = Writer::new(buffer);
        let info = sender.sender_info(clock, now);
        let sent = info.map_or(0, |info| info.packets);
        let [before_last, last] = self.sent_until;
        self.sent_until = [last, sent];
        let written = match info.filter(|_| sent != before_last) {
            Some(info) => writer.sender_report(ssrc, &info, blocks),
            None => writer.receiver_report(ssrc, blocks),
        }
        .and_then(|writer| match whole {
            true => writer.canonical_name(ssrc, due.cname, due.mid),
            false => Ok(writer),
        })
        .and_then(|writer| match report.is_empty() {
            true => Ok(writer),
            false => writer.extended_report(ssrc, &report),
        })
        .and_then(|writer| match due.goodbye {
            Some(reason) => writer.goodbye(&[ssrc], reason),
            None => Ok(writer),
        })
        .map_or(0, Writer::finish);
        buffer.truncate(written);
    }

    fn extended(&self, due: &Due<'_>, clock: &NtpClock, now: Instant) -> ExtendedReport {
        let clocks = due.extended.receiver_reference_time;
        let answer = |(ssrc, last_receiver_report, at): (u32, u32, Instant)| Delay {
            ssrc,
            last_receiver_report,
            delay: to_compact(now.saturating_duration_since(at)),
        };
        ExtendedReport {
            receiver_reference_time: clocks.then(|| clock.at(now)),
            delay: self.clock.filter(|_| clocks).map(answer),
            voip_metrics: due.voip_metrics.filter(|_| due.extended.voip_metrics),
        }
    }

    /// Takes in one packet, and says whether the far end said goodbye with it.
    ///
    /// # Errors
    /// What is malformed; nothing of it counts then.
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        sender: &mut Sender,
        receiver: &mut Receiver,
        clock: &NtpClock,
        now: Instant,
    ) -> Result<Option<Parting>, Malformed> {
        let compound = Compound::parse(bytes)?;
        let mut goodbye = None;
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport {
                    ssrc,
                    info,
                    reports,
                } => {
                    receiver.on_sender_report(ssrc, &info, now);
                    self.on_sender_info(&info);
                    for block in reports {
                        sender.on_report(&block, clock, now);
                    }
                }
                Packet::ReceiverReport { reports, .. } => {
                    for block in reports {
                        sender.on_report(&block, clock, now);
                    }
                }
                Packet::ExtendedReport { ssrc, blocks } => {
                    self.on_extended(ssrc, blocks, sender.ssrc(), clock, now);
                }
                Packet::Goodbye(said) => {
                    if said.sources().any(|source| receiver.hears(source)) {
                        goodbye = Some(Parting {
                            reason: reason_of(&said),
                        });
                    }
                }
                Packet::SourceDescription(_) | Packet::Unknown { .. } => {}
            }
        }
        Ok(goodbye)
    }

    fn on_sender_info(&mut self, info: &SenderInfo) {
        let told = self.outbound.get_or_insert_default();
        told.packets_sent = info.packets.into();
        told.bytes_sent = info.octets.into();
        told.reports_sent += 1;
    }

    fn on_extended(
        &mut self,
        ssrc: u32,
        blocks: Blocks<'_>,
        ours: u32,
        clock: &NtpClock,
        now: Instant,
    ) {
        for block in blocks {
            match block {
                Block::ReceiverReferenceTime { ntp } => {
                    self.clock = Some((ssrc, compact(ntp), now));
                }
                Block::DelaySinceLastReceiverReport(delays) => {
                    for delay in delays.filter(|delay| delay.ssrc == ours) {
                        self.on_delay(&delay, clock, now);
                    }
                }
                Block::VoipMetrics(metrics) if metrics.ssrc == ours => {
                    let reports = self.voip.map_or(0, |voip| voip.reports) + 1;
                    self.voip = Some(RemoteVoip::of(&metrics, reports));
                }
                Block::VoipMetrics(_) | Block::Unknown { .. } => {}
            }
        }
    }

    fn on_delay(&mut self, delay: &Delay, clock: &NtpClock, now: Instant) {
        if delay.last_receiver_report == 0 {
            return;
        }
        let elapsed = clock
            .compact_at(now)
            .wrapping_sub(delay.last_receiver_report)
            .wrapping_sub(delay.delay)
            .cast_signed();
        // As with sender reports: rounding may make it slightly negative, anything else below zero is nonsense.
        let round_trip = match elapsed {
            ..-655 => return,
            -655..0 => Duration::ZERO,
            0.. => from_compact(elapsed.cast_unsigned()),
        };
        let told = self.outbound.get_or_insert_default();
        told.round_trip_time = Some(round_trip);
        told.total_round_trip_time += round_trip;
        told.round_trip_time_measurements += 1;
    }
}

/// The far end's words: short, and without anything that a terminal or a log could take for more.
fn reason_of(goodbye: &Goodbye<'_>) -> Option<String> {
    const MOST: usize = 64;
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let reason: String = goodbye.reason?.chars().filter(plain).take(MOST).collect();
    Some(reason).filter(|reason| !reason.trim().is_empty())
}
