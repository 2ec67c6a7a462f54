//! Authentication, replay protection and decryption of what the far end sends.

use crate::srtp::cipher::{Cipher, Gcm};
use crate::srtp::header::{RTCP_CLEAR, RtpHeader, rtcp_ssrc};
use crate::srtp::keys::MasterKey;
use crate::srtp::outbound::{rollover, rtcp_aad};
use crate::srtp::replay::{ReplayWindow, Standing, guess_index};
use crate::srtp::sources::Sources;

/// The bit of the SRTCP index word that says the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Bytes of the SRTCP index word.
const WORD: usize = 4;

/// Longest text, with its tag, of a packet that may begin a source: that of the largest datagram which the driver reads.
const LONGEST: usize = 4096;

/// Why a packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not RTP or RTCP, cut short, or RTCP sent in the clear (which WebRTC forbids: RFC 8827, section 6.5).
    #[error("not an SRTP packet")]
    Malformed,
    /// The tag is wrong: forged, damaged, or of another key.
    #[error("authentication failed")]
    BadAuthentication,
    /// Seen before.
    #[error("replayed")]
    Replay,
    /// From before the replay window, or of an old rollover.
    #[error("older than the replay window")]
    TooOld,
    /// One source (SSRC) too many. Only an authenticated peer can bring that about.
    #[error("too many RTP sources")]
    TooManySources,
}

/// The receiving half of an SRTP association.
pub struct Inbound {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Sources,
}

impl Inbound {
    /// Derives the session keys. At most `max_sources` SSRCs are told apart; a source is known only once a packet of
    /// it was authenticated, and where it ended is never forgotten, so that none of its packets is accepted twice.
    #[must_use]
    pub fn new(master: &MasterKey, max_sources: usize) -> Self {
        Self {
            rtp: Cipher::for_rtp(master),
            rtcp: Cipher::for_rtcp(master),
            sources: Sources::new(max_sources),
        }
    }

    /// Opens an SRTP packet in place; what is returned is the RTP packet.
    ///
    /// # Errors
    /// [`OpenError`]; the buffer's content is undefined then.
    pub fn open_rtp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], OpenError> {
        let header = RtpHeader::parse(packet).ok_or(OpenError::Malformed)?;
        let (index, otherwise) = match &self.sources.rtp(header.ssrc)? {
            None => first_guesses(header.sequence),
            Some(window) => {
                let index =
                    guess_index(window.highest(), header.sequence).ok_or(OpenError::TooOld)?;
                fresh(window, index)?;
                (index, None)
            }
        };

        let (len, index) = match &self.rtp {
            Cipher::Gcm(gcm) => {
                let len = text_end(packet, header.len, Gcm::TAG)?;
                let (clear, text_and_tag) = packet.split_at_mut(header.len);
                let open =
                    |index, text: &mut [u8]| gcm.open(header.ssrc, index, clear, text).is_ok();
                let opened = match otherwise {
                    None => open(index, text_and_tag).then_some(index),
                    Some(otherwise) => open_by_either(index, otherwise, text_and_tag, open),
                };
                (len, opened.ok_or(OpenError::BadAuthentication)?)
            }
            Cipher::CounterMode(mode) => {
                let len = text_end(packet, header.len, mode.tag_len())?;
                let (body, tag) = packet.split_at_mut(len);
                let index = [Some(index), otherwise]
                    .into_iter()
                    .flatten()
                    .find(|index| mode.verify(body, &rollover(*index), tag).is_ok())
                    .ok_or(OpenError::BadAuthentication)?;
                let (_, text) = body.split_at_mut(header.len);
                mode.apply(header.ssrc, index, text);
                (len, index)
            }
        };
        self.sources.record_rtp(header.ssrc, index);
        packet.get(..len).ok_or(OpenError::Malformed)
    }

    /// Opens an SRTCP packet in place; what is returned is the compound RTCP packet.
    ///
    /// # Errors
    /// [`OpenError`]; the buffer's content is undefined then.
    pub fn open_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], OpenError> {
        let ssrc = rtcp_ssrc(packet).ok_or(OpenError::Malformed)?;
        let window = self.sources.rtcp(ssrc)?;
        let word_at = match &self.rtcp {
            Cipher::Gcm(_) => text_end(packet, RTCP_CLEAR + Gcm::TAG, WORD)?,
            Cipher::CounterMode(mode) => text_end(packet, RTCP_CLEAR, WORD + mode.tag_len())?,
        };
        let word = packet
            .get(word_at..)
            .and_then(|rest| rest.first_chunk::<WORD>())
            .copied()
            .ok_or(OpenError::Malformed)?;
        let flagged = u32::from_be_bytes(word);
        if flagged & ENCRYPTED == 0 {
            return Err(OpenError::Malformed);
        }
        let index = u64::from(flagged & !ENCRYPTED);
        if let Some(window) = &window {
            fresh(window, index)?;
        }

        let len = match &self.rtcp {
            Cipher::Gcm(gcm) => {
                let (clear, rest) = packet.split_at_mut(RTCP_CLEAR);
                let (text_and_tag, _) = rest.split_at_mut(word_at - RTCP_CLEAR);
                gcm.open(ssrc, index, &rtcp_aad(clear, word), text_and_tag)
                    .map_err(|_| OpenError::BadAuthentication)?;
                word_at - Gcm::TAG
            }
            Cipher::CounterMode(mode) => {
                let (body, tag) = packet.split_at_mut(word_at + WORD);
                mode.verify(body, &[], tag)
                    .map_err(|_| OpenError::BadAuthentication)?;
                let text = body.get_mut(RTCP_CLEAR..word_at);
                mode.apply(ssrc, index, text.ok_or(OpenError::Malformed)?);
                word_at
            }
        };
        self.sources.record_rtcp(ssrc, index);
        packet.get(..len).ok_or(OpenError::Malformed)
    }
}

/// The index of the first packet heard of a source, and another one that it may have. That one fixes the rollover counter, at zero
/// (RFC 3711, section 3.3.1); but a far end that began just below the wrap may be past it by the time that there are keys. Its tag tells.
fn first_guesses(sequence: u16) -> (u64, Option<u64>) {
    const WRAP: u64 = 1 << 16;
    let index = u64::from(sequence);
    (index, (sequence < 0x8000).then_some(WRAP | index))
}

/// Opens the text by the first of two indices that its tag is right for, and says which. What does not open is no longer what it was, so
/// there is a copy of it; one longer than any path takes is left aside.
#[cold]
fn open_by_either(
    index: u64,
    otherwise: u64,
    text_and_tag: &mut [u8],
    open: impl Fn(u64, &mut [u8]) -> bool,
) -> Option<u64> {
    let mut room = [0; LONGEST];
    let copy = room.get_mut(..text_and_tag.len())?;
    copy.copy_from_slice(text_and_tag);
    if open(index, text_and_tag) {
        return Some(index);
    }
    text_and_tag.copy_from_slice(copy);
    open(otherwise, text_and_tag).then_some(otherwise)
}

fn fresh(window: &ReplayWindow, index: u64) -> Result<(), OpenError> {
    match window.standing(index) {
        Standing::Fresh => Ok(()),
        Standing::Replay => Err(OpenError::Replay),
        Standing::TooOld => Err(OpenError::TooOld),
    }
}

/// Where the text ends when `trailer` bytes follow it and `clear` bytes must stand before it.
fn text_end(packet: &[u8], clear: usize, trailer: usize) -> Result<usize, OpenError> {
    let end = packet.len().checked_sub(trailer);
    end.filter(|end| *end >= clear).ok_or(OpenError::Malformed)
}
