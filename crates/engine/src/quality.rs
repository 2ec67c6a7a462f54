//! The figures of a call with the one figure that people ask for: MOS.

use std::time::Duration;

use offhook_media::program::{AudioCodec, SLOT};
use offhook_media::quality::emodel::{Conditions, burst_ratio, estimate};
use offhook_media::quality::statistics::Statistics;

/// How a call fares, from its beginning up to now.
#[derive(Debug, Clone, PartialEq)]
pub struct Quality {
    /// Everything counted, named and meant as in W3C webrtc-stats.
    pub statistics: Statistics,
    /// Quality by the E-model (ITU-T G.107), 1 to 4.5; `None` before audio arrived.
    pub mos: Option<f64>,
}

impl Quality {
    pub(crate) fn of(statistics: &Statistics, codec: Option<AudioCodec>) -> Self {
        let heard = statistics.inbound.packets_received > 0;
        let mos = codec
            .filter(|_| heard)
            .map(|codec| estimate(&conditions(statistics, codec)));
        Self {
            statistics: statistics.clone(),
            mos,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of packets in one call stay far below 2^52"
)]
fn conditions(statistics: &Statistics, codec: AudioCodec) -> Conditions {
    let inbound = &statistics.inbound;
    let lost = u64::try_from(inbound.packets_lost).unwrap_or(0);
    let unplayed = (lost + statistics.playout.packets_discarded)
        .saturating_sub(statistics.playout.fec_packets_received);
    let expected = inbound.packets_received + lost;
    Conditions {
        codec,
        delay: delay(statistics),
        loss: (unplayed as f64 / expected.max(1) as f64).min(1.0),
        burst_ratio: burst_ratio(inbound.packets_lost_settled, inbound.loss_runs, expected),
    }
}

/// Mouth to ear: half the round trip, what the jitter buffer adds, one packet to fill and one to encode.
fn delay(statistics: &Statistics) -> Duration {
    let round_trip = statistics
        .remote_inbound
        .and_then(|remote| remote.round_trip_time)
        .unwrap_or_default();
    round_trip / 2 + buffered(statistics) + 2 * SLOT
}

/// How long audio waits in the jitter buffer, on the mean of the call.
#[must_use]
pub fn buffered(statistics: &Statistics) -> Duration {
    let playout = &statistics.playout;
    let emitted = playout.jitter_buffer_emitted_count;
    if emitted == 0 {
        return Duration::ZERO;
    }
    let mean = playout.jitter_buffer_delay.as_nanos() / u128::from(emitted);
    Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
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
        assert_eq!(delay(&statistics), Duration::from_millis(80));
    }
}
