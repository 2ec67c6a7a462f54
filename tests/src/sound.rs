//! What a test asks of a recording.

use std::path::{Path, PathBuf};

use offhook_media::device::wav::reader::WavReader;
use offhook_media::quality::tone;

/// Samples per second of what [`read`] returns.
pub const RATE: u32 = 48_000;

/// A WAV file, whole, as 48 kHz mono.
///
/// # Panics
/// When it is not a whole and valid one.
pub fn read(path: &Path) -> Vec<f32> {
    let mut reader = WavReader::open(path).unwrap_or_else(|error| panic!("{error}"));
    let mut samples = Vec::new();
    while reader
        .read(|part| samples.extend_from_slice(part))
        .expect("a file that can be read to its end")
    {}
    samples
}

/// The recordings in a folder, by name.
///
/// # Panics
/// When the folder cannot be read.
pub fn recordings(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .expect("the folder")
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    let mut found: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|kind| kind == "wav"))
        .collect();
    found.sort();
    found
}

/// Whether half a second of a recording holds this tone and little else. Elsewhere in it packets may have been lost.
pub fn has_tone(samples: &[f32], hertz: f64) -> bool {
    let half = RATE as usize / 2;
    samples.chunks_exact(half).any(|part| {
        tone::measure(part, RATE, hertz)
            .is_some_and(|tone| (tone.frequency - hertz).abs() < 2.0 && tone.snr_db > 20.0)
    })
}
