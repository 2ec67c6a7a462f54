//! Sound cards through cpal: found by name, set up as near to 48 kHz mono as they go, watched by a thread each.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, ErrorKind, FromSample, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedBufferSize, SupportedStreamConfigRange,
};
use ringbuf::traits::{Observer, Producer, Split};
use ringbuf::{HeapProd, HeapRb};

use crate::device::callback::{CaptureCallback, Heartbeat, PlayoutCallback};
use crate::device::error::{Direction, EndpointError};
use crate::graph::event::{EVENT_RING, EndpointEvent, EndpointFault};
use crate::graph::ring::sample_ring;
use crate::graph::sink::Sink;
use crate::graph::source::Source;

/// The name that stands for the system's choice.
const DEFAULT: &str = "default";
/// How often the watchdog looks.
const WATCH: Duration = Duration::from_millis(100);
/// A callback that does not come for so long is told of.
const STALLED: Duration = Duration::from_secs(1);
/// So many errors between two looks, and no callback for [`STALLED`], mean that the device is gone: a broken ALSA stream reports
/// without end. Errors alone do not: ALSA's plugin for PulseAudio reports them by the hundred while a stream starts, and then plays.
const ERRORS_TOLERATED: usize = 8;
/// Errors after which a stream never works again.
const GONE: [ErrorKind; 3] = [
    ErrorKind::DeviceNotAvailable,
    ErrorKind::HostUnavailable,
    ErrorKind::StreamInvalidated,
];
/// Errors after which it goes on.
const HARMLESS: [ErrorKind; 3] = [
    ErrorKind::Xrun,
    ErrorKind::RealtimeDenied,
    ErrorKind::DeviceChanged,
];
/// Samples converted at a time in a callback of another sample format; on its stack.
const PIECE: usize = 256;

/// Names of the devices that work in this direction.
pub(super) fn names(direction: Direction) -> Vec<String> {
    let Ok(devices) = cpal::default_host().devices() else {
        return Vec::new();
    };
    let mut names: Vec<String> = devices
        .filter(|device| works(device, direction))
        .filter_map(|device| device.id().ok().map(|id| id.id().to_owned()))
        .collect();
    if !names.iter().any(|name| name == DEFAULT) {
        names.insert(0, DEFAULT.to_owned());
    }
    names
}

/// Opens a microphone.
pub(super) fn open_microphone(name: &str) -> Result<Source, EndpointError> {
    let direction = Direction::Input;
    let device = find(name, direction)?;
    let refused = |reason: String| EndpointError::Device {
        name: name.to_owned(),
        direction,
        reason,
    };
    let configs = device
        .supported_input_configs()
        .map_err(|error| refused(error.to_string()))?;
    let choice = choose(configs).ok_or_else(|| refused("it offers no usable format".to_owned()))?;
    let (errors, error_queue) = sync_channel(ERRORS_TOLERATED);
    let heartbeat = Heartbeat::default();
    let build = |buffer_size: BufferSize| {
        let config = StreamConfig {
            buffer_size,
            ..choice.config
        };
        let (writer, reader) = sample_ring(config.sample_rate as usize);
        let callback =
            CaptureCallback::new(writer, usize::from(config.channels), heartbeat.clone());
        let stream = match choice.format {
            Wire::I16 => capture::<i16>(&device, config, callback, errors.clone()),
            Wire::I32 => capture::<i32>(&device, config, callback, errors.clone()),
            Wire::U8 => capture::<u8>(&device, config, callback, errors.clone()),
            Wire::F32 => capture::<f32>(&device, config, callback, errors.clone()),
        }?;
        stream.play()?;
        Ok((stream, reader))
    };
    let (stream, reader) =
        with_buffer(&choice, build).map_err(|error| refused(error.to_string()))?;
    let (events, event_reader) = HeapRb::new(EVENT_RING).split();
    let source = Source::device(reader, choice.config.sample_rate, event_reader)
        .map_err(|error| refused(error.to_string()))?;
    let watch = Watch {
        name: name.to_owned(),
        direction,
        stream,
        heartbeat,
        errors: error_queue,
        events,
    };
    watch.start().map_err(|error| refused(error.to_string()))?;
    Ok(source)
}

/// Opens a loudspeaker.
pub(super) fn open_loudspeaker(name: &str) -> Result<Sink, EndpointError> {
    let direction = Direction::Output;
    let device = find(name, direction)?;
    let refused = |reason: String| EndpointError::Device {
        name: name.to_owned(),
        direction,
        reason,
    };
    let configs = device
        .supported_output_configs()
        .map_err(|error| refused(error.to_string()))?;
    let choice = choose(configs).ok_or_else(|| refused("it offers no usable format".to_owned()))?;
    let (errors, error_queue) = sync_channel(ERRORS_TOLERATED);
    let heartbeat = Heartbeat::default();
    let build = |buffer_size: BufferSize| {
        let config = StreamConfig {
            buffer_size,
            ..choice.config
        };
        let (writer, reader) = sample_ring(config.sample_rate as usize);
        // One frame comes at a time; half a frame more absorbs that both sides tick at different moments.
        let low_water = config.sample_rate as usize * 3 / 100;
        let callback = PlayoutCallback::new(
            reader,
            usize::from(config.channels),
            low_water,
            heartbeat.clone(),
        );
        let stream = match choice.format {
            Wire::I16 => playout::<i16>(&device, config, callback, errors.clone()),
            Wire::I32 => playout::<i32>(&device, config, callback, errors.clone()),
            Wire::U8 => playout::<u8>(&device, config, callback, errors.clone()),
            Wire::F32 => playout::<f32>(&device, config, callback, errors.clone()),
        }?;
        stream.play()?;
        Ok((stream, writer))
    };
    let (stream, writer) =
        with_buffer(&choice, build).map_err(|error| refused(error.to_string()))?;
    let (events, event_reader) = HeapRb::new(EVENT_RING).split();
    let sink = Sink::device(writer, choice.config.sample_rate, event_reader)
        .map_err(|error| refused(error.to_string()))?;
    let watch = Watch {
        name: name.to_owned(),
        direction,
        stream,
        heartbeat,
        errors: error_queue,
        events,
    };
    watch.start().map_err(|error| refused(error.to_string()))?;
    Ok(sink)
}

fn works(device: &cpal::Device, direction: Direction) -> bool {
    match direction {
        Direction::Input => device.supports_input(),
        Direction::Output => device.supports_output(),
    }
}

fn find(name: &str, direction: Direction) -> Result<cpal::Device, EndpointError> {
    let host = cpal::default_host();
    let found = if name == DEFAULT {
        match direction {
            Direction::Input => host.default_input_device(),
            Direction::Output => host.default_output_device(),
        }
    } else {
        let named = |device: &cpal::Device| {
            device.id().is_ok_and(|id| id.id() == name)
                || device.description().is_ok_and(|d| d.name() == name)
        };
        let listed = host
            .devices()
            .ok()
            .and_then(|mut all| all.find(|device| works(device, direction) && named(device)));
        listed.or_else(|| {
            let id = cpal::DeviceId::new(host.id(), name);
            host.device_by_id(&id)
                .filter(|device| works(device, direction))
        })
    };
    found.ok_or_else(|| EndpointError::UnknownDevice {
        name: name.to_owned(),
        direction,
        known: names(direction),
    })
}

/// The sample formats that we convert, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wire {
    F32,
    I32,
    I16,
    U8,
}

impl Wire {
    fn of(format: SampleFormat) -> Option<Self> {
        [
            (SampleFormat::F32, Self::F32),
            (SampleFormat::I32, Self::I32),
            (SampleFormat::I16, Self::I16),
            (SampleFormat::U8, Self::U8),
        ]
        .into_iter()
        .find_map(|(theirs, ours)| (theirs == format).then_some(ours))
    }
}

/// How a device is to be run.
#[derive(Debug, Clone, Copy)]
struct Choice {
    config: StreamConfig,
    format: Wire,
    fixed_buffer: Option<u32>,
}

/// The offer nearest to 48 kHz, mono, float.
fn choose(offers: impl Iterator<Item = SupportedStreamConfigRange>) -> Option<Choice> {
    let ranked = offers.filter_map(|offer| Some((rank(&offer)?, offer)));
    let ((place, channels, format), offer) = ranked.min_by_key(|(rank, _)| *rank)?;
    let sample_rate = *RATES.get(place)?;
    // 10 ms: half a frame.
    let wanted = sample_rate / 100;
    let fixed_buffer = match offer.buffer_size() {
        SupportedBufferSize::Range { min, max } if *min <= wanted && wanted <= *max => Some(wanted),
        SupportedBufferSize::Range { .. } | SupportedBufferSize::Unknown => None,
    };
    let config = StreamConfig {
        channels,
        sample_rate,
        buffer_size: BufferSize::Default,
    };
    Some(Choice {
        config,
        format,
        fixed_buffer,
    })
}

/// Rates in the order in which we would have them.
const RATES: [u32; 9] = [
    48_000, 96_000, 44_100, 32_000, 24_000, 16_000, 22_050, 192_000, 8_000,
];

/// Smaller is better: rate first, then channels, then format. Devices of more than 32 channels are left out.
fn rank(offer: &SupportedStreamConfigRange) -> Option<(usize, u16, Wire)> {
    let rate = RATES
        .into_iter()
        .position(|rate| offer.contains_rate(rate))?;
    let format = Wire::of(offer.sample_format())?;
    (1..=32)
        .contains(&offer.channels())
        .then_some((rate, offer.channels(), format))
}

/// Asks for short buffers first, and for what the device likes if it refuses.
fn with_buffer<T>(
    choice: &Choice,
    build: impl Fn(BufferSize) -> Result<T, cpal::Error>,
) -> Result<T, cpal::Error> {
    match choice.fixed_buffer {
        Some(frames) => build(BufferSize::Fixed(frames)).or_else(|_| build(BufferSize::Default)),
        None => build(BufferSize::Default),
    }
}

fn capture<T>(
    device: &cpal::Device,
    config: StreamConfig,
    mut callback: CaptureCallback,
    errors: SyncSender<cpal::Error>,
) -> Result<Stream, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels).max(1);
    let whole = PIECE / channels * channels;
    let data = move |samples: &[T], _: &cpal::InputCallbackInfo| {
        let mut converted = [0.0f32; PIECE];
        for piece in samples.chunks(whole.max(1)) {
            for (to, from) in converted.iter_mut().zip(piece) {
                *to = from.to_sample::<f32>();
            }
            callback.process(converted.get(..piece.len()).unwrap_or_default());
        }
    };
    device.build_input_stream::<T, _, _>(config, data, report(errors), None)
}

fn playout<T>(
    device: &cpal::Device,
    config: StreamConfig,
    mut callback: PlayoutCallback,
    errors: SyncSender<cpal::Error>,
) -> Result<Stream, cpal::Error>
where
    T: SizedSample + FromSample<f32>,
{
    let channels = usize::from(config.channels).max(1);
    let whole = PIECE / channels * channels;
    let data = move |samples: &mut [T], _: &cpal::OutputCallbackInfo| {
        let mut filled = [0.0f32; PIECE];
        for piece in samples.chunks_mut(whole.max(1)) {
            if let Some(filled) = filled.get_mut(..piece.len()) {
                callback.process(filled);
            }
            for (to, &from) in piece.iter_mut().zip(&filled) {
                *to = T::from_sample(from);
            }
        }
    };
    device.build_output_stream::<T, _, _>(config, data, report(errors), None)
}

/// Errors beyond the queue are dropped: a broken stream reports thousands in a second.
fn report(errors: SyncSender<cpal::Error>) -> impl FnMut(cpal::Error) + Send + 'static {
    move |error| {
        let _dropped_when_full = errors.try_send(error);
    }
}

/// Keeps a stream alive as long as somebody listens to its events, and tells when it stalls or breaks.
struct Watch {
    name: String,
    direction: Direction,
    stream: Stream,
    heartbeat: Heartbeat,
    errors: Receiver<cpal::Error>,
    events: HeapProd<EndpointEvent>,
}

impl Watch {
    fn start(self) -> std::io::Result<()> {
        thread::Builder::new()
            .name("offhook-card".to_owned())
            .spawn(move || self.run())
            .map(drop)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the watchdog of a sound card lives by the clock"
    )]
    fn run(mut self) {
        let (mut beats, mut since, mut stalled) = (self.heartbeat.count(), Instant::now(), false);
        while self.events.read_is_held() {
            thread::sleep(WATCH);
            let trouble = self.trouble();
            let (count, now) = (self.heartbeat.count(), Instant::now());
            let silent_for = if count == beats {
                now - since
            } else {
                Duration::ZERO
            };
            let broken = trouble.filter(|trouble| trouble.gone || silent_for > STALLED);
            if let Some(Trouble { reason, .. }) = broken {
                let fault = EndpointFault::Device {
                    device: self.name.clone(),
                    reason,
                };
                let event = match self.direction {
                    Direction::Input => EndpointEvent::InputFailed(fault),
                    Direction::Output => EndpointEvent::OutputFailed(fault),
                };
                self.tell(event);
                break;
            }
            if count != beats {
                (beats, since) = (count, now);
                if stalled {
                    stalled = false;
                    self.tell(EndpointEvent::DeviceRunning {
                        device: self.name.clone(),
                    });
                }
            } else if !stalled && now - since > STALLED {
                stalled = true;
                self.tell(EndpointEvent::DeviceStalled {
                    device: self.name.clone(),
                });
            }
        }
        drop(self.stream);
    }

    /// What the stream complains of, if it is more than a hiccup.
    fn trouble(&self) -> Option<Trouble> {
        let (mut count, mut last) = (0, None);
        while count < ERRORS_TOLERATED
            && let Ok(error) = self.errors.try_recv()
        {
            let (kind, reason) = (error.kind(), error.to_string());
            if GONE.contains(&kind) {
                return Some(Trouble { gone: true, reason });
            }
            if HARMLESS.contains(&kind) {
                tracing::debug!(device = %self.name, %error, "sound device");
            } else {
                count += 1;
                last = Some(Trouble {
                    gone: false,
                    reason,
                });
            }
        }
        last.filter(|_| count >= ERRORS_TOLERATED)
    }

    fn tell(&mut self, event: EndpointEvent) {
        let _lost_when_full = self.events.try_push(event);
    }
}

/// More errors than a stream that works would report.
struct Trouble {
    /// The stream will never work again.
    gone: bool,
    reason: String,
}
