//! VoIP metrics (RFC 3611 section 4.7): ours, made of a call's figures, and the far end's in plain units.

use std::time::Duration;

use crate::jitter::buffer::JitterConfig;
use crate::program::{AudioCodec, SLOT};
use crate::quality::emodel::{Conditions, mos, rating};
use crate::quality::statistics::Statistics;
use crate::rtp::bursts::{BurstFigures, MINIMUM_GAP};
use crate::rtp::extended_report::VoipMetrics;

/// What 0 dBm0 lies below a full-scale square wave: G.711 reaches 3.17 dBm0 with a sine, which lies 3.01 dB below the square.
const DBM0_ABOVE_FULL_SCALE: f64 = 6.18;

/// How the far end hears us, as it reports.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RemoteVoip {
    /// Reports of this kind that came in.
    pub reports: u64,
    /// Share of our packets that were lost on the way, 0 to 1.
    pub loss_rate: f64,
    /// Share of our packets that came too late to be played, 0 to 1.
    pub discard_rate: f64,
    /// Share of packets not heard within bursts, 0 to 1.
    pub burst_density: f64,
    /// Share of packets not heard between bursts, 0 to 1.
    pub gap_density: f64,
    /// Mean length of bursts.
    pub burst_duration: Duration,
    /// Mean length of the gaps between them.
    pub gap_duration: Duration,
    /// Its last round trip.
    pub round_trip_time: Option<Duration>,
    /// Delay within the far end: jitter buffer, packets, device.
    pub end_system_delay: Option<Duration>,
    /// Level of our speech there, in dBm0.
    pub signal_level: Option<i8>,
    /// Level of our noise there, in dBm0.
    pub noise_level: Option<i8>,
    /// Residual echo return loss in dB.
    pub residual_echo_return_loss: Option<u8>,
    /// Transmission rating (ITU-T G.107), 0 to 100.
    pub r_factor: Option<u8>,
    /// MOS without the effects of delay.
    pub mos_listening: Option<f64>,
    /// MOS with them.
    pub mos_conversation: Option<f64>,
}

impl RemoteVoip {
    /// The wire's units made plain; what is out of the range of RFC 3611 counts as not known.
    #[must_use]
    pub fn of(metrics: &VoipMetrics, reports: u64) -> Self {
        let share = |value: u8| f64::from(value) / 256.0;
        let millis = |value: u16| Duration::from_millis(value.into());
        let known = |value: u16| (value != 0).then(|| millis(value));
        let score = |value: Option<u8>| {
            value
                .filter(|value| (10..=50).contains(value))
                .map(|value| f64::from(value) / 10.0)
        };
        Self {
            reports,
            loss_rate: share(metrics.loss_rate),
            discard_rate: share(metrics.discard_rate),
            burst_density: share(metrics.burst_density),
            gap_density: share(metrics.gap_density),
            burst_duration: millis(metrics.burst_duration_ms),
            gap_duration: millis(metrics.gap_duration_ms),
            round_trip_time: known(metrics.round_trip_delay_ms),
            end_system_delay: known(metrics.end_system_delay_ms),
            signal_level: metrics.signal_level,
            noise_level: metrics.noise_level,
            residual_echo_return_loss: metrics.residual_echo_return_loss,
            r_factor: metrics.r_factor.filter(|rating| *rating <= 100),
            mos_listening: score(metrics.mos_lq),
            mos_conversation: score(metrics.mos_cq),
        }
    }
}

/// How we hear the far end.
#[must_use]
pub fn voip_metrics(
    statistics: &Statistics,
    codec: AudioCodec,
    bursts: &BurstFigures,
    packet_time: Duration,
) -> VoipMetrics {
    let inbound = &statistics.inbound;
    let lost = u64::try_from(inbound.packets_lost)
        .unwrap_or(0)
        .saturating_sub(inbound.packets_recovered);
    let expected = inbound.packets_received + lost;
    let round_trip = statistics
        .remote_inbound
        .and_then(|remote| remote.round_trip_time)
        .or_else(|| {
            statistics
                .remote_outbound
                .and_then(|remote| remote.round_trip_time)
        });
    let buffered = statistics.buffered();
    let conditions = statistics.conditions(codec);
    let of_listening = rating(&Conditions {
        delay: Duration::ZERO,
        ..conditions
    });
    let of_conversation = rating(&conditions);
    let heard = inbound.packets_received > 0;
    let tenths = |rating: f64| heard.then(|| to_byte(mos(rating) * 10.0));
    let bounds = JitterConfig::for_clock(codec.clock_rate());
    let packets = |packets: f64| to_millis(packet_time.mul_f64(packets));
    VoipMetrics {
        ssrc: inbound.ssrc,
        loss_rate: share(lost, expected),
        discard_rate: share(statistics.playout.packets_discarded, expected),
        burst_density: to_byte(bursts.burst_density * 256.0),
        gap_density: to_byte(bursts.gap_density * 256.0),
        burst_duration_ms: packets(bursts.burst_packets),
        gap_duration_ms: packets(bursts.gap_packets),
        round_trip_delay_ms: to_millis(round_trip.unwrap_or_default()),
        end_system_delay_ms: to_millis(buffered + 2 * SLOT),
        signal_level: signal_level(statistics),
        noise_level: None,
        residual_echo_return_loss: None,
        minimum_gap: MINIMUM_GAP,
        r_factor: heard.then(|| to_byte(of_conversation)),
        external_r_factor: None,
        mos_lq: tenths(of_listening),
        mos_cq: tenths(of_conversation),
        receiver_configuration: VoipMetrics::CONCEALING_AND_ADAPTIVE,
        jitter_buffer_nominal_ms: to_millis(buffered),
        jitter_buffer_maximum_ms: to_millis(bounds.most),
        jitter_buffer_absolute_maximum_ms: to_millis(bounds.most),
    }
}

/// Mean level of what was played; `None` while it was silence.
fn signal_level(statistics: &Statistics) -> Option<i8> {
    let playout = &statistics.playout;
    #[expect(
        clippy::cast_precision_loss,
        reason = "samples of one call stay far below 2^52"
    )]
    let seconds = playout.total_samples_received as f64 / 48_000.0;
    if seconds <= 0.0 || playout.total_audio_energy <= 0.0 {
        return None;
    }
    let level = 10.0 * (playout.total_audio_energy / seconds).log10() + DBM0_ABOVE_FULL_SCALE;
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range")]
    let level = level.round().clamp(-128.0, 10.0) as i8;
    Some(level)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "packets of one call stay far below 2^52"
)]
fn share(part: u64, whole: u64) -> u8 {
    if whole == 0 {
        return 0;
    }
    to_byte(part as f64 / whole as f64 * 256.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range"
)]
fn to_byte(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

fn to_millis(duration: Duration) -> u16 {
    u16::try_from((duration.as_micros() + 500) / 1_000).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::statistics::RemoteInboundRtp;

    fn heard() -> Statistics {
        let mut statistics = Statistics::default();
        statistics.inbound.ssrc = 7;
        statistics.inbound.packets_received = 900;
        statistics.inbound.packets_lost = 100;
        statistics.playout.packets_discarded = 50;
        statistics.playout.total_samples_received = 48_000 * 20;
        // A full-scale sine all the time: half of full scale squared.
        statistics.playout.total_audio_energy = 10.0;
        statistics.remote_inbound = Some(RemoteInboundRtp {
            round_trip_time: Some(Duration::from_millis(80)),
            ..RemoteInboundRtp::default()
        });
        statistics
    }

    #[test]
    fn figures_of_a_call_become_the_units_of_the_wire() {
        let bursts = BurstFigures {
            burst_density: 0.5,
            gap_density: 0.01,
            burst_packets: 12.0,
            gap_packets: 300.0,
            bursts: 3,
        };
        let metrics = voip_metrics(&heard(), AudioCodec::Pcmu, &bursts, SLOT);
        assert_eq!((metrics.loss_rate, metrics.discard_rate), (26, 13));
        assert_eq!((metrics.burst_density, metrics.gap_density), (128, 3));
        assert_eq!(metrics.burst_duration_ms, 240);
        assert_eq!(metrics.gap_duration_ms, 6_000);
        assert_eq!(metrics.round_trip_delay_ms, 80);
        assert_eq!(metrics.end_system_delay_ms, 40);
        assert_eq!(metrics.signal_level, Some(3), "a full-scale sine");
        // 15 % not heard at random: 93.2 - 95 * 15 / (15 + 25.1), and no impairment by 80 ms.
        assert_eq!(metrics.r_factor, Some(58));
        assert_eq!((metrics.mos_lq, metrics.mos_cq), (Some(30), Some(30)));
        let read = RemoteVoip::of(&metrics, 1);
        assert_eq!((read.r_factor, read.mos_listening), (Some(58), Some(3.0)));
        assert_eq!(read.round_trip_time, Some(Duration::from_millis(80)));
    }

    #[test]
    fn before_anything_was_heard_there_is_no_score() {
        let nothing = Statistics::default();
        let metrics = voip_metrics(&nothing, AudioCodec::Opus, &BurstFigures::default(), SLOT);
        assert_eq!((metrics.r_factor, metrics.mos_lq), (None, None));
        assert_eq!(metrics.signal_level, None);
        let odd = VoipMetrics {
            r_factor: Some(120),
            mos_lq: Some(9),
            ..metrics
        };
        let read = RemoteVoip::of(&odd, 1);
        assert_eq!((read.r_factor, read.mos_listening), (None, None));
    }
}
