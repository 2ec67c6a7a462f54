//! What the far side of a source or sink (a file, a sound card) has to tell: it ended, it failed, it goes on elsewhere.

use std::io;
use std::path::PathBuf;

/// Capacity of the lock-free ring in which events of one endpoint wait to be read.
pub const EVENT_RING: usize = 16;

/// Something that happened to the input or output of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointEvent {
    /// The input file was played to its end; silence follows.
    InputEnded,
    /// The input stopped delivering; silence follows.
    InputFailed(EndpointFault),
    /// The output takes no more sound; what it took before is kept.
    OutputFailed(EndpointFault),
    /// A recording goes into this file from now on (also told for each further part).
    RecordingTo {
        /// Where the sound is.
        path: PathBuf,
    },
    /// The device has not asked for or delivered sound for a second.
    DeviceStalled {
        /// The device's name.
        device: String,
    },
    /// A stalled device works again.
    DeviceRunning {
        /// The device's name.
        device: String,
    },
}

/// Why an input or output failed while it was in use, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointFault {
    /// No room is left for the recording.
    #[error("disk full while recording to {path}; the recording up to here is a valid WAV file. Free some space or record elsewhere", path = .path.display())]
    DiskFull {
        /// The recording.
        path: PathBuf,
    },
    /// The recording could not be written or opened.
    #[error("cannot write the recording {path}: {kind}. Check the folder and its permissions", path = .path.display())]
    Write {
        /// The recording.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The input file could not be read on.
    #[error("cannot read on in {path}: {kind}. Check the file and its disk", path = .path.display())]
    Read {
        /// The input file.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The sound card's stream broke.
    #[error(
        "sound device {device} failed: {reason}. Check that it is plugged in and not in use elsewhere"
    )]
    Device {
        /// The device's name.
        device: String,
        /// What the sound system said.
        reason: String,
    },
}
