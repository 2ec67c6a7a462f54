//! The figures of a call with the one figure that people ask for: MOS.

use std::time::Duration;

use offhook_media::program::AudioCodec;
use offhook_media::quality::emodel::estimate;
use offhook_media::quality::statistics::Statistics;

/// How a call fares, from its beginning up to now.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Everything counted, named and meant as in W3C webrtc-stats.
    pub statistics: Statistics,
    /// What the audio is coded with, as agreed on last.
    pub codec: Option<AudioCodec>,
    /// Quality by the E-model (ITU-T G.107), 1 to 4.5; `None` before audio arrived.
    pub mos: Option<f64>,
}

impl Quality {
    pub(crate) fn of(statistics: &Statistics, codec: Option<AudioCodec>) -> Self {
        let heard = statistics.inbound.packets_received > 0;
        let mos = codec
            .filter(|_| heard)
            .map(|codec| estimate(&statistics.conditions(codec)));
        Self {
            statistics: statistics.clone(),
            codec,
            mos,
        }
    }
}

/// How long audio waits in the jitter buffer, on the mean of the call.
#[must_use]
pub fn buffered(statistics: &Statistics) -> Duration {
    statistics.buffered()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(received: u64, lost: i64) -> Statistics {
        let mut statistics = Statistics::default();
        statistics.inbound.packets_received = received;
        statistics.inbound.packets_lost = lost;
        statistics
    }

    #[test]
    fn nothing_heard_is_not_rated_and_loss_lowers_the_rating() {
        let opus = Some(AudioCodec::Opus);
        assert_eq!(Quality::of(&heard(0, 0), opus).mos, None);
        let clean = Quality::of(&heard(1000, 0), opus).mos.unwrap();
        let lossy = Quality::of(&heard(900, 100), opus).mos.unwrap();
        assert!(clean > 4.3 && lossy < clean - 0.5, "{clean} {lossy}");
    }

    #[test]
    fn what_redundancy_mended_is_no_loss() {
        let mut mended = heard(900, 100);
        mended.playout.fec_packets_received = 100;
        let clean = heard(1000, 0);
        assert_eq!(
            Quality::of(&mended, Some(AudioCodec::Opus)).mos,
            Quality::of(&clean, Some(AudioCodec::Opus)).mos
        );
    }

    #[test]
    fn the_mean_wait_in_the_buffer_counts_as_delay() {
        let mut statistics = heard(100, 0);
        statistics.playout.jitter_buffer_emitted_count = 96_000;
        statistics.playout.jitter_buffer_delay = Duration::from_millis(40) * 96_000;
        assert_eq!(buffered(&statistics), Duration::from_millis(40));
        assert_eq!(statistics.delay(), Duration::from_millis(80));
    }
}
