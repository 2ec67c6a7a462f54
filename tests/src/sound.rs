//! What a test asks of a recording.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use offhook_media::device::wav::reader::WavReader;
use offhook_media::quality::tone;

/// Bytes of a recording's header; samples of 16 bit follow.
const WAV_HEADER: usize = 44;
/// Loudest sample of the beeps that Chromium has for a microphone, out of 32768, at least.
const BEEP: u16 = 1000;

/// Loudest sample of what nobody hears, out of 1.
const AUDIBLE: f32 = 0.02;

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

/// What there is of a recording that is still being written, as 48 kHz mono.
pub fn so_far(recording: &Path) -> Vec<f32> {
    let all = std::fs::read(recording).unwrap_or_default();
    let (samples, _) = all.get(WAV_HEADER..).unwrap_or_default().as_chunks::<2>();
    let value = |sample: &[u8; 2]| f32::from(i16::from_le_bytes(*sample)) / 32768.0;
    samples.iter().map(value).collect()
}

/// How long the longest silence between two sounds of a recording lasts; none: there is no second sound.
pub fn longest_silence(samples: &[f32]) -> Option<Duration> {
    // A hundredth of a second each.
    let part = RATE as usize / 100;
    let is_loud = |part: &[f32]| part.iter().any(|sample| sample.abs() > AUDIBLE);
    let loud = samples.chunks(part).enumerate();
    let loud: Vec<usize> = loud
        .filter(|(_, part)| is_loud(part))
        .map(|(place, _)| place)
        .collect();
    let longest = loud.windows(2).map(|pair| pair[1] - pair[0] - 1).max()?;
    Some(Duration::from_millis(10) * u32::try_from(longest).ok()?)
}

/// Waits until this tone is heard from now on, by a recording that is being written.
///
/// # Panics
/// When it is not heard in time.
pub fn wait_for_tone(recording: &Path, hertz: f64, limit: Duration) {
    let asked = Instant::now();
    let written = std::fs::metadata(recording).map_or(0, |about| about.len());
    let from = usize::try_from(written).map_or(WAV_HEADER, |written| written.max(WAV_HEADER) & !1);
    while asked.elapsed() < limit {
        let all = std::fs::read(recording).unwrap_or_default();
        let (samples, _) = all.get(from..).unwrap_or_default().as_chunks::<2>();
        let samples: Vec<f32> = samples
            .iter()
            .map(|sample| f32::from(i16::from_le_bytes(*sample)) / 32768.0)
            .collect();
        if has_tone(&samples, hertz) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("{hertz} Hz was not heard within {limit:?}");
}

/// Waits until a browser, whose microphone beeps once a second, is heard from now on. `recording` names the file that is being
/// written.
///
/// # Panics
/// When it is not heard in time.
pub fn wait_for_beeps(recording: impl Fn() -> Option<PathBuf>, limit: Duration) {
    let asked = Instant::now();
    let begun = recording();
    let length = |file: &PathBuf| std::fs::metadata(file).map_or(0, |about| about.len());
    let written = usize::try_from(begun.as_ref().map_or(0, length)).unwrap_or(usize::MAX);
    let mut loudest = 0;
    while asked.elapsed() < limit {
        let recording = recording();
        let from = if recording == begun { written } else { 0 };
        let all = recording
            .and_then(|file| std::fs::read(file).ok())
            .unwrap_or_default();
        let from = from.max(WAV_HEADER) & !1;
        let (samples, _) = all.get(from..).unwrap_or_default().as_chunks::<2>();
        let levels = samples
            .iter()
            .map(|sample| i16::from_le_bytes(*sample).unsigned_abs());
        loudest = levels.max().unwrap_or(0);
        if loudest > BEEP {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("nothing of the browser was heard: at most {loudest}");
}
