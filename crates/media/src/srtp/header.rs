//! The few header fields of RTP and RTCP that protection needs (RFC 3550, sections 5.1, 5.3.1 and 6.4).

/// Length of the part of an RTCP packet that stays in the clear: first header and sender's SSRC.
pub(crate) const RTCP_CLEAR: usize = 8;

/// What SRTP must know of an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    /// Bytes that stay in the clear: fixed header, CSRCs and header extension.
    pub(crate) len: usize,
    pub(crate) sequence: u16,
    pub(crate) ssrc: u32,
}

impl RtpHeader {
    /// `None` when the packet is not RTP version 2 or shorter than its own header.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<12>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut len = 12 + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let words = rest.get(len - 12 + 2..len - 12 + 4)?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        (packet.len() >= len).then_some(Self {
            len,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        })
    }
}

/// The sender's SSRC of a compound RTCP packet; `None` when it is not RTCP version 2 or too short.
pub(crate) fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let head = packet.first_chunk::<RTCP_CLEAR>()?;
    (head[0] >> 6 == 2).then(|| u32::from_be_bytes([head[4], head[5], head[6], head[7]]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{RtpHeader, rtcp_ssrc};

    #[test]
    fn csrcs_and_extension_belong_to_the_header() {
        let mut packet = vec![0x92, 0, 0x12, 0x34, 0, 0, 0, 0, 0xca, 0xfe, 0xba, 0xbe];
        packet.extend_from_slice(&[0; 8]); // two CSRCs
        packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 1, 0, 0]);
        packet.push(0xff);
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(
            header,
            RtpHeader {
                len: 28,
                sequence: 0x1234,
                ssrc: 0xcafe_babe
            }
        );
        assert_eq!(RtpHeader::parse(&packet[..27]), None);
        assert_eq!(RtpHeader::parse(&packet[..21]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(packet in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = rtcp_ssrc(&packet);
            if let Some(header) = RtpHeader::parse(&packet) {
                prop_assert!(header.len <= packet.len());
            }
        }
    }
}
