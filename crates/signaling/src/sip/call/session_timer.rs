//! Session timers: both sides agree how often the call shows that it lives (RFC 4028).

use std::time::Duration;

use crate::sip::dialog::peer::Peer;
use crate::sip::message::HeaderName;
use crate::sip::message::headers::Headers;
use crate::sip::message::outgoing::Content;

/// RFC 4028, 5: the smallest interval of all.
pub const LEAST: Duration = Duration::from_secs(90);

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    /// The interval.
    pub interval: Duration,
    /// Whether we refresh it.
    pub ours: bool,
}

/// The interval of a request is too small (422).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall;

impl SessionTimer {
    /// When the refresher refreshes: at half (7.4).
    pub fn refresh_after(&self) -> Duration {
        self.interval / 2
    }

    /// When the other side hangs up: min(32 s, a third) before the end (10).
    pub fn give_up_after(&self) -> Duration {
        self.interval - (self.interval / 3).min(Duration::from_secs(32))
    }

    /// What the 2xx to our request decides (7.2). Without Session-Expires there is none, except that one who asked may go
    /// on alone: `asked` is that interval where we do.
    pub fn as_caller(answer: &Headers) -> Option<Self> {
        let (interval, refresher) = session_expires(answer)?;
        Some(Self {
            interval: interval.max(LEAST),
            ours: refresher.as_deref() != Some("uas"),
        })
    }

    /// What we answer to a request (9). `wanted`: the interval that we would ask for. We may lower what is asked for, never
    /// raise it, and keep the refresher asked for.
    pub fn as_callee(
        request: &Headers,
        wanted: Option<Duration>,
    ) -> Result<Option<Self>, TooSmall> {
        let knows = request.lists(&HeaderName::Supported, "timer")
            || request.lists(&HeaderName::Require, "timer");
        let least = request
            .number(&HeaderName::MinSe)
            .map_or(LEAST, |seconds| Duration::from_secs(seconds.into()))
            .max(LEAST);
        match session_expires(request) {
            Some((asked, _)) if asked < LEAST => Err(TooSmall),
            Some((asked, refresher)) => {
                let interval = wanted.map_or(asked, |wanted| asked.min(wanted.max(least)));
                // Who does not know timers cannot refresh.
                let ours = !knows || refresher.as_deref() == Some("uas");
                Ok(Some(Self { interval, ours }))
            }
            None => Ok(wanted.map(|wanted| Self {
                interval: wanted.max(least),
                ours: true,
            })),
        }
    }

    /// The headers of our 2xx to a peer that can do so much.
    pub fn write_answer_to(&self, peer: &Peer, content: &mut Content) {
        let refresher = if self.ours { "uas" } else { "uac" };
        content.push(
            &HeaderName::SessionExpires,
            format!("{};refresher={refresher}", self.interval.as_secs()),
        );
        // RFC 4028, 9: demanded where the caller is to refresh.
        if !self.ours && peer.supports("timer") {
            content.push(&HeaderName::Require, "timer");
        }
    }

    /// The headers of a refresh of ours: roles stay.
    pub fn write_request(&self, least: Duration, content: &mut Content) {
        let refresher = if self.ours { "uac" } else { "uas" };
        content.push(
            &HeaderName::SessionExpires,
            format!("{};refresher={refresher}", self.interval.as_secs()),
        );
        write_least(least, content);
    }
}

/// The headers of a first INVITE: who refreshes is left to the far side.
pub fn write_wish(wanted: Duration, least: Duration, content: &mut Content) {
    content.push(
        &HeaderName::SessionExpires,
        wanted.max(least).as_secs().to_string(),
    );
    write_least(least, content);
}

fn write_least(least: Duration, content: &mut Content) {
    if least > LEAST {
        content.push(&HeaderName::MinSe, least.as_secs().to_string());
    }
}

fn session_expires(headers: &Headers) -> Option<(Duration, Option<String>)> {
    let (seconds, params) = headers.parametrised(&HeaderName::SessionExpires)?;
    let seconds: u32 = seconds.parse().ok()?;
    let refresher = params.get("refresher").map(str::to_ascii_lowercase);
    Some((Duration::from_secs(seconds.into()), refresher))
}
