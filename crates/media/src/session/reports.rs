//! RTCP of one call: what we report, and what the far end's reports mean for us.

use std::time::Instant;

use crate::quality::statistics::RemoteOutboundRtp;
use crate::rtp::clock::NtpClock;
use crate::rtp::receiver::Receiver;
use crate::rtp::rtcp::{Compound, Packet, ReportBlock, Writer};
use crate::rtp::sender::Sender;

/// Longest compound that we write: SR with one block, SDES with a name of 255 bytes, BYE.
const COMPOUND: usize = 512;

/// Writes one compound packet into `buffer`: SR once we have sent, else RR; the canonical name; BYE at the end of all.
/// Leaves it empty when it does not fit, which a name of sane length cannot bring about.
pub(crate) fn write(
    buffer: &mut Vec<u8>,
    sender: &Sender,
    receiver: &mut Receiver,
    clock: &NtpClock,
    cname: &str,
    goodbye: bool,
    now: Instant,
) {
    buffer.clear();
    buffer.resize(COMPOUND, 0);
    let block = receiver.report_block(now);
    let blocks: &[ReportBlock] = block.as_slice();
    let writer = Writer::new(buffer);
    let written = match sender.sender_info(clock, now) {
        Some(info) => writer.sender_report(sender.ssrc(), &info, blocks),
        None => writer.receiver_report(sender.ssrc(), blocks),
    }
    .and_then(|writer| writer.canonical_name(sender.ssrc(), cname))
    .and_then(|writer| {
        if goodbye {
            writer.goodbye(&[sender.ssrc()], None)
        } else {
            Ok(writer)
        }
    })
    .map_or(0, Writer::finish);
    buffer.truncate(written);
}

/// Takes in one compound packet. `false`: it was malformed.
pub(crate) fn read(
    bytes: &[u8],
    sender: &mut Sender,
    receiver: &mut Receiver,
    remote: &mut Option<RemoteOutboundRtp>,
    clock: &NtpClock,
    now: Instant,
) -> bool {
    let Ok(compound) = Compound::parse(bytes) else {
        return false;
    };
    for packet in compound.packets() {
        match packet {
            Packet::SenderReport {
                ssrc,
                info,
                reports,
            } => {
                receiver.on_sender_report(ssrc, &info, now);
                let told = remote.get_or_insert_default();
                told.packets_sent = info.packets.into();
                told.bytes_sent = info.octets.into();
                told.reports_sent += 1;
                for block in reports {
                    sender.on_report(&block, clock, now);
                }
            }
            Packet::ReceiverReport { reports, .. } => {
                for block in reports {
                    sender.on_report(&block, clock, now);
                }
            }
            // The end of a call is for signalling to say; a BYE may also come with a mere change of source.
            Packet::SourceDescription(_) | Packet::Goodbye(_) | Packet::Unknown { .. } => {}
        }
    }
    true
}
