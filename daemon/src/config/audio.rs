//! Reads `input` and `output`, with paths that start at the configuration's folder.

use std::path::Path;

use offhook_engine::config::{AudioConfig, RingbackChoice};
use offhook_engine::vocabulary::{RingbackTone, SinkSpec, SourceSpec};

use crate::config::checked::choice;
use crate::config::error::Fault;
use crate::config::raw::{RawAudio, Text};

/// A fault with the text that is to blame.
pub(crate) type Blame<'a> = (Option<&'a Text>, Fault);

/// The audio of all calls; silence and nowhere where nothing is said.
pub(crate) fn read<'a>(raw: Option<&'a RawAudio>, folder: &Path) -> Result<AudioConfig, Blame<'a>> {
    let mut audio = AudioConfig::default();
    let Some(raw) = raw else { return Ok(audio) };
    if let Some(text) = &raw.input {
        let fault = |error| {
            (
                Some(text),
                Fault::Audio {
                    key: "input",
                    error,
                },
            )
        };
        audio.input = text.get_ref().parse().map_err(fault)?;
    }
    if let Some(text) = &raw.output {
        let fault = |error| {
            (
                Some(text),
                Fault::Audio {
                    key: "output",
                    error,
                },
            )
        };
        audio.output = text.get_ref().parse().map_err(fault)?;
    }
    if let Some(text) = &raw.ringback {
        audio.ringback = match text.get_ref().as_str() {
            "us" => RingbackChoice::Tone(RingbackTone::NorthAmerica),
            "eu" => RingbackChoice::Tone(RingbackTone::Europe),
            "uk" => RingbackChoice::Tone(RingbackTone::UnitedKingdom),
            "off" => RingbackChoice::Off,
            _ => {
                let (_, fault) = choice(
                    "ringback",
                    text,
                    &["us", "eu", "uk", "off"],
                    "\"us\", \"eu\", \"uk\" or \"off\"",
                );
                return Err((Some(text), fault));
            }
        };
    }
    if let SourceSpec::File(path) = &mut audio.input {
        *path = folder.join(&path);
    }
    if let SinkSpec::File(path) = &mut audio.output {
        *path = folder.join(&path);
    }
    Ok(audio)
}
