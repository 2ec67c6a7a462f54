//! The program of a client's call: source to encoder to packets, packets to playout to sink, digits on request.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::playout::StreamPlayout;
use crate::codec::encoder::Encoder;
use crate::codec::error::CodecError;
use crate::codec::opus_packet;
use crate::codec::settings::OpusSettings;
use crate::graph::event::EndpointEvent;
use crate::graph::frame::Frame;
use crate::graph::gain::Gain;
use crate::graph::meter::Meter;
use crate::graph::ringback::Ringback;
use crate::graph::sink::Sink;
use crate::graph::source::Source;
use crate::program::{
    AudioCodec, AudioFormat, AudioPacket, Outgoing, PayloadKind, PlayoutStatistics, Program,
    ProgramCommand, ProgramEvent, SLOT,
};
use crate::rtp::telephone_event::EventSender;

/// Events that may wait to be read; more are left out.
const MAX_EVENTS: usize = 32;

/// Without a packet for so long nothing is heard of the network, and our own tone is again. Longer than the pauses of any tone that the
/// network may send itself.
const NOTHING_HEARD: Duration = Duration::from_secs(5);

/// Plays a source into a call and the call into a sink.
///
/// Everything is allocated when the format is negotiated; a slot or a packet allocates nothing.
#[derive(Debug)]
pub struct AudioProgram {
    settings: OpusSettings,
    source: Source,
    sink: Sink,
    gain: Gain,
    /// Of what the far end says, on its way to the output.
    hearing: Gain,
    source_meter: Meter,
    format: Option<AudioFormat>,
    encoder: Option<Encoder>,
    playout: Option<StreamPlayout>,
    ringback: Option<Ringback>,
    /// When a packet was heard last.
    heard: Option<Instant>,
    digits: Option<EventSender>,
    sending_digits: bool,
    /// The next packet of sound begins a talk spurt.
    marker: bool,
    frame: Frame,
    events: VecDeque<ProgramEvent>,
}

impl AudioProgram {
    /// A program that sends `source` and gives what it hears to `sink`.
    pub fn new(settings: OpusSettings, source: Source, sink: Sink) -> Self {
        Self {
            settings,
            source,
            sink,
            gain: Gain::new(1.0),
            hearing: Gain::new(1.0),
            source_meter: Meter::default(),
            format: None,
            encoder: None,
            playout: None,
            ringback: None,
            heard: None,
            digits: None,
            sending_digits: false,
            marker: true,
            frame: Frame::silent(),
            events: VecDeque::with_capacity(MAX_EVENTS),
        }
    }

    fn tell(&mut self, event: ProgramEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }

    fn tell_codec_failure(&mut self, error: CodecError) {
        self.tell(ProgramEvent::SourceFailed {
            reason: error.to_string(),
        });
    }

    /// Encoder settings for what the far end asked for (RFC 7587 section 6.1).
    fn settings_for(&self, format: &AudioFormat) -> OpusSettings {
        let most = format
            .opus
            .max_average_bitrate
            .unwrap_or(u32::MAX)
            .max(6_000);
        OpusSettings {
            inband_fec: self.settings.inband_fec && format.opus.inband_fec,
            dtx: self.settings.dtx || format.opus.dtx,
            bitrate: self.settings.bitrate.min(most),
            ..self.settings
        }
    }

    fn send(&mut self, out: &mut Outgoing) {
        self.source.read(&mut self.frame);
        self.gain.process(&mut self.frame);
        self.source_meter.measure(&self.frame);
        let Some(format) = self.format else { return };
        let timestamp = (out.slot() as u32).wrapping_mul(format.codec.ticks_per_slot());
        if let Some(digits) = &mut self.digits {
            if let Some(packet) = digits.next(timestamp) {
                out.send(
                    PayloadKind::TelephoneEvent,
                    packet.marker,
                    packet.timestamp,
                    &packet.payload.to_bytes(),
                );
                self.sending_digits = true;
                self.marker = true;
                return;
            }
            if self.sending_digits && digits.is_idle() {
                self.sending_digits = false;
                self.tell(ProgramEvent::DtmfSent);
            }
        }
        let Some(encoder) = self.encoder.as_mut().filter(|_| format.send) else {
            self.marker = true;
            return;
        };
        let (frame, marker) = (&self.frame, self.marker);
        let mut failure = None;
        let mut sent = false;
        out.send_with(
            PayloadKind::Audio(format.codec),
            marker,
            timestamp,
            |room| {
                match encoder.encode(frame, room) {
                    // What DTX leaves of a frame need not be sent; the far end goes on with comfort noise.
                    Ok(used)
                        if format.codec == AudioCodec::Opus
                            && !marker
                            && room.get(..used).is_some_and(opus_packet::is_dtx) =>
                    {
                        0
                    }
                    Ok(used) => {
                        sent = true;
                        used
                    }
                    Err(error) => {
                        failure = Some(error);
                        0
                    }
                }
            },
        );
        self.marker = !sent;
        if let Some(error) = failure {
            self.encoder = None;
            self.tell_codec_failure(error);
        }
    }

    fn receive(&mut self, now: Instant) {
        // The network has something to say itself (RFC 3960 section 3.2).
        let quiet = self
            .heard
            .is_none_or(|at| now.saturating_duration_since(at) >= NOTHING_HEARD);
        match (self.ringback.as_mut().filter(|_| quiet), &mut self.playout) {
            (Some(ringback), _) => ringback.read(&mut self.frame),
            (None, Some(playout)) => {
                playout.play(&mut self.frame, now);
                self.hearing.process(&mut self.frame);
            }
            (None, None) => self.frame.clear(),
        }
        self.sink.write(&self.frame);
    }

    fn poll_endpoints(&mut self) {
        while self.events.len() < MAX_EVENTS {
            let Some(event) = self.source.poll_event() else {
                break;
            };
            self.events.push_back(from_endpoint(event));
        }
        while self.events.len() < MAX_EVENTS {
            let Some(event) = self.sink.poll_event() else {
                break;
            };
            self.events.push_back(from_endpoint(event));
        }
    }
}

impl Program for AudioProgram {
    fn negotiated(&mut self, format: &AudioFormat, _now: Instant) {
        let settings = self.settings_for(format);
        let unchanged = self
            .format
            .is_some_and(|old| old.codec == format.codec && old.opus == format.opus);
        if !unchanged || self.encoder.is_none() {
            match Encoder::new(format.codec, &settings) {
                Ok(encoder) => self.encoder = Some(encoder),
                Err(error) => {
                    self.encoder = None;
                    self.tell_codec_failure(error);
                }
            }
        }
        if self
            .playout
            .as_ref()
            .is_none_or(|playout| playout.codec() != format.codec)
        {
            match StreamPlayout::new(format.codec) {
                Ok(playout) => self.playout = Some(playout),
                Err(error) => {
                    self.playout = None;
                    self.tell(ProgramEvent::SinkFailed {
                        reason: error.to_string(),
                    });
                }
            }
        }
        let clocks = (format.telephone_event, format.codec);
        if self.format.map(|old| (old.telephone_event, old.codec)) != Some(clocks) {
            let rtp_clock = format.codec.clock_rate();
            let before = self.digits.take();
            self.digits = format.telephone_event.map(|clock| match before {
                Some(mut sender) => {
                    sender.set_clocks(clock, rtp_clock);
                    sender
                }
                None => EventSender::new(clock, rtp_clock, SLOT),
            });
        }
        self.marker = true;
        self.format = Some(*format);
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, now: Instant, _out: &mut Outgoing) {
        if let Some(playout) = &mut self.playout {
            playout.packet(packet, now);
            self.heard = Some(now);
        }
    }

    fn slot(&mut self, now: Instant, out: &mut Outgoing) {
        self.send(out);
        self.receive(now);
        self.poll_endpoints();
    }

    fn command(&mut self, command: ProgramCommand, _now: Instant) {
        match command {
            ProgramCommand::Mute(on) => self.gain.set(if on { 0.0 } else { 1.0 }),
            ProgramCommand::Deaf(on) => self.hearing.set(if on { 0.0 } else { 1.0 }),
            ProgramCommand::Dtmf { digits } => {
                if let Some(sender) = &mut self.digits {
                    let mut text = [0; 4];
                    for digit in digits.chars() {
                        // What is no digit, or does not fit any more, is left out, as the command says.
                        let _left_out = sender.enqueue(digit.encode_utf8(&mut text));
                    }
                }
            }
            ProgramCommand::PauseDtmf(on) => {
                if let Some(sender) = &mut self.digits {
                    sender.pause(on);
                }
            }
            ProgramCommand::Ringback(tone) => self.ringback = tone.map(Ringback::new),
            ProgramCommand::Bridge(_) => {}
        }
    }

    fn poll_event(&mut self) -> Option<ProgramEvent> {
        self.events.pop_front()
    }

    fn statistics(&self) -> PlayoutStatistics {
        let playout = self
            .playout
            .as_ref()
            .map(StreamPlayout::statistics)
            .unwrap_or_default();
        PlayoutStatistics {
            source_audio_level: f64::from(self.source_meter.audio_level()),
            source_total_audio_energy: self.source_meter.total_audio_energy(),
            source_is_device: self.source.is_device(),
            ..playout
        }
    }
}

fn from_endpoint(event: EndpointEvent) -> ProgramEvent {
    match event {
        EndpointEvent::InputEnded => ProgramEvent::SourceEnded,
        EndpointEvent::InputFailed(fault) => ProgramEvent::SourceFailed {
            reason: fault.to_string(),
        },
        EndpointEvent::OutputFailed(fault) => ProgramEvent::SinkFailed {
            reason: fault.to_string(),
        },
        EndpointEvent::RecordingTo { path } => ProgramEvent::RecordingTo { path },
        EndpointEvent::DeviceStalled { device } => ProgramEvent::DeviceStalled { device },
        EndpointEvent::DeviceRunning { device } => ProgramEvent::DeviceRunning { device },
    }
}
