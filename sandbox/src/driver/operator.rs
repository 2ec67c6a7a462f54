//! Reads the operator's wishes from standard input, one JSON object a line.

use std::io::{BufRead, Read};

use offhook_media::program::AudioCodec;
use offhook_media::sdp::codec::{ALL, encoding_name, list};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::fault::order::Order;
use crate::switch::exchange::OwnCall;
use crate::switch::leg::Party;
use crate::switch::media::Sound;

/// Longest line, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// What the operator wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A user to be called.
    Call { user: String, call: OwnCall },
    /// Something to go wrong.
    Order(Order),
}

/// Why a line is passed over.
#[derive(Debug, thiserror::Error)]
enum NotUnderstood {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Fault(String),
    #[error("{name:?} is no codec; there are {known}")]
    Codec { name: String, known: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultLine {
    /// What is to go wrong.
    fault: String,
    /// For whom; without it for everybody.
    user: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateLine {
    /// The state that the gateway is to tell.
    state: String,
    /// Whom; without it everybody.
    user: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnounceLine {
    /// The words.
    announce: String,
    /// To whom; without it to everybody.
    user: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallLine {
    /// The user to call.
    call: String,
    /// Number to call from.
    number: Option<String>,
    /// Name to call from.
    name: Option<String>,
    /// What the user hears.
    #[serde(default)]
    sound: LineSound,
    /// What the user is offered, best first, by the names of SDP; without it all.
    codecs: Option<Vec<String>>,
    /// SIP clients get no offer, and are to make one.
    #[serde(default)]
    late: bool,
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
pub(super) fn read(mut input: impl BufRead, sandbox: &mpsc::Sender<Told>) {
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
            Ok(told) => {
                if sandbox.blocking_send(told).is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    r#"not understood; write {{"call":"demo-1"}}, {{"fault":"drop"}}, {{"state":"UNREGED"}} or {{"announce":"words"}}"#
                );
            }
        }
    }
}

fn parse(line: &[u8]) -> Result<Told, NotUnderstood> {
    let line: Value = serde_json::from_slice(line)?;
    if line.get("fault").is_some() {
        let line: FaultLine = serde_json::from_value(line)?;
        let order = Order::read(&line.fault, line.user).map_err(NotUnderstood::Fault)?;
        return Ok(Told::Order(order));
    }
    if line.get("state").is_some() {
        let line: StateLine = serde_json::from_value(line)?;
        let state = line.state.parse().map_err(NotUnderstood::Fault)?;
        let user = line.user;
        return Ok(Told::Order(Order::Tell { state, user }));
    }
    if line.get("announce").is_some() {
        let AnnounceLine { announce, user } = serde_json::from_value(line)?;
        let text = announce;
        return Ok(Told::Order(Order::Announce { text, user }));
    }
    let line: CallLine = serde_json::from_value(line)?;
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
    Ok(Told::Call {
        user: line.call,
        call: OwnCall {
            caller,
            sound,
            late: line.late,
            codecs: match line.codecs {
                None => ALL.to_vec(),
                Some(names) => names
                    .iter()
                    .map(|name| codec(name))
                    .collect::<Result<_, _>>()?,
            },
        },
    })
}

fn codec(name: &str) -> Result<AudioCodec, NotUnderstood> {
    let mut all = ALL.into_iter();
    all.find(|codec| encoding_name(*codec).eq_ignore_ascii_case(name))
        .ok_or_else(|| NotUnderstood::Codec {
            name: name.to_owned(),
            known: list(&ALL),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::gateway::Mishap;

    fn call(line: &str) -> (String, OwnCall) {
        match parse(line.as_bytes()) {
            Ok(Told::Call { user, call }) => (user, call),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_line_names_the_user_and_may_name_the_rest() {
        let (user, own) = call(r#"{"call":"demo-1"}"#);
        assert_eq!(
            (user.as_str(), own.caller.number.as_str()),
            ("demo-1", "9196")
        );
        let (_, own) = call(r#"{"call":"demo-2","number":"77","sound":"tone"}"#);
        assert_eq!((own.caller.number.as_str(), own.sound), ("77", Sound::Tone));
        let (_, own) = call(r#"{"call":"demo-2","mute":true}"#);
        assert_eq!((own.sound, own.codecs.len()), (Sound::Silence, ALL.len()));
        let (_, own) = call(r#"{"call":"demo-2","codecs":["g722","PCMA"]}"#);
        assert_eq!(own.codecs, [AudioCodec::G722, AudioCodec::Pcma]);
    }

    #[test]
    fn a_line_may_order_a_fault_or_a_state() {
        let now = |user: Option<&str>| {
            Told::Order(Order::Now {
                mishap: Mishap::Drop,
                user: user.map(str::to_owned),
            })
        };
        for (line, expected) in [
            (r#"{"fault":"drop"}"#, now(None)),
            (r#"{"fault":"drop","user":"demo-1"}"#, now(Some("demo-1"))),
            (
                r#"{"fault":"none"}"#,
                Told::Order(Order::Clear { user: None }),
            ),
            (
                r#"{"state":"UNREGED"}"#,
                Told::Order(Order::Tell {
                    state: "UNREGED".parse().unwrap(),
                    user: None,
                }),
            ),
            (
                r#"{"announce":"good night","user":"demo-1"}"#,
                Told::Order(Order::Announce {
                    text: "good night".to_owned(),
                    user: Some("demo-1".to_owned()),
                }),
            ),
        ] {
            assert_eq!(parse(line.as_bytes()).unwrap(), expected, "{line}");
        }
        let Ok(Told::Order(Order::Wish(wish))) = parse(br#"{"fault":"stall=9:1","user":"demo-2"}"#)
        else {
            panic!("a wish");
        };
        assert_eq!((wish.left, wish.user.as_deref()), (Some(1), Some("demo-2")));
        for (wrong, named) in [
            (r#"{"fault":"explode"}"#, "cut-frame"),
            (r#"{"fault":"stall=x"}"#, "stall=MS"),
            (r#"{"fault":"drop","call":"demo-1"}"#, "unknown field"),
            (r#"{"state":"GONE"}"#, "FAIL_WAIT"),
            (r#"{"call":"demo-1","codecs":["speex"]}"#, "G722"),
        ] {
            let error = parse(wrong.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_not_understood_is_passed_over_and_reading_goes_on() {
        let (sender, mut receiver) = mpsc::channel(8);
        let input = "nonsense\n{\"cal\":1}\n\n{\"call\":\"demo-1\"}\n{\"fault\":\"none\"}";
        std::thread::spawn(move || read(input.as_bytes(), &sender))
            .join()
            .unwrap();
        assert!(matches!(receiver.blocking_recv(), Some(Told::Call { .. })));
        assert!(matches!(
            receiver.blocking_recv(),
            Some(Told::Order(Order::Clear { .. }))
        ));
        assert!(receiver.blocking_recv().is_none());
    }
}
