//! Reads the operator's wishes from standard input, one JSON object a line.

use std::io::{BufRead, Read};

use serde::Deserialize;
use tokio::sync::mpsc;

use crate::switch::exchange::OwnCall;
use crate::switch::leg::Party;
use crate::switch::media::Sound;

/// Longest line, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// A user to be called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CallUser {
    pub(super) user: String,
    pub(super) call: OwnCall,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The user to call.
    call: String,
    /// Number to call from.
    number: Option<String>,
    /// Name to call from.
    name: Option<String>,
    /// What the user hears.
    #[serde(default)]
    sound: LineSound,
    /// Nothing to be heard, whatever `sound` says.
    #[serde(default)]
    mute: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LineSound {
    #[default]
    Echo,
    Tone,
    Speech,
}

/// Reads until the end of the input, which is not the end of the sandbox.
pub(super) fn read(mut input: impl BufRead, calls: &mpsc::Sender<CallUser>) {
    loop {
        let mut line = Vec::new();
        match (&mut input).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return tracing::debug!("standard input is closed"),
            Ok(_) => {}
            Err(error) => return tracing::warn!(%error, "standard input cannot be read"),
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(&line) {
            Ok(call) => {
                if calls.blocking_send(call).is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, r#"not understood; write {{"call":"demo-1"}}"#);
            }
        }
    }
}

fn parse(line: &[u8]) -> Result<CallUser, serde_json::Error> {
    let line: Line = serde_json::from_slice(line)?;
    let sound = match line.sound {
        _ if line.mute => Sound::Silence,
        LineSound::Echo => Sound::Echo {
            delay: std::time::Duration::ZERO,
        },
        LineSound::Tone => Sound::Tone,
        LineSound::Speech => Sound::Speech,
    };
    let caller = Party {
        name: line.name.unwrap_or_else(|| "Sandbox".to_owned()),
        number: line.number.unwrap_or_else(|| "9196".to_owned()),
    };
    Ok(CallUser {
        user: line.call,
        call: OwnCall { caller, sound },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_user_and_may_name_the_rest() {
        let call = parse(br#"{"call":"demo-1"}"#).unwrap();
        assert_eq!(
            (call.user.as_str(), call.call.caller.number.as_str()),
            ("demo-1", "9196")
        );
        let call = parse(br#"{"call":"demo-2","number":"77","sound":"tone"}"#).unwrap();
        assert_eq!(
            (call.call.caller.number.as_str(), call.call.sound),
            ("77", Sound::Tone)
        );
        let call = parse(br#"{"call":"demo-2","mute":true}"#).unwrap();
        assert_eq!(call.call.sound, Sound::Silence);
    }

    #[test]
    fn what_is_no_call_is_passed_over_and_reading_goes_on() {
        let (sender, mut receiver) = mpsc::channel(8);
        let input = "nonsense\n{\"cal\":1}\n\n{\"call\":\"demo-1\"}\n{\"call\":\"demo-2\"}";
        std::thread::spawn(move || read(input.as_bytes(), &sender))
            .join()
            .unwrap();
        assert_eq!(receiver.blocking_recv().unwrap().user, "demo-1");
        assert_eq!(receiver.blocking_recv().unwrap().user, "demo-2");
        assert!(receiver.blocking_recv().is_none());
    }
}
