//! The only door to libopus: states that own their C object, and calls whose lengths cannot lie.
//!
//! Invariants that make the `unsafe` below sound:
//! - `state` comes from `opus_*_create` with OPUS_OK, is never null, never copied out, and destroyed once, in `drop`.
//! - libopus keeps its whole state in that object and has no thread affinity, so a state may move between threads
//!   (`Send`); every call takes `&mut self`, so no two threads are in it at once (not `Sync`).
//! - Every pointer handed over comes from a slice together with that slice's length, and libopus writes no more
//!   than the length says and keeps no pointer after the call.
//! - Both sides run at 48 kHz mono, so `frame_size` equals the number of samples of the slice.
//! - Each CTL number is paired with the argument type that `opus_defines.h` states for it: all that are used here
//!   take one `opus_int32` by value, `OPUS_RESET_STATE` takes none.
#![expect(
    unsafe_code,
    reason = "libopus is C; this file is the whole of the boundary"
)]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use opusic_sys as sys;

/// Sampling rate of both directions.
const RATE: i32 = 48_000;

/// A code of libopus below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) i32);

impl Code {
    /// Whether the packet itself was at fault.
    pub(super) fn is_invalid_packet(self) -> bool {
        self.0 == sys::OPUS_INVALID_PACKET
    }
}

/// An encoder setting that takes one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EncoderSetting {
    Bitrate(i32),
    Complexity(i32),
    InbandFec(bool),
    ExpectedLoss(i32),
    Dtx(bool),
    Vbr(bool),
    VoiceSignal,
}

/// An encoder for speech, 48 kHz mono.
pub(super) struct Encoder {
    state: NonNull<sys::OpusEncoder>,
}

/// A decoder, 48 kHz mono.
pub(super) struct Decoder {
    state: NonNull<sys::OpusDecoder>,
}

// SAFETY: see the second invariant above.
unsafe impl Send for Encoder {}
// SAFETY: see the second invariant above.
unsafe impl Send for Decoder {}

impl Encoder {
    pub(super) fn new() -> Result<Self, Code> {
        let mut error: c_int = 0;
        // SAFETY: `error` outlives the call; all other arguments are values.
        let state = unsafe {
            sys::opus_encoder_create(RATE, 1, sys::OPUS_APPLICATION_VOIP, &raw mut error)
        };
        match NonNull::new(state) {
            Some(state) if error == sys::OPUS_OK => Ok(Self { state }),
            Some(_) | None => Err(Code(error)),
        }
    }

    pub(super) fn set(&mut self, setting: EncoderSetting) -> Result<(), Code> {
        let (request, value) = match setting {
            EncoderSetting::Bitrate(bits) => (sys::OPUS_SET_BITRATE_REQUEST, bits),
            EncoderSetting::Complexity(effort) => (sys::OPUS_SET_COMPLEXITY_REQUEST, effort),
            EncoderSetting::InbandFec(on) => (sys::OPUS_SET_INBAND_FEC_REQUEST, i32::from(on)),
            EncoderSetting::ExpectedLoss(percent) => {
                (sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, percent)
            }
            EncoderSetting::Dtx(on) => (sys::OPUS_SET_DTX_REQUEST, i32::from(on)),
            EncoderSetting::Vbr(on) => (sys::OPUS_SET_VBR_REQUEST, i32::from(on)),
            EncoderSetting::VoiceSignal => (sys::OPUS_SET_SIGNAL_REQUEST, sys::OPUS_SIGNAL_VOICE),
        };
        // SAFETY: `state` is alive; every request above takes one opus_int32 by value.
        let code = unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), request, value) };
        if code == sys::OPUS_OK {
            Ok(())
        } else {
            Err(Code(code))
        }
    }

    /// Encodes `pcm` (one frame of a legal Opus length) into `payload`; returns the bytes used.
    pub(super) fn encode(&mut self, pcm: &[f32], payload: &mut [u8]) -> Result<usize, Code> {
        let frame_size = c_int::try_from(pcm.len()).map_err(|_| Code(sys::OPUS_BAD_ARG))?;
        let room = i32::try_from(payload.len()).unwrap_or(i32::MAX);
        // SAFETY: mono, so `pcm` holds frame_size samples; `payload` holds at least `room` bytes.
        let code = unsafe {
            sys::opus_encode_float(
                self.state.as_ptr(),
                pcm.as_ptr(),
                frame_size,
                payload.as_mut_ptr(),
                room,
            )
        };
        usize::try_from(code).map_err(|_| Code(code))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by opus_encoder_create, destroyed only here.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) }
    }
}

/// What the decoder is given for the next stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given<'a> {
    /// The packet of that time.
    Packet(&'a [u8]),
    /// The packet after it, whose copy of the missing frame is to be used.
    NextPacket(&'a [u8]),
    /// Nothing: make something up.
    Nothing,
}

impl Decoder {
    pub(super) fn new() -> Result<Self, Code> {
        let mut error: c_int = 0;
        // SAFETY: `error` outlives the call; all other arguments are values.
        let state = unsafe { sys::opus_decoder_create(RATE, 1, &raw mut error) };
        match NonNull::new(state) {
            Some(state) if error == sys::OPUS_OK => Ok(Self { state }),
            Some(_) | None => Err(Code(error)),
        }
    }

    /// Decodes into `pcm`; returns the samples written. For [`Given::NextPacket`] and [`Given::Nothing`] the whole of
    /// `pcm` is filled; its length must then be a multiple of 120.
    pub(super) fn decode(&mut self, given: Given<'_>, pcm: &mut [f32]) -> Result<usize, Code> {
        let frame_size = c_int::try_from(pcm.len()).map_err(|_| Code(sys::OPUS_BAD_ARG))?;
        let (data, length, fec) = match given {
            // An empty slice would mean "nothing" to libopus.
            Given::Packet([]) | Given::NextPacket([]) => {
                return Err(Code(sys::OPUS_INVALID_PACKET));
            }
            Given::Packet(packet) => (packet.as_ptr(), packet.len(), 0),
            Given::NextPacket(packet) => (packet.as_ptr(), packet.len(), 1),
            Given::Nothing => (ptr::null(), 0, 0),
        };
        let length = i32::try_from(length).map_err(|_| Code(sys::OPUS_BAD_ARG))?;
        // SAFETY: `data` is null with length 0 or points to `length` bytes; mono, so `pcm` has room for frame_size.
        let code = unsafe {
            sys::opus_decode_float(
                self.state.as_ptr(),
                data,
                length,
                pcm.as_mut_ptr(),
                frame_size,
                fec,
            )
        };
        usize::try_from(code).map_err(|_| Code(code))
    }

    pub(super) fn reset(&mut self) {
        // SAFETY: `state` is alive; this request takes no argument.
        let _always_ok =
            unsafe { sys::opus_decoder_ctl(self.state.as_ptr(), sys::OPUS_RESET_STATE) };
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made by opus_decoder_create, destroyed only here.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) }
    }
}

/// Whether libopus finds a copy of the previous frame in the packet.
#[cfg(test)]
pub(super) fn packet_has_lbrr(packet: &[u8]) -> bool {
    let Ok(length) = i32::try_from(packet.len()) else {
        return false;
    };
    if packet.is_empty() {
        return false;
    }
    // SAFETY: `packet` holds `length` bytes and at least one.
    unsafe { sys::opus_packet_has_lbrr(packet.as_ptr(), length) == 1 }
}
