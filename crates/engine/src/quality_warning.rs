//! Warnings about a call's quality, as Telnyx's SDK gives them: what is bad three intervals in a row is told, again every 15 s while it
//! lasts, and when it is over.

use std::time::{Duration, Instant};

use offhook_media::quality::emodel::mos;
use offhook_media::quality::statistics::Statistics;

/// Bad intervals in a row until it is told, and good ones until it is over.
const IN_A_ROW: u8 = 3;
/// Between two warnings about one thing that lasts.
const REPEAT: Duration = Duration::from_secs(15);
/// A microphone that was heard may be silent for so long, as its user is; before, [`IN_A_ROW`] holds.
const SPEAKER_PAUSE: Duration = Duration::from_secs(30);
/// Mean level, of 0 to 1, up to which nothing is to be heard.
const SILENT: f64 = 0.001;

/// What is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// Round trip above 400 ms.
    HighRtt,
    /// Jitter of what arrives above 30 ms.
    HighJitter,
    /// More than 1 % of an interval's packets did not arrive.
    HighPacketLoss,
    /// A mean opinion score below 3.5, by the formula of Telnyx's SDK and for the interval alone.
    LowMos,
    /// The microphone gives silence although nobody muted it.
    LowLocalAudio,
    /// Packets arrive with silence in them.
    LowInboundAudio,
    /// Nothing was sent.
    LowBytesSent,
}

impl Problem {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::HighRtt,
        Self::HighJitter,
        Self::HighPacketLoss,
        Self::LowMos,
        Self::LowLocalAudio,
        Self::LowInboundAudio,
        Self::LowBytesSent,
    ];

    /// Its name in Telnyx's SDK, in small letters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HighRtt => "high_rtt",
            Self::HighJitter => "high_jitter",
            Self::HighPacketLoss => "high_packet_loss",
            Self::LowMos => "low_mos",
            Self::LowLocalAudio => "low_local_audio",
            Self::LowInboundAudio => "low_inbound_audio",
            Self::LowBytesSent => "low_bytes_sent",
        }
    }

    /// Its number in Telnyx's SDK.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::HighRtt => 31_001,
            Self::HighJitter => 31_002,
            Self::HighPacketLoss => 31_003,
            Self::LowMos => 31_004,
            Self::LowLocalAudio => 31_005,
            Self::LowInboundAudio => 31_006,
            Self::LowBytesSent => 32_002,
        }
    }

    /// Where it begins, in the unit of [`QualityWarning::value`].
    #[must_use]
    pub const fn threshold(self) -> f64 {
        match self {
            Self::HighRtt => 400.0,
            Self::HighJitter => 30.0,
            Self::HighPacketLoss => 1.0,
            Self::LowMos => 3.5,
            Self::LowLocalAudio | Self::LowInboundAudio => SILENT,
            Self::LowBytesSent => 0.0,
        }
    }

    fn is_bad(self, value: f64) -> bool {
        match self {
            Self::HighRtt | Self::HighJitter | Self::HighPacketLoss => value > self.threshold(),
            Self::LowMos => value < self.threshold(),
            Self::LowLocalAudio | Self::LowInboundAudio | Self::LowBytesSent => {
                value <= self.threshold()
            }
        }
    }
}

/// Something about a call's quality is bad, still bad, or good again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityWarning {
    /// What.
    pub problem: Problem,
    /// Whether it is bad; false: it is over.
    pub on: bool,
    /// Of the last interval: milliseconds, percent, MOS, mean level (0 to 1) or bytes.
    pub value: f64,
}

/// What is known besides the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Situation {
    pub(crate) muted: bool,
    pub(crate) held: bool,
}

/// The watch over one call.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    before: Option<Statistics>,
    /// The microphone was heard.
    spoke: bool,
    /// One for each of [`Problem::ALL`].
    runs: [Run; Problem::ALL.len()],
}

#[derive(Debug, Clone, Copy, Default)]
struct Run {
    bad: u8,
    good: u8,
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Watch {
    /// Takes the figures at an interval's end; tells what is to be told.
    pub(crate) fn interval(
        &mut self,
        statistics: &Statistics,
        situation: Situation,
        now: Instant,
    ) -> Vec<QualityWarning> {
        let before = self.before.replace(statistics.clone());
        let Some(interval) = before.and_then(|before| Interval::between(&before, statistics))
        else {
            return Vec::new();
        };
        self.spoke |= interval.local_level.is_some_and(|level| level > SILENT);
        let patience = match self.spoke {
            true => SPEAKER_PAUSE,
            false => Duration::ZERO,
        };
        let mut told = Vec::new();
        for (problem, run) in Problem::ALL.into_iter().zip(&mut self.runs) {
            let Some(value) = interval.value(problem, situation) else {
                // Cannot be judged now: what was told stands, what was counted does not.
                (run.bad, run.good, run.since) = (0, 0, None);
                continue;
            };
            let patience = if problem == Problem::LowLocalAudio {
                patience
            } else {
                Duration::ZERO
            };
            if let Some(on) = run.take(problem.is_bad(value), patience, now) {
                told.push(QualityWarning { problem, on, value });
            }
        }
        told
    }
}

impl Run {
    /// Whether something is to be told, and whether it is that it is bad.
    fn take(&mut self, bad: bool, patience: Duration, now: Instant) -> Option<bool> {
        if !bad {
            (self.bad, self.since) = (0, None);
            self.good = self.good.saturating_add(1);
            let over = self.good >= IN_A_ROW && self.told.take().is_some();
            return over.then_some(false);
        }
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        let since = *self.since.get_or_insert(now);
        let long = self.bad >= IN_A_ROW && now.saturating_duration_since(since) >= patience;
        let due = match self.told {
            None => long,
            Some(told) => now.saturating_duration_since(told) >= REPEAT,
        };
        if due {
            self.told = Some(now);
        }
        due.then_some(true)
    }
}

/// What one interval was like.
#[derive(Debug)]
struct Interval {
    /// Milliseconds.
    round_trip: Option<f64>,
    /// Milliseconds.
    jitter: f64,
    received: u64,
    /// Percent.
    loss: Option<f64>,
    /// Mean levels; the microphone's only where there is one.
    local_level: Option<f64>,
    inbound_level: f64,
    sent: u64,
}

impl Interval {
    /// `None` when no time has passed.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of packets in one interval are small"
    )]
    fn between(before: &Statistics, after: &Statistics) -> Option<Self> {
        let seconds = after.at.checked_sub(before.at)?.as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        let level = |before: f64, after: f64| ((after - before).max(0.0) / seconds).sqrt();
        let received = after
            .inbound
            .packets_received
            .saturating_sub(before.inbound.packets_received);
        let lost = (after.inbound.packets_lost - before.inbound.packets_lost).max(0) as f64;
        let expected = received as f64 + lost;
        Some(Self {
            round_trip: after
                .remote_inbound
                .and_then(|remote| remote.round_trip_time)
                .map(milliseconds),
            jitter: milliseconds(after.inbound.jitter),
            received,
            loss: (expected > 0.0).then(|| lost / expected * 100.0),
            local_level: after.playout.source_is_device.then(|| {
                level(
                    before.playout.source_total_audio_energy,
                    after.playout.source_total_audio_energy,
                )
            }),
            inbound_level: level(
                before.playout.total_audio_energy,
                after.playout.total_audio_energy,
            ),
            sent: after
                .outbound
                .bytes_sent
                .saturating_sub(before.outbound.bytes_sent),
        })
    }

    /// The figure that decides; `None` where it says nothing now.
    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes of one interval are far below 2^52"
    )]
    fn value(&self, problem: Problem, situation: Situation) -> Option<f64> {
        let heard = self.received > 0;
        match problem {
            Problem::HighRtt => self.round_trip,
            Problem::HighJitter => heard.then_some(self.jitter),
            Problem::HighPacketLoss => self.loss,
            Problem::LowMos => Some(self.mos()).filter(|_| heard),
            Problem::LowLocalAudio => self
                .local_level
                .filter(|_| !situation.muted && !situation.held),
            Problem::LowInboundAudio => {
                Some(self.inbound_level).filter(|_| heard && !situation.held)
            }
            Problem::LowBytesSent => Some(self.sent as f64).filter(|_| !situation.held),
        }
    }

    /// The formula that the threshold belongs to; the [`Quality`](crate::quality::Quality) of a call has a better one.
    fn mos(&self) -> f64 {
        let loss = self.loss.unwrap_or_default();
        let round_trip = self.round_trip.unwrap_or_default();
        mos(93.2 - 0.11 * self.jitter - 2.5 * loss - 0.01 * round_trip)
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use offhook_media::quality::statistics::RemoteInboundRtp;

    use super::*;

    /// A call whose figures are good unless a test says otherwise, in a time that passes by intervals of a second.
    struct World {
        watch: Watch,
        statistics: Statistics,
        situation: Situation,
        start: Instant,
        told: Vec<(u64, &'static str, bool)>,
    }

    impl World {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test needs some instant to count from"
        )]
        fn new() -> Self {
            let mut statistics = Statistics::default();
            statistics.playout.source_is_device = true;
            let mut world = Self {
                watch: Watch::default(),
                statistics,
                situation: Situation::default(),
                start: Instant::now(),
                told: Vec::new(),
            };
            world.seconds(1, |_| {});
            world
        }

        /// Seconds of sound both ways, each changed by this.
        fn seconds(&mut self, count: u64, change: impl Fn(&mut Statistics)) {
            for _ in 0..count {
                let statistics = &mut self.statistics;
                statistics.at += Duration::from_secs(1);
                statistics.inbound.packets_received += 50;
                statistics.outbound.bytes_sent += 8000;
                statistics.playout.total_audio_energy += 0.01;
                statistics.playout.source_total_audio_energy += 0.01;
                change(statistics);
                let (at, now) = (statistics.at, self.start + statistics.at);
                let told = self.watch.interval(&self.statistics, self.situation, now);
                self.told.extend(
                    told.iter()
                        .map(|told| (at.as_secs(), told.problem.name(), told.on)),
                );
            }
        }

        fn told(&mut self) -> Vec<(u64, &'static str, bool)> {
            std::mem::take(&mut self.told)
        }
    }

    fn lossy(statistics: &mut Statistics) {
        statistics.inbound.packets_received -= 2;
        statistics.inbound.packets_lost += 2;
    }

    #[test]
    fn three_bad_intervals_are_told_again_every_15_s_and_once_when_over() {
        let mut world = World::new();
        world.seconds(2, lossy);
        world.seconds(1, |_| {});
        assert_eq!(world.told(), [], "never three in a row");
        world.seconds(40, lossy);
        let loss = "high_packet_loss";
        assert_eq!(
            world.told(),
            [(7, loss, true), (22, loss, true), (37, loss, true)]
        );
        world.seconds(2, |_| {});
        world.seconds(1, lossy);
        world.seconds(10, |_| {});
        assert_eq!(
            world.told(),
            [(50, loss, false)],
            "three good ones in a row"
        );
        world.seconds(20, |_| {});
        assert_eq!(world.told(), []);
    }

    #[test]
    fn each_figure_has_its_threshold() {
        let round_trip = |ms| {
            move |statistics: &mut Statistics| {
                statistics.remote_inbound = Some(RemoteInboundRtp {
                    round_trip_time: Some(Duration::from_millis(ms)),
                    ..RemoteInboundRtp::default()
                });
            }
        };
        let jitter = |ms| {
            move |statistics: &mut Statistics| {
                statistics.inbound.jitter = Duration::from_millis(ms);
            }
        };
        let mut world = World::new();
        world.seconds(5, round_trip(400));
        world.seconds(5, jitter(30));
        assert_eq!(world.told(), []);
        world.seconds(3, round_trip(401));
        assert_eq!(world.told(), [(14, "high_rtt", true)]);
        let mut world = World::new();
        world.seconds(3, jitter(31));
        assert_eq!(world.told(), [(4, "high_jitter", true)]);
        let mut world = World::new();
        world.seconds(3, |statistics| {
            statistics.inbound.packets_received -= 10;
            statistics.inbound.packets_lost += 10;
        });
        let both = [(4, "high_packet_loss", true), (4, "low_mos", true)];
        assert_eq!(world.told(), both);
        let mut world = World::new();
        world.seconds(3, |statistics| statistics.outbound.bytes_sent -= 8000);
        assert_eq!(world.told(), [(4, "low_bytes_sent", true)]);
    }

    #[test]
    fn silence_from_the_far_end_is_told_while_its_packets_come() {
        let silent = |statistics: &mut Statistics| statistics.playout.total_audio_energy -= 0.01;
        let mut world = World::new();
        world.seconds(3, silent);
        assert_eq!(world.told(), [(4, "low_inbound_audio", true)]);
        let mut world = World::new();
        world.situation.held = true;
        world.seconds(30, silent);
        assert_eq!(world.told(), [], "on hold");
        let mut world = World::new();
        world.seconds(30, |statistics| {
            statistics.playout.total_audio_energy -= 0.01;
            statistics.inbound.packets_received -= 50;
        });
        assert_eq!(world.told(), [], "no packets are told otherwise");
    }

    #[test]
    fn a_microphone_is_silent_at_once_or_after_30_s_when_it_was_heard() {
        let silent =
            |statistics: &mut Statistics| statistics.playout.source_total_audio_energy -= 0.01;
        let mut world = World::new();
        world.seconds(3, silent);
        assert_eq!(world.told(), [(4, "low_local_audio", true)]);
        let mut world = World::new();
        world.seconds(1, |_| {});
        world.seconds(60, silent);
        let told = world.told();
        assert_eq!(told[0], (33, "low_local_audio", true), "{told:?}");
        let mut world = World::new();
        world.situation.muted = true;
        world.seconds(60, silent);
        assert_eq!(world.told(), [], "muted");
        let mut world = World::new();
        world.statistics.playout.source_is_device = false;
        world.seconds(60, silent);
        assert_eq!(world.told(), [], "a file may be silent");
    }
}
