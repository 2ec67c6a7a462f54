//! Why a source or sink could not be opened, and what to do.

use std::io;
use std::path::PathBuf;

/// What stood in the way of opening an input or output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The input file is not there.
    #[error("input file {path} does not exist; check the path", path = .path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// The input file is there but cannot be read.
    #[error("input file {path} cannot be read: {kind}; check its permissions", path = .path.display())]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The input file is no WAV file.
    #[error("input file {path} is no WAV file: {fault}; convert it, for example with `sox IN -r 48000 -c 1 OUT.wav`", path = .path.display())]
    NotWav {
        /// What was asked for.
        path: PathBuf,
        /// What is wrong with it.
        fault: WavFault,
    },
    /// The recording cannot be made.
    #[error("cannot create the recording {path}: {kind}; check that the folder exists and may be written", path = .path.display())]
    Create {
        /// The file that was to be made.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// So many recordings of this name exist that no free number was found.
    #[error("no free name for the recording {path}: {tried} numbered files exist; move old recordings away or put {{call}} or {{time}} in the path", path = .path.display())]
    NoFreeName {
        /// The file that was to be made.
        path: PathBuf,
        /// Numbers that were tried.
        tried: u32,
    },
    /// Too many files are open for calls already.
    #[error(
        "{open} files are open for calls already, the limit of this process; end some calls or raise the limit"
    )]
    Busy {
        /// Files in use.
        open: usize,
    },
    /// The disk thread is gone.
    #[error("the thread that reads and writes sound files has ended; restart the program")]
    DiskEnded,
    /// There is no sound device of that name.
    #[error("no sound {direction} device is called {name:?}; there are: {known}", known = list(.known))]
    UnknownDevice {
        /// What was asked for.
        name: String,
        /// "input" or "output".
        direction: Direction,
        /// Names that would do.
        known: Vec<String>,
    },
    /// The device is there but cannot be used.
    #[error(
        "sound {direction} device {name} cannot be used: {reason}; check that it is plugged in, allowed, and not in use elsewhere"
    )]
    Device {
        /// What was asked for.
        name: String,
        /// "input" or "output".
        direction: Direction,
        /// What the sound system said.
        reason: String,
    },
    /// This build has no support for sound devices.
    #[error(
        "this build has no sound devices (wanted {name:?}); use file:, tone:, silence or discard, or build with the feature `device`"
    )]
    NoDevices {
        /// What was asked for.
        name: String,
    },
}

/// Which way sound goes through a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A microphone.
    Input,
    /// A loudspeaker.
    Output,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

/// What is wrong with a file that should be WAV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WavFault {
    /// It does not begin with RIFF and WAVE.
    #[error("it does not begin with RIFF/WAVE")]
    NoRiff,
    /// It ends before its sound begins.
    #[error("it ends before its sound begins")]
    Truncated,
    /// Its format chunk is missing, doubled or broken.
    #[error("its format chunk is missing or broken")]
    BadFormat,
    /// Its coding is not one of ours.
    #[error(
        "its coding {tag:#06x} with {bits} bits is not supported (PCM of 8, 16, 24, 32 bits and float of 32 bits are)"
    )]
    Coding {
        /// WAVE format tag.
        tag: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// Neither mono nor stereo.
    #[error("it has {0} channels; one or two are supported")]
    Channels(u16),
    /// Its rate is out of range.
    #[error("its rate is {0} Hz; 8000 to 48000 Hz are supported")]
    Rate(u32),
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
