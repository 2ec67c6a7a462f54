//! The numbers one can dial here, and what happens then.

use std::time::Duration;

use offhook_signaling::cause::Cause;

use crate::switch::cause::cause;
use crate::switch::media::Sound;
use crate::users;

/// Where a dialled number leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The sandbox itself is the far end and does this, step by step.
    Script(Vec<Step>),
    /// Another user's clients.
    User(String),
    /// Nowhere.
    Unknown,
}

/// One thing that a scripted far end does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Rings.
    Ring,
    /// Sends early media.
    Early(Sound),
    /// Answers.
    Answer(Sound),
    /// Does nothing for a while.
    Wait(Duration),
    /// Will call the caller back, counted from now.
    CallBack(Duration),
    /// Hangs up, or refuses when not answered yet.
    HangUp(Cause),
}

/// What the SIP user name of every telephony credential begins with.
const CREDENTIAL: &str = "gencred";

/// Looks a dialled number up.
pub(crate) fn destination(dialled: &str) -> Destination {
    use Step::{Answer, CallBack, Early, HangUp, Ring, Wait};

    let echo = Sound::Echo {
        delay: Duration::ZERO,
    };
    let steps = match dialled {
        "9196" => vec![Ring, Answer(echo)],
        "9195" => vec![
            Ring,
            Answer(Sound::Echo {
                delay: Duration::from_millis(500),
            }),
        ],
        "9197" => vec![Ring, Answer(Sound::Tone)],
        "9198" => vec![Ring, Answer(Sound::Speech)],
        "9180" => vec![Ring],
        "9181" => vec![Ring, Wait(Duration::from_millis(500)), Answer(echo)],
        "9185" => vec![
            Ring,
            Answer(echo),
            Wait(Duration::from_secs(2)),
            HangUp(Cause::NORMAL_CLEARING),
        ],
        "9189" => vec![
            Ring,
            Early(Sound::Tone),
            Wait(Duration::from_secs(1)),
            HangUp(Cause::USER_BUSY),
        ],
        "9100" => vec![
            Ring,
            Early(Sound::Speech),
            Wait(Duration::from_secs(2)),
            Answer(echo),
        ],
        other => return ranges(other),
    };
    return Destination::Script(steps);

    fn ranges(dialled: &str) -> Destination {
        if users::is_user(dialled) {
            return Destination::User(dialled.to_owned());
        }
        let name = user_part(dialled);
        if name.starts_with(CREDENTIAL) && name.len() > CREDENTIAL.len() {
            return Destination::User(name.to_owned());
        }
        if conference(dialled).is_some() {
            return Destination::Script(vec![Answer(Sound::Speech)]);
        }
        if Question::asked_at(dialled).is_some() {
            return Destination::Script(vec![Ring, Answer(Sound::Silence)]);
        }
        if let Some(seconds) = digits_after("917", dialled, 1) {
            return Destination::Script(vec![
                Ring,
                CallBack(Duration::from_secs(seconds.into())),
                HangUp(Cause::NORMAL_CLEARING),
            ]);
        }
        if let Some(code) = digits_after("99", dialled, 3) {
            return Destination::Script(vec![HangUp(cause(code))]);
        }
        if let Some(known) = digits_after("9", dialled, 3)
            .filter(|code| (300..700).contains(code))
            .and_then(Cause::from_sip)
        {
            return Destination::Script(vec![HangUp(known)]);
        }
        Destination::Unknown
    }
}

/// The conference behind a number, as the usual dialplan of a FreeSWITCH has them.
pub(crate) fn conference(dialled: &str) -> Option<&str> {
    digits_after("30", dialled, 2).map(|_| dialled)
}

/// What the far end of a number asks its caller (FreeSWITCH).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Four digits.
    Digits,
    /// A line of text.
    Text,
}

impl Question {
    /// By the number.
    pub(crate) fn asked_at(dialled: &str) -> Option<Self> {
        match dialled {
            "9186" => Some(Self::Digits),
            "9187" => Some(Self::Text),
            _ => None,
        }
    }
}

/// The name in what may be a SIP address.
pub(crate) fn user_part(dialled: &str) -> &str {
    let address = dialled.strip_prefix("sip:").unwrap_or(dialled);
    address.split_once('@').map_or(address, |(name, _)| name)
}

/// The number that `count` digits after `prefix` make, if that is all there is.
fn digits_after(prefix: &str, dialled: &str, count: usize) -> Option<u16> {
    let digits = dialled.strip_prefix(prefix)?;
    let all_digits = digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_their_digits() {
        assert_eq!(
            destination("99017"),
            Destination::Script(vec![Step::HangUp(Cause::USER_BUSY)])
        );
        let Destination::Script(steps) = destination("9173") else {
            panic!("9173 is scripted");
        };
        assert!(steps.contains(&Step::CallBack(Duration::from_secs(3))));
        assert_eq!(
            destination("demo-4"),
            Destination::User("demo-4".to_owned())
        );
    }

    #[test]
    fn a_credential_is_dialled_by_name_or_address() {
        let user = Destination::User("gencredAb12".to_owned());
        for same in ["gencredAb12", "sip:gencredAb12@sip.telnyx.com"] {
            assert_eq!(destination(same), user, "{same}");
        }
        assert_eq!(destination("gencred"), Destination::Unknown);
    }

    #[test]
    fn near_misses_lead_nowhere() {
        for wrong in [
            "", "9", "91", "917", "91700", "9917", "990170", "99+17", "9700", "demo-0", "demo-10",
            "٩١٩٦",
        ] {
            assert_eq!(destination(wrong), Destination::Unknown, "{wrong}");
        }
    }
}
