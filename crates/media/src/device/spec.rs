//! How an input or output is written in a configuration: `device:NAME`, `file:PATH`, `tone:HZ`, `silence`, `discard`.

use std::path::PathBuf;
use std::str::FromStr;

/// Where a call's outgoing sound comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SourceSpec {
    /// A microphone; `default` is the system's choice.
    Device(String),
    /// A WAV file, then silence.
    File(PathBuf),
    /// A sine of so many hertz.
    Tone(f64),
    /// Silence.
    Silence,
}

/// Where a call's incoming sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinkSpec {
    /// A loudspeaker; `default` is the system's choice.
    Device(String),
    /// A WAV file; `{call}` and `{time}` in the path are replaced.
    File(PathBuf),
    /// Nowhere.
    Discard,
}

/// Why a text names no input or output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// No such kind of input.
    #[error("{0:?} is no input; write device:NAME, file:PATH, tone:HZ or silence")]
    UnknownSource(String),
    /// No such kind of output.
    #[error("{0:?} is no output; write device:NAME, file:PATH or discard")]
    UnknownSink(String),
    /// The name or path after the colon is missing.
    #[error("{0:?} names nothing after the colon")]
    Empty(String),
    /// The frequency is no number between 20 and 20000.
    #[error("{0:?} is no frequency; write tone: and 20 to 20000 hertz, as in tone:1004")]
    Frequency(String),
    /// Something in braces that is never replaced.
    #[error("{{{0}}} in the path of a recording means nothing; {{call}} and {{time}} are replaced")]
    Placeholder(String),
}

impl FromStr for SourceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match split(text)? {
            ("silence", None) => Ok(Self::Silence),
            ("device", Some(name)) => Ok(Self::Device(name.to_owned())),
            ("file", Some(path)) => Ok(Self::File(PathBuf::from(path))),
            ("tone", Some(hertz)) => hertz
                .parse::<f64>()
                .ok()
                .filter(|hertz| (20.0..=20_000.0).contains(hertz))
                .map(Self::Tone)
                .ok_or_else(|| SpecError::Frequency(text.to_owned())),
            (_, _) => Err(SpecError::UnknownSource(text.to_owned())),
        }
    }
}

impl FromStr for SinkSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match split(text)? {
            ("discard", None) => Ok(Self::Discard),
            ("device", Some(name)) => Ok(Self::Device(name.to_owned())),
            ("file", Some(path)) => match unknown_placeholder(path) {
                Some(name) => Err(SpecError::Placeholder(name.to_owned())),
                None => Ok(Self::File(PathBuf::from(path))),
            },
            (_, _) => Err(SpecError::UnknownSink(text.to_owned())),
        }
    }
}

/// The first `{name}` in the path that is neither `{call}` nor `{time}`.
fn unknown_placeholder(path: &str) -> Option<&str> {
    let names = path.split('{').skip(1);
    let mut closed = names.filter_map(|rest| Some(rest.split_once('}')?.0));
    closed.find(|name| !matches!(*name, "call" | "time"))
}

fn split(text: &str) -> Result<(&str, Option<&str>), SpecError> {
    match text.split_once(':') {
        Some((_, "")) => Err(SpecError::Empty(text.to_owned())),
        Some((kind, rest)) => Ok((kind, Some(rest))),
        None => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read() {
        assert_eq!("tone:1004".parse(), Ok(SourceSpec::Tone(1004.0)));
        assert_eq!("silence".parse(), Ok(SourceSpec::Silence));
        assert_eq!(
            "device:hw:0,0".parse(),
            Ok(SourceSpec::Device("hw:0,0".into()))
        );
        assert_eq!(
            "file:/a b.wav".parse(),
            Ok(SourceSpec::File("/a b.wav".into()))
        );
        assert_eq!("discard".parse(), Ok(SinkSpec::Discard));
        assert_eq!(
            "file:{call}.wav".parse(),
            Ok(SinkSpec::File("{call}.wav".into()))
        );
    }

    #[test]
    fn a_typing_error_is_told_with_what_would_do() {
        for text in ["tone", "files:/x", "Silence", ""] {
            let told = text.parse::<SourceSpec>().unwrap_err().to_string();
            assert!(
                told.contains(&format!("{text:?}")) && told.contains("tone:HZ"),
                "{told}"
            );
        }
        assert!(
            "tone:loud"
                .parse::<SourceSpec>()
                .unwrap_err()
                .to_string()
                .contains("tone:1004")
        );
        assert!("tone:nan".parse::<SourceSpec>().is_err());
        assert!(
            "silence"
                .parse::<SinkSpec>()
                .unwrap_err()
                .to_string()
                .contains("discard")
        );
        assert_eq!(
            "file:".parse::<SinkSpec>(),
            Err(SpecError::Empty("file:".into()))
        );
        let told = "file:{time}-{cal}.wav".parse::<SinkSpec>().unwrap_err();
        assert_eq!(
            told.to_string(),
            "{cal} in the path of a recording means nothing; {call} and {time} are replaced"
        );
        assert!("file:a{b.wav".parse::<SinkSpec>().is_ok());
    }
}
