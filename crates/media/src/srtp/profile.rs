//! The SRTP protection profiles spoken here, with the sizes of their keys and tags (RFC 5764, RFC 7714).

use std::fmt;

/// A protection profile as negotiated by `use_srtp` (RFC 5764, section 4.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// `SRTP_AEAD_AES_128_GCM`, 0x0007 (RFC 7714). Cheapest where AES is in hardware.
    AeadAes128Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80`, 0x0001: the one every server speaks, FreeSWITCH only this.
    Aes128CmHmacSha1_80,
    /// `SRTP_AEAD_AES_256_GCM`, 0x0008 (RFC 7714).
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_32`, 0x0002: media packets carry tags of four bytes, of which one guess in 2^32 is right. Reports carry
    /// whole ones.
    Aes128CmHmacSha1_32,
}

impl SrtpProfile {
    /// All profiles, preferred ones first.
    pub const ALL: [Self; 4] = [
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::Aes128CmHmacSha1_80,
        Self::Aes128CmHmacSha1_32,
    ];

    /// Those that are offered and accepted where nothing else is said: all but the one of short tags.
    pub const USUAL: [Self; 3] = [
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::Aes128CmHmacSha1_80,
    ];

    /// The longest master key of all profiles.
    pub(crate) const MAX_KEY: usize = 32;

    /// The most bytes protection adds behind an RTP packet, over all profiles: reserve this much.
    pub const MAX_RTP_OVERHEAD: usize = 16;

    /// The most bytes protection adds behind an RTCP packet, over all profiles: tag and SRTCP index word.
    pub const MAX_RTCP_OVERHEAD: usize = 20;

    /// Bytes of the master key.
    #[must_use]
    pub fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt.
    #[must_use]
    pub fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 => 14,
        }
    }

    /// Bytes of the authentication tag of an RTP packet.
    #[must_use]
    pub fn tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
            Self::Aes128CmHmacSha1_32 => 4,
        }
    }
}

impl fmt::Display for SrtpProfile {
    /// The name in the IANA registry "DTLS-SRTP Protection Profiles".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
            Self::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
            Self::Aes128CmHmacSha1_32 => "SRTP_AES128_CM_HMAC_SHA1_32",
        })
    }
}
