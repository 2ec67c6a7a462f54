//! Telephone events (RFC 4733): digits as RTP payloads, sent from a queue with gaps, and received despite loss and repetition.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Length of the payload of one event.
pub const PAYLOAD_LEN: usize = 4;
/// Longest duration that one payload can state, in units of the event clock; a longer tone goes on in a new segment.
const SEGMENT: u32 = 0xFFFF;
/// How often the end is said (RFC 4733 section 2.5.1.4).
const END_PACKETS: u8 = 3;
/// Power of the tone below 1 mW, in dB: what browsers say.
const VOLUME: u8 = 10;
/// Digits and pauses that may wait.
pub const MAX_QUEUED: usize = 256;
/// An event that was heard but not ended counts as ended after this silence (RFC 4733 section 2.5.2.2 asks for three update
/// intervals; twice that also bridges a short outage without hearing the digit twice).
const LOST_END: Duration = Duration::from_millis(120);

/// One event's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// Event code; 0 to 15 are the digits (RFC 4733 section 3.2).
    pub event: u8,
    /// The event has ended.
    pub end: bool,
    /// Power below 1 mW in dB, 0 to 63.
    pub volume: u8,
    /// Duration so far, in units of the event clock.
    pub duration: u16,
}

impl Payload {
    /// Reads the first event of an RTP payload; what follows (several events in one packet) is not used by anybody and skipped.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = payload.first_chunk::<PAYLOAD_LEN>()?;
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3F,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The bytes on the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; PAYLOAD_LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [
            self.event,
            ((self.end as u8) << 7) | (self.volume & 0x3F),
            high,
            low,
        ]
    }
}

/// The event code of a digit: `0`-`9`, `*`, `#`, `A`-`D` in either case.
#[must_use]
pub const fn event_of(digit: char) -> Option<u8> {
    Some(match digit {
        '0'..='9' => digit as u8 - b'0',
        '*' => 10,
        '#' => 11,
        'A'..='D' => digit as u8 - b'A' + 12,
        'a'..='d' => digit as u8 - b'a' + 12,
        _ => return None,
    })
}

/// The digit of an event code; `None` for flash and the other signals.
#[must_use]
pub const fn digit_of(event: u8) -> Option<char> {
    Some(match event {
        0..=9 => (b'0' + event) as char,
        10 => '*',
        11 => '#',
        12..=15 => (b'A' + event - 12) as char,
        _ => return None,
    })
}

/// How long a digit and the gap after it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToneTiming {
    /// Of each tone.
    pub tone: Duration,
    /// Least silence after each tone; rounded up to whole slots.
    pub gap: Duration,
}

impl Default for ToneTiming {
    /// 100 ms and 70 ms: what W3C's `insertDTMF` does.
    fn default() -> Self {
        Self {
            tone: Duration::from_millis(100),
            gap: Duration::from_millis(70),
        }
    }
}

/// Why digits were not queued; nothing of the string was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// Not a digit nor a pause.
    #[error(
        "{0:?} is not a DTMF digit: use 0-9, *, #, A-D, and w or W for a pause of 0.5 s or 1 s"
    )]
    NotADigit(char),
    /// More than [`MAX_QUEUED`] would wait.
    #[error(
        "too many digits are waiting ({MAX_QUEUED} at most): send the rest when these are through"
    )]
    Full,
}

/// A packet to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// First packet of the event.
    pub marker: bool,
    /// Beginning of the event (of its segment), in the unit that [`EventSender::next`] is given.
    pub timestamp: u32,
    /// What to put into it.
    pub payload: Payload,
}

#[derive(Debug, Clone, Copy)]
enum Queued {
    Tone { event: u8, duration: Duration },
    Pause(Duration),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Tone(Tone),
    Ending {
        packet: EventPacket,
        left: u8,
        silence: Duration,
    },
    Silence(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Tone {
    event: u8,
    /// RTP time of the present segment's beginning.
    timestamp: u32,
    /// Units of the event clock before it.
    segment: u32,
    /// Units sounded so far.
    elapsed: u32,
    /// Units to sound.
    total: u32,
}

/// Sends queued digits, one packet a slot.
#[derive(Debug)]
pub struct EventSender {
    event_clock: u32,
    rtp_clock: u32,
    slot: Duration,
    timing: ToneTiming,
    queue: VecDeque<Queued>,
    state: State,
    paused: bool,
}

impl EventSender {
    /// `event_clock`: of the negotiated telephone-event; `rtp_clock`: of the audio's timestamps, which the events share; `slot`: time
    /// between two calls of [`EventSender::next`].
    #[must_use]
    pub fn new(event_clock: u32, rtp_clock: u32, slot: Duration) -> Self {
        Self {
            event_clock: event_clock.max(1),
            rtp_clock: rtp_clock.max(1),
            slot,
            timing: ToneTiming::default(),
            queue: VecDeque::new(),
            state: State::Idle,
            paused: false,
        }
    }

    /// Goes on with other clocks; see [`EventSender::new`]. What waits is kept, a tone that sounds is over.
    pub fn set_clocks(&mut self, event_clock: u32, rtp_clock: u32) {
        self.event_clock = event_clock.max(1);
        self.rtp_clock = rtp_clock.max(1);
        if matches!(self.state, State::Tone(_) | State::Ending { .. }) {
            self.state = State::Silence(self.timing.gap);
        }
    }

    /// Keeps what waits until nobody pauses it any more. A tone that sounds is ended in order, and not said again: whoever
    /// heard its beginning has heard the digit.
    pub const fn pause(&mut self, on: bool) {
        self.paused = on;
        if on && let State::Tone(tone) = &mut self.state {
            tone.total = tone.elapsed;
        }
    }

    /// Changes lengths for digits queued from now on.
    pub const fn set_timing(&mut self, timing: ToneTiming) {
        self.timing = timing;
    }

    /// Queues digits and pauses (`w` 0.5 s, `W` 1 s).
    ///
    /// # Errors
    /// [`QueueError`]; then none of them was queued.
    pub fn enqueue(&mut self, digits: &str) -> Result<(), QueueError> {
        let before = self.queue.len();
        for digit in digits.chars() {
            let queued = match digit {
                'w' => Queued::Pause(Duration::from_millis(500)),
                'W' => Queued::Pause(Duration::from_secs(1)),
                _ => match event_of(digit) {
                    Some(event) => Queued::Tone {
                        event,
                        duration: self.timing.tone,
                    },
                    None => {
                        self.queue.truncate(before);
                        return Err(QueueError::NotADigit(digit));
                    }
                },
            };
            if self.queue.len() >= MAX_QUEUED {
                self.queue.truncate(before);
                return Err(QueueError::Full);
            }
            self.queue.push_back(queued);
        }
        Ok(())
    }

    /// Queues one long tone.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn enqueue_tone(&mut self, digit: char, duration: Duration) -> Result<(), QueueError> {
        let event = event_of(digit).ok_or(QueueError::NotADigit(digit))?;
        if self.queue.len() >= MAX_QUEUED {
            return Err(QueueError::Full);
        }
        self.queue.push_back(Queued::Tone { event, duration });
        Ok(())
    }

    /// Nothing is being sent and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle) && self.queue.is_empty()
    }

    /// Forgets what waits; a tone that sounds is ended in order.
    pub fn clear(&mut self) {
        self.queue.clear();
        if let State::Tone(tone) = &mut self.state {
            tone.total = tone.elapsed;
        }
    }

    /// The packet of this slot, which takes the place of audio. `timestamp`: RTP time of the slot.
    ///
    /// In the gaps between digits there is none, and audio may go on.
    pub fn next(&mut self, timestamp: u32) -> Option<EventPacket> {
        loop {
            match self.state {
                State::Idle if self.paused => return None,
                State::Idle => match self.queue.pop_front()? {
                    Queued::Pause(duration) => self.state = State::Silence(duration),
                    Queued::Tone { event, duration } => {
                        self.state = State::Tone(Tone {
                            event,
                            timestamp,
                            segment: 0,
                            elapsed: 0,
                            total: units(duration, self.event_clock).max(1),
                        });
                    }
                },
                State::Tone(tone) => return Some(self.sound(tone)),
                State::Ending {
                    packet,
                    left,
                    silence,
                } => {
                    let Some(left) = left.checked_sub(1) else {
                        self.state = State::Silence(silence);
                        continue;
                    };
                    self.state = State::Ending {
                        packet,
                        left,
                        silence: silence.saturating_sub(self.slot),
                    };
                    return Some(packet);
                }
                State::Silence(left) if left.is_zero() => self.state = State::Idle,
                State::Silence(left) => {
                    self.state = State::Silence(left.saturating_sub(self.slot));
                    return None;
                }
            }
        }
    }

    fn sound(&mut self, mut tone: Tone) -> EventPacket {
        let marker = tone.elapsed == 0;
        tone.elapsed = tone
            .elapsed
            .saturating_add(units(self.slot, self.event_clock))
            .min(tone.total);
        let in_segment = tone.elapsed - tone.segment;
        let end = tone.elapsed == tone.total && in_segment <= SEGMENT;
        let packet = EventPacket {
            marker,
            timestamp: tone.timestamp,
            payload: Payload {
                event: tone.event,
                end,
                volume: VOLUME,
                duration: u16::try_from(in_segment).unwrap_or(u16::MAX),
            },
        };
        if in_segment > SEGMENT {
            // The segment was said to be full; the next packet begins another (RFC 4733 section 2.5.1.3).
            tone.segment += SEGMENT;
            tone.timestamp =
                tone.timestamp
                    .wrapping_add(scaled(SEGMENT, self.event_clock, self.rtp_clock));
        }
        self.state = if end {
            let packet = EventPacket {
                marker: false,
                ..packet
            };
            State::Ending {
                packet,
                left: END_PACKETS - 1,
                silence: self.timing.gap,
            }
        } else {
            State::Tone(tone)
        };
        packet
    }
}

/// A duration in units of a clock.
fn units(duration: Duration, clock: u32) -> u32 {
    u32::try_from(duration.as_nanos() * u128::from(clock) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// A number of units of one clock in units of another; wraps like timestamps do.
const fn scaled(count: u32, from: u32, to: u32) -> u32 {
    (count as u64 * to as u64 / from as u64) as u32
}

/// What was heard of the far end's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A key went down.
    Started {
        /// Event code; see [`digit_of`].
        event: u8,
    },
    /// It went up, or its end was lost.
    Ended {
        /// Event code.
        event: u8,
        /// How long it was held, as far as was heard.
        duration: Duration,
    },
}

/// Understands received events: one [`Heard::Started`] and one [`Heard::Ended`] each, whatever was lost, repeated or reordered.
#[derive(Debug)]
pub struct EventReceiver {
    event_clock: u32,
    rtp_clock: u32,
    current: Option<Current>,
    heard: VecDeque<Heard>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    event: u8,
    /// Beginning of the present segment.
    timestamp: u32,
    /// Units in segments before the present one.
    before: u32,
    /// Units in the present one.
    duration: u16,
    ended: bool,
    last: Instant,
}

impl EventReceiver {
    /// `event_clock`: of the negotiated telephone-event; `rtp_clock`: of the audio's timestamps.
    #[must_use]
    pub const fn new(event_clock: u32, rtp_clock: u32) -> Self {
        let event_clock = if event_clock == 0 { 1 } else { event_clock };
        Self {
            event_clock,
            rtp_clock,
            current: None,
            heard: VecDeque::new(),
        }
    }

    /// Takes in a packet; then [`EventReceiver::poll`] until there is nothing more.
    pub fn on_packet(&mut self, marker: bool, timestamp: u32, payload: &[u8], now: Instant) {
        let Some(payload) = Payload::parse(payload) else {
            return;
        };
        match &mut self.current {
            Some(current) if current.timestamp == timestamp && current.event == payload.event => {
                current.duration = current.duration.max(payload.duration);
                current.last = now;
            }
            Some(current) if current.precedes_by(timestamp, now) => return,
            Some(current)
                if !marker
                    && current.goes_on(
                        timestamp,
                        payload.event,
                        self.event_clock,
                        self.rtp_clock,
                    ) =>
            {
                current.before = current.before.saturating_add(SEGMENT);
                current.timestamp = timestamp;
                current.duration = payload.duration;
                current.last = now;
            }
            Some(_) | None => {
                self.end();
                self.current = Some(Current {
                    event: payload.event,
                    timestamp,
                    before: 0,
                    duration: payload.duration,
                    ended: false,
                    last: now,
                });
                self.heard.push_back(Heard::Started {
                    event: payload.event,
                });
            }
        }
        if payload.end {
            self.end();
        }
    }

    /// When an event of which no more is heard counts as ended.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.current
            .filter(|current| !current.ended)
            .map(|current| current.last + LOST_END)
    }

    /// Ends an event of which nothing was heard for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.end();
        }
    }

    /// What was heard, in order.
    pub fn poll(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    fn end(&mut self) {
        let Some(current) = self.current.as_mut().filter(|current| !current.ended) else {
            return;
        };
        current.ended = true;
        let held = u64::from(current.before) + u64::from(current.duration);
        let duration = Duration::from_nanos(held * 1_000_000_000 / u64::from(self.event_clock));
        self.heard.push_back(Heard::Ended {
            event: current.event,
            duration,
        });
    }
}

impl Current {
    /// The packet belongs to an event before this one. After a while even a lower timestamp is a new one: the far end began anew.
    fn precedes_by(&self, timestamp: u32, now: Instant) -> bool {
        timestamp.wrapping_sub(self.timestamp).cast_signed() < 0
            && now.saturating_duration_since(self.last) < Duration::from_secs(2)
    }

    /// The packet is of the next segment of the same long tone.
    const fn goes_on(&self, timestamp: u32, event: u8, event_clock: u32, rtp_clock: u32) -> bool {
        !self.ended
            && self.event == event
            && timestamp.wrapping_sub(self.timestamp) == scaled(SEGMENT, event_clock, rtp_clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLOT: Duration = Duration::from_millis(20);

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to begin at"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    /// Runs the sender for as long as it has something to say; slot number and packet.
    fn sent(sender: &mut EventSender, rtp_clock: u32) -> Vec<(u32, EventPacket)> {
        let mut packets = Vec::new();
        for slot in 0..2000 {
            packets.extend(
                sender
                    .next(slot * rtp_clock / 50)
                    .map(|packet| (slot, packet)),
            );
            if sender.is_idle() {
                return packets;
            }
        }
        panic!("never idle");
    }

    fn heard(receiver: &mut EventReceiver) -> Vec<Heard> {
        std::iter::from_fn(|| receiver.poll()).collect()
    }

    #[test]
    fn a_digit_is_five_packets_of_growing_duration_and_its_end_three_times() {
        let mut sender = EventSender::new(8_000, 8_000, SLOT);
        sender.enqueue("5").unwrap();
        let packets = sent(&mut sender, 8_000);
        let seen: Vec<_> = packets
            .iter()
            .map(|(slot, p)| {
                (
                    *slot,
                    p.marker,
                    p.timestamp,
                    p.payload.duration,
                    p.payload.end,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (0, true, 0, 160, false),
                (1, false, 0, 320, false),
                (2, false, 0, 480, false),
                (3, false, 0, 640, false),
                (4, false, 0, 800, true),
                (5, false, 0, 800, true),
                (6, false, 0, 800, true),
            ]
        );
        assert!(packets.iter().all(|(_, packet)| packet.payload.event == 5));
    }

    #[test]
    fn digits_are_apart_by_the_gap_and_pauses_wait() {
        let mut sender = EventSender::new(48_000, 48_000, SLOT);
        sender.enqueue("1#wA").unwrap();
        let begins: Vec<_> = sent(&mut sender, 48_000)
            .into_iter()
            .filter(|(_, packet)| packet.marker)
            .map(|(slot, packet)| (slot, packet.payload.event))
            .collect();
        // 100 ms of tone and 70 ms of gap, which 20 ms slots make 80; then half a second more.
        assert_eq!(begins, [(0, 1), (9, 11), (18 + 25, 12)]);
    }

    #[test]
    fn a_tone_beyond_one_duration_field_goes_on_in_a_new_segment() {
        for (event_clock, rtp_clock) in [(48_000, 48_000), (8_000, 8_000), (8_000, 48_000)] {
            let mut sender = EventSender::new(event_clock, rtp_clock, SLOT);
            sender.enqueue_tone('*', Duration::from_secs(20)).unwrap();
            let packets = sent(&mut sender, rtp_clock);
            assert_eq!(
                packets.iter().filter(|(_, packet)| packet.marker).count(),
                1
            );
            let full = packets
                .iter()
                .filter(|(_, packet)| packet.payload.duration == u16::MAX)
                .count();
            assert_eq!(
                full as u32,
                20 * event_clock / SEGMENT,
                "one full packet a segment"
            );
            let mut receiver = EventReceiver::new(event_clock, rtp_clock);
            for (slot, packet) in packets {
                receiver.on_packet(
                    packet.marker,
                    packet.timestamp,
                    &packet.payload.to_bytes(),
                    start() + SLOT * slot,
                );
            }
            let expected = [
                Heard::Started { event: 10 },
                Heard::Ended {
                    event: 10,
                    duration: Duration::from_secs(20),
                },
            ];
            assert_eq!(heard(&mut receiver), expected);
        }
    }

    #[test]
    fn nothing_is_queued_of_a_string_with_a_wrong_or_too_many_digits() {
        let mut sender = EventSender::new(8_000, 8_000, SLOT);
        assert_eq!(sender.enqueue("12x"), Err(QueueError::NotADigit('x')));
        assert!(sender.is_idle());
        sender.enqueue(&"1".repeat(MAX_QUEUED)).unwrap();
        assert_eq!(sender.enqueue("1"), Err(QueueError::Full));
    }

    #[test]
    fn clearing_ends_the_sounding_tone_in_order() {
        let mut sender = EventSender::new(8_000, 8_000, SLOT);
        sender.enqueue("123").unwrap();
        sender.next(0);
        sender.next(160);
        sender.clear();
        let rest: Vec<_> = (2..20).filter_map(|slot| sender.next(slot * 160)).collect();
        assert_eq!(rest.len(), 3);
        assert!(
            rest.iter()
                .all(|packet| packet.payload.end && packet.payload.duration == 320)
        );
        assert!(sender.is_idle());
    }

    #[test]
    fn a_lost_end_is_ended_by_silence_or_by_the_next_digit() {
        let begin = start();
        let tone = |event, duration| {
            Payload {
                event,
                end: false,
                volume: 10,
                duration,
            }
            .to_bytes()
        };
        let mut receiver = EventReceiver::new(8_000, 8_000);
        receiver.on_packet(true, 1000, &tone(1, 160), begin);
        receiver.on_packet(false, 1000, &tone(1, 320), begin + SLOT);
        receiver.handle_timeout(begin + SLOT * 3);
        assert_eq!(heard(&mut receiver), [Heard::Started { event: 1 }]);
        receiver.handle_timeout(receiver.deadline().unwrap());
        assert_eq!(
            heard(&mut receiver),
            [Heard::Ended {
                event: 1,
                duration: Duration::from_millis(40)
            }]
        );
        assert_eq!(receiver.deadline(), None);
        // The same digit's late end says nothing new.
        receiver.on_packet(
            false,
            1000,
            &Payload {
                event: 1,
                end: true,
                volume: 10,
                duration: 800,
            }
            .to_bytes(),
            begin,
        );
        assert_eq!(heard(&mut receiver), []);
        receiver.on_packet(false, 5000, &tone(2, 320), begin + SLOT * 20);
        receiver.on_packet(true, 9000, &tone(2, 160), begin + SLOT * 40);
        // An older packet, reordered.
        receiver.on_packet(false, 5000, &tone(2, 480), begin + SLOT * 41);
        assert_eq!(
            heard(&mut receiver),
            [
                Heard::Started { event: 2 },
                Heard::Ended {
                    event: 2,
                    duration: Duration::from_millis(40)
                },
                Heard::Started { event: 2 },
            ]
        );
    }

    #[test]
    fn a_far_end_that_began_its_timestamps_anew_is_heard() {
        let begin = start();
        let end = Payload {
            event: 3,
            end: true,
            volume: 10,
            duration: 800,
        }
        .to_bytes();
        let mut receiver = EventReceiver::new(8_000, 8_000);
        receiver.on_packet(true, 0x7000_0000, &end, begin);
        receiver.on_packet(true, 100, &end, begin + Duration::from_secs(3));
        assert_eq!(heard(&mut receiver).len(), 4);
    }

    #[test]
    fn codes_and_digits_are_each_others_inverse() {
        for digit in "0123456789*#ABCD".chars() {
            assert_eq!(event_of(digit).and_then(digit_of), Some(digit));
        }
        assert_eq!(event_of('d'), Some(15));
        assert_eq!(digit_of(16), None, "flash is no digit");
    }

    proptest! {
        #[test]
        fn digits_are_heard_once_each_whatever_is_lost_or_repeated(
            digits in "[0-9*#A-D]{1,12}",
            faults in proptest::collection::vec(0u8..10, 200),
            wide: bool,
        ) {
            let clock = if wide { 48_000 } else { 8_000 };
            let begin = start();
            let mut sender = EventSender::new(clock, clock, SLOT);
            sender.enqueue(&digits).unwrap();
            let mut receiver = EventReceiver::new(clock, clock);
            let mut through = vec![false; digits.len()];
            let mut digit = 0;
            for (index, (slot, packet)) in sent(&mut sender, clock).into_iter().enumerate() {
                digit += usize::from(packet.marker && index > 0);
                let now = begin + SLOT * slot;
                receiver.handle_timeout(now);
                let copies = match faults[index] { 0..3 => 0, 3..8 => 1, _ => 2 };
                for _ in 0..copies {
                    through[digit] = true;
                    receiver.on_packet(packet.marker, packet.timestamp, &packet.payload.to_bytes(), now);
                }
            }
            receiver.handle_timeout(begin + Duration::from_secs(100));
            let heard = heard(&mut receiver);
            let started: String = heard.iter().filter_map(|h| match h {
                Heard::Started { event } => digit_of(*event),
                Heard::Ended { .. } => None,
            }).collect();
            let expected: String = digits.chars().zip(through).filter(|(_, through)| *through).map(|(digit, _)| digit).collect();
            prop_assert_eq!(&started, &expected);
            prop_assert_eq!(heard.len(), 2 * expected.len());
        }

        #[test]
        fn any_payload_is_taken_without_panic(packets in proptest::collection::vec((any::<bool>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..8)), 0..50)) {
            let mut receiver = EventReceiver::new(0, 48_000);
            let mut now = start();
            for (marker, timestamp, payload) in packets {
                now += SLOT;
                receiver.on_packet(marker, timestamp, &payload, now);
                receiver.handle_timeout(now);
                prop_assert!(heard(&mut receiver).len() <= 3);
            }
        }
    }
}
