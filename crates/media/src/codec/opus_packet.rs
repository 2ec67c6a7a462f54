//! Reads what an Opus packet says of itself without decoding it (RFC 6716 section 3).

/// Samples at 48 kHz that this packet holds, or `None` when it is no Opus packet.
///
/// An empty payload is none. A packet may hold 2.5 to 120 ms.
pub fn samples(payload: &[u8]) -> Option<u32> {
    let (&toc, rest) = payload.split_first()?;
    let frames = match toc & 0x03 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    let samples = frames * frame_samples(toc);
    (frames > 0 && samples <= 5760).then_some(samples)
}

/// Whether the packet only says "silence goes on" (a DTX packet: the TOC byte and at most one byte more).
pub fn is_dtx(payload: &[u8]) -> bool {
    matches!(payload.len(), 1 | 2)
}

/// Whether the packet carries a copy of the frame before it (LBRR, RFC 6716 section 4.2.4).
///
/// Only the one-frame packets that telephony uses are looked at; others are said to carry none.
pub fn has_previous(payload: &[u8]) -> bool {
    let &[toc, first, ..] = payload else {
        return false;
    };
    // CELT-only packets (configurations 16 to 31) never carry one.
    if toc & 0x80 != 0 || toc & 0x03 != 0 {
        return false;
    }
    // The SILK part starts with one activity flag per 20 ms of each channel and then the LBRR flag.
    let silk_frames = (frame_samples(toc) / 960).max(1);
    let flags = |offset: u32| {
        7u32.checked_sub(offset)
            .is_some_and(|shift| first >> shift & 1 == 1)
    };
    let stereo = toc & 0x04 != 0;
    flags(silk_frames) || (stereo && flags(2 * silk_frames + 1))
}

/// Samples at 48 kHz in one frame of this configuration (RFC 6716 table 2).
fn frame_samples(toc: u8) -> u32 {
    match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_table() {
        assert_eq!(samples(&[]), None);
        assert_eq!(samples(&[1 << 3]), Some(960), "SILK 20 ms");
        assert_eq!(samples(&[(3 << 3) | 1]), Some(5760), "two of 60 ms");
        assert_eq!(samples(&[(16 << 3) | 3, 48]), Some(5760), "48 of 2.5 ms");
        assert_eq!(samples(&[(16 << 3) | 3, 49]), None, "more than 120 ms");
        assert_eq!(samples(&[(16 << 3) | 3, 0]), None, "no frame at all");
        assert_eq!(samples(&[(31 << 3) | 3]), None, "count byte missing");
        assert_eq!(samples(&[15 << 3]), Some(960), "hybrid 20 ms");
    }

    #[test]
    fn nothing_is_read_past_a_short_packet() {
        for toc in 0..=255u8 {
            for second in 0..=255u8 {
                let _ = (
                    samples(&[toc, second]),
                    has_previous(&[toc, second]),
                    has_previous(&[toc]),
                );
            }
        }
    }
}
