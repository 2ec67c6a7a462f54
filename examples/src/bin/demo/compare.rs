//! Holds a recording against what was played.

use std::path::Path;
use std::time::Duration;

use offhook_media::quality::correlation::{NotComparable, Search, correlate};

use crate::error::Error;
use crate::wave;

/// Below this level (-60 dB of full scale, root mean square) a recording holds no sound.
const SILENCE: f64 = 0.001;

/// What the comparison found.
pub(crate) struct Comparison {
    /// Median over the windows with sound, each at its own delay: 1 is the same signal.
    pub(crate) correlation: f64,
    /// Mouth to ear: both files begin at the same moment.
    pub(crate) delay_ms: f64,
    pub(crate) played_silence: bool,
    pub(crate) heard_silence: bool,
}

/// Compares two files.
pub(crate) fn compare(
    played: &Path,
    heard: &Path,
    silence_was_played: bool,
) -> Result<Comparison, String> {
    let played = wave::read(played).ok_or("what was played cannot be read")?;
    let heard = wave::read(heard).ok_or_else(|| format!("{} cannot be read", heard.display()))?;
    let (correlation, delay_ms) = match correlate(&played, &heard, wave::RATE, &Search::default()) {
        Ok(found) => (found.median, found.delay_ms),
        // An empty recording is an answer too.
        Err(NotComparable::NothingHeard) => (0.0, 0.0),
        Err(error) => return Err(error.to_string()),
    };
    let heard_silence = level(&heard) < SILENCE;
    Ok(Comparison {
        correlation,
        delay_ms,
        played_silence: silence_was_played,
        heard_silence,
    })
}

fn level(samples: &[f32]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
    let count = samples.len().max(1) as f64;
    (samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum::<f64>()
        / count)
        .sqrt()
}

/// How long a file plays.
pub(crate) fn duration(path: &Path) -> Result<Duration, Error> {
    let samples = wave::read(path).ok_or_else(|| Error::File {
        what: "cannot read the speech",
        path: path.to_owned(),
        source: std::io::ErrorKind::InvalidData.into(),
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
    Ok(Duration::from_secs_f64(
        samples.len() as f64 / f64::from(wave::RATE),
    ))
}
