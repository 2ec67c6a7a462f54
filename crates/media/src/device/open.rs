//! Opens what a configuration names: a file, a device, a tone, silence, nowhere.

use crate::device::disk::Disk;
use crate::device::error::{Direction, EndpointError};
use crate::device::spec::{SinkSpec, SourceSpec};
use crate::graph::sink::Sink;
use crate::graph::source::Source;

/// What replaces `{call}` and `{time}` in the path of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingNames<'a> {
    /// The call's name.
    pub call: &'a str,
    /// The moment, as the caller wants to see it in a file name.
    pub time: &'a str,
}

/// Opens an input. Looks at the disk or the sound system, so it may take milliseconds.
///
/// # Errors
/// [`EndpointError`] names the thing and what to do.
pub fn open_source(spec: &SourceSpec, disk: &Disk) -> Result<Source, EndpointError> {
    match spec {
        SourceSpec::Silence => Ok(Source::silence()),
        SourceSpec::Tone(hertz) => Ok(Source::tone(*hertz)),
        SourceSpec::File(path) => disk.play(path),
        SourceSpec::Device(name) => open_microphone(name),
    }
}

/// Opens an output. Looks at the disk or the sound system, so it may take milliseconds.
///
/// # Errors
/// [`EndpointError`] names the thing and what to do.
pub fn open_sink(
    spec: &SinkSpec,
    names: RecordingNames<'_>,
    disk: &Disk,
) -> Result<Sink, EndpointError> {
    match spec {
        SinkSpec::Discard => Ok(Sink::discard()),
        SinkSpec::File(pattern) => disk.record(pattern, names),
        SinkSpec::Device(name) => open_loudspeaker(name),
    }
}

/// Names of the devices that could be opened in this direction.
pub fn device_names(direction: Direction) -> Vec<String> {
    #[cfg(feature = "device")]
    return crate::device::card::names(direction);
    #[cfg(not(feature = "device"))]
    {
        let _no_devices_in_this_build = direction;
        Vec::new()
    }
}

#[cfg(feature = "device")]
fn open_microphone(name: &str) -> Result<Source, EndpointError> {
    crate::device::card::open_microphone(name)
}

#[cfg(feature = "device")]
fn open_loudspeaker(name: &str) -> Result<Sink, EndpointError> {
    crate::device::card::open_loudspeaker(name)
}

#[cfg(not(feature = "device"))]
fn open_microphone(name: &str) -> Result<Source, EndpointError> {
    Err(EndpointError::NoDevices {
        name: name.to_owned(),
    })
}

#[cfg(not(feature = "device"))]
fn open_loudspeaker(name: &str) -> Result<Sink, EndpointError> {
    Err(EndpointError::NoDevices {
        name: name.to_owned(),
    })
}
