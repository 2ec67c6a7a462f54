//! What a call does with its audio: the trait that the session drives every 20 ms, and the types that cross it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::graph::ringback::RingbackTone;

/// Length of one slot: a program may send one packet of audio in each.
pub const SLOT: Duration = Duration::from_millis(20);

/// Largest RTP payload that a program may hand out in one packet, in bytes.
///
/// 1,200 bytes fit into every path that WebRTC uses, with room for RTP header, SRTP tag, UDP and IPv6.
pub const MAX_PAYLOAD: usize = 1200;

/// Most packets that a program may hand out for one input; more are dropped and counted.
pub const MAX_BATCH: usize = 64;

/// Names one call within a worker; the owner of the calls chooses it and never uses it twice at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// The codecs this engine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// Opus (RFC 6716, RFC 7587): clock 48 kHz whatever the encoder runs at.
    Opus,
    /// G.722 at 64 kbit/s (RFC 3551 section 4.5.2, payload type 9): 16,000 samples a second under a clock of 8 kHz.
    G722,
    /// G.711 mu-law (RFC 3551, payload type 0): clock 8 kHz.
    Pcmu,
    /// G.711 A-law (RFC 3551, payload type 8): clock 8 kHz.
    Pcma,
}

impl AudioCodec {
    /// The RTP clock in Hz.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Ticks of the RTP clock in one slot of 20 ms.
    #[must_use]
    pub const fn ticks_per_slot(self) -> u32 {
        self.clock_rate() / 50
    }
}

/// What both ends agreed on for the audio of one call.
///
/// Payload types do not appear here: a program names the [`PayloadKind`], the session knows the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioFormat {
    /// The codec in use, both ways.
    pub codec: AudioCodec,
    /// Length of a packet that the far end asked for (`a=ptime`), 20 ms when it did not say.
    pub packet_time: Duration,
    /// RFC 4733 events may be sent: their clock in Hz; `None` when the far end does not take them.
    pub telephone_event: Option<u32>,
    /// What the far end said of the Opus it wants to receive (RFC 7587 section 6.1).
    pub opus: OpusWishes,
    /// The far end wants to hear us.
    pub send: bool,
    /// The far end may send to us.
    pub receive: bool,
}

/// The far end's Opus parameters: what it would like to receive (RFC 7587 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpusWishes {
    /// `useinbandfec=1`: it can make use of in-band forward error correction.
    pub inband_fec: bool,
    /// `usedtx=1`: it would like discontinuous transmission.
    pub dtx: bool,
    /// `stereo=1`: it prefers stereo. We send mono all the same.
    pub stereo: bool,
    /// `maxaveragebitrate`, in bit/s.
    pub max_average_bitrate: Option<u32>,
    /// `maxplaybackrate`, in Hz.
    pub max_playback_rate: Option<u32>,
}

/// What an RTP payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadKind {
    /// Audio of this codec.
    Audio(AudioCodec),
    /// An RFC 4733 telephone event of four bytes.
    TelephoneEvent,
    /// A description of the noise in a pause (RFC 3389), beside codecs of 8 kHz.
    ComfortNoise,
}

/// One received RTP packet, opened and checked, in the order of arrival (not of sequence).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioPacket<'a> {
    /// What the payload type stands for.
    pub kind: PayloadKind,
    /// First packet of a talk spurt, or of an event.
    pub marker: bool,
    /// RTP sequence number, as the far end sent it.
    pub sequence: u16,
    /// RTP timestamp, as the far end sent it, in ticks of the codec's clock.
    pub timestamp: u32,
    /// Synchronisation source: when it changes, the far end started afresh.
    pub ssrc: u32,
    /// The payload without header extensions and padding. May be empty.
    pub payload: &'a [u8],
}

/// Where a forwarded packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Back to the far end it came from.
    Echo,
    /// To the far end of another call of the same worker.
    Call(CallKey),
}

/// How one packet in [`Outgoing`] is to be numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// The next sequence number; `timestamp` counts from the program's own zero.
    Own {
        /// Ticks of the codec's clock since the program's zero. Wraps.
        timestamp: u32,
    },
    /// Keeps the gaps of the source it came from, so that loss on the first leg stays visible on the second.
    Forwarded {
        /// Where to.
        to: Destination,
        /// The source's SSRC; a change starts a new, seamlessly joined, numbering.
        ssrc: u32,
        /// The source's sequence number.
        sequence: u16,
        /// The source's timestamp.
        timestamp: u32,
    },
}

/// One packet waiting in [`Outgoing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingPacket<'a> {
    /// What it holds.
    pub kind: PayloadKind,
    /// RTP marker bit.
    pub marker: bool,
    /// Sequence and timestamp.
    pub numbering: Numbering,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> OutgoingPacket<'a> {
    /// A forwarded packet as it came in; `None` for one of the program's own.
    #[must_use]
    pub const fn as_received(&self) -> Option<AudioPacket<'a>> {
        match self.numbering {
            Numbering::Own { .. } => None,
            Numbering::Forwarded {
                ssrc,
                sequence,
                timestamp,
                ..
            } => Some(AudioPacket {
                kind: self.kind,
                marker: self.marker,
                sequence,
                timestamp,
                ssrc,
                payload: self.payload,
            }),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: PayloadKind,
    marker: bool,
    numbering: Numbering,
    start: usize,
    end: usize,
}

/// Collects the packets that a program hands out; reused, so that nothing is allocated per packet.
#[derive(Debug, Default)]
pub struct Outgoing {
    slot: u64,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    dropped: u64,
}

impl Outgoing {
    /// An empty collection; it grows to what a slot of its call needs, and stays there.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of the present slot since the call's pacing began.
    ///
    /// Grows by one each 20 ms of time, also over slots that were skipped because the machine slept; a timestamp
    /// computed from it therefore never drifts away from the clock.
    #[must_use]
    pub const fn slot(&self) -> u64 {
        self.slot
    }

    /// Sends one packet to this call's far end under the next sequence number.
    ///
    /// `timestamp` counts from the program's own zero in ticks of the codec's clock. A payload longer than
    /// [`MAX_PAYLOAD`], or a packet past [`MAX_BATCH`], is dropped and counted.
    pub fn send(&mut self, kind: PayloadKind, marker: bool, timestamp: u32, payload: &[u8]) {
        self.push(kind, marker, Numbering::Own { timestamp }, payload);
    }

    /// As [`send`](Self::send), but the payload is written in place: `write` gets [`MAX_PAYLOAD`] bytes and says how
    /// many it used; 0 sends nothing.
    pub fn send_with(
        &mut self,
        kind: PayloadKind,
        marker: bool,
        timestamp: u32,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) {
        let start = self.bytes.len();
        self.bytes.resize(start + MAX_PAYLOAD, 0);
        let used = self
            .bytes
            .get_mut(start..)
            .map_or(0, write)
            .min(MAX_PAYLOAD);
        self.bytes.truncate(start + used);
        if used == 0 {
            return;
        }
        self.enter(kind, marker, Numbering::Own { timestamp }, start);
    }

    /// Passes a received packet on as it is: back, or to another call of the same worker.
    ///
    /// The other call must have agreed on the same codec; if not, the packet is dropped there and counted.
    pub fn forward(&mut self, to: Destination, packet: &AudioPacket<'_>) {
        let numbering = Numbering::Forwarded {
            to,
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
        };
        self.push(packet.kind, packet.marker, numbering, packet.payload);
    }

    /// The packets, in the order they were handed out.
    pub fn packets(&self) -> impl Iterator<Item = OutgoingPacket<'_>> {
        (0..self.entries.len()).filter_map(|index| self.packet(index))
    }

    /// One of the packets, counted from 0 in the order they were handed out.
    #[must_use]
    pub fn packet(&self, index: usize) -> Option<OutgoingPacket<'_>> {
        self.entries.get(index).map(|entry| OutgoingPacket {
            kind: entry.kind,
            marker: entry.marker,
            numbering: entry.numbering,
            payload: self.bytes.get(entry.start..entry.end).unwrap_or_default(),
        })
    }

    /// Nothing was handed out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Empties the collection for the next input; `slot` is what [`slot`](Self::slot) will say.
    pub fn begin(&mut self, slot: u64) {
        self.slot = slot;
        self.bytes.clear();
        self.entries.clear();
    }

    /// How many packets were dropped because they were too long or too many.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn push(&mut self, kind: PayloadKind, marker: bool, numbering: Numbering, payload: &[u8]) {
        if payload.len() > MAX_PAYLOAD {
            self.dropped += 1;
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.enter(kind, marker, numbering, start);
    }

    fn enter(&mut self, kind: PayloadKind, marker: bool, numbering: Numbering, start: usize) {
        if self.entries.len() >= MAX_BATCH {
            self.bytes.truncate(start);
            self.dropped += 1;
            return;
        }
        self.entries.push(Entry {
            kind,
            marker,
            numbering,
            start,
            end: self.bytes.len(),
        });
    }
}

/// A wish of the call's owner to its program.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramCommand {
    /// Send silence in place of the input, or the input again.
    Mute(bool),
    /// Give silence to the output in place of what the far end says, or that again; counters and levels go on.
    Deaf(bool),
    /// Send these digits (`0`-`9`, `*`, `#`, `A`-`D`) as RFC 4733 events, one after the other; others are ignored.
    Dtmf {
        /// The digits, in order.
        digits: String,
    },
    /// Keep the digits that were not begun, while nobody hears them, or go on with them.
    PauseDtmf(bool),
    /// Play the tone of a ringing far end into the output, or stop; what arrives takes its place.
    Ringback(Option<RingbackTone>),
    /// Pass what arrives on to another call of the same worker, or stop doing so.
    Bridge(Option<CallKey>),
}

/// What a program tells the call's owner.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub enum ProgramEvent {
    /// The source has no more audio; silence follows.
    SourceEnded,
    /// The last queued digit was sent.
    DtmfSent,
    /// The source cannot be read; silence is sent in its place.
    SourceFailed {
        /// One sentence that names the source and what to do.
        reason: String,
    },
    /// The sink no longer takes audio; what it holds up to now is kept.
    SinkFailed {
        /// One sentence that names the sink and what to do.
        reason: String,
    },
    /// What is heard goes into this file from now on; told at the start and for each further part.
    RecordingTo {
        /// Where the sound is.
        path: PathBuf,
    },
    /// The sound card has neither asked for nor delivered sound for a second.
    DeviceStalled {
        /// Its name.
        device: String,
    },
    /// A stalled sound card works again.
    DeviceRunning {
        /// Its name.
        device: String,
    },
}

/// What a program knows of the audio it plays out and takes in. Counters run from the call's start.
///
/// Names and meanings as in W3C webrtc-stats (`RTCInboundRtpStreamStats`, `RTCAudioSourceStats`). A sample is one of
/// 48,000 in a second, whatever the codec.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PlayoutStatistics {
    /// Sum over all emitted samples of the time each spent in the jitter buffer.
    pub jitter_buffer_delay: Duration,
    /// Sum over all emitted samples of the delay that the buffer aimed at when it emitted them.
    pub jitter_buffer_target_delay: Duration,
    /// Samples that left the jitter buffer.
    pub jitter_buffer_emitted_count: u64,
    /// Samples played out, concealed ones included.
    pub total_samples_received: u64,
    /// Samples made up because nothing had arrived in time.
    pub concealed_samples: u64,
    /// Concealed samples that were silence.
    pub silent_concealed_samples: u64,
    /// How many times concealment began.
    pub concealment_events: u64,
    /// Samples added to slow playout down.
    pub inserted_samples_for_deceleration: u64,
    /// Samples removed to speed playout up.
    pub removed_samples_for_acceleration: u64,
    /// Packets that came too late, or twice, or did not fit, and were thrown away.
    pub packets_discarded: u64,
    /// Frames rebuilt from the forward error correction of the packet after them.
    pub fec_packets_received: u64,
    /// Packets that the decoder refused.
    pub decode_errors: u64,
    /// Level of what was last played out: 0 (silence) to 1 (full scale), linear.
    pub audio_level: f64,
    /// Energy of what was played out, in units of full scale squared times seconds.
    pub total_audio_energy: f64,
    /// Level of what was last sent: 0 (silence) to 1 (full scale), linear.
    pub source_audio_level: f64,
    /// Energy of what was sent, in units of full scale squared times seconds.
    pub source_total_audio_energy: f64,
    /// What is sent comes from a sound card, so that silence may be a fault.
    pub source_is_device: bool,
}

/// What a call does with its audio. The session calls it; it never waits, and does no I/O.
///
/// One call, one program, from the first negotiation to the end, also over renegotiation and ICE restart. All methods
/// run on the worker's thread, which has other calls to serve: none may block.
pub trait Program: Send {
    /// Both ends agreed on a format, for the first time or anew. `packet` and `slot` follow only after this.
    fn negotiated(&mut self, format: &AudioFormat, now: Instant);

    /// One packet arrived. What is put into `out` is sent at once.
    fn packet(&mut self, packet: &AudioPacket<'_>, now: Instant, out: &mut Outgoing);

    /// 20 ms passed: play out one frame, hand out one. Called from the moment the transport is ready, also on hold;
    /// what may not be sent now (hold) is dropped by the session.
    fn slot(&mut self, now: Instant, out: &mut Outgoing);

    /// The owner wants something. What a program cannot do it ignores.
    fn command(&mut self, command: ProgramCommand, now: Instant);

    /// The next thing to tell the owner. Drained after each of the calls above; at most a few at a time.
    fn poll_event(&mut self) -> Option<ProgramEvent> {
        None
    }

    /// The figures of playout; a program that plays nothing leaves them at zero.
    fn statistics(&self) -> PlayoutStatistics {
        PlayoutStatistics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outgoing_keeps_order_and_drops_what_does_not_fit() {
        let mut out = Outgoing::new();
        out.begin(3);
        out.send(PayloadKind::Audio(AudioCodec::Opus), true, 960, b"one");
        out.send_with(PayloadKind::TelephoneEvent, false, 960, |room| {
            room[..4].copy_from_slice(b"four");
            4
        });
        out.send_with(PayloadKind::TelephoneEvent, false, 960, |_| 0);
        out.send(
            PayloadKind::Audio(AudioCodec::Pcmu),
            false,
            0,
            &[0; MAX_PAYLOAD + 1],
        );
        let payloads: Vec<&[u8]> = out.packets().map(|packet| packet.payload).collect();
        assert_eq!(payloads, [b"one".as_slice(), b"four"]);
        assert_eq!((out.slot(), out.dropped()), (3, 1));
        for _ in 0..MAX_BATCH {
            out.send(PayloadKind::TelephoneEvent, false, 0, b"x");
        }
        assert_eq!((out.packets().count(), out.dropped()), (MAX_BATCH, 3));
        out.begin(4);
        assert!(out.is_empty());
    }
}
