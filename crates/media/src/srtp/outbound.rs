//! Protection of what we send.

use crate::srtp::cipher::{Cipher, CounterMode, Gcm};
use crate::srtp::header::{RTCP_CLEAR, RtpHeader, rtcp_ssrc};
use crate::srtp::keys::MasterKey;
use crate::srtp::replay::{ReplayWindow, Standing, guess_index};

/// Sources (SSRCs) of ours under one key; more would be a fault of ours.
const MAX_SOURCES: usize = 16;

/// The bit of the SRTCP index word that says the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// The last RTP index there is (RFC 3711, section 9.2).
const LAST_INDEX: u64 = (1 << 48) - 1;

/// Why a packet was not protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtectError {
    /// Not RTP or RTCP, or cut short.
    #[error("the packet to protect is malformed")]
    Malformed,
    /// The sequence number was used, or is too old to tell: protecting it would use a key stream twice.
    #[error("the packet's sequence number was used before")]
    SequenceReused,
    /// Too many packets under one key (RFC 3711, section 9.2).
    #[error("the SRTP key is used up")]
    KeyExhausted,
    /// Too many sources (SSRCs) of ours.
    #[error("too many RTP sources under one SRTP key")]
    TooManySources,
}

struct Source {
    ssrc: u32,
    /// Which RTP indices were used. A stream that is passed on may be out of order; no index serves twice all the same.
    rtp: Option<ReplayWindow>,
    /// Index of the next RTCP packet.
    rtcp: u32,
}

/// The sending half of an SRTP association.
pub struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Vec<Source>,
}

impl Outbound {
    /// Derives the session keys.
    #[must_use]
    pub fn new(master: &MasterKey) -> Self {
        Self {
            rtp: Cipher::for_rtp(master),
            rtcp: Cipher::for_rtcp(master),
            sources: Vec::with_capacity(1),
        }
    }

    /// Encrypts an RTP packet in place and appends the tag.
    ///
    /// # Errors
    /// [`ProtectError`]; the packet is left as it was.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), ProtectError> {
        let header = RtpHeader::parse(packet).ok_or(ProtectError::Malformed)?;
        let source = source(&mut self.sources, header.ssrc)?;
        let index = match &source.rtp {
            None => u64::from(header.sequence),
            Some(sent) => {
                // Without a guess the index lies before the stream's start, or behind the last one there is.
                let refused = if sent.highest() < LAST_INDEX / 2 {
                    ProtectError::SequenceReused
                } else {
                    ProtectError::KeyExhausted
                };
                let index = guess_index(sent.highest(), header.sequence).ok_or(refused)?;
                match sent.standing(index) {
                    Standing::Fresh => index,
                    Standing::Replay | Standing::TooOld => {
                        return Err(ProtectError::SequenceReused);
                    }
                }
            }
        };
        let (clear, text) = packet
            .split_at_mut_checked(header.len)
            .ok_or(ProtectError::Malformed)?;
        match &self.rtp {
            Cipher::Gcm(gcm) => {
                let tag = gcm
                    .seal(header.ssrc, index, clear, text)
                    .ok_or(ProtectError::Malformed)?;
                packet.extend_from_slice(&tag);
            }
            Cipher::CounterMode(mode) => {
                mode.apply(header.ssrc, index, text);
                let tag = mode.tag(packet, &rollover(index));
                packet.extend_from_slice(tag.as_bytes());
            }
        }
        match &mut source.rtp {
            Some(sent) => sent.record(index),
            None => source.rtp = Some(ReplayWindow::starting_at(index)),
        }
        Ok(())
    }

    /// Encrypts a compound RTCP packet in place and appends index word and tag.
    ///
    /// # Errors
    /// [`ProtectError`]; the packet is left as it was.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), ProtectError> {
        let ssrc = rtcp_ssrc(packet).ok_or(ProtectError::Malformed)?;
        let source = source(&mut self.sources, ssrc)?;
        let index = source.rtcp;
        if index >= ENCRYPTED {
            return Err(ProtectError::KeyExhausted);
        }
        let word = (ENCRYPTED | index).to_be_bytes();
        let (clear, text) = packet
            .split_at_mut_checked(RTCP_CLEAR)
            .ok_or(ProtectError::Malformed)?;
        match &self.rtcp {
            Cipher::Gcm(gcm) => {
                let aad = rtcp_aad(clear, word);
                let tag = gcm
                    .seal(ssrc, u64::from(index), &aad, text)
                    .ok_or(ProtectError::Malformed)?;
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&word);
            }
            Cipher::CounterMode(mode) => {
                mode.apply(ssrc, u64::from(index), text);
                packet.extend_from_slice(&word);
                let tag = mode.tag(packet, &[]);
                packet.extend_from_slice(tag.as_bytes());
            }
        }
        source.rtcp = index + 1;
        Ok(())
    }

    /// The same key has served this one too: no RTCP index of it serves twice (RFC 3711, section 9.1).
    pub(crate) fn goes_on_after(&mut self, other: &Self) {
        for served in &other.sources {
            // There are no more of them than this one may have.
            if let Ok(source) = source(&mut self.sources, served.ssrc) {
                source.rtcp = source.rtcp.max(served.rtcp);
            }
        }
    }

    /// Continues a source at a given RTP index, for vectors that start in the middle.
    #[cfg(test)]
    pub(crate) fn resume(&mut self, ssrc: u32, last_rtp: Option<u64>, next_rtcp: u32) {
        self.sources.push(Source {
            ssrc,
            rtp: last_rtp.map(ReplayWindow::starting_at),
            rtcp: next_rtcp,
        });
    }
}

fn source(sources: &mut Vec<Source>, ssrc: u32) -> Result<&mut Source, ProtectError> {
    let position = match sources.iter().position(|source| source.ssrc == ssrc) {
        Some(position) => position,
        None if sources.len() >= MAX_SOURCES => return Err(ProtectError::TooManySources),
        None => {
            sources.push(Source {
                ssrc,
                rtp: None,
                rtcp: 0,
            });
            sources.len() - 1
        }
    };
    sources
        .get_mut(position)
        .ok_or(ProtectError::TooManySources)
}

/// The rollover counter as it enters the HMAC.
pub(crate) fn rollover(index: u64) -> [u8; 4] {
    let [_, _, a, b, c, d, _, _] = index.to_be_bytes();
    [a, b, c, d]
}

/// The associated data of an encrypted SRTCP packet: the clear header and the index word (RFC 7714, section 9.2).
pub(crate) fn rtcp_aad(clear: &[u8], word: [u8; 4]) -> [u8; RTCP_CLEAR + 4] {
    let mut aad = [0; RTCP_CLEAR + 4];
    for (byte, from) in aad.iter_mut().zip(clear.iter().chain(&word)) {
        *byte = *from;
    }
    aad
}

const _: () = assert!(Gcm::TAG == 16 && CounterMode::TAG == 10);
