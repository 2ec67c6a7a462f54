//! A compound RTCP packet.

use offhook_media::rtp::extended_report::Block;
use offhook_media::rtp::rtcp::{Compound, MAX_PACKETS, Packet};

/// The data is one datagram.
///
/// # Panics
/// When a list is longer than the datagram can hold.
pub fn run(data: &[u8]) {
    let Ok(compound) = Compound::parse(data) else {
        return;
    };
    let mut packets = 0;
    for packet in compound.packets() {
        packets += 1;
        match packet {
            Packet::SenderReport { reports, .. } | Packet::ReceiverReport { reports, .. } => {
                assert!(reports.count() * 24 <= data.len());
            }
            Packet::SourceDescription(chunks) => assert!(chunks.count() * 4 <= data.len()),
            Packet::Goodbye(goodbye) => assert!(goodbye.sources().count() * 4 <= data.len()),
            Packet::ExtendedReport { blocks, .. } => {
                let mut count = 0;
                for block in blocks {
                    count += 1;
                    if let Block::DelaySinceLastReceiverReport(delays) = block {
                        assert!(delays.count() * 12 <= data.len());
                    }
                }
                assert!(count * 4 <= data.len());
            }
            Packet::Unknown { body, .. } => assert!(body.len() < data.len()),
            _ => {}
        }
    }
    assert!(
        (1..=MAX_PACKETS).contains(&packets) && packets * 4 <= data.len(),
        "what was checked is there"
    );
}
