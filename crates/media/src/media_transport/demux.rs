//! Tells STUN, DTLS, RTP and RTCP on one port apart (RFC 7983, RFC 5761).

/// What a datagram is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Unknown,
}

/// RFC 7983, section 7: 0..=3 STUN, 20..=63 DTLS, 128..=191 RTP or RTCP; the latter two by RFC 5761, section 4.
pub(crate) fn kind(datagram: &[u8]) -> Kind {
    match *datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind};

    #[test]
    fn the_first_bytes_decide() {
        assert_eq!(kind(&[0, 1]), Kind::Stun);
        assert_eq!(kind(&[22, 254]), Kind::Dtls);
        assert_eq!(kind(&[0x80, 0]), Kind::Rtp);
        assert_eq!(kind(&[0x80, 0x80 | 111]), Kind::Rtp);
        assert_eq!(kind(&[0x80, 200]), Kind::Rtcp);
        assert_eq!(kind(&[0x80, 207]), Kind::Rtcp);
        assert_eq!(kind(&[64, 0]), Kind::Unknown);
        assert_eq!(kind(&[0x80]), Kind::Unknown);
        assert_eq!(kind(&[]), Kind::Unknown);
    }
}
