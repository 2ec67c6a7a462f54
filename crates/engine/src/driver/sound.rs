//! Opens what a call sends and where what it hears goes, off the shard's task because it may take time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use offhook_media::audio::program::AudioProgram;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::device::disk::{Disk, DiskConfig};
use offhook_media::device::error::{Direction, EndpointError};
use offhook_media::device::open::{RecordingNames, device_names, open_sink, open_source};
use offhook_media::device::spec::{SinkSpec, SourceSpec};
use offhook_media::graph::sink::Sink;
use offhook_media::graph::source::Source;
use offhook_media::program::Program;
use offhook_signaling::call_id::CallId;
use tokio::task::spawn_blocking;

use crate::calendar;
use crate::config::AudioConfig;

/// What a call does with its audio, ready for the worker.
pub(crate) struct Opened {
    pub(crate) program: Box<dyn Program>,
    /// What could not be opened, a sentence each; the program does without.
    pub(crate) faults: Vec<String>,
}

/// Looks whether input and output could be opened now, without recording anything.
///
/// # Errors
/// Names what could not, and what to do. A device may still be plugged in later; a file that is no WAV stays none.
pub fn check(audio: &AudioConfig) -> Result<(), AudioCheckError> {
    if let SourceSpec::Device(name) = &audio.input {
        known_device(name, Direction::Input)?;
    } else {
        let disk = Disk::start(DiskConfig::default()).map_err(AudioCheckError::Disk)?;
        open_source(&audio.input, &disk)?;
    }
    if let SinkSpec::Device(name) = &audio.output {
        known_device(name, Direction::Output)?;
    }
    if let SinkSpec::File(path) = &audio.output {
        folder_exists(path)?;
    }
    Ok(())
}

/// Why [`check`] found fault.
#[derive(Debug, thiserror::Error)]
pub enum AudioCheckError {
    /// An input that cannot be opened, or a device that is not there.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The folder of the recordings.
    #[error("the folder of the recording {path} does not exist; make it, or record elsewhere", path = .0.display())]
    NoFolder(PathBuf),
    /// No thread for reading files.
    #[error("the thread for sound files did not start: {0}")]
    Disk(io::Error),
}

impl AudioCheckError {
    /// Whether the fault may mend itself, as a device does that is plugged in later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Endpoint(EndpointError::UnknownDevice { .. } | EndpointError::Device { .. })
        )
    }
}

fn known_device(name: &str, direction: Direction) -> Result<(), EndpointError> {
    if cfg!(not(feature = "device")) {
        return Err(EndpointError::NoDevices {
            name: name.to_owned(),
        });
    }
    let known = device_names(direction);
    if name == "default" || known.iter().any(|device| device == name) {
        return Ok(());
    }
    Err(EndpointError::UnknownDevice {
        name: name.to_owned(),
        direction,
        known,
    })
}

fn folder_exists(pattern: &Path) -> Result<(), AudioCheckError> {
    let Some(folder) = pattern
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    // A folder whose name depends on the call cannot be looked for now.
    if folder.is_dir() || folder.to_string_lossy().contains('{') {
        return Ok(());
    }
    Err(AudioCheckError::NoFolder(pattern.to_owned()))
}

/// Opens input and output of one call. A card may take half a second, a disk on a network longer.
pub(crate) async fn open(audio: AudioConfig, disk: Disk, call: CallId, time: SystemTime) -> Opened {
    let opened = spawn_blocking(move || open_now(&audio, &disk, &call, time)).await;
    opened.unwrap_or_else(|error| {
        let fault = format!("the sound of the call could not be opened: {error}");
        Opened {
            program: program(Source::silence(), Sink::discard()),
            faults: vec![fault],
        }
    })
}

/// What a call does that nobody here has answered.
pub(crate) fn none() -> Opened {
    Opened {
        program: program(Source::silence(), Sink::discard()),
        faults: Vec::new(),
    }
}

fn open_now(audio: &AudioConfig, disk: &Disk, call: &CallId, time: SystemTime) -> Opened {
    let mut faults = Vec::new();
    let source = open_source(&audio.input, disk).unwrap_or_else(|error| {
        faults.push(error.to_string());
        Source::silence()
    });
    let name = file_name(call.as_str());
    let time = calendar::for_file_name(time);
    let sink = open_sink(
        &audio.output,
        RecordingNames {
            call: &name,
            time: &time,
        },
        disk,
    )
    .unwrap_or_else(|error| {
        faults.push(error.to_string());
        Sink::discard()
    });
    Opened {
        program: program(source, sink),
        faults,
    }
}

fn program(source: Source, sink: Sink) -> Box<dyn Program> {
    Box::new(AudioProgram::new(OpusSettings::default(), source, sink))
}

/// A server chooses the names of its calls: nothing of one may lead out of the folder.
fn file_name(call: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
            c
        } else {
            '_'
        }
    };
    call.chars().take(64).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_call_cannot_choose_the_folder_of_its_recording() {
        assert_eq!(file_name("../../etc/passwd"), "______etc_passwd");
        assert_eq!(file_name("5f3b-9a_1"), "5f3b-9a_1");
        assert_eq!(file_name(&"x".repeat(300)).len(), 64);
    }
}
