//! Estimated listening quality of a call: the E-model of ITU-T G.107, from delay, loss, burstiness and codec.

use crate::program::AudioCodec;
use std::time::Duration;

/// `Ro - Is` of G.107 with its default values (narrow band): what a perfect path is rated.
const BEST_RATING: f64 = 93.2;
/// Delay up to which nobody notices, in ms: `mT` of G.107 (06/2015) clause 7.4, default class of users.
const UNNOTICED_DELAY_MS: f64 = 100.0;

/// Under which conditions a call is heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// What the audio is coded with.
    pub codec: AudioCodec,
    /// Mouth to ear, one way: half the round trip, jitter buffer, packetization, devices.
    pub delay: Duration,
    /// Share of packets that were not played, 0 to 1: lost and late ones, less those that forward error correction brought back.
    pub loss: f64,
    /// `BurstR`: how much longer the runs of loss are than they would be by chance; 1 = random. See [`burst_ratio`].
    pub burst_ratio: f64,
}

/// How a codec bears loss: `Ie` and `Bpl` of G.113 appendix I.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Robustness {
    /// Impairment without any loss.
    pub equipment_impairment: f64,
    /// Packet loss, in percent, that costs half of what is left of the rating.
    pub loss_robustness: f64,
}

/// The planning values of a codec.
///
/// G.711 with concealment is that of G.113 appendix I. Opus has no entry there: at the bitrates of a call it codes at least as well
/// as G.711 (`Ie` 0 on the narrow-band scale, which ends at a MOS of 4.41 for everybody), and its concealment is rated somewhat below
/// that of G.711, since its predictors need a few frames to recover. In-band FEC is not in here: what it recovers is no loss.
///
/// G.722 is rated as G.711: on the narrow-band scale its wider band counts for nothing, and what is lost is concealed the same way.
#[must_use]
pub const fn robustness(codec: AudioCodec) -> Robustness {
    match codec {
        AudioCodec::Opus => Robustness {
            equipment_impairment: 0.0,
            loss_robustness: 20.0,
        },
        AudioCodec::G722 | AudioCodec::Pcmu | AudioCodec::Pcma => Robustness {
            equipment_impairment: 0.0,
            loss_robustness: 25.1,
        },
    }
}

/// `BurstR` from what a receiver counted: `losses` in `runs` of consecutive losses, out of `expected` packets. 1 (random) when nothing
/// was lost; bounded to 1 to 8, where G.107 was validated.
#[must_use]
pub fn burst_ratio(losses: u64, runs: u64, expected: u64) -> f64 {
    if losses == 0 || runs == 0 || expected == 0 {
        return 1.0;
    }
    let mean_run = losses as f64 / runs as f64;
    // Random loss of share p comes in runs of mean length 1 / (1 - p).
    let by_chance = 1.0 / (1.0 - losses as f64 / expected as f64).max(f64::EPSILON);
    (mean_run / by_chance).clamp(1.0, 8.0)
}

/// The transmission rating R, 0 to 93.2: `R = 93.2 - Id - Ie,eff` (G.107 clause 7, all other impairments at their defaults).
#[must_use]
pub fn rating(conditions: &Conditions) -> f64 {
    let delay_ms = conditions.delay.as_secs_f64() * 1000.0;
    let robustness = robustness(conditions.codec);
    let loss = effective_impairment(robustness, conditions.loss * 100.0, conditions.burst_ratio);
    (BEST_RATING - delay_impairment(delay_ms) - loss).clamp(0.0, BEST_RATING)
}

/// The mean opinion score (1 to 4.5) of a rating: G.107 annex B.
#[must_use]
pub fn mos(rating: f64) -> f64 {
    if rating <= 0.0 {
        1.0
    } else if rating >= 100.0 {
        4.5
    } else {
        // The polynomial dips a little below 1 for ratings under 7.
        (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).max(1.0)
    }
}

/// [`mos`] of the [`rating`] of these conditions.
#[must_use]
pub fn estimate(conditions: &Conditions) -> f64 {
    mos(rating(conditions))
}

/// `Idd`: impairment by long absolute delay (G.107 clause 7.4, `sT` = 1). Echo (`Idte`, `Idle`) counts as cancelled, as in every
/// WebRTC endpoint.
fn delay_impairment(delay_ms: f64) -> f64 {
    if delay_ms <= UNNOTICED_DELAY_MS {
        return 0.0;
    }
    let x = (delay_ms / UNNOTICED_DELAY_MS).log2();
    let root = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// `Ie,eff` (G.107 clause 7.5).
fn effective_impairment(codec: Robustness, loss_percent: f64, burst_ratio: f64) -> f64 {
    let loss = if loss_percent.is_finite() {
        loss_percent.clamp(0.0, 100.0)
    } else {
        100.0
    };
    let burst_ratio = if burst_ratio.is_finite() {
        burst_ratio.max(1.0)
    } else {
        1.0
    };
    let Robustness {
        equipment_impairment,
        loss_robustness,
    } = codec;
    equipment_impairment
        + (95.0 - equipment_impairment) * loss / (loss / burst_ratio + loss_robustness)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64, tolerance: f64) {
        assert!((left - right).abs() <= tolerance, "{left} is not {right}");
    }

    const PERFECT: Conditions = Conditions {
        codec: AudioCodec::Pcmu,
        delay: Duration::ZERO,
        loss: 0.0,
        burst_ratio: 1.0,
    };

    #[test]
    fn scores_are_those_of_table_b_1() {
        for (rating, score) in [
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
        ] {
            close(mos(rating), score, 0.01);
        }
        close(mos(93.2), 4.41, 0.005);
        close(mos(-5.0), 1.0, 0.0);
        close(mos(3.0), 1.0, 0.0);
        close(mos(100.0), 4.5, 0.0);
    }

    #[test]
    fn delay_costs_what_clause_7_4_says() {
        // X = log2(delay / 100): 1 at 200 ms, 2 at 400 ms; computed by hand from the formula.
        for (delay, impairment) in [
            (0.0, 0.0),
            (100.0, 0.0),
            (200.0, 3.04),
            (400.0, 24.07),
            (800.0, 40.83),
        ] {
            close(delay_impairment(delay), impairment, 0.01);
        }
        close(delay_impairment(150.0), 0.15, 0.02);
    }

    #[test]
    fn loss_costs_what_clause_7_5_and_g_113_say() {
        let with_concealment = robustness(AudioCodec::Pcmu);
        // 95 * P / (P + 25.1)
        for (loss, impairment) in [
            (0.0, 0.0),
            (1.0, 3.64),
            (2.0, 7.01),
            (5.0, 15.78),
            (10.0, 27.07),
            (20.0, 42.13),
        ] {
            close(
                effective_impairment(with_concealment, loss, 1.0),
                impairment,
                0.01,
            );
        }
        // G.729A with VAD (Ie 11, Bpl 19) at 3 %: 11 + 84 * 3 / 22.
        let g729 = Robustness {
            equipment_impairment: 11.0,
            loss_robustness: 19.0,
        };
        close(effective_impairment(g729, 3.0, 1.0), 22.45, 0.01);
        // Bursts of twice the random length: 95 * 5 / (2.5 + 25.1).
        close(
            effective_impairment(with_concealment, 5.0, 2.0),
            17.21,
            0.01,
        );
    }

    #[test]
    fn a_call_is_rated_as_a_whole() {
        close(rating(&PERFECT), 93.2, 0.0);
        let bad = Conditions {
            delay: Duration::from_millis(400),
            loss: 0.05,
            ..PERFECT
        };
        close(rating(&bad), 93.2 - 24.07 - 15.78, 0.02);
        close(estimate(&bad), 2.75, 0.01);
        let worst = Conditions {
            delay: Duration::from_secs(100),
            loss: f64::NAN,
            burst_ratio: f64::INFINITY,
            ..PERFECT
        };
        close(estimate(&worst), 1.0, 0.0);
    }

    #[test]
    fn burst_ratio_is_one_for_random_loss_and_bounded() {
        close(burst_ratio(0, 0, 100), 1.0, 0.0);
        // One in ten lost, one by one: shorter runs than chance would make, still 1.
        close(burst_ratio(10, 10, 100), 1.0, 0.0);
        // One in ten lost, four at a time: 4 * (1 - 0.1).
        close(burst_ratio(40, 10, 400), 3.6, 1e-9);
        close(burst_ratio(100, 1, 1000), 8.0, 0.0);
        close(burst_ratio(5, 1, 5), 1.0, 0.0);
    }
}
