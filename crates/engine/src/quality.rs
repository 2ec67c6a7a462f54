//! The figures of a call with the one figure that people ask for: MOS.

use offhook_media::program::AudioCodec;
use offhook_media::quality::statistics::Statistics;

/// How a call fares, from its beginning up to now.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Everything counted, named and meant as in W3C webrtc-stats.
    pub statistics: Statistics,
    /// Listening quality by the E-model (ITU-T G.107), 1 to 4.5; `None` before audio arrived.
    pub mos: Option<f64>,
}

impl Quality {
    pub(crate) fn of(statistics: &Statistics, _codec: Option<AudioCodec>) -> Self {
        Self {
            statistics: statistics.clone(),
            mos: None,
        }
    }
}
