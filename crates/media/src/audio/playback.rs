//! Plays a sound that was encoded before, round and round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::recording::{Clip, Recording};
use crate::program::{
    AudioCodec, AudioFormat, AudioPacket, Outgoing, PayloadKind, PlayoutStatistics, Program,
    ProgramCommand,
};

/// What a packet weighs of the estimate, once there are as many as it remembers: two seconds of them.
const REMEMBERED: u32 = 100;
/// How many deviations behind the mean delay the nominal buffer plays: what Ramjee, Kurose, Towsley and Schulzrinne found best
/// ("Adaptive playout mechanisms for packetized audio applications", 1994).
const DEVIATIONS: f64 = 4.0;
/// The nominal buffer waits no less, in seconds: one packet.
const LEAST: f64 = 0.02;
/// Nor longer than this, as ours does.
const MOST: f64 = 0.5;
/// A packet whose delay differs by more, in seconds, belongs to another time line.
const JUMP: f64 = 2.0;
/// Samples of a packet, as playout counts them.
const SAMPLES: u64 = 960;

/// Sends a recording; what arrives is not decoded.
///
/// It is judged all the same as somebody would hear it who plays it out through an adaptive jitter buffer: the figures tell how long
/// packets would wait there, and how many would come too late.
#[derive(Debug)]
pub struct Playback {
    recording: Recording,
    playing: Option<(AudioCodec, Arc<Clip>)>,
    /// The slot of the first packet.
    began: Option<u64>,
    buffer: NominalBuffer,
}

/// A jitter buffer that holds nothing: it only knows when it would play each packet.
#[derive(Debug, Default)]
struct NominalBuffer {
    stream: Option<TimeLine>,
    delay: Duration,
    emitted: u64,
    discarded: u64,
}

/// Delays of one stream, in seconds and from an unknown zero: arrival less media time.
#[derive(Debug)]
struct TimeLine {
    ssrc: u32,
    codec: AudioCodec,
    /// The first packet's arrival, and media time since then.
    start: Instant,
    timestamp: u32,
    media: f64,
    mean: f64,
    deviation: f64,
    seen: u32,
}

impl NominalBuffer {
    fn packet(&mut self, packet: &AudioPacket<'_>, now: Instant) {
        let PayloadKind::Audio(codec) = packet.kind else {
            return;
        };
        let known = self.stream.as_mut();
        let known = known.filter(|stream| stream.ssrc == packet.ssrc && stream.codec == codec);
        let waits = match known.and_then(|stream| stream.observe(packet.timestamp, now)) {
            Some(waits) => waits,
            None => {
                self.stream = Some(TimeLine::beginning(codec, packet, now));
                LEAST
            }
        };
        match Duration::try_from_secs_f64(waits) {
            Ok(waits) => {
                self.emitted += SAMPLES;
                self.delay += waits * SAMPLES as u32;
            }
            // Less than nothing: its time to be played is over.
            Err(_) => self.discarded += 1,
        }
    }
}

impl TimeLine {
    fn beginning(codec: AudioCodec, packet: &AudioPacket<'_>, now: Instant) -> Self {
        Self {
            ssrc: packet.ssrc,
            codec,
            start: now,
            timestamp: packet.timestamp,
            media: 0.0,
            mean: 0.0,
            deviation: 0.0,
            seen: 1,
        }
    }

    /// How long the packet would wait to be played; `None` when it belongs to another time line.
    fn observe(&mut self, timestamp: u32, now: Instant) -> Option<f64> {
        // RTP timestamps wrap by design.
        let ticks = timestamp.wrapping_sub(self.timestamp).cast_signed();
        let media = self.media + f64::from(ticks) / f64::from(self.codec.clock_rate());
        let arrival = now.saturating_duration_since(self.start).as_secs_f64();
        let delay = arrival - media;
        let off = delay - self.mean;
        if off.abs() > JUMP {
            return None;
        }
        (self.timestamp, self.media) = (timestamp, media);
        // When it is to be played was settled by those before it.
        let plays = self.mean + (DEVIATIONS * self.deviation).clamp(LEAST, MOST);
        self.seen = (self.seen + 1).min(REMEMBERED);
        let weight = 1.0 / f64::from(self.seen);
        self.mean += weight * off;
        self.deviation += weight * (off.abs() - self.deviation);
        Some(plays - delay)
    }
}

impl Playback {
    /// Begins with the first slot in which it may send.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        Self {
            recording,
            playing: None,
            began: None,
            buffer: NominalBuffer::default(),
        }
    }
}

impl Program for Playback {
    fn negotiated(&mut self, format: &AudioFormat, _now: Instant) {
        let clip = self.recording.clip(format.codec);
        self.playing = clip.map(|clip| (format.codec, Arc::clone(clip)));
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, now: Instant, _out: &mut Outgoing) {
        self.buffer.packet(packet, now);
    }

    fn slot(&mut self, _now: Instant, out: &mut Outgoing) {
        let Some((codec, clip)) = &self.playing else {
            return;
        };
        let slot = out.slot();
        let first = self.began.is_none();
        let played = slot.wrapping_sub(*self.began.get_or_insert(slot));
        // RTP timestamps wrap by design.
        let timestamp = (played as u32).wrapping_mul(codec.ticks_per_slot());
        out.send(
            PayloadKind::Audio(*codec),
            first,
            timestamp,
            clip.payload(played),
        );
    }

    fn command(&mut self, _command: ProgramCommand, _now: Instant) {}

    fn statistics(&self) -> PlayoutStatistics {
        PlayoutStatistics {
            jitter_buffer_delay: self.buffer.delay,
            jitter_buffer_emitted_count: self.buffer.emitted,
            packets_discarded: self.buffer.discarded,
            ..PlayoutStatistics::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::SLOT;
    use crate::quality::emodel::estimate;
    use crate::quality::statistics::Statistics;

    /// Figures and rating of a minute whose packets are delayed so, in milliseconds.
    fn heard(delay: impl Fn(u32) -> u32) -> (PlayoutStatistics, f64) {
        #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
        let start = Instant::now();
        let mut buffer = NominalBuffer::default();
        // The timestamp wraps in mid-call.
        let first = u32::MAX - 960 * 100;
        for number in 0..3000 {
            let packet = AudioPacket {
                kind: PayloadKind::Audio(AudioCodec::Opus),
                marker: false,
                sequence: number as u16,
                timestamp: first.wrapping_add(number * 960),
                ssrc: 1,
                payload: b"x",
            };
            let delayed = Duration::from_millis(delay(number).into());
            buffer.packet(&packet, start + number * SLOT + delayed);
        }
        let playout = PlayoutStatistics {
            jitter_buffer_delay: buffer.delay,
            jitter_buffer_emitted_count: buffer.emitted,
            packets_discarded: buffer.discarded,
            ..PlayoutStatistics::default()
        };
        let mut statistics = Statistics {
            playout,
            ..Statistics::default()
        };
        statistics.inbound.packets_received = 3000;
        (playout, estimate(&statistics.conditions(AudioCodec::Opus)))
    }

    /// As good as random, and the same each time.
    fn scattered(number: u32, most: u32) -> u32 {
        number.wrapping_mul(2_654_435_761) / 7919 % most
    }

    #[test]
    fn steady_packets_wait_for_one_packet_and_none_is_late() {
        let (playout, mos) = heard(|_| 30);
        assert_eq!(playout.packets_discarded, 0);
        assert_eq!(playout.jitter_buffer_emitted_count, 3000 * SAMPLES);
        let mean = playout.jitter_buffer_delay / (3000 * SAMPLES as u32);
        assert!(mean.abs_diff(SLOT) < Duration::from_micros(1), "{mean:?}");
        assert!(mos > 4.3, "{mos}");
    }

    #[test]
    fn jitter_costs_a_wait_or_what_comes_too_late() {
        let (_, steady) = heard(|_| 30);
        // Jitter that a buffer takes: it waits, and drops next to nothing.
        let (taken, waited) = heard(|number| scattered(number, 200));
        assert!(taken.packets_discarded < 30, "{taken:?}");
        assert!(waited < steady, "{waited} {steady}");
        // Every tenth packet is half a second late.
        let late = |number: u32| if number % 10 == 9 { 500 } else { 0 };
        let (dropped, lossy) = heard(late);
        assert!(dropped.packets_discarded > 200, "{dropped:?}");
        assert!(lossy < steady - 0.5, "{lossy} {steady}");
    }

    #[test]
    fn a_lasting_step_of_the_delay_is_followed_within_a_second() {
        let (stepped, _) = heard(|number| if number < 1000 { 10 } else { 210 });
        assert!((1..50).contains(&stepped.packets_discarded), "{stepped:?}");
        // Another time line altogether is one at once.
        let (moved, _) = heard(|number| if number < 1000 { 10 } else { 10_010 });
        assert_eq!(moved.packets_discarded, 0);
    }
}
