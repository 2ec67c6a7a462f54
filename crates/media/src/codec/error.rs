//! Why a codec could not be made, or a payload not be coded.

use crate::program::AudioCodec;

/// What went wrong in a codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// This build leaves the codec out.
    #[error(
        "this build has no {0:?} codec; build with the feature of that name or offer another codec"
    )]
    NotBuilt(AudioCodec),
    /// libopus had no memory for its state.
    #[error("no memory for the state of the {0:?} codec")]
    OutOfMemory(AudioCodec),
    /// The far end sent a payload that is none of this codec.
    #[error(
        "a payload of {length} bytes is no {codec:?}; the far end sends something else under this payload type"
    )]
    BadPayload {
        /// Codec that was agreed on.
        codec: AudioCodec,
        /// Size of the payload in bytes.
        length: usize,
    },
    /// The room given for the output is too small.
    #[error("{room} are too few for the output of the {codec:?} codec")]
    NoRoom {
        /// Codec in use.
        codec: AudioCodec,
        /// Bytes or samples that were given.
        room: usize,
    },
    /// libopus refused a call; the number is its own.
    #[error("the {codec:?} codec refused with code {code}")]
    Refused {
        /// Codec in use.
        codec: AudioCodec,
        /// Code of libopus.
        code: i32,
    },
}
