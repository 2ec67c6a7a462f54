//! An RTP packet, and what counts it and its events.

use offhook_media::rtp::packet::{self, Packet};
use offhook_media::rtp::receiver::Receiver;
use offhook_media::rtp::telephone_event::EventReceiver;
use std::time::{Duration, Instant};

/// The data is a run of packets of equal length: the first byte says how long each is.
///
/// # Panics
/// When a view reaches out of its packet.
pub fn run(data: &[u8]) {
    let Some((&len, packets)) = data.split_first() else {
        return;
    };
    let mut now = Instant::now();
    let mut receiver = Receiver::new(48_000);
    let mut events = EventReceiver::new(8_000, 48_000);
    for bytes in packets.chunks(usize::from(len).max(1)) {
        now += Duration::from_millis(20);
        let _ = packet::is_rtcp(bytes);
        let Ok(packet) = Packet::parse(bytes) else {
            continue;
        };
        assert!(packet.header_len() + packet.payload().len() <= bytes.len());
        assert!(
            packet
                .extensions()
                .map(|extension| extension.data.len())
                .sum::<usize>()
                <= bytes.len()
        );
        assert!(packet.contributing_sources().count() <= 15);
        let _ = receiver.on_audio(&packet.header(), packet.payload().len(), now);
        events.on_packet(packet.marker(), packet.timestamp(), packet.payload(), now);
        events.handle_timeout(now);
        while events.poll().is_some() {}
    }
    let _ = receiver.report_block(now);
    let figures = receiver.statistics();
    assert!(figures.packets_received <= data.len() as u64);
}
