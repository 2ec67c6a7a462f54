//! Codecs: frames of sound to RTP payloads and back.

mod comfort_noise;
pub mod decoder;
pub mod encoder;
pub mod error;
pub mod g711;
pub mod g722;
mod g722_tables;
#[cfg(feature = "opus")]
pub mod opus;
#[cfg(feature = "opus")]
mod opus_ffi;
pub mod opus_packet;
pub mod settings;
