//! The adaptive jitter buffer: decides for each stretch of playout what is decoded, rebuilt, made up or left out.

use std::time::{Duration, Instant};

use crate::codec::decoder::PayloadFacts;
use crate::jitter::delay::DelayEstimator;
use crate::jitter::slots::{Slots, Sound, Stored};
use crate::jitter::statistics::JitterStatistics;
use crate::jitter::stream::{Place, Stream};

/// Bounds of one jitter buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JitterConfig {
    /// RTP clock of the stream, in hertz.
    pub clock_rate: u32,
    /// Delay aimed at before anything is known.
    pub start: Duration,
    /// Never aim below.
    pub least: Duration,
    /// Never aim above.
    pub most: Duration,
    /// Packets that may wait at a time.
    pub capacity: usize,
}

impl JitterConfig {
    /// The usual bounds for a telephone call: start at 60 ms, between 10 ms and 500 ms, 100 packets.
    pub const fn for_clock(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            start: Duration::from_millis(60),
            least: Duration::from_millis(10),
            most: Duration::from_millis(500),
            capacity: 100,
        }
    }
}

/// One RTP packet as it came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Source of the stream; another one starts the buffer anew.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in ticks of the stream's clock.
    pub timestamp: u32,
    /// What the codec says of the payload, or `None` when the packet holds no sound for this buffer (RFC 4733
    /// events share the sequence): its number then counts as received and nothing more.
    pub facts: Option<PayloadFacts>,
    /// The payload.
    pub payload: &'a [u8],
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It waits for its turn.
    Stored,
    /// It waits, and everything before it was forgotten: the stream started anew. The decoder should be reset.
    Restarted,
    /// Its sound was played or made up already.
    TooLate,
    /// It is there already.
    Duplicate,
    /// Its number is so far off that the next packet must confirm it.
    Doubted,
}

/// What to do for the next stretch of playout.
#[derive(Debug, PartialEq, Eq)]
pub enum Playout<'a> {
    /// Decode this payload and play it.
    Decode(&'a [u8]),
    /// Decode this payload and leave it out, joining what was played before softly to what comes next; then ask again.
    LeaveOut(&'a [u8]),
    /// Rebuild the lost stretch, `samples` at 48 kHz long, from the copy in this payload (of the packet after it).
    Rebuild {
        /// Payload of the next packet.
        next: &'a [u8],
        /// Length of the lost stretch.
        samples: u32,
    },
    /// Make up `samples` at 48 kHz: something was lost, is late, or the delay grows.
    Conceal {
        /// Length at 48 kHz.
        samples: u32,
    },
    /// Make up `samples` at 48 kHz of the silence that the sender announced.
    Comfort {
        /// Length at 48 kHz.
        samples: u32,
    },
    /// Take up this description of the silence that follows, and make `samples` at 48 kHz of it.
    Noise {
        /// RFC 3389.
        payload: &'a [u8],
        /// Length at 48 kHz.
        samples: u32,
    },
    /// Nothing has come yet, or the first packets are being gathered: play silence.
    Wait,
}

/// Never correct the delay by a whole frame for less than the frame and this much.
const SLACK_US: i64 = 5_000;
/// Played earlier than wished by this much, a pause is used to let the delay grow. Less than the smallest delay aimed
/// at, so that it is noticed before the buffer runs dry.
const EARLY_US: i64 = 5_000;
/// Further off than this the delay is corrected also while somebody speaks.
const FAR_OFF_US: i64 = 60_000;
/// Between two corrections while somebody speaks: packets played.
const CORRECTION_PACE: u32 = 4;
/// No silence for so many packets: correct while somebody speaks even if it is not far off, but not for a single packet: the
/// seam would be heard (a tone shows it as a click), the delay would not.
const IMPATIENCE: u32 = 150;
/// How long a loss keeps the buffer waiting for the copies in the next packets.
const LOSS_MEMORY_US: i64 = 30_000_000;
/// Stretches shorter than this (2.5 ms) are not made up: no codec could.
const GRAIN_US: i64 = 2_500;

/// An adaptive jitter buffer for one incoming stream.
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    origin: Option<Instant>,
    stream: Stream,
    slots: Slots,
    delay: DelayEstimator,
    statistics: JitterStatistics,
    playing: Option<Playing>,
    /// A payload that was handed out; its memory is reused with the next call.
    handed_out: Option<Stored>,
    /// Length of the last packet of sound, in ticks.
    packet_ticks: i64,
    /// When a packet was last missing although the one after it was there.
    last_loss: Option<i64>,
    /// The last packets carried copies of their predecessors.
    copies: bool,
}

#[derive(Debug)]
struct Playing {
    /// Sequence number and timestamp that come next.
    sequence: u64,
    timestamp: i64,
    /// Ticks made up since `timestamp` without moving on.
    ahead: i64,
    /// Playout runs; before that the first packets are gathered until the first one has waited long enough.
    started: bool,
    concealing: bool,
    /// The sender announced silence, or its number went to a packet without sound.
    silence: bool,
    since_correction: u32,
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new(config: JitterConfig) -> Self {
        Self {
            config,
            origin: None,
            stream: Stream::default(),
            slots: Slots::new(config.capacity.clamp(4, 1000)),
            delay: DelayEstimator::new(),
            statistics: JitterStatistics::default(),
            playing: None,
            handed_out: None,
            packet_ticks: i64::from(config.clock_rate / 50),
            last_loss: None,
            copies: false,
        }
    }

    /// The counters.
    pub fn statistics(&self) -> &JitterStatistics {
        &self.statistics
    }

    /// The delay that is aimed at now, over the fastest packets.
    pub fn target(&self, now: Instant) -> Duration {
        let now = self.micros(now);
        micros(
            self.wished_point(now)
                - self
                    .delay
                    .floor(now)
                    .unwrap_or_else(|| self.wished_point(now)),
        )
    }

    /// Takes a packet in.
    pub fn insert(&mut self, arrival: &Arrival<'_>, now: Instant) -> Insertion {
        self.origin.get_or_insert(now);
        let now = self.micros(now);
        let place = self
            .stream
            .place(arrival.ssrc, arrival.sequence, arrival.timestamp);
        let (sequence, timestamp, mut restarted) = match place {
            Place::Running {
                sequence,
                timestamp,
            } => (sequence, timestamp, self.playing.is_none()),
            Place::Fresh {
                sequence,
                timestamp,
            } => (sequence, timestamp, true),
            Place::Suspicious => {
                self.statistics.packets_discarded += 1;
                return Insertion::Doubted;
            }
        };
        let transit = now - self.media_us(timestamp);
        if arrival.facts.is_some() && !restarted && self.delay.is_jump(transit, now) {
            restarted = true;
        }
        if restarted {
            self.restart(arrival, sequence, timestamp, transit, now);
        }
        let Some(playing) = &mut self.playing else {
            return Insertion::Doubted;
        };
        if sequence < playing.sequence {
            if playing.started || arrival.facts.is_none() {
                self.statistics.packets_discarded += 1;
                if arrival.facts.is_some() {
                    self.delay.observe(transit, now);
                }
                return Insertion::TooLate;
            }
            // Overtaken by a later packet before anything was played: begin with this one.
            playing.sequence = sequence;
            playing.timestamp = timestamp;
        }
        if self.slots.get(sequence).is_some() {
            self.statistics.packets_discarded += 1;
            self.statistics.packets_duplicated += 1;
            return Insertion::Duplicate;
        }
        if sequence - playing.sequence >= self.slots.capacity() {
            // Too much waits: the oldest makes room, and playout goes on at what is left.
            let first = sequence + 1 - self.slots.capacity();
            self.statistics.packets_discarded += self.slots.drop_before(first);
            playing.sequence = first;
            if let Some(sound) = self
                .slots
                .first_from(first)
                .and_then(|stored| stored.sound.as_ref())
            {
                playing.timestamp = sound.timestamp;
            } else {
                playing.timestamp = timestamp;
            }
            playing.ahead = 0;
        }
        let sound = arrival.facts.map(|facts| {
            self.delay.observe(transit, now);
            self.copies = facts.carries_previous;
            self.packet_ticks = i64::from(facts.duration);
            Sound {
                timestamp,
                duration: i64::from(facts.duration),
                carries_previous: facts.carries_previous,
                starts_silence: facts.starts_silence,
                describes_noise: facts.describes_noise,
                payload: self.slots.payload(arrival.payload),
            }
        });
        self.slots.put(Stored {
            sequence,
            sound,
            arrived_us: now,
        });
        if restarted {
            Insertion::Restarted
        } else {
            Insertion::Stored
        }
    }

    /// Decides what is played next. Call it whenever sound is needed; `quiet` says that what was played last was
    /// so quiet that a cut there is not heard.
    pub fn pull(&mut self, quiet: bool, now: Instant) -> Playout<'_> {
        if let Some(used) = self.handed_out.take() {
            self.slots.recycle(used);
        }
        let now = self.micros(now);
        let wished = self.wished_point(now);
        self.pass_soundless();
        let Some(playing) = &self.playing else {
            return Playout::Wait;
        };
        if !playing.started && now - self.media_us(playing.timestamp) < wished {
            return Playout::Wait;
        }
        let (expected, due, ahead) = (playing.sequence, playing.timestamp, playing.ahead);
        let Some((sequence, timestamp, duration, carries_previous)) =
            self.slots.first_from(expected).and_then(|stored| {
                let sound = stored.sound.as_ref()?;
                Some((
                    stored.sequence,
                    sound.timestamp,
                    sound.duration,
                    sound.carries_previous,
                ))
            })
        else {
            return self.run_dry();
        };
        let gap = timestamp - due - ahead;
        if self.ticks_us(gap) >= GRAIN_US {
            return self.bridge(
                gap,
                sequence,
                sequence == expected,
                duration,
                carries_previous,
                now,
            );
        }
        self.play(sequence, wished, quiet, now)
    }

    /// Nothing waits: go on without moving on, so that what comes late can still be played.
    fn run_dry(&mut self) -> Playout<'_> {
        let step = self.packet_ticks;
        let samples = self.samples(step);
        let Some(playing) = &mut self.playing else {
            return Playout::Wait;
        };
        if !playing.started {
            return Playout::Wait;
        }
        playing.ahead += step;
        if playing.silence {
            return Playout::Comfort { samples };
        }
        self.count_concealment(samples);
        Playout::Conceal { samples }
    }

    /// The next packet is for later: fill the time up to it.
    fn bridge(
        &mut self,
        gap: i64,
        sequence: u64,
        in_sequence: bool,
        duration: i64,
        carries_previous: bool,
        now: i64,
    ) -> Playout<'_> {
        let step = gap.min(self.packet_ticks.max(1));
        let samples = self.samples(step);
        let Some(playing) = &mut self.playing else {
            return Playout::Wait;
        };
        playing.started = true;
        if in_sequence || playing.silence {
            // Nothing is missing: the sender was silent.
            playing.ahead += step;
            return Playout::Comfort { samples };
        }
        // What is missing now will not be played any more, even if it comes.
        playing.timestamp += playing.ahead + step;
        playing.ahead = 0;
        let last_missing = sequence - playing.sequence == 1 || gap <= step;
        playing.sequence = if last_missing {
            sequence
        } else {
            playing.sequence + 1
        };
        self.last_loss = Some(now);
        self.statistics.packets_missing += 1;
        self.count_concealment(samples);
        if last_missing && carries_previous && step <= duration {
            self.statistics.fec_packets_used += 1;
            if let Some(sound) = self
                .slots
                .get(sequence)
                .and_then(|stored| stored.sound.as_ref())
            {
                return Playout::Rebuild {
                    next: &sound.payload,
                    samples,
                };
            }
        }
        Playout::Conceal { samples }
    }

    /// The next packet is due.
    fn play(&mut self, sequence: u64, wished: i64, quiet: bool, now: i64) -> Playout<'_> {
        let Some(stored) = self.slots.get(sequence) else {
            return Playout::Wait;
        };
        let Some(sound) = &stored.sound else {
            return Playout::Wait;
        };
        let (timestamp, duration, silence) =
            (sound.timestamp, sound.duration, sound.starts_silence);
        let describes_noise = sound.describes_noise;
        let (arrived, length) = (stored.arrived_us, self.ticks_us(sound.duration));
        let over = now - self.media_us(timestamp) - wished;
        let samples = self.samples(duration);
        let follower = self.slots.get(sequence + 1).is_some();
        let Some(playing) = &mut self.playing else {
            return Playout::Wait;
        };
        playing.since_correction = playing.since_correction.saturating_add(1);
        if playing.started
            && quiet
            && over < -EARLY_US
            && playing.ahead < duration * 8
            && !playing.silence
        {
            // Too early for what the network does: a pause is the place to let the delay grow.
            playing.ahead += duration;
            playing.since_correction = 0;
            self.statistics.inserted_samples_for_deceleration += u64::from(samples);
            // Growth ends here: `over` rises by a packet each time.
            return Playout::Comfort { samples };
        }
        let pace = playing.since_correction;
        let leave_out = playing.started
            && !describes_noise
            && follower
            && over >= length + SLACK_US
            && (quiet
                || (over >= 2 * length + SLACK_US && pace >= IMPATIENCE)
                || (over >= FAR_OFF_US && pace >= CORRECTION_PACE));
        let missed = sequence - playing.sequence;
        playing.started = true;
        playing.concealing = false;
        playing.silence = silence;
        playing.sequence = sequence + 1;
        playing.timestamp = timestamp + duration;
        playing.ahead = 0;
        if missed > 0 {
            self.statistics.packets_missing += missed;
            self.last_loss = Some(now);
        }
        if leave_out {
            playing.since_correction = 0;
            self.statistics.removed_samples_for_acceleration += u64::from(samples);
        }
        let waited = micros(now - arrived).saturating_mul(samples);
        let aimed =
            micros(wished - self.delay.floor(now).unwrap_or(wished)).saturating_mul(samples);
        self.statistics.jitter_buffer_delay =
            self.statistics.jitter_buffer_delay.saturating_add(waited);
        self.statistics.jitter_buffer_target_delay = self
            .statistics
            .jitter_buffer_target_delay
            .saturating_add(aimed);
        self.statistics.jitter_buffer_emitted_count += u64::from(samples);
        self.handed_out = self.slots.take(sequence);
        let payload = self
            .handed_out
            .as_ref()
            .and_then(|stored| stored.sound.as_ref());
        let payload = payload.map_or(&[][..], |sound| &sound.payload);
        if describes_noise {
            Playout::Noise { payload, samples }
        } else if leave_out {
            Playout::LeaveOut(payload)
        } else {
            Playout::Decode(payload)
        }
    }

    /// Packets without sound only use up their numbers.
    fn pass_soundless(&mut self) {
        let Some(playing) = &mut self.playing else {
            return;
        };
        while self
            .slots
            .get(playing.sequence)
            .is_some_and(|stored| stored.sound.is_none())
        {
            if let Some(stored) = self.slots.take(playing.sequence) {
                self.slots.recycle(stored);
            }
            playing.sequence += 1;
            playing.silence = true;
        }
        // A packet without sound behind a gap would hide the sound after it.
        while let Some(stored) = self.slots.first_from(playing.sequence)
            && stored.sound.is_none()
        {
            let sequence = stored.sequence;
            if let Some(stored) = self.slots.take(sequence) {
                self.slots.recycle(stored);
            }
            playing.sequence = sequence + 1;
            playing.silence = true;
        }
    }

    fn restart(
        &mut self,
        arrival: &Arrival<'_>,
        sequence: u64,
        timestamp: i64,
        transit: i64,
        now: i64,
    ) {
        if self.playing.is_some() {
            self.statistics.restarts += 1;
            self.statistics.packets_discarded += self.slots.clear();
        }
        if arrival.facts.is_some() {
            self.delay.rebase(transit, now);
        }
        self.playing = Some(Playing {
            sequence,
            timestamp,
            ahead: 0,
            started: false,
            concealing: false,
            silence: false,
            since_correction: 0,
        });
    }

    /// Transit time by which a packet is to be played.
    fn wished_point(&self, now: i64) -> i64 {
        let bound =
            |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4);
        let Some(floor) = self.delay.floor(now) else {
            return bound(self.config.start);
        };
        let wait_for_copy = self.copies
            && self
                .last_loss
                .is_some_and(|loss| now - loss < LOSS_MEMORY_US);
        let copy = if wait_for_copy {
            self.ticks_us(self.packet_ticks)
        } else {
            0
        };
        let mut learned = self.delay.point() - floor + copy;
        if self.delay.is_young() {
            learned = learned.max(bound(self.config.start));
        }
        floor + learned.clamp(bound(self.config.least), bound(self.config.most))
    }

    fn count_concealment(&mut self, samples: u32) {
        self.statistics.concealed_samples += u64::from(samples);
        if let Some(playing) = &mut self.playing
            && !playing.concealing
        {
            playing.concealing = true;
            self.statistics.concealment_events += 1;
        }
    }

    fn micros(&self, now: Instant) -> i64 {
        let since = self.origin.map_or(Duration::ZERO, |origin| {
            now.saturating_duration_since(origin)
        });
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 4)
    }

    fn media_us(&self, timestamp: i64) -> i64 {
        self.ticks_us(timestamp)
    }

    fn ticks_us(&self, ticks: i64) -> i64 {
        ticks.saturating_mul(1_000_000) / i64::from(self.config.clock_rate.max(1))
    }

    /// Ticks as samples at 48 kHz, in whole grains of 2.5 ms as every codec can make them up.
    fn samples(&self, ticks: i64) -> u32 {
        let samples = ticks.saturating_mul(48_000) / i64::from(self.config.clock_rate.max(1));
        u32::try_from(samples.clamp(120, 5760) / 120 * 120).unwrap_or(960)
    }
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(u64::try_from(value).unwrap_or(0))
}
