//! Reads a WAV file whole, as 48 kHz mono.

use std::path::Path;

use offhook_media::device::wav::reader::WavReader;

/// Samples per second of what [`read`] returns.
pub(crate) const RATE: u32 = 48_000;

/// The file's sound; an empty one when the file cannot be read.
pub(crate) fn read(path: &Path) -> Option<Vec<f32>> {
    let mut reader = WavReader::open(path).ok()?;
    let mut samples = Vec::new();
    while reader.read(|part| samples.extend_from_slice(part)).ok()? {}
    Some(samples)
}
